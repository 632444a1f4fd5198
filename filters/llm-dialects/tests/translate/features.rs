//! The features of requests that `docs/translation.md` lists: what a client asks for, and what is claimed to come of it.

use serde_json::{Value, json};

use crate::table::{Cell, Row, laid_over};

fn user(content: Value) -> Value {
    json!({"messages": [{"role": "user", "content": content}]})
}

/// A conversation whose assistant has said `said`.
fn after(said: Value) -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}, said, {"role": "user", "content": "Go on"}]})
}

fn openai_tools(rest: Value) -> Value {
    laid_over(
        json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]}),
        &rest,
    )
}

fn anthropic_tools(rest: Value) -> Value {
    laid_over(json!({"tools": [{"name": "f", "input_schema": {"type": "object"}}]}), &rest)
}

/// An OpenAI tool loop with this result.
fn openai_loop(result: Value) -> Value {
    openai_tools(json!({"messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": result},
    ]}))
}

/// An Anthropic tool loop with this result.
fn anthropic_loop(result: Value) -> Value {
    let result = laid_over(json!({"type": "tool_result", "tool_use_id": "a"}), &result);
    anthropic_tools(json!({"messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        {"role": "user", "content": [result]},
    ]}))
}

pub(crate) fn conversation() -> Vec<Row> {
    let said = "/messages/1/content";
    vec![
        (
            "system instructions",
            Cell::carried(json!({"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}]}), "/system"),
            Cell::carried(json!({"system": "S"}), "/messages/0"),
        ),
        (
            "instructions in the middle",
            Cell::approximated(
                json!({"messages": [{"role": "user", "content": "Hi"}, {"role": "developer", "content": "S"}]}),
                "/system",
                "moved to the front",
            ),
            Cell::carried(json!({"messages": [{"role": "user", "content": "Hi"}, {"role": "system", "content": "S"}]}), "/messages/1"),
        ),
        (
            "several turns",
            Cell::carried(after(json!({"role": "assistant", "content": "Ho"})), said),
            Cell::carried(after(json!({"role": "assistant", "content": "Ho"})), said),
        ),
        (
            "participant names",
            Cell::dropped(json!({"messages": [{"role": "user", "content": "Hi", "name": "ann"}]})),
            Cell::unknown(),
        ),
        (
            "image by URL",
            Cell::carried(user(json!([{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}])), "/messages/0/content/0/source"),
            Cell::carried(user(json!([{"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}])), "/messages/0/content/0/image_url"),
        ),
        (
            "image as base64",
            Cell::carried(user(json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}])), "/messages/0/content/0/source"),
            Cell::carried(user(json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}])), "/messages/0/content/0/image_url"),
        ),
        (
            "image by another scheme",
            Cell::refused(user(json!([{"type": "image_url", "image_url": {"url": "gs://bucket/a.png"}}]))),
            Cell::carried(user(json!([{"type": "image", "source": {"type": "url", "url": "gs://bucket/a.png"}}])), "/messages/0/content/0/image_url"),
        ),
        (
            "image by file id",
            Cell::unknown(),
            Cell::refused(user(json!([{"type": "image", "source": {"type": "file", "file_id": "file_1"}}]))),
        ),
        (
            "image detail",
            Cell::dropped(user(json!([{"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}}])))
                .without(user(json!([{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]))),
            Cell::unknown(),
        ),
        (
            "document as base64 PDF",
            Cell::carried(user(json!([{"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}])), "/messages/0/content/0"),
            Cell::carried(user(json!([{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}, "title": "a.pdf"}])), "/messages/0/content/0/file"),
        ),
        (
            "document as text",
            Cell::unknown(),
            Cell::approximated(
                user(json!([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Text."}}])),
                "/messages/0/content",
                "a text like any other",
            ),
        ),
        (
            "document by URL",
            Cell::unknown(),
            Cell::refused(user(json!([{"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}}]))),
        ),
        (
            "document by file id",
            Cell::refused(user(json!([{"type": "file", "file": {"file_id": "file-1"}}]))),
            Cell::refused(user(json!([{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]))),
        ),
        (
            "audio input",
            Cell::refused(user(json!([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]))),
            Cell::unknown(),
        ),
        (
            "other content blocks (search results, …)",
            Cell::unknown(),
            Cell::refused(user(json!([{"type": "search_result", "source": "x", "title": "T", "content": []}]))),
        ),
        (
            "refusal in the history",
            Cell::approximated(after(json!({"role": "assistant", "content": null, "refusal": "No."})), said, "as text"),
            Cell::unknown(),
        ),
    ]
}

pub(crate) fn tools() -> Vec<Row> {
    let called = |arguments: &str| json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}});
    let openai_history = |arguments: &str| {
        openai_tools(json!({"messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": null, "tool_calls": [called(arguments)]},
            {"role": "tool", "tool_call_id": "a", "content": "R"},
        ]}))
    };
    vec![
        (
            "functions",
            Cell::carried(openai_tools(json!({})), "/tools"),
            Cell::carried(anthropic_tools(json!({})), "/tools"),
        ),
        (
            "strict functions",
            Cell::carried(
                json!({"tools": [{"type": "function", "function": {"name": "f", "strict": true}}]}),
                "/tools/0/strict",
            ),
            Cell::carried(json!({"tools": [{"name": "f", "strict": true}]}), "/tools/0/function/strict"),
        ),
        (
            "tools run by the provider",
            Cell::refused(json!({"tools": [{"type": "custom", "custom": {"name": "g"}}]})),
            Cell::refused(json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]})),
        ),
        (
            "a forced call of any tool",
            Cell::carried(openai_tools(json!({"tool_choice": "required"})), "/tool_choice"),
            Cell::carried(anthropic_tools(json!({"tool_choice": {"type": "any"}})), "/tool_choice"),
        ),
        (
            "a forced call of one tool",
            Cell::carried(
                openai_tools(json!({"tool_choice": {"type": "function", "function": {"name": "f"}}})),
                "/tool_choice",
            ),
            Cell::carried(
                anthropic_tools(json!({"tool_choice": {"type": "tool", "name": "f"}})),
                "/tool_choice",
            ),
        ),
        (
            "a forced call, Opus 5.5, Sonnet 5.5, Fable",
            Cell::approximated(
                openai_tools(json!({"tool_choice": "required"})),
                "/system",
                "the model refuses to be forced",
            )
            .to("claude-opus-5-5"),
            Cell::unknown(),
        ),
        (
            "no call (`none`)",
            Cell::carried(openai_tools(json!({"tool_choice": "none"})), "/tool_choice"),
            Cell::carried(anthropic_tools(json!({"tool_choice": {"type": "none"}})), "/tool_choice"),
        ),
        (
            "a choice among some tools",
            Cell::refused(openai_tools(
                json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}}),
            )),
            Cell::unknown(),
        ),
        (
            "parallel calls forbidden",
            Cell::carried(openai_tools(json!({"parallel_tool_calls": false})), "/tool_choice"),
            Cell::carried(
                anthropic_tools(json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}})),
                "/parallel_tool_calls",
            ),
        ),
        (
            "calls in the history",
            Cell::carried(openai_history("{\"x\":1}"), "/messages/1/content/0"),
            Cell::carried(anthropic_loop(json!({"content": "R"})), "/messages/1/tool_calls"),
        ),
        (
            "arguments that are no JSON",
            Cell::approximated(
                openai_history("{\"x\":"),
                "/messages/1/content/0/input",
                "wrapped in an object",
            ),
            Cell::unknown(),
        ),
        (
            "results",
            Cell::carried(openai_loop(json!("R")), "/messages/2/content/0/content"),
            Cell::carried(anthropic_loop(json!({"content": "R"})), "/messages/2/content"),
        ),
        (
            "images in results",
            Cell::carried(
                openai_loop(json!([{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}])),
                "/messages/2/content/0/content",
            ),
            Cell::approximated(
                anthropic_loop(
                    json!({"content": [{"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}]}),
                ),
                "/messages/3/content",
                "in the next user message",
            ),
        ),
        (
            "failed results",
            Cell::unknown(),
            Cell::approximated(
                anthropic_loop(json!({"content": "R", "is_error": true})),
                "/messages/2/content",
                "said in words",
            )
            .without(anthropic_loop(json!({"content": "R"}))),
        ),
    ]
}

pub(crate) fn thinking() -> Vec<Row> {
    let thought = |block: Value| {
        after(json!({"role": "assistant", "content": [block, {"type": "text", "text": "Ho"}]}))
    };
    let blocks =
        |block: Value| after(json!({"role": "assistant", "content": "Ho", "thinking_blocks": [block]}));
    let plain = || after(json!({"role": "assistant", "content": "Ho"}));
    let signed = || json!({"type": "thinking", "thinking": "Hm", "signature": "c2ln"});
    let redacted = || json!({"type": "redacted_thinking", "data": "ZGF0YQ=="});
    vec![
        (
            "signed thinking in the history (`thinking_blocks`)",
            Cell::carried(blocks(signed()), "/messages/1/content/0").without(plain()),
            Cell::dropped(thought(signed())).without(plain()),
        ),
        (
            "redacted thinking in the history",
            Cell::carried(blocks(redacted()), "/messages/1/content/0").without(plain()),
            Cell::dropped(thought(redacted())).without(plain()),
        ),
        (
            "unsigned reasoning in the history (`reasoning_content`)",
            Cell::dropped(after(json!({"role": "assistant", "content": "Ho", "reasoning_content": "Hm"})))
                .without(plain()),
            Cell::dropped(thought(json!({"type": "thinking", "thinking": "Hm", "signature": ""})))
                .without(plain()),
        ),
        (
            "effort, models to Claude 4.5",
            Cell::approximated(json!({"reasoning_effort": "high"}), "/thinking", "a budget"),
            Cell::carried(json!({"output_config": {"effort": "high"}}), "/reasoning_effort"),
        ),
        (
            "effort, Claude 4.6 and later",
            Cell::carried(json!({"reasoning_effort": "xhigh"}), "/output_config/effort")
                .to("claude-opus-4-7"),
            Cell::approximated(
                json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
                "/reasoning_effort",
                "at most what the model knows",
            ),
        ),
        (
            "thinking budget",
            Cell::unknown(),
            Cell::approximated(
                json!({"max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000}}),
                "/reasoning_effort",
                "an effort",
            )
            .without(json!({"max_tokens": 4000})),
        ),
        (
            "adaptive thinking without effort",
            Cell::unknown(),
            Cell::dropped(json!({"thinking": {"type": "adaptive"}})),
        ),
        (
            "thinking beside tools, GPT-5.2 and later",
            Cell::unknown(),
            Cell::approximated(
                anthropic_tools(json!({"output_config": {"effort": "high"}})),
                "/reasoning_effort",
                "this API has tools only without it",
            )
            .to("gpt-5.4"),
        ),
        (
            "thinking, models that do not think",
            Cell::dropped(json!({"reasoning_effort": "high"})).to("claude-3-5-haiku-latest"),
            Cell::dropped(json!({"output_config": {"effort": "high"}})).to("gpt-4o"),
        ),
        (
            "no thinking",
            Cell::carried(json!({"reasoning_effort": "none"}), "/thinking"),
            Cell::dropped(json!({"thinking": {"type": "disabled"}})),
        ),
        (
            "no thinking, Sonnet 5.5",
            Cell::approximated(json!({"reasoning_effort": "none"}), "/thinking", "the least it does")
                .to("claude-sonnet-5-5"),
            Cell::unknown(),
        ),
        (
            "no thinking, Opus 5.5, Fable",
            Cell::approximated(json!({"reasoning_effort": "none"}), "/output_config", "it cannot but think")
                .to("claude-opus-5-5"),
            Cell::unknown(),
        ),
    ]
}

pub(crate) fn parameters() -> Vec<Row> {
    let schema = json!({"type": "object", "properties": {}});
    vec![
        (
            "output limit",
            Cell::carried(json!({"max_completion_tokens": 50}), "/max_tokens"),
            Cell::carried(json!({"max_tokens": 50}), "/max_completion_tokens"),
        ),
        (
            "output limit, models of others than OpenAI",
            Cell::unknown(),
            Cell::carried(json!({"max_tokens": 50}), "/max_tokens").to("mistral-large-latest"),
        ),
        (
            "temperature, Claude to 4.6; GPT-4 and models of others",
            Cell::carried(json!({"temperature": 0.5}), "/temperature"),
            Cell::carried(json!({"temperature": 0.5}), "/temperature").to("gpt-4o"),
        ),
        (
            "temperature above 1",
            Cell::approximated(json!({"temperature": 1.5}), "/temperature", "clamped"),
            Cell::unknown(),
        ),
        (
            "temperature, Claude 4.7 and later; OpenAI's reasoning models",
            Cell::dropped(json!({"temperature": 0.5})).to("claude-opus-4-7"),
            Cell::dropped(json!({"temperature": 0.5})),
        ),
        (
            "`top_p`",
            Cell::carried(json!({"top_p": 0.5}), "/top_p"),
            Cell::carried(json!({"top_p": 0.5}), "/top_p").to("gpt-4o"),
        ),
        (
            "`top_p` beside temperature, Claude 4.1 to 4.6",
            Cell::dropped(json!({"temperature": 0.5, "top_p": 0.5})).without(json!({"temperature": 0.5})),
            Cell::unknown(),
        ),
        ("`top_k`", Cell::carried(json!({"top_k": 5}), "/top_k"), Cell::dropped(json!({"top_k": 5}))),
        ("seed", Cell::dropped(json!({"seed": 1})), Cell::unknown()),
        (
            "penalties and logit bias",
            Cell::dropped(json!({"frequency_penalty": 1, "presence_penalty": 1, "logit_bias": {"1": 1}})),
            Cell::unknown(),
        ),
        (
            "stop sequences",
            Cell::carried(json!({"stop": ["END"]}), "/stop_sequences"),
            Cell::carried(json!({"stop_sequences": ["END"]}), "/stop"),
        ),
        ("blank stop sequences", Cell::dropped(json!({"stop": "\n"})), Cell::unknown()),
        (
            "output by JSON schema",
            Cell::carried(
                json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}),
                "/output_config/format",
            ),
            Cell::carried(
                json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}),
                "/response_format",
            ),
        ),
        (
            "output as any JSON object",
            Cell::approximated(
                json!({"response_format": {"type": "json_object"}}),
                "/system",
                "asked for in words",
            ),
            Cell::unknown(),
        ),
        ("several answers (`n`)", Cell::refused(json!({"n": 2})), Cell::unknown()),
        ("log probabilities", Cell::refused(json!({"logprobs": true})), Cell::unknown()),
        (
            "prompt-cache marks",
            Cell::carried(
                user(json!([{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}])),
                "/messages/0/content/0/cache_control",
            ),
            Cell::dropped(user(
                json!([{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]),
            )),
        ),
        (
            "end user",
            Cell::carried(json!({"safety_identifier": "u-1"}), "/metadata"),
            Cell::carried(json!({"metadata": {"user_id": "u-1"}}), "/user"),
        ),
        (
            "end user, e-mail addresses; longer than 64 bytes",
            Cell::dropped(json!({"user": "ann@example.com"})),
            Cell::dropped(json!({"metadata": {"user_id": "u".repeat(65)}})),
        ),
        ("metadata", Cell::dropped(json!({"metadata": {"team": "a"}})), Cell::unknown()),
        (
            "service tier",
            Cell::approximated(
                json!({"service_tier": "default"}),
                "/service_tier",
                "other tiers are dropped",
            ),
            Cell::approximated(json!({"service_tier": "standard_only"}), "/service_tier", "the nearest"),
        ),
        (
            "streaming",
            Cell::carried(json!({"stream": true}), "/stream"),
            Cell::carried(json!({"stream": true}), "/stream_options"),
        ),
    ]
}
