//! The texts of one body or held stream, as guards see and change them.

use std::collections::BTreeMap;

use filter_config::Scope;
use prompt_guard::{Chain, Form, Guards, Piece, Rejected, Vault};
use text_views::{Role, Slot, Thread, ThreadKind};

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
    text: String,
    /// What it was.
    came: String,
}

/// A message as guard services get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) role: &'static str,
    pub(super) content: String,
}

impl Texts {
    /// Adds the texts of the next body or event.
    pub(super) fn add(&mut self, slots: &[Slot<'_>]) {
        self.0.extend(slots.iter().map(|slot| Text {
            scope: slot.scope,
            role: slot.role,
            message: slot.message,
            thread: slot.thread,
            block: slot.block,
            form: slot.form,
            snapshot: slot.snapshot,
            text: slot.text.clone().into_owned(),
            came: slot.text.clone().into_owned(),
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
            text: text.to_owned(),
            came: text.to_owned(),
        });
    }

    /// Whether any of them is another than it was.
    pub(super) fn changed(&self) -> bool {
        self.0.iter().any(|text| text.text != text.came)
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
        self.pass_through(scope, vault, |form| guards.start(form))
    }

    fn pass_through(
        &mut self,
        scope: &[Scope],
        vault: &mut Vault,
        start: impl Fn(Form) -> Chain,
    ) -> Result<u64, Rejected> {
        let mut threads: Vec<Thread> = Vec::new();
        for text in self.0.iter().filter(|text| scope.contains(&text.scope) && !text.snapshot) {
            if !threads.contains(&text.thread) {
                threads.push(text.thread);
            }
        }
        let mut matches = 0;
        for thread in threads {
            matches += self.pass_thread(&start, thread, vault)?;
        }
        self.repeat();
        Ok(matches)
    }

    /// Notes what looks like a placeholder in any text, so that no value gets it.
    pub(super) fn reserve(&self, vault: &mut Vault) {
        self.0.iter().for_each(|text| vault.reserve(&text.text));
    }

    /// Puts back what stands behind placeholders.
    pub(super) fn restore(&mut self, vault: &mut Vault) {
        // Where no guard is, nothing is rejected.
        let _ = self.pass_through(&Scope::ALL, vault, |form| Guards::default().start(form).restoring());
    }

    fn pass_thread(
        &mut self,
        start: impl Fn(Form) -> Chain,
        thread: Thread,
        vault: &mut Vault,
    ) -> Result<u64, Rejected> {
        // An empty text opens a block in streams; clients look for what is said behind it.
        let says = |text: &Text| text.thread == thread && !text.snapshot && !text.text.is_empty();
        let members: Vec<usize> =
            (0..).zip(&self.0).filter(|(_, text)| says(text)).map(|(index, _)| index).collect();
        let Some(first) = members.first().and_then(|first| self.0.get(*first)) else { return Ok(0) };
        let mut chain = start(form(first.form));
        let mut pieces = Vec::new();
        for index in &members {
            let Some(text) = self.0.get(*index) else { continue };
            chain.push(&text.text, *index as u64, vault, &mut pieces)?;
        }
        chain.finish(vault, &mut pieces)?;
        let matches = chain.tally().into_iter().sum();
        for index in &members {
            if let Some(text) = self.0.get_mut(*index) {
                text.text = joined(&pieces, *index as u64);
            }
        }
        Ok(matches)
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

    /// The messages of these parts, those without text left out.
    pub(super) fn messages(&self, scope: &[Scope]) -> Vec<Message> {
        let mut messages: Vec<(u32, Message)> = Vec::new();
        for (_, text) in self.seen(scope) {
            match messages.last_mut() {
                Some((number, message)) if *number == text.message && message.role == role(text.role) => {
                    message.content.push_str(&text.text);
                }
                _ => {
                    let message = Message { role: role(text.role), content: text.text.clone() };
                    messages.push((text.message, message));
                }
            }
        }
        messages
            .into_iter()
            .map(|(_, message)| message)
            .filter(|message| !message.content.is_empty())
            .collect()
    }

    /// Gives messages new contents, one for each of [`Self::messages`], `None` where it stays: the first text of a
    /// message that is not empty gets all of it (streams open blocks with empty ones).
    pub(super) fn set_messages(&mut self, scope: &[Scope], contents: &[Option<String>]) {
        let mut groups: Vec<(u32, &'static str, Vec<usize>)> = Vec::new();
        for (index, text) in self.seen(scope) {
            match groups.last_mut() {
                Some((number, of, members)) if *number == text.message && *of == role(text.role) => {
                    members.push(index);
                }
                _ => groups.push((text.message, role(text.role), vec![index])),
            }
        }
        let has_text = |members: &Vec<usize>| {
            members.iter().any(|index| self.0.get(*index).is_some_and(|text| !text.text.is_empty()))
        };
        groups.retain(|(_, _, members)| has_text(members));
        for ((_, _, members), content) in groups.iter().zip(contents) {
            let Some(content) = content else { continue };
            let mut content = Some(content.clone());
            for index in members {
                if let Some(text) = self.0.get_mut(*index)
                    && !text.text.is_empty()
                {
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

fn joined(pieces: &[Piece], tag: u64) -> String {
    pieces.iter().filter(|piece| piece.tag == tag).map(|piece| piece.text.as_str()).collect()
}
