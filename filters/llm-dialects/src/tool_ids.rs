//! Signatures over tool calls, carried inside the calls' ids.
//!
//! Gemini signs its tool calls and wants the signature back with the call. Other dialects have no field for it that
//! clients keep; they do keep the id. So towards such a client the signature is appended to the id, and split off
//! again when the conversation comes back. The result of the call is found by the same id.

use std::borrow::Cow;

use crate::hub::{Block, Content, Part, Request, Response, StreamEvent};

/// Stands between an id and its signature.
pub(crate) const MARK: &str = "_weir-sig_";

/// The id as the client gets it. Signatures are base64; ids take no `+`, `/` and `=`.
fn join(id: &str, signature: &str) -> String {
    let mut joined = String::with_capacity(id.len() + MARK.len() + signature.len());
    joined.push_str(id);
    joined.push_str(MARK);
    joined.extend(signature.chars().map(|character| match character {
        '+' => "-p".to_owned(),
        '/' => "-s".to_owned(),
        '=' => "-e".to_owned(),
        ':' => "-c".to_owned(),
        '-' => "--".to_owned(),
        other => other.to_string(),
    }));
    joined
}

/// Id and signature of a joined id; `None` for any other, among them one with nothing before the mark, which is none
/// of ours: no call has an empty id.
fn split(joined: &str) -> Option<(&str, String)> {
    let (id, escaped) = joined.split_once(MARK).filter(|(id, _)| !id.is_empty())?;
    let mut signature = String::with_capacity(escaped.len());
    let mut characters = escaped.chars();
    while let Some(character) = characters.next() {
        signature.push(match character {
            '-' => match characters.next() {
                Some('p') => '+',
                Some('s') => '/',
                Some('e') => '=',
                Some('c') => ':',
                _ => '-',
            },
            other => other,
        });
    }
    Some((id, signature))
}

/// Takes the signatures out of the ids of a client's request.
pub(crate) fn split_request(request: &mut Request<'_>) {
    for Content { part, .. } in request.turns.iter_mut().flat_map(|turn| &mut turn.content) {
        match part {
            Part::ToolCall(call) => {
                if let Some((id, signature)) = split(&call.id) {
                    let id = id.to_owned();
                    call.signature.get_or_insert(Cow::Owned(signature));
                    call.id = Cow::Owned(id);
                }
            }
            Part::ToolResult(result) => {
                if let Some((id, _)) = split(&result.call_id) {
                    result.call_id = Cow::Owned(id.to_owned());
                }
            }
            _ => {}
        }
    }
}

/// Puts the signatures of an answer into its ids; `None` when it has none.
pub(crate) fn join_response<'a>(response: &Response<'a>) -> Option<Response<'a>> {
    let signed = |part: &Part<'_>| matches!(part, Part::ToolCall(call) if call.signature.is_some());
    if !response.content.iter().any(signed) {
        return None;
    }
    let mut joined = response.clone();
    for part in &mut joined.content {
        if let Part::ToolCall(call) = part
            && let Some(signature) = call.signature.take()
        {
            call.id = Cow::Owned(join(&call.id, &signature));
        }
    }
    Some(joined)
}

/// The same for one event of a stream.
pub(crate) fn join_event<'a>(event: &StreamEvent<'a>) -> Option<StreamEvent<'a>> {
    match event {
        StreamEvent::BlockStart {
            index,
            block: Block::ToolCall { id, name, signature: Some(signature) },
        } => {
            let id = Cow::Owned(join(id, signature));
            let block = Block::ToolCall { id, name: name.clone(), signature: None };
            Some(StreamEvent::BlockStart { index: *index, block })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_signatures() {
        let signature = "weir-gemini:Ab+/c=-";
        let joined = join("call_1", signature);
        assert!(joined.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{joined}");
        assert_eq!(split(&joined), Some(("call_1", signature.to_owned())));
        assert_eq!(split("call_1"), None);
        assert_eq!(split("_weir-sig_x"), None, "would leave an empty id");
    }
}
