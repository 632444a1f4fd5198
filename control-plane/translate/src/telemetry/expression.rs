//! CEL expressions of telemetry in the terms of Envoy.
//!
//! Most name one property of a request, which Envoy's access log formatter has a command for. The rest is CEL to
//! Envoy too, as far as both know the same variables; what is not is left to others (`told`) rather than evaluated to
//! something else.

use crate::settings::Runtime;

/// What agentgateway calls a property, and Envoy's command for it.
const COMMANDS: [(&str, &str); 12] = [
    ("request.method", "%REQUEST_HEADER(:METHOD)%"),
    ("request.host", "%REQUEST_HEADER(:AUTHORITY)%"),
    ("request.path", "%PATH(NQ)%"),
    ("request.pathAndQuery", "%PATH(WQ)%"),
    ("request.scheme", "%REQUEST_HEADER(:SCHEME)%"),
    ("request.version", "%PROTOCOL%"),
    ("response.code", "%RESPONSE_CODE%"),
    ("source.address", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ("source.port", "%DOWNSTREAM_REMOTE_PORT%"),
    ("destination.address", "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"),
    ("destination.port", "%DOWNSTREAM_LOCAL_PORT%"),
    ("proxy.route.name", "%ROUTE_NAME%"),
];

/// What agentgateway calls a property of the exchange with a model, and the attribute it is published as.
const EXCHANGE: [(&str, &str); 9] = [
    ("llm.requestModel", "gen_ai.request.model"),
    ("llm.responseModel", "gen_ai.response.model"),
    ("llm.provider", "gen_ai.provider.name"),
    ("llm.inputTokens", "gen_ai.usage.input_tokens"),
    ("llm.outputTokens", "gen_ai.usage.output_tokens"),
    ("llm.cachedInputTokens", "gen_ai.usage.cache_read.input_tokens"),
    ("llm.cacheCreationInputTokens", "gen_ai.usage.cache_creation.input_tokens"),
    ("llm.reasoningTokens", "gen_ai.usage.reasoning_tokens"),
    ("llm.timeToFirstToken", "agw.ai.time_to_first_token"),
];

/// Variables of agentgateway that Envoy's CEL has too, with their name there.
const VARIABLES: [(&str, &str); 9] = [
    ("request.method", "request.method"),
    ("request.host", "request.host"),
    ("request.path", "request.url_path"),
    ("request.pathAndQuery", "request.path"),
    ("request.scheme", "request.scheme"),
    ("request.headers", "request.headers"),
    ("response.headers", "response.headers"),
    ("response.code", "response.code"),
    ("source.port", "source.port"),
];

/// Functions and macros that mean the same to both.
const FUNCTIONS: [&str; 7] = ["startsWith", "endsWith", "contains", "matches", "size", "has", "int"];

/// Where `jwt_authn` keeps the claims of a good token, in the words of the command `DYNAMIC_METADATA`.
const CLAIMS: &str = "envoy.filters.http.jwt_authn:claims";

/// An expression as a format of Envoy's access log. `None` when it cannot be expressed.
pub(super) fn format(expression: &str, runtime: &Runtime) -> Option<String> {
    let expression = expression.trim();
    if let Some(text) = literal(expression) {
        return Some(text.replace('%', "%%"));
    }
    if let Some((_, command)) = COMMANDS.iter().find(|(name, _)| *name == expression) {
        return Some((*command).to_owned());
    }
    if let Some((_, attribute)) = EXCHANGE.iter().find(|(name, _)| *name == expression) {
        let (key, _) = filter_config::PUBLISHED_FIELDS.iter().find(|(_, name)| name == attribute)?;
        return Some(published(key, runtime));
    }
    if let Some(header) = header(expression, "request.headers") {
        return Some(format!("%REQUEST_HEADER({header})%"));
    }
    if let Some(header) = header(expression, "response.headers") {
        return Some(format!("%RESPONSE_HEADER({header})%"));
    }
    if let Some(claim) = claim(expression) {
        return Some(claim);
    }
    // A `%` would end the command.
    condition(expression).filter(|cel| !cel.contains('%')).map(|cel| format!("%CEL({cel})%"))
}

/// The command for a field the filters publish.
pub(super) fn published(key: &str, runtime: &Runtime) -> String {
    format!("%FILTER_STATE({}:PLAIN)%", state_key(key, runtime))
}

/// The name in Envoy's filter state of what the filters publish under a key.
pub(super) fn state_key(key: &str, runtime: &Runtime) -> String {
    match runtime {
        Runtime::Wasm { .. } => format!("wasm.{key}"),
        Runtime::Native { .. } => key.to_owned(),
    }
}

/// The command for a claim of a token, `jwt.sub` or one within another.
fn claim(expression: &str) -> Option<String> {
    let path: Vec<&str> = expression.strip_prefix("jwt.")?.split('.').collect();
    let member =
        |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    path.iter().all(member).then(|| format!("%DYNAMIC_METADATA({CLAIMS}:{})%", path.join(":")))
}

/// An expression as Envoy's CEL. `None` when it cannot be expressed.
pub(super) fn condition(expression: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' || first == '\'' {
            quoted(rest)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
                .unwrap_or(rest.len());
            let (name, behind) = rest.split_at(length);
            out.push_str(&variable(name, behind.trim_start().starts_with('('))?);
            rest = behind;
            continue;
        } else if first.is_ascii_digit() {
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(rest.len())
        } else if "()[]!=<>&|?:,-. \t\n".contains(first) {
            1
        } else {
            return None;
        };
        let (token, behind) = rest.split_at(length);
        if token == "." {
            // A method of what stands before, as in `request.headers["x"].startsWith("y")`.
            let length = behind.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(behind.len());
            let (name, arguments) = behind.split_at(length);
            if !FUNCTIONS.contains(&name) || !arguments.starts_with('(') {
                return None;
            }
            out.push('.');
            out.push_str(name);
            rest = arguments;
            continue;
        }
        out.push_str(token);
        rest = behind;
    }
    Some(out)
}

