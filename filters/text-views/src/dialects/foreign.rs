//! What a request says under the names of other APIs.
//!
//! A server may take a request for another than Weir does: it reads a path more leniently
//! (`/v1/chat//completions`), takes more than one API at a path, or adds to one (`documents` of a chat). So whatever
//! stands under a name that some API has for what is said is looked at everywhere, also the second of two spellings of
//! one name.

use crate::collect::Collector;
use crate::json::{Fault, Value};
use crate::slot::{At, Role, ThreadKind};

use super::unknown;

/// Names of system prompts.
const SYSTEM: &[&str] = &["instructions", "system", "systemInstruction", "system_instruction"];

/// Names of what users say, and of whole requests.
const SAID: &[&str] = &[
    "content",
    "contents",
    "documents",
    "generateContentRequest",
    "generate_content_request",
    "input",
    "messages",
    "prompt",
    "query",
    "requests",
    "suffix",
];

/// Takes the texts of such members that have none yet, each as a message behind the others.
pub(super) fn request<'a>(root: Value<'_, 'a>, found: &mut Collector<'a>) -> Result<(), Fault> {
    let mut next = None;
    for member in root.children() {
        let key = member.key();
        let role = if SYSTEM.contains(&&*key) {
            Role::System
        } else if SAID.contains(&&*key) {
            Role::User
        } else {
            continue;
        };
        if found.reads(member) {
            continue;
        }
        let message = next.unwrap_or_else(|| found.messages());
        let at = At::says(role, message).thread(ThreadKind::Other, 0);
        unknown::strings(member, at, 0, found)?;
        next = Some(message.saturating_add(1));
    }
    Ok(())
}
