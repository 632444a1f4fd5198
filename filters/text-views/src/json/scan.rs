//! The scanner: strict RFC 8259, one pass.

use super::string::decode;
use super::value::Value;
use crate::Error;

/// Deepest nesting, as in `serde_json`.
const MAX_DEPTH: usize = 127;

/// Most values that are kept: far more than any conversation has, few enough that a hostile body of tiny values costs
/// tens of megabytes and no more. Numbers and literals inside lists are not kept and not counted: embeddings have millions.
const MAX_NODES: usize = 1 << 19;

/// Longest body, in bytes: spans are 32 bits wide.
const MAX_BYTES: usize = u32::MAX as usize;

/// Objects with more members than this are sorted to find those named twice; below, comparing all is cheaper.
const FEW: usize = 12;

/// Bytes from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        // Bodies longer than `MAX_BYTES` are refused before there is a span.
        Self { start: start as u32, end: end as u32 }
    }

    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    Number,
    String {
        escaped: bool,
    },
    /// `scalars`: it has numbers or literals, which are not among the nodes.
    Array {
        scalars: bool,
    },
    Object,
}

/// A value, in the order of the text; what is inside it follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// The key with its quotes; empty in lists.
    pub(super) key: Span,
    pub(super) key_escaped: bool,
    pub(super) kind: Kind,
    pub(super) span: Span,
    /// Index of the first node behind this one and what is inside it.
    pub(super) next: u32,
}

/// A body, scanned.
#[derive(Debug)]
pub(crate) struct Doc<'a> {
    pub(super) text: &'a str,
    pub(super) nodes: Vec<Node>,
}

