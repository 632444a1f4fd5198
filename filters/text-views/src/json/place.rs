//! Where in its structure a byte of a body stands, for messages.

/// Longest key that is shown, in bytes.
const MAX_KEY: usize = 40;

/// The path to what stands at `offset`, such as `messages[2].content`. The body may end or break there.
pub(crate) fn place(body: &[u8], offset: usize) -> String {
    let mut path: Vec<Step<'_>> = Vec::new();
    let mut at = 0;
    while at < offset {
        let Some(byte) = body.get(at) else { break };
        match byte {
            b'{' => path.push(Step::Member { key: None }),
            b'[' => path.push(Step::Element { index: 0 }),
            b'}' | b']' => _ = path.pop(),
            b',' => match path.last_mut() {
                Some(Step::Element { index }) => *index += 1,
                Some(Step::Member { key }) => *key = None,
                None => {}
            },
            b'"' => {
                let end = string_end(body, at);
                if let Some(Step::Member { key: key @ None }) = path.last_mut() {
                    *key = body.get(at..end);
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    path.iter().fold(String::new(), |mut shown, step| {
        match step {
            Step::Element { index } => shown.push_str(&format!("[{index}]")),
            Step::Member { key: Some(key) } => {
                if !shown.is_empty() {
                    shown.push('.');
                }
                let key = String::from_utf8_lossy(key);
                let key = super::string::decode(&key, key.contains('\\'));
                shown.extend(key.chars().filter(|c| !c.is_control()).take(MAX_KEY));
            }
            Step::Member { key: None } => {}
        }
        shown
    })
}

enum Step<'b> {
    Member { key: Option<&'b [u8]> },
    Element { index: usize },
}

/// Behind the string that starts at `at`.
fn string_end(body: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn paths() {
        let body = br#"{"a":[1,"x",{"b\n\"c":{"d":2}}],"e":3}"#;
        let at = |needle: &str| body.windows(needle.len()).position(|w| w == needle.as_bytes()).unwrap();
        assert_eq!(place(body, 0), "");
        assert_eq!(place(body, at("x") - 1), "a[1]");
        assert_eq!(place(body, at("2}")), "a[2].b\"c.d");
        assert_eq!(place(body, at("3}")), "e");
        assert_eq!(place(b"[[[\"", 99), "[0][0][0]");
    }
}
