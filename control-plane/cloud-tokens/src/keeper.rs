//! A set of tokens, kept up to date.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use resources::SecretValue;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use translate::TokenSource;

use crate::{Error, FetchedToken, Fetcher};

/// How long before its end a token is renewed, unless it lives for less than twice as long: metadata servers hand out
/// a new one from then on.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// Time to the next attempt after the first failure; it doubles with each further one,
const RETRY: Duration = Duration::from_secs(1);

/// up to this.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// What is held of one token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The last token that was fetched.
    pub token: Option<SecretValue>,
    /// Why the last attempt failed, if it did.
    pub problem: Option<Error>,
}

impl Held {
    /// Whether an attempt has ended, well or not.
    fn is_settled(&self) -> bool {
        self.token.is_some() || self.problem.is_some()
    }
}

type Fetching = Pin<Box<dyn Future<Output = Result<FetchedToken, Error>> + Send>>;
type Fetch = Arc<dyn Fn(TokenSource) -> Fetching + Send + Sync>;

/// Fetches tokens and renews them, each by a task of its own that ends with the keeper.
pub struct Keeper {
    fetch: Fetch,
    tasks: BTreeMap<String, (TokenSource, JoinHandle<()>)>,
    held: watch::Sender<BTreeMap<String, Held>>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("tokens", &self.tasks.keys()).finish_non_exhaustive()
    }
}

impl Keeper {
    /// A keeper of no tokens yet.
    pub fn new(fetcher: Fetcher) -> Self {
        let fetcher = Arc::new(fetcher);
        Self::with(Arc::new(move |source| {
            let fetcher = Arc::clone(&fetcher);
            Box::pin(async move { fetcher.fetch(&source).await })
        }))
    }

    fn with(fetch: Fetch) -> Self {
        Self { fetch, tasks: BTreeMap::new(), held: watch::Sender::default() }
    }

    /// Keeps these tokens from now on, by name, and no others. A token whose source is what it was is not fetched
    /// again; one whose source changed stays until the new one is there.
    pub fn require<'a>(&mut self, wanted: impl IntoIterator<Item = (&'a String, &'a TokenSource)>) {
        let wanted: BTreeMap<&String, &TokenSource> = wanted.into_iter().collect();
        self.tasks.retain(|name, (source, task)| {
            let stays = wanted.get(name).is_some_and(|wanted| *wanted == source);
            if !stays {
                task.abort();
            }
            stays
        });
        self.held.send_if_modified(|held| {
            let before = held.len();
            held.retain(|name, _| wanted.contains_key(name));
            held.len() != before
        });
        for (name, source) in wanted {
            if !self.tasks.contains_key(name) {
                let task = keep(name.clone(), source.clone(), Arc::clone(&self.fetch), self.held.clone());
                self.tasks.insert(name.clone(), (source.clone(), tokio::spawn(task)));
            }
        }
    }

    /// What is held, by name, now and after every change. A name is absent until its first attempt has ended.
    pub fn held(&self) -> watch::Receiver<BTreeMap<String, Held>> {
        self.held.subscribe()
    }

    /// Completes once the first attempt for every token has ended, well or not.
    pub async fn settled(&self) {
        let names: Vec<&String> = self.tasks.keys().collect();
        let mut held = self.held.subscribe();
        // The sender lives as long as `self`.
        let _ = held
            .wait_for(|held| names.iter().all(|name| held.get(*name).is_some_and(Held::is_settled)))
            .await;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        for (_, task) in self.tasks.values() {
            task.abort();
        }
    }
}

