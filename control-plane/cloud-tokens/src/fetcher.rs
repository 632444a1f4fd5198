//! One request for one token.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, redirect};
use resources::SecretValue;
use serde_json::{Map, Value};
use translate::TokenSource;

use crate::{Environment, Error, entra, google};

/// Longest time for one token.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest time for a connection: metadata servers are near, or not there at all.
const CONNECT: Duration = Duration::from_secs(3);

/// Most characters of a server's own words that are repeated.
const WORDS: usize = 200;

/// Largest answer of a token server, in bytes.
const LARGEST_ANSWER: usize = 256 * 1024;

/// A token and how long it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedToken {
    /// The token.
    pub token: SecretValue,
    /// How long from now it is valid.
    pub lifetime: Duration,
}

/// Fetches tokens.
pub struct Fetcher {
    environment: Environment,
    /// For servers on the internet, through a proxy if the environment names one.
    internet: OnceLock<Result<Client, Error>>,
    /// For servers of the machine and its platform.
    nearby: OnceLock<Result<Client, Error>>,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("environment", &self.environment).finish_non_exhaustive()
    }
}

impl Fetcher {
    /// A fetcher of the credentials that `environment` leads to. Nothing is asked yet.
    pub fn new(environment: Environment) -> Self {
        Self { environment, internet: OnceLock::new(), nearby: OnceLock::new() }
    }

    /// Fetches a token.
    ///
    /// # Errors
    /// [`Error`]: no token server, a refusal, or a credential that is unusable.
    pub async fn fetch(&self, source: &TokenSource) -> Result<FetchedToken, Error> {
        match source {
            TokenSource::Gcp { credential, wanted } => google::fetch(self, credential, wanted).await,
            TokenSource::Azure { credential, scope } => entra::fetch(self, credential, scope).await,
        }
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(crate) fn internet(&self) -> Result<&Client, Error> {
        let client = self.internet.get_or_init(|| build(Client::builder()));
        client.as_ref().map_err(Clone::clone)
    }

    pub(crate) fn nearby(&self) -> Result<&Client, Error> {
        let client = self.nearby.get_or_init(|| build(Client::builder().no_proxy()));
        client.as_ref().map_err(Clone::clone)
    }
}

fn build(builder: reqwest::ClientBuilder) -> Result<Client, Error> {
    builder.timeout(PATIENCE).connect_timeout(CONNECT).redirect(redirect::Policy::none()).build().map_err(
        |error| Error::Unreachable {
            server: "any token server".to_owned(),
            reason: format!("no HTTP client: {}", causes(&error)),
        },
    )
}

/// Sends a request to the server that is called `server`, and reads its answer as text.
pub(crate) async fn ask(server: &str, request: RequestBuilder) -> Result<String, Error> {
    let unreachable = |error: reqwest::Error| Error::Unreachable {
        server: server.to_owned(),
        reason: causes(&error.without_url()),
    };
    let mut answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_ANSWER {
            let reason = format!("it is larger than {LARGEST_ANSWER} bytes");
            return Err(Error::Malformed { server: server.to_owned(), reason });
        }
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() {
        return Ok(text);
    }
    Err(Error::Refused { server: server.to_owned(), status: status.as_u16(), reason: refusal(&text) })
}

/// The token in an answer of OAuth 2.0 (RFC 6749, 5.1): its field `name`, and its lifetime.
pub(crate) fn token_in(server: &str, answer: &str, name: &str) -> Result<FetchedToken, Error> {
    let malformed = |reason: &str| Error::Malformed { server: server.to_owned(), reason: reason.to_owned() };
    let fields: Map<String, Value> =
        serde_json::from_str(answer).map_err(|_| malformed("it is not a JSON object"))?;
    let token = fields.get(name).and_then(Value::as_str).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| malformed(&format!("it has no text in its field `{name}`")))?;
    let lifetime = seconds(fields.get("expires_in"))
        .or_else(|| Some(seconds(fields.get("expires_on"))?.saturating_sub(now())))
        .map(Duration::from_secs)
        .or_else(|| lifetime_of(token));
    checked(server, token, lifetime)
}

/// A token that can stand in a header, with its lifetime or the hour that is usual.
pub(crate) fn checked(server: &str, token: &str, lifetime: Option<Duration>) -> Result<FetchedToken, Error> {
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        let reason = "what it calls a token holds characters no header can carry".to_owned();
        return Err(Error::Malformed { server: server.to_owned(), reason });
    }
    let lifetime = lifetime.unwrap_or(Duration::from_secs(3600));
    Ok(FetchedToken { token: SecretValue::new(token), lifetime })
}

/// How long a JSON Web Token is valid from now.
pub(crate) fn lifetime_of(token: &str) -> Option<Duration> {
    let expiry = crate::assertion::claims(token)?.get("exp")?.as_u64()?;
    Some(Duration::from_secs(expiry.saturating_sub(now())))
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A number of seconds; Microsoft writes it as text in places.
fn seconds(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The words of a refusal: those of OAuth alone, because nobody knows what else a server repeats.
fn refusal(body: &str) -> String {
    let fields: Option<Map<String, Value>> = serde_json::from_str(body).ok();
    let word = |name: &str| fields.as_ref()?.get(name)?.as_str();
    let words = match (word("error"), word("error_description")) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(error), None) => error.to_owned(),
        _ => "no reason is given".to_owned(),
    };
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(WORDS).collect()
}

/// An error and its causes in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}
