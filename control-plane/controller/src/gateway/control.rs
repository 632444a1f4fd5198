//! The loop that follows the files and Envoy's answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use resources::{Finding, FindingKind, ObjectKey, Severity, Subject};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{self, sleep};
use translate::Settings;
use xds_server::{Generation, Rejection, Resource, SessionId, SessionStatus, XdsServer};

use super::announce::in_effect;
use super::grace::Grace;
use super::notices::Notices;
use super::tokens::Tokens;
use crate::commands::summary;
use crate::configuration::{Configuration, locate};
use crate::error::listen_remedy;
use crate::finding_report::FindingReport;
use crate::ports::{self, Port};
use crate::route_table::table;
use crate::snippets::snippets;
use crate::source::{Sources, Watch};

/// When to look again at a file that seems half written.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What is in force, and what has been said about it.
pub(super) struct Control {
    began: Instant,
    server: XdsServer,
    notices: Notices,
    settings: Settings,
    /// Absent only while they are being read.
    sources: Option<Sources>,
    configuration: Configuration,
    /// What is served, which includes what vanished from the configuration a moment ago.
    grace: Grace,
    published: Option<Generation>,
    tokens: Tokens,
    /// Addresses that were free when a Gateway first asked for them: Envoy has them since.
    claimed: BTreeSet<SocketAddr>,
    port_findings: Vec<Finding>,
    envoy_findings: Vec<Finding>,
    report: FindingReport,
    /// Whether the first configuration has been announced.
    ready: Arc<AtomicBool>,
    announcement: Option<JoinHandle<()>>,
}

impl Control {
    pub(super) fn new(
        began: Instant,
        server: XdsServer,
        notices: Notices,
        settings: Settings,
        sources: Sources,
        configuration: Configuration,
    ) -> Self {
        Self {
            began,
            server,
            notices,
            settings,
            sources: Some(sources),
            configuration,
            grace: Grace::default(),
            published: None,
            tokens: Tokens::new(),
            claimed: BTreeSet::new(),
            port_findings: Vec::new(),
            envoy_findings: Vec::new(),
            report: FindingReport::default(),
            ready: Arc::new(AtomicBool::new(false)),
            announcement: None,
        }
    }

    /// Serves the configuration and follows every change; never ends by itself.
    pub(super) async fn run(mut self, mut watch: Watch) {
        self.publish(self.began).await;
        self.report_findings();
        self.notices.show(&table(&self.configuration.translation.routes));
        let mut sessions = self.server.sessions();
        loop {
            tokio::select! {
                changed = watch.changed() => match changed {
                    Some(()) => self.reload().await,
                    None => return tracing::error!("changes of files are not noticed any more"),
                },
                () = self.grace.expiry() => self.expire(),
                () = self.tokens.changed() => self.renew_tokens(),
                () = sleep(LOOK_AGAIN), if self.configuration.unsettled => self.reload().await,
                changed = sessions.changed() => match changed {
                    Ok(()) => self.hear_envoy(&mut sessions),
                    Err(_) => return,
                },
            }
        }
    }

