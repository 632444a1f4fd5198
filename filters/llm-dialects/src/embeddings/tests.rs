use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn openai(body: &Value) -> Result<Value, Error> {
    asked(Client::OpenAi, Provider::GeminiBatch, body)
}

/// What a client's request becomes at a provider.
fn asked(client: Client, provider: Provider, body: &Value) -> Result<Value, Error> {
    let body = body.to_string();
    let request = decode_request(client, body.as_bytes())?;
    let sent = encode_request(provider, &request, "m")?;
    Ok(serde_json::from_slice(&sent).unwrap())
}

/// What a provider's answer becomes for a client.
fn answered(client: Client, provider: Provider, body: &Value, encoding: Encoding) -> Result<Value, Error> {
    let body = body.to_string();
    let response = decode_response(provider, body.as_bytes())?;
    let sent = encode_response(client, &response, "asked", encoding)?;
    Ok(serde_json::from_slice(&sent).unwrap())
}

#[test]
fn one_text_reaches_every_provider() {
    let body =
        json!({"model": "e", "input": "Hi", "dimensions": 1536, "user": "u", "input_type": "search_query"});
    for (provider, expected) in [
        (
            Provider::OpenAi,
            json!({"model": "m", "input": "Hi", "dimensions": 1536, "encoding_format": "float", "user": "u"}),
        ),
        (
            Provider::GeminiEmbed,
            json!({"content": {"parts": [{"text": "Hi"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 1536}),
        ),
        (
            Provider::GeminiBatch,
            json!({"requests": [{"model": "models/m", "content": {"parts": [{"text": "Hi"}]},
                   "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 1536}]}),
        ),
        (
            Provider::VertexPredict,
            json!({"instances": [{"content": "Hi", "task_type": "RETRIEVAL_QUERY"}],
                   "parameters": {"outputDimensionality": 1536, "autoTruncate": false}}),
        ),
        (Provider::TitanV1, json!({"inputText": "Hi"})),
        (Provider::TitanV2, json!({"inputText": "Hi", "dimensions": 1536})),
        (
            Provider::CohereBedrock,
            json!({"texts": ["Hi"], "input_type": "search_query", "truncate": "NONE",
                   "embedding_types": ["float"], "output_dimension": 1536}),
        ),
        (
            Provider::NovaBedrock,
            json!({"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {
                   "embeddingPurpose": "GENERIC_RETRIEVAL", "embeddingDimension": 1536,
                   "text": {"truncationMode": "NONE", "value": "Hi"}}}),
        ),
    ] {
        assert_eq!(asked(Client::OpenAi, provider, &body).unwrap(), expected, "{provider:?}");
    }
}

#[test]
fn several_texts_are_refused_where_only_one_is_taken() {
    let body = json!({"model": "e", "input": ["a", "b"]});
    for provider in [Provider::GeminiEmbed, Provider::TitanV1, Provider::TitanV2, Provider::NovaBedrock] {
        let error = asked(Client::OpenAi, provider, &body).unwrap_err();
        assert!(matches!(&error, Error::Unsupported { field, .. } if field == "input"), "{error}");
        assert!(error.to_string().contains("one input per request and got 2"), "{error}");
    }
    assert_eq!(asked(Client::OpenAi, Provider::CohereBedrock, &body).unwrap()["texts"], json!(["a", "b"]));
    let many = json!({"model": "e", "input": vec!["a"; 97]});
    assert!(asked(Client::OpenAi, Provider::CohereBedrock, &many).is_err());
}

#[test]
fn token_ids_only_mean_something_to_their_own_provider() {
    for (input, sent) in [(json!([1, 2]), json!([[1, 2]])), (json!([[1, 2], [3]]), json!([[1, 2], [3]]))] {
        let body = json!({"model": "e", "input": input});
        assert_eq!(asked(Client::OpenAi, Provider::OpenAi, &body).unwrap()["input"], sent);
        for provider in [
            Provider::GeminiEmbed,
            Provider::GeminiBatch,
            Provider::VertexPredict,
            Provider::TitanV1,
            Provider::TitanV2,
            Provider::CohereBedrock,
            Provider::NovaBedrock,
        ] {
            let error = asked(Client::OpenAi, provider, &body).unwrap_err();
            assert!(error.to_string().starts_with("input: "), "{error}");
            assert!(error.to_string().contains("takes no token ids"), "{error}");
        }
    }
}

#[test]
fn wrong_requests_say_where() {
    for (body, message) in [
        (json!([]), "the body must be a JSON object"),
        (json!({"input": "a"}), "model: you must provide a model parameter"),
        (json!({"model": "m"}), "input: is required"),
        (json!({"model": "m", "input": []}), "input: must hold at least one text"),
        (json!({"model": "m", "input": ["a", 1]}), "input: must not mix texts and token ids"),
        (json!({"model": "m", "input": {"a": 1}}), "input: invalid type: map, expected a string, an array"),
        (json!({"model": "m", "input": [-1]}), "input[0]: invalid type"),
        (json!({"model": "m", "input": "a", "encoding_format": "hex"}), "encoding_format: must be"),
        (json!({"model": "m", "input": "a", "dimensions": 0}), "dimensions: must be at least 1"),
        (json!({"model": "m", "input": "a", "dimensions": "1"}), "dimensions: invalid type"),
        (json!({"model": "m", "input": "a", "input_type": "x"}), "input_type: must be"),
    ] {
        let error = openai(&body).unwrap_err();
        assert!(matches!(error, Error::ClientSent { .. }), "{body}");
        assert!(error.to_string().starts_with(message), "{body}: {error}");
    }
    let titan = json!({"model": "m", "input": "a", "dimensions": 256});
    let error = asked(Client::OpenAi, Provider::TitanV1, &titan).unwrap_err();
    assert!(error.to_string().starts_with("dimensions: Titan Text Embeddings v1"), "{error}");
}

#[test]
fn gemini_requests_in_both_forms() {
    let body = json!({
        "model": "models/e", "content": {"parts": [{"text": "a"}, {"text": "b"}]},
        "task_type": "CLUSTERING",
        "embedContentConfig": {"title": "T", "outputDimensionality": 256, "taskType": "RETRIEVAL_DOCUMENT"},
    });
    assert_eq!(
        asked(Client::GeminiEmbed, Provider::VertexPredict, &body).unwrap(),
        json!({"instances": [{"content": "a\nb", "task_type": "RETRIEVAL_DOCUMENT", "title": "T"}],
               "parameters": {"outputDimensionality": 256, "autoTruncate": false}})
    );
    assert_eq!(
        asked(Client::GeminiEmbed, Provider::OpenAi, &body).unwrap(),
        json!({"model": "m", "input": "a\nb", "dimensions": 256, "encoding_format": "float"})
    );
    let batch = json!({"requests": [
        {"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 256},
        {"content": {"parts": [{"text": "b"}]}, "outputDimensionality": 256},
    ]});
    assert_eq!(
        asked(Client::GeminiBatch, Provider::OpenAi, &batch).unwrap(),
        json!({"model": "m", "input": ["a", "b"], "dimensions": 256, "encoding_format": "float"})
    );
}

#[test]
fn wrong_gemini_requests_say_where() {
    let text = |text: &str| json!({"parts": [{"text": text}]});
    for (body, field) in [
        (json!({}), "requests"),
        (json!({"requests": []}), "requests"),
        (json!({"requests": [{"content": text("a")}, {"content": {}}]}), "requests[1].content.parts"),
        (
            json!({"requests": [{"content": {"parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png"}}]}}]}),
            "requests[0].content.parts[1]",
        ),
        (json!({"requests": [{"content": text("a"), "taskType": "X"}]}), "requests[0].taskType"),
        (
            json!({"requests": [{"content": text("a")}, {"content": text("b"), "taskType": "CLUSTERING"}]}),
            "requests[1].taskType",
        ),
        (
            json!({"requests": [{"content": text("a")}, {"content": text("b"), "outputDimensionality": 1}]}),
            "requests[1].outputDimensionality",
        ),
    ] {
        let error = asked(Client::GeminiBatch, Provider::OpenAi, &body).unwrap_err();
        let (Error::ClientSent { field: at, .. } | Error::Unsupported { field: at, .. }) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(at, field, "{error}");
    }
}

/// The answers of every provider, with two vectors where it gives two.
#[test]
fn answers_of_every_provider() {
    let two = json!([[0.5, -1.0], [0.25, 2.0]]);
    for (provider, body, vectors, tokens) in [
        (
            Provider::OpenAi,
            json!({"object": "list", "model": "text-embedding-3-small", "data": [
                {"object": "embedding", "index": 1, "embedding": [0.25, 2.0]},
                {"object": "embedding", "index": 0, "embedding": "AAAAPwAAgL8="},
            ], "usage": {"prompt_tokens": 5, "total_tokens": 5}}),
            two.clone(),
            Some(5),
        ),
        (
            Provider::GeminiEmbed,
            json!({"embedding": {"values": [0.5, -1.0]}, "usageMetadata": {"promptTokenCount": 3}}),
            json!([[0.5, -1.0]]),
            Some(3),
        ),
        (
            Provider::GeminiBatch,
            json!({"embeddings": [{"values": [0.5, -1.0]}, {"values": [0.25, 2.0]}]}),
            two.clone(),
            None,
        ),
        (
            Provider::VertexPredict,
            json!({"predictions": [
                {"embeddings": {"values": [0.5, -1.0], "statistics": {"token_count": 2.0, "truncated": false}}},
                {"embeddings": {"values": [0.25, 2.0], "statistics": {"token_count": 4}}},
            ], "metadata": {"billableCharacterCount": 9}}),
            two.clone(),
            Some(6),
        ),
        (
            Provider::TitanV1,
            json!({"embedding": [0.5, -1.0], "inputTextTokenCount": 4}),
            json!([[0.5, -1.0]]),
            Some(4),
        ),
        (
            Provider::TitanV2,
            json!({"embedding": [0.5, -1.0], "embeddingsByType": {"float": [0.5, -1.0]}, "inputTextTokenCount": 4}),
            json!([[0.5, -1.0]]),
            Some(4),
        ),
        (
            Provider::CohereBedrock,
            json!({"id": "1", "response_type": "embeddings_floats", "texts": ["a", "b"], "embeddings": two}),
            two.clone(),
            None,
        ),
        (
            Provider::CohereBedrock,
            json!({"id": "1", "response_type": "embeddings_by_type", "embeddings": {"float": two}}),
            two.clone(),
            None,
        ),
        (
            Provider::NovaBedrock,
            json!({"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5, -1.0]}]}),
            json!([[0.5, -1.0]]),
            None,
        ),
    ] {
        let answer = answered(Client::OpenAi, provider, &body, Encoding::Float).unwrap();
        let found: Vec<&Value> =
            answer["data"].as_array().unwrap().iter().map(|datum| &datum["embedding"]).collect();
        assert_eq!(json!(found), vectors, "{provider:?}");
        match tokens {
            Some(tokens) => {
                assert_eq!(answer["usage"], json!({"prompt_tokens": tokens, "total_tokens": tokens}));
            }
            None => assert_eq!(answer.get("usage"), None),
        }
        let text = body.to_string();
        let facts = facts(provider, text.as_bytes()).unwrap();
        assert_eq!(facts.usage.map(|usage| usage.total()), tokens, "{provider:?}");
        let gemini = answered(Client::GeminiBatch, provider, &body, Encoding::Float).unwrap();
        let found: Vec<&Value> =
            gemini["embeddings"].as_array().unwrap().iter().map(|found| &found["values"]).collect();
        assert_eq!(json!(found), vectors, "{provider:?}");
        let single = answered(Client::GeminiEmbed, provider, &body, Encoding::Float);
        assert_eq!(single.is_ok(), vectors.as_array().unwrap().len() == 1, "{provider:?}");
    }
}

/// The openai SDK asks for base64 unless told otherwise, and reads it with numpy as `<f4`.
#[test]
fn base64_is_little_endian_floats() {
    let body = json!({"embedding": {"values": [0.5, -1.0]}});
    let answer = answered(Client::OpenAi, Provider::GeminiEmbed, &body, Encoding::Base64).unwrap();
    assert_eq!(
        answer,
        json!({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": "AAAAPwAAgL8="}],
               "model": "asked"})
    );
    assert_eq!(Vector::Base64("AAAAPwAAgL8=".into()).floats().unwrap(), [0.5, -1.0]);
    for wrong in ["AAAAPw", "AAAA", "!"] {
        assert!(Vector::Base64(wrong.into()).floats().is_err(), "{wrong}");
    }
}

#[test]
fn wrong_answers_are_the_providers_fault() {
    for (provider, body) in [
        (Provider::OpenAi, json!([])),
        (Provider::OpenAi, json!({"data": []})),
        (Provider::OpenAi, json!({"data": [{"index": 0}]})),
        (Provider::OpenAi, json!({"data": [{"index": 0, "embedding": {"a": "secret"}}]})),
        (Provider::OpenAi, json!({"data": [{"index": 0, "embedding": ["secret"]}]})),
        (Provider::GeminiEmbed, json!({})),
        (Provider::GeminiBatch, json!({"embeddings": [{}]})),
        (Provider::VertexPredict, json!({"predictions": [{"embeddings": {}}]})),
        (Provider::TitanV2, json!({"inputTextTokenCount": 1})),
        (Provider::CohereBedrock, json!({"embeddings": {"int8": [[1]]}})),
        (Provider::NovaBedrock, json!({"embeddings": [{"embeddingType": "TEXT"}]})),
    ] {
        let error = answered(Client::OpenAi, provider, &body, Encoding::Base64).unwrap_err();
        assert!(matches!(error, Error::UpstreamSent { .. }), "{body}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn bedrock_models_are_known_by_their_ids() {
    for (model, provider) in [
        ("amazon.titan-embed-text-v1", Some(Provider::TitanV1)),
        ("amazon.titan-embed-text-v2:0", Some(Provider::TitanV2)),
        ("cohere.embed-english-v3", Some(Provider::CohereBedrock)),
        ("us.cohere.embed-v4:0", Some(Provider::CohereBedrock)),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-2-multimodal-embeddings-v1:0",
            Some(Provider::NovaBedrock),
        ),
        ("anthropic.claude-3-5-sonnet", None),
    ] {
        assert_eq!(Provider::of_bedrock_model(model), provider, "{model}");
    }
}

#[test]
fn only_equal_formats_pass_untouched() {
    assert!(Provider::OpenAi.speaks(Client::OpenAi));
    assert!(Provider::GeminiBatch.speaks(Client::GeminiBatch));
    assert!(!Provider::GeminiBatch.speaks(Client::GeminiEmbed));
    assert!(!Provider::TitanV2.speaks(Client::OpenAi));
}

proptest! {
    #[test]
    fn base64_and_back(floats in proptest::collection::vec(-1e30f32..1e30, 0..50)) {
        let json = serde_json::value::to_raw_value(&floats).unwrap();
        let vector = Vector::Json(Cow::Owned(json));
        let vector::Written::Base64(text) = vector.written(Encoding::Base64).unwrap() else { panic!() };
        prop_assert_eq!(Vector::Base64(text).floats().unwrap(), floats);
    }

    #[test]
    fn nothing_panics(body in "\\PC{0,60}") {
        for client in [Client::OpenAi, Client::GeminiEmbed, Client::GeminiBatch] {
            let _ = decode_request(client, body.as_bytes());
        }
        for provider in [Provider::OpenAi, Provider::GeminiBatch, Provider::VertexPredict, Provider::TitanV2,
            Provider::CohereBedrock, Provider::NovaBedrock] {
            let _ = decode_response(provider, body.as_bytes());
            let _ = facts(provider, body.as_bytes());
        }
    }
}