/// A name with dots, which may end with a method that is called.
fn variable(name: &str, called: bool) -> Option<String> {
    if called {
        if FUNCTIONS.contains(&name) {
            return Some(name.to_owned());
        }
        let (object, method) = name.rsplit_once('.')?;
        return FUNCTIONS.contains(&method).then_some(format!("{}.{method}", variable(object, false)?));
    }
    if ["true", "false", "in", "null"].contains(&name) {
        return Some(name.to_owned());
    }
    VARIABLES.iter().find(|(ours, _)| *ours == name).map(|(_, envoys)| (*envoys).to_owned())
}

/// Length of the quoted string at the beginning of a text.
fn quoted(text: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next()?;
    while let Some((at, c)) = characters.next() {
        if c == '\\' {
            characters.next();
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}

/// The text of a string literal without escapes, or of a number or truth value.
pub(super) fn literal(expression: &str) -> Option<String> {
    let expression = expression.trim();
    if expression.parse::<f64>().is_ok() || expression == "true" || expression == "false" {
        return Some(expression.to_owned());
    }
    let quote = expression.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    let inner = expression.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains([quote, '\\', '\n'])).then(|| inner.to_owned())
}

/// A share of requests: a truth value, or a number from 0 to 1, written as such or as text. In percent.
pub(super) fn share(expression: &str) -> Option<f64> {
    match literal(expression)?.as_str() {
        "true" => Some(100.0),
        "false" => Some(0.0),
        number => {
            number.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share)).map(|share| share * 100.0)
        }
    }
}

/// The header of `headers["name"]`.
fn header<'a>(expression: &'a str, headers: &str) -> Option<&'a str> {
    let inner = expression.strip_prefix(headers)?.strip_prefix('[')?.strip_suffix(']')?;
    let name = inner.strip_prefix(['"', '\''])?.strip_suffix(['"', '\''])?;
    let token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!name.is_empty() && name.chars().all(token)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(expression: &str) -> Option<String> {
        format(expression, &Runtime::Native { library: "x".into() })
    }

    #[test]
    fn properties_are_commands() {
        assert_eq!(native("request.method").as_deref(), Some("%REQUEST_HEADER(:METHOD)%"));
        assert_eq!(native("request.headers[\"x-team\"]").as_deref(), Some("%REQUEST_HEADER(x-team)%"));
        assert_eq!(native("'50%'").as_deref(), Some("50%%"));
        assert_eq!(native("true").as_deref(), Some("true"));
        assert_eq!(
            native("llm.requestModel").as_deref(),
            Some("%FILTER_STATE(weir.gen_ai.request.model:PLAIN)%")
        );
        let wasm = format("llm.inputTokens", &Runtime::Wasm { module: "x".into() });
        assert_eq!(wasm.as_deref(), Some("%FILTER_STATE(wasm.weir.gen_ai.usage.input_tokens:PLAIN)%"));
    }

    #[test]
    fn what_both_know_is_cel_and_the_rest_is_nothing() {
        assert_eq!(
            native("request.path.startsWith('/a') ? 'x' : \"y\"").as_deref(),
            Some("%CEL(request.url_path.startsWith('/a') ? 'x' : \"y\")%")
        );
        assert_eq!(
            condition(
                "response.code >= 500 || has(request.headers['x']) && !(request.headers['y'].size() == 2)"
            )
            .as_deref(),
            Some("response.code >= 500 || has(request.headers['x']) && !(request.headers['y'].size() == 2)")
        );
        assert_eq!(
            native("jwt.realm_access.tier").as_deref(),
            Some("%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:claims:realm_access:tier)%")
        );
        for expression in [
            "jwt",
            "jwt['sub']",
            "jwt.sub.size()",
            "apiKey.team",
            "llm.requestModel == 'x'",
            "request.body",
            "source.address == '1.2.3.4'",
            "default(request.path, 'x')",
            "request.path.split('/')[0]",
            "request.headers['x'].cookie('y')",
            "'a' + 'b'",
            "'open",
            "request.path == '%'",
            "metadata.x",
        ] {
            assert_eq!(native(expression), None, "{expression}");
        }
    }

    #[test]
    fn shares_are_percentages() {
        for (text, percent) in
            [("true", 100.0), ("0.25", 25.0), ("'0.5'", 50.0), ("false", 0.0), ("1", 100.0)]
        {
            assert_eq!(share(text), Some(percent), "{text}");
        }
        for text in ["2", "-1", "request.headers['x'] == 'y'", "NaN"] {
            assert_eq!(share(text), None, "{text}");
        }
    }
}
