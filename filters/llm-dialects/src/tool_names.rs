//! Tool names a provider does not take, replaced on the way there and restored on the way back.
//!
//! MCP servers name tools with dots, slashes and at any length; most providers take letters, digits, `_` and `-`
//! only. Names that fit are never touched.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::Dialect;
use crate::hub::{Block, Part, Request, Response, StreamEvent, Tool, ToolChoice};

/// The names that were replaced: as sent → as the client knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolNames(BTreeMap<String, String>);

/// What a provider takes.
struct Rules {
    longest: usize,
    /// Characters beside letters, digits, `_` and `-`.
    more: &'static [u8],
    /// The first character must be a letter or `_`.
    begins_with_letter: bool,
}

impl Rules {
    /// Sources: the `name` patterns in the API references of OpenAI (`tools[].function.name`), Anthropic
    /// (`tools[].name`), Gemini (`FunctionDeclaration.name`) and Bedrock (`ToolSpecification.name`).
    fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::BedrockConverse => {
                Self { longest: 64, more: b"", begins_with_letter: false }
            }
            Dialect::AnthropicMessages => Self { longest: 128, more: b"", begins_with_letter: false },
            Dialect::GeminiGenerate => Self { longest: 64, more: b".:", begins_with_letter: true },
        }
    }

    fn takes(&self, byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || self.more.contains(&byte)
    }

    fn fits(&self, name: &str) -> bool {
        !name.is_empty()
            && name.len() <= self.longest
            && name.bytes().all(|byte| self.takes(byte))
            && !(self.begins_with_letter
                && name.starts_with(|first: char| !first.is_ascii_alphabetic() && first != '_'))
    }

    /// A name that fits, the same for the same input; `salt` tells apart names that would become equal.
    fn fit(&self, name: &str, salt: u32) -> String {
        let mut fitting: String = name
            .chars()
            .map(|c| if u8::try_from(c).is_ok_and(|byte| self.takes(byte)) { c } else { '_' })
            .collect();
        if fitting.is_empty()
            || (self.begins_with_letter
                && fitting.starts_with(|first: char| !first.is_ascii_alphabetic() && first != '_'))
        {
            fitting.insert(0, '_');
        }
        if fitting.len() > self.longest || salt > 0 {
            let tail = format!("_{:08x}", hash(name, salt));
            fitting.truncate(self.longest.saturating_sub(tail.len()));
            fitting.push_str(&tail);
        }
        fitting
    }
}

/// FNV-1a, 32 bits.
fn hash(text: &str, salt: u32) -> u32 {
    text.bytes().fold(0x811c_9dc5 ^ salt, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl ToolNames {
    /// Replaces the names in `request` that `dialect` does not take.
    pub(crate) fn replace(request: &mut Request<'_>, dialect: Dialect) -> Self {
        let rules = Rules::of(dialect);
        let declared = request.tools.iter().filter_map(|tool| match tool {
            Tool::Function { name, .. } => Some(&**name),
            Tool::Foreign { .. } => None,
        });
        let called = request.turns.iter().flat_map(|turn| &turn.content).filter_map(|c| match &c.part {
            Part::ToolCall(call) => Some(&*call.name),
            _ => None,
        });
        let chosen = match &request.tool_choice {
            Some(ToolChoice::Named(name)) => Some(&**name),
            _ => None,
        };
        let all: Vec<&str> = declared.chain(called).chain(chosen).collect();
        if all.iter().all(|name| rules.fits(name)) {
            return Self::default();
        }
        let mut sent: BTreeMap<String, String> = BTreeMap::new();
        let mut replaced: BTreeMap<String, String> = BTreeMap::new();
        for name in all.iter().filter(|name| !rules.fits(name)) {
            if replaced.contains_key(*name) {
                continue;
            }
            let mut salt = 0;
            let fitting = loop {
                let candidate = rules.fit(name, salt);
                if !sent.contains_key(&candidate) && !all.contains(&candidate.as_str()) {
                    break candidate;
                }
                salt += 1;
            };
            sent.insert(fitting.clone(), (*name).to_owned());
            replaced.insert((*name).to_owned(), fitting);
        }
        let rename = |name: &mut Cow<'_, str>| {
            if let Some(fitting) = replaced.get(&**name) {
                *name = Cow::Owned(fitting.clone());
            }
        };
        for tool in &mut request.tools {
            if let Tool::Function { name, .. } = tool {
                rename(name);
            }
        }
        for content in request.turns.iter_mut().flat_map(|turn| &mut turn.content) {
            if let Part::ToolCall(call) = &mut content.part {
                rename(&mut call.name);
            }
        }
        if let Some(ToolChoice::Named(name)) = &mut request.tool_choice {
            rename(name);
        }
        Self(sent)
    }

    /// No name was replaced.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the calls of an answer the names the client knows.
    pub fn restore(&self, response: &mut Response<'_>) {
        for part in &mut response.content {
            if let Part::ToolCall(call) = part
                && let Some(name) = self.0.get(&*call.name)
            {
                call.name = Cow::Owned(name.clone());
            }
        }
    }

    /// The same for one event of a stream.
    pub fn restore_event(&self, event: &mut StreamEvent<'_>) {
        if let StreamEvent::BlockStart { block: Block::ToolCall { name, .. }, .. } = event
            && let Some(known) = self.0.get(&**name)
        {
            *name = Cow::Owned(known.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(names: &[&'static str]) -> Request<'static> {
        let tool = |name: &&'static str| Tool::Function {
            name: Cow::Borrowed(*name),
            description: None,
            schema: None,
            strict: None,
            cache: None,
        };
        Request { tools: names.iter().map(tool).collect(), ..Request::default() }
    }

    fn names(request: &Request<'_>) -> Vec<String> {
        let name = |tool: &Tool<'_>| match tool {
            Tool::Function { name, .. } => name.to_string(),
            Tool::Foreign { kind, .. } => kind.to_string(),
        };
        request.tools.iter().map(name).collect()
    }

    #[test]
    fn names_that_fit_stay() {
        let mut request = request(&["search", "get-weather_2"]);
        for dialect in Dialect::ALL {
            assert!(ToolNames::replace(&mut request, dialect).is_empty());
        }
    }

    #[test]
    fn others_are_replaced_and_restored() {
        let mut request = request(&["files.read", "files/read", "files_read"]);
        let replaced = ToolNames::replace(&mut request, Dialect::BedrockConverse);
        let sent = names(&request);
        assert_eq!(sent.last().map(String::as_str), Some("files_read"));
        let distinct: std::collections::BTreeSet<_> = sent.iter().collect();
        assert_eq!(distinct.len(), 3, "{sent:?}");
        assert!(sent.iter().all(|name| Rules::of(Dialect::BedrockConverse).fits(name)));
        let mut event = StreamEvent::BlockStart {
            index: 0,
            block: Block::ToolCall { id: "1".into(), name: sent[0].clone().into(), signature: None },
        };
        replaced.restore_event(&mut event);
        assert!(
            matches!(event, StreamEvent::BlockStart { block: Block::ToolCall { name, .. }, .. } if name == "files.read")
        );
    }

    #[test]
    fn long_names_are_shortened() {
        let long: &'static str = Box::leak("x".repeat(300).into_boxed_str());
        for dialect in Dialect::ALL {
            let mut request = request(&[long, "1"]);
            ToolNames::replace(&mut request, dialect);
            assert!(names(&request).iter().all(|name| Rules::of(dialect).fits(name)), "{dialect}");
        }
    }
}
