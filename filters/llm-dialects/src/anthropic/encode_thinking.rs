//! Thinking in requests, and what follows from it for `max_tokens` and the effort.
//! <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>

use super::encode_messages::open_turn_lacks_thinking;
use super::encode_request::DEFAULT_MAX_TOKENS;
use super::models::{Ask, Off, Rules};
use super::out::{self, Message};
use crate::hub::{Effort, Request, Thinking, ToolChoice};

/// The smallest thinking budget the API takes.
pub(crate) const MIN_THINKING_BUDGET: u64 = 1024;

/// Thinking as it is asked for.
pub(super) struct Plan {
    pub(super) max_tokens: u64,
    pub(super) thinking: Option<out::Thinking>,
    /// `output_config.effort`.
    pub(super) effort: Option<&'static str>,
}

impl Plan {
    /// Whether the answer begins with thinking that was asked for.
    pub(super) fn thinks(&self) -> bool {
        self.thinking.as_ref().is_some_and(|thinking| matches!(thinking.kind, "enabled" | "adaptive"))
    }
}

/// What to ask the model of `rules` for.
pub(super) fn plan(request: &Request<'_>, messages: &[Message<'_>], rules: &Rules) -> Plan {
    let max_tokens = request.max_output_tokens.or(rules.max_output).unwrap_or(DEFAULT_MAX_TOKENS);
    let plain = Plan { max_tokens, thinking: None, effort: None };
    let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    match request.thinking {
        None => plain,
        Some(Thinking::Disabled) => match (rules.effort, rules.off) {
            (Ask::Nothing, _) => plain,
            (_, Off::Disabled) => Plan { thinking: Some(kind("disabled")), ..plain },
            (_, Off::BetweenTools) => Plan { thinking: Some(kind("between_tools")), ..plain },
            (_, Off::LowEffort) => Plan { effort: Some("low"), ..plain },
        },
        Some(Thinking::Effort(effort)) => match rules.effort {
            Ask::Nothing => plain,
            // The effort counts without thinking, too; thinking would forbid the forced call.
            Ask::Adaptive if forced => Plan { effort: Some(effort_name(effort, rules)), ..plain },
            Ask::Adaptive => adaptive(Some(effort), rules, plain),
            Ask::Budget if forced => plain,
            Ask::Budget => with_budget(budget(effort), request, messages, rules),
        },
        Some(Thinking::Adaptive(effort)) if rules.adaptive => adaptive(effort, rules, plain),
        Some(Thinking::Adaptive(effort)) if rules.budgets => {
            with_budget(budget(effort.unwrap_or(Effort::High)), request, messages, rules)
        }
        Some(Thinking::Budget(budget)) if rules.budgets => {
            with_budget(budget.max(MIN_THINKING_BUDGET), request, messages, rules)
        }
        Some(Thinking::Budget(budget)) if rules.adaptive => adaptive(Some(effort_of(budget)), rules, plain),
        Some(Thinking::Adaptive(_) | Thinking::Budget(_)) => plain,
    }
}

/// The model may skip this kind of thinking, so the API does not look at the open turn.
fn adaptive(effort: Option<Effort>, rules: &Rules, plain: Plan) -> Plan {
    let effort = effort.map(|effort| effort_name(effort, rules));
    Plan { thinking: Some(kind("adaptive")), effort, ..plain }
}

fn with_budget(budget: u64, request: &Request<'_>, messages: &[Message<'_>], rules: &Rules) -> Plan {
    let max_tokens = match (request.max_output_tokens, rules.max_output) {
        (Some(asked), _) => asked,
        (None, Some(longest)) => longest,
        (None, None) => DEFAULT_MAX_TOKENS.saturating_add(budget),
    };
    // The budget has to be smaller than `max_tokens`.
    if max_tokens <= MIN_THINKING_BUDGET || open_turn_lacks_thinking(messages) {
        let max_tokens = request.max_output_tokens.or(rules.max_output).unwrap_or(DEFAULT_MAX_TOKENS);
        return Plan { max_tokens, thinking: None, effort: None };
    }
    let budget_tokens = Some(budget.min(max_tokens.saturating_sub(1)));
    Plan { max_tokens, thinking: Some(out::Thinking { kind: "enabled", budget_tokens }), effort: None }
}

fn kind(kind: &'static str) -> out::Thinking {
    out::Thinking { kind, budget_tokens: None }
}

/// The thinking budget an effort level stands for.
pub(crate) fn budget(effort: Effort) -> u64 {
    match effort {
        Effort::Minimal | Effort::Low => MIN_THINKING_BUDGET,
        Effort::Medium => 2048,
        Effort::High => 4096,
        Effort::XHigh => 8192,
        Effort::Max => 16384,
    }
}

/// The effort level a budget stands for: the smallest whose own budget is as large.
pub(crate) fn effort_of(tokens: u64) -> Effort {
    [Effort::Low, Effort::Medium, Effort::High, Effort::XHigh]
        .into_iter()
        .find(|&effort| tokens <= budget(effort))
        .unwrap_or(Effort::Max)
}

/// What an effort level is called, for a model of these rules.
pub(crate) fn effort_name(effort: Effort, rules: &Rules) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh if rules.xhigh => "xhigh",
        Effort::XHigh => "high",
        Effort::Max => "max",
    }
}
