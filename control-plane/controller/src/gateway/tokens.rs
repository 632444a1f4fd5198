//! Tokens of cloud platforms: fetched for Envoy and served as secrets.

use std::collections::BTreeMap;
use std::time::Duration;

use cloud_tokens::{Environment, Fetcher, Held, Keeper};
use resources::{ObjectKey, Severity};
use tokio::sync::watch;
use tokio::time::timeout;
use translate::Token;
use xds_server::{Error, Resource};

/// How long a configuration waits for its first tokens. Without one, requests to its provider are answered with 401;
/// but nothing else may have to wait for a token server that is slow.
const PATIENCE: Duration = Duration::from_secs(5);

/// The tokens a configuration needs.
#[derive(Debug)]
pub(super) struct Tokens {
    keeper: Keeper,
    held: watch::Receiver<BTreeMap<String, Held>>,
}

/// A token that is missing or cannot be renewed.
pub(super) struct Trouble {
    pub(super) severity: Severity,
    /// The object that asks for it.
    pub(super) object: ObjectKey,
    pub(super) message: String,
    pub(super) remedy: &'static str,
}

impl Tokens {
    /// No tokens yet; credentials are looked for in the environment of this process.
    pub(super) fn new() -> Self {
        let keeper = Keeper::new(Fetcher::new(Environment::of_process()));
        let held = keeper.held();
        Self { keeper, held }
    }

    /// Keeps the tokens of a configuration, and waits for those that are new.
    pub(super) async fn require(&mut self, wanted: &BTreeMap<String, Token>) {
        self.keeper.require(wanted.iter().map(|(name, token)| (name, &token.source)));
        // What is late is served when it comes.
        let _ = timeout(PATIENCE, self.keeper.settled()).await;
        self.held.mark_unchanged();
    }

    /// Completes when a token was renewed, or could not be.
    pub(super) async fn changed(&mut self) {
        if self.held.changed().await.is_err() {
            // Only the end of the keeper ends it, which is part of `self`.
            std::future::pending().await
        }
    }

    /// The secrets with the tokens, as Envoy takes them.
    pub(super) fn resources(&self) -> Result<Vec<Resource>, Error> {
        let held = self.held.borrow();
        let tokens = held.iter().filter_map(|(name, held)| Some((name, held.token.as_ref()?.reveal_text()?)));
        tokens.map(|(name, token)| Resource::new(name, translate::token_secret(name, token))).collect()
    }

    /// What is wrong.
    pub(super) fn troubles(&self, wanted: &BTreeMap<String, Token>) -> Vec<Trouble> {
        let held = self.held.borrow();
        let troubles = held.iter().filter_map(|(name, held)| {
            let (problem, token) = (held.problem.as_ref()?, wanted.get(name)?);
            let (severity, message, remedy) = if held.token.is_some() {
                let message = format!("the token for its provider cannot be renewed: {problem}");
                (Severity::Warning, message, "it is tried again; the last token is used until it expires")
            } else {
                let message = format!("there is no token for its provider: {problem}");
                (Severity::Error, message, "it is tried again; until then requests are answered with 401")
            };
            Some(Trouble { severity, object: token.object.clone(), message, remedy })
        });
        troubles.collect()
    }
}
