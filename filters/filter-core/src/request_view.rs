//! What expressions see of a request.
//!
//! | variable | fields |
//! |---|---|
//! | `request` | `headers`, `path` (without the query, which may hold secrets), `method`, `host` |
//! | `llm` | `requestModel`, `streaming`; where the filter knows them |
//! | `llmRequest` | the body; where it is at hand |
//! | `apiKey` | what is known of the owner of the key the request came with, and `key` |
//! | `jwt` | the claims of the token the request came with |
//!
//! `apiKey` is known behind the `api-keys` filter, so not to the conditions of virtual models.
//!
//! `apiKey` and `jwt` are there only when the request came with a key that is known or a token that was verified. To
//! look at one that is not there is an error, as for every variable in CEL: `default(apiKey.team, "none")` takes the
//! place of the error.

use expressions::{Context, Expression};
use filter_config::API_KEY_STATE;
use serde_json::{Map, Value, json};

use crate::{Attribute, HeaderMap, Host};

/// An expression over a request.
#[derive(Debug)]
pub(crate) struct RequestExpression {
    expression: Expression,
    /// Headers the expression may look at.
    headers: Vec<String>,
}

/// What a filter knows of a request beside its headers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RequestView<'a> {
    /// `llm`; without it there is no such variable.
    pub(crate) llm: Option<AskedModel<'a>>,
    /// `llmRequest`; without it there is no such variable.
    pub(crate) body: Option<&'a [u8]>,
}

/// The model a request asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AskedModel<'a> {
    pub(crate) model: &'a str,
    pub(crate) stream: bool,
}

impl RequestExpression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        let expression = Expression::compile(text).map_err(|error| error.to_string())?;
        Ok(Self { expression, headers: named_headers(text) })
    }

    /// Its value for the request of `host`, whose headers are held.
    ///
    /// # Errors
    /// Those of [`Expression::evaluate`].
    pub(crate) fn evaluate(
        &self,
        host: &dyn Host,
        view: &RequestView<'_>,
    ) -> Result<Value, expressions::Error> {
        let header = |name: &str| host.header(HeaderMap::Request, name);
        let mut context = Context::new();
        if self.expression.references("request") {
            let headers: Map<String, Value> =
                self.headers.iter().filter_map(|name| Some((name.clone(), header(name)?.into()))).collect();
            let path = header(":path").map(|mut path| {
                path.truncate(path.find('?').unwrap_or(path.len()));
                path
            });
            let request = json!({
                "headers": headers,
                "path": path,
                "method": header(":method"),
                "host": header(":authority"),
            });
            context.bind("request", request);
        }
        if let Some(llm) = view.llm {
            context.bind("llm", json!({"requestModel": llm.model, "streaming": llm.stream}));
        }
        if let Some(body) = view.body
            && self.expression.references("llmRequest")
        {
            context.bind("llmRequest", serde_json::from_slice(body).unwrap_or(Value::Null));
        }
        self.bind_caller(host, &mut context);
        self.expression.evaluate(&context)
    }

    /// Its value for variables that are no request's.
    ///
    /// # Errors
    /// Those of [`Expression::evaluate`].
    pub(crate) fn evaluate_over(&self, context: &Context<'_>) -> Result<Value, expressions::Error> {
        self.expression.evaluate(context)
    }

    /// Who the request comes from.
    fn bind_caller(&self, host: &dyn Host, context: &mut Context<'_>) {
        if self.expression.references("apiKey")
            && let Some(owner) = host.state(API_KEY_STATE).and_then(|json| object(&json))
        {
            context.bind("apiKey", owner);
        }
        if self.expression.references("jwt")
            && let Some(claims) = host.attribute(Attribute::Jwt).and_then(|json| object(json.as_bytes()))
        {
            context.bind("jwt", claims);
        }
    }
}

/// A JSON object; `None` for anything else, such as the `-` Envoy writes for what is not there.
fn object(json: &[u8]) -> Option<Value> {
    serde_json::from_slice(json).ok().filter(Value::is_object)
}

