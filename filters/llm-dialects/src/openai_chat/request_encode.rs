//! Requests to OpenAI-compatible providers: everything but the conversation, which is in
//! [`message_encode`](super::message_encode).

use serde::Serialize;
use serde_json::value::RawValue;

use super::effort;
use super::message_encode::{OutMessage, messages};
use super::models::{self, Rules};
use crate::Error;
use crate::hub::{self, Effort, OutputFormat, Thinking, Tool, ToolChoice};
use crate::json::write_json;

/// Reasoning budgets up to this many tokens ask for `low` effort. The steps are those of agentgateway, which
/// turns `low` into 1024 tokens, `medium` into 2048 and `high` into 4096 in the other direction.
const LOW_BUDGET: u64 = 1024;
/// Budgets up to this ask for `medium`, and larger ones for `high`: not every model knows a higher effort.
const MEDIUM_BUDGET: u64 = 2048;

/// The longest `user` OpenAI takes, in bytes. Claude Code sends more than twice as much.
const MAX_USER_LENGTH: usize = 64;

/// Name of a JSON schema that came without one; OpenAI demands a name.
const SCHEMA_NAME: &str = "response";

/// Encodes a request for a provider that speaks OpenAI chat completions.
///
/// What the dialect cannot express:
///
/// | in the hub | becomes |
/// |---|---|
/// | prompt-cache marks, `top_k` | left out |
/// | thinking, redacted thinking, signatures over tool calls | left out, whoever signed: this dialect has no field for them, and those who read `reasoning_content` of earlier turns do without |
/// | verbosity, models before GPT-5 and those of others | left out: they refuse it |
/// | thinking budget | `reasoning_effort` `low` up to 1024 tokens, `medium` up to 2048, `high` above |
/// | an effort above what the model takes | the highest it takes: `high`, or `xhigh` from GPT-5.2 on |
/// | any thinking, models that do not reason | left out |
/// | any thinking beside tools, GPT-5.2 and later | effort `none`: this API offers them nothing else |
/// | a user identifier of more than 64 bytes | left out: OpenAI refuses it |
/// | temperature, `top_p`, models that reason | left out: OpenAI refuses them |
/// | the output limit | `max_completion_tokens` for OpenAI's models, `max_tokens` for those of others |
/// | thinking disabled, or adaptive without effort | left out: not every model knows `none` |
/// | text of an assistant turn | one string; the pieces are joined as they are |
/// | text of a tool result | one string; the pieces are joined by line breaks |
/// | images and documents in a tool result | a note, and the content in the next user message |
/// | a failed tool | its text begins with `Error: ` unless it begins with the word error already |
/// | a text document | a text part |
/// | `tool_choice`, `parallel_tool_calls` without tools | left out |
/// | service tier `standard_only` | `default` |
/// | a schema without name | the name `response` |
///
/// Tool results are moved to where the API wants them: right behind the assistant's message, in the order
/// of its calls, before anything else the user says in that turn. A streamed answer is always asked for
/// with usage.
///
/// # Errors
/// [`Error::Unsupported`] for documents given by URL or uploaded to Anthropic or Google, images given by file id, anything but text, refusals
/// and tool calls in an assistant turn, and content and tools only another dialect knows;
/// [`Error::ClientSent`] when no message has content. Paths count turns.
pub fn encode_request(request: &hub::Request<'_>) -> Result<Vec<u8>, Error> {
    let tools = tools(&request.tools)?;
    let messages = messages(request)?;
    if messages.is_empty() {
        return Err(Error::no_content());
    }
    let has_tools = !tools.is_empty();
    let rules = models::rules(&request.model);
    let out = OutRequest {
        model: &request.model,
        messages,
        tools,
        tool_choice: request.tool_choice.as_ref().filter(|_| has_tools).map(OutToolChoice::from),
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| has_tools),
        max_completion_tokens: request.max_output_tokens.filter(|_| rules.max_completion_tokens),
        max_tokens: request.max_output_tokens.filter(|_| !rules.max_completion_tokens),
        temperature: request.temperature.filter(|_| rules.sampling),
        top_p: request.top_p.filter(|_| rules.sampling),
        seed: request.seed,
        frequency_penalty: request.frequency_penalty,
        presence_penalty: request.presence_penalty,
        logit_bias: request.logit_bias.as_deref(),
        logprobs: request.logprobs,
        top_logprobs: request.top_logprobs,
        n: request.n,
        stop: request.stop.iter().map(AsRef::as_ref).collect(),
        reasoning_effort: if has_tools && rules.tools_without_effort {
            Some("none")
        } else {
            request.thinking.and_then(|thinking| reasoning_effort(thinking, &rules))
        },
        response_format: request.output_format.as_ref().map(OutResponseFormat::from),
        verbosity: request.verbosity.as_deref().filter(|_| rules.verbosity),
        user: request.user.as_deref().filter(|user| user.len() <= MAX_USER_LENGTH),
        metadata: request.metadata.as_deref(),
        service_tier: request.service_tier.as_deref().map(|tier| match tier {
            "standard_only" => "default",
            tier => tier,
        }),
        stream: request.stream.map(|_| true),
        stream_options: request.stream.map(|_| OutStreamOptions { include_usage: true }),
    };
    let mut body = Vec::with_capacity(1024);
    write_json(&mut body, &out);
    Ok(body)
}

