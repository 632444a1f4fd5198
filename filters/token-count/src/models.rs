//! Which tokeniser the model of a request uses.

use crate::{Encoding, RunningCount};

/// How the tokens of a model are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tokeniser {
    /// The model's own tokeniser: the count is exact.
    Exact(Encoding),
    /// The model's tokeniser is not at hand: the count of another one, scaled.
    Estimated(Estimate),
}

/// An estimate of one tokeniser's count by another's. `docs/tokens.md` has the errors by language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Estimate {
    /// What is counted.
    pub base: Encoding,
    /// By how many hundredths the count is multiplied, rounding up.
    pub percent: u16,
    /// What the factor rests on.
    pub evidence: Evidence,
}

/// What an estimate's factor rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// Measured against the family's own tokeniser, which some package ships.
    Measured,
    /// Derived from a measured predecessor and what the provider publishes about the difference.
    Derived,
    /// Not measured: chosen so as to err on the side of too many.
    Assumed,
}

/// Names of models (in small letters, matched at the start of a name or behind one of `/ . :`), the first that matches
/// first, and the tokeniser.
const FAMILIES: &[(&[&str], Tokeniser)] = &[
    // tiktoken/model.py, and what OpenAI published since under names it has no line for.
    (
        &[
            "gpt-4o",
            "gpt-4.1",
            "gpt-4.5",
            "chatgpt-4o",
            "gpt-5",
            "gpt-oss",
            "o1",
            "o3",
            "o4-mini",
            "codex-mini",
        ],
        Tokeniser::Exact(Encoding::O200k),
    ),
    (
        &[
            "gpt-4",
            "gpt-3.5",
            "gpt-35",
            "text-embedding-3",
            "text-embedding-ada-002",
            "davinci-002",
            "babbage-002",
        ],
        Tokeniser::Exact(Encoding::Cl100k),
    ),
    // The tokeniser of @anthropic-ai/tokenizer.
    (
        &["claude-2", "claude-v2", "claude-instant", "claude-1"],
        estimated(Encoding::Cl100k, 115, Evidence::Measured),
    ),
    // platform.claude.com, "Token counting": some 30 % more from Opus 4.7, Sonnet 5, Fable 5 and Mythos 5 on.
    (
        &[
            "claude-opus-4-7",
            "claude-opus-4-8",
            "claude-opus-4-9",
            "claude-opus-4.7",
            "claude-opus-4.8",
            "claude-opus-4.9",
        ],
        estimated(Encoding::Cl100k, 160, Evidence::Derived),
    ),
    (
        &["claude-3", "claude-opus-4", "claude-sonnet-4", "claude-haiku-4"],
        estimated(Encoding::Cl100k, 125, Evidence::Derived),
    ),
    (&["claude"], estimated(Encoding::Cl100k, 160, Evidence::Derived)),
    // The SentencePiece models of mistral-common: before Nemo, and the large ones before 2512.
    (
        &[
            "mixtral",
            "open-mixtral",
            "open-mistral-7b",
            "mistral-7b",
            "mistral-tiny",
            "mistral-large-24",
            "mistral-small-24",
            "mistral-medium-23",
            "codestral-24",
            "codestral-22b",
            "mathstral",
        ],
        estimated(Encoding::Cl100k, 125, Evidence::Measured),
    ),
    // Tekken.
    (
        &["mistral", "ministral", "open-mistral", "pixtral", "codestral", "devstral", "magistral", "voxtral"],
        estimated(Encoding::O200k, 110, Evidence::Measured),
    ),
    (
        &["llama2", "llama-2", "meta-llama-2", "codellama"],
        estimated(Encoding::Cl100k, 130, Evidence::Measured),
    ),
    (&["llama4", "llama-4", "meta-llama-4"], estimated(Encoding::O200k, 115, Evidence::Assumed)),
    (&["llama", "meta-llama"], estimated(Encoding::Cl100k, 100, Evidence::Measured)),
    (&["gemini", "gemma", "text-embedding-004"], estimated(Encoding::O200k, 120, Evidence::Assumed)),
];

/// For every other name.
const UNKNOWN: Tokeniser = estimated(Encoding::O200k, 125, Evidence::Assumed);

const fn estimated(base: Encoding, percent: u16, evidence: Evidence) -> Tokeniser {
    Tokeniser::Estimated(Estimate { base, percent, evidence })
}

impl Tokeniser {
    /// The tokeniser of a model as requests name it: `gpt-4o-mini`, `ft:gpt-4o:org::id`, `models/gemini-2.5-pro`,
    /// `us.anthropic.claude-sonnet-4-5-20250929-v1:0`, an ARN ending in any of these. A name that says nothing (an Azure
    /// deployment, an alias) gets a cautious estimate.
    pub fn for_model(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        let starts =
            std::iter::once(0).chain(model.match_indices(['/', '.', ':']).map(|(place, _)| place + 1));
        let parts: Vec<&str> = starts.filter_map(|start| model.get(start..)).collect();
        let family = FAMILIES
            .iter()
            .find(|(names, _)| names.iter().any(|name| parts.iter().any(|part| is(part, name))));
        family.map_or(UNKNOWN, |(_, tokeniser)| *tokeniser)
    }

