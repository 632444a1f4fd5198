//! Whatever proptest comes up with.

use std::fs;

use llm_dialects::Dialect::OpenaiChat;
use llm_dialects::openai_chat::{decode_request, decode_response, encode_request, encode_response};
use proptest::prelude::*;

use super::{reencode, told};
use crate::goldens::{NOW, inputs};

/// Bytes near valid bodies: a fixture with a piece cut out and some bytes put in.
fn mutated(kind: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let bodies: Vec<Vec<u8>> =
        inputs(OpenaiChat, kind).into_iter().map(|path| fs::read(path).unwrap()).collect();
    (
        prop::sample::select(bodies),
        any::<prop::sample::Index>(),
        0..40_usize,
        prop::collection::vec(any::<u8>(), 0..6),
    )
        .prop_map(|(mut body, at, cut, insert)| {
            let from = at.index(body.len());
            let to = (from + cut).min(body.len());
            body.splice(from..to, insert);
            body
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200), status in any::<u16>()) {
        let _ = decode_request(&body);
        let _ = decode_response(&body);
        let error = llm_dialects::openai_chat::decode_error(status, &body);
        prop_assert!((400..=599).contains(&error.status));
    }

    #[test]
    fn no_request_panics(body in mutated("requests")) {
        if let Ok(request) = decode_request(&body)
            && let Ok(encoded) = encode_request(&request)
        {
            prop_assert_eq!(reencode(&encoded), encoded);
        }
    }

    #[test]
    fn no_response_panics(body in mutated("responses")) {
        if let Ok(response) = decode_response(&body) {
            let encoded = encode_response(&response, NOW);
            prop_assert!(decode_response(&encoded).is_ok());
        }
    }

    #[test]
    fn no_stream_panics(body in mutated("streams"), end in any::<prop::sample::Index>()) {
        told([&body[..end.index(body.len() + 1)]], true);
    }
}