/// Fetches one token over and over.
async fn keep(name: String, source: TokenSource, fetch: Fetch, held: watch::Sender<BTreeMap<String, Held>>) {
    let mut retry = RETRY;
    loop {
        let pause = match fetch(source.clone()).await {
            Ok(FetchedToken { token, lifetime }) => {
                held.send_modify(|held| {
                    held.insert(name.clone(), Held { token: Some(token), problem: None });
                });
                retry = RETRY;
                lifetime.saturating_sub(MARGIN).max(lifetime / 2).max(RETRY)
            }
            Err(problem) => {
                // A token may outlive a failed renewal; one of an earlier credential is better than none.
                held.send_if_modified(|held| {
                    let entry = held.entry(name.clone()).or_default();
                    let is_news = entry.problem.as_ref() != Some(&problem);
                    entry.problem = Some(problem);
                    is_news
                });
                let pause = retry;
                retry = (retry * 2).min(LONGEST_RETRY);
                pause
            }
        };
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::Instant;
    use translate::{AzureCredential, ManagedIdentity};

    use super::*;

    fn source(scope: &str) -> TokenSource {
        let credential = AzureCredential::ManagedIdentity(ManagedIdentity::System);
        TokenSource::Azure { credential, scope: scope.to_owned() }
    }

    fn token(text: &str, seconds: u64) -> Result<FetchedToken, Error> {
        Ok(FetchedToken { token: SecretValue::new(text), lifetime: Duration::from_secs(seconds) })
    }

    fn problem() -> Error {
        Error::Credential { what: "it".to_owned(), reason: "is broken".to_owned() }
    }

    /// A keeper whose attempts end as told, the last way for ever; and the times of the attempts.
    fn keeper(outcomes: Vec<Result<FetchedToken, Error>>) -> (Keeper, Arc<Mutex<Vec<Duration>>>) {
        let times = Arc::new(Mutex::new(Vec::new()));
        let (began, count, told) = (Instant::now(), AtomicUsize::new(0), Arc::clone(&times));
        let fetch = move |_| -> Fetching {
            told.lock().unwrap().push(began.elapsed());
            let outcome = outcomes[count.fetch_add(1, Ordering::Relaxed).min(outcomes.len() - 1)].clone();
            Box::pin(async move { outcome })
        };
        (Keeper::with(Arc::new(fetch)), times)
    }

    async fn until(times: &Mutex<Vec<Duration>>, count: usize) -> Vec<u64> {
        while times.lock().unwrap().len() < count {
            sleep(Duration::from_millis(100)).await;
        }
        times.lock().unwrap().iter().map(Duration::as_secs).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_renewed_before_they_expire() {
        let (mut keeper, times) = keeper(vec![token("a", 3600), token("b", 60), token("c", 3600)]);
        let name = "t".to_owned();
        keeper.require([(&name, &source("x"))]);
        keeper.settled().await;
        assert_eq!(keeper.held().borrow()["t"].token.as_ref().unwrap().reveal_text(), Some("a"));
        assert_eq!(until(&times, 3).await, [0, 3300, 3330]);
        keeper.require([(&name, &source("x"))]);
        assert_eq!(times.lock().unwrap().len(), 3, "the same source is not asked again");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_told_once_and_tried_again_ever_less_often() {
        let (mut keeper, times) =
            keeper(vec![Err(problem()), Err(problem()), Err(problem()), token("a", 3600)]);
        let name = "t".to_owned();
        let mut changes = keeper.held();
        keeper.require([(&name, &source("x"))]);
        keeper.settled().await;
        assert_eq!(changes.borrow_and_update()["t"], Held { token: None, problem: Some(problem()) });
        assert_eq!(until(&times, 3).await, [0, 1, 3]);
        assert!(!changes.has_changed().unwrap(), "the same problem is no news");
        assert_eq!(until(&times, 4).await, [0, 1, 3, 7]);
        changes.changed().await.unwrap();
        assert_eq!(changes.borrow()["t"].problem, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_outlives_a_failed_renewal_and_goes_when_nobody_wants_it() {
        let (mut keeper, times) = keeper(vec![token("a", 3600), Err(problem())]);
        let (name, other) = ("t".to_owned(), "u".to_owned());
        keeper.require([(&name, &source("x"))]);
        until(&times, 2).await;
        let mut changes = keeper.held();
        let held = changes.wait_for(|held| held["t"].problem.is_some()).await.unwrap()["t"].clone();
        assert_eq!(held.token.unwrap().reveal_text(), Some("a"));
        keeper.require([(&other, &source("y"))]);
        keeper.settled().await;
        assert_eq!(keeper.held().borrow().keys().collect::<Vec<_>>(), ["u"]);
    }
}
