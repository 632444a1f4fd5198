//! From objects to Envoy configuration and everything that is wrong, in one step.

use std::collections::BTreeMap;

use resources::{Finding, Locations, Object, ObjectKey, Severity};
use translate::{Objects, Settings, Translation};

use crate::source::{Loaded, Sources};

/// What the files result in at one time.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// The objects in force.
    pub(crate) objects: BTreeMap<ObjectKey, Object>,
    /// Where they were read.
    pub(crate) locations: BTreeMap<ObjectKey, Locations>,
    /// Envoy's resources and the served routes; its findings have moved to `findings`.
    pub(crate) translation: Translation,
    /// What is wrong, in the order of files and lines.
    pub(crate) findings: Vec<Finding>,
    /// Load once more in a moment: a file looks half written.
    pub(crate) unsettled: bool,
}

impl Configuration {
    /// Reads the files and translates what they hold.
    pub(crate) fn load(sources: &mut Sources, settings: &Settings) -> Self {
        let Loaded { objects, refused, held, locations, mut findings, unsettled, prices } = sources.load();
        let mut all: Objects = objects.values().cloned().collect();
        for object in refused.into_values() {
            all.refuse(object);
        }
        held.into_iter().for_each(|key| all.hold(key));
        let settings = Settings { prices, ..settings.clone() };
        let mut translation = translate::translate(&all, &settings);
        for mut finding in std::mem::take(&mut translation.findings) {
            locate(&mut finding, &locations);
            findings.push(finding);
        }
        findings.sort_by(|a, b| (&a.origin, a).cmp(&(&b.origin, b)));
        findings.dedup();
        Self { objects, locations, translation, findings, unsettled }
    }

    /// How many findings are errors.
    pub(crate) fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many findings are this severe.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// Gives a finding about an object that was read from a file its place there.
pub(crate) fn locate(finding: &mut Finding, locations: &BTreeMap<ObjectKey, Locations>) {
    let key = finding.subject.as_ref().and_then(crate::source::key_of);
    if let Some(locations) = key.and_then(|key| locations.get(&key)) {
        locations.locate(finding);
    }
}
