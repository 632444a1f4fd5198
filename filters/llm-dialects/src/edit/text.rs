//! A JSON value in pieces, so that edits at several depths copy a large body once.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

/// The text of one JSON value, as pieces in order. Most are lent from the body being edited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text<'a>(Vec<Cow<'a, str>>);

impl<'a> Text<'a> {
    /// Pieces that are one JSON value when joined. This is not checked.
    pub fn joined(pieces: impl IntoIterator<Item = Cow<'a, str>>) -> Self {
        Self(pieces.into_iter().filter(|piece| !piece.is_empty()).collect())
    }

    /// JSON as it is written in `json`, which must be one value. This is not checked.
    pub fn verbatim(json: impl Into<Cow<'a, str>>) -> Self {
        Self(vec![json.into()])
    }

    /// `text` as a JSON string.
    pub fn string(text: &str) -> Self {
        Self::from(&Value::from(text))
    }

    /// The value in one piece, lent where it has not been edited.
    pub fn to_str(&self) -> Cow<'a, str> {
        match self.0.as_slice() {
            [only] => only.clone(),
            pieces => Cow::Owned(pieces.concat()),
        }
    }

    /// The same text, lending nothing.
    pub fn into_owned(self) -> Text<'static> {
        Text(self.0.into_iter().map(|piece| Cow::Owned(piece.into_owned())).collect())
    }

    /// First byte of the value: `{`, `[`, `"`, `t`, `f`, `n`, `-` or a digit.
    pub fn first_byte(&self) -> Option<u8> {
        self.0.first().and_then(|piece| piece.bytes().next())
    }

    /// The pieces.
    pub fn pieces(&self) -> &[Cow<'a, str>] {
        &self.0
    }

    /// The pieces, given away.
    pub fn into_pieces(self) -> Vec<Cow<'a, str>> {
        self.0
    }

    /// A list with `first` put in front of its elements and `last` behind them; the bytes between stay. `None` when
    /// this is no list.
    pub fn with_elements(self, first: Vec<Text<'a>>, last: Vec<Text<'a>>) -> Option<Self> {
        let mut pieces = self.0;
        let open = pieces.first_mut()?;
        *open = tail(open, 1, '[')?;
        let close = pieces.last_mut()?;
        *close = without_last(close, ']')?;
        // White space in front of the closing bracket stays in front of it.
        let empty = pieces.iter().all(|piece| piece.bytes().all(|byte| byte.is_ascii_whitespace()));
        let mut list = vec![Cow::Borrowed("[")];
        let mut needs_comma = false;
        for element in first {
            push_element(&mut list, &mut needs_comma, element);
        }
        if !empty && needs_comma {
            list.push(Cow::Borrowed(","));
        }
        needs_comma |= !empty;
        list.extend(pieces.into_iter().filter(|piece| !piece.is_empty()));
        for element in last {
            push_element(&mut list, &mut needs_comma, element);
        }
        list.push(Cow::Borrowed("]"));
        Some(Self(list))
    }
}

fn push_element<'a>(list: &mut Vec<Cow<'a, str>>, needs_comma: &mut bool, element: Text<'a>) {
    if *needs_comma {
        list.push(Cow::Borrowed(","));
    }
    *needs_comma = true;
    list.extend(element.0);
}

fn tail<'a>(piece: &Cow<'a, str>, from: usize, first: char) -> Option<Cow<'a, str>> {
    if !piece.starts_with(first) {
        return None;
    }
    Some(match piece {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(from..)?),
        Cow::Owned(text) => Cow::Owned(text.get(from..)?.to_owned()),
    })
}

fn without_last<'a>(piece: &Cow<'a, str>, last: char) -> Option<Cow<'a, str>> {
    Some(match piece {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_suffix(last)?),
        Cow::Owned(text) => Cow::Owned(text.strip_suffix(last)?.to_owned()),
    })
}

impl<'a> From<&'a RawValue> for Text<'a> {
    fn from(raw: &'a RawValue) -> Self {
        Self::verbatim(raw.get())
    }
}

impl From<&Value> for Text<'_> {
    fn from(value: &Value) -> Self {
        Self::verbatim(value.to_string())
    }
}
