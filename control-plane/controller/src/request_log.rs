//! One line per request, from Envoy's access log.
//!
//! Envoy writes a JSON object per request (see `translate/src/envoy/listener.rs`). Its field `weir` is what the filters
//! recorded about the exchange with the model, `guards` what guards found, both as text that is JSON itself.

use serde::Deserialize;
use serde_json::Value;

use crate::cli::LogFormat;

/// Longest piece of a client's text in a line, in characters.
const LONGEST: usize = 80;

/// A request as Envoy logs it. What Envoy does not know is absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    time: Option<String>,
    route: Option<String>,
    method: Option<String>,
    path: Option<String>,
    status: Option<Value>,
    details: Option<String>,
    flags: Option<String>,
    attempts: Option<Value>,
    first_byte_ms: Option<Value>,
    duration_ms: Option<Value>,
    weir: Option<Value>,
    guards: Option<Value>,
}

/// What one guard found.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Guarded {
    guard: String,
    phase: String,
    action: String,
}

/// What the filters know about an exchange: the part of their record that is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Exchange {
    client: Option<String>,
    provider: Option<String>,
    upstream: Option<String>,
    model: Option<String>,
    sent_model: Option<String>,
    stream: bool,
    usage: Option<Usage>,
    outcome: Option<String>,
    error: Option<String>,
}

/// Tokens, counted by the provider. The input is split into three parts, the reasoning is part of the output.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
    reasoning: u64,
}

/// The line to show for a line of Envoy's standard output. What is no log entry is shown as it is.
pub(crate) fn line(raw: &str, format: LogFormat) -> String {
    let Ok(Value::Object(mut object)) = serde_json::from_str::<Value>(raw) else { return printable(raw) };
    match format {
        LogFormat::Json => {
            if let Some(Value::String(text)) = object.get("weir")
                && let Ok(record) = serde_json::from_str::<Value>(text)
            {
                // Envoy's is the path as the last attempt rewrote it.
                if let Some(path) = record.get("path") {
                    object.insert("path".to_owned(), path.clone());
                }
                object.insert("weir".to_owned(), record);
            }
            if let Some(Value::String(text)) = object.get("guards")
                && let Ok(guards) = serde_json::from_str::<Value>(text)
            {
                object.insert("guards".to_owned(), guards);
            }
            Value::Object(object).to_string()
        }
        LogFormat::Text => match serde_json::from_value(Value::Object(object)) {
            Ok(entry) => text(&entry),
            Err(_) => printable(raw),
        },
    }
}

fn text(entry: &Entry) -> String {
    let exchange = match &entry.weir {
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        Some(value @ Value::Object(_)) => serde_json::from_value(value.clone()).ok(),
        _ => None,
    };
    let exchange: Exchange = exchange.unwrap_or_default();
    let mut columns =
        vec![clock(entry.time.as_deref()), known(entry.route.as_deref()).unwrap_or("-").to_owned()];
    if exchange.client.is_some() || exchange.upstream.is_some() {
        columns.push(dialects(&exchange));
        columns.push(models(&exchange));
        columns.push(tokens(exchange.usage.as_ref()));
    } else {
        let method = known(entry.method.as_deref()).unwrap_or("-");
        columns.push(printable(&format!("{method} {}", known(entry.path.as_deref()).unwrap_or("-"))));
    }
    if let Some(first) = number(entry.first_byte_ms.as_ref()) {
        columns.push(format!("first byte {first} ms"));
    }
    columns.push(format!("{} ms", number(entry.duration_ms.as_ref()).unwrap_or_else(|| "-".to_owned())));
    columns.push(number(entry.status.as_ref()).unwrap_or_else(|| "-".to_owned()));
    if let Some(attempts) =
        number(entry.attempts.as_ref()).filter(|attempts| attempts != "1" && attempts != "0")
    {
        columns.push(format!("{attempts} attempts"));
    }
    columns.extend(guarded(entry));
    columns.extend(outcome(entry, &exchange));
    columns.join("  ")
}

