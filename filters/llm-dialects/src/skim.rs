//! Reading single members of a JSON object without looking closely at the others.
//!
//! Most requests pass through this gateway for the sake of two or three short members, beside which stands a conversation
//! of any length. serde skips that nearly byte by byte; here strings are skipped in blocks. Only plain JSON is read: what is
//! broken or unusual gives `None`, and the caller asks serde, which also knows what to say about it.

/// Objects and arrays inside each other. Deeper ones are left to serde.
const DEPTH: u32 = 64;

/// Shows `each` member of a JSON object, in its order: the name and the text of the value. All of the object is checked:
/// what is shown belongs to valid JSON when the answer is `Some`. `None`, from here or from `each`, when it is no
/// object, is not valid, nests deeper than 64, or a name holds an escape.
pub fn members<'j>(json: &'j [u8], mut each: impl FnMut(&'j [u8], &'j [u8]) -> Option<()>) -> Option<()> {
    let mut cursor = Cursor { json, at: 0 };
    cursor.skip_space();
    cursor.take(b'{')?;
    cursor.object(DEPTH, &mut |name, value| {
        // Of all that is skipped serde checks only these.
        if !name.is_ascii() {
            std::str::from_utf8(name).ok()?;
        }
        each(name, value)
    })?;
    cursor.skip_space();
    (cursor.at == json.len()).then_some(())
}

/// The text of a JSON string without escapes.
pub fn plain_text(value: &[u8]) -> Option<&str> {
    let text = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', text).is_some() {
        return None;
    }
    std::str::from_utf8(text).ok()
}

/// A place in the text.
struct Cursor<'j> {
    json: &'j [u8],
    at: usize,
}

