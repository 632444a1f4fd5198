//! How many tokens a piece of text is: byte-pair merging by rank, mostly without doing the merges.
//!
//! Merging a piece gives the one sequence of tokens whose neighbours can all stand beside each other
//! ([`Vocabulary::adjacent`]). So the sequence is searched from the left: take the longest token, step back to a
//! shorter one where it cannot stand beside its predecessor or leads nowhere. A place that led nowhere once is never
//! tried again. Ordinary text hardly ever needs a step back; some runs of one character need one at every place. The
//! search is given up then ([`search`]), and the merges are done after all ([`merge_by_rank`]).
//!
//! Any part of the sequence is what its own bytes merge into. That makes pieces of any length countable in windows of
//! bounded memory: [`settled`] finds a boundary that no continuation can move.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::vocabulary::{Match, Vocabulary, work};

/// Pieces longer than this many bytes are counted in windows. Bounds the scratch memory to some forty times as many
/// bytes, and is long enough for the settling of a window (a few hundred bytes looked at twice) not to matter.
const WINDOW: usize = 16 * 1024;

/// What a search may cost, in bytes looked at: a fixed part, and a part per byte of the piece. Text of any language
/// stays below half of that.
const PATIENCE: (usize, usize) = (256, 16);

/// Memory used again from piece to piece.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// The tokens of the piece, or up to the current place.
    tokens: Vec<u32>,
    /// Where each of them starts.
    starts: Vec<usize>,
    /// One bit for each place that leads nowhere.
    dead: Vec<u64>,
    /// For each place behind a settled boundary, the last and first token of the merged bytes from there to it.
    ends: Vec<Option<(u32, u32)>>,
    /// While merging: what starts at each byte.
    parts: Vec<Part>,
    /// While merging: the first merges possible, by rank and place.
    merges: Vec<u64>,
    /// While merging: those made possible by others.
    later: BinaryHeap<Reverse<u64>>,
}

/// A token while its piece is merged, at the byte it starts with. Neighbours are named by where they start.
#[derive(Clone, Copy, Debug)]
struct Part {
    token: u32,
    before: u32,
    after: u32,
    /// What it can merge into with the part behind it, or [`NO_MERGE`].
    merged: u32,
}

const NO_MERGE: u32 = u32::MAX;

/// The number of tokens of one piece.
#[inline]
pub(crate) fn count(vocabulary: &Vocabulary, piece: &[u8], scratch: &mut Scratch) -> usize {
    match vocabulary.longest_prefix(piece) {
        // A piece that is a token is one token.
        Some(whole) if whole.len == piece.len() => 1,
        Some(first) if piece.len() <= WINDOW => {
            if !search(vocabulary, piece, first, scratch) {
                merge_by_rank(vocabulary, piece, scratch);
            }
            scratch.tokens.len()
        }
        Some(_) => count_in_windows(vocabulary, piece, scratch),
        None => 0,
    }
}

fn count_in_windows(vocabulary: &Vocabulary, piece: &[u8], scratch: &mut Scratch) -> usize {
    let mut total = 0;
    let mut rest = piece;
    let mut size = WINDOW;
    let mut search_pays = true;
    // The window before, and what of it was settled: a long run of one thing is the same window again and again.
    let mut last: Option<(&[u8], Settled)> = None;
    loop {
        let window = rest.get(..size).unwrap_or(rest);
        if let Some((same, settled)) = last
            && window == same
            && window.len() < rest.len()
        {
            total += settled.tokens;
            rest = rest.get(settled.bytes..).unwrap_or_default();
            continue;
        }
        let Some(first) = vocabulary.longest_prefix(window) else { return total };
        search_pays = search_pays && search(vocabulary, window, first, scratch);
        if !search_pays {
            merge_by_rank(vocabulary, window, scratch);
        }
        if window.len() == rest.len() {
            return total + scratch.tokens.len();
        }
        match settled(vocabulary, window, scratch, |_| true) {
            Some(settled) => {
                last = Some((window, settled));
                total += settled.tokens;
                rest = rest.get(settled.bytes..).unwrap_or_default();
                size = WINDOW;
            }
            // Not met in practice: no boundary of this window is certain yet.
            None => size *= 2,
        }
    }
}

