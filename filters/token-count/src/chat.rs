//! What a chat request costs besides its texts.

/// The tokens OpenAI's chat models add to the texts of a request: around every message, for its role, for its name if it
/// has one, and to start the reply. Add the counts of all contents and names to it.
///
/// The rule is that of OpenAI's cookbook ("How to count tokens with tiktoken"): 3 tokens per message and one per name, 3
/// for the reply; the role is one more token. It holds for plain text messages of GPT-3.5, GPT-4 and GPT-4o; OpenAI
/// publishes none for later models, tools and images. Count a tool's description and JSON schema as text: the provider
/// renders them more tersely, so that this is more than it bills.
pub fn chat_overhead(messages: usize, names: usize) -> usize {
    messages.saturating_mul(4).saturating_add(names).saturating_add(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encoding;

    #[test]
    fn roles_are_one_token() {
        for role in ["system", "user", "assistant", "tool", "developer"] {
            assert_eq!([Encoding::O200k.count(role), Encoding::Cl100k.count(role)], [1, 1], "{role}");
        }
    }

    /// The example of the cookbook, whose count its authors compared with the API's: 129 tokens of `gpt-4`, 124 of `gpt-4o`.
    #[test]
    fn the_cookbooks_example_is_counted_as_the_api_does() {
        let messages = [
            (
                "",
                "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
            ),
            ("example_user", "New synergies will help drive top-line growth."),
            ("example_assistant", "Things working well together will increase revenue."),
            (
                "example_user",
                "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
            ),
            ("example_assistant", "Let's talk later when we're less busy about how to do better."),
            ("", "This late pivot means we don't have time to boil the ocean for the client deliverable."),
        ];
        for (encoding, billed) in [(Encoding::Cl100k, 129), (Encoding::O200k, 124)] {
            let texts: usize =
                messages.iter().map(|(name, text)| encoding.count(name) + encoding.count(text)).sum();
            assert_eq!(texts + chat_overhead(6, 4), billed, "{encoding:?}");
        }
    }
}