    /// The encoding that is counted.
    pub fn base(self) -> Encoding {
        match self {
            Tokeniser::Exact(encoding) => encoding,
            Tokeniser::Estimated(estimate) => estimate.base,
        }
    }

    /// Turns a count of [`base`](Self::base) into one of this tokeniser. Zero stays zero.
    pub fn scale(self, tokens: usize) -> usize {
        match self {
            Tokeniser::Exact(_) => tokens,
            Tokeniser::Estimated(estimate) => {
                let percent = usize::from(estimate.percent);
                // In two parts, so that no count overflows 32 bits in WebAssembly.
                (tokens / 100).saturating_mul(percent).saturating_add((tokens % 100 * percent).div_ceil(100))
            }
        }
    }

    /// The tokens of `text`; see [`Encoding::count`].
    pub fn count(self, text: &str) -> usize {
        self.scale(self.base().count(text))
    }

    /// A count of a text that arrives in parts, in tokens of [`base`](Self::base): [`scale`](Self::scale) its totals.
    pub fn running(self) -> RunningCount {
        RunningCount::new(self.base())
    }
}

/// Whether a name starts with a family's. One that ends in a digit must end there: `o1` is not `o12`, nor `claude-1`
/// `claude-10`; the two-digit years of Mistral's dates go on.
fn is(part: &str, name: &str) -> bool {
    let Some(rest) = part.strip_prefix(name) else { return false };
    let number_goes_on = rest.starts_with(|next: char| next.is_ascii_digit());
    let is_year = name.ends_with("-24") || name.ends_with("-23");
    !(number_goes_on && name.ends_with(|last: char| last.is_ascii_digit())) || is_year
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_have_the_tokeniser_of_their_family() {
        let estimate = |model| match Tokeniser::for_model(model) {
            Tokeniser::Estimated(Estimate { base, percent, .. }) => Some((base, percent)),
            Tokeniser::Exact(_) => None,
        };
        let exact = |encoding| move |model: &&str| Tokeniser::for_model(model) != Tokeniser::Exact(encoding);
        let o200k = [
            "gpt-4o",
            "gpt-4o-mini-2024-07-18",
            "GPT-4o",
            "gpt-4.1-nano",
            "gpt-5",
            "gpt-5.1-codex",
            "o1-preview",
            "o3",
            "o4-mini",
            "ft:gpt-4o-mini-2024-07-18:org:name:id",
            "openai/gpt-4o",
            "openai.gpt-oss-120b-1:0",
            "azure/gpt-4o",
            "chatgpt-4o-latest",
        ];
        assert_eq!(o200k.iter().find(|model| exact(Encoding::O200k)(model)), None);
        let cl100k = [
            "gpt-4",
            "gpt-4-turbo",
            "gpt-4-0613",
            "gpt-3.5-turbo",
            "gpt-35-turbo-16k",
            "text-embedding-3-large",
            "ft:gpt-3.5-turbo:x",
        ];
        assert_eq!(cl100k.iter().find(|model| exact(Encoding::Cl100k)(model)), None);
        for (model, base, percent) in [
            ("anthropic.claude-v2:1", Encoding::Cl100k, 115),
            ("claude-3-5-sonnet-20241022", Encoding::Cl100k, 125),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Encoding::Cl100k, 125),
            ("claude-opus-4-1@20250805", Encoding::Cl100k, 125),
            ("claude-opus-4-7", Encoding::Cl100k, 160),
            ("anthropic/claude-opus-4.8", Encoding::Cl100k, 160),
            ("anthropic/claude-3.5-sonnet", Encoding::Cl100k, 125),
            ("claude-sonnet-5", Encoding::Cl100k, 160),
            (
                "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
                Encoding::Cl100k,
                125,
            ),
            ("models/gemini-2.5-pro", Encoding::O200k, 120),
            ("meta.llama3-1-70b-instruct-v1:0", Encoding::Cl100k, 100),
            ("us.meta.llama4-scout-17b-instruct-v1:0", Encoding::O200k, 115),
            ("meta-llama/Llama-2-7b-chat-hf", Encoding::Cl100k, 130),
            ("mistral.mistral-large-2402-v1:0", Encoding::Cl100k, 125),
            ("mistral.mixtral-8x7b-instruct-v0:1", Encoding::Cl100k, 125),
            ("mistral-large-latest", Encoding::O200k, 110),
            ("us.amazon.nova-pro-v1:0", Encoding::O200k, 125),
            ("my-deployment", Encoding::O200k, 125),
            ("", Encoding::O200k, 125),
            ("o12", Encoding::O200k, 125),
        ] {
            assert_eq!(estimate(model), Some((base, percent)), "{model}");
        }
    }

    #[test]
    fn estimates_round_up_and_do_not_overflow() {
        let tokeniser = Tokeniser::for_model("claude-2");
        assert_eq!([0, 1, 100, 101, 1_000].map(|tokens| tokeniser.scale(tokens)), [0, 2, 115, 117, 1_150]);
        assert!(tokeniser.scale(usize::MAX) >= usize::MAX - 1);
        assert_eq!(Tokeniser::for_model("gpt-4").scale(usize::MAX), usize::MAX);
    }
}
