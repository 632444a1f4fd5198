//! Requests to providers: everything but the conversation, which is in [`input_encode`](super::input_encode).

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::input_encode::items;
use super::input_wire::OutItem;
use super::models::{self, Reasons, Rules, Sampling};
use super::tool_encode::{OutTool, OutToolChoice, tools};
use super::wire::paragraphs;
use crate::Error;
use crate::hub::{self, Effort, OutputFormat, Thinking};
use crate::json::write_json;
use crate::openai_chat::effort;

/// Reasoning budgets up to this many tokens ask for `low` effort; the same steps as for chat completions.
const LOW_BUDGET: u64 = 1024;
/// Budgets up to this ask for `medium`, and larger ones for `high`: not every model knows a higher effort.
const MEDIUM_BUDGET: u64 = 2048;

/// The smallest `max_output_tokens` OpenAI takes. Claude Code asks for 1 to check its quota.
pub(crate) const MIN_OUTPUT_TOKENS: u64 = 16;

/// The longest `user` OpenAI takes, in bytes. Claude Code sends more than twice as much.
const MAX_USER_LENGTH: usize = 64;

/// Name of a JSON schema that came without one; OpenAI demands a name.
const SCHEMA_NAME: &str = "response";

/// Encodes a request for a provider that speaks OpenAI responses.
///
/// Nothing is kept at the provider (`store: false`); models that may reason are asked for their reasoning in encrypted
/// form, so that it can be sent back with the next turn.
///
/// What the dialect cannot express:
///
/// | in the hub | becomes |
/// |---|---|
/// | system texts | `instructions`, a paragraph each; later ones are messages of the system |
/// | prompt-cache marks | left out: OpenAI caches by itself |
/// | `top_k`, seed, penalties, participants' names | left out |
/// | stop sequences, logit bias, several answers | refused: the answer would be another |
/// | thinking OpenAI signed | a reasoning item, if the model may reason and anything of the same step follows |
/// | thinking of others, redacted thinking, citations | left out |
/// | thinking budget | effort `low` up to 1024 tokens, `medium` up to 2048, `high` above |
/// | a budget or adaptive thinking | also asks for a summary, which clients that ask so expect to see |
/// | an effort the model does not take | the nearest it takes (see the table of models) |
/// | thinking disabled | effort `none`; `minimal` for GPT-5; left out for models that know neither |
/// | adaptive thinking without effort | the model's own |
/// | any thinking, models that do not reason | left out |
/// | sampling, log probabilities, models that reason | left out, but with effort `none` from GPT-5.2 on |
/// | verbosity, models before GPT-5 | left out |
/// | an output limit below 16 | 16: OpenAI takes no less |
/// | a user identifier of more than 64 bytes | left out: OpenAI refuses it |
/// | ids of calls of more than 64 bytes | cut, with a hash of the whole |
/// | a failed tool | its text begins with `Error: ` unless it begins with the word error already |
/// | several texts of a tool result | one string; the pieces are joined by line breaks |
/// | a text document | a text part |
/// | a function without schema | a schema without properties |
/// | a function without `strict` | `strict: false`: here the default is true |
/// | `tool_choice`, `parallel_tool_calls` without tools | left out |
/// | service tier `standard_only` | `default` |
/// | a schema without name | the name `response` |
/// | items and tools of this dialect | as they came |
///
/// # Errors
/// [`Error::Unsupported`] for what is refused by the table, files uploaded to other providers, and content and tools
/// only another dialect knows; [`Error::ClientSent`] when no message has content. Paths count turns.
pub fn encode_request(request: &hub::Request<'_>) -> Result<Vec<u8>, Error> {
    refuse_unknown(request)?;
    let rules = models::rules(&request.model);
    let keeps_reasoning = matches!(rules.reasons, Reasons::Encrypted | Reasons::Unknown);
    let input = items(&request.turns, keeps_reasoning)?;
    if input.is_empty() {
        return Err(Error::no_content());
    }
    let tools = tools(&request.tools)?;
    let has_tools = !tools.is_empty();
    let reasoning = request.thinking.and_then(|thinking| reasoning(thinking, &rules));
    let quiet = reasoning.as_ref().is_some_and(|reasoning| reasoning.effort == Some("none"));
    let samples = match rules.sampling {
        Sampling::Yes => true,
        Sampling::WithoutReasoning => quiet,
        Sampling::No => false,
    };
    let logprobs = samples && (request.logprobs == Some(true) || request.top_logprobs.is_some());
    let encrypted = match rules.reasons {
        Reasons::No | Reasons::Open => false,
        Reasons::Encrypted => true,
        Reasons::Unknown => reasoning.is_some(),
    };
    let instructions = paragraphs(request.system.iter().map(|piece| Cow::Borrowed(piece.text.as_ref())));
    let out = OutRequest {
        model: &request.model,
        instructions: (!instructions.is_empty()).then_some(instructions),
        input,
        tools,
        tool_choice: request.tool_choice.as_ref().filter(|_| has_tools).map(OutToolChoice::from),
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| has_tools),
        max_output_tokens: request.max_output_tokens.map(|tokens| tokens.max(MIN_OUTPUT_TOKENS)),
        temperature: request.temperature.filter(|_| samples),
        top_p: request.top_p.filter(|_| samples),
        top_logprobs: request.top_logprobs.filter(|_| logprobs),
        reasoning,
        text: text(request, &rules),
        include: [
            encrypted.then_some("reasoning.encrypted_content"),
            logprobs.then_some("message.output_text.logprobs"),
        ]
        .into_iter()
        .flatten()
        .collect(),
        user: request.user.as_deref().filter(|user| user.len() <= MAX_USER_LENGTH),
        metadata: request.metadata.as_deref(),
        service_tier: request.service_tier.as_deref().map(|tier| match tier {
            "standard_only" => "default",
            tier => tier,
        }),
        store: false,
        stream: request.stream.map(|_| true),
    };
    let mut body = Vec::with_capacity(1024);
    write_json(&mut body, &out);
    Ok(body)
}

