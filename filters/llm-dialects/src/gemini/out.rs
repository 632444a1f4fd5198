//! What the encoders write: structs whose field order is the order on the wire.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::usage::OutUsage;
use crate::tool_input::ToolInput;

/// The body of a request.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system_instruction: Option<Content<'a>>,
    pub(super) contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "GenerationConfig::is_empty")]
    pub(super) generation_config: GenerationConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_tier: Option<&'static str>,
}

/// A turn.
#[derive(serde::Serialize)]
pub(super) struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    pub(super) parts: Vec<Part<'a>>,
}

/// A part.
#[expect(clippy::large_enum_variant, reason = "verbatim parts are the rare ones")]
pub(super) enum Part<'a> {
    /// A part built here.
    Fields(Fields<'a>),
    /// A part as it came.
    Verbatim(&'a RawValue),
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fields(fields) => fields.serialize(serializer),
            Self::Verbatim(json) => json.serialize(serializer),
        }
    }
}

/// The fields of every part type.
#[derive(Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    /// A text part.
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }
}

/// Data inside the body.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    pub(super) mime_type: Cow<'a, str>,
    pub(super) data: &'a str,
}

/// Data behind a URI.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<&'static str>,
    pub(super) file_uri: &'a str,
}

/// The model calls a function.
#[derive(serde::Serialize)]
pub(super) struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) args: ToolInput<'a>,
}

/// The answer of a function.
#[derive(serde::Serialize)]
pub(super) struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) response: FunctionResult<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Fields<'a>>,
}

/// `response`, which must be an object.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum FunctionResult<'a> {
    /// The function's output.
    Output(Cow<'a, str>),
    /// What went wrong.
    Error(Cow<'a, str>),
}

/// A tool.
pub(super) enum Tool<'a> {
    /// Functions that clients run.
    Functions(Vec<FunctionDeclaration<'a>>),
    /// A tool that Google runs, as it came.
    Verbatim(&'a RawValue),
}

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Functions(functions) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("functionDeclarations", functions)?;
                map.end()
            }
            Self::Verbatim(json) => json.serialize(serializer),
        }
    }
}

/// A function that clients run.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionDeclaration<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameters_json_schema: Option<serde_json::Value>,
}

/// `toolConfig`.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    pub(super) function_calling_config: FunctionCallingConfig<'a>,
}

/// `toolConfig.functionCallingConfig`.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionCallingConfig<'a> {
    pub(super) mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allowed_function_names: Option<[&'a str; 1]>,
}

/// `generationConfig`.
#[derive(Default, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_json_schema: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) response_logprobs: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking_config: Option<ThinkingConfig>,
}

impl GenerationConfig<'_> {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `generationConfig.thinkingConfig`.
#[derive(PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking_level: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) include_thoughts: bool,
}

/// A whole answer, or a chunk of a stream.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response<'a> {
    pub(super) candidates: [Candidate<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage_metadata: Option<OutUsage>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) model_version: &'a str,
    pub(super) create_time: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) response_id: &'a str,
}

/// `candidates[]`.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub(super) content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finish_reason: Option<&'static str>,
    pub(super) index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grounding_metadata: Option<GroundingMetadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs_result: Option<LogprobsResult<'a>>,
}

/// `candidates[].groundingMetadata`.
#[derive(Debug, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroundingMetadata<'a> {
    pub(super) grounding_chunks: Vec<GroundingChunk<'a>>,
    pub(super) grounding_supports: Vec<GroundingSupport>,
}

/// A source.
#[derive(Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum GroundingChunk<'a> {
    /// A web page.
    Web {
        /// Its address.
        uri: Cow<'a, str>,
        /// Its title.
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<Cow<'a, str>>,
    },
    /// Another document.
    RetrievedContext {
        /// Its title.
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<Cow<'a, str>>,
        /// The words cited.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<Cow<'a, str>>,
    },
}

/// Which words a source supports.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroundingSupport {
    pub(super) segment: Segment,
    pub(super) grounding_chunk_indices: [usize; 1],
}

/// Words of the answer, in bytes.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Segment {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part_index: Option<usize>,
    pub(super) start_index: usize,
    pub(super) end_index: usize,
    pub(super) text: String,
}

/// `candidates[].logprobsResult`.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogprobsResult<'a> {
    pub(super) top_candidates: Vec<TopCandidates<'a>>,
    pub(super) chosen_candidates: Vec<LogprobsCandidate<'a>>,
}

/// The likeliest tokens at one place.
#[derive(serde::Serialize)]
pub(super) struct TopCandidates<'a> {
    pub(super) candidates: Vec<LogprobsCandidate<'a>>,
}

/// A token with its probability.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogprobsCandidate<'a> {
    pub(super) token: &'a str,
    pub(super) log_probability: f64,
}
