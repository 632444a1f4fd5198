//! What the demo provider says: the deterministic conversation behind both dialects.

use serde_json::Value;

use crate::options::Options;
use crate::{arguments, pieces, tokens};

/// A request, as far as the reply depends on it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prompt {
    /// The model asked for.
    pub(crate) model: String,
    /// Demo tokens of everything that was sent.
    pub(crate) input_tokens: u64,
    /// The text of the last user turn.
    pub(crate) user_text: String,
    /// How many images the last user turn has.
    pub(crate) images: usize,
    /// What the conversation ends with.
    pub(crate) last: LastTurn,
    /// The tools that may be called.
    pub(crate) tools: Vec<Tool>,
    /// Whether and which tool to call.
    pub(crate) choice: ToolChoice,
    /// How many tools may be called in one reply.
    pub(crate) calls: CallLimit,
    /// Whether to think first.
    pub(crate) thinking: Thinking,
    /// Most demo tokens of thinking and text. A tool call is never cut.
    pub(crate) max_tokens: Option<u64>,
    /// Texts before which the reply ends.
    pub(crate) stops: Vec<String>,
}

/// What a conversation ends with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LastTurn {
    /// A user message.
    User,
    /// The results of tool calls, in order.
    ToolResults(Vec<String>),
    /// The start of the assistant's own message.
    Assistant,
}

/// A tool that the client offers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// JSON Schema of its arguments.
    pub(crate) schema: Value,
}

/// Whether and which tool to call after a user message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    /// Any tool; the demo provider always calls one.
    Any,
    /// None.
    None,
    /// This one.
    Named(String),
}

/// How many tools one reply may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallLimit {
    One,
    Unlimited,
}

/// Whether the reply starts with thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    Off,
    On,
}

/// The provider's answer, before a dialect encodes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) thinking: Option<String>,
    /// Empty when tools are called, or when nothing is left of the text.
    pub(crate) text: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) end: End,
    /// Demo tokens of the thinking; part of `output_tokens`.
    pub(crate) thinking_tokens: u64,
    /// Demo tokens of thinking, text and calls together.
    pub(crate) output_tokens: u64,
}

/// A tool call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

/// Why the reply ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing more to say.
    Finished,
    /// `max_tokens` cut it.
    Length,
    /// It would have said this stop sequence next.
    StopSequence(String),
    /// Tools have to run first.
    ToolCalls,
}

/// Answers a prompt. The same prompt and options always give the same reply.
pub(crate) fn compose(prompt: &Prompt, options: &Options) -> Reply {
    let calls = tool_calls(prompt);
    let text = if calls.is_empty() { sized(text(prompt), options) } else { String::new() };
    let mut end = if calls.is_empty() { End::Finished } else { End::ToolCalls };

    let mut thinking = (prompt.thinking == Thinking::On).then(|| thinking_text(prompt, &calls));
    if let (Some(limit), Some(thought)) = (prompt.max_tokens, &mut thinking)
        && let Some(kept) = tokens::cut(thought, limit)
    {
        *thought = kept.to_owned();
        end = End::Length;
    }
    let thinking_tokens = thinking.as_deref().map_or(0, tokens::count);
    if end == End::Length {
        let output_tokens = thinking_tokens;
        return Reply {
            thinking,
            text: String::new(),
            calls: Vec::new(),
            end,
            thinking_tokens,
            output_tokens,
        };
    }

    let (mut text, mut end) = stopped(text, &prompt.stops, end);
    if let Some(limit) = prompt.max_tokens
        && let Some(kept) = tokens::cut(&text, limit.saturating_sub(thinking_tokens))
    {
        text = kept.to_owned();
        end = End::Length;
    }
    let call_tokens: u64 =
        calls.iter().map(|call| tokens::count(&call.name) + tokens::count(&call.arguments.to_string())).sum();
    let output_tokens = thinking_tokens + tokens::count(&text) + call_tokens;
    Reply { thinking, text, calls, end, thinking_tokens, output_tokens }
}

impl Reply {
    /// The text in the pieces in which a stream carries it.
    pub(crate) fn text_pieces(&self, options: &Options) -> Vec<&str> {
        match options.chunks {
            Some(count) => pieces::evenly(&self.text, count),
            None => pieces::by_word(&self.text),
        }
    }
}

impl Call {
    /// The arguments as JSON text, in the fragments in which a stream carries them: at least two (the shortest JSON
    /// object has two characters), and about one per 8 bytes.
    pub(crate) fn argument_pieces<'a>(&self, arguments: &'a str) -> Vec<&'a str> {
        pieces::evenly(arguments, (arguments.len() / 8).max(2))
    }
}

