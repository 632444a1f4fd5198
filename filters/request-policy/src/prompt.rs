//! Messages in front of and behind the prompt, in the client's dialect.

use std::borrow::Cow;

use filter_config::PromptMessage;
use llm_dialects::Dialect;
use llm_dialects::edit::{Object, Text};
use serde_json::json;

use crate::Error;
use crate::error::within;

type Result<T, E = llm_dialects::Error> = std::result::Result<T, E>;

/// Messages to add, in order.
#[derive(Debug)]
pub(crate) struct Prompt {
    prepend: Vec<Message>,
    append: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    role: Role,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    System,
    Developer,
    User,
    Assistant,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }

    /// Whether it instructs the model. Dialects without such messages have a field for them.
    fn instructs(self) -> bool {
        matches!(self, Self::System | Self::Developer)
    }
}

/// Where the messages of a dialect are, and how one is written.
struct Conversation {
    field: &'static str,
    /// A request without it is invalid, and stays so.
    required: bool,
    message: fn(&Message) -> Text<'static>,
}

impl Prompt {
    pub(crate) fn compile(config: &filter_config::Prompt) -> Result<Self, Error> {
        Ok(Self {
            prepend: messages("prompt.prepend", &config.prepend)?,
            append: messages("prompt.append", &config.append)?,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.prepend.is_empty() && self.append.is_empty()
    }

    /// Adds the messages to a body in `dialect`. Returns whether there are any.
    ///
    /// | dialect | system and developer | user and assistant |
    /// |---|---|---|
    /// | chat completions | `messages` | `messages` |
    /// | responses | `instructions` for those in front when the client has some, else `input` | `input`, of which a text becomes a list |
    /// | Anthropic | `system`, of which a text becomes a list | `messages` |
    /// | Gemini | `systemInstruction` | `contents` |
    /// | Bedrock | `system` | `messages` |
    pub(crate) fn apply(&self, dialect: Dialect, object: &mut Object<'_>) -> Result<bool> {
        if self.is_empty() {
            return Ok(false);
        }
        match dialect {
            Dialect::OpenaiChat => self.add(object, &CHAT, |_| true)?,
            Dialect::OpenaiResponses => self.responses(object)?,
            Dialect::AnthropicMessages => {
                self.add(object, &ANTHROPIC, |role| !role.instructs())?;
                let block = |text: &str| Text::from(&json!({"type": "text", "text": text}));
                self.anthropic_system(object, block)?;
            }
            Dialect::GeminiGenerate => {
                self.add(object, &GEMINI, |role| !role.instructs())?;
                self.gemini_system(object)?;
            }
            Dialect::BedrockConverse => {
                self.add(object, &BEDROCK, |role| !role.instructs())?;
                let (first, last) = self.instructions(|text| Text::from(&json!({"text": text})));
                object.insert_first("system", first)?;
                object.insert_last("system", last)?;
            }
        }
        Ok(true)
    }

    /// Adds the messages whose role `belongs` to the conversation.
    fn add(
        &self,
        object: &mut Object<'_>,
        conversation: &Conversation,
        belongs: fn(Role) -> bool,
    ) -> Result<()> {
        let write = |messages: &[Message]| {
            messages
                .iter()
                .filter(|message| belongs(message.role))
                .map(conversation.message)
                .collect::<Vec<_>>()
        };
        let (first, last) = (write(&self.prepend), write(&self.append));
        if conversation.required && !object.has(conversation.field) && !(first.is_empty() && last.is_empty())
        {
            return Err(llm_dialects::Error::client(conversation.field, "is missing; send a list"));
        }
        object.insert_first(conversation.field, first)?;
        object.insert_last(conversation.field, last)
    }

    /// The texts that instruct, written, in front and behind.
    fn instructions(
        &self,
        write: impl Fn(&str) -> Text<'static>,
    ) -> (Vec<Text<'static>>, Vec<Text<'static>>) {
        let written = |messages: &[Message]| {
            messages
                .iter()
                .filter(|message| message.role.instructs())
                .map(|message| write(&message.text))
                .collect::<Vec<_>>()
        };
        (written(&self.prepend), written(&self.append))
    }

    fn anthropic_system(&self, object: &mut Object<'_>, block: fn(&str) -> Text<'static>) -> Result<()> {
        let (first, last) = self.instructions(block);
        if first.is_empty() && last.is_empty() {
            return Ok(());
        }
        match object.get("system").map(Text::to_str) {
            // The API refuses empty blocks, so an empty text is left out.
            Some(text) if matches!(&*text, "null" | "\"\"") => object.set("system", Text::verbatim("[]")),
            Some(text) if text.starts_with('"') => {
                let pieces = [Cow::Borrowed("[{\"type\":\"text\",\"text\":"), text, Cow::Borrowed("}]")];
                object.set("system", Text::joined(pieces));
            }
            _ => {}
        }
        object.insert_first("system", first)?;
        object.insert_last("system", last)
    }

    fn gemini_system(&self, object: &mut Object<'_>) -> Result<()> {
        let (first, last) = self.instructions(|text| Text::from(&json!({"text": text})));
        if first.is_empty() && last.is_empty() {
            return Ok(());
        }
        // Protocol Buffers' JSON takes both spellings.
        let field = if object.has("system_instruction") { "system_instruction" } else { "systemInstruction" };
        let content = match object.get(field).map(Text::to_str) {
            None => Cow::Borrowed("{}"),
            Some(text) if text == "null" => Cow::Borrowed("{}"),
            Some(text) => text,
        };
        let edited = {
            let mut content = Object::parse_str(&content).map_err(|error| within(field, error))?;
            // A single part is taken for a list of one.
            if let Some(part) = content.get("parts").map(Text::to_str).filter(|part| part.starts_with('{')) {
                content.set("parts", Text::joined([Cow::Borrowed("["), part, Cow::Borrowed("]")]));
            }
            content.insert_first("parts", first).map_err(|error| within(field, error))?;
            content.insert_last("parts", last).map_err(|error| within(field, error))?;
            content.into_text().into_owned()
        };
        object.set(field, edited);
        Ok(())
    }

    fn responses(&self, object: &mut Object<'_>) -> Result<()> {
        let instructions = object.get("instructions").map(Text::to_str).filter(|text| text.starts_with('"'));
        // Instructions stand in front of all input, so what goes in front of everything must go in front of them.
        let in_instructions = |message: &&Message| instructions.is_some() && message.role.instructs();
        let before: Vec<_> = self.prepend.iter().filter(in_instructions).collect();
        let first: Vec<_> =
            self.prepend.iter().filter(|message| !in_instructions(message)).map(response_item).collect();
        let last: Vec<_> = self.append.iter().map(response_item).collect();
        if let (Some(client), false) = (&instructions, before.is_empty()) {
            let client: String = serde_json::from_str(client)
                .map_err(|error| llm_dialects::Error::client("instructions", error.to_string()))?;
            let texts: Vec<&str> =
                before.iter().map(|message| message.text.as_str()).chain([client.as_str()]).collect();
            object.set("instructions", Text::string(&texts.join("\n\n")));
        }
        if first.is_empty() && last.is_empty() {
            return Ok(());
        }
        match object.get("input").map(Text::to_str) {
            Some(text) if text == "null" => object.set("input", Text::verbatim("[]")),
            Some(text) if text.starts_with('"') => {
                let pieces = [
                    Cow::Borrowed("[{\"type\":\"message\",\"role\":\"user\",\"content\":"),
                    text,
                    Cow::Borrowed("}]"),
                ];
                object.set("input", Text::joined(pieces));
            }
            _ => {}
        }
        object.insert_first("input", first)?;
        object.insert_last("input", last)
    }
}

fn messages(path: &str, config: &[PromptMessage]) -> Result<Vec<Message>, Error> {
    let compile = |(index, message): (usize, &PromptMessage)| {
        let role = match message.role.as_str() {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => {
                return Err(Error::config(
                    format!("{path}[{index}].role"),
                    "must be `system`, `developer`, `user` or `assistant`",
                ));
            }
        };
        Ok(Message { role, text: message.content.clone() })
    };
    config.iter().enumerate().map(compile).collect()
}

const CHAT: Conversation = Conversation {
    field: "messages",
    required: true,
    message: |message| Text::from(&json!({"role": message.role.name(), "content": message.text})),
};

const ANTHROPIC: Conversation = CHAT;

const GEMINI: Conversation = Conversation {
    field: "contents",
    required: true,
    message: |message| {
        let role = if message.role == Role::Assistant { "model" } else { "user" };
        Text::from(&json!({"role": role, "parts": [{"text": message.text}]}))
    },
};

const BEDROCK: Conversation = Conversation {
    field: "messages",
    required: false,
    message: |message| Text::from(&json!({"role": message.role.name(), "content": [{"text": message.text}]})),
};

fn response_item(message: &Message) -> Text<'static> {
    Text::from(&json!({"type": "message", "role": message.role.name(), "content": message.text}))
}
