//! How a text is cut for streaming.

/// One piece per word, each with the white space before it, as model tokens are; white space at the end of the text
/// stays with the last word. The pieces join to the text; an empty text has none.
pub(crate) fn by_word(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut seen_word = false;
    let mut in_word = false;
    for (at, character) in text.char_indices() {
        if character.is_whitespace() {
            if in_word && !text.get(at..).unwrap_or_default().trim_start().is_empty() {
                pieces.extend(text.get(start..at));
                start = at;
                seen_word = false;
            }
            in_word = false;
        } else {
            seen_word = true;
            in_word = true;
        }
    }
    if seen_word || start < text.len() {
        pieces.extend(text.get(start..));
    }
    pieces
}

/// Exactly `count` pieces of nearly the same number of bytes, or one per character if the text has fewer characters.
/// The pieces join to the text and none is empty.
pub(crate) fn evenly(text: &str, count: usize) -> Vec<&str> {
    let characters = text.chars().count();
    let count = count.min(characters);
    let mut pieces = Vec::with_capacity(count);
    let mut rest = text;
    let mut characters_left = characters;
    for pieces_left in (1..=count).rev() {
        // Rounding down leaves at least one character for each piece still to come.
        let take = characters_left / pieces_left;
        let end = rest.char_indices().nth(take).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        pieces.push(piece);
        rest = after;
        characters_left -= take;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_word_comes_with_the_space_before_it() {
        assert_eq!(by_word("one two  three "), ["one", " two", "  three "]);
        assert_eq!(by_word(""), [""; 0]);
        assert_eq!(by_word(" "), [" "]);
    }

    #[test]
    fn an_exact_number_of_pieces() {
        assert_eq!(evenly("abcdefg", 3), ["ab", "cd", "efg"]);
        assert_eq!(evenly("äb", 5), ["ä", "b"]);
        assert_eq!(evenly("", 5), [""; 0]);
    }

    proptest! {
        #[test]
        fn pieces_join_to_the_text(text in "[a-zé\\n ]{0,60}", count in 1usize..20) {
            prop_assert_eq!(by_word(&text).concat(), text.clone());
            let pieces = evenly(&text, count);
            prop_assert_eq!(pieces.len(), count.min(text.chars().count()));
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
            prop_assert_eq!(pieces.concat(), text);
        }
    }
}
