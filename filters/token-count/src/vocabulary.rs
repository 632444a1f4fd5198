//! The tables of one vocabulary, ready in the binary: no heap, nothing built at first use.
//!
//! Made by `build.rs` from `tables/*.merges`. A token is its rank in tiktoken's vocabulary; the ranks of two tokens say
//! which was learnt first, and so which merge comes first.

use crate::pair_hash;

include!(concat!(env!("OUT_DIR"), "/vocabularies.rs"));

/// The single bytes are the first 256 ranks of both vocabularies; all others are merges of two older tokens.
pub(crate) const SINGLE_BYTES: u32 = 256;

/// A token found at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Match {
    /// The token's rank.
    pub(crate) token: u32,
    /// Its length in bytes.
    pub(crate) len: usize,
}

/// One vocabulary.
pub(crate) struct Vocabulary {
    /// Double-array trie; `build.rs` describes a unit.
    pub(crate) trie: &'static [[u8; 4]],
    /// For each token from rank 256 on its two halves, three bytes each, little endian.
    pub(crate) merges: &'static [[u8; 6]],
    /// Per bucket of the pair table.
    pub(crate) displacements: &'static [u8],
    /// Slots of the pair table: merged token and fingerprint.
    pub(crate) pairs: &'static [[u8; 3]],
    /// The pair table has two to this power slots, and a quarter as many buckets.
    pub(crate) pair_slot_bits: u32,
    /// Bytes of the longest token.
    pub(crate) longest_token: usize,
}

impl Vocabulary {
    /// Bytes of all tables.
    pub(crate) fn table_bytes(&self) -> usize {
        self.trie.len() * 4 + self.merges.len() * 6 + self.displacements.len() + self.pairs.len() * 3
    }

    /// Calls `found` for every token that `bytes` starts with, shortest first.
    #[inline]
    pub(crate) fn each_prefix(&self, bytes: &[u8], mut found: impl FnMut(Match)) {
        let mut base = 0;
        for (byte, len) in bytes.iter().zip(1..) {
            let label = u32::from(*byte) + 1;
            let unit = self.unit(base + label);
            if unit & 511 != label {
                return;
            }
            work::step();
            base = unit >> 11;
            if unit & LEAF != 0 {
                return found(Match { token: base, len });
            }
            if unit & TOKEN != 0 {
                found(Match { token: self.unit(base) >> 11, len });
            }
        }
    }

    /// The longest token that `bytes` starts with. None only if `bytes` is empty, since every byte is a token.
    #[inline]
    pub(crate) fn longest_prefix(&self, bytes: &[u8]) -> Option<Match> {
        let mut base = 0;
        // The base of the last token seen that other tokens continue, and its length: its rank is read only if no
        // longer one follows.
        let mut last = None;
        for (byte, len) in bytes.iter().zip(1..) {
            let label = u32::from(*byte) + 1;
            let unit = self.unit(base + label);
            if unit & 511 != label {
                break;
            }
            work::step();
            base = unit >> 11;
            if unit & LEAF != 0 {
                return Some(Match { token: base, len });
            }
            if unit & TOKEN != 0 {
                last = Some((base, len));
            }
        }
        last.map(|(base, len)| Match { token: self.unit(base) >> 11, len })
    }

    #[inline]
    fn unit(&self, at: u32) -> u32 {
        // Past the end is no unit of anybody: bases reach closer to the end than the highest label.
        self.trie.get(at as usize).map_or(FREE, |unit| u32::from_le_bytes(*unit))
    }

    /// The two halves of a token, or `None` for a single byte.
    #[inline]
    fn halves(&self, token: u32) -> Option<(u32, u32)> {
        let [a, b, c, d, e, f] = *self.merges.get(token.checked_sub(SINGLE_BYTES)? as usize)?;
        Some((u32::from_le_bytes([a, b, c, 0]), u32::from_le_bytes([d, e, f, 0])))
    }

    /// The token two adjacent tokens merge into.
    #[inline]
    pub(crate) fn merged(&self, left: u32, right: u32) -> Option<u32> {
        work::step();
        let spread = pair_hash::spread(left, right);
        let bits = self.pair_slot_bits;
        let displacement = *self.displacements.get(pair_hash::bucket(spread, bits - 2))?;
        let [a, b, c] = *self.pairs.get(pair_hash::slot(spread, displacement, bits))?;
        let slot = u32::from_le_bytes([a, b, c, 0]);
        if slot & 63 != pair_hash::fingerprint(spread) {
            return None;
        }
        let token = slot >> 6;
        (self.halves(token) == Some((left, right))).then_some(token)
    }

    /// Whether two tokens can stand beside each other in an encoding: that is, whether merging the bytes of both by
    /// rank leaves exactly these two.
    ///
    /// Merging is played backwards. Going back in time, the token at either side of the boundary falls into its
    /// halves when the time of its rank is reached, the younger one first; of two equal ones the right one, because
    /// equal merges are done from left to right. A pair that stood across the boundary would have merged if its own
    /// time lies before the moment one of the two was used up (`used_up`).
    #[inline]
    pub(crate) fn adjacent(&self, mut left: u32, mut right: u32) -> bool {
        let mut used_up = u32::MAX;
        loop {
            if self.merged(left, right).is_some_and(|merged| merged < used_up) {
                return false;
            }
            if left > right {
                // At the very rank of `left` its own merge, further left, went first: the same rank does no harm.
                used_up = left;
                match self.halves(left) {
                    Some((_, inner)) => left = inner,
                    None => return true,
                }
            } else {
                // At the very rank of `right` a merge across the boundary, further left, would have gone first.
                used_up = right.saturating_add(1);
                match self.halves(right) {
                    Some((inner, _)) => right = inner,
                    None => return true,
                }
            }
        }
    }
}

const FREE: u32 = 511;
const LEAF: u32 = 1 << 9;
const TOKEN: u32 = 1 << 10;

/// Counts the steps taken, in tests only: what must not grow faster than the input.
pub(crate) mod work {
    #[cfg(test)]
    std::thread_local! {
        static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }

    #[inline(always)]
    pub(crate) fn step() {
        #[cfg(test)]
        STEPS.with(|steps| steps.set(steps.get() + 1));
    }

    /// The steps `job` took on this thread.
    #[cfg(test)]
    pub(crate) fn of<T>(job: impl FnOnce() -> T) -> (u64, T) {
        let before = STEPS.with(std::cell::Cell::get);
        let value = job();
        (STEPS.with(std::cell::Cell::get) - before, value)
    }
}
