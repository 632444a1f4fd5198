//! Requests from clients: everything but the conversation, which is in [`input_decode`](super::input_decode), and the
//! tools, which are in [`tool_decode`](super::tool_decode).

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::input_decode::Conversation;
use super::tool_decode::{tool_choice, tools};
use super::wire::TextOrList;
use crate::Error;
use crate::hub::{self, OutputFormat, Part, Role, Text, Turn};
use crate::json::{self, Str, is_object, non_empty};
use crate::openai_chat::effort;

#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    parallel_tool_calls: Option<bool>,
    max_output_tokens: Option<u64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_logprobs: Option<u64>,
    #[serde(borrow)]
    include: Option<Vec<Str<'a>>>,
    #[serde(borrow)]
    reasoning: Option<Reasoning<'a>>,
    #[serde(borrow)]
    text: Option<TextConfig<'a>>,
    stream: Option<bool>,
    #[serde(borrow)]
    user: Option<Str<'a>>,
    #[serde(borrow)]
    safety_identifier: Option<Str<'a>>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<Str<'a>>,
    previous_response_id: Option<IgnoredAny>,
    conversation: Option<IgnoredAny>,
    prompt: Option<IgnoredAny>,
    background: Option<bool>,
    moderation: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Reasoning<'a> {
    #[serde(borrow)]
    effort: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
struct TextConfig<'a> {
    #[serde(borrow)]
    format: Option<Format<'a>>,
    #[serde(borrow)]
    verbosity: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
struct Format<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    description: Option<Str<'a>>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    strict: Option<bool>,
}

/// Decodes the body of `POST /v1/responses`.
///
/// `instructions` and leading `system` and `developer` messages are the system texts; later ones stay in place.
/// Consecutive items of the model (reasoning, a message, calls) are one turn, as are consecutive outputs of calls. Items
/// and tools of other types, such as those of web search, MCP and custom tools, are kept verbatim as `Foreign`.
/// `prompt_cache_breakpoint` is a cache mark; its time to live becomes `1h`. `safety_identifier` wins over `user`.
/// `tool_choice` of type `allowed_tools` leaves only the tools it allows.
///
/// What the hub has no word for is left out: `reasoning.summary` and its other fields, `include` but for
/// `message.output_text.logprobs`, `store`, `truncation`, `max_tool_calls` (only counts OpenAI's own tools),
/// `prompt_cache_key` and the other cache options, `context_management`, `stream_options`, `image`, `access_programs`,
/// `background_options`; of items, `id` (but of reasoning), `status`, `phase` and `annotations`; and every field OpenAI
/// does not document. `tool_choice` `auto` and `none` and `parallel_tool_calls` mean nothing without tools and are left
/// out then.
///
/// # Errors
/// [`Error::ClientSent`] with the JSON path of what is wrong; [`Error::Unsupported`] for everything that refers to what
/// OpenAI keeps (`previous_response_id`, `conversation`, `prompt`, `background`, items by reference), for `moderation`,
/// for a `tool_choice` of OpenAI's own tools, and for content of unknown types.
pub fn decode_request(body: &[u8]) -> Result<hub::Request<'_>, Error> {
    if !is_object(body) {
        return Err(Error::client("", "the body must be a JSON object"));
    }
    let request: Request<'_> = json::read_body(body)?;
    refuse_state(&request)?;
    let model = non_empty(request.model)
        .ok_or_else(|| Error::client("model", "is required and must not be empty"))?;
    let mut conversation = Conversation::default();
    if let Some(json) = request.instructions {
        instructions(json, &mut conversation)?;
    }
    let Some(input) = request.input else { return Err(Error::client("input", "is required")) };
    match TextOrList::read(input) {
        None => return Err(Error::client("input", "must be a string or an array of items")),
        Some(TextOrList::Text(text)) => {
            let content = vec![Part::Text(text).into()];
            conversation.turns.push(Turn { role: Role::User, name: None, content });
        }
        Some(TextOrList::List(items)) => {
            for (index, json) in items.into_iter().enumerate() {
                conversation.push(index, json)?;
            }
        }
    }
    let mut tools = tools(request.tools)?;
    let tool_choice = tool_choice(request.tool_choice, &mut tools)?;
    let logprobs = request.include.iter().flatten().any(|Str(what)| what == "message.output_text.logprobs");
    let (format, verbosity) = request.text.map_or((None, None), |text| (text.format, text.verbosity));
    Ok(hub::Request {
        model,
        system: conversation.system,
        turns: conversation.turns,
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| !tools.is_empty()),
        tools,
        tool_choice,
        max_output_tokens: request.max_output_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        logprobs: logprobs.then_some(true),
        top_logprobs: request.top_logprobs.filter(|top| *top > 0),
        thinking: request
            .reasoning
            .and_then(|reasoning| reasoning.effort)
            .map(|Str(text)| effort::read(&text, "reasoning.effort"))
            .transpose()?,
        output_format: format.map(output_format).transpose()?.flatten(),
        stream: (request.stream == Some(true)).then_some(hub::StreamOptions { include_usage: true }),
        user: non_empty(request.safety_identifier).or(non_empty(request.user)),
        metadata: request.metadata.map(Cow::Borrowed),
        service_tier: non_empty(request.service_tier),
        verbosity: non_empty(verbosity),
        ..hub::Request::default()
    })
}

