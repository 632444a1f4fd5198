use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ARN: &str = "arn:aws:bedrock:us-west-2::foundation-model/cohere.rerank-v3-5:0";

fn asked(provider: Provider, model: &str, body: &Value) -> Result<Value, Error> {
    let body = body.to_string();
    let request = decode_request(Client::CohereV2, body.as_bytes())?;
    Ok(serde_json::from_slice(&encode_request(provider, &request, model)?).unwrap())
}

fn answered(client: Client, provider: Provider, body: &Value, documents: bool) -> Result<Value, Error> {
    let body = body.to_string();
    let response = decode_response(provider, body.as_bytes())?;
    Ok(serde_json::from_slice(&encode_response(client, &response, documents)).unwrap())
}

fn everything() -> Value {
    json!({
        "model": "rerank-v3.5", "query": "capital?", "top_n": 9, "return_documents": true,
        "max_tokens_per_doc": 100, "max_chunks_per_doc": 3,
        "documents": ["Paris \"is\"", {"text": "Rome"}, {"title": "T", "text": "Bern"}, {"n": 1, "text": "x"}],
    })
}

#[test]
fn requests_for_every_provider() {
    let documents = everything()["documents"].clone();
    assert_eq!(
        asked(Provider::CohereV1, "m", &everything()).unwrap(),
        json!({"model": "m", "query": "capital?", "documents": documents, "top_n": 9,
               "return_documents": true, "max_chunks_per_doc": 3})
    );
    assert_eq!(
        asked(Provider::CohereV2, "m", &everything()).unwrap(),
        json!({"model": "m", "query": "capital?", "top_n": 9, "max_tokens_per_doc": 100,
               "documents": ["Paris \"is\"", "Rome", "title: T\ntext: Bern", "n: 1\ntext: x"]})
    );
    let inline = |kind: &str, name: &str, document: Value| json!({"type": "INLINE", "inlineDocumentSource": {"type": kind, name: document}});
    assert_eq!(
        asked(Provider::Bedrock, ARN, &everything()).unwrap(),
        json!({
            "queries": [{"type": "TEXT", "textQuery": {"text": "capital?"}}],
            "sources": [
                inline("TEXT", "textDocument", json!({"text": "Paris \"is\""})),
                inline("JSON", "jsonDocument", json!({"text": "Rome"})),
                inline("JSON", "jsonDocument", json!({"title": "T", "text": "Bern"})),
                inline("JSON", "jsonDocument", json!({"n": 1, "text": "x"})),
            ],
            "rerankingConfiguration": {"type": "BEDROCK_RERANKING_MODEL", "bedrockRerankingConfiguration": {
                "numberOfResults": 4,
                "modelConfiguration": {"modelArn": ARN, "additionalModelRequestFields": {"max_tokens_per_doc": 100}},
            }},
        })
    );
    assert_eq!(
        asked(Provider::Vertex, "semantic-ranker-default-004", &everything()).unwrap(),
        json!({
            "model": "semantic-ranker-default-004", "query": "capital?", "topN": 9,
            "ignoreRecordDetailsInResponse": false,
            "records": [
                {"id": "0", "content": "Paris \"is\""},
                {"id": "1", "content": "Rome"},
                {"id": "2", "title": "T", "content": "Bern"},
                {"id": "3", "content": "n: 1\ntext: x"},
            ],
        })
    );
}

#[test]
fn rank_fields_choose_the_text() {
    let mut body = everything();
    body["rank_fields"] = json!(["title", "text"]);
    assert_eq!(asked(Provider::CohereV1, "m", &body).unwrap()["rank_fields"], json!(["title", "text"]));
    assert_eq!(
        asked(Provider::CohereV2, "m", &body).unwrap()["documents"],
        json!(["Paris \"is\"", "Rome", "title: T\ntext: Bern", "x"])
    );
    let source = &asked(Provider::Bedrock, ARN, &body).unwrap()["sources"][2]["inlineDocumentSource"];
    assert_eq!(source, &json!({"type": "TEXT", "textDocument": {"text": "title: T\ntext: Bern"}}));
    let record = &asked(Provider::Vertex, "m", &body).unwrap()["records"][2];
    assert_eq!(record, &json!({"id": "2", "content": "title: T\ntext: Bern"}));
}

#[test]
fn wrong_requests_say_where() {
    for (body, message) in [
        (json!(1), "the body must be a JSON object"),
        (json!({"query": "q", "documents": ["a"]}), "model: "),
        (json!({"model": "m", "query": "", "documents": ["a"]}), "query: "),
        (json!({"model": "m", "query": "q"}), "documents: must hold at least one"),
        (json!({"model": "m", "query": "q", "documents": ["a", 1]}), "documents[1]: must be a string or"),
        (json!({"model": "m", "query": "q", "documents": ["a"], "top_n": 0}), "top_n: must be at least 1"),
        (json!({"model": "m", "query": "q", "documents": "a"}), "documents: invalid type"),
    ] {
        let error = asked(Provider::CohereV2, "m", &body).unwrap_err();
        assert!(matches!(error, Error::ClientSent { .. }), "{error:?}");
        assert!(error.to_string().starts_with(message), "{error}");
    }
    let many = json!({"model": "m", "query": "q", "documents": vec!["a"; 201]});
    assert!(
        matches!(asked(Provider::Vertex, "m", &many), Err(Error::Unsupported { field, .. }) if field == "documents")
    );
    assert!(asked(Provider::Bedrock, ARN, &many).is_ok());
}

