//! The two encodings that are counted exactly.

use crate::merge::{self, Scratch};
use crate::pieces::Pattern;
use crate::vocabulary::{CL100K_BASE, O200K_BASE, Vocabulary};

/// A tokeniser of OpenAI, counted exactly as `tiktoken`'s `encode_ordinary` does: text that looks like a special token
/// (`<|endoftext|>`) is ordinary text, as it is to the provider when it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `o200k_base`: GPT-4o and later, the o series. For ordinary text also `o200k_harmony` (gpt-oss), which differs
    /// in its special tokens only.
    O200k,
    /// `cl100k_base`: GPT-4, GPT-3.5 and the OpenAI embedding models.
    Cl100k,
}

impl Encoding {
    /// The number of tokens of `text`. Linear in its length, whatever it holds; the memory used meanwhile does not
    /// grow with it (half a megabyte at most, for text without any word boundary; usually under a kilobyte).
    pub fn count(self, text: &str) -> usize {
        let mut scratch = Scratch::default();
        let mut total = 0;
        let bytes = text.as_bytes();
        let mut start = 0;
        while start < bytes.len() {
            let end = self.pattern().piece(bytes, start).end;
            total += merge::count(self.vocabulary(), bytes.get(start..end).unwrap_or_default(), &mut scratch);
            start = end;
        }
        total
    }

    /// Bytes of this encoding's tables in the binary, and so in the memory of every WebAssembly VM.
    pub fn table_bytes(self) -> usize {
        self.vocabulary().table_bytes()
    }

    #[inline]
    pub(crate) fn pattern(self) -> Pattern {
        match self {
            Encoding::O200k => Pattern::O200k,
            Encoding::Cl100k => Pattern::Cl100k,
        }
    }

    #[inline]
    pub(crate) fn vocabulary(self) -> &'static Vocabulary {
        match self {
            Encoding::O200k => &O200K_BASE,
            Encoding::Cl100k => &CL100K_BASE,
        }
    }
}
