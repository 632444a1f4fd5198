//! Reasoning in requests: each family of models is asked in its own way.

use super::encode_messages::open_turn_lacks_thinking;
use super::models::{Reasoning, Rules};
use super::out::Message;
use super::request_out::{NovaReasoning, Thinking as OutThinking};
use crate::anthropic::encode_thinking::{MIN_THINKING_BUDGET, budget, effort_name, effort_of};
use crate::anthropic::models::{Ask, Off, Rules as ClaudeRules};
use crate::hub::{Effort, Request, Thinking};

/// `maxTokens` next to a thinking budget when neither the client nor the rules of the model name one, less the budget.
const ROOM_FOR_ANSWER: u64 = 4096;

/// Reasoning as it is asked for.
#[derive(Default)]
pub(super) struct Plan {
    /// `inferenceConfig.maxTokens`.
    pub(super) max_tokens: Option<u64>,
    pub(super) thinking: Option<OutThinking>,
    /// `output_config.effort` of Claude.
    pub(super) effort: Option<&'static str>,
    pub(super) nova: Option<NovaReasoning>,
    pub(super) reasoning_effort: Option<&'static str>,
    /// The model refuses other sampling parameters than its own next to this.
    pub(super) fixed_sampling: bool,
}

/// What to ask the model of `rules` for. `forced` says that the answer has to be a tool call, which Claude refuses
/// together with thinking.
pub(super) fn plan(request: &Request<'_>, messages: &[Message<'_>], rules: &Rules, forced: bool) -> Plan {
    let plain = Plan { max_tokens: request.max_output_tokens, ..Plan::default() };
    let Some(thinking) = request.thinking else { return plain };
    match (rules.reasoning, &rules.claude) {
        (Reasoning::Claude, Some(claude)) => of_claude(thinking, request, messages, claude, forced),
        (Reasoning::Nova, _) => of_nova(thinking, plain),
        (Reasoning::Effort, _) => Plan { reasoning_effort: level(thinking).map(low_to_high), ..plain },
        (Reasoning::No | Reasoning::Claude, _) => plain,
    }
}

fn of_claude(
    thinking: Thinking,
    request: &Request<'_>,
    messages: &[Message<'_>],
    rules: &ClaudeRules,
    forced: bool,
) -> Plan {
    let plain = Plan { max_tokens: request.max_output_tokens, ..Plan::default() };
    let kind = |kind| Some(OutThinking { kind, budget_tokens: None });
    let adaptive = |effort: Option<Effort>| {
        let effort = effort.map(|effort| effort_name(effort, rules));
        let max_tokens = request.max_output_tokens;
        let thinking = if forced { None } else { kind("adaptive") };
        let fixed_sampling = thinking.is_some();
        Plan { max_tokens, thinking, effort, fixed_sampling, ..Plan::default() }
    };
    let with_budget = |budget: u64| {
        let max_tokens = request.max_output_tokens.or(rules.max_output);
        let max_tokens = max_tokens.unwrap_or(ROOM_FOR_ANSWER.saturating_add(budget));
        // The budget has to be smaller than `maxTokens`.
        if forced || max_tokens <= MIN_THINKING_BUDGET || open_turn_lacks_thinking(messages) {
            return Plan { max_tokens: request.max_output_tokens, ..Plan::default() };
        }
        let budget_tokens = Some(budget.min(max_tokens.saturating_sub(1)));
        Plan {
            max_tokens: Some(max_tokens),
            thinking: Some(OutThinking { kind: "enabled", budget_tokens }),
            fixed_sampling: true,
            ..Plan::default()
        }
    };
    match thinking {
        Thinking::Disabled => match (rules.effort, rules.off) {
            (Ask::Nothing, _) => plain,
            (_, Off::Disabled) => Plan { thinking: kind("disabled"), ..plain },
            (_, Off::BetweenTools) => Plan { thinking: kind("between_tools"), ..plain },
            (_, Off::LowEffort) => Plan { effort: Some("low"), ..plain },
        },
        Thinking::Effort(effort) => match rules.effort {
            Ask::Nothing => plain,
            Ask::Adaptive => adaptive(Some(effort)),
            Ask::Budget => with_budget(budget(effort)),
        },
        Thinking::Adaptive(effort) if rules.adaptive => adaptive(effort),
        Thinking::Adaptive(effort) if rules.budgets => with_budget(budget(effort.unwrap_or(Effort::High))),
        Thinking::Budget(budget) if rules.budgets => with_budget(budget.max(MIN_THINKING_BUDGET)),
        Thinking::Budget(budget) if rules.adaptive => adaptive(Some(effort_of(budget))),
        Thinking::Adaptive(_) | Thinking::Budget(_) => plain,
    }
}

/// Nova 2 takes no `maxTokens`, temperature, top-p and top-k next to high effort, so with an output limit high effort is
/// asked for as medium.
fn of_nova(thinking: Thinking, plain: Plan) -> Plan {
    let Some(effort) = level(thinking) else {
        return Plan { nova: Some(NovaReasoning { kind: "disabled", max_reasoning_effort: None }), ..plain };
    };
    let name = match low_to_high(effort) {
        "high" if plain.max_tokens.is_some() => "medium",
        name => name,
    };
    Plan {
        nova: Some(NovaReasoning { kind: "enabled", max_reasoning_effort: Some(name) }),
        fixed_sampling: name == "high",
        ..plain
    }
}

/// The effort asked for in any way; `None` for none.
fn level(thinking: Thinking) -> Option<Effort> {
    match thinking {
        Thinking::Disabled => None,
        Thinking::Effort(effort) => Some(effort),
        Thinking::Budget(budget) => Some(effort_of(budget)),
        Thinking::Adaptive(effort) => Some(effort.unwrap_or(Effort::Medium)),
    }
}

fn low_to_high(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    }
}