/// The calls to make: after a user message, the tool that the choice names; otherwise the first, or all of them when
/// the user asks for "both" or for "parallel" calls and several are allowed. Never after tool results, even when the
/// choice forces a call, so that a client's tool loop ends.
fn tool_calls(prompt: &Prompt) -> Vec<Call> {
    if prompt.last != LastTurn::User {
        return Vec::new();
    }
    let asks_for_all = prompt.calls == CallLimit::Unlimited && {
        let text = prompt.user_text.to_lowercase();
        text.contains("both") || text.contains("parallel")
    };
    let count = match prompt.choice {
        ToolChoice::None => 0,
        ToolChoice::Any if asks_for_all => prompt.tools.len(),
        ToolChoice::Any | ToolChoice::Named(_) => 1,
    };
    let word = arguments::word_from(&prompt.user_text);
    prompt
        .tools
        .iter()
        .filter(|tool| !matches!(&prompt.choice, ToolChoice::Named(name) if *name != tool.name))
        .take(count)
        .map(|tool| Call { name: tool.name.clone(), arguments: arguments::synthesise(&tool.schema, word) })
        .collect()
}

fn text(prompt: &Prompt) -> String {
    let mut text =
        format!("This is Weir's demo provider answering as {} (no model involved). ", prompt.model);
    match &prompt.last {
        LastTurn::ToolResults(results) => match results.as_slice() {
            [result] => text.push_str(&format!("The tool returned: {result}")),
            results => {
                text.push_str(&format!("The {} tools returned:", results.len()));
                for (at, result) in results.iter().enumerate() {
                    text.push_str(&format!(" ({}) {result}", at + 1));
                }
            }
        },
        LastTurn::User | LastTurn::Assistant if prompt.user_text.is_empty() => {
            text.push_str("You sent no text.")
        }
        LastTurn::User | LastTurn::Assistant => text.push_str(&format!("You said: {}", prompt.user_text)),
    }
    match prompt.images {
        0 => {}
        1 => text.push_str(" (1 image)"),
        several => text.push_str(&format!(" ({several} images)")),
    }
    text
}

fn thinking_text(prompt: &Prompt, calls: &[Call]) -> String {
    let plan = match (&prompt.last, calls) {
        (LastTurn::ToolResults(_), _) => "I will quote what the tools returned.".to_owned(),
        (_, []) => "I will echo the message.".to_owned(),
        (_, [call]) => format!("I will call {}.", call.name),
        (_, calls) => format!("I will call {} tools.", calls.len()),
    };
    let words = tokens::count(&prompt.user_text);
    format!(
        "The user wrote {words} words. I am Weir's demo provider, so there is nothing to reason about. {plan}"
    )
}

/// Pads or cuts a text to the number of bytes that the options ask for, then pads it to a character per chunk.
fn sized(mut text: String, options: &Options) -> String {
    let filler = || " demo".chars().cycle();
    if let Some(bytes) = options.reply_bytes {
        if text.len() > bytes {
            text.truncate(text.floor_char_boundary(bytes));
            // A cut inside a character leaves up to three bytes to fill.
            while text.len() < bytes {
                text.push('.');
            }
        }
        text.extend(filler().take(bytes - text.len()));
    }
    if let Some(chunks) = options.chunks {
        let characters = text.chars().count();
        text.extend(filler().take(chunks.saturating_sub(characters)));
    }
    text
}