impl<'j> Cursor<'j> {
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn skip_digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    /// The rest of an object behind its brace.
    fn object(&mut self, depth: u32, each: &mut dyn FnMut(&'j [u8], &'j [u8]) -> Option<()>) -> Option<()> {
        self.skip_space();
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            self.take(b'"')?;
            let start = self.at;
            self.at += plain(self.json.get(start..)?);
            let name = self.json.get(start..self.at)?;
            self.take(b'"')?;
            self.skip_space();
            self.take(b':')?;
            self.skip_space();
            let start = self.at;
            self.value(depth)?;
            each(name, self.json.get(start..self.at)?)?;
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return None,
            }
            self.skip_space();
        }
        self.take(b'}')
    }

    /// The rest of an array behind its bracket.
    fn array(&mut self, depth: u32) -> Option<()> {
        self.skip_space();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth)?;
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return None,
            }
            self.skip_space();
        }
        self.take(b']')
    }

    fn value(&mut self, depth: u32) -> Option<()> {
        let first = self.peek()?;
        self.at += 1;
        match first {
            b'"' => self.string(),
            b'{' => self.object(depth.checked_sub(1)?, &mut |_, _| Some(())),
            b'[' => self.array(depth.checked_sub(1)?),
            b't' => self.word(b"rue"),
            b'f' => self.word(b"alse"),
            b'n' => self.word(b"ull"),
            b'-' => {
                let first = self.peek()?;
                self.at += 1;
                self.number(first)
            }
            _ => self.number(first),
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        self.json.get(self.at..)?.starts_with(rest).then(|| self.at += rest.len())
    }

    /// The rest of a number behind its first digit.
    fn number(&mut self, first: u8) -> Option<()> {
        match first {
            b'0' => {}
            b'1'..=b'9' => {
                self.skip_digits();
            }
            _ => return None,
        }
        if self.take(b'.').is_some() {
            self.skip_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.skip_digits()?;
        }
        Some(())
    }

    /// The rest of a string behind its quote.
    fn string(&mut self) -> Option<()> {
        loop {
            self.at += plain(self.json.get(self.at..)?);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => match self.json.get(self.at + 1)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 2,
                    b'u' => {
                        let digits = self.json.get(self.at + 2..self.at + 6)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        self.at += 6;
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
    }
}

/// How many bytes at the start stand in a string for themselves. Most strings are short: they are looked at in words,
/// the rest of long ones in blocks of which compilers make vectors.
fn plain(bytes: &[u8]) -> usize {
    let Some((start, rest)) = bytes.split_first_chunk::<BLOCK>() else { return plain_words(bytes) };
    let near = plain_words(start);
    if near < BLOCK {
        return near;
    }
    let (blocks, _) = rest.as_chunks::<BLOCK>();
    let clean =
        blocks.iter().take_while(|block| !block.iter().fold(false, |found, byte| found | stops(*byte)));
    let clean = clean.count() * BLOCK;
    BLOCK + clean + plain_words(rest.get(clean..).unwrap_or_default())
}

const BLOCK: usize = 32;

/// Whether a byte ends a string or begins an escape, or must not stand in one.
fn stops(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// [`plain`] eight bytes at a time: in the difference of a word to eight times the byte sought, subtracting one borrows
/// into the highest bit of the first byte that is zero.
fn plain_words(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let is = |byte: u8| {
            let difference = word ^ (ONES * u64::from(byte));
            difference.wrapping_sub(ONES) & !difference
        };
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (control | is(b'"') | is(b'\\')) & (ONES << 7);
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    words.len() * 8 + rest.iter().position(|byte| stops(*byte)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn read(json: &[u8]) -> Option<Vec<(String, Value)>> {
        let mut found = Vec::new();
        members(json, |name, value| {
            let name = String::from_utf8(name.to_vec()).ok()?;
            found.push((name, serde_json::from_slice(value).expect("a value is valid JSON")));
            Some(())
        })?;
        Some(found)
    }

    #[test]
    fn members_in_their_order() {
        let json =
            br#" {"b" : [1, -0.5e+3, {"x":[]}] ,"a":"q\"\u00e4\\","t":true,"f":false,"n":null,"o":{}} "#;
        let whole: serde_json::Map<String, Value> = serde_json::from_slice(json).unwrap();
        assert_eq!(read(json).unwrap(), whole.into_iter().collect::<Vec<_>>());
        assert_eq!(read(b"{}"), Some(Vec::new()));
    }

    #[test]
    fn what_is_not_valid_or_unusual_is_left_alone() {
        for json in [
            "",
            "[]",
            "{",
            "{}x",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":-}",
            "{\"a\":+1}",
            "{\"a\":1e}",
            "{\"a\":tru}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"\n\"}",
            "{\"a\":[1,]}",
            "{\"a\":[1 2]}",
            "{\"a\":1 \"b\":2}",
            "{\"\\u0061\":1}",
            "{\"a\":\"",
        ] {
            assert_eq!(read(json.as_bytes()), None, "{json}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(65), "]".repeat(65));
        assert_eq!(read(deep.as_bytes()), None);
        assert_eq!(members(b"{\"a\":1}", |_, _| None), None);
    }

    #[test]
    fn strings_end_where_they_end() {
        for stop in [b'"', b'\\', 0, 0x1f] {
            for at in 0..100 {
                let mut text = vec![b'x'; 100];
                text[at] = stop;
                text[at + 1..].fill(b'"');
                assert_eq!(plain(&text), at);
            }
        }
        for other in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
            assert_eq!(plain(&[other; 77]), 77, "{other}");
        }
    }

    #[test]
    fn plain_texts_only() {
        assert_eq!(plain_text(br#""a b""#), Some("a b"));
        for other in [&b"1"[..], b"\"", br#""\n""#, b"\"\xff\"", b""] {
            assert_eq!(plain_text(other), None, "{other:?}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{0,20}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_reads(
            object in prop::collection::btree_map("[a-z]{0,20}", json(), 0..5), pretty in any::<bool>(),
        ) {
            let text =
                if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.unwrap();
            // Not the numbers that were written: serde reads some to the neighbour of what it wrote.
            let whole: serde_json::Map<String, Value> = serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(read(&text), Some(whole.into_iter().collect::<Vec<_>>()));
        }

        #[test]
        fn accepts_nothing_that_serde_refuses(
            object in prop::collection::btree_map("[a-z]{0,3}", json(), 0..4),
            at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
        ) {
            let mut text = serde_json::to_vec(&object).unwrap();
            let at = at.index(text.len());
            if cut { text.truncate(at); } else { text[at] = byte; }
            if members(&text, |_, _| Some(())).is_some() {
                // As callers use it: strings that are skipped are no more checked for UTF-8 by serde than here.
                let skipped: Result<Skipped, _> = serde_json::from_slice(&text);
                prop_assert!(skipped.is_ok(), "{}", String::from_utf8_lossy(&text));
            }
        }
    }

    #[derive(serde::Deserialize)]
    struct Skipped {}
}
