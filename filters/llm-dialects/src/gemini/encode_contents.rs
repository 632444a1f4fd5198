//! Turns as `contents`, in the shape the API insists on.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::models::Rules;
use super::out::{self, Blob, Content, Fields, FileData, FunctionCall, FunctionResponse, FunctionResult};
use super::{PARTS, media};
use crate::Error;
use crate::hub::{self, Part, Role, Source, ToolResult, Turn};
use crate::signature::{self, Signer};
use crate::turns::Place;

/// Stands in for the signature over a function call that another model made; the API skips its check then.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures#faqs>
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Media the API takes inside a function response.
/// <https://ai.google.dev/gemini-api/docs/function-calling#multimodal>
const RESULT_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "application/pdf"];

/// The contents. Adjacent turns of one role become one content; results of functions come first in theirs and in the
/// order of the calls.
pub(super) fn contents<'a>(turns: &'a [Turn<'a>], rules: &Rules) -> Result<Vec<Content<'a>>, Error> {
    let mut contents: Vec<Content<'a>> = Vec::with_capacity(turns.len());
    let mut calls = Calls::new();
    let spoken: Vec<(usize, &Turn<'_>)> =
        turns.iter().enumerate().filter(|(_, turn)| turn.role != Role::System).collect();
    for group in spoken.chunk_by(|(_, one), (_, next)| one.role == next.role) {
        let assistant = group.first().is_some_and(|(_, turn)| turn.role == Role::Assistant);
        let parts = if assistant {
            let mut parts = Vec::new();
            for &(i, turn) in group {
                model_parts(i, turn, &mut parts, &mut calls)?;
            }
            if rules.signatures {
                sign_first_call(&mut parts);
            }
            parts
        } else {
            user_parts(group, &calls, rules)?
        };
        let role = Some(if assistant { "model" } else { "user" });
        match contents.last_mut() {
            _ if parts.is_empty() => {}
            // What was between them is empty.
            Some(last) if last.role == role => last.parts.extend(parts),
            _ => contents.push(Content { role, parts }),
        }
    }
    if contents.is_empty() {
        return Err(Error::no_content());
    }
    Ok(contents)
}

/// The calls so far by their ids: where each is, and the name of its function. The last of an id counts.
type Calls<'a> = BTreeMap<&'a str, ((usize, usize), &'a str)>;

fn model_parts<'a>(
    i: usize,
    turn: &'a Turn<'a>,
    parts: &mut Vec<out::Part<'a>>,
    calls: &mut Calls<'a>,
) -> Result<(), Error> {
    for (j, content) in turn.content.iter().enumerate() {
        let at = Place::new(i, j);
        let fields = match &content.part {
            Part::Text(text) | Part::Refusal(text) if text.is_empty() => continue,
            Part::Text(text) | Part::Refusal(text) => Fields::text(text.as_ref()),
            Part::Thinking { text, signature } => {
                let own =
                    signature.as_deref().and_then(|signature| signature::own(Signer::Gemini, signature));
                let Some(own) = own.filter(|own| !own.is_empty()) else { continue };
                let own = Some(Cow::Borrowed(own));
                if !text.is_empty() {
                    Fields { thought: true, thought_signature: own, ..Fields::text(text.as_ref()) }
                } else if let Some(out::Part::Fields(last)) = parts.last_mut()
                    && last.function_call.is_none()
                    && last.thought_signature.is_none()
                {
                    // Gemini signs the last part of an answer: the signature goes back to it.
                    last.thought_signature = own;
                    continue;
                } else {
                    Fields { thought_signature: own, ..Fields::text("") }
                }
            }
            Part::RedactedThinking(_) | Part::Citation(_) => continue,
            Part::ToolCall(call) => {
                calls.insert(&call.id, ((i, j), &call.name));
                let own =
                    call.signature.as_deref().and_then(|signature| signature::own(Signer::Gemini, signature));
                Fields {
                    function_call: Some(FunctionCall {
                        id: &call.id,
                        name: &call.name,
                        args: (&call.arguments).into(),
                    }),
                    thought_signature: own.filter(|own| !own.is_empty()).map(Cow::Borrowed),
                    ..Fields::default()
                }
            }
            Part::ToolResult(_) => return Err(at.result_from_assistant()),
            Part::Foreign { kind, json } => {
                parts.push(foreign(kind, json, at)?);
                continue;
            }
            Part::Image { .. } | Part::Document { .. } | Part::Audio { .. } => {
                parts.push(out::Part::Fields(media_part(&content.part, at)?));
                continue;
            }
        };
        parts.push(out::Part::Fields(fields));
    }
    Ok(())
}

/// Signs the first call of a step with the stand-in, unless it is signed.
fn sign_first_call(parts: &mut [out::Part<'_>]) {
    let first = parts.iter_mut().find_map(|part| match part {
        out::Part::Fields(fields) if fields.function_call.is_some() => Some(fields),
        _ => None,
    });
    if let Some(first) = first
        && first.thought_signature.is_none()
    {
        first.thought_signature = Some(Cow::Borrowed(NO_SIGNATURE));
    }
}

fn user_parts<'a>(
    turns: &[(usize, &'a Turn<'a>)],
    calls: &Calls<'a>,
    rules: &Rules,
) -> Result<Vec<out::Part<'a>>, Error> {
    let mut results: Vec<((usize, usize), Fields<'a>)> = Vec::new();
    let mut beside = Vec::new();
    let mut rest = Vec::new();
    for &(i, turn) in turns {
        for (j, content) in turn.content.iter().enumerate() {
            let at = Place::new(i, j);
            match &content.part {
                Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
                Part::Text(text) | Part::Refusal(text) => {
                    rest.push(out::Part::Fields(Fields::text(text.as_ref())));
                }
                Part::ToolResult(result) => {
                    let Some(&(call, name)) = calls.get(result.call_id.as_ref()) else {
                        return Err(
                            at.client("answers no tool call of the messages before it: send the call, too")
                        );
                    };
                    let fields = function_response(result, name, at, rules, &mut beside)?;
                    results.push((call, fields));
                }
                Part::Image { .. } | Part::Document { .. } | Part::Audio { .. } => {
                    rest.push(out::Part::Fields(media_part(&content.part, at)?));
                }
                Part::Foreign { kind, json } => rest.push(foreign(kind, json, at)?),
                Part::Citation(_) | Part::Thinking { .. } | Part::RedactedThinking(_) => {}
                Part::ToolCall(_) => return Err(at.not_from_assistant()),
            }
        }
    }
    results.sort_by_key(|(call, _)| *call);
    let mut parts: Vec<out::Part<'a>> =
        results.into_iter().map(|(_, fields)| out::Part::Fields(fields)).collect();
    parts.extend(beside.into_iter().map(out::Part::Fields));
    parts.append(&mut rest);
    Ok(parts)
}

/// A result; the media that cannot be inside go `beside` it, each behind a note.
fn function_response<'a>(
    result: &'a ToolResult<'a>,
    name: &'a str,
    at: Place,
    rules: &Rules,
    beside: &mut Vec<Fields<'a>>,
) -> Result<Fields<'a>, Error> {
    let mut said: Option<Cow<'a, str>> = None;
    let mut say = |more: Cow<'a, str>| match &mut said {
        None => said = Some(more),
        Some(said) => {
            let said = said.to_mut();
            said.push('\n');
            said.push_str(&more);
        }
    };
    let mut parts = Vec::new();
    for (k, content) in result.content.iter().enumerate() {
        let at = at.inside(k);
        match &content.part {
            Part::Text(text) | Part::Refusal(text) | Part::Document { source: Source::Text(text), .. } => {
                if !text.is_empty() {
                    say(Cow::Borrowed(text));
                }
            }
            Part::Image { .. } | Part::Document { .. } | Part::Audio { .. } => {
                let fields = media_part(&content.part, at)?;
                let inside = rules.signatures
                    && fields
                        .inline_data
                        .as_ref()
                        .is_some_and(|blob| RESULT_TYPES.contains(&blob.mime_type.as_ref()));
                if inside {
                    parts.push(fields);
                } else {
                    say(Cow::Borrowed("[media: see below]"));
                    beside.push(Fields::text(format!("[media returned by tool call {}]", result.call_id)));
                    beside.push(fields);
                }
            }
            Part::Citation(_) | Part::Thinking { .. } | Part::RedactedThinking(_) => {}
            Part::ToolCall(_) | Part::ToolResult(_) => {
                return Err(at.client("cannot be inside a tool result"));
            }
            Part::Foreign { kind, .. } => {
                return Err(at.unsupported(format!(
                    "Gemini takes no content of type `{kind}` in a tool result: send text"
                )));
            }
        }
    }
    let said = said.unwrap_or_default();
    let response = if result.is_error { FunctionResult::Error(said) } else { FunctionResult::Output(said) };
    Ok(Fields {
        function_response: Some(FunctionResponse { id: &result.call_id, name, response, parts }),
        ..Fields::default()
    })
}

