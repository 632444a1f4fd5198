//! OpenAI responses.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Checked, Said, ensure, list, number, text, written};
use crate::grammar;

pub(super) fn request(body: &Value) -> Checked {
    ensure(body["store"] == false, "stored at the provider", body)?;
    let items = list(&body["input"]);
    ensure(!items.is_empty(), "no input", body)?;
    let mut called: BTreeSet<&str> = BTreeSet::new();
    let mut open: BTreeSet<&str> = BTreeSet::new();
    let mut reasoned = false;
    for item in items {
        let kind = item["type"].as_str().unwrap_or("message");
        let continues = matches!(kind, "reasoning" | "function_call") || item["role"] == "assistant";
        ensure(!reasoned || continues, "reasoning that nothing follows before", item)?;
        reasoned = kind == "reasoning";
        match kind {
            "message" => message(item)?,
            "reasoning" => {
                ensure(text(&item["id"]).starts_with("rs_"), "reasoning without id", item)?;
                ensure(item["summary"].is_array(), "reasoning without summary", item)?;
                ensure(!text(&item["encrypted_content"]).is_empty(), "reasoning that is not kept", item)?;
            }
            "function_call" => {
                let id = text(&item["call_id"]);
                ensure(!id.is_empty() && id.len() <= 64, "an id out of bounds", item)?;
                ensure(called.insert(id), "a call twice", item)?;
                ensure(!text(&item["name"]).is_empty(), "a call without name", item)?;
                ensure(item["arguments"].is_string(), "arguments that are no string", item)?;
                open.insert(id);
            }
            "function_call_output" => {
                ensure(open.remove(text(&item["call_id"])), "a result of no open call", item)?;
                let output = &item["output"];
                ensure(output.is_string() || output.is_array(), "a result without output", item)?;
                list(output).iter().try_for_each(input_part)?;
            }
            _ => return Err(format!("an unknown item: {item}")),
        }
    }
    ensure(!reasoned, "reasoning at the end", body)?;
    ensure(open.is_empty(), "calls without results at the end", body)?;
    let tools = list(&body["tools"]);
    for tool in tools {
        ensure(tool["type"] == "function" && !text(&tool["name"]).is_empty(), "a tool without name", tool)?;
        ensure(tool["parameters"].is_object() && tool["strict"].is_boolean(), "an incomplete tool", tool)?;
    }
    ensure(!tools.is_empty() || body.get("tool_choice").is_none(), "a tool choice without tools", body)?;
    ensure(
        !tools.is_empty() || body.get("parallel_tool_calls").is_none(),
        "parallel calls without tools",
        body,
    )?;
    let format = &body["text"]["format"];
    ensure(format["type"] != "json_schema" || !text(&format["name"]).is_empty(), "no schema name", format)?;
    ensure(body.get("max_output_tokens").is_none_or(|limit| number(limit) >= 16), "too low a limit", body)
}

fn message(item: &Value) -> Checked {
    let role = text(&item["role"]);
    ensure(matches!(role, "user" | "assistant" | "system" | "developer"), "an unknown role", item)?;
    let content = &item["content"];
    ensure(!text(content).is_empty() || !list(content).is_empty(), "a message without content", item)?;
    for part in list(content) {
        match role {
            "assistant" => {
                let said = part["type"] == "output_text" && part["text"].is_string();
                ensure(said || part["refusal"].is_string(), "not the assistant's", part)?;
            }
            "user" => input_part(part)?,
            _ => ensure(part["type"] == "input_text", "media in instructions", part)?,
        }
    }
    Ok(())
}

fn input_part(part: &Value) -> Checked {
    let full = match text(&part["type"]) {
        "input_text" => part["text"].is_string(),
        "input_image" => part["image_url"].is_string() || part["file_id"].is_string(),
        "input_file" => ["file_data", "file_url", "file_id"].iter().any(|field| part[field].is_string()),
        "input_audio" => part["input_audio"]["data"].is_string(),
        _ => false,
    };
    ensure(full, "a broken part", part)
}

pub(super) fn response(body: &Value) -> Result<Said, String> {
    ensure(body["object"] == "response" && text(&body["id"]).starts_with("resp_"), "no response", body)?;
    ensure(body["created_at"].is_u64() && body["model"].is_string(), "without time or model", body)?;
    let status = text(&body["status"]);
    ensure(matches!(status, "completed" | "incomplete"), "an unknown status", body)?;
    let reason = &body["incomplete_details"]["reason"];
    ensure(reason.is_string() == (status == "incomplete"), "details that do not fit", body)?;
    ensure(body["error"].is_null() && body["tools"].is_array(), "without error or tools", body)?;
    let mut said = Said { stop: reason.as_str().unwrap_or(status).to_owned(), ..Said::default() };
    let mut ids = BTreeSet::new();
    for item in list(&body["output"]) {
        ensure(ids.insert(text(&item["id"])), "an id twice", body)?;
        match text(&item["type"]) {
            "message" => {
                ensure(item["role"] == "assistant" && item["status"].is_string(), "no message", item)?;
                for part in list(&item["content"]) {
                    let refusal = part["type"] == "refusal" && part["refusal"].is_string();
                    let spoken = part["type"] == "output_text"
                        && part["text"].is_string()
                        && part["annotations"].is_array();
                    ensure(refusal || spoken, "an incomplete part", part)?;
                    said.text += text(&part["text"]);
                    said.text += text(&part["refusal"]);
                }
            }
            "reasoning" => {
                for piece in list(&item["summary"]) {
                    ensure(piece["type"] == "summary_text", "no summary", item)?;
                    said.reasoning += text(&piece["text"]);
                }
            }
            "function_call" => {
                let (id, name) = (text(&item["call_id"]), text(&item["name"]));
                ensure(!id.is_empty() && !name.is_empty(), "an incomplete call", item)?;
                said.calls.push((id.to_owned(), name.to_owned(), written(text(&item["arguments"]))));
            }
            _ => return Err(format!("an unknown item: {item}")),
        }
    }
    let usage = &body["usage"];
    if !usage.is_null() {
        let (input, output) = (number(&usage["input_tokens"]), number(&usage["output_tokens"]));
        ensure(usage["total_tokens"] == input.saturating_add(output), "usage that does not add up", usage)?;
        let details = usage["input_tokens_details"]["cached_tokens"].is_u64()
            && usage["output_tokens_details"]["reasoning_tokens"].is_u64();
        ensure(details, "usage without details", usage)?;
        said.usage = Some((input, output));
    }
    Ok(said)
}

pub(super) fn stream(stream: &[u8]) -> Result<Said, String> {
    let answer = grammar::openai_responses::read(stream)?;
    if matches!(answer.end.as_str(), "error" | "response.failed") {
        return Ok(Said { error: Some(answer.response["error"].clone()), ..Said::default() });
    }
    response(&answer.response)
}
