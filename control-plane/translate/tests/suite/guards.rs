//! Guards: each for itself, nowhere but where they are attached, and always in a form the filter takes.

use std::collections::BTreeSet;

use filter_config::{Callout, Check, OnFailure, Rule};
use proptest::prelude::*;
use translate::{ResourceKind, translate};

use crate::edits::{BASE, Change, changes_between};
use crate::filters::guards;
use crate::fixture::{self, translated};

/// The cluster that failing guards ask.
const NOWHERE: &str = "weir/unresolved-reference";

fn callout(rule: &Rule) -> Option<&Callout> {
    match &rule.check {
        Check::Webhook(webhook) => Some(&webhook.callout),
        Check::OpenaiModeration(service) => Some(&service.callout),
        Check::BedrockGuardrails(service) => Some(&service.callout),
        Check::ModelArmor(service) => Some(&service.callout),
        Check::Text(_) | Check::Length(_) | Check::JsonSchema(_) => None,
    }
}

#[test]
fn every_guard_is_one_the_filter_takes_and_asks_clusters_that_exist() {
    let mut seen = 0;
    for fixture in fixture::all() {
        let translation = translate(&fixture::objects(&fixture.objects), &fixture::wasm());
        let exists =
            |name: &str| translation.resources.contains_key(&(ResourceKind::Cluster, name.to_owned()));
        for (cluster, guard) in guards(&translation) {
            assert!(exists(&cluster), "{cluster} has a guard and is not there");
            for rule in guard.request.iter().chain(&guard.response) {
                if let Some(callout) = callout(rule) {
                    assert!(callout.cluster == NOWHERE || exists(&callout.cluster), "{callout:?}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

fn guarded(guard: &str) -> String {
    BASE.replace("modelAliases:", &format!("promptGuard: {guard}, modelAliases:"))
}

fn between(before: &str, after: &str) -> BTreeSet<Change> {
    let objects = |text: &str| fixture::objects(&fixture::decode("edit.yaml", text));
    changes_between(&objects(before), &objects(after))
}

#[test]
fn a_guard_changes_the_cluster_it_is_for_and_no_route() {
    let added = between(BASE, &guarded("{request: [{regex: {builtins: [Email]}}]}"));
    // The provider filter is told that a guard stands before it.
    let expected =
        [(ResourceKind::Cluster, '~'), (ResourceKind::Extension, '+'), (ResourceKind::Extension, '~')];
    assert_eq!(added, expected.into());
}

#[test]
fn an_edited_guard_changes_its_filter_only() {
    let mask = guarded("{request: [{regex: {builtins: [Email]}}]}");
    let reject = guarded("{request: [{regex: {action: Reject, builtins: [Email]}}]}");
    assert_eq!(between(&mask, &reject), [(ResourceKind::Extension, '~')].into());
    let words = |list: &str| {
        let map = format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: words}}\ndata: {{list: {list}}}\n"
        );
        guarded("{request: [{keywords: {configMapRef: {name: words, key: list}}}]}") + &map
    };
    assert_eq!(between(&words("a"), &words("b")), [(ResourceKind::Extension, '~')].into());
}

/// A guard that asks brings its cluster with it.
#[test]
fn a_webhook_brings_its_cluster() {
    let none = guarded("{request: [{regex: {builtins: [Email]}}]}");
    let asks = guarded("{request: [{webhook: {backendRef: {name: web, port: 80}}}]}");
    let expected =
        [(ResourceKind::Cluster, '+'), (ResourceKind::Endpoints, '+'), (ResourceKind::Extension, '~')];
    assert_eq!(between(&none, &asks), expected.into());
}

/// Entries of a list of guards, and whether each can be evaluated.
const ENTRIES: [(&str, bool); 14] = [
    ("regex: {builtins: [Email, Ssn]}", true),
    ("regex: {action: Reject, matches: ['(bad', 'good']}", true),
    ("regex: {matches: ['(bad']}", false),
    ("regex: {}", false),
    ("keywords: {words: [unicorn]}", true),
    ("keywords: {words: [unicorn], configMapRef: {name: none, key: list}}", false),
    ("length: {words: {max: 9}}", true),
    ("webhook: {backendRef: {name: web, port: 80}}", true),
    ("webhook: {backendRef: {name: web, port: 81}}", false),
    ("webhook: {backendRef: {group: agentgateway.dev, kind: AgentgatewayBackend, name: llm}}", false),
    ("openAIModeration: {policies: {auth: {secretRef: {name: key}}}}", true),
    ("openAIModeration: {policies: {auth: {secretRef: {name: none}}}}", false),
    ("bedrockGuardrails: {identifier: a, version: b, region: eu-west-1}", true),
    ("googleModelArmor: {templateId: a, projectId: b, location: 'a b'}", false),
];

fn rules(entries: &[(usize, bool)]) -> Vec<Rule> {
    let entries: Vec<String> = entries
        .iter()
        .map(|(entry, open)| {
            format!(
                "{{failureMode: {}, {}}}",
                if *open { "FailOpen" } else { "FailClosed" },
                ENTRIES[*entry].0
            )
        })
        .collect();
    let translation = translated(&guarded(&format!("{{request: [{}]}}", entries.join(", "))));
    let mut guards = guards(&translation);
    assert_eq!(guards.len(), 1);
    guards.pop_first().unwrap().1.request
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands beside it, an entry does what it does alone; one that cannot be evaluated fails as its failure
    /// mode says, and is never left out.
    #[test]
    fn entries_do_not_disturb_each_other(
        chosen in proptest::collection::vec((0..ENTRIES.len(), any::<bool>()), 1..=8),
    ) {
        let together = rules(&chosen);
        prop_assert_eq!(together.len(), chosen.len());
        for (rule, entry) in together.iter().zip(&chosen) {
            let alone = rules(std::slice::from_ref(entry)).pop().unwrap();
            prop_assert_eq!(&rule.check, &alone.check);
            prop_assert_eq!(rule.on_failure, if entry.1 { OnFailure::Pass } else { OnFailure::Refuse });
            let failing = callout(rule).is_some_and(|callout| callout.cluster == NOWHERE);
            prop_assert_eq!(failing, !ENTRIES[entry.0].1);
        }
    }
}
