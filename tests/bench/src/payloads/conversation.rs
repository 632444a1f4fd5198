//! What is talked about: one conversation of 2 KB, longer ones of made-up prose, and the text of every answer.

/// Chunks of content in a streamed answer.
pub(crate) const STREAM_CHUNKS: usize = 50;

/// A system prompt and turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conversation {
    pub(super) system: String,
    /// User and assistant in turn, the user first and last.
    pub(super) turns: Vec<Turn>,
}

/// What one side says at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) by_user: bool,
    pub(super) text: String,
}

impl Turn {
    /// The role, in the words of all dialects but Gemini's.
    pub(super) fn role(&self) -> &'static str {
        if self.by_user { "user" } else { "assistant" }
    }
}

/// Bytes of a made-up turn, about what people paste.
const TURN_BYTES: usize = 2000;

impl Conversation {
    /// A question to a shop, 2 KB of JSON in every dialect.
    pub(crate) fn short() -> Self {
        let turns = TURNS.iter().enumerate();
        let turns = turns.map(|(n, text)| Turn { by_user: n % 2 == 0, text: (*text).to_owned() });
        Self { system: SYSTEM.to_owned(), turns: turns.collect() }
    }

    /// Turns of prose with this many bytes of text, give or take a turn.
    pub(crate) fn of_length(bytes: usize) -> Self {
        // An odd number of turns: the user has the last word.
        let count = (bytes / TURN_BYTES) | 1;
        let all = prose(count * TURN_BYTES);
        let mut rest = all.as_str();
        let mut turns = Vec::with_capacity(count);
        for n in 0..count {
            let (text, after) = rest.split_at(TURN_BYTES.min(rest.len()));
            turns.push(Turn { by_user: n % 2 == 0, text: text.to_owned() });
            rest = after;
        }
        Self { system: SYSTEM.to_owned(), turns }
    }

    /// The same, the user's last words being about `text`.
    pub(crate) fn ending_with(mut self, text: &str) -> Self {
        if let Some(last) = self.turns.last_mut() {
            last.text.push_str(" My contact is ");
            last.text.push_str(text);
            last.text.push('.');
        }
        self
    }

    /// All of its text.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.system.as_str()).chain(self.turns.iter().map(|turn| turn.text.as_str()))
    }
}

/// `bytes` of ASCII prose: the words of the short conversation in an order that looks random and is always the same.
/// Counting tokens works word by word, so that words in any order cost what sensible text costs.
pub(crate) fn prose(bytes: usize) -> String {
    let words: Vec<&str> = TURNS.iter().flat_map(|turn| turn.split(' ')).collect();
    let mut text = String::with_capacity(bytes + 16);
    // A linear congruential generator, with the constants of Knuth's MMIX.
    let mut state = 1_u64;
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let index = usize::try_from(state >> 33).unwrap_or_default() % words.len();
        text.push_str(words.get(index).copied().unwrap_or_default());
        text.push(' ');
    }
    text.truncate(bytes);
    text
}

/// The text of every answer, in the pieces of a streamed one.
pub(super) fn pieces() -> impl Iterator<Item = String> {
    (0..STREAM_CHUNKS).map(|n| format!("word{n:02} of it "))
}

/// The text of every answer.
pub(super) fn answer_text() -> String {
    pieces().collect()
}

/// The system prompt.
const SYSTEM: &str = "You are the assistant of a hardware shop. Answer in plain words, in at most five sentences, and \
    name the article number of every product you recommend. When you are not certain that a product fits, say so \
    and ask for the measure that is missing. Never promise a delivery date; point to the order page instead. Prices \
    are in euros and include tax. If the customer writes in another language, answer in that language.";

/// Turns of user, assistant and user.
const TURNS: [&str; 3] = [
    "Hello! I want to hang a shelf on a plasterboard wall. It is 1.20 m wide, 25 cm deep and will carry about \
     forty paperbacks, two plants and a small radio. The boards are 12.5 mm thick and there is a gap of some five \
     centimetres behind them. I have a cordless drill and a spirit level, but nothing else. Which fixings do I \
     need, how many of them, and at which distance from each other should they sit?",
    "Forty paperbacks, two plants and a radio come to roughly 25 kg with the shelf itself. On 12.5 mm boards I \
     recommend six metal cavity anchors M5x52 (article 40-1187), each good for about 15 kg there. Put one pair at \
     either end and one in the middle, 58 cm apart. You need a 10 mm bit (article 22-0310). If you can find the \
     studs with a detector, screw the end brackets into them instead.",
    "Thank you. I have found one stud, but it is 17 cm away from where the left bracket should be. Shall I move \
     the whole shelf over, or use two long brackets that reach the stud? Would it still be level and safe if one \
     side hangs on wood and the other side on anchors? Please also tell me which screws to use for the wood, and \
     whether I must drill ahead. The stud seems to be about 48 mm wide; I tapped it out and marked both edges \
     with a pencil. The wall was papered last year, so I would rather not make more holes than needed.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_begins_and_ends() {
        for conversation in [Conversation::short(), Conversation::of_length(100_000)] {
            let sides: Vec<bool> = conversation.turns.iter().map(|turn| turn.by_user).collect();
            assert!(sides.iter().enumerate().all(|(n, by_user)| *by_user == (n % 2 == 0)));
            assert_eq!(sides.len() % 2, 1);
        }
    }

    #[test]
    fn prose_has_its_length_and_is_always_the_same() {
        for bytes in [0, 1, 2000, 100_000] {
            assert_eq!(prose(bytes).len(), bytes);
        }
        assert_eq!(prose(5000), prose(5000));
        let words: std::collections::BTreeSet<String> =
            prose(100_000).split(' ').map(str::to_owned).collect();
        assert!(words.len() > 150, "{} different words", words.len());
        let text: usize = Conversation::of_length(100_000).turns.iter().map(|turn| turn.text.len()).sum();
        assert!((98_000..=104_000).contains(&text), "{text} bytes");
    }
}
