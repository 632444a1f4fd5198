//! What the configuration no longer says but requests on their way may still need.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use xds_server::{Kind, Resource};

/// How long something is served after it has vanished from the configuration.
///
/// Envoy chooses a request's route when its headers come, but looks up the cluster that the route names only when the
/// filters let the headers go on, which for most is when the body is complete, and once more for every retry. Half a
/// minute is enough for 30 MB over a line of 10 Mbit/s, or for retries at a provider that answers in good time; and the
/// price is low, some idle connections. A request that needs longer fails as if its backend had never existed.
const GRACE: Duration = Duration::from_secs(30);

/// What is served: the configuration, and what vanished from it less than [`GRACE`] ago.
#[derive(Debug, Default)]
pub(super) struct Grace {
    current: Vec<Resource>,
    /// Each with the time at which it ends. No name in here is current.
    lingering: Vec<(Instant, Resource)>,
}

impl Grace {
    /// What is served once the configuration is `next`. Resources that vanish linger as they were last; what lingers
    /// already does not get more time, and ends to do so if it is in `next`. Listeners and routes vanish at once:
    /// nothing refers to them, and what they decide is to be obeyed.
    pub(super) fn after(&self, now: Instant, next: Vec<Resource>) -> Self {
        let names: BTreeSet<(Kind, &str)> = next.iter().map(|r| (r.kind(), r.name())).collect();
        let is_gone = |resource: &Resource| !names.contains(&(resource.kind(), resource.name()));
        let still = self.lingering.iter().filter(|(_, resource)| is_gone(resource)).cloned();
        let newly = self.current.iter().filter(|r| Kind::SUPPLY.contains(&r.kind()) && is_gone(r));
        let newly = newly.map(|resource| (now + GRACE, resource.clone().lingering()));
        let lingering = still.chain(newly).collect();
        Self { current: next, lingering }
    }

    /// Everything to publish.
    pub(super) fn resources(&self) -> Vec<Resource> {
        self.current.iter().chain(self.lingering.iter().map(|(_, resource)| resource)).cloned().collect()
    }

    /// Completes when something has lingered for long enough; never if nothing lingers. Cancel safe.
    pub(super) async fn expiry(&self) {
        match self.lingering.iter().map(|(end, _)| *end).min() {
            Some(end) => sleep_until(end).await,
            None => std::future::pending().await,
        }
    }

    /// Drops what has lingered for long enough.
    pub(super) fn drop_expired(&mut self, now: Instant) {
        self.lingering.retain(|(end, _)| *end > now);
    }
}

#[cfg(test)]
mod tests {
    use envoy_proto::prost_types::Any;
    use tokio::time::advance;
    use xds_server::Kind::{Cluster, Endpoints, Extension, Listener, Route, Secret};

    use super::*;

    fn resources(list: &[(Kind, &str, &str)]) -> Vec<Resource> {
        let resource = |(kind, name, content): &(Kind, &str, &str)| {
            let body = Any { type_url: kind.type_url().into(), value: content.as_bytes().to_vec() };
            Resource::new(*name, body).unwrap()
        };
        list.iter().map(resource).collect()
    }

    /// A configuration of clusters.
    fn clusters(names: &[&str]) -> Vec<Resource> {
        resources(&names.iter().map(|name| (Cluster, *name, "1")).collect::<Vec<_>>())
    }

    impl Grace {
        fn configure(&mut self, next: Vec<Resource>) {
            *self = self.after(Instant::now(), next);
        }

        /// What is published, e.g. `cluster a=1`; in brackets if it lingers.
        fn published(&self) -> Vec<String> {
            let word = |r: &Resource| {
                let word = format!("{} {}={}", r.kind(), r.name(), String::from_utf8_lossy(&r.body().value));
                if r.is_lingering() { format!("({word})") } else { word }
            };
            self.resources().iter().map(word).collect()
        }

        /// Waits for the next expiry as the control loop does; how long it took.
        async fn expire(&mut self) -> Duration {
            let began = Instant::now();
            self.expiry().await;
            self.drop_expired(Instant::now());
            began.elapsed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_routes_lead_to_lingers_and_listeners_and_routes_do_not() {
        let mut grace = Grace::default();
        let all = [Cluster, Endpoints, Secret, Extension, Listener, Route].map(|kind| (kind, "a", "1"));
        grace.configure(resources(&all));
        assert_eq!(grace.published().len(), 6);
        grace.configure(Vec::new());
        assert_eq!(
            grace.published(),
            ["(cluster a=1)", "(endpoints a=1)", "(secret a=1)", "(extension a=1)"]
        );
        assert_eq!(grace.expire().await, GRACE);
        assert_eq!(grace.published(), Vec::<String>::new(), "a cluster and what it refers to end together");
    }

    #[tokio::test(start_paused = true)]
    async fn every_edit_has_its_own_clock() {
        let mut grace = Grace::default();
        grace.configure(clusters(&["a", "b", "c"]));
        grace.configure(clusters(&["b", "c"]));
        advance(Duration::from_secs(10)).await;
        grace.configure(clusters(&["c"]));
        advance(Duration::from_secs(5)).await;
        grace.configure(clusters(&["c"]));
        assert_eq!(grace.published(), ["cluster c=1", "(cluster a=1)", "(cluster b=1)"]);
        assert_eq!(grace.expire().await, Duration::from_secs(15));
        assert_eq!(grace.published(), ["cluster c=1", "(cluster b=1)"]);
        assert_eq!(grace.expire().await, Duration::from_secs(10));
        assert_eq!(grace.published(), ["cluster c=1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_back_is_current_and_its_next_end_counts_anew() {
        let mut grace = Grace::default();
        grace.configure(resources(&[(Cluster, "a", "1"), (Secret, "a", "old")]));
        grace.configure(Vec::new());
        advance(Duration::from_secs(20)).await;
        grace.configure(resources(&[(Secret, "a", "new")]));
        assert_eq!(grace.published(), ["secret a=new", "(cluster a=1)"]);
        grace.configure(Vec::new());
        assert_eq!(grace.published(), ["(cluster a=1)", "(secret a=new)"]);
        assert_eq!(grace.expire().await, Duration::from_secs(10));
        assert_eq!(grace.expire().await, Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_in_place_leaves_nothing_behind() {
        let mut grace = Grace::default();
        grace.configure(resources(&[(Cluster, "a", "1")]));
        grace.configure(resources(&[(Cluster, "a", "2")]));
        assert_eq!(grace.published(), ["cluster a=2"]);
        let waited = tokio::time::timeout(10 * GRACE, grace.expiry()).await;
        assert!(waited.is_err(), "nothing lingers, so nothing ends");
    }
}
