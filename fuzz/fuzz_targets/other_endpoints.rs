//! Embeddings, rerank and count-tokens: requests and answers.
//!
//! Holds: no panic; what is decoded is encoded as valid JSON, or refused, and the same each time; clients and providers
//! of one format understand each other; facts are read from every answer that is decoded.

#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use llm_dialects::{count_tokens, embeddings, rerank};
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    embeddings(body);
    rerank(body);
    count(body);
});

fn json(body: &[u8]) {
    serde_json::from_slice::<Value>(body).expect("valid JSON");
}

fn embeddings(body: &[u8]) {
    use embeddings::{Client, Encoding, Provider};
    let clients = [Client::OpenAi, Client::GeminiEmbed, Client::GeminiBatch];
    let providers = [
        Provider::OpenAi,
        Provider::GeminiEmbed,
        Provider::GeminiBatch,
        Provider::VertexPredict,
        Provider::TitanV1,
        Provider::TitanV2,
        Provider::CohereBedrock,
        Provider::NovaBedrock,
    ];
    for client in clients {
        let Ok(request) = embeddings::decode_request(client, body) else { continue };
        for provider in providers {
            let sent = embeddings::encode_request(provider, &request, "m");
            assert_eq!(embeddings::encode_request(provider, &request, "m"), sent, "not stable");
            let Ok(sent) = sent else { continue };
            json(&sent);
            for reader in clients.into_iter().filter(|reader| provider.speaks(*reader)) {
                embeddings::decode_request(reader, &sent).expect("a request of the format");
            }
        }
    }
    for provider in providers {
        let facts = embeddings::facts(provider, body);
        let Ok(response) = embeddings::decode_response(provider, body) else { continue };
        facts.expect("facts of an answer");
        for client in clients {
            for encoding in [Encoding::Float, Encoding::Base64] {
                let Ok(told) = embeddings::encode_response(client, &response, "m", encoding) else {
                    continue;
                };
                json(&told);
                for reader in providers.into_iter().filter(|reader| reader.speaks(client)) {
                    embeddings::decode_response(reader, &told).expect("an answer of the format");
                }
            }
        }
    }
}

fn rerank(body: &[u8]) {
    use rerank::{Client, Provider};
    let clients = [Client::CohereV1, Client::CohereV2];
    let providers = [Provider::CohereV1, Provider::CohereV2, Provider::Bedrock, Provider::Vertex];
    for client in clients {
        let Ok(request) = rerank::decode_request(client, body) else { continue };
        for provider in providers {
            let sent = rerank::encode_request(provider, &request, "m");
            assert_eq!(rerank::encode_request(provider, &request, "m"), sent, "not stable");
            let Ok(sent) = sent else { continue };
            json(&sent);
            for reader in clients.into_iter().filter(|reader| provider.speaks(*reader)) {
                rerank::decode_request(reader, &sent).expect("a request of the format");
            }
        }
    }
    for provider in providers {
        let Ok(response) = rerank::decode_response(provider, body) else { continue };
        rerank::facts(provider, body).expect("facts of an answer");
        for client in clients {
            for documents in [false, true] {
                let told = rerank::encode_response(client, &response, documents);
                json(&told);
                for reader in providers.into_iter().filter(|reader| reader.speaks(client)) {
                    rerank::decode_response(reader, &told).expect("an answer of the format");
                }
            }
        }
    }
}

fn count(body: &[u8]) {
    use count_tokens::Format;
    let formats = [Format::Anthropic, Format::Gemini, Format::Vertex, Format::Bedrock];
    for format in formats {
        if let Ok(counted) = count_tokens::open(format, body)
            && let Ok(request) = counted.request()
        {
            for to in formats {
                let mut asked = request.clone();
                asked.model = "m".into();
                if let Ok(sent) = count_tokens::encode_request(to, &mut asked) {
                    json(&sent);
                    let again = count_tokens::open(to, &sent).expect("a request of the format");
                    drop(again.request().expect("a request of the format"));
                }
            }
        }
        if let Ok(tokens) = count_tokens::decode_response(format, body) {
            let told = count_tokens::encode_response(format, tokens);
            assert_eq!(count_tokens::decode_response(format, &told), Ok(tokens));
        }
    }
}
