//! What a local tokeniser has to count.

use crate::hub::{Arguments, Content, OutputFormat, Part, Request, Source, Tool};

/// What costs tokens besides text, and how many of each there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extras {
    /// Messages, the instructions counted as one.
    pub messages: u64,
    /// Tools.
    pub tools: u64,
    /// Images asked for in low detail.
    pub images_low: u64,
    /// Other images.
    pub images: u64,
    /// Documents that are no text.
    pub documents: u64,
    /// Pieces of audio.
    pub audio: u64,
}

impl Extras {
    /// Tokens that frame a message, and as many again that open the answer: OpenAI's count for its chat format
    /// (<https://github.com/openai/openai-cookbook>, "How to count tokens").
    pub const PER_MESSAGE: u64 = 3;
    /// Tokens that frame a tool's definition, from the same source (GPT-4o).
    pub const PER_TOOL: u64 = 7;
    /// Tokens that close the list of tools, from the same source.
    pub const PER_TOOL_LIST: u64 = 12;
    /// An image in low detail at OpenAI (GPT-4o).
    pub const PER_IMAGE_LOW: u64 = 85;
    /// An image of 1024 × 1024 in high detail at OpenAI (GPT-4o). Anthropic's cost between 54 and 1,590.
    pub const PER_IMAGE: u64 = 765;
    /// A page of a PDF at Anthropic, at the least; the number of pages is not known.
    pub const PER_DOCUMENT: u64 = 1500;

    /// An estimate of their tokens. Audio counts nothing: its length is not known.
    pub fn tokens(&self) -> u64 {
        let tool_list = if self.tools > 0 { Self::PER_TOOL_LIST } else { 0 };
        [
            (self.messages.saturating_add(1), Self::PER_MESSAGE),
            (self.tools, Self::PER_TOOL),
            (self.images_low, Self::PER_IMAGE_LOW),
            (self.images, Self::PER_IMAGE),
            (self.documents, Self::PER_DOCUMENT),
        ]
        .into_iter()
        .fold(tool_list, |sum, (number, each)| sum.saturating_add(number.saturating_mul(each)))
    }
}

/// Hands every text of `request` that costs input tokens to `sink`: instructions, messages, reasoning, the names and
/// arguments of tool calls, their results, and the names, descriptions and schemas of tools and structured output.
/// JSON is handed over as it is written. Returns what there is besides text.
pub fn texts<'r>(request: &'r Request<'_>, sink: &mut dyn FnMut(&'r str)) -> Extras {
    let mut extras = Extras::default();
    for piece in &request.system {
        sink(&piece.text);
    }
    extras.messages += u64::from(!request.system.is_empty());
    for turn in &request.turns {
        extras.messages = extras.messages.saturating_add(1);
        if let Some(name) = &turn.name {
            sink(name);
        }
        content(&turn.content, &mut extras, sink);
    }
    for tool in &request.tools {
        extras.tools = extras.tools.saturating_add(1);
        match tool {
            Tool::Function { name, description, schema, .. } => {
                sink(name);
                if let Some(description) = description {
                    sink(description);
                }
                if let Some(schema) = schema {
                    sink(schema.get());
                }
            }
            Tool::Foreign { json, .. } => sink(json.get()),
        }
    }
    if let Some(OutputFormat::JsonSchema { name, description, schema, .. }) = &request.output_format {
        for text in [name, description].into_iter().flatten() {
            sink(text);
        }
        sink(schema.get());
    }
    extras
}

fn content<'r>(pieces: &'r [Content<'_>], extras: &mut Extras, sink: &mut dyn FnMut(&'r str)) {
    for piece in pieces {
        match &piece.part {
            Part::Text(text) | Part::Refusal(text) | Part::Thinking { text, .. } => sink(text),
            Part::Document { source: Source::Text(text), name } => {
                if let Some(name) = name {
                    sink(name);
                }
                sink(text);
            }
            Part::Document { .. } => extras.documents = extras.documents.saturating_add(1),
            Part::Image { detail, .. } => {
                let low = detail.as_deref() == Some("low");
                let number = if low { &mut extras.images_low } else { &mut extras.images };
                *number = number.saturating_add(1);
            }
            Part::Audio { .. } => extras.audio = extras.audio.saturating_add(1),
            Part::ToolCall(call) => {
                sink(&call.name);
                sink(match &call.arguments {
                    Arguments::Json(json) => json.get(),
                    Arguments::Invalid(text) => text,
                });
            }
            Part::ToolResult(result) => content(&result.content, extras, sink),
            Part::Foreign { json, .. } => sink(json.get()),
            // Encrypted, so that nobody but the provider can count it.
            Part::RedactedThinking(_) => {}
            // Answers only.
            Part::Citation(_) => {}
        }
    }
}