/// Refuses what would make another answer of it if it were left out.
fn refuse_unknown(request: &hub::Request<'_>) -> Result<(), Error> {
    let bias = request.logit_bias.as_deref().is_some_and(|bias| !matches!(bias.get(), "{}" | "null"));
    for (there, field, message) in [
        (
            request.n.is_some_and(|n| n > 1),
            "n",
            "the provider of this model gives one answer to a request: send several requests",
        ),
        (
            !request.stop.is_empty(),
            "stop",
            "the provider of this model has no stop sequences: leave them out and cut the answer, or use another model",
        ),
        (
            bias,
            "logit_bias",
            "the provider of this model has no such parameter: leave it out, or use another model",
        ),
    ] {
        if there {
            return Err(Error::unsupported(field, message));
        }
    }
    Ok(())
}

/// The body as it is written. The order of fields is the order on the wire.
#[derive(Debug, Serialize)]
struct OutRequest<'r> {
    model: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<Cow<'r, str>>,
    input: Vec<OutItem<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<OutTool<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<OutToolChoice<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<OutReasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<OutText<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'r str>,
    store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
}

#[derive(Debug, Serialize)]
struct OutReasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'static str>,
}

fn reasoning(thinking: Thinking, rules: &Rules) -> Option<OutReasoning> {
    if rules.reasons == Reasons::No {
        return None;
    }
    let effort = match thinking {
        Thinking::Disabled if rules.none => {
            return Some(OutReasoning { effort: Some("none"), summary: None });
        }
        Thinking::Disabled if rules.lowest == Effort::Minimal => Some(Effort::Minimal),
        Thinking::Disabled => return None,
        Thinking::Adaptive(effort) => effort,
        Thinking::Effort(effort) => Some(effort),
        Thinking::Budget(0..=LOW_BUDGET) => Some(Effort::Low),
        Thinking::Budget(..=MEDIUM_BUDGET) => Some(Effort::Medium),
        Thinking::Budget(_) => Some(Effort::High),
    };
    // Open weights show all of their reasoning.
    let summary =
        matches!(thinking, Thinking::Adaptive(_) | Thinking::Budget(_)) && rules.reasons != Reasons::Open;
    let effort = effort.map(|effort| effort::name(effort.clamp(rules.lowest, rules.highest)));
    let summary = summary.then_some("auto");
    (effort.is_some() || summary.is_some()).then_some(OutReasoning { effort, summary })
}

#[derive(Debug, Serialize)]
struct OutText<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<OutFormat<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'r str>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OutFormat<'r> {
    JsonObject,
    JsonSchema {
        name: &'r str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'r str>,
        schema: &'r RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
}

fn text<'r>(request: &'r hub::Request<'_>, rules: &Rules) -> Option<OutText<'r>> {
    let format = request.output_format.as_ref().map(|format| match format {
        OutputFormat::JsonObject => OutFormat::JsonObject,
        OutputFormat::JsonSchema { name, description, schema, strict } => OutFormat::JsonSchema {
            name: name.as_deref().unwrap_or(SCHEMA_NAME),
            description: description.as_deref(),
            schema,
            strict: *strict,
        },
    });
    let verbosity = request.verbosity.as_deref().filter(|_| rules.verbosity);
    (format.is_some() || verbosity.is_some()).then_some(OutText { format, verbosity })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(model: &str, thinking: Thinking) -> Option<(Option<&'static str>, bool)> {
        reasoning(thinking, &models::rules(model))
            .map(|reasoning| (reasoning.effort, reasoning.summary.is_some()))
    }

    #[test]
    fn thinking_becomes_what_the_model_takes() {
        use Thinking::{Adaptive, Budget, Disabled};
        for (model, thinking, expected) in [
            ("gpt-5", Budget(1024), Some((Some("low"), true))),
            ("gpt-5", Budget(2048), Some((Some("medium"), true))),
            ("gpt-5", Budget(64_000), Some((Some("high"), true))),
            ("gpt-5", Adaptive(None), Some((None, true))),
            ("gpt-5", Disabled, Some((Some("minimal"), false))),
            ("gpt-5.1", Disabled, Some((Some("none"), false))),
            ("gpt-6", Disabled, None),
            ("o3", Disabled, None),
            ("gpt-5.1", Thinking::Effort(Effort::Minimal), Some((Some("low"), false))),
            ("gpt-5.2", Thinking::Effort(Effort::Max), Some((Some("xhigh"), false))),
            ("gpt-5.6", Thinking::Effort(Effort::Max), Some((Some("max"), false))),
            ("gpt-5-pro", Thinking::Effort(Effort::Low), Some((Some("high"), false))),
            ("gpt-oss-20b", Budget(1), Some((Some("low"), false))),
            ("gpt-4o", Budget(64_000), None),
        ] {
            assert_eq!(asked(model, thinking), expected, "{model} {thinking:?}");
        }
    }

    #[test]
    fn a_request_that_says_nothing_is_refused() {
        let silent = hub::Request { system: vec![hub::Text::default()], ..hub::Request::default() };
        assert!(
            matches!(encode_request(&silent), Err(Error::ClientSent { field, .. }) if field == "messages")
        );
    }
}