    async fn reload(&mut self) {
        let began = Instant::now();
        let Some(mut sources) = self.sources.take() else { return };
        let settings = self.settings.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let configuration = Configuration::load(&mut sources, &settings);
            (sources, configuration)
        });
        match loading.await {
            Ok((sources, configuration)) => {
                self.sources = Some(sources);
                let before = std::mem::replace(&mut self.configuration, configuration);
                self.publish(began).await;
                self.report_findings();
                if before.translation.routes != self.configuration.translation.routes {
                    self.notices.show(&table(&self.configuration.translation.routes));
                }
            }
            Err(error) => tracing::error!(%error, "reading the files failed; what was served stays in force"),
        }
    }

    /// Serves what the configuration says now, and announces it once it is in effect.
    async fn publish(&mut self, began: Instant) {
        let ports = self.claim_ports();
        self.tokens.require(&self.configuration.translation.tokens).await;
        match self.resources().and_then(|resources| self.serve(resources)) {
            Ok(generation) if self.published != Some(generation) => {
                self.published = Some(generation);
                self.announce(began, generation, ports);
            }
            Ok(_) => tracing::debug!("nothing changed for Envoy"),
            Err(error) => {
                tracing::error!(%error, "the configuration was not published; the last one stays in force")
            }
        }
    }

    /// Everything Envoy needs: what the configuration says, and the tokens it asks for.
    fn resources(&self) -> Result<Vec<Resource>, xds_server::Error> {
        let translated = self.configuration.translation.resources.iter();
        let translated = translated.map(|((_, name), resource)| Resource::new(name, resource.body.clone()));
        let mut resources = translated.collect::<Result<Vec<_>, _>>()?;
        resources.extend(self.tokens.resources()?);
        Ok(resources)
    }

    /// Serves tokens that were renewed. The configuration is the same, so nothing is announced.
    fn renew_tokens(&mut self) {
        match self.resources().and_then(|resources| self.serve(resources)) {
            Ok(generation) => self.published = Some(generation),
            Err(error) => tracing::error!(%error, "a token was not published; the last one stays in use"),
        }
        self.report_findings();
    }

    fn serve(&mut self, resources: Vec<Resource>) -> Result<Generation, xds_server::Error> {
        let grace = self.grace.after(time::Instant::now(), resources);
        let generation = self.server.publish(grace.resources())?;
        self.grace = grace;
        Ok(generation)
    }

    /// Ends to serve what has lingered for long enough. The configuration is the same, so nothing is announced.
    fn expire(&mut self) {
        self.grace.drop_expired(time::Instant::now());
        match self.server.publish(self.grace.resources()) {
            Ok(generation) => self.published = Some(generation),
            Err(error) => tracing::error!(%error, "what is not needed any more is still served"),
        }
    }

    /// The ports Envoy can have; the others become findings.
    fn claim_ports(&mut self) -> Vec<Port> {
        self.port_findings.clear();
        let mut usable = Vec::new();
        for port in ports::of(&self.configuration.translation) {
            match port.taken().filter(|_| !self.claimed.contains(&port.address)) {
                Some(error) => {
                    let message = format!("cannot listen on {}: {error}", port.address);
                    let remedy = listen_remedy(error.kind());
                    self.port_findings.push(self.finding(&port.gateway, message, remedy));
                }
                None => {
                    self.claimed.insert(port.address);
                    usable.push(port);
                }
            }
        }
        usable
    }

    fn announce(&mut self, began: Instant, generation: Generation, ports: Vec<Port>) {
        if let Some(outdated) = self.announcement.take() {
            outdated.abort();
        }
        let (server, notices, ready) = (self.server.clone(), self.notices.clone(), self.ready.clone());
        let summary = summary(&self.configuration);
        let (objects, routes) = (&self.configuration.objects, &self.configuration.translation.routes);
        let first = !ready.load(Ordering::Relaxed);
        let snippets = snippets(objects, routes, &ports).filter(|_| first);
        // Until the first is announced, time counts from the start.
        let began = if first { self.began } else { began };
        self.announcement = Some(tokio::spawn(async move {
            let Some(rejected) = in_effect(&server, generation, &ports).await else { return };
            let what = if first { "ready" } else { "reloaded" };
            let took = began.elapsed().as_millis();
            let refused = match rejected.len() {
                0 => String::new(),
                count => format!(", {count} refused by Envoy"),
            };
            ready.store(true, Ordering::Relaxed);
            notices.tell(&format!("{what} in {took} ms ({summary}{refused})"));
            if let Some(snippets) = snippets {
                notices.show(&format!("\n{snippets}\n"));
            }
        }));
    }

    /// Takes what Envoy refuses at present as findings about the objects that caused it.
    fn hear_envoy(&mut self, sessions: &mut watch::Receiver<BTreeMap<SessionId, SessionStatus>>) {
        let rejected: Vec<Rejection> = {
            let sessions = sessions.borrow_and_update();
            // An Envoy that is starting has not judged anything yet: what the last one said still stands.
            if !sessions.values().any(|status| status.settled.is_some() || !status.rejected.is_empty()) {
                return;
            }
            sessions.values().flat_map(|status| status.rejected.clone()).collect()
        };
        self.envoy_findings = rejected.iter().filter_map(|rejection| self.refusal(rejection)).collect();
        self.report_findings();
    }

    fn refusal(&self, rejection: &Rejection) -> Option<Finding> {
        let mut resources = self.configuration.translation.resources.iter();
        let of = |kind: translate::ResourceKind, name: &str| {
            kind.type_url() == rejection.kind.type_url() && name == rejection.name
        };
        let (_, resource) = resources.find(|((kind, name), _)| of(*kind, name))?;
        // A port that is taken has been reported in plainer words.
        if rejection.kind == xds_server::Kind::Listener
            && self.port_findings.iter().any(|known| known.subject == Some(subject(&resource.source)))
        {
            return None;
        }
        let words = rejection.message.split_whitespace().collect::<Vec<_>>().join(" ");
        let message = format!("Envoy refused {} {:?}: {words}", rejection.kind, rejection.name);
        Some(self.finding(&resource.source, message, "the last version it accepted stays in use"))
    }

    fn finding(&self, object: &ObjectKey, message: String, remedy: &str) -> Finding {
        let mut finding = Finding {
            severity: Severity::Error,
            kind: FindingKind::Invalid,
            origin: None,
            subject: Some(subject(object)),
            field_path: String::new(),
            message,
            remedy: remedy.to_owned(),
        };
        locate(&mut finding, &self.configuration.locations);
        finding
    }

    fn report_findings(&mut self) {
        let troubles = self.tokens.troubles(&self.configuration.translation.tokens).into_iter();
        let token_findings: Vec<Finding> = troubles
            .map(|trouble| Finding {
                severity: trouble.severity,
                ..self.finding(&trouble.object, trouble.message, trouble.remedy)
            })
            .collect();
        let findings = self.configuration.findings.iter().chain(&self.port_findings);
        let findings = findings.chain(&self.envoy_findings).chain(&token_findings);
        self.notices.findings(&self.report.update(findings));
    }
}

fn subject(object: &ObjectKey) -> Subject {
    Subject {
        kind: object.kind.name().to_owned(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    }
}
