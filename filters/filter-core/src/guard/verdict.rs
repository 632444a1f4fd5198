//! What guards found, for logs and metrics. Never the text.

use filter_config::GUARDS_STATE;
use serde::Serialize;

use crate::Host;
use crate::metrics::{Labels, Metric};

/// What a guard made of a request or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It found nothing.
    Pass,
    /// It masked.
    Mask,
    /// It rejected.
    Reject,
    /// It could not be evaluated.
    Failed,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Mask => "mask",
            Self::Reject => "reject",
            Self::Failed => "failed",
        }
    }

    fn shadow_name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Mask => "shadow_mask",
            Self::Reject => "shadow_reject",
            Self::Failed => "failed",
        }
    }
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    guard: String,
    phase: &'static str,
    action: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    matches: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What the guards of one request found.
#[derive(Debug, Default)]
pub(super) struct Verdicts(Vec<Line>);

impl Verdicts {
    /// Notes what a guard made of its text, and counts it.
    pub(super) fn note(&mut self, host: &mut dyn Host, guard: &str, phase: &'static str, found: Found) {
        let action = if found.shadow { found.outcome.shadow_name() } else { found.outcome.name() };
        host.observe(Metric::GuardChecks, &Labels::new([guard, phase, action]), 1);
        if found.outcome == Outcome::Pass {
            return;
        }
        self.0.push(Line { guard: guard.to_owned(), phase, action, matches: found.matches });
        self.publish(host);
    }

    /// A guard that was noted because of what it had found until then has found more.
    pub(super) fn count(&mut self, host: &mut dyn Host, guard: &str, phase: &'static str, matches: u64) {
        let line = self.0.iter_mut().find(|line| line.guard == guard && line.phase == phase);
        if let Some(line) = line.filter(|line| line.matches < matches) {
            line.matches = matches;
            self.publish(host);
        }
    }

    fn publish(&self, host: &mut dyn Host) {
        if let Ok(json) = serde_json::to_vec(&self.0) {
            host.publish(GUARDS_STATE, &json);
        }
    }
}

/// What a guard found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) outcome: Outcome,
    /// How often, where it counts.
    pub(super) matches: u64,
    /// It only looks.
    pub(super) shadow: bool,
}
