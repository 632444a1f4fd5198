//! A stream that passes and is watched on its way: model, usage and end are read off.

use filter_config::Endpoint;
use llm_dialects::dialect::Framing;
use llm_dialects::inspect::{AnswerFacts, StreamWatch};

use crate::endpoints;
use crate::frames::{Event, Frames};

/// A passing stream.
#[derive(Debug)]
pub(crate) struct Watched {
    frames: Frames,
    watch: StreamWatch,
    /// Something is wrong with the framing; nothing more can be read.
    broken: Option<framing::Error>,
    seen: Seen,
}

/// How much text has passed, for an estimate of its tokens.
///
/// Text is not decoded for this. Providers send about one token in an event, or more; a token of text has about four
/// bytes. What an event has over the shortest one is taken for text, and the few events without text for one token each;
/// events that are too short to hold any (`[DONE]`, the end of a block) do not count. Where the estimate decides over the
/// stream, texts are looked for in the events instead, which takes as long again as passing them.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    events: u64,
    /// Those that are long enough to hold text, their bytes, and the bytes of the shortest of them.
    long: u64,
    bytes: u64,
    shortest: u64,
    /// Texts are looked for: how many events had some, and how many bytes of it.
    closely: Option<(u64, u64)>,
}

/// The least an event with text has, in any dialect.
const LONG: u64 = 48;

/// Members of events, in any dialect, whose values were generated.
const SAID: [&[u8]; 9] = [
    b"\"content",
    b"\"text",
    b"\"delta",
    b"\"thinking",
    b"\"partial_json",
    b"\"arguments",
    b"\"reasoning_content",
    b"\"refusal",
    b"\"input",
];

impl Seen {
    fn event(&mut self, name: Option<&[u8]>, data: &[u8]) {
        let length = data.len() as u64;
        self.events += 1;
        // OpenAI's responses begin with what was asked for, and repeat what was said when a part of them is done.
        if name.is_some_and(|name| name.starts_with(b"response.") && !name.ends_with(b".delta")) {
            return;
        }
        if length >= LONG {
            self.shortest = if self.long == 0 { length } else { self.shortest.min(length) };
            self.long += 1;
            self.bytes += length;
        }
        let Some((with_text, bytes)) = &mut self.closely else { return };
        let said = said(data);
        *with_text += u64::from(said > 0);
        *bytes += said;
    }

    fn tokens(&self) -> u64 {
        match self.closely {
            Some((with_text, bytes)) if with_text > 0 => with_text.max(bytes / 4),
            // What is long and says nothing must not end a stream.
            Some(_) => self.events,
            None if self.long == 0 => self.events,
            None => {
                let text = self.bytes.saturating_sub(self.long.saturating_mul(self.shortest));
                self.long.max(text / 4)
            }
        }
    }
}

/// How many bytes of generated text an event holds, about.
fn said(data: &[u8]) -> u64 {
    let (mut rest, mut bytes) = (data, 0);
    while let Some(colon) = rest.iter().position(|byte| *byte == b':') {
        let (before, from) = rest.split_at(colon);
        rest = from.get(1..).unwrap_or_default();
        let is_said =
            before.strip_suffix(b"\"").is_some_and(|key| SAID.iter().any(|said| key.ends_with(said)));
        if let Some(text) = rest.trim_ascii_start().strip_prefix(b"\"").filter(|_| is_said) {
            let length = length(text);
            bytes += length as u64;
            rest = text.get(length..).unwrap_or_default();
        }
    }
    bytes
}

/// Length of the rest of a JSON string, up to its quote.
fn length(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().position(|byte| {
        let over = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        over
    });
    end.unwrap_or(text.len())
}

impl Watched {
    /// A stream at its start.
    pub(crate) fn new(endpoint: Endpoint, framing: Framing) -> Self {
        let watch = endpoints::dialect(endpoint).map_or_else(StreamWatch::detect, StreamWatch::new);
        Self { frames: Frames::new(framing), watch, broken: None, seen: Seen::default() }
    }

    /// Estimates what is generated from the texts in the events.
    pub(crate) fn closely(mut self) -> Self {
        self.seen.closely = Some((0, 0));
        self
    }

