//! Exchanges that every build of the filters has to get right: the core on a fake host, the wasm module, the
//! dynamic module. `llm` and `provider` are the configurations of the two filters on the way.

use testkit::{Expected, Script};

/// One exchange and what must come of it, however the bytes arrive.
#[derive(Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Configuration of the downstream filter.
    pub llm: &'static str,
    /// Configuration of the upstream filter.
    pub provider: String,
    /// What is sent.
    pub script: Script,
    /// What is received.
    pub expected: Expected,
}

/// A dialect as a configuration names it.
pub const OPENAI: &str = "openai_chat";
/// The same.
pub const ANTHROPIC: &str = "anthropic_messages";

/// Where clients of a dialect send their requests.
pub fn path(dialect: &str) -> &'static str {
    if dialect == OPENAI { "/v1/chat/completions" } else { "/v1/messages" }
}

/// The configuration of a provider of one dialect.
pub fn provider(dialect: &str) -> String {
    let path = path(dialect);
    format!(r#"{{"name":"p","speaks":[{{"endpoint":"{dialect}","path":"{path}"}}]}}"#)
}

/// A request of a client.
pub fn request(dialect: &str, stream: bool) -> String {
    let stream = if stream { r#","stream":true"# } else { "" };
    let usage = if dialect == OPENAI && !stream.is_empty() {
        r#","stream_options":{"include_usage":true}"#
    } else {
        ""
    };
    let limit = if dialect == OPENAI { "" } else { r#","max_tokens":100"# };
    format!(r#"{{"model":"m"{limit}{stream}{usage},"messages":[{{"role":"user","content":"Grüße"}}]}}"#)
}

/// A whole answer of a provider.
pub fn answer(dialect: &str) -> &'static str {
    if dialect == OPENAI {
        r#"{"id":"1","object":"chat.completion","created":1,"model":"m-1","choices":[{"index":0,"message":{"role":"assistant","content":"Grüße","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":2,"audio_tokens":0}}}"#
    } else {
        r#"{"id":"msg_1","type":"message","role":"assistant","model":"m-1","content":[{"type":"text","text":"Grüße"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":6,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":5,"output_tokens_details":{"thinking_tokens":2}}}"#
    }
}

/// A streamed answer of a provider.
pub fn events(dialect: &str) -> &'static str {
    if dialect == OPENAI {
        concat!(
            ": keep-alive\n\n",
            "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
            "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Gr\u{fc}\u{df}e\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\r\n\r\n",
            "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
            "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15,\"prompt_tokens_details\":{\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n",
            "data: [DONE]\n\n",
        )
    } else {
        concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m-1\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":6,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Gr\u{fc}\u{df}e\"}}\r\n\r\n",
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":6,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":4,\"output_tokens\":5,\"output_tokens_details\":{\"thinking_tokens\":2}}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        )
    }
}

/// All four pairs of dialects, whole and streamed. Where client and provider speak the same, every byte passes.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for client in [OPENAI, ANTHROPIC] {
        for upstream in [OPENAI, ANTHROPIC] {
            for stream in [false, true] {
                let body = request(client, stream);
                let mut expected = Expected::nothing().status(200);
                let script = if stream {
                    Script::event_stream(path(client), body.clone(), events(upstream))
                } else {
                    Script::json(path(client), body.clone(), answer(upstream))
                };
                if client == upstream {
                    expected = expected.request_body(body).response_body(script.response.body.clone());
                }
                cases.push(Case {
                    name: format!(
                        "{client} client, {upstream} provider, {}",
                        if stream { "streamed" } else { "whole" }
                    ),
                    llm: "{}",
                    provider: provider(upstream),
                    script,
                    expected,
                });
            }
        }
    }
    cases
}