/// The headers an expression can look at: hosts find headers by name only, so every text in it, and every member of
/// `headers`, is taken for a name. Names made by the expression itself are not found.
pub(crate) fn named_headers(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['"', '\'']) {
        let (_, from) = rest.split_at(start);
        let quote = from.chars().next().unwrap_or('"');
        let inside = from.get(1..).unwrap_or_default();
        let Some(end) = inside.find(quote) else { break };
        let (name, after) = inside.split_at(end);
        names.push(name.to_ascii_lowercase());
        rest = after.get(1..).unwrap_or_default();
    }
    for (_, after) in text.match_indices("headers.").map(|(at, found)| (at, text.get(at + found.len()..))) {
        let name: String = after
            .unwrap_or_default()
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        names.push(name.to_ascii_lowercase());
    }
    names.retain(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    });
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use filter_config::variables;

    use super::*;
    use crate::fake_host::FakeHost;

    fn value(host: &FakeHost, expression: &str) -> Result<Value, expressions::Error> {
        let view =
            RequestView { llm: Some(AskedModel { model: "m", stream: true }), body: Some(br#"{"n":3}"#) };
        RequestExpression::compile(expression).unwrap().evaluate(host, &view)
    }

    #[test]
    fn what_there_is() {
        let mut host = FakeHost::default();
        for (name, value) in
            [(":method", "POST"), (":path", "/v1/x?key=secret"), (":authority", "a.test"), ("x-a", "1")]
        {
            host.set_header(HeaderMap::Request, name, value);
        }
        for (expression, expected) in [
            ("request.path", json!("/v1/x")),
            ("request.method + request.host", json!("POSTa.test")),
            ("request.headers['x-a']", json!("1")),
            ("llm.requestModel + string(llm.streaming)", json!("mtrue")),
            ("llmRequest.n", json!(3)),
        ] {
            assert_eq!(value(&host, expression), Ok(expected), "{expression}");
        }
        let none = RequestExpression::compile("llm.requestModel").unwrap();
        assert!(none.evaluate(&host, &RequestView::default()).is_err());
    }

    #[test]
    fn there_is_what_is_said_to_be() {
        let host = FakeHost::default();
        for variable in [variables::REQUEST, variables::LLM_OF_REQUEST] {
            let members = value(&host, variable.name).unwrap();
            let mut members: Vec<&str> = members.as_object().unwrap().keys().map(String::as_str).collect();
            let mut said = variable.members.unwrap().to_vec();
            members.sort_unstable();
            said.sort_unstable();
            assert_eq!(members, said);
        }
    }

    #[test]
    fn who_it_comes_from() {
        let mut host = FakeHost::default();
        for expression in ["apiKey.team", "has(apiKey.team)", "jwt.sub", "has(jwt.sub)"] {
            assert!(value(&host, expression).is_err(), "{expression}");
        }
        assert_eq!(value(&host, "default(jwt.sub, default(apiKey.team, 'none'))"), Ok(json!("none")));
        host.publish(API_KEY_STATE, br#"{"team":"red","key":"sha256:00"}"#);
        host.attributes.insert(Attribute::Jwt, r#"{"sub":"ann","roles":["a","b"]}"#.to_owned());
        for (expression, expected) in [
            ("apiKey.team", json!("red")),
            ("apiKey.key", json!("sha256:00")),
            ("has(apiKey.tier)", json!(false)),
            ("jwt.sub", json!("ann")),
            ("'b' in jwt.roles", json!(true)),
            ("has(jwt.email)", json!(false)),
        ] {
            assert_eq!(value(&host, expression), Ok(expected), "{expression}");
        }
        for no_object in ["-", "", "\"ann\"", "[]", "null"] {
            host.attributes.insert(Attribute::Jwt, no_object.to_owned());
            assert!(value(&host, "jwt").is_err(), "{no_object}");
        }
    }

    #[test]
    fn names_in_expressions() {
        assert_eq!(
            named_headers(
                r#"request.headers["X-A"] == 'b' && 'x-c' in request.headers && request.headers.d > 1"#
            ),
            ["b", "d", "x-a", "x-c"]
        );
    }
}
