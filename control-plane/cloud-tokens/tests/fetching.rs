//! Every way to a token, against a token server of our own.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod token_server;

use std::time::Duration;

use cloud_tokens::{Environment, Error, FetchedToken, Fetcher};
use resources::SecretValue;
use serde_json::{Value, json};
use token_server::{Asked, TokenServer};
use translate::{AzureCredential, GcpCredential, GcpToken, ManagedIdentity, TokenSource};

const KEY: &str = include_str!("service_account_key.pem");

const SCOPE: &str = "https://cognitiveservices.azure.com/.default";

fn access_token() -> Value {
    json!({ "access_token": "tok", "expires_in": 1800, "token_type": "Bearer" })
}

fn google(credential: GcpCredential) -> TokenSource {
    TokenSource::Gcp { credential, wanted: GcpToken::Access }
}

fn entra(credential: AzureCredential) -> TokenSource {
    TokenSource::Azure { credential, scope: SCOPE.to_owned() }
}

fn service_account(server: &TokenServer) -> GcpCredential {
    GcpCredential::from_json(
        &json!({
            "type": "service_account", "client_email": "weir@acme", "private_key_id": "k1", "private_key": KEY,
            "token_uri": format!("{}/token", server.url()),
        })
        .to_string(),
    )
    .unwrap()
}

/// The token fetched from a server that answers with `answer`, and what it was asked.
async fn fetched(
    environment: Environment,
    source: &TokenSource,
    server: TokenServer,
) -> (FetchedToken, Asked) {
    let token = Fetcher::new(environment).fetch(source).await.unwrap();
    (token, server.asked())
}

fn claims(assertion: &str) -> Value {
    use base64::Engine;
    let payload = assertion.split('.').nth(1).unwrap();
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn expected() -> FetchedToken {
    FetchedToken { token: SecretValue::new("tok"), lifetime: Duration::from_secs(1800) }
}

#[tokio::test]
async fn a_service_account_signs_an_assertion() {
    let server = TokenServer::start(200, &access_token().to_string());
    let source = google(service_account(&server));
    let uri = format!("{}/token", server.url());
    let (token, asked) = fetched(Environment::default(), &source, server).await;
    assert_eq!(token, expected());
    assert_eq!(asked.line, "POST /token HTTP/1.1");
    assert_eq!(asked.form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let claims = claims(&asked.form["assertion"]);
    assert_eq!(
        (claims["iss"].as_str(), claims["aud"].as_str(), claims["scope"].as_str()),
        (Some("weir@acme"), Some(uri.as_str()), Some("https://www.googleapis.com/auth/cloud-platform"))
    );
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
}

#[tokio::test]
async fn a_service_account_gets_id_tokens() {
    let server = TokenServer::start(200, &json!({ "id_token": "tok" }).to_string());
    let wanted = GcpToken::Id { audience: "https://run.app".to_owned() };
    let source = TokenSource::Gcp { credential: service_account(&server), wanted };
    let (token, asked) = fetched(Environment::default(), &source, server).await;
    assert_eq!(token.lifetime, Duration::from_secs(3600), "an hour when nothing is said");
    let claims = claims(&asked.form["assertion"]);
    assert_eq!(claims["target_audience"], "https://run.app");
    assert!(claims.get("scope").is_none());
}

#[tokio::test]
async fn the_login_of_a_person_is_refreshed_from_the_file_of_gcloud() {
    let server = TokenServer::start(200, &access_token().to_string());
    let folder = tempfile::tempdir().unwrap();
    let file = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "cs", "refresh_token": "rt",
        "token_uri": format!("{}/refresh", server.url()),
    });
    std::fs::write(folder.path().join("application_default_credentials.json"), file.to_string()).unwrap();
    let environment = Environment::from([("CLOUDSDK_CONFIG", folder.path().to_str().unwrap())]);
    let (token, asked) = fetched(environment, &google(GcpCredential::Default), server).await;
    assert_eq!(token, expected());
    let form =
        ["grant_type", "client_id", "client_secret", "refresh_token"].map(|name| asked.form[name].as_str());
    assert_eq!(form, ["refresh_token", "id", "cs", "rt"]);
}

