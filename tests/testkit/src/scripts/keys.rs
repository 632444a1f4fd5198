//! Exchanges with an `api-keys` filter.

use super::{ANTHROPIC, Case, OPENAI, answer, case, path, request};
use crate::script::Script;
use crate::split_check::Expected;

/// Knows the key `weir-key`, behind `Bearer ` in `authorization`.
const IN_A_HEADER: &str = r#"{"default_policy":"p","policies":{"p":{"keys":{"316dcc5c738abd11a94bd40ed2edcd6c7b7ec1ef40555f5cd004517c14750d54":{"team":"red"}}}}}"#;

/// The same in the parameter `key` of the query.
const IN_THE_QUERY: &str = r#"{"default_policy":"p","policies":{"p":{"location":{"query_parameter":{"name":"key"}},"keys":{"316dcc5c738abd11a94bd40ed2edcd6c7b7ec1ef40555f5cd004517c14750d54":{"team":"red"}}}}}"#;

/// Clients with a key that is known, and with others.
pub(super) fn keys() -> Vec<Case> {
    let chat = |name: &str, client: &str, api_keys| {
        let script = Script::json(path(client), request(client, false), answer(OPENAI));
        // Providers that get the client's own credential must not get this one. Natively the filter itself does not
        // have the route chosen again; `llm` does.
        let llm = r#"{"keep_client_credential":true,"model_header":"x-gateway-model-name"}"#;
        Case { llm, api_keys: Some(api_keys), ..case(name, OPENAI, script) }
    };
    let mut known = chat("api_key_known", OPENAI, IN_A_HEADER);
    known.script.request.headers.add("authorization", "Bearer weir-key");
    known.expected.status = Some(200);
    let mut query = chat("api_key_in_the_query", OPENAI, IN_THE_QUERY);
    query.script.request.headers.set(":path", "/v1/chat/completions?a=%20&key=weir%2Dkey&b");
    // A format without a path leaves the client's.
    query.provider = format!(r#"{{"name":"p","speaks":[{{"endpoint":"{OPENAI}"}}]}}"#);
    query.expected.status = Some(200);
    let refused = |case: Case| Case { expected: Expected::nothing().request_body("").status(401), ..case };
    let mut unknown = refused(chat("api_key_unknown", ANTHROPIC, IN_A_HEADER));
    unknown.script.request.headers.add("authorization", "Bearer nobodys");
    let mut several = refused(chat("api_key_twice", OPENAI, IN_A_HEADER));
    several.script.request.headers.add("authorization", "Bearer weir-key");
    several.script.request.headers.add("authorization", "Bearer nobodys");
    let missing = refused(chat("api_key_missing", OPENAI, IN_A_HEADER));
    vec![known, query, unknown, several, missing]
}
