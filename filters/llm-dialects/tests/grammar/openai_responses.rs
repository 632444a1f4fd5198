//! Streams of OpenAI responses.

use serde_json::Value;

use super::events;

/// What a stream said.
#[derive(Debug, Default)]
pub struct Answer {
    /// The last response.
    pub response: Value,
    /// The type of the last event.
    pub end: String,
}

/// Reads a whole stream.
///
/// # Errors
/// The first breach: a name that is not the type, sequence numbers that do not count up from 0, ids that change, events
/// of items that have not begun or are done, deltas that do not add up to what is repeated, a last response that does
/// not hold the items as they were done, or an end that is none.
pub fn read(stream: &[u8]) -> Result<Answer, String> {
    let mut reader = Reader::default();
    for (count, (name, event)) in events(stream)?.into_iter().enumerate() {
        let breach = |what: &str| format!("{what}: {event}");
        if event["type"] != name.as_str() {
            return Err(breach("the event's name is not its type"));
        }
        if event["sequence_number"] != count {
            return Err(breach("a wrong sequence number"));
        }
        let goes_on = reader.end.is_empty() || (reader.end == "error" && name == "response.failed");
        if !goes_on {
            return Err(breach("an event after the end"));
        }
        reader.event(&name, &event).map_err(|what| breach(&what))?;
    }
    if reader.end.is_empty() {
        return Err("the stream does not end".to_owned());
    }
    Ok(Answer { response: reader.response, end: reader.end })
}

#[derive(Default)]
struct Reader {
    id: Value,
    response: Value,
    items: Vec<Item>,
    end: String,
}

/// An item as its deltas make it.
struct Item {
    kind: String,
    id: Value,
    /// Texts, refusals, the summary or the arguments so far, and whether they are done.
    parts: Vec<(String, bool)>,
    /// Each with the part it is of.
    annotations: Vec<(usize, Value)>,
    done: Option<Value>,
}

