//! The texts of bodies. The input is a body, read as a request and as an answer of every endpoint, and line by line as
//! the events of a stream: a name, a space, data.
//!
//! Holds: no panic; what is not changed keeps every byte; a replaced text is there when one looks again, every other
//! as it was, and the body is still JSON, also where signatures over what earlier events said are marked.

#![no_main]
#![forbid(unsafe_code)]

use filter_config::{Endpoint, Scope};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use text_views::{ChangedReasoning, Error, EventReader, Form, Views};

fuzz_target!(|body: &[u8]| {
    for endpoint in Endpoint::ALL {
        replace(body, true, |body| Views::of_request(endpoint, body));
        replace(body, false, |body| Views::of_answer(endpoint, body));
        let mut reader = EventReader::new(endpoint);
        let mut marked = EventReader::new(endpoint);
        let mut changed = ChangedReasoning::default();
        for line in body.split(|byte| *byte == b'\n') {
            let space = line.iter().position(|byte| *byte == b' ').unwrap_or(0);
            let (name, data) = line.split_at(space);
            let name = String::from_utf8_lossy(name);
            if let Ok(views) = reader.views(&name, data) {
                assert_eq!(views.into_bytes(), data, "unchanged");
            }
            replace(data, false, |data| EventReader::new(endpoint).views(&name, data));
            if let Ok(mut views) = marked.views(&name, data) {
                mark(&mut views, &mut changed);
                let changed = views.changed();
                let written = views.into_bytes();
                assert!(changed || written == data);
                assert!(!changed || serde_json::from_slice::<&RawValue>(&written).is_ok(), "valid JSON");
            }
        }
    }
});

/// Replaces every other text of an event and marks signatures over what was replaced.
fn mark(views: &mut Views<'_>, changed: &mut ChangedReasoning) {
    for index in (0..views.slots().len()).step_by(2) {
        let new = if views.slots()[index].form == Form::JsonValue { "{}" } else { "new" };
        views.replace(index, new).expect("an object for any value");
    }
    views.mark_signatures(changed);
}

fn replace<'b>(body: &'b [u8], request: bool, read: impl for<'a> Fn(&'a [u8]) -> Result<Views<'a>, Error>) {
    let Ok(mut views) = read(body) else { return };
    assert!(!views.changed());
    let mut expected: Vec<String> = views.slots().iter().map(|slot| slot.text.clone().into_owned()).collect();
    for index in (0..expected.len()).step_by(2) {
        let new = if views.slots()[index].form == Form::JsonValue { "{\"new\":1}" } else { "new \"text\"\n" };
        views.replace(index, new).expect("an object for any value");
        expected[index] = new.to_owned();
    }
    let reasoning = views.slots().iter().any(|slot| slot.scope == Scope::Reasoning);
    views.drop_echoes();
    let changed = views.changed();
    let written = views.into_bytes();
    assert!(changed || written == body);
    if written.is_empty() || written == b"[DONE]" || !changed {
        return;
    }
    serde_json::from_slice::<&RawValue>(&written).expect("valid JSON");
    let again = read(&written).expect("readable");
    let texts: Vec<&str> = again.slots().iter().map(|slot| &*slot.text).collect();
    // Signed reasoning goes with its text.
    if texts.len() == expected.len() || !(request && reasoning) {
        assert_eq!(texts, expected);
    }
}
