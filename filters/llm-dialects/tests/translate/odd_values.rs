//! One value of a good body replaced by an odd one, at every place of every fixture: what is still taken comes out as a
//! request, an answer or a stream of every dialect. The fuzzer finds such values by luck; here they are tried in turn.

use llm_dialects::dialect::Framing;
use llm_dialects::hub::StreamEvent;
use llm_dialects::{Dialect, Error};
use serde_json::{Value, json};

use crate::goldens::inputs;
use crate::pipe::streams;
use crate::recorded::{self, frames};
use crate::{NOW, model_of, readers};

/// What stands in for a value. Each has been taken by one decoder and refused by another, or may be.
fn odd_values() -> Vec<Value> {
    vec![
        json!(""),
        json!(" "),
        json!("a,b"),
        json!("data:image/png;base64,"),
        json!("_weir-sig_x"),
        json!("{\"a\""),
        json!(-1),
        json!(1_u64 << 58),
        json!(true),
        json!([]),
        json!([""]),
        json!({}),
        json!({"type": "text", "text": ""}),
        Value::Null,
    ]
}

/// Every place in a value, as JSON pointers, but for the value itself.
fn places(value: &Value) -> Vec<String> {
    fn add(value: &Value, at: &str, found: &mut Vec<String>) {
        let mut go = |key: &str, value: &Value| {
            let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
            add(value, &at, found);
            found.push(at);
        };
        match value {
            Value::Object(members) => members.iter().for_each(|(key, value)| go(key, value)),
            Value::Array(elements) => {
                elements.iter().enumerate().for_each(|(i, value)| go(&i.to_string(), value));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    add(value, "", &mut found);
    found
}

/// Every value that differs from `body` in one place, and what is odd about it.
fn oddities(body: &Value, odd_values: &[Value]) -> impl Iterator<Item = (String, Value)> {
    places(body).into_iter().flat_map(move |place| {
        odd_values.iter().map(move |odd| {
            let mut body = body.clone();
            *body.pointer_mut(&place).unwrap() = odd.clone();
            (format!("{place} = {odd}"), body)
        })
    })
}

/// What a strict reader says, unless it is about what the model wrote, which is not for a translation to mend.
fn breach<T>(read: Result<T, String>) -> Option<String> {
    read.err().filter(|breach| !breach.contains("arguments that are no JSON"))
}

fn request_breach(from: Dialect, body: &[u8]) -> Option<String> {
    let request = from.decode_request(body).ok()?;
    Dialect::ALL.into_iter().find_map(|to| {
        let mut asked = request.clone();
        asked.model = model_of(to).into();
        match to.encode_request(&mut asked) {
            Ok((sent, _)) => to.decode_request(&sent).err().map(|error| format!("{to}: {error}")),
            Err(Error::Unsupported { .. } | Error::ClientSent { .. }) => None,
            Err(error) => Some(format!("{to}: {error}")),
        }
    })
}

#[test]
fn t07_requests_with_an_odd_value_are_refused_or_translated() {
    let mut breaches = Vec::new();
    for from in Dialect::ALL {
        for (name, body) in inputs(from, "requests") {
            // Some fixtures are broken on purpose.
            let Ok(body) = serde_json::from_slice::<Value>(&body) else { continue };
            for (what, odd) in oddities(&body, &odd_values()) {
                let breach = request_breach(from, odd.to_string().as_bytes());
                breaches.extend(breach.map(|breach| format!("{from} {name} {what}: {breach}")));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

fn answer_breach(from: Dialect, body: &[u8]) -> Option<String> {
    let mut answer = from.decode_response(body).ok()?;
    if answer.model.is_empty() {
        answer.model = model_of(from).into();
    }
    Dialect::ALL.into_iter().find_map(|to| {
        let told = to.encode_response(&answer, NOW);
        if let Err(error) = to.decode_response(&told) {
            return Some(format!("{to}: {error}"));
        }
        let mut events = Vec::new();
        let mut encoder = to.stream_encoder(NOW, true);
        answer.replay(&mut |event: StreamEvent<'_>| encoder.event(&event, &mut events));
        // Blocks that only one dialect has stay as they are in it, and the readers do not know them.
        let whole = if to == from {
            None
        } else {
            breach(readers::response(to, &serde_json::from_slice(&told).unwrap()))
        };
        whole.or(breach(readers::stream(to, &events))).map(|breach| format!("{to}: {breach}"))
    })
}

#[test]
fn t07_answers_with_an_odd_value_are_refused_or_translated() {
    // Providers make fewer mistakes than clients: fewer values do.
    let odd_values = [json!(""), json!(-1), json!([]), json!({"type": "text", "text": ""}), Value::Null];
    let mut breaches = Vec::new();
    for from in Dialect::ALL {
        for (name, body) in inputs(from, "responses") {
            let Ok(body) = serde_json::from_slice::<Value>(&body) else { continue };
            for (what, odd) in oddities(&body, &odd_values) {
                let breach = answer_breach(from, odd.to_string().as_bytes());
                breaches.extend(breach.map(|breach| format!("{from} {name} {what}: {breach}")));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn t07_streams_with_an_odd_value_are_told_or_end_in_an_error() {
    // Streams are long, and hold what answers hold: even fewer do.
    let odd_values = [json!(""), json!(-1), Value::Null];
    let mut breaches = Vec::new();
    for from in Dialect::ALL {
        for path in recorded::inputs(from, "streams") {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            for (number, line) in lines.iter().enumerate() {
                // `data: {…}`, or `<name> {…}` where messages are framed.
                let Some((head, data)) = line.split_once(' ') else { continue };
                let Ok(event) = serde_json::from_str::<Value>(data) else { continue };
                for (what, odd) in oddities(&event, &odd_values) {
                    let odd = format!("{head} {odd}");
                    let mut lines = lines.clone();
                    lines[number] = &odd;
                    let text = lines.join("\n") + "\n\n";
                    let body = match from.framing() {
                        Framing::Sse => text.into_bytes(),
                        Framing::AwsEventStream => frames::framed(&text),
                    };
                    for (to, told) in streams(from, &body) {
                        if let Some(breach) = breach(readers::stream(to, &told)) {
                            breaches.push(format!("{} {number} {what}: {to}: {breach}", path.display()));
                        }
                    }
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}
