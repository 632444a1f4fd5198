//! Views as text, for tables in tests.

use filter_config::Endpoint;
use text_views::{EventReader, Form, Slot, Views};

/// A slot in a line: message, role, thread, form, what it says.
pub fn slot(slot: &Slot<'_>) -> String {
    let Slot { role, message, thread, block, form, snapshot, text, .. } = slot;
    let form = match form {
        Form::Text => "",
        Form::JsonText => " json-text",
        Form::JsonValue => " json",
    };
    let again = if *snapshot { " again" } else { "" };
    format!("{message} {role:?} {:?}{} #{block}{form}{again}: {text}", thread.kind, thread.part)
}

pub fn slots(views: &Views<'_>) -> Vec<String> {
    views.slots().iter().map(slot).collect()
}

/// Checks the texts of a request.
#[track_caller]
pub fn request(endpoint: Endpoint, body: &str, expected: &[&str]) {
    assert_eq!(slots(&Views::of_request(endpoint, body.as_bytes()).unwrap()), expected);
}

/// Checks the texts of an answer.
#[track_caller]
pub fn answer(endpoint: Endpoint, body: &str, expected: &[&str]) {
    assert_eq!(slots(&Views::of_answer(endpoint, body.as_bytes()).unwrap()), expected);
}

/// Checks the texts of events, and what ends with each: lines that start with `end`.
#[track_caller]
pub fn stream(endpoint: Endpoint, events: &[(&str, &str)], expected: &[&str]) {
    let mut reader = EventReader::new(endpoint);
    let mut lines = Vec::new();
    for (name, data) in events {
        let views = reader.views(name, data.as_bytes()).unwrap();
        lines.extend(slots(&views));
        lines
            .extend(views.ends().iter().map(|end| format!("end {} {:?}{}", end.message, end.kind, end.part)));
    }
    assert_eq!(lines, expected);
}
