//! Demo tokens: one per whitespace-separated word (see the crate's documentation).

/// Demo tokens in a text.
pub(crate) fn count(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// The first `limit` words of a text that has more, with the white space between them but none after.
/// `None` if the text is within the limit.
pub(crate) fn cut(text: &str, limit: u64) -> Option<&str> {
    let mut words = 0;
    let mut kept = 0;
    let mut in_word = false;
    for (at, character) in text.char_indices() {
        if character.is_whitespace() {
            in_word = false;
            continue;
        }
        if !in_word {
            if words == limit {
                return text.get(..kept);
            }
            words += 1;
            in_word = true;
        }
        kept = at + character.len_utf8();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_words() {
        assert_eq!(count(""), 0);
        assert_eq!(count("  one\ttwo\nthree "), 3);
    }

    #[test]
    fn cuts_after_the_last_word_allowed() {
        assert_eq!(cut("one  two three", 2), Some("one  two"));
        assert_eq!(cut("one two ", 2), None);
        assert_eq!(cut("one", 0), Some(""));
        assert_eq!(cut("", 0), None);
    }

    proptest! {
        #[test]
        fn a_cut_text_is_a_prefix_with_exactly_the_limit(text in "[a-zé ]{0,40}", limit in 0u64..10) {
            match cut(&text, limit) {
                Some(kept) => {
                    prop_assert!(text.starts_with(kept));
                    prop_assert_eq!(count(kept), limit);
                    prop_assert!(count(&text) > limit);
                }
                None => prop_assert!(count(&text) <= limit),
            }
        }
    }
}
