//! Requests to guard services and what their answers mean, without I/O.
//!
//! Each service is a module with the same two functions: `call` makes the request, `verdict` reads the answer.
//!
//! ```
//! use std::borrow::Cow;
//! use guard_services::{Direction, Message, Verdict, webhook};
//!
//! let messages = [Message { role: "user", content: Cow::Borrowed("my number is 555-0100") }];
//! let (call, asked) = webhook::call("/guard", Direction::Request, &messages);
//! assert_eq!((call.method, call.path.as_str()), ("POST", "/guard/request"));
//! // … the filter sends it and gets an answer …
//! let answer = br#"{"action":{"body":{"messages":[{"role":"user","content":"my number is ***"}]}}}"#;
//! let verdict = webhook::verdict(200, answer, &asked).unwrap();
//! assert_eq!(verdict, Verdict::Mask(vec![Some("my number is ***".to_owned())]));
//! ```
//!
//! | module | service | looks at | can mask |
//! |---|---|---|---|
//! | [`webhook`] | agentgateway's guardrail webhook | both directions | yes |
//! | [`openai_moderation`] | `POST /v1/moderations` | texts | no |
//! | [`bedrock_guardrails`] | Amazon Bedrock, ApplyGuardrail | both directions | yes |
//! | [`model_armor`] | Google Model Armor, `sanitizeUserPrompt`, `sanitizeModelResponse` | both directions | yes |
//!
//! # What is sent
//! All messages in one call. The webhook gets every message as it is. The others are not asked about messages without
//! anything but white space, which some of them refuse; if there are no others, there is no call (`None`) and the
//! messages pass. What is too large or too much for a service it refuses itself, with a status that is
//! [`Error::Status`] here: nothing is cut, as nothing that was not looked at may pass for checked.
//!
//! Credentials and `:authority` are not of a [`Call`]: the cluster adds them.
//!
//! # What is made of answers
//! An answer that is not understood is an [`Error`], never a pass; so is one that says that not everything was looked
//! at. Errors and [`Verdict::Reject::found`] hold no text of messages, so they may be logged.
#![forbid(unsafe_code)]

mod answer;
mod call;
mod error;

pub mod bedrock_guardrails;
pub mod model_armor;
pub mod openai_moderation;
pub mod webhook;

use std::borrow::Cow;

pub use call::{Asked, Call};
pub use error::{Error, Service};

/// One text of a request or an answer, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// Who says it: `system`, `user`, `assistant`, `tool`. Only the webhook is told.
    pub role: &'a str,
    /// The text.
    pub content: Cow<'a, str>,
}

/// Whose texts they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Of a request, on their way to a model.
    Request,
    /// Of a model's answer.
    Response,
}

/// What a service says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The messages may pass as they are.
    Pass,
    /// For each message, in the order given, the text that takes its place; `None` leaves it as it is.
    Mask(Vec<Option<String>>),
    /// The messages must not pass.
    Reject {
        /// The status to answer with, between 200 and 599, if the service names one.
        status: Option<u16>,
        /// The message to answer with, if the service names one.
        message: Option<String>,
        /// What was found, in words of the service such as `violence` or `pi_and_jailbreak`: letters, digits and
        /// `_ - /` only, at most 64 characters each, at most 32 of them, sorted.
        found: Vec<String>,
    },
}

impl Verdict {
    /// A rejection that leaves status and message to the configuration.
    fn reject(found: impl IntoIterator<Item = String>) -> Self {
        let mut found: Vec<String> = found.into_iter().filter(|name| is_word(name)).collect();
        found.sort();
        found.dedup();
        found.truncate(32);
        Self::Reject { status: None, message: None, found }
    }
}

fn is_word(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/'))
}
