//! Regular expressions: from ECMA-262, which JSON Schema means, to the `regex` crate.

use regex::{Regex, RegexBuilder};

/// Largest compiled expression, in bytes. It is what one check of one byte may cost, at worst.
const MAX_PROGRAM: usize = 1 << 20;

/// Compiles an expression of ECMA-262.
///
/// `\d`, `\w` and their opposites mean ASCII there, and a class knows no sets within sets. What `regex` has not, above
/// all look-around and back-references, is an error, with its message.
///
/// So are classes of Unicode properties: the filters are built without their tables, whatever else is linked here.
pub(crate) fn compile(ecma: &str) -> Result<Regex, String> {
    if names_property(ecma) {
        return Err("has a class of Unicode properties such as \\p{L}, which is not supported".to_owned());
    }
    RegexBuilder::new(&translate(ecma))
        .size_limit(MAX_PROGRAM)
        .build()
        .map_err(|error| format!("cannot be used as a regular expression: {error}"))
}

/// Whether `\p` or `\P` is in an expression.
fn names_property(ecma: &str) -> bool {
    let mut escaped = false;
    ecma.chars().any(|character| {
        let found = escaped && matches!(character, 'p' | 'P');
        escaped = character == '\\' && !escaped;
        found
    })
}

fn translate(ecma: &str) -> String {
    let mut out = String::with_capacity(ecma.len() + 8);
    let mut in_class = false;
    let mut characters = ecma.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped) => escape(escaped, in_class, &mut characters, &mut out),
                None => out.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                if characters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // `[]` matches nothing there and `[^]` everything; here a `]` in first place is one of the characters.
                if characters.next_if_eq(&']').is_some() {
                    in_class = false;
                    let everything = out.ends_with('^');
                    out.truncate(out.len() - if everything { 2 } else { 1 });
                    out.push_str(if everything { r"[\s\S]" } else { r"[^\s\S]" });
                }
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            '[' | '&' | '~' if in_class => {
                out.push('\\');
                out.push(character);
            }
            // Any character but a line end: there are four.
            '.' if !in_class => out.push_str(r"[^\n\r\x{2028}\x{2029}]"),
            other => out.push(other),
        }
    }
    out
}

fn escape(
    escaped: char,
    in_class: bool,
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    out: &mut String,
) {
    let class = match escaped {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => r"\s\x{FEFF}",
        'D' => "^0-9",
        'W' => "^0-9A-Za-z_",
        'S' => r"^\s\x{FEFF}",
        // A control character by its letter.
        'c' => {
            match rest.next_if(char::is_ascii_alphabetic) {
                Some(letter) => out.push_str(&format!("\\x{:02X}", u32::from(letter) % 32)),
                None => out.push_str("\\c"),
            }
            return;
        }
        'b' if in_class => {
            out.push_str(r"\x08");
            return;
        }
        // Edges of ASCII words.
        'b' | 'B' => {
            out.push_str(if escaped == 'b' { r"(?-u:\b)" } else { r"(?-u:\B)" });
            return;
        }
        '0' => {
            out.push_str(r"\x00");
            return;
        }
        other => {
            out.push('\\');
            out.push(other);
            return;
        }
    };
    // A class may stand in a class; one that is not negated need not.
    if in_class && !class.starts_with('^') {
        out.push_str(class);
    } else {
        out.push('[');
        out.push_str(class);
        out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_what_it_means_in_javascript() {
        for (pattern, matching, other) in [
            (r"^\d+$", "123", "١٢"),
            (r"^[\d_]+$", "1_2", "١"),
            (r"^\D$", "١", "1"),
            (r"^[^\d]$", "x", "7"),
            (r"^[\W]$", "é", "e"),
            (r"^\w$", "_", "é"),
            (r"^\s$", "\u{FEFF}", "x"),
            (r"^\S$", "x", "\u{a0}"),
            (r"^[[a]$", "[", "b"),
            (r"^[a&&b]$", "&", "c"),
            (r"^[~]$", "~", "x"),
            (r"^\cC$", "\u{3}", "cC"),
            (r"^[\b]$", "\u{8}", "b"),
            (r"^a\/b$", "a/b", "a\\/b"),
            (r"^\u00e9$", "é", "e"),
            (r"^.$", "x", "\r"),
            (r"^[^]$", "\n", ""),
            (r"^[.]$", ".", "x"),
            (r"\bcat\b", "a cat", "scat"),
            (r"^\$$", "$", "x"),
            (r"^x$", "x", "x\n"),
            (r"^(?<year>\d{4})$", "2026", "26"),
            (r"^[\w.+-]+@[\w-]+\.[\w.-]+$", "a.b+c@example.com", "a b@c.d"),
        ] {
            let compiled = compile(pattern).unwrap();
            assert!(compiled.is_match(matching), "{pattern} {matching}");
            assert!(!compiled.is_match(other), "{pattern} {other}");
        }
        assert!(!compile("[]").unwrap().is_match("x"));
    }

    #[test]
    fn refuses_what_is_not_linear_or_not_small() {
        assert!(compile(r"a\p{L}").unwrap_err().contains("Unicode properties"));
        assert!(compile(r"a\\p").is_ok());
        for pattern in [r"(?=a)b", r"(a)\1", r"a{1000}{1000}", "[", "a\\", "("] {
            let message = compile(pattern).unwrap_err();
            assert!(message.starts_with("cannot be used as a regular expression"), "{pattern}: {message}");
        }
    }
}