/// Leaves the tokens of `piece`, which starts with the token `first`, in `scratch`, and returns whether it could
/// without costing more than [`PATIENCE`] allows.
fn search(vocabulary: &Vocabulary, piece: &[u8], first: Match, scratch: &mut Scratch) -> bool {
    let Scratch { tokens, starts, dead, .. } = scratch;
    tokens.clear();
    starts.clear();
    dead.clear();
    dead.resize(piece.len() / 64 + 1, 0);
    let mut place = 0;
    let mut candidate = Some(first);
    let mut cost = 0;
    while place < piece.len() {
        cost += 4 + candidate.map_or(0, |next| next.len);
        if cost > PATIENCE.0 + PATIENCE.1 * piece.len() {
            return false;
        }
        let Some(next) = candidate else {
            // Nothing fits here. Take the last token back and go on with a shorter one.
            if let Some(word) = dead.get_mut(place / 64) {
                *word |= 1 << (place % 64);
            }
            let (Some(_), Some(start)) = (tokens.pop(), starts.pop()) else { return false };
            candidate = shorter(vocabulary, piece, start, place - start);
            place = start;
            continue;
        };
        let end = place + next.len;
        let leads_nowhere = dead.get(end / 64).is_some_and(|word| word >> (end % 64) & 1 == 1);
        if !leads_nowhere && tokens.last().is_none_or(|last| vocabulary.adjacent(*last, next.token)) {
            tokens.push(next.token);
            starts.push(place);
            place = end;
            candidate = piece.get(place..).and_then(|rest| vocabulary.longest_prefix(rest));
        } else {
            candidate = shorter(vocabulary, piece, place, next.len);
        }
    }
    true
}

/// The longest token at `place` with fewer than `len` bytes.
fn shorter(vocabulary: &Vocabulary, piece: &[u8], place: usize, len: usize) -> Option<Match> {
    vocabulary.longest_prefix(piece.get(place..(place + len).checked_sub(1)?)?)
}

/// Leaves the tokens of `piece` in `scratch` by doing the merges: the lowest rank first, the leftmost of equals.
fn merge_by_rank(vocabulary: &Vocabulary, piece: &[u8], scratch: &mut Scratch) {
    let Scratch { tokens, starts, parts, merges, later, .. } = scratch;
    parts.clear();
    merges.clear();
    later.clear();
    // The last byte has none behind it: `after` then lies outside, as `before` does for the first.
    parts.extend(piece.chunks(1).zip(0_u32..).map(|(byte, place)| Part {
        token: vocabulary.longest_prefix(byte).map_or(0, |single| single.token),
        before: place.wrapping_sub(1),
        after: place + 1,
        merged: NO_MERGE,
    }));
    for place in 0..parts.len() as u32 {
        if let Some(merge) = renew(vocabulary, parts, place) {
            merges.push(merge);
        }
    }
    merges.sort_unstable();
    let mut merges = merges.iter().copied().peekable();
    loop {
        let next = match (merges.peek(), later.peek()) {
            (Some(first), Some(Reverse(second))) if second < first => later.pop().map(|merge| merge.0),
            (None, _) => later.pop().map(|merge| merge.0),
            _ => merges.next(),
        };
        let Some(next) = next else { break };
        work::step();
        let (rank, place) = ((next >> 32) as u32, next as u32);
        let Some(part) = parts.get(place as usize).copied().filter(|part| part.merged == rank) else {
            continue;
        };
        let used_up = part.after;
        let behind = parts.get_mut(used_up as usize).map_or(u32::MAX, |right| {
            right.merged = NO_MERGE;
            right.token = NO_MERGE;
            right.after
        });
        if let Some(part) = parts.get_mut(place as usize) {
            (part.token, part.after) = (rank, behind);
        }
        if let Some(right) = parts.get_mut(behind as usize) {
            right.before = place;
        }
        later.extend(renew(vocabulary, parts, part.before).map(Reverse));
        later.extend(renew(vocabulary, parts, place).map(Reverse));
    }
    tokens.clear();
    starts.clear();
    for (place, part) in parts.iter().enumerate().filter(|(_, part)| part.token != NO_MERGE) {
        tokens.push(part.token);
        starts.push(place);
    }
}

/// Looks up what the part at `place` can merge into with the one behind it now; if it can, that merge's place in the
/// order: its rank, then the place.
fn renew(vocabulary: &Vocabulary, parts: &mut [Part], place: u32) -> Option<u64> {
    let part = *parts.get(place as usize)?;
    let merged = parts.get(part.after as usize).and_then(|right| vocabulary.merged(part.token, right.token));
    parts.get_mut(place as usize)?.merged = merged.unwrap_or(NO_MERGE);
    merged.map(|merged| (u64::from(merged) << 32) | u64::from(place))
}

/// The start of a piece that is decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settled {
    /// Its tokens.
    pub(crate) tokens: usize,
    /// Its bytes.
    pub(crate) bytes: usize,
}

/// A late boundary among the tokens of `window`, left in `scratch`, that stays one however the piece goes
/// on, and where `at` allows it; or `None` if there is none in reach.
///
/// However the piece goes on, its sequence has a boundary among the last `longest_token` places of the window. So a
/// boundary is settled if the merged bytes up to every one of these places have it; and they have it if the first
/// token of the bytes between can stand beside the last token before.
fn settled(
    vocabulary: &Vocabulary,
    window: &[u8],
    scratch: &mut Scratch,
    at: impl Fn(usize) -> bool,
) -> Option<Settled> {
    let Scratch { tokens, starts, ends, .. } = scratch;
    let longest = vocabulary.longest_token;
    for back in [longest * 2, longest * 8, longest * 20] {
        let index = starts.partition_point(|start| *start < window.len().saturating_sub(back));
        // The latest boundary before that where the text may be cut, and the token before it.
        let found = (1..index).rev().take(longest).find_map(|before| {
            let boundary = *starts.get(before)?;
            at(boundary).then_some((before, boundary, *tokens.get(before - 1)?))
        });
        let Some((before, boundary, last)) = found else { continue };
        let rest = window.get(boundary..)?;
        merged_ends(vocabulary, rest, ends);
        let holds = ends
            .iter()
            .skip((rest.len() + 1).saturating_sub(longest))
            .all(|end| end.is_some_and(|(_, first)| vocabulary.adjacent(last, first)));
        if holds {
            return Some(Settled { tokens: before, bytes: boundary });
        }
    }
    None
}

