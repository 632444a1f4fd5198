//! Elements of a JSON array.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Text;
use crate::Error;

/// Most elements an array may have: more than any conversation has messages, few enough that a hostile body of many
/// tiny elements stays cheap.
pub const MAX_ELEMENTS: usize = 100_000;

/// A JSON array in which elements can be replaced and inserted. What is not touched keeps its bytes.
#[derive(Debug, Clone)]
pub struct Array<'a> {
    text: &'a str,
    elements: Vec<&'a str>,
    replaced: BTreeMap<usize, Text<'a>>,
    /// Index of the element in front of which they go → what is inserted.
    inserted: BTreeMap<usize, Vec<Text<'a>>>,
}

impl<'a> Array<'a> {
    /// Finds the elements of the array `text`, in one pass.
    ///
    /// # Errors
    /// [`Error::ClientSent`] when it is no JSON array or has more than [`MAX_ELEMENTS`].
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        let Elements(elements) =
            serde_json::from_str(text).map_err(|error| Error::client("", error.to_string()))?;
        Ok(Self { text, elements, replaced: BTreeMap::new(), inserted: BTreeMap::new() })
    }

    /// The elements as they came.
    pub fn elements(&self) -> &[&'a str] {
        &self.elements
    }

    /// Replaces the element at `index`; one that is not there is not added.
    pub fn set(&mut self, index: usize, value: impl Into<Text<'a>>) {
        if index < self.elements.len() {
            self.replaced.insert(index, value.into());
        }
    }

    /// Inserts an element in front of the one at `index`, behind everything for an index past the end. Several at
    /// one index keep the order in which they are inserted.
    pub fn insert(&mut self, index: usize, value: impl Into<Text<'a>>) {
        self.inserted.entry(index.min(self.elements.len())).or_default().push(value.into());
    }

    /// The array as it is now, in pieces.
    pub fn into_text(self) -> Text<'a> {
        let Self { text, elements, mut replaced, mut inserted } = self;
        let mut pieces: Vec<Cow<'a, str>> = Vec::new();
        let mut at = 0;
        let last = elements.len();
        for (index, element) in elements.into_iter().enumerate() {
            let start = (element.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
            if !replaced.contains_key(&index) && !inserted.contains_key(&index) {
                continue;
            }
            pieces.push(Cow::Borrowed(text.get(at..start).unwrap_or_default()));
            at = start;
            for new in inserted.remove(&index).unwrap_or_default() {
                pieces.extend(new.into_pieces());
                pieces.push(Cow::Borrowed(","));
            }
            if let Some(value) = replaced.remove(&index) {
                pieces.extend(value.into_pieces());
                at = start + element.len();
            }
        }
        pieces.push(Cow::Borrowed(text.get(at..).unwrap_or_default()));
        let edited = Text::joined(pieces);
        match inserted.remove(&last) {
            // The closing bracket is the array's own last byte, so there is a list to put them in.
            Some(behind) => edited.clone().with_elements(Vec::new(), behind).unwrap_or(edited),
            None => edited,
        }
    }
}

/// The elements of an array, lent.
struct Elements<'a>(Vec<&'a str>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(raw) = seq.next_element::<&'de RawValue>()? {
                    if elements.len() == MAX_ELEMENTS {
                        return Err(A::Error::custom(format_args!("more than {MAX_ELEMENTS} elements")));
                    }
                    elements.push(raw.get());
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(Collect)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn elements_are_replaced_and_inserted() {
        let text = "[ 1 , {\"a\": [2]},\t\"x\" ]";
        assert_eq!(Array::parse(text).unwrap().into_text().to_str(), text);
        let mut array = Array::parse(text).unwrap();
        assert_eq!(array.elements(), ["1", "{\"a\": [2]}", "\"x\""]);
        array.set(1, &json!(null));
        array.set(9, &json!("nowhere"));
        array.insert(0, &json!("first"));
        array.insert(2, &json!("mid"));
        array.insert(2, &json!("mid2"));
        array.insert(9, &json!("last"));
        assert_eq!(array.into_text().to_str(), "[ \"first\",1 , null,\t\"mid\",\"mid2\",\"x\" ,\"last\"]");
    }

    #[test]
    fn refuses_what_is_no_list() {
        assert!(Array::parse("{}").is_err());
        assert!(Array::parse("[1").is_err());
        let many = format!("[{}0]", "0,".repeat(MAX_ELEMENTS));
        assert!(Array::parse(&many).is_err());
    }

    proptest! {
        #[test]
        fn edits_are_those_of_a_tree(
            start in prop::collection::vec(0..9u8, 0..5),
            pretty in any::<bool>(),
            set in prop::option::of((0..5usize, 10..20u8)),
            insert in prop::option::of((0..6usize, 20..30u8)),
        ) {
            let value = json!(start);
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let mut tree = start.clone();
            let mut array = Array::parse(&text).unwrap();
            if let Some((index, new)) = set {
                array.set(index, &json!(new));
                if let Some(old) = tree.get_mut(index) {
                    *old = new;
                }
            }
            if let Some((index, new)) = insert {
                array.insert(index, &json!(new));
                tree.insert(index.min(tree.len()), new);
            }
            let edited = array.into_text().to_str().into_owned();
            prop_assert_eq!(serde_json::from_str::<Value>(&edited).unwrap(), json!(tree));
            if set.is_none() && insert.is_none() {
                prop_assert_eq!(edited, text);
            }
        }
    }
}