fn check(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Reader {
    fn event(&mut self, name: &str, event: &Value) -> Result<(), String> {
        match name {
            "response.created" => {
                check(self.id.is_null(), "a second beginning")?;
                self.id = event["response"]["id"].clone();
                self.whole(&event["response"], "in_progress")
            }
            "response.in_progress" => self.whole(&event["response"], "in_progress"),
            "response.completed" | "response.incomplete" => {
                self.end = name.to_owned();
                self.whole(&event["response"], name.trim_start_matches("response."))?;
                let done: Vec<Value> = self.items.iter().filter_map(|item| item.done.clone()).collect();
                check(done.len() == self.items.len(), "an item is not done")?;
                check(event["response"]["output"] == Value::Array(done), "the output is not what was done")?;
                let reason = &event["response"]["incomplete_details"]["reason"];
                check(reason.is_string() == (name == "response.incomplete"), "details that do not fit")
            }
            "response.failed" => {
                self.end = name.to_owned();
                check(event["response"]["error"]["code"].is_string(), "no code")?;
                self.whole(&event["response"], "failed")
            }
            "error" => {
                self.end = name.to_owned();
                check(event["message"].is_string() && event["code"].is_string(), "an error without words")
            }
            "response.output_item.added" => self.added(event),
            _ => self.of_item(name, event),
        }
    }

    fn whole(&mut self, response: &Value, status: &str) -> Result<(), String> {
        let complete = response["id"] == self.id
            && self.id.as_str().is_some_and(|id| id.starts_with("resp_"))
            && response["object"] == "response"
            && response["created_at"].is_u64()
            && response["status"] == status
            && response["model"].is_string()
            && response["parallel_tool_calls"].is_boolean()
            && response["tool_choice"].is_string()
            && response["tools"].is_array()
            && response["output"].is_array()
            && response["error"].is_null() == (status != "failed");
        self.response = response.clone();
        check(complete, "an incomplete response")
    }

    fn added(&mut self, event: &Value) -> Result<(), String> {
        check(!self.id.is_null(), "an item before the beginning")?;
        check(event["output_index"] == self.items.len(), "an index out of order")?;
        let item = &event["item"];
        let kind = item["type"].as_str().unwrap_or_default().to_owned();
        let fresh = match kind.as_str() {
            "message" => item["content"] == Value::Array(Vec::new()) && item["status"] == "in_progress",
            "reasoning" => item["summary"] == Value::Array(Vec::new()),
            "function_call" => item["arguments"] == "" && item["status"] == "in_progress",
            _ => false,
        };
        check(fresh && self.items.iter().all(|other| other.id != item["id"]), "a wrong item")?;
        let parts = if kind == "function_call" { vec![(String::new(), false)] } else { Vec::new() };
        self.items.push(Item { kind, id: item["id"].clone(), parts, annotations: Vec::new(), done: None });
        Ok(())
    }

    fn of_item(&mut self, name: &str, event: &Value) -> Result<(), String> {
        let index = event["output_index"].as_u64().and_then(|index| usize::try_from(index).ok());
        let item = index.and_then(|index| self.items.get_mut(index)).ok_or("an item that has not begun")?;
        check(item.done.is_none(), "an item that is done")?;
        if name == "response.output_item.done" {
            return item.done(&event["item"]);
        }
        check(event["item_id"] == item.id, "another item's id")?;
        let (kind, part) = match item.kind.as_str() {
            "reasoning" => ("reasoning_summary", &event["summary_index"]),
            "function_call" => ("function_call", &Value::from(0)),
            _ => ("message", &event["content_index"]),
        };
        let part = part.as_u64().and_then(|part| usize::try_from(part).ok()).ok_or("no index of a part")?;
        if matches!(name, "response.content_part.added" | "response.reasoning_summary_part.added") {
            check(name.contains("summary") == (kind == "reasoning_summary"), "another kind of part")?;
            check(part == item.parts.len(), "a part out of order")?;
            item.parts.push((String::new(), false));
            return Ok(());
        }
        if name == "response.output_text.annotation.added" {
            let of_part = item.annotations.iter().filter(|(of, _)| *of == part).count();
            check(event["annotation_index"] == of_part, "an annotation out of order")?;
            item.annotations.push((part, event["annotation"].clone()));
            return Ok(());
        }
        let (text, over) = item.parts.get_mut(part).ok_or("a part that has not begun")?;
        match name {
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                let said = event["part"]["text"].as_str().or(event["part"]["refusal"].as_str());
                check(*over && said == Some(text), "a part that does not add up")
            }
            _ if name.ends_with(".delta") => {
                check(!*over, "more of a part that is done")?;
                text.push_str(event["delta"].as_str().ok_or("a delta that is no text")?);
                check(name != "response.output_text.delta" || event["logprobs"].is_array(), "no logprobs")
            }
            _ if name.ends_with(".done") => {
                let field = match name {
                    "response.refusal.done" => "refusal",
                    "response.function_call_arguments.done" => "arguments",
                    _ => "text",
                };
                *over = true;
                check(event[field] == text.as_str(), "a text that does not add up")
            }
            _ => Err("an unknown event".to_owned()),
        }
    }
}

impl Item {
    fn done(&mut self, item: &Value) -> Result<(), String> {
        check(item["id"] == self.id && item["type"] == self.kind.as_str(), "another item")?;
        check(self.parts.iter().all(|(_, over)| *over), "a part that is not done")?;
        let said: Vec<&str> = match self.kind.as_str() {
            "function_call" => item["arguments"].as_str().into_iter().collect(),
            "reasoning" => texts(&item["summary"]),
            _ => texts(&item["content"]),
        };
        let parts: Vec<&str> = self.parts.iter().map(|(text, _)| text.as_str()).collect();
        check(said == parts, "an item that does not add up")?;
        self.done = Some(item.clone());
        Ok(())
    }
}

fn texts(parts: &Value) -> Vec<&str> {
    let parts = parts.as_array().map(Vec::as_slice).unwrap_or_default();
    parts.iter().filter_map(|part| part["text"].as_str().or(part["refusal"].as_str())).collect()
}
