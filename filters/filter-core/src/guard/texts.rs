//! The texts of one body or held stream, as guards see and change them.

use std::collections::BTreeMap;

use filter_config::{Endpoint, Scope};
use prompt_guard::{Chain, Form, Guards, Piece, Rejected, Vault};
use text_views::{Role, Slot, Thread, ThreadKind};

use super::plan::{Compiled, Rule};

/// Texts in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts(Vec<Text>);

/// One of them.
#[derive(Debug, Clone)]
struct Text {
    scope: Scope,
    role: Role,
    message: u32,
    thread: Thread,
    block: u32,
    form: text_views::Form,
    snapshot: bool,
    /// Which part of its thread it stands in: parts are looked at one by one, too.
    part: u32,
    text: String,
}

/// What the parts of a thread are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// Every text is one: a model is shown them one by one.
    Slots,
    /// Content blocks.
    Blocks,
    /// There is only one.
    None,
}

impl Parts {
    /// Of answers, whole and streamed. What Gemini and chats call parts are pieces, cut anywhere.
    pub(super) fn of_answer(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::OpenaiResponses
            | Endpoint::AnthropicMessages
            | Endpoint::BedrockConverse
            | Endpoint::BedrockConverseStream => Self::Blocks,
            _ => Self::None,
        }
    }
}

/// A message as guard services get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) role: &'static str,
    pub(super) content: String,
}

/// One of the choices of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) text: String,
    /// It calls tools.
    pub(super) calls: bool,
}

impl Texts {
    /// Adds the texts of the next body or event.
    pub(super) fn add(&mut self, slots: &[Slot<'_>], parts: Parts) {
        let before = self.0.len();
        self.0.extend((before..).zip(slots).map(|(index, slot)| Text {
            scope: slot.scope,
            role: slot.role,
            message: slot.message,
            thread: slot.thread,
            block: slot.block,
            form: slot.form,
            snapshot: slot.snapshot,
            part: match parts {
                Parts::Slots => u32::try_from(index).unwrap_or(u32::MAX),
                Parts::Blocks => slot.block,
                Parts::None => 0,
            },
            text: slot.text.clone().into_owned(),
        }));
    }

    /// Adds an answer that is nothing but text.
    pub(super) fn add_plain(&mut self, text: &str) {
        self.0.push(Text {
            scope: Scope::Messages,
            role: Role::Assistant,
            message: 0,
            thread: Thread { message: 0, kind: ThreadKind::Text, part: 0 },
            block: 0,
            form: text_views::Form::Text,
            snapshot: false,
            part: 0,
            text: text.to_owned(),
        });
    }

    /// The text at `index`, as it is now.
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        self.0.get(index).map(|text| text.text.as_str())
    }

    /// Passes the texts of these parts through guards, thread by thread. Gives how many matches there were.
    pub(super) fn pass(
        &mut self,
        guards: &Guards,
        scope: &[Scope],
        vault: &mut Vault,
    ) -> Result<u64, Rejected> {
        self.pass_through(scope, vault, |form, blocks| begin(guards, form, blocks))
    }

    fn pass_through(
        &mut self,
        scope: &[Scope],
        vault: &mut Vault,
        start: impl Fn(Form, bool) -> Chain,
    ) -> Result<u64, Rejected> {
        let mut matches = 0;
        for members in self.runs(scope) {
            matches += self.pass_run(&start, &members, vault)?;
        }
        self.repeat();
        Ok(matches)
    }

    /// Which texts of these parts guards look at as one: those of a thread, as long as they are written alike. A JSON
    /// value is complete, so it is looked at alone.
    fn runs(&self, scope: &[Scope]) -> Vec<Vec<usize>> {
        let mut runs: Vec<Vec<usize>> = Vec::new();
        let mut last: BTreeMap<Thread, (usize, text_views::Form)> = BTreeMap::new();
        // An empty text opens a block in streams; clients look for what is said behind it.
        for (index, text) in self.seen(scope).filter(|(_, text)| !text.text.is_empty()) {
            let goes_on = last.get(&text.thread).filter(|(_, form)| joins(*form, text.form));
            match goes_on.and_then(|(run, _)| runs.get_mut(*run)) {
                Some(run) => run.push(index),
                None => {
                    last.insert(text.thread, (runs.len(), text.form));
                    runs.push(vec![index]);
                }
            }
        }
        runs
    }

    /// Notes what looks like a placeholder in any text, so that no value gets it.
    pub(super) fn reserve(&self, vault: &mut Vault) {
        for text in &self.0 {
            match form(text.form) {
                Form::Text => vault.reserve(&text.text),
                Form::Json => reserve_json(&text.text, vault),
            }
        }
    }

    /// Gives placeholders to what guards of requests are going to mask, text by text in the order of the conversation.
    /// Each of them passes all texts before the next does: if they shared out numbers as they go, what the first finds
    /// in a new turn would move what the second found in an old one.
    pub(super) fn number(&self, rules: &[Rule], vault: &mut Vault) {
        let mut texts = self.clone();
        for members in self.runs(&Scope::ALL) {
            let Some(scope) = members.first().and_then(|first| self.0.get(*first)).map(|text| text.scope)
            else {
                continue;
            };
            for rule in rules.iter().filter(|rule| rule.scope.contains(&scope)) {
                // What is rejected needs no placeholder.
                if let Compiled::Text { guards, .. } = &rule.check
                    && texts.pass_run(|form, blocks| begin(guards, form, blocks), &members, vault).is_err()
                {
                    break;
                }
            }
        }
    }