/// The body as it is written. The order of fields is the order on the wire.
#[derive(Debug, Serialize)]
struct OutRequest<'r> {
    model: &'r str,
    messages: Vec<OutMessage<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<OutTool<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<OutToolChoice<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logit_bias: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop: Vec<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<OutResponseFormat<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<OutStreamOptions>,
}

#[derive(Debug, Serialize)]
struct OutStreamOptions {
    include_usage: bool,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum OutTool<'r> {
    Function {
        #[serde(rename = "type")]
        kind: &'static str,
        function: OutFunction<'r>,
    },
    Verbatim(&'r RawValue),
}

#[derive(Debug, Serialize)]
struct OutFunction<'r> {
    name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

fn tools<'r>(tools: &'r [Tool<'_>]) -> Result<Vec<OutTool<'r>>, Error> {
    tools.iter().enumerate().map(|(index, tool)| encode_tool(index, tool)).collect()
}

fn encode_tool<'r>(index: usize, tool: &'r Tool<'_>) -> Result<OutTool<'r>, Error> {
    match tool {
        Tool::Function { name, description, schema, strict, cache: _ } => Ok(OutTool::Function {
            kind: "function",
            function: OutFunction {
                name,
                description: description.as_deref(),
                parameters: schema.as_deref(),
                strict: *strict,
            },
        }),
        // The one other type this dialect has. Anthropic's `custom` is its word for function, and decoded
        // as such.
        Tool::Foreign { kind, json } if kind == "custom" => Ok(OutTool::Verbatim(json)),
        Tool::Foreign { kind, .. } => Err(Error::unsupported(
            format!("tools[{index}]"),
            format!(
                "the provider of this model has no tool of type `{kind}`: use a function, or another model"
            ),
        )),
    }
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum OutToolChoice<'r> {
    Mode(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        function: OutName<'r>,
    },
}

#[derive(Debug, Serialize)]
struct OutName<'r> {
    name: &'r str,
}

impl<'r> From<&'r ToolChoice<'_>> for OutToolChoice<'r> {
    fn from(choice: &'r ToolChoice<'_>) -> Self {
        match choice {
            ToolChoice::Auto => Self::Mode("auto"),
            ToolChoice::None => Self::Mode("none"),
            ToolChoice::Required => Self::Mode("required"),
            ToolChoice::Named(name) => Self::Named { kind: "function", function: OutName { name } },
        }
    }
}

fn reasoning_effort(thinking: Thinking, rules: &Rules) -> Option<&'static str> {
    let highest = rules.effort?;
    let effort = match thinking {
        Thinking::Disabled | Thinking::Adaptive(None) => return None,
        Thinking::Effort(effort) | Thinking::Adaptive(Some(effort)) => effort,
        Thinking::Budget(0..=LOW_BUDGET) => Effort::Low,
        Thinking::Budget(..=MEDIUM_BUDGET) => Effort::Medium,
        Thinking::Budget(_) => Effort::High,
    };
    Some(effort::name(effort.min(highest)))
}

#[derive(Debug, Serialize)]
struct OutResponseFormat<'r> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<OutJsonSchema<'r>>,
}

#[derive(Debug, Serialize)]
struct OutJsonSchema<'r> {
    name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'r str>,
    schema: &'r RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl<'r> From<&'r OutputFormat<'_>> for OutResponseFormat<'r> {
    fn from(format: &'r OutputFormat<'_>) -> Self {
        match format {
            OutputFormat::JsonObject => Self { kind: "json_object", json_schema: None },
            OutputFormat::JsonSchema { name, description, schema, strict } => Self {
                kind: "json_schema",
                json_schema: Some(OutJsonSchema {
                    name: name.as_deref().unwrap_or(SCHEMA_NAME),
                    description: description.as_deref(),
                    schema,
                    strict: *strict,
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_become_efforts() {
        let rules = models::rules("gpt-5");
        for (budget, effort) in
            [(0, "low"), (1024, "low"), (1025, "medium"), (2048, "medium"), (2049, "high"), (64_000, "high")]
        {
            assert_eq!(reasoning_effort(Thinking::Budget(budget), &rules), Some(effort), "{budget}");
        }
        assert_eq!(reasoning_effort(Thinking::Adaptive(Some(Effort::Max)), &rules), Some("high"));
        assert_eq!(reasoning_effort(Thinking::Effort(Effort::Max), &models::rules("gpt-5.2")), Some("xhigh"));
        assert_eq!(reasoning_effort(Thinking::Budget(4096), &models::rules("gpt-4o")), None);
        assert_eq!(reasoning_effort(Thinking::Adaptive(None), &rules), None);
        assert_eq!(reasoning_effort(Thinking::Disabled, &rules), None);
    }

    #[test]
    fn a_request_that_says_nothing_is_refused() {
        let silent = hub::Request { system: vec![hub::Text::default()], ..hub::Request::default() };
        assert!(
            matches!(encode_request(&silent), Err(Error::ClientSent { field, .. }) if field == "messages")
        );
    }
}