/// For every place of `bytes`, the last and the first token of what the bytes up to it merge into.
fn merged_ends(vocabulary: &Vocabulary, bytes: &[u8], ends: &mut Vec<Option<(u32, u32)>>) {
    ends.clear();
    ends.resize(bytes.len() + 1, None);
    for place in 0..bytes.len() {
        let here = ends.get(place).copied().flatten();
        if place > 0 && here.is_none() {
            continue;
        }
        vocabulary.each_prefix(bytes.get(place..).unwrap_or_default(), |next| {
            // What bytes merge into is one sequence: a place that has its last token has no other.
            let Some(end @ None) = ends.get_mut(place + next.len) else { return };
            match here {
                None => *end = Some((next.token, next.token)),
                Some((last, first)) if vocabulary.adjacent(last, next.token) => {
                    *end = Some((next.token, first))
                }
                Some(_) => {}
            }
        });
    }
}

/// The decided start of a piece of which only the start is known; cut only where `at` allows it.
pub(crate) fn settled_start(
    vocabulary: &Vocabulary,
    start: &[u8],
    scratch: &mut Scratch,
    at: impl Fn(usize) -> bool,
) -> Option<Settled> {
    if !search(vocabulary, start, vocabulary.longest_prefix(start)?, scratch) {
        merge_by_rank(vocabulary, start, scratch);
    }
    settled(vocabulary, start, scratch, at)
}

#[cfg(test)]
mod tests {
    use crate::Encoding;
    use crate::vocabulary::work;

    /// Steps per byte: characters classified, trie nodes visited, pairs looked up.
    fn steps_per_byte(encoding: Encoding, text: &str) -> f64 {
        let (steps, tokens) = work::of(|| encoding.count(text));
        assert!(tokens > 0);
        steps as f64 / text.len() as f64
    }

    fn random(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        }
    }

    /// The work per byte is bounded and does not grow with the text, whatever it is made of.
    #[test]
    fn work_is_linear_on_hostile_text() {
        let mut random = random(11);
        let mut of = |alphabet: &str| -> String {
            let characters: Vec<char> = alphabet.chars().collect();
            (0..240_000).map(|_| characters[random(characters.len() as u64) as usize]).collect()
        };
        let mut texts = vec![
            of("ab"),
            of("abcdefghijklmnopqrstuvwxyz"),
            of(" \n\t\r"),
            of("!#$%&()*+,-./:;<=>?@"),
            of("0123456789"),
            of("的一是不了人我在有他这中大来上"),
            of("\u{301}\u{20dd}aA中"),
            of("'sStTlLrReE"),
            of("-="),
            format!("{}=", "-".repeat(9_000)).repeat(26),
            format!("{}/", "*".repeat(700)).repeat(340),
        ];
        texts.extend(
            ["a", "A", " ", "\n", "!", "'", "中", "\u{301}", "\u{20000}", "/", "=", "0", "aA"]
                .map(|run| run.repeat(240_000)),
        );
        texts.push(format!("中{}", "A".repeat(240_000)));
        texts.push(
            (0..240_000_u64)
                .filter_map(|point| char::from_u32((point * 2654435761 % 0x11_0000) as u32))
                .collect(),
        );
        for text in texts {
            for encoding in [Encoding::O200k, Encoding::Cl100k] {
                let quarter = &text[..text.floor_char_boundary(text.len() / 4)];
                let start: String = text.chars().take(8).collect();
                let whole = steps_per_byte(encoding, &text);
                assert!(whole < 60.0, "{encoding:?} {start:?}: {whole} steps per byte");
                let quarter = steps_per_byte(encoding, quarter);
                assert!(
                    whole < quarter * 1.3 + 1.0,
                    "{encoding:?} {start:?}: {quarter} steps per byte became {whole}"
                );
            }
        }
    }

    #[test]
    fn text_arriving_byte_by_byte_costs_as_much_as_arriving_whole() {
        for text in ["a".repeat(100_000), " ".repeat(100_000), "words and more words, ".repeat(4_000)] {
            let (whole, _) = work::of(|| Encoding::O200k.count(&text));
            let (parts, _) = work::of(|| {
                let mut running = crate::RunningCount::new(Encoding::O200k);
                for character in text.chars() {
                    running.push(character.encode_utf8(&mut [0; 4]));
                }
                running.decided()
            });
            assert!(parts < whole * 3 + 5 * text.len() as u64, "{parts} steps in parts, {whole} whole");
        }
    }
}