/// Refuses what only the provider that keeps state can do.
fn refuse_state(request: &Request<'_>) -> Result<(), Error> {
    let elsewhere = "which the provider of this model cannot see";
    for (there, field, message) in [
        (
            request.previous_response_id.is_some(),
            "previous_response_id",
            format!("refers to an answer OpenAI keeps, {elsewhere}: send the whole conversation as `input`"),
        ),
        (
            request.conversation.is_some(),
            "conversation",
            format!("refers to a conversation OpenAI keeps, {elsewhere}: send its items as `input`"),
        ),
        (
            request.prompt.is_some(),
            "prompt",
            format!("refers to a prompt OpenAI keeps, {elsewhere}: send its text as `instructions`"),
        ),
        (
            request.background == Some(true),
            "background",
            "needs an answer that is kept, which the provider of this model cannot do: wait for the answer, or stream it"
                .to_owned(),
        ),
        (
            request.moderation.is_some(),
            "moderation",
            "is not known to the provider of this model: leave it out, or use a model of OpenAI".to_owned(),
        ),
    ] {
        if there {
            return Err(Error::unsupported(field, message));
        }
    }
    Ok(())
}

/// A string; a list of items where the client sends back what an answer says of its request.
fn instructions<'a>(json: &'a RawValue, conversation: &mut Conversation<'a>) -> Result<(), Error> {
    match TextOrList::read(json) {
        Some(TextOrList::Text(text)) if text.is_empty() => {}
        Some(TextOrList::Text(text)) => conversation.system.push(Text { text, cache: None }),
        _ => return Err(Error::client("instructions", "must be a string")),
    }
    Ok(())
}

fn output_format(format: Format<'_>) -> Result<Option<OutputFormat<'_>>, Error> {
    match format.kind.unwrap_or_default().0.as_ref() {
        "text" => Ok(None),
        "json_object" => Ok(Some(OutputFormat::JsonObject)),
        "json_schema" => match format.schema {
            Some(schema) if schema.get().starts_with('{') => Ok(Some(OutputFormat::JsonSchema {
                name: non_empty(format.name),
                description: non_empty(format.description),
                schema: Cow::Borrowed(schema),
                strict: format.strict,
            })),
            _ => Err(Error::client("text.format.schema", "is required and must be a JSON schema object")),
        },
        _ => Err(Error::client("text.format.type", "must be `text`, `json_object` or `json_schema`")),
    }
}
