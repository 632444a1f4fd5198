//! Extended thinking (<https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking>): the `thinking`
//! parameter, and the signature that lets the provider recognise its own thinking.

use serde_json::Value;

use super::errors::Rejection;
use crate::json::{present, text};

/// Smallest `budget_tokens` (same page).
const LEAST_BUDGET: u64 = 1024;

/// The `thinking` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Absent or `disabled`.
    Off,
    /// `enabled`, with a budget: a tool loop must then keep its thinking blocks.
    Enabled(Display),
    /// `adaptive`: the demo provider always thinks.
    Adaptive(Display),
}

/// `thinking.display`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Display {
    /// The thinking is shown.
    Summarized,
    /// The block is there and signed, but empty.
    Omitted,
}

impl Mode {
    /// The thinking as the client sees it.
    pub(crate) fn shown(self, thinking: &str) -> &str {
        match self {
            Self::Enabled(Display::Omitted) | Self::Adaptive(Display::Omitted) => "",
            _ => thinking,
        }
    }
}

/// Reads and checks the parameter.
pub(crate) fn read(body: &Value, max_tokens: u64) -> Result<Mode, Rejection> {
    let Some(thinking) = present(body, "thinking") else {
        return Ok(Mode::Off);
    };
    let display = match present(thinking, "display").map(Value::as_str) {
        None | Some(Some("summarized")) => Display::Summarized,
        Some(Some("omitted")) => Display::Omitted,
        Some(_) => {
            return Err(Rejection::invalid("thinking.display: must be 'summarized' or 'omitted'"));
        }
    };
    let mode = match text(thinking, "type") {
        Some("disabled") => return Ok(Mode::Off),
        Some("adaptive") => Mode::Adaptive(display),
        Some("enabled") => {
            let budget = thinking
                .get("budget_tokens")
                .and_then(Value::as_u64)
                .ok_or_else(|| Rejection::invalid("thinking.enabled.budget_tokens: a number is required"))?;
            if budget < LEAST_BUDGET {
                let message = format!("thinking.enabled.budget_tokens: must be at least {LEAST_BUDGET}");
                return Err(Rejection::invalid(message));
            }
            if budget >= max_tokens {
                return Err(Rejection::invalid("`max_tokens` must be larger than `thinking.budget_tokens`"));
            }
            Mode::Enabled(display)
        }
        _ => {
            let message = "thinking.type: the demo provider has 'enabled', 'adaptive' and 'disabled'";
            return Err(Rejection::invalid(message));
        }
    };
    let choice = body.get("tool_choice").and_then(|choice| text(choice, "type"));
    if matches!(choice, Some("any" | "tool")) {
        return Err(Rejection::invalid("tool_choice: a tool cannot be forced while `thinking` is on"));
    }
    if body.get("temperature").and_then(Value::as_f64).is_some_and(|temperature| temperature != 1.0) {
        return Err(Rejection::invalid("temperature: must be 1 while `thinking` is on"));
    }
    Ok(mode)
}

/// The signature of a thinking text. It recognises text that was changed or signed elsewhere, so that a client or a
/// gateway that does not pass thinking back untouched meets the same refusal as at Anthropic; it is a checksum (64-bit
/// FNV-1a), not cryptography.
pub(crate) fn sign(shown: &str) -> String {
    let hash = shown.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("WeirDemoSignature{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(body: Value) -> bool {
        read(&body, 2048).is_err()
    }

    #[test]
    fn the_three_types() {
        let mode = |thinking: Value| read(&json!({"thinking": thinking}), 2048);
        assert_eq!(read(&json!({}), 1), Ok(Mode::Off));
        assert_eq!(mode(json!({"type": "disabled"})), Ok(Mode::Off));
        assert_eq!(
            mode(json!({"type": "enabled", "budget_tokens": 1024})),
            Ok(Mode::Enabled(Display::Summarized))
        );
        let omitted = mode(json!({"type": "adaptive", "display": "omitted"}));
        assert_eq!(omitted, Ok(Mode::Adaptive(Display::Omitted)));
        assert_eq!(Mode::Adaptive(Display::Omitted).shown("x"), "");
    }

    #[test]
    fn what_anthropic_refuses() {
        let enabled = json!({"type": "enabled", "budget_tokens": 1024});
        assert!(refused(json!({"thinking": {"type": "enabled"}})));
        assert!(refused(json!({"thinking": {"type": "enabled", "budget_tokens": 1023}})));
        assert!(refused(json!({"thinking": {"type": "enabled", "budget_tokens": 2048}})));
        assert!(refused(json!({"thinking": {"type": "sometimes"}})));
        assert!(refused(json!({"thinking": enabled, "tool_choice": {"type": "any"}})));
        assert!(refused(json!({"thinking": enabled, "temperature": 0.5})));
        assert!(!refused(json!({"thinking": enabled, "temperature": 1})));
    }

    #[test]
    fn a_signature_depends_on_every_byte() {
        assert_eq!(sign("abc"), sign("abc"));
        assert_ne!(sign("abc"), sign("abd"));
        assert_ne!(sign(""), sign("a"));
    }
}