/// Ends a text before the stop sequence that occurs first in it.
fn stopped(mut text: String, stops: &[String], end: End) -> (String, End) {
    let found = stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| text.find(stop.as_str()).map(|at| (at, stop)))
        .min_by_key(|(at, _)| *at);
    match found {
        Some((at, stop)) => {
            text.truncate(at);
            (text, End::StopSequence(stop.clone()))
        }
        None => (text, end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GREETING: &str = "This is Weir's demo provider answering as m (no model involved).";

    fn prompt(user_text: &str) -> Prompt {
        Prompt {
            model: "m".into(),
            input_tokens: 1,
            user_text: user_text.into(),
            images: 0,
            last: LastTurn::User,
            tools: Vec::new(),
            choice: ToolChoice::Any,
            calls: CallLimit::Unlimited,
            thinking: Thinking::Off,
            max_tokens: None,
            stops: Vec::new(),
        }
    }

    fn with_tools(user_text: &str) -> Prompt {
        let schema =
            json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let tools =
            ["weather", "time"].map(|name| Tool { name: name.into(), schema: schema.clone() }).to_vec();
        Prompt { tools, ..prompt(user_text) }
    }

    fn compose_default(prompt: &Prompt) -> Reply {
        compose(prompt, &Options::default())
    }

    fn called(prompt: &Prompt) -> Vec<String> {
        compose_default(prompt).calls.into_iter().map(|call| call.name).collect()
    }

    #[test]
    fn it_says_what_it_is_and_echoes() {
        let reply = compose_default(&prompt("Hi there"));
        assert_eq!(reply.text, format!("{GREETING} You said: Hi there"));
        assert_eq!(reply.end, End::Finished);
        assert_eq!(reply.output_tokens, 15);
        let images = |images| compose_default(&Prompt { images, ..prompt("Hi") }).text;
        assert!(images(1).ends_with("You said: Hi (1 image)"));
        assert!(images(2).ends_with("You said: Hi (2 images)"));
        assert!(compose_default(&prompt("")).text.ends_with("You sent no text."));
    }

    #[test]
    fn a_user_message_calls_the_first_tool_the_named_one_or_all() {
        assert_eq!(called(&with_tools("weather in Paris")), ["weather"]);
        assert_eq!(called(&with_tools("use Both tools")), ["weather", "time"]);
        assert_eq!(called(&with_tools("in parallel")), ["weather", "time"]);
        assert_eq!(called(&Prompt { calls: CallLimit::One, ..with_tools("both") }), ["weather"]);
        let named = ToolChoice::Named("time".into());
        assert_eq!(called(&Prompt { choice: named, ..with_tools("both") }), ["time"]);
        let none = Prompt { choice: ToolChoice::None, ..with_tools("both") };
        assert_eq!(called(&none), [""; 0]);
        assert!(compose_default(&none).text.ends_with("You said: both"));
    }

    #[test]
    fn a_call_has_arguments_and_no_text() {
        let reply = compose_default(&with_tools("weather in Paris"));
        assert_eq!(reply.calls[0].arguments, json!({"city": "Paris"}));
        assert_eq!((reply.text.as_str(), reply.end, reply.output_tokens), ("", End::ToolCalls, 2));
    }

    #[test]
    fn tool_results_are_quoted() {
        let one = Prompt { last: LastTurn::ToolResults(vec!["21 C".into()]), ..with_tools("both") };
        assert_eq!(compose_default(&one).text, format!("{GREETING} The tool returned: 21 C"));
        let two = Prompt { last: LastTurn::ToolResults(vec!["21 C".into(), "noon".into()]), ..one };
        assert_eq!(compose_default(&two).text, format!("{GREETING} The 2 tools returned: (1) 21 C (2) noon"));
    }

    #[test]
    fn thinking_comes_first_and_counts() {
        let plain = compose_default(&prompt("Hi"));
        let reply = compose_default(&Prompt { thinking: Thinking::On, ..prompt("Hi") });
        assert!(reply.thinking.unwrap().ends_with("I will echo the message."));
        assert_eq!(reply.output_tokens, plain.output_tokens + reply.thinking_tokens);
    }

    #[test]
    fn max_tokens_cuts_the_text_and_then_the_thinking() {
        let cut = compose_default(&Prompt { max_tokens: Some(3), ..prompt("Hi") });
        assert_eq!((cut.text.as_str(), cut.end, cut.output_tokens), ("This is Weir's", End::Length, 3));
        let exact = compose_default(&Prompt { max_tokens: Some(14), ..prompt("Hi") });
        assert_eq!((exact.end, exact.output_tokens), (End::Finished, 14));
        let thought =
            compose_default(&Prompt { max_tokens: Some(3), thinking: Thinking::On, ..prompt("Hi") });
        assert_eq!(thought.thinking.as_deref(), Some("The user wrote"));
        assert_eq!((thought.text.as_str(), thought.end, thought.output_tokens), ("", End::Length, 3));
        let called = compose_default(&Prompt { max_tokens: Some(1), ..with_tools("Paris") });
        assert_eq!(called.end, End::ToolCalls, "a tool call is never cut");
    }

    #[test]
    fn the_first_stop_sequence_ends_the_text() {
        let stops = vec!["provider".to_owned(), "demo".to_owned(), "absent".to_owned()];
        let reply = compose_default(&Prompt { stops, ..prompt("Hi") });
        assert_eq!((reply.text.as_str(), reply.end), ("This is Weir's ", End::StopSequence("demo".into())));
    }

    #[test]
    fn a_reply_has_the_bytes_and_chunks_asked_for() {
        let options = |chunks, reply_bytes| Options { chunks, reply_bytes, ..Options::default() };
        for (chunks, bytes) in [(None, Some(1)), (None, Some(5000)), (Some(50), Some(500)), (Some(700), None)]
        {
            let options = options(chunks, bytes);
            let reply = compose(&prompt("Zürich"), &options);
            if let Some(bytes) = bytes {
                assert_eq!(reply.text.len(), bytes);
            }
            if let Some(chunks) = chunks {
                assert_eq!(reply.text_pieces(&options).len(), chunks);
            }
        }
        // Cutting inside the two bytes of "ü" fills the missing byte.
        let natural = format!("{GREETING} You said: Z").len();
        let reply = compose(&prompt("Zürich"), &options(None, Some(natural + 1)));
        assert!(reply.text.ends_with("Z.") && reply.text.len() == natural + 1);
    }
}