fn media_part<'a>(part: &'a Part<'a>, at: Place) -> Result<Fields<'a>, Error> {
    let inline =
        |mime_type, data| Fields { inline_data: Some(Blob { mime_type, data }), ..Fields::default() };
    Ok(match part {
        Part::Audio { data, format } => inline(media::audio_type(format), data),
        Part::Image { source: Source::Base64 { media_type, data }, .. }
        | Part::Document { source: Source::Base64 { media_type, data }, .. } => {
            // A common misspelling.
            let media_type = if media_type == "image/jpg" { "image/jpeg" } else { media_type.as_ref() };
            inline(Cow::Borrowed(media_type), data)
        }
        Part::Document { source: Source::Text(text), .. } => Fields::text(text.as_ref()),
        Part::Image { source: Source::Url(uri) | Source::File(uri), .. } => file(uri, "image/jpeg", at)?,
        Part::Document { source: Source::Url(uri) | Source::File(uri), .. } => {
            file(uri, "application/pdf", at)?
        }
        _ => return Err(at.unsupported("Gemini takes no such content here: send it as text")),
    })
}

/// A file by URI. The API wants its media type: that of the URI's ending, or `otherwise`.
fn file<'a>(uri: &'a str, otherwise: &'static str, at: Place) -> Result<Fields<'a>, Error> {
    let scheme = uri.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let uploaded = media::is_uploaded(uri);
    match scheme.as_deref() {
        _ if uploaded => {}
        Some("https" | "http" | "gs") => {}
        Some(_) => {
            return Err(at.unsupported("Gemini fetches https and gs URLs only: send the content as base64"));
        }
        None => {
            return Err(at.unsupported(
                "Gemini cannot read a file that was uploaded elsewhere: send the content as base64",
            ));
        }
    }
    // The Files API knows the type of what was uploaded to it.
    let mime_type = media::media_type_of_url(uri).or((!uploaded).then_some(otherwise));
    Ok(Fields { file_data: Some(FileData { mime_type, file_uri: uri }), ..Fields::default() })
}

fn foreign<'a>(kind: &str, json: &'a hub::RawJson<'a>, at: Place) -> Result<out::Part<'a>, Error> {
    if PARTS.contains(&kind) { Ok(out::Part::Verbatim(json)) } else { Err(at.foreign("Gemini", kind)) }
}