/// An answer that has what every token server calls its token.
fn any_token() -> String {
    json!({ "access_token": "first", "expires_in": 60, "accessToken": "tok", "token": "tok", "id": "subject" })
        .to_string()
}

/// The file of an external account whose source is `source`.
fn external(server: &TokenServer, source: Value, more: Value) -> Value {
    let mut file = json!({
        "type": "external_account", "audience": "//iam.googleapis.com/p", "credential_source": source,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": format!("{}/sts", server.url()),
    });
    file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    file
}

/// An environment that leads to a credentials file, which lives as long as the folder.
fn environment_of(file: &Value) -> (Environment, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    std::fs::write(&path, file.to_string()).unwrap();
    (Environment::from([("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap())]), folder)
}

#[tokio::test]
async fn a_token_of_another_platform_is_exchanged() {
    let server = TokenServer::start(200, &any_token());
    let kept = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(kept.path(), " subject\n").unwrap();
    let file = external(&server, json!({ "file": kept.path() }), json!({}));
    let (environment, _folder) = environment_of(&file);
    let (token, asked) = fetched(environment, &google(GcpCredential::Default), server).await;
    assert_eq!((token.token.reveal_text(), token.lifetime), (Some("first"), Duration::from_secs(60)));
    assert_eq!(asked.line, "POST /sts HTTP/1.1");
    let form = ["grant_type", "audience", "subject_token", "subject_token_type", "scope"];
    assert_eq!(
        form.map(|name| asked.form[name].as_str()),
        [
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "//iam.googleapis.com/p",
            "subject",
            "urn:ietf:params:oauth:token-type:jwt",
            "https://www.googleapis.com/auth/cloud-platform",
        ]
    );
}

#[tokio::test]
async fn a_token_from_a_url_acts_for_a_service_account() {
    for (wanted, method, asked_for) in [
        (GcpToken::Access, "generateAccessToken", json!({ "lifetime": "3600s" })),
        (
            GcpToken::Id { audience: "https://a".to_owned() },
            "generateIdToken",
            json!({ "audience": "https://a" }),
        ),
    ] {
        let server = TokenServer::start(200, &any_token());
        let source = json!({
            "url": format!("{}/identity", server.url()), "headers": { "metadata": "true" },
            "format": { "type": "json", "subject_token_field_name": "id" },
        });
        let url = format!("{}/acme:generateAccessToken", server.url());
        let file = external(&server, source, json!({ "service_account_impersonation_url": url }));
        let (environment, _folder) = environment_of(&file);
        let source = TokenSource::Gcp { credential: GcpCredential::Default, wanted };
        let token = Fetcher::new(environment).fetch(&source).await.unwrap();
        assert_eq!((token.token.reveal_text(), token.lifetime.as_secs()), (Some("tok"), 60));
        let (identity, exchange, impersonation) = (server.asked(), server.asked(), server.asked());
        assert_eq!((&*identity.line, &*identity.headers["metadata"]), ("GET /identity HTTP/1.1", "true"));
        assert_eq!(exchange.form["subject_token"], "subject");
        assert_eq!(impersonation.line, format!("POST /acme:{method} HTTP/1.1"));
        assert_eq!(impersonation.headers["authorization"], "Bearer first");
        for (name, value) in asked_for.as_object().unwrap() {
            assert_eq!(&impersonation.json[name], value);
        }
    }
}

#[tokio::test]
async fn a_service_account_acts_for_another() {
    let server = TokenServer::start(200, &any_token());
    let file = json!({
        "type": "impersonated_service_account", "delegates": ["between"],
        "service_account_impersonation_url": format!("{}/acme:generateAccessToken", server.url()),
        "source_credentials": {
            "type": "authorized_user", "client_id": "id", "client_secret": "cs", "refresh_token": "rt",
            "token_uri": format!("{}/refresh", server.url()),
        },
    });
    let credential = GcpCredential::from_json(&file.to_string()).unwrap();
    assert!(!credential.reads_the_machine(), "it may come from a Secret");
    let token = Fetcher::new(Environment::default()).fetch(&google(credential)).await.unwrap();
    assert_eq!(token.token.reveal_text(), Some("tok"));
    assert_eq!(server.asked().form["refresh_token"], "rt");
    assert_eq!(server.asked().json["delegates"], json!(["between"]));
}

#[tokio::test]
async fn external_accounts_that_hold_nothing_say_so() {
    let server = TokenServer::start(200, &any_token());
    let empty = tempfile::NamedTempFile::new().unwrap();
    for (source, wanted, words) in [
        (json!({ "file": "/nonexistent" }), GcpToken::Access, "cannot be read"),
        (json!({ "file": empty.path() }), GcpToken::Access, "holds no token"),
        (json!({ "file": empty.path() }), GcpToken::Id { audience: "a".to_owned() }, "no id tokens"),
        (
            json!({ "url": server.url(), "format": { "type": "json", "subject_token_field_name": "x" } }),
            GcpToken::Access,
            "field `x`",
        ),
    ] {
        let (environment, _folder) = environment_of(&external(&server, source, json!({})));
        let source = TokenSource::Gcp { credential: GcpCredential::Default, wanted };
        let error = Fetcher::new(environment).fetch(&source).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn without_a_file_the_metadata_server_is_asked() {
    let server = TokenServer::start(200, &access_token().to_string());
    let host = server.url().strip_prefix("http://").unwrap().to_owned();
    let environment = Environment::from([("GCE_METADATA_HOST", &*host), ("HOME", "/nonexistent")]);
    let (token, asked) = fetched(environment, &google(GcpCredential::Default), server).await;
    assert_eq!(token, expected());
    assert_eq!(
        asked.line,
        "GET /computeMetadata/v1/instance/service-accounts/default/token?\
         scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform HTTP/1.1"
    );
    assert_eq!(asked.headers["metadata-flavor"], "Google");
}

#[tokio::test]
async fn the_metadata_server_gives_id_tokens_as_they_are() {
    // {"exp": 4102444800}, which is the year 2100.
    let server = TokenServer::start(200, "e30.eyJleHAiOjQxMDI0NDQ4MDB9.sig\n");
    let host = server.url().strip_prefix("http://").unwrap().to_owned();
    let environment = Environment::from([("GCE_METADATA_HOST", &*host)]);
    let wanted = GcpToken::Id { audience: "https://a b".to_owned() };
    let source = TokenSource::Gcp { credential: GcpCredential::Default, wanted };
    let (token, asked) = fetched(environment, &source, server).await;
    assert_eq!(token.token.reveal_text(), Some("e30.eyJleHAiOjQxMDI0NDQ4MDB9.sig"));
    assert!(token.lifetime > Duration::from_secs(365 * 24 * 3600));
    assert!(
        asked.line.contains("/default/identity?audience=https%3A%2F%2Fa+b&format=full"),
        "{}",
        asked.line
    );
}

#[tokio::test]
async fn a_service_principal_proves_itself_with_its_secret() {
    let server = TokenServer::start(200, &access_token().to_string());
    let authority = server.url();
    let environment = Environment::from([("AZURE_AUTHORITY_HOST", &*authority)]);
    let credential = AzureCredential::ClientSecret {
        tenant: "acme".to_owned(),
        client_id: "app".to_owned(),
        client_secret: SecretValue::new("s&cret"),
    };
    let (token, asked) = fetched(environment, &entra(credential), server).await;
    assert_eq!(token, expected());
    assert_eq!(asked.line, "POST /acme/oauth2/v2.0/token HTTP/1.1");
    let form = ["grant_type", "client_id", "client_secret", "scope"].map(|name| asked.form[name].as_str());
    assert_eq!(form, ["client_credentials", "app", "s&cret", SCOPE]);
}

#[tokio::test]
async fn a_workload_proves_itself_with_the_token_of_its_cluster() {
    let server = TokenServer::start(200, &access_token().to_string());
    let (authority, folder) = (server.url(), tempfile::tempdir().unwrap());
    let file = folder.path().join("token");
    std::fs::write(&file, "federated\n").unwrap();
    for credential in [AzureCredential::WorkloadIdentity, AzureCredential::Default] {
        let environment = Environment::from([
            ("AZURE_AUTHORITY_HOST", &*authority),
            ("AZURE_TENANT_ID", "acme"),
            ("AZURE_CLIENT_ID", "app"),
            ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
        ]);
        let token = Fetcher::new(environment).fetch(&entra(credential)).await.unwrap();
        assert_eq!(token, expected());
        let asked = server.asked();
        assert_eq!(asked.form["client_assertion"], "federated");
        assert_eq!(
            asked.form["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
    }
}

#[tokio::test]
async fn a_managed_identity_is_asked_for_by_any_of_its_ids() {
    for (identity, query) in [
        (ManagedIdentity::System, ""),
        (ManagedIdentity::ClientId("c".to_owned()), "&client_id=c"),
        (ManagedIdentity::ObjectId("o".to_owned()), "&object_id=o"),
        (ManagedIdentity::ResourceId("/r".to_owned()), "&msi_res_id=%2Fr"),
    ] {
        // Microsoft writes numbers as text here.
        let server = TokenServer::start(200, r#"{"access_token":"tok","expires_in":"1800"}"#);
        let host = server.url();
        let environment = Environment::from([("AZURE_POD_IDENTITY_AUTHORITY_HOST", &*host)]);
        let (token, asked) =
            fetched(environment, &entra(AzureCredential::ManagedIdentity(identity)), server).await;
        assert_eq!(token, expected());
        let path = "GET /metadata/identity/oauth2/token?api-version=2018-02-01&\
                    resource=https%3A%2F%2Fcognitiveservices.azure.com";
        assert_eq!(asked.line, format!("{path}{query} HTTP/1.1"));
        assert_eq!(asked.headers["metadata"], "true");
    }
}

#[tokio::test]
async fn app_service_has_an_endpoint_of_its_own() {
    let server = TokenServer::start(200, r#"{"access_token":"tok","expires_on":"4102444800"}"#);
    let endpoint = format!("{}/msi", server.url());
    let environment = Environment::from([("IDENTITY_ENDPOINT", &*endpoint), ("IDENTITY_HEADER", "h")]);
    let identity = AzureCredential::ManagedIdentity(ManagedIdentity::ObjectId("o".to_owned()));
    let (token, asked) = fetched(environment, &entra(identity), server).await;
    assert!(token.lifetime > Duration::from_secs(365 * 24 * 3600));
    assert!(asked.line.ends_with("&principal_id=o HTTP/1.1"), "{}", asked.line);
    assert_eq!(asked.headers["x-identity-header"], "h");
}

#[tokio::test]
async fn refusals_are_told_in_the_servers_words_and_without_secrets() {
    let body = json!({ "error": "invalid_client", "error_description": "wrong\n secret" }).to_string();
    let server = TokenServer::start(401, &body);
    let authority = server.url();
    let environment = Environment::from([("AZURE_AUTHORITY_HOST", &*authority)]);
    let credential = AzureCredential::ClientSecret {
        tenant: "acme".to_owned(),
        client_id: "app".to_owned(),
        client_secret: SecretValue::new("hunter2"),
    };
    let error = Fetcher::new(environment).fetch(&entra(credential)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{authority}/acme/oauth2/v2.0/token answered 401: invalid_client: wrong secret")
    );
}

#[tokio::test]
async fn what_is_no_token_is_none() {
    for (body, words) in [
        ("<html>", "it is not a JSON object"),
        ("{}", "it has no text in its field `access_token`"),
        (r#"{"access_token":"a\nb"}"#, "characters no header can carry"),
    ] {
        let server = TokenServer::start(200, body);
        let host = server.url().strip_prefix("http://").unwrap().to_owned();
        let environment = Environment::from([("GCE_METADATA_HOST", &*host)]);
        let error = Fetcher::new(environment).fetch(&google(GcpCredential::Default)).await.unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }) && error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn nobody_there_and_nothing_set_are_errors_that_say_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let environment = Environment::from([("GCE_METADATA_HOST", &*free)]);
    let error = Fetcher::new(environment).fetch(&google(GcpCredential::Default)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.to_string().contains(&free), "{error}");

    let error = Fetcher::new(Environment::default())
        .fetch(&entra(AzureCredential::WorkloadIdentity))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("AZURE_TENANT_ID"), "{error}");

    let environment = Environment::from([("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent.json")]);
    let error = Fetcher::new(environment).fetch(&google(GcpCredential::Default)).await.unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent.json cannot be read"), "{error}");
}