#[test]
fn answers_of_every_provider() {
    let cohere = json!({
        "id": "r1",
        "results": [{"index": 1, "relevance_score": 0.9, "document": {"text": "Rome"}}, {"index": 0, "relevance_score": 0.1}],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1.0}},
    });
    assert_eq!(
        answered(Client::CohereV1, Provider::CohereV2, &cohere, true).unwrap(),
        json!({
            "id": "r1",
            "results": [{"document": {"text": "Rome"}, "index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
            "meta": {"api_version": {"version": "1"}, "billed_units": {"search_units": 1}},
        })
    );
    let bedrock = json!({"results": [
        {"index": 1, "relevanceScore": 0.9, "document": {"type": "TEXT", "textDocument": {"text": "Rome"}}},
        {"index": 0, "relevanceScore": 0.1, "document": {"type": "JSON", "jsonDocument": {"text": "Paris"}}},
    ]});
    let without = json!({
        "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
        "meta": {"api_version": {"version": "2"}},
    });
    assert_eq!(answered(Client::CohereV2, Provider::Bedrock, &bedrock, false).unwrap(), without);
    let with = answered(Client::CohereV1, Provider::Bedrock, &bedrock, true).unwrap();
    assert_eq!(with["results"][1]["document"], json!({"text": "Paris"}));
    let vertex =
        json!({"records": [{"id": "1", "score": 0.9, "content": "Rome"}, {"id": "0", "score": 0.1}]});
    assert_eq!(answered(Client::CohereV2, Provider::Vertex, &vertex, false).unwrap(), without);
}

#[test]
fn costs_are_read_wherever_they_stand() {
    for (body, units, tokens) in [
        (json!({"meta": {"billed_units": {"search_units": 2}}}), Some(2), None),
        (json!({"meta": {"billed_units": {"total_tokens": 12}}}), None, Some(12)),
        (
            json!({"meta": {"billed_units": {"search_units": 1.0}, "tokens": {"input_tokens": 7, "output_tokens": 0}}}),
            Some(1),
            Some(7),
        ),
        (json!({"usage": {"total_tokens": 5}}), None, Some(5)),
        (json!({"results": []}), None, None),
    ] {
        let facts = facts(Provider::CohereV1, body.to_string().as_bytes()).unwrap();
        assert_eq!((facts.search_units, facts.usage.map(|usage| usage.total())), (units, tokens), "{body}");
    }
}

#[test]
fn documents_are_filled_in_from_the_request() {
    let body = everything().to_string();
    let request = decode_request(Client::CohereV1, body.as_bytes()).unwrap();
    let answer =
        json!({"results": [{"index": 2, "relevance_score": 1}, {"index": 99, "relevance_score": 0}]})
            .to_string();
    let mut response = decode_response(Provider::CohereV2, answer.as_bytes()).unwrap();
    response.fill_documents(&request.documents);
    let sent: Value = serde_json::from_slice(&encode_response(Client::CohereV1, &response, true)).unwrap();
    assert_eq!(sent["results"][0]["document"], json!({"title": "T", "text": "Bern"}));
    assert_eq!(sent["results"][1].get("document"), None);
}

#[test]
fn wrong_answers_are_the_providers_fault() {
    for (provider, body) in [
        (Provider::CohereV1, json!([])),
        (Provider::CohereV1, json!({})),
        (Provider::CohereV2, json!({"results": [{"index": 0}]})),
        (Provider::Bedrock, json!({"results": [{"relevanceScore": 1}]})),
        (Provider::Vertex, json!({"records": [{"id": "secret", "score": 1}]})),
        (Provider::Vertex, json!({"results": []})),
    ] {
        let error = answered(Client::CohereV1, provider, &body, false).unwrap_err();
        assert!(matches!(error, Error::UpstreamSent { .. }), "{body}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn errors_both_ways() {
    let error = decode_error(429, br#"{"id":"x","message":"too many"}"#);
    assert_eq!((error.kind, error.message.as_str()), (crate::hub::ErrorKind::RateLimit, "too many"));
    assert_eq!(encode_error(&error), br#"{"message":"too many"}"#);
    for body in [&b"<html>secret</html>"[..], b"", br#"{"message":"<html>secret"}"#, br#"{"error":"secret"}"#]
    {
        assert!(!is_error_body(body));
        assert!(!decode_error(500, body).message.contains("secret"));
    }
}

#[test]
fn arns_are_made_for_the_region() {
    assert_eq!(model_arn("us-west-2", "cohere.rerank-v3-5:0"), ARN);
    assert_eq!(model_arn("eu-west-1", ARN), ARN);
    assert!(model_arn("us-gov-west-1", "m").starts_with("arn:aws-us-gov:bedrock:us-gov-west-1::"));
}

proptest! {
    #[test]
    fn nothing_panics(body in "\\PC{0,60}", document in "\\PC{0,30}", fields in proptest::collection::vec("[a-c]", 0..3)) {
        let _ = decode_request(Client::CohereV1, body.as_bytes());
        for provider in [Provider::CohereV1, Provider::Bedrock, Provider::Vertex] {
            let _ = decode_response(provider, body.as_bytes());
            let _ = facts(provider, body.as_bytes());
        }
        let whole = json!({"model": "m", "query": "q", "documents": [document, {"a": document, "b": 1}], "rank_fields": fields}).to_string();
        let request = decode_request(Client::CohereV2, whole.as_bytes()).unwrap();
        for provider in [Provider::CohereV1, Provider::CohereV2, Provider::Bedrock, Provider::Vertex] {
            let sent = encode_request(provider, &request, "m").unwrap();
            prop_assert!(serde_json::from_slice::<Value>(&sent).is_ok());
            prop_assert_eq!(encode_request(provider, &request, "m").unwrap(), sent);
        }
    }
}
