//! Streams of every provider as clients of every dialect read them (T-01, T-03, T-06, T-09, T-15).

use std::fmt::Write as _;

use llm_dialects::Dialect::{
    self, AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses,
};
use llm_dialects::dialect::Framing;
use serde_json::{Value, json};

use crate::canonical::{self, unsigned};
use crate::pipe::{events, stream};
use crate::recorded::frames::{framed, legible};
use crate::{NOW, grammar, pairs, readers, response};

#[test]
fn t01_every_answer_reaches_every_client_whole_and_streamed() {
    for (client, provider) in pairs() {
        let told = response(provider, client, &canonical::answer(provider)).unwrap();
        let told = readers::response(client, &serde_json::from_slice(&told).unwrap());
        let told = told.unwrap_or_else(|breach| panic!("{provider} to {client}: {breach}"));
        assert_eq!(unsigned(told), canonical::said(client), "{provider} to {client}");

        let told = stream(provider, client, [&canonical::stream(provider)[..]]);
        let told = readers::stream(client, &told);
        let told = told.unwrap_or_else(|breach| panic!("{provider} to {client}, streamed: {breach}"));
        assert_eq!(unsigned(told), canonical::said(client), "{provider} to {client}, streamed");
    }
}

#[test]
fn t01_an_answer_that_was_not_streamed_is_told_as_a_stream() {
    for (client, provider) in pairs() {
        let mut told = Vec::new();
        let mut encoder = client.stream_encoder(NOW, true);
        let answer = canonical::answer(provider);
        let mut answer = provider.decode_response(&answer).unwrap();
        answer.model = "m".into();
        answer.replay(&mut |event| encoder.event(&event, &mut told));
        let told = readers::stream(client, &told);
        let told = told.unwrap_or_else(|breach| panic!("{provider} to {client}: {breach}"));
        assert_eq!(unsigned(told), canonical::said(client), "{provider} to {client}");
    }
}

#[test]
fn t03_streams_to_anthropic_clients_keep_to_the_grammar() {
    for provider in Dialect::ALL {
        let told = stream(provider, AnthropicMessages, [&canonical::stream(provider)[..]]);
        let message = grammar::anthropic::read(&told).unwrap_or_else(|breach| panic!("{provider}: {breach}"));
        let kinds: Vec<&str> = message.blocks.iter().map(|block| block.kind.as_str()).collect();
        let calls = &kinds[kinds.len() - 2..];
        assert_eq!((kinds[0], calls), ("thinking", &["tool_use", "tool_use"][..]), "{provider}");
        assert_eq!(message.stop_reason.as_deref(), Some("tool_use"), "{provider}");
        for (block, arguments) in message.blocks[kinds.len() - 2..].iter().zip(["Oslo", "Rome"]) {
            let read: Value = serde_json::from_str(&block.text).unwrap();
            assert_eq!(read, json!({ "city": arguments }), "{provider}");
        }
    }
}

#[test]
fn t06_response_events_are_numbered_and_keep_their_ids() {
    for provider in Dialect::ALL.into_iter().filter(|provider| *provider != OpenaiResponses) {
        let told = stream(provider, OpenaiResponses, [&canonical::stream(provider)[..]]);
        // The reader insists on numbers, ids, indices and texts that add up.
        let answer =
            grammar::openai_responses::read(&told).unwrap_or_else(|breach| panic!("{provider}: {breach}"));
        assert_eq!(answer.end, "response.completed", "{provider}");
        let output = answer.response["output"].as_array().unwrap();
        let kinds: Vec<&str> = output.iter().map(|item| item["type"].as_str().unwrap()).collect();
        let spoken: Vec<&str> = kinds.iter().copied().filter(|kind| *kind != "reasoning").collect();
        assert_eq!(spoken, ["message", "function_call", "function_call"], "{provider}");
        assert_eq!(kinds[0], "reasoning", "{provider}");
    }
}

