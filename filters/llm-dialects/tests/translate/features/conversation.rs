//! Who says what, with what in it.

use llm_dialects::Dialect::{
    AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses,
};
use serde_json::{Value, json};

use super::{assistant, user};
use crate::table::{DROPPED, OWN, REFUSED, Row, carried, near};

const NO: Value = Value::Null;

#[rustfmt::skip]
pub(crate) fn rows() -> Vec<Row> {
    let hi = || json!({"role": "user", "content": "Hi"});
    let first = |at: [&'static str; 5]| at.map(carried);
    vec![
        Row::new("system instructions",
            [
                json!({"messages": [{"role": "system", "content": "S"}, hi()]}),
                json!({"instructions": "S"}),
                json!({"system": "S"}),
                json!({"systemInstruction": {"parts": [{"text": "S"}]}}),
                json!({"system": [{"text": "S"}]}),
            ],
            first(["/messages/0", "/instructions", "/system", "/systemInstruction", "/system/0"])),
        Row::new("instructions in the middle",
            [
                json!({"messages": [hi(), {"role": "developer", "content": "S"}]}),
                json!({"input": [hi(), {"role": "developer", "content": "S"}]}),
                json!({"messages": [hi(), {"role": "system", "content": "S"}]}),
                NO,
                json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}, {"role": "system", "content": [{"text": "S"}]}]}),
            ],
            [
                carried("/messages/1"),
                carried("/input/1"),
                near("/system", "moved to the front"),
                near("/systemInstruction", "moved to the front"),
                near("/system", "moved to the front"),
            ]),
        Row::new("several turns",
            assistant([
                json!({"type": "text", "text": "Ho"}),
                json!({"type": "output_text", "text": "Ho"}),
                json!({"type": "text", "text": "Ho"}),
                json!({"text": "Ho"}),
                json!({"text": "Ho"}),
            ]),
            first(["/messages/1/content", "/input/1/content", "/messages/1/content", "/contents/1/parts/0", "/messages/1/content/0"])),
        Row::new("participant names",
            [json!({"messages": [{"role": "user", "content": "Hi", "name": "ann"}]}), NO, NO, NO, NO],
            [OWN, DROPPED, DROPPED, DROPPED, DROPPED]),
        Row::new("image by URL",
            user([
                json!({"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}),
                json!({"type": "input_image", "image_url": "https://x.example/a.png"}),
                json!({"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}),
                json!({"fileData": {"mimeType": "image/png", "fileUri": "https://x.example/a.png"}}),
                NO,
            ]),
            [
                carried("/messages/0/content/0/image_url"),
                carried("/input/0/content/0/image_url"),
                carried("/messages/0/content/0/source"),
                carried("/contents/0/parts/0/fileData"),
                REFUSED,
            ]),
        Row::new("image as base64",
            user([
                json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
                json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA"}),
                json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}),
                json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
                json!({"image": {"format": "png", "source": {"bytes": "AAAA"}}}),
            ]),
            [
                carried("/messages/0/content/0/image_url"),
                carried("/input/0/content/0/image_url"),
                carried("/messages/0/content/0/source"),
                carried("/contents/0/parts/0/inlineData"),
                carried("/messages/0/content/0/image"),
            ]),
        Row::new("image at `gs://`",
            user([
                json!({"type": "image_url", "image_url": {"url": "gs://b/a.png"}}),
                json!({"type": "input_image", "image_url": "gs://b/a.png"}),
                json!({"type": "image", "source": {"type": "url", "url": "gs://b/a.png"}}),
                json!({"fileData": {"mimeType": "image/png", "fileUri": "gs://b/a.png"}}),
                NO,
            ]),
            [
                carried("/messages/0/content/0/image_url"),
                carried("/input/0/content/0/image_url"),
                REFUSED,
                carried("/contents/0/parts/0/fileData"),
                REFUSED,
            ]),
        Row::new("image at `s3://`",
            user([
                json!({"type": "image_url", "image_url": {"url": "s3://b/a.png"}}),
                json!({"type": "input_image", "image_url": "s3://b/a.png"}),
                json!({"type": "image", "source": {"type": "url", "url": "s3://b/a.png"}}),
                NO,
                json!({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/a.png"}}}}),
            ]),
            [
                carried("/messages/0/content/0/image_url"),
                carried("/input/0/content/0/image_url"),
                REFUSED,
                REFUSED,
                carried("/messages/0/content/0/image"),
            ]),
        Row::new("image by file id",
            user([
                NO,
                json!({"type": "input_image", "file_id": "file-1"}),
                json!({"type": "image", "source": {"type": "file", "file_id": "file_1"}}),
                json!({"fileData": {"mimeType": "image/png", "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/1"}}),
                NO,
            ]),
            [REFUSED, REFUSED, REFUSED, REFUSED, REFUSED]),
        Row::new("image detail",
            user([
                json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}),
                json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}),
                NO, NO, NO,
            ]),
            [carried("/messages/0/content/0/image_url/detail"), carried("/input/0/content/0/detail"), DROPPED, DROPPED, DROPPED])
            .without(user([
                json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
                json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA"}),
                NO, NO, NO,
            ])),
        Row::new("document as base64",
            user([
                json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}),
                json!({"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}),
                json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}, "title": "a.pdf"}),
                json!({"inlineData": {"mimeType": "application/pdf", "data": "AAAA", "displayName": "a.pdf"}}),
                json!({"document": {"format": "pdf", "name": "a", "source": {"bytes": "AAAA"}}}),
            ]),
            [
                carried("/messages/0/content/0/file"),
                carried("/input/0/content/0/file_data"),
                carried("/messages/0/content/0/source"),
                carried("/contents/0/parts/0/inlineData"),
                carried("/messages/0/content/0/document"),
            ]),
        Row::new("document by URL",
            user([
                NO,
                json!({"type": "input_file", "file_url": "https://x.example/a.pdf"}),
                json!({"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}}),
                json!({"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.example/a.pdf"}}),
                NO,
            ]),
            [
                REFUSED,
                carried("/input/0/content/0/file_url"),
                carried("/messages/0/content/0/source"),
                carried("/contents/0/parts/0/fileData"),
                REFUSED,
            ]),
        Row::new("document as text",
            user([
                NO, NO,
                json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Text."}}),
                json!({"inlineData": {"mimeType": "text/plain", "data": "VGV4dC4="}}),
                json!({"document": {"format": "txt", "name": "a", "source": {"bytes": "VGV4dC4="}}}),
            ]),
            [
                near("/messages/0/content", "a text like any other"),
                near("/input/0/content", "a text like any other"),
                carried("/messages/0/content/0/source"),
                near("/contents/0/parts/0/text", "a text like any other"),
                carried("/messages/0/content/0/document"),
            ]),
        Row::new("document by file id",
            user([
                json!({"type": "file", "file": {"file_id": "file-1"}}),
                json!({"type": "input_file", "file_id": "file-1"}),
                json!({"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
                json!({"fileData": {"mimeType": "application/pdf", "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/1"}}),
                NO,
            ]),
            [REFUSED, REFUSED, REFUSED, REFUSED, REFUSED])
            .except(OpenaiChat, OpenaiResponses, carried("/input/0/content/0/file_id"))
            .except(OpenaiResponses, OpenaiChat, carried("/messages/0/content/0/file/file_id")),
        Row::new("audio",
            user([
                json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
                json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
                NO,
                json!({"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}),
                json!({"audio": {"format": "wav", "source": {"bytes": "AAAA"}}}),
            ]),
            [
                carried("/messages/0/content/0/input_audio"),
                carried("/input/0/content/0/input_audio"),
                REFUSED,
                carried("/contents/0/parts/0/inlineData"),
                carried("/messages/0/content/0/audio"),
            ]),
        Row::new("video",
            user([NO, NO, NO,
                json!({"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}}),
                json!({"video": {"format": "mp4", "source": {"bytes": "AAAA"}}}),
            ]),
            [REFUSED, REFUSED, REFUSED, REFUSED, REFUSED]),
        Row::new("search results as content",
            user([NO, NO,
                json!({"type": "search_result", "source": "x", "title": "T", "content": [{"type": "text", "text": "R"}]}),
                NO,
                json!({"searchResult": {"source": "x", "title": "T", "content": [{"text": "R"}], "citations": {"enabled": true}}}),
            ]),
            [
                near("/messages/0/content", "a text like any other"),
                near("/input/0/content", "a text like any other"),
                REFUSED,
                near("/contents/0/parts/0/text", "a text like any other"),
                carried("/messages/0/content/0/document"),
            ])
            .except(BedrockConverse, GeminiGenerate, REFUSED)
            .except(BedrockConverse, AnthropicMessages, REFUSED)
            .except(BedrockConverse, OpenaiChat, REFUSED)
            .except(BedrockConverse, OpenaiResponses, REFUSED),
        Row::new("refusal in the history",
            [
                json!({"messages": [hi(), {"role": "assistant", "content": null, "refusal": "No."}, hi()]}),
                json!({"input": [hi(), {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, hi()]}),
                NO, NO, NO,
            ],
            [
                carried("/messages/1/refusal"),
                carried("/input/1/content/0/refusal"),
                near("/messages/1/content", "as text"),
                near("/contents/1/parts/0/text", "as text"),
                near("/messages/1/content/0/text", "as text"),
            ]),
    ]
}