    /// Puts back what stands behind placeholders.
    pub(super) fn restore(&mut self, vault: &mut Vault) {
        // Where no guard is, nothing is rejected.
        let _ = self.pass_through(&Scope::ALL, vault, |form, _| Guards::default().start(form).restoring());
    }

    fn pass_run(
        &mut self,
        start: impl Fn(Form, bool) -> Chain,
        members: &[usize],
        vault: &mut Vault,
    ) -> Result<u64, Rejected> {
        let Some(first) = members.first().and_then(|first| self.0.get(*first)) else { return Ok(0) };
        let mut part = first.part;
        let parts = members.iter().filter_map(|index| self.0.get(*index)).any(|text| text.part != part);
        let mut chain = start(form(first.form), parts);
        let mut pieces = Vec::new();
        for index in members {
            let Some(text) = self.0.get(*index) else { continue };
            if text.part != part {
                chain.next_block(vault, &mut pieces)?;
                part = text.part;
            }
            chain.push(&text.text, *index as u64, vault, &mut pieces)?;
        }
        chain.finish(vault, &mut pieces)?;
        for index in members {
            if let Some(text) = self.0.get_mut(*index) {
                text.text.clear();
            }
        }
        for Piece { text, tag } in pieces {
            if let Some(member) = usize::try_from(tag).ok().and_then(|index| self.0.get_mut(index)) {
                member.text.push_str(&text);
            }
        }
        Ok(chain.tally().into_iter().sum())
    }

    /// Gives snapshots the texts they repeat.
    fn repeat(&mut self) {
        if !self.0.iter().any(|text| text.snapshot) {
            return;
        }
        let mut said: BTreeMap<(Thread, u32), String> = BTreeMap::new();
        for text in self.0.iter().filter(|text| !text.snapshot) {
            said.entry((text.thread, text.block)).or_default().push_str(&text.text);
        }
        for text in self.0.iter_mut().filter(|text| text.snapshot) {
            if let Some(said) = said.get(&(text.thread, text.block)) {
                text.text.clone_from(said);
            }
        }
    }

    /// All text of these parts, joined.
    pub(super) fn joined(&self, scope: &[Scope]) -> String {
        self.seen(scope).map(|(_, text)| text.text.as_str()).collect()
    }

    /// Of an answer: the text of these parts of each choice; an answer without any is one that is empty.
    pub(super) fn choices(&self, scope: &[Scope]) -> Vec<Choice> {
        let mut choices: BTreeMap<u32, Choice> = BTreeMap::new();
        for (_, text) in self.seen(&Scope::ALL) {
            let choice = choices.entry(text.message).or_default();
            choice.calls |= text.scope == Scope::ToolInput;
            if scope.contains(&text.scope) {
                choice.text.push_str(&text.text);
            }
        }
        if choices.is_empty() { vec![Choice::default()] } else { choices.into_values().collect() }
    }

    /// What guard services get of these parts: each text that is one, in order. So what a model thinks, what it says and
    /// the arguments of each of its calls are told apart, and each gets back what was masked in it.
    pub(super) fn messages(&self, scope: &[Scope]) -> Vec<Message> {
        let message = |members: Vec<usize>| {
            let texts = || members.iter().filter_map(|index| self.0.get(*index));
            let role = texts().next().map_or("user", |text| role(text.role));
            Message { role, content: texts().map(|text| text.text.as_str()).collect() }
        };
        self.runs(scope).into_iter().map(message).collect()
    }

    /// Gives messages new contents, one for each of [`Self::messages`], `None` where it stays: the first piece of a
    /// text gets all of it.
    pub(super) fn set_messages(&mut self, scope: &[Scope], contents: &[Option<String>]) {
        for (members, content) in self.runs(scope).into_iter().zip(contents) {
            let Some(content) = content else { continue };
            let mut content = Some(content.clone());
            for index in members {
                if let Some(text) = self.0.get_mut(index) {
                    text.text = content.take().unwrap_or_default();
                }
            }
        }
        self.repeat();
    }

    /// The texts of these parts; of what a stream says twice, only once.
    fn seen<'a>(&'a self, scope: &'a [Scope]) -> impl Iterator<Item = (usize, &'a Text)> {
        (0..).zip(&self.0).filter(move |(_, text)| scope.contains(&text.scope) && !text.snapshot)
    }
}

/// Begins a text, of blocks or not.
fn begin(guards: &Guards, form: Form, blocks: bool) -> Chain {
    if blocks { guards.start_in_blocks(form) } else { guards.start(form) }
}

/// Notes what looks like a placeholder in JSON. Some of its writers escape angle brackets.
pub(super) fn reserve_json(json: &str, vault: &mut Vault) {
    vault.reserve(json);
    if json.contains("\\u003") {
        let brackets = [("\\u003c", "<"), ("\\u003C", "<"), ("\\u003e", ">"), ("\\u003E", ">")];
        let plain = |text: String, (escape, bracket): (&str, &str)| text.replace(escape, bracket);
        vault.reserve(&brackets.into_iter().fold(json.to_owned(), plain));
    }
}

/// How guards read a text.
pub(super) fn form(form: text_views::Form) -> Form {
    match form {
        text_views::Form::Text => Form::Text,
        text_views::Form::JsonText | text_views::Form::JsonValue => Form::Json,
    }
}

/// What webhooks call a role.
fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

/// Whether a text written in one way goes on in the next of its thread.
pub(super) fn joins(before: text_views::Form, next: text_views::Form) -> bool {
    before == next && next != text_views::Form::JsonValue
}
