//! Items of an input as they are written.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::openai_chat::data_url::OutUrl;

/// An item as it is written.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutItem<'r> {
    /// What somebody says.
    Message {
        /// `user`, `assistant`, `system`.
        role: &'static str,
        /// What is said.
        content: OutContent<'r>,
    },
    /// Reasoning OpenAI encrypted.
    Reasoning {
        /// The item's id.
        #[serde(skip_serializing_if = "str::is_empty")]
        id: &'r str,
        /// The text.
        summary: Vec<OutPart<'r>>,
        /// The ciphertext.
        encrypted_content: &'r str,
    },
    /// The model calls a function.
    FunctionCall {
        /// The call's id.
        call_id: Cow<'r, str>,
        /// The function.
        name: &'r str,
        /// JSON text.
        arguments: &'r str,
    },
    /// The answer of a function.
    FunctionCallOutput {
        /// The call answered.
        call_id: Cow<'r, str>,
        /// The answer.
        output: OutContent<'r>,
    },
    /// An item of this dialect, as it came.
    #[serde(untagged)]
    Verbatim(&'r RawValue),
}

/// Content in its shortest form.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum OutContent<'r> {
    /// A single text.
    Text(Cow<'r, str>),
    /// Anything else.
    Parts(Vec<OutPart<'r>>),
}

impl<'r> OutContent<'r> {
    /// Parts in their shortest form.
    pub(super) fn from_parts(mut parts: Vec<OutPart<'r>>) -> Self {
        match parts.pop() {
            None => Self::Text(Cow::Borrowed("")),
            Some(OutPart::InputText { text } | OutPart::OutputText { text }) if parts.is_empty() => {
                Self::Text(text)
            }
            Some(last) => {
                parts.push(last);
                Self::Parts(parts)
            }
        }
    }
}

/// A part of content as it is written.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutPart<'r> {
    /// Text of a user, a system or a tool.
    InputText {
        /// The text.
        text: Cow<'r, str>,
    },
    /// Text of the model.
    OutputText {
        /// The text.
        text: Cow<'r, str>,
    },
    /// A summary of reasoning.
    SummaryText {
        /// The text.
        text: Cow<'r, str>,
    },
    /// A refusal of the model.
    Refusal {
        /// The text.
        refusal: &'r str,
    },
    /// An image.
    InputImage {
        /// Where it is, if anywhere on the web or inline.
        #[serde(skip_serializing_if = "Option::is_none")]
        image_url: Option<OutUrl<'r>>,
        /// The id of a file uploaded to OpenAI.
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'r str>,
        /// How closely it is looked at.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'r str>,
    },
    /// A document.
    InputFile {
        /// Its name.
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'r str>,
        /// Inline data.
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<OutUrl<'r>>,
        /// Where it is on the web.
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'r str>,
        /// The id of a file uploaded to OpenAI.
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'r str>,
    },
    /// Audio.
    InputAudio {
        /// Data and format.
        input_audio: OutAudio<'r>,
    },
}

/// Inline audio.
#[derive(Debug, Serialize)]
pub(super) struct OutAudio<'r> {
    /// Base64.
    pub(super) data: &'r str,
    /// `wav`, `mp3`.
    pub(super) format: &'r str,
}