/// The time of day, in UTC, of a time such as `2026-11-21T11:33:00.123Z`.
fn clock(time: Option<&str>) -> String {
    let time = known(time).unwrap_or("-");
    time.split_once('T').map_or(time, |(_, clock)| clock).to_owned()
}

fn dialects(exchange: &Exchange) -> String {
    let client = exchange.client.as_deref().unwrap_or("-");
    let stream = if exchange.stream { " stream" } else { "" };
    match (&exchange.upstream, &exchange.provider) {
        (Some(upstream), Some(provider)) => {
            format!("{client} → {upstream} ({}){stream}", printable(provider))
        }
        (Some(upstream), None) => format!("{client} → {upstream}{stream}"),
        _ => format!("{client} → -{stream}"),
    }
}

fn models(exchange: &Exchange) -> String {
    let asked = exchange.model.as_deref().map_or_else(|| "-".to_owned(), printable);
    match exchange.sent_model.as_deref().filter(|sent| Some(*sent) != exchange.model.as_deref()) {
        Some(sent) => format!("{asked} → {}", printable(sent)),
        None => asked,
    }
}

fn tokens(usage: Option<&Usage>) -> String {
    let Some(usage) = usage else { return "in - out -".to_owned() };
    let input = usage.input.saturating_add(usage.cache_read).saturating_add(usage.cache_write);
    let note = |parts: &[(u64, &str)]| {
        let parts: Vec<_> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    };
    let cache = note(&[(usage.cache_read, "cache read"), (usage.cache_write, "cache write")]);
    format!("in {input}{cache} out {}{}", usage.output, note(&[(usage.reasoning, "reasoning")]))
}

/// What guards found: `request mask (personal-data)`.
fn guarded(entry: &Entry) -> Vec<String> {
    let Some(Value::String(text)) = &entry.guards else { return Vec::new() };
    let found: Vec<Guarded> = serde_json::from_str(text).unwrap_or_default();
    found
        .iter()
        .map(|one| {
            format!("{} {} ({})", printable(&one.phase), printable(&one.action), printable(&one.guard))
        })
        .collect()
}

/// How it went, where that is not plain from the status.
fn outcome(entry: &Entry, exchange: &Exchange) -> Option<String> {
    let word = exchange.outcome.as_deref().filter(|word| *word != "complete");
    let reason = exchange.error.as_deref().map(printable);
    match (word, reason) {
        (Some(word), Some(reason)) => Some(format!("{}: {reason}", printable(word))),
        (None, Some(reason)) => Some(reason),
        (word, None) => {
            let flags = known(entry.flags.as_deref());
            let details = known(entry.details.as_deref()).filter(|_| flags.is_some()).map(printable);
            let parts: Vec<_> =
                [word.map(printable), flags.map(printable), details].into_iter().flatten().collect();
            (!parts.is_empty()).then(|| parts.join(" "))
        }
    }
}

/// Envoy writes `-` for what it does not know.
fn known(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty() && *text != "-")
}

fn number(value: Option<&Value>) -> Option<String> {
    match value {
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::String(text)) => known(Some(text)).map(printable),
        _ => None,
    }
}