/// What is wrong, and where in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Syntax { at: usize, problem: &'static str },
    Twice { at: usize },
    TooMuch { limit: usize, of: &'static str },
    WrongType { at: usize, expected: &'static str },
    Opaque { at: usize, reason: &'static str },
}

impl Fault {
    /// The error, with its place in `body`.
    pub(crate) fn in_body(self, body: &[u8]) -> Error {
        let place = |at| super::place(body, at);
        match self {
            Self::Syntax { at, problem } => Error::NotJson { place: place(at), at, problem },
            Self::Twice { at } => Error::Twice { place: place(at) },
            Self::TooMuch { limit, of } => Error::TooMuch { limit, of },
            Self::WrongType { at, expected } => Error::WrongType { place: place(at), expected },
            Self::Opaque { at, reason } => Error::Opaque { place: place(at), reason },
        }
    }
}

impl<'a> Doc<'a> {
    /// Scans `body`, which must be one JSON value.
    pub(crate) fn scan(body: &'a [u8]) -> Result<Self, Fault> {
        if body.len() > MAX_BYTES {
            return Err(Fault::TooMuch { limit: MAX_BYTES, of: "bytes" });
        }
        let text = std::str::from_utf8(body)
            .map_err(|error| Fault::Syntax { at: error.valid_up_to(), problem: "not UTF-8" })?;
        let mut scanner = Scanner { text, bytes: body, at: 0, nodes: Vec::new(), depth: 0 };
        scanner.space();
        scanner.value(Span::default(), false, false)?;
        scanner.space();
        if scanner.at != body.len() {
            return Err(scanner.fault("something follows the value"));
        }
        Ok(Self { text, nodes: scanner.nodes })
    }

    /// The value that the body is.
    pub(crate) fn root(&self) -> Option<Value<'_, 'a>> {
        self.value(0)
    }

    pub(super) fn value(&self, index: u32) -> Option<Value<'_, 'a>> {
        self.nodes.get(index as usize).map(|node| Value { doc: self, index, node })
    }
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    depth: usize,
}

impl Scanner<'_> {
    fn fault(&self, problem: &'static str) -> Fault {
        Fault::Syntax { at: self.at, problem }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Scans one value at the cursor. Returns whether it is a number or a literal; in a list those leave no node.
    fn value(&mut self, key: Span, key_escaped: bool, in_list: bool) -> Result<bool, Fault> {
        let start = self.at;
        let index = self.nodes.len();
        let kind = match self.peek() {
            Some(b'{' | b'[') => {
                self.push(Node { key, key_escaped, kind: Kind::Object, span: Span::default(), next: 0 })?;
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(Fault::TooMuch { limit: MAX_DEPTH, of: "levels of nesting" });
                }
                let kind = if self.peek() == Some(b'{') { self.object(index)? } else { self.array()? };
                self.depth -= 1;
                let next = self.nodes.len() as u32;
                if let Some(node) = self.nodes.get_mut(index) {
                    (node.kind, node.span, node.next) = (kind, Span::new(start, self.at), next);
                }
                return Ok(false);
            }
            Some(b'"') => Kind::String { escaped: self.string()? },
            Some(b'n') => self.literal("null", Kind::Null)?,
            Some(b't') => self.literal("true", Kind::True)?,
            Some(b'f') => self.literal("false", Kind::False)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => return Err(self.fault("a value is expected")),
            None => return Err(self.fault("the body ends early")),
        };
        let scalar = !matches!(kind, Kind::String { .. });
        if !(scalar && in_list) {
            let span = Span::new(start, self.at);
            self.push(Node { key, key_escaped, kind, span, next: index as u32 + 1 })?;
        }
        Ok(scalar)
    }

    fn push(&mut self, node: Node) -> Result<(), Fault> {
        if self.nodes.len() == MAX_NODES {
            return Err(Fault::TooMuch { limit: MAX_NODES, of: "values" });
        }
        self.nodes.push(node);
        Ok(())
    }

    fn array(&mut self) -> Result<Kind, Fault> {
        let mut scalars = false;
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Kind::Array { scalars });
        }
        loop {
            scalars |= self.value(Span::default(), false, true)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.fault("a comma or the end of the list is expected")),
            }
            self.space();
        }
        self.at += 1;
        Ok(Kind::Array { scalars })
    }

    fn object(&mut self, index: usize) -> Result<Kind, Fault> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Kind::Object);
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.fault("a key is expected"));
            }
            let start = self.at;
            let escaped = self.string()?;
            let key = Span::new(start, self.at);
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.fault("a colon is expected"));
            }
            self.at += 1;
            self.space();
            self.value(key, escaped, false)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.fault("a comma or the end of the object is expected")),
            }
            self.space();
        }
        self.at += 1;
        self.named_once(index)?;
        Ok(Kind::Object)
    }

    /// Checks that no member of the object at `index`, which ends with the last node, is there twice.
    fn named_once(&self, index: usize) -> Result<(), Fault> {
        let mut keys = Vec::new();
        let mut at = index + 1;
        while let Some(node) = self.nodes.get(at) {
            keys.push((decode(node.key.of(self.text), node.key_escaped), node.key.start));
            at = node.next as usize;
        }
        let twice = if keys.len() <= FEW {
            let seen = |nth: usize, key: &str| keys.iter().take(nth).any(|(other, _)| other == key);
            keys.iter().enumerate().find(|(nth, (key, _))| seen(*nth, key)).map(|(_, (_, start))| *start)
        } else {
            keys.sort_unstable();
            keys.windows(2).find_map(|pair| match pair {
                [(a, _), (b, start)] if a == b => Some(*start),
                _ => None,
            })
        };
        match twice {
            // Behind the key, so that the place names it.
            Some(start) => {
                let key = self.nodes.iter().skip(index).find(|node| node.key.start == start);
                Err(Fault::Twice { at: key.map_or(start, |node| node.span.start) as usize })
            }
            None => Ok(()),
        }
    }

    /// Scans a string. Returns whether it has escapes.
    fn string(&mut self) -> Result<bool, Fault> {
        self.at += 1;
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(length) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.bytes.len();
                return Err(self.fault("the body ends inside a string"));
            };
            let plain = rest.get(..length).unwrap_or_default();
            if plain.iter().fold(false, |control, byte| control | (*byte < 0x20)) {
                return Err(self.fault("a string has a control character that is not escaped"));
            }
            self.at += length;
            if self.peek() == Some(b'"') {
                self.at += 1;
                return Ok(escaped);
            }
            escaped = true;
            let digits = rest.get(length + 2..length + 6).unwrap_or_default();
            match rest.get(length + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                Some(b'u') if digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit) => self.at += 6,
                _ => return Err(self.fault("a string has an escape that does not exist")),
            }
        }
    }

    fn literal(&mut self, word: &str, kind: Kind) -> Result<Kind, Fault> {
        if self.bytes.get(self.at..).unwrap_or_default().starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(kind);
        }
        Err(self.fault("a value is expected"))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.fault("a digit is expected")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Kind, Fault> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if let Some(b'0'..=b'9') = self.peek() {
                return Err(self.fault("a number must not start with zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Kind::Number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(body: &str) -> String {
        let body = body.as_bytes();
        Doc::scan(body).map(|_| ()).unwrap_err().in_body(body).to_string()
    }

    #[test]
    fn faults_name_their_place() {
        assert_eq!(fault(r#"{"a":[1,{"b":"#), "a[1].b: the body is not JSON at byte 13: the body ends early");
        assert_eq!(fault(r#"{"a":[{},{"b":1,"\u0062":2}]}"#), "a[1].b: is there twice; send it once");
        let many = (0..40).map(|n| format!("\"k{n}\":0,")).collect::<String>();
        assert_eq!(fault(&format!("{{\"x\":{{{many}\"k7\":1}}}}")), "x.k7: is there twice; send it once");
        assert!(fault(&"[".repeat(200)).contains("127 levels of nesting"));
        assert!(fault(&format!("[{}\"\"]", "\"\",".repeat(MAX_NODES))).contains("values"));
        let bad = b"{\"a\":\"\xff\"}";
        assert!(Doc::scan(bad).unwrap_err().in_body(bad).to_string().contains("byte 6: not UTF-8"));
    }

    #[test]
    fn numbers_in_lists_cost_nothing() {
        let doc = Doc::scan(b"[1, -0.5e+3, null, \"a\", true]").unwrap();
        assert_eq!(doc.nodes.len(), 2);
    }

    proptest! {
        /// Accepts what `serde_json` accepts, but for names that are there twice and for escapes of lone surrogates,
        /// which JSON allows.
        #[test]
        fn agrees_with_serde(json in r#"[\[\]{}",:a1\\ 0.eE+-]{0,24}|[\[{]{0,3}("a"|[0-9.eE-]{1,6}|"[\\nu"0-9a-f]{0,8}"|true|null)[\]}]{0,3}"#) {
            let ours = Doc::scan(json.as_bytes());
            let theirs = serde_json::from_str::<serde_json::Value>(&json);
            match ours {
                Ok(_) => if let Err(error) = theirs {
                    let message = error.to_string();
                    prop_assert!(message.contains("surrogate") || message.contains("hex escape")
                        || message.contains("number out of range"), "{json}: {message}");
                },
                Err(Fault::Twice { .. }) => {}
                Err(fault) => prop_assert!(theirs.is_err(), "{json}: {fault:?}"),
            }
        }
    }
}