    /// Takes the next bytes, `end` with the last ones, and shows every event to `also`.
    pub(crate) fn feed(&mut self, bytes: &[u8], end: bool, mut also: impl FnMut(Event<'_>)) {
        if self.broken.is_some() {
            return;
        }
        let (watch, seen) = (&mut self.watch, &mut self.seen);
        let fed = self.frames.feed(bytes, end, |event| {
            if let Event::Data { name, data } = event {
                watch.event(name, data);
                seen.event(name, data);
            }
            also(event);
            Ok::<(), framing::Error>(())
        });
        self.broken = fed.err();
    }

    /// How many of the next bytes end one event at most; `begun` is what has come of that event.
    pub(crate) fn step(&self, begun: &[u8], bytes: &[u8]) -> usize {
        self.frames.step(begun, bytes)
    }

    /// How many of the last bytes are the beginning of an event.
    pub(crate) fn unfinished(&self) -> usize {
        self.frames.unfinished()
    }

    pub(crate) fn facts(&self) -> &AnswerFacts {
        &self.watch.facts
    }

    /// The provider has said that the answer is complete.
    pub(crate) fn complete(&self) -> bool {
        self.watch.complete
    }

    /// The provider has reported an error inside the stream.
    pub(crate) fn failed(&self) -> bool {
        self.watch.failed
    }

    /// What is wrong with the framing.
    pub(crate) fn broken(&self) -> Option<&framing::Error> {
        self.broken.as_ref()
    }

    /// How many events have passed.
    pub(crate) fn events(&self) -> u64 {
        self.seen.events
    }

    /// About how many tokens have passed.
    pub(crate) fn estimated_output(&self) -> u64 {
        self.seen.tokens()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(events: &[(Option<&str>, &str)]) -> u64 {
        let mut seen = Seen { closely: Some((0, 0)), ..Seen::default() };
        for (name, data) in events {
            seen.event(name.map(str::as_bytes), data.as_bytes());
        }
        seen.tokens()
    }

    #[test]
    fn only_what_was_said_counts() {
        let anthropic = [
            (
                None,
                r#"{"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":9}}}"#,
            ),
            (None, r#"{"type":"ping"}"#),
            (None, r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#),
            (
                None,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}"#,
            ),
            (
                None,
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\": 1}"}}"#,
            ),
            (None, r#"{"type":"content_block_stop","index":0}"#),
            (None, r#"{"type":"message_stop"}"#),
        ];
        assert_eq!(tokens(&anthropic), (5 + 8) / 4);
        let openai = [
            (
                None,
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
            ),
            (None, r#"{"choices": [{"index": 0, "delta": {"content": " wor\"d: x"}}]}"#),
            (None, "[DONE]"),
        ];
        assert_eq!(tokens(&openai), 10 / 4);
        let responses = [
            (Some("response.output_text.delta"), r#"{"type":"response.output_text.delta","delta":" word"}"#),
            (Some("response.output_text.done"), r#"{"type":"response.output_text.done","text":" word"}"#),
            (Some("response.completed"), r#"{"response":{"output":[{"content":[{"text":" word"}]}]}}"#),
        ];
        assert_eq!(tokens(&responses), 1);
        assert_eq!(tokens(&[(None, r#"{"b64_json":"AAAA"}"#), (None, "[DONE]")]), 2);
    }

    /// Responses begin with what was asked for, instructions and all.
    #[test]
    fn a_long_start_is_not_taken_for_text() {
        let start =
            format!(r#"{{"type":"response.created","response":{{"instructions":"{}"}}}}"#, "a".repeat(4_000));
        let added = r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}"#;
        let events = [("response.created", start.as_str()), ("response.output_item.added", added)];
        assert_eq!(tokens(&events.map(|(name, data)| (Some(name), data))), 2);
        let mut passing = Seen::default();
        for (name, data) in events {
            passing.event(Some(name.as_bytes()), data.as_bytes());
        }
        assert_eq!(passing.tokens(), 2);
    }

    /// Short events would make everything else look like text.
    #[test]
    fn ends_of_blocks_do_not_count() {
        let mut seen = Seen::default();
        let delta =
            br#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}"#;
        (0..400).for_each(|_| seen.event(None, delta));
        seen.event(None, br#"{"type":"content_block_stop","index":0}"#);
        seen.event(None, b"[DONE]");
        assert_eq!(seen.tokens(), 400);
    }

    #[test]
    fn no_bytes_are_too_odd() {
        for data in ["", ":", "\":\"", "\"text\":", "\"text\":\"", "\"text\":\"\\", "\"text\":\"a\\\"b"] {
            tokens(&[(None, data)]);
        }
    }
}