/// Text of unknown origin, safe for a terminal and not too long.
fn printable(text: &str) -> String {
    let mut shown = String::new();
    for (place, c) in text.chars().enumerate() {
        if place == LONGEST {
            shown.push('…');
            break;
        }
        // Control characters, and those that change the direction of writing.
        if c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(weir: &Value, more: &Value) -> String {
        let mut entry = json!({
            "time": "2026-11-21T11:33:00.123Z", "listener": "default/ai/8080", "route": "default/models/0",
            "method": "POST", "path": "/v1/chat/completions", "status": 200, "details": "via_upstream", "attempts": 1,
            "first_byte_ms": 35, "duration_ms": 80, "request_id": "r",
        });
        let object = entry.as_object_mut().unwrap();
        object.extend(more.as_object().unwrap().clone());
        if !weir.is_null() {
            object.insert("weir".to_owned(), Value::String(weir.to_string()));
        }
        entry.to_string()
    }

    #[test]
    fn json_has_the_clients_path() {
        let raw = entry(&json!({"path": "/openai/v1/chat/completions"}), &json!({}));
        let shown: Value = serde_json::from_str(&line(&raw, LogFormat::Json)).unwrap();
        assert_eq!(shown["path"], "/openai/v1/chat/completions");
        assert_eq!(shown["weir"]["path"], shown["path"]);
    }

    #[test]
    fn what_guards_found_is_shown() {
        let found = json!([{"guard": "pii", "phase": "request", "action": "mask", "matches": 2}]);
        let raw = entry(&json!({}), &json!({"guards": found.to_string()}));
        let shown: Value = serde_json::from_str(&line(&raw, LogFormat::Json)).unwrap();
        assert_eq!(shown["guards"], found);
        assert!(line(&raw, LogFormat::Text).contains("request mask (pii)"));
    }

    #[test]
    fn lines_for_people() {
        let translated = json!({
            "client": "openai_chat", "provider": "anthropic", "upstream": "anthropic_messages", "model": "fast",
            "sent_model": "claude-haiku-4-5", "answered_model": "claude-haiku-4-5", "stream": true,
            "usage": {"input": 12, "output": 34}, "outcome": "complete",
        });
        let cached = json!({
            "client": "openai_chat", "provider": "openai", "upstream": "openai_chat", "model": "gpt-5", "stream": false,
            "usage": {"input": 2, "cache_read": 100, "cache_write": 5, "output": 9, "reasoning": 4}, "outcome": "complete",
        });
        let failed = json!({
            "client": "anthropic_messages", "provider": "openai", "upstream": "openai_chat", "model": "gpt-5",
            "outcome": "failed", "error": "the provider answered 429",
        });
        let refused =
            json!({"client": "openai_chat", "outcome": "refused", "error": "body is no JSON\u{1b}[2J"});
        let cases = [
            (
                entry(&translated, &json!({})),
                "11:33:00.123Z  default/models/0  openai_chat → anthropic_messages (anthropic) stream  \
                 fast → claude-haiku-4-5  in 12 out 34  first byte 35 ms  80 ms  200",
            ),
            (
                entry(&cached, &json!({"attempts": 2})),
                "11:33:00.123Z  default/models/0  openai_chat → openai_chat (openai)  gpt-5  \
                 in 107 (100 cache read, 5 cache write) out 9 (4 reasoning)  first byte 35 ms  80 ms  200  2 attempts",
            ),
            (
                entry(&failed, &json!({"status": 429})),
                "11:33:00.123Z  default/models/0  anthropic_messages → openai_chat (openai)  gpt-5  in - out -  \
                 first byte 35 ms  80 ms  429  failed: the provider answered 429",
            ),
            (
                entry(
                    &refused,
                    &json!({"status": 400, "attempts": null, "route": "-", "first_byte_ms": null}),
                ),
                "11:33:00.123Z  -  openai_chat → -  -  in - out -  80 ms  400  \
                 refused: body is no JSON\\u{1b}[2J",
            ),
            (
                entry(
                    &Value::Null,
                    &json!({"status": 503, "flags": "UH", "details": "no_healthy_upstream", "path": "/x"}),
                ),
                "11:33:00.123Z  default/models/0  POST /x  first byte 35 ms  80 ms  503  UH no_healthy_upstream",
            ),
            ("not JSON \u{7}".to_owned(), "not JSON \\u{7}"),
        ];
        for (raw, expected) in cases {
            assert_eq!(line(&raw, LogFormat::Text), expected);
        }
    }

    #[test]
    fn json_holds_the_record_as_an_object() {
        let raw = entry(&json!({"client": "openai_chat", "usage": {"input": 1}}), &json!({}));
        let shown: Value = serde_json::from_str(&line(&raw, LogFormat::Json)).unwrap();
        assert_eq!(shown["weir"]["usage"]["input"], 1);
        assert_eq!(shown["status"], 200);
        let odd = r#"{"weir":"no json","status":200}"#;
        assert_eq!(line(odd, LogFormat::Json), odd);
    }
}