#[test]
fn t06_a_cut_answer_is_incomplete() {
    for (provider, cut) in [
        (OpenaiChat, (r#""finish_reason":"tool_calls""#, r#""finish_reason":"length""#)),
        (AnthropicMessages, (r#""stop_reason":"tool_use""#, r#""stop_reason":"max_tokens""#)),
        (GeminiGenerate, (r#""finishReason":"STOP""#, r#""finishReason":"MAX_TOKENS""#)),
        (BedrockConverse, (r#""stopReason":"tool_use""#, r#""stopReason":"max_tokens""#)),
    ] {
        let whole = String::from_utf8(canonical::answer(provider)).unwrap();
        let whole = whole.replace(cut.0, cut.1);
        let told = response(provider, OpenaiResponses, whole.as_bytes()).unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        assert_eq!(told["incomplete_details"], json!({"reason": "max_output_tokens"}), "{provider}");

        let events = if provider == BedrockConverse {
            framed(&legible(provider, &canonical::stream(provider)).replace(cut.0, cut.1))
        } else {
            String::from_utf8(canonical::stream(provider)).unwrap().replace(cut.0, cut.1).into_bytes()
        };
        let told = stream(provider, OpenaiResponses, [&events[..]]);
        assert_eq!(grammar::openai_responses::read(&told).unwrap().end, "response.incomplete", "{provider}");
    }
}

#[test]
fn t09_streams_are_the_same_however_often_and_in_whatever_pieces_they_come() {
    for (client, provider) in pairs() {
        let recorded = canonical::stream(provider);
        let whole = stream(provider, client, [&recorded[..]]);
        let answer = canonical::answer(provider);
        let told = response(provider, client, &answer).unwrap();
        for _ in 0..100 {
            assert!(stream(provider, client, [&recorded[..]]) == whole, "{provider} to {client}");
            assert!(response(provider, client, &answer).as_ref() == Ok(&told), "{provider} to {client}");
        }
        for size in [1, 2, 3, 7, 64] {
            let told = stream(provider, client, recorded.chunks(size));
            assert!(told == whole, "{provider} to {client} in chunks of {size}");
        }
    }
}

/// Equal events make equal bytes for every client, so this holds for every pair.
#[test]
fn t15_every_cut_of_a_stream_gives_the_same_events() {
    let read = |provider: Dialect, chunks: &[&[u8]]| {
        let mut read = String::new();
        events(provider, chunks.iter().copied(), &mut |event| writeln!(read, "{event:?}").unwrap());
        read
    };
    for provider in Dialect::ALL {
        let recorded = canonical::stream(provider);
        let whole = read(provider, &[&recorded]);
        for at in 1..recorded.len() {
            let (head, tail) = recorded.split_at(at);
            assert_eq!(read(provider, &[head, tail]), whole, "{provider} cut at {at}");
        }
    }
}

#[test]
fn t15_line_ends_byte_order_marks_and_a_missing_last_line_end_change_nothing() {
    for (client, provider) in pairs().filter(|(_, provider)| provider.framing() == Framing::Sse) {
        let text = String::from_utf8(canonical::stream(provider)).unwrap();
        let whole = stream(provider, client, [text.as_bytes()]);
        for (what, variant) in [
            ("CRLF", text.replace('\n', "\r\n")),
            ("CR", text.replace('\n', "\r")),
            ("a byte order mark", format!("\u{feff}{text}")),
            ("no last line end", text.trim_end().to_owned()),
            ("data in two lines", text.replace(r#"},""#, "},\ndata: \"")),
        ] {
            assert!(
                stream(provider, client, [variant.as_bytes()]) == whole,
                "{provider} to {client}: {what}"
            );
            let bytewise = stream(provider, client, variant.as_bytes().chunks(1));
            assert!(bytewise == whole, "{provider} to {client}: {what}, byte by byte");
        }
    }
}

/// The lines between which `noise` may stand: behind every event.
fn with_noise(recorded: &[u8], noise: &str) -> Vec<u8> {
    let text = String::from_utf8(recorded.to_vec()).unwrap();
    let events: Vec<&str> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
    let mut noisy = noise.to_owned();
    for event in events {
        noisy += &format!("{event}\n\n");
        if event != "data: [DONE]" && !event.contains("message_stop") {
            noisy += noise;
        }
    }
    noisy.into_bytes()
}

#[test]
fn t15_keep_alives_comments_and_empty_frames_change_nothing_that_is_said() {
    for (client, provider) in pairs().filter(|(_, provider)| provider.framing() == Framing::Sse) {
        for noise in
            [": keep-alive\n\n", ":\n\n", "\n\n", "event: ping\n\n", "data:\n\n", "id: 7\n\n", "retry: 9\n\n"]
        {
            let noisy = with_noise(&canonical::stream(provider), noise);
            let told = readers::stream(client, &stream(provider, client, [&noisy[..]]));
            let told = told.unwrap_or_else(|breach| panic!("{provider} to {client}, {noise:?}: {breach}"));
            assert_eq!(unsigned(told), canonical::said(client), "{provider} to {client}, {noise:?}");
        }
    }
}

#[test]
fn t15_what_providers_repeat_or_leave_null_changes_nothing_that_is_said() {
    let sse = |dialect: Dialect, change: &dyn Fn(String) -> String| {
        change(String::from_utf8(canonical::stream(dialect)).unwrap()).into_bytes()
    };
    // (provider, what, stream)
    let streams = [
        (OpenaiChat, "a doubled finish", {
            let finish = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-5","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;
            sse(OpenaiChat, &|text| text.replace(finish, &format!("{finish}\n\n{finish}")))
        }),
        (
            OpenaiChat,
            "null usage in every chunk",
            sse(OpenaiChat, &|text| {
                text.replace(r#""finish_reason":null}]}"#, r#""finish_reason":null}],"usage":null}"#)
            }),
        ),
        (
            OpenaiChat,
            "nothing behind the usage",
            sse(OpenaiChat, &|text| text.replace("data: [DONE]\n\n", "")),
        ),
        (
            AnthropicMessages,
            "null counts",
            sse(AnthropicMessages, &|text| {
                text.replace(r#""cache_creation_input_tokens":0"#, r#""cache_creation_input_tokens":null"#)
            }),
        ),
        (
            GeminiGenerate,
            "usage in every chunk",
            sse(GeminiGenerate, &|text| {
                text.replace(
                    r#""totalTokenCount":100}"#,
                    r#""totalTokenCount":100,"candidatesTokenCount":null}"#,
                )
            }),
        ),
        (GeminiGenerate, "a finish in every chunk of the end", {
            let text = String::from_utf8(canonical::stream(GeminiGenerate)).unwrap();
            let last = text.trim_end().rsplit_once("\n\n").unwrap().1.to_owned();
            format!("{text}{last}\n\n").into_bytes()
        }),
        (BedrockConverse, "padding, and a block start of text", {
            let text = legible(BedrockConverse, &canonical::stream(BedrockConverse));
            framed(&text.replace(r#"{"role":"#, r#"{"p":"abcdef","role":"#))
        }),
    ];
    for (provider, what, events) in streams {
        for client in Dialect::ALL.into_iter().filter(|client| *client != provider) {
            let told = readers::stream(client, &stream(provider, client, [&events[..]]));
            let told = told.unwrap_or_else(|breach| panic!("{provider} to {client}, {what}: {breach}"));
            assert_eq!(unsigned(told), canonical::said(client), "{provider} to {client}, {what}");
        }
    }
}

#[test]
fn a_stream_that_breaks_off_ends_in_an_error_of_the_clients_dialect() {
    for (client, provider) in pairs() {
        let recorded = canonical::stream(provider);
        // Whole frames only: what a provider's crash looks like behind a proxy.
        let text = legible(provider, &recorded);
        let lines: Vec<&str> = if provider == BedrockConverse {
            text.lines().collect()
        } else {
            text.split("\n\n").filter(|event| !event.is_empty()).collect()
        };
        for count in 1..lines.len() / 2 {
            let cut = if provider == BedrockConverse {
                framed(&lines[..count].join("\n"))
            } else {
                format!("{}\n\n", lines[..count].join("\n\n")).into_bytes()
            };
            let told = readers::stream(client, &stream(provider, client, [&cut[..]]));
            let told =
                told.unwrap_or_else(|breach| panic!("{provider} to {client}, {count} frames: {breach}"));
            assert!(told.error.is_some(), "{provider} to {client}, {count} frames: {told:?}");
        }
    }
}
