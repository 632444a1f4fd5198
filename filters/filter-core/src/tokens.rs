//! Tokens counted here, where no provider counts them.

use llm_dialects::count_tokens::texts;
use llm_dialects::hub::Request;
use token_count::Tokeniser;

/// How many input tokens a request to `model` has: exact for text where the model's tokeniser is known, else an
/// estimate; messages, tools and images by fixed numbers. See docs/tokens.md.
pub(crate) fn of_request(model: &str, request: &Request<'_>) -> u64 {
    let tokeniser = Tokeniser::for_model(model);
    let mut tokens = 0_u64;
    let extras = texts(request, &mut |text| {
        tokens = tokens.saturating_add(u64::try_from(tokeniser.count(text)).unwrap_or(u64::MAX));
    });
    tokens.saturating_add(extras.tokens())
}

#[cfg(test)]
mod tests {
    use llm_dialects::Dialect;

    use super::*;

    #[test]
    fn text_is_counted_exactly() {
        let body = br#"{"model":"gpt-4o","messages":[{"role":"user","content":"hello world"}]}"#;
        let request = Dialect::OpenaiChat.decode_request(body).unwrap();
        // Two tokens of text, three for the message and three for the reply to come.
        assert_eq!(of_request("gpt-4o", &request), 8);
    }
}
