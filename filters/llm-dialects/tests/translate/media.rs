//! T-10: content by every kind of address, and 20 MB of it inline.

use std::alloc::{GlobalAlloc, Layout, System};
use std::borrow::Cow;
use std::cell::Cell;

use llm_dialects::Dialect::{
    self, AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses,
};
use llm_dialects::Error;
use llm_dialects::hub::{Part, Source};
use serde_json::{Value, json};

use crate::{base, laid_over, model_of, pairs, readers, request};

/// An allocator that counts the large allocations of each thread.
struct Counting;

/// What counts as large: half of the content below.
const LARGE: usize = 10 << 20;

thread_local! {
    static LARGE_BYTES: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    if bytes >= LARGE {
        let _ = LARGE_BYTES.try_with(|counted| counted.set(counted.get() + bytes));
    }
}

#[allow(unsafe_code, reason = "there is no other way to see allocations")]
// SAFETY: all work is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()));
        // SAFETY: as the caller's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A user's image, in each dialect that can say so.
fn image(client: Dialect, base64: &str) -> Value {
    match client {
        OpenaiChat => {
            json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{base64}")}})
        }
        OpenaiResponses => {
            json!({"type": "input_image", "image_url": format!("data:image/png;base64,{base64}")})
        }
        AnthropicMessages => {
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": base64}})
        }
        GeminiGenerate => json!({"inlineData": {"mimeType": "image/png", "data": base64}}),
        BedrockConverse => json!({"image": {"format": "png", "source": {"bytes": base64}}}),
    }
}

/// The smallest request with this part in it.
pub(crate) fn with_part(client: Dialect, part: &Value) -> Value {
    laid_over(
        base(client),
        &match client {
            OpenaiResponses => json!({"input": [{"role": "user", "content": [part]}]}),
            GeminiGenerate => json!({"contents": [{"role": "user", "parts": [part]}]}),
            _ => json!({"messages": [{"role": "user", "content": [part]}]}),
        },
    )
}

/// Every decoder and every encoder once: more pairs would only take more time.
#[test]
fn t10_twenty_megabytes_inline_are_copied_into_the_new_body_only() {
    let base64 = "iVBORw0K".repeat((20 << 20) / 8);
    for (client, provider) in Dialect::ALL.into_iter().zip(Dialect::ALL.into_iter().cycle().skip(1)) {
        let body = with_part(client, &image(client, &base64)).to_string();
        LARGE_BYTES.set(0);
        let mut request = client.decode_request(body.as_bytes()).unwrap();
        assert_eq!(LARGE_BYTES.get(), 0, "{client} copies");
        let image = &request.turns[0].content[0].part;
        let Part::Image { source: Source::Base64 { data, .. }, .. } = image else { panic!("{client}") };
        assert!(matches!(data, Cow::Borrowed(_)), "{client}");

        request.model = model_of(provider).into();
        let (sent, _) = provider.encode_request(&mut request).unwrap();
        // The new body grows as it is written: at most to twice its size.
        let limit = 2 * sent.len() + (1 << 20);
        let bytes = LARGE_BYTES.get();
        assert!(bytes <= limit, "{client} to {provider}: {bytes} bytes for a body of {}", sent.len());
        assert!(sent.len() >= base64.len());
    }
}

/// An image by address, where the dialect has such.
fn by_address(client: Dialect, address: &str) -> Option<Value> {
    Some(match client {
        OpenaiChat => json!({"type": "image_url", "image_url": {"url": address}}),
        OpenaiResponses => json!({"type": "input_image", "image_url": address}),
        AnthropicMessages => json!({"type": "image", "source": {"type": "url", "url": address}}),
        GeminiGenerate => json!({"fileData": {"mimeType": "image/png", "fileUri": address}}),
        BedrockConverse if address.starts_with("s3:") => {
            json!({"image": {"format": "png", "source": {"s3Location": {"uri": address}}}})
        }
        BedrockConverse => return None,
    })
}

#[test]
fn t10_addresses_are_carried_or_refused_but_never_lost() {
    // Who can fetch what.
    let fetches = |provider: Dialect, scheme: &str| match provider {
        OpenaiChat | OpenaiResponses => true,
        AnthropicMessages => scheme == "https",
        GeminiGenerate => matches!(scheme, "https" | "gs"),
        BedrockConverse => scheme == "s3",
    };
    for (client, provider) in pairs() {
        for (scheme, address) in [
            ("https", "https://x.example/a.png"),
            ("gs", "gs://bucket/a.png"),
            ("s3", "s3://bucket/a.png"),
            ("data", "data:image/png;base64,iVBORw0KGgo="),
        ] {
            let Some(part) = by_address(client, address) else { continue };
            // Only the two OpenAI dialects know `data:` URLs; others take them for a URL like any other.
            if scheme == "data" && !matches!(client, OpenaiChat | OpenaiResponses) {
                continue;
            }
            let body = with_part(client, &part).to_string();
            let sent = request(client, provider, model_of(provider), body.as_bytes());
            match sent {
                Ok(sent) => {
                    let sent: Value = serde_json::from_slice(&sent).unwrap();
                    readers::request(provider, &sent).unwrap();
                    let kept = if scheme == "data" { "iVBORw0KGgo=" } else { address };
                    assert!(
                        sent.to_string().contains(kept),
                        "{client} to {provider}: {address} is lost: {sent}"
                    );
                }
                Err(Error::Unsupported { .. }) => {
                    assert!(
                        scheme != "data" && !fetches(provider, scheme),
                        "{client} to {provider}: {address}"
                    );
                }
                Err(error) => panic!("{client} to {provider}: {address}: {error:?}"),
            }
        }
    }
}

#[test]
fn t10_files_uploaded_elsewhere_are_refused() {
    for (client, part) in [
        (OpenaiChat, json!({"type": "file", "file": {"file_id": "file-1"}})),
        (OpenaiResponses, json!({"type": "input_image", "file_id": "file-1"})),
        (OpenaiResponses, json!({"type": "input_file", "file_id": "file-1"})),
        (AnthropicMessages, json!({"type": "image", "source": {"type": "file", "file_id": "file_1"}})),
        (AnthropicMessages, json!({"type": "document", "source": {"type": "file", "file_id": "file_1"}})),
    ] {
        for (_, provider) in pairs().filter(|(from, _)| *from == client) {
            let body = with_part(client, &part).to_string();
            let sent = request(client, provider, model_of(provider), body.as_bytes());
            let same_place = |dialect| matches!(dialect, OpenaiChat | OpenaiResponses);
            match sent {
                Err(Error::Unsupported { message, .. }) => {
                    assert!(
                        message.contains("base64") || message.contains("inline"),
                        "{client} to {provider}: {message}"
                    );
                }
                Ok(sent) if same_place(client) && same_place(provider) => {
                    assert!(String::from_utf8_lossy(&sent).contains("file-1"), "{client} to {provider}");
                }
                other => panic!("{client} to {provider}: {:?}", other.map(String::from_utf8)),
            }
        }
    }
}
