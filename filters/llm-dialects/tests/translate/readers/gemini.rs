//! Gemini `generateContent`.

use serde_json::{Value, json};

use super::{Checked, Said, ensure, list, number, sse_data, text};

pub(super) fn request(body: &Value) -> Checked {
    let contents = list(&body["contents"]);
    ensure(!contents.is_empty(), "no contents", body)?;
    let mut open: Vec<(&str, &str)> = Vec::new();
    let mut last = "";
    for content in contents {
        let role = text(&content["role"]);
        ensure(matches!(role, "user" | "model") && role != last, "roles that do not alternate", content)?;
        last = role;
        let parts = list(&content["parts"]);
        ensure(!parts.is_empty(), "a content without parts", content)?;
        let mut results = 0;
        for part in parts {
            one_of(part, &["text", "inlineData", "fileData", "functionCall", "functionResponse"])?;
            let answered = &part["functionResponse"];
            if part.get("text").is_some() {
                let holds = !text(&part["text"]).is_empty() || part["thoughtSignature"].is_string();
                ensure(holds, "an empty text", part)?;
            } else if answered.is_object() {
                ensure(role == "user" && answered["response"].is_object(), "a broken result", part)?;
                let of = (text(&answered["id"]), text(&answered["name"]));
                let at = open.iter().position(|call| *call == of);
                ensure(at.is_some(), "a result of no open call", part)?;
                open.remove(at.unwrap());
                results += 1;
            } else if part.get("functionCall").is_some() {
                ensure(role == "model" && part["functionCall"]["args"].is_object(), "a broken call", part)?;
            } else {
                let media = if part.get("inlineData").is_some() { "inlineData" } else { "fileData" };
                ensure(part[media]["mimeType"].is_string(), "media without type", part)?;
            }
        }
        if role == "user" {
            ensure(open.is_empty(), "calls without results", content)?;
        } else {
            let calls = parts.iter().map(|part| &part["functionCall"]).filter(|call| call.is_object());
            open.extend(calls.map(|call| (text(&call["id"]), text(&call["name"]))));
            ensure(results == 0, "results from the model", content)?;
        }
    }
    ensure(open.is_empty(), "calls without results at the end", body)?;
    for tool in list(&body["tools"]).iter().flat_map(|tool| list(&tool["functionDeclarations"])) {
        ensure(!text(&tool["name"]).is_empty(), "a function without name", tool)?;
    }
    for part in list(&body["systemInstruction"]["parts"]) {
        ensure(!text(&part["text"]).is_empty(), "an empty instruction", part)?;
    }
    let thinking = &body["generationConfig"]["thinkingConfig"];
    let both = thinking.get("thinkingBudget").is_some() && thinking.get("thinkingLevel").is_some();
    ensure(!both, "a budget beside a level", thinking)
}

/// Exactly one of these fields is there.
fn one_of(part: &Value, fields: &[&str]) -> Checked {
    ensure(fields.iter().filter(|field| part.get(**field).is_some()).count() == 1, "not one thing", part)
}

const FINISH_REASONS: [&str; 4] = ["STOP", "MAX_TOKENS", "SAFETY", "OTHER"];

/// Adds one whole response or chunk to what was said.
fn add(body: &Value, said: &mut Said) -> Checked {
    ensure(body["modelVersion"].is_string() && body["createTime"].is_string(), "no model or time", body)?;
    let candidates = list(&body["candidates"]);
    ensure(candidates.len() == 1 && candidates[0]["index"] == 0, "not one candidate", body)?;
    let candidate = &candidates[0];
    ensure(candidate["content"]["role"] == "model", "not the model", body)?;
    for part in list(&candidate["content"]["parts"]) {
        one_of(part, &["text", "functionCall", "inlineData"])?;
        if let Some(call) = part.get("functionCall") {
            let (id, name) = (text(&call["id"]), text(&call["name"]));
            ensure(!id.is_empty() && !name.is_empty() && call["args"].is_object(), "a broken call", part)?;
            said.calls.push((id.to_owned(), name.to_owned(), call["args"].clone()));
        } else if part["thought"] == true {
            said.reasoning += text(&part["text"]);
        } else {
            said.text += text(&part["text"]);
        }
    }
    if let Some(reason) = candidate.get("finishReason") {
        ensure(FINISH_REASONS.contains(&text(reason)), "an unknown finish reason", body)?;
        said.stop = text(reason).to_owned();
    }
    if let Some(usage) = body.get("usageMetadata") {
        let output =
            number(&usage["candidatesTokenCount"]).saturating_add(number(&usage["thoughtsTokenCount"]));
        let input =
            number(&usage["promptTokenCount"]).saturating_add(number(&usage["toolUsePromptTokenCount"]));
        ensure(
            usage["totalTokenCount"] == input.saturating_add(output),
            "usage that does not add up",
            usage,
        )?;
        said.usage = Some((input, output));
    }
    Ok(())
}

pub(super) fn response(body: &Value) -> Result<Said, String> {
    let mut said = Said::default();
    add(body, &mut said)?;
    ensure(!said.stop.is_empty(), "no finish reason", body)?;
    Ok(said)
}

/// Chunks of one id, model and time; the finish reason and usage in the last one; or an error instead of the rest.
pub(super) fn stream(stream: &[u8]) -> Result<Said, String> {
    let mut said = Said::default();
    let mut head = None;
    for data in sse_data(stream)? {
        let chunk: Value = serde_json::from_slice(&data).map_err(|error| error.to_string())?;
        ensure(said.stop.is_empty() && said.error.is_none(), "more after the end", &chunk)?;
        if let Some(error) = chunk.get("error") {
            let complete =
                error["code"].is_u64() && error["message"].is_string() && error["status"].is_string();
            ensure(complete, "an incomplete error", error)?;
            said.error = Some(error.clone());
            continue;
        }
        let this = ["responseId", "modelVersion", "createTime"].map(|field| chunk[field].clone());
        ensure(*head.get_or_insert_with(|| this.clone()) == this, "another id, model or time", &chunk)?;
        add(&chunk, &mut said)?;
    }
    if said.error.is_none() && said.stop.is_empty() {
        return Err("the stream does not end".to_owned());
    }
    Ok(said)
}

/// The parts of all chunks in one candidate, as the SDK's users keep them.
pub(super) fn assembled(stream: &[u8]) -> Value {
    let mut parts = Vec::new();
    for data in sse_data(stream).unwrap() {
        let chunk: Value = serde_json::from_slice(&data).unwrap();
        parts.extend_from_slice(list(&chunk["candidates"][0]["content"]["parts"]));
    }
    json!({"candidates": [{"content": {"role": "model", "parts": parts}}]})
}
