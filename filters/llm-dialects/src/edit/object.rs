//! Top-level members of a JSON object.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Text;
use crate::Error;
use crate::json::{Str, is_object};

/// Most members an object may have: far more than any API has fields, few enough that a hostile body of many tiny
/// members stays cheap.
pub const MAX_MEMBERS: usize = 4096;

/// A JSON object whose members can be changed, added and removed. What is not touched keeps its bytes, white space
/// and order included; added members stand at the end.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    /// Up to the opening brace, inclusive.
    head: &'a str,
    members: Vec<Member<'a>>,
    /// From the last value's end.
    tail: &'a str,
}

#[derive(Debug, Clone)]
struct Member<'a> {
    key: Cow<'a, str>,
    /// What stands in the body between the value before (or the brace) and this value: a comma unless it is the
    /// first, white space, the key, a colon. `None` for an added member.
    lead: Option<&'a str>,
    value: Text<'a>,
}

impl<'a> Object<'a> {
    /// Finds the members of the object in `body`, in one pass.
    ///
    /// # Errors
    /// [`Error::ClientSent`] when it is no JSON object in UTF-8, names a member twice (which of them counts differs
    /// between parsers, a way around policies) or has more than [`MAX_MEMBERS`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let body = std::str::from_utf8(body)
            .map_err(|error| Error::client("", format!("the body is not UTF-8: {error}")))?;
        Self::parse_str(body)
    }

    /// [`Self::parse`] for text, such as an element of an [`Array`](super::Array).
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_str(body: &'a str) -> Result<Self, Error> {
        if !is_object(body.as_bytes()) {
            return Err(Error::client("", "the body must be a JSON object"));
        }
        let found: Members<'a> =
            serde_json::from_str(body).map_err(|error| Error::client("", error.to_string()))?;
        let mut names = BTreeSet::new();
        if let Some((twice, _)) = found.0.iter().find(|(key, _)| !names.insert(&**key)) {
            return Err(Error::client(twice.clone().into_owned(), "is there twice; send it once"));
        }
        let unplaced = || Error::client("", "the members of the body could not be located");
        let open = body.find('{').ok_or_else(unplaced)? + 1;
        let head = body.get(..open).ok_or_else(unplaced)?;
        let mut at = open;
        let mut members = Vec::with_capacity(found.0.len());
        for (key, raw) in found.0 {
            let value = raw.get();
            // The raw value is lent from the body, so its address says where in the body it stands.
            let start = (value.as_ptr() as usize).wrapping_sub(body.as_ptr() as usize);
            let lead = body.get(at..start).ok_or_else(unplaced)?;
            at = start + value.len();
            members.push(Member { key, lead: Some(lead), value: Text::from(raw) });
        }
        let tail = body.get(at..).ok_or_else(unplaced)?;
        Ok(Self { head, members, tail })
    }

    /// The value of `key`, as it is now.
    pub fn get(&self, key: &str) -> Option<&Text<'a>> {
        self.members.iter().find(|member| member.key == key).map(|member| &member.value)
    }

    /// Whether there is a member `key`, be it null.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Names of the members in their order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| &*member.key)
    }

    /// Gives `key` another value, in its place; a new key is added at the end.
    pub fn set(&mut self, key: &str, value: impl Into<Text<'a>>) {
        let value = value.into();
        match self.members.iter_mut().find(|member| member.key == key) {
            Some(member) => member.value = value,
            None => self.members.push(Member { key: Cow::Owned(key.to_owned()), lead: None, value }),
        }
    }

    /// Takes `key` out, with the comma and white space around it. Returns whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let before = self.members.len();
        self.members.retain(|member| member.key != key);
        self.members.len() != before
    }

    /// Puts elements in front of those of the list `key`. A missing member becomes a list.
    ///
    /// # Errors
    /// [`Error::ClientSent`] when `key` is no list.
    pub fn insert_first(&mut self, key: &str, elements: Vec<Text<'a>>) -> Result<(), Error> {
        self.insert(key, elements, Vec::new())
    }

    /// Puts elements behind those of the list `key`. A missing member becomes a list.
    ///
    /// # Errors
    /// [`Error::ClientSent`] when `key` is no list.
    pub fn insert_last(&mut self, key: &str, elements: Vec<Text<'a>>) -> Result<(), Error> {
        self.insert(key, Vec::new(), elements)
    }

    fn insert(&mut self, key: &str, first: Vec<Text<'a>>, last: Vec<Text<'a>>) -> Result<(), Error> {
        if first.is_empty() && last.is_empty() {
            return Ok(());
        }
        let list = self.get(key).cloned().unwrap_or_else(|| Text::verbatim("[]"));
        let list = list.with_elements(first, last).ok_or_else(|| Error::client(key, "must be a list"))?;
        self.set(key, list);
        Ok(())
    }

    /// The object as it is now, in pieces.
    pub fn into_text(self) -> Text<'a> {
        let mut pieces = vec![Cow::Borrowed(self.head)];
        for (index, member) in self.members.into_iter().enumerate() {
            match member.lead {
                // The members before it are gone, and with them the need for a comma.
                Some(lead) if index == 0 => {
                    let bare = lead.trim_start();
                    pieces.push(Cow::Borrowed(bare.strip_prefix(',').unwrap_or(lead)));
                }
                Some(lead) => pieces.push(Cow::Borrowed(lead)),
                None => {
                    let comma = if index == 0 { "" } else { "," };
                    pieces.push(Cow::Owned(format!("{comma}{}:", serde_json::Value::from(&*member.key))));
                }
            }
            pieces.extend(member.value.into_pieces());
        }
        pieces.push(Cow::Borrowed(self.tail));
        Text::joined(pieces)
    }

    /// The object as it is now.
    pub fn into_bytes(self) -> Vec<u8> {
        self.into_text().to_str().into_owned().into_bytes()
    }
}

/// The members of an object in order, values lent.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<Str<'de>, &'de RawValue>()? {
                    if members.len() == MAX_MEMBERS {
                        return Err(A::Error::custom(format_args!("more than {MAX_MEMBERS} members")));
                    }
                    members.push((key.0, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn text(object: Object<'_>) -> String {
        String::from_utf8(object.into_bytes()).unwrap()
    }

    const BODY: &str = " {\"a\" : 1.0 ,\n  \"b\\u0021\":[ ], \"c\": {\"a\":2} } \n";

    #[test]
    fn untouched_is_the_same_bytes() {
        for body in [BODY, "{}", " { } ", "{\"a\":1}"] {
            assert_eq!(text(Object::parse(body.as_bytes()).unwrap()), body);
        }
    }

    #[test]
    fn members_are_changed_added_and_removed() {
        let edited = |edit: &dyn Fn(&mut Object<'_>)| {
            let mut object = Object::parse(BODY.as_bytes()).unwrap();
            edit(&mut object);
            text(object)
        };
        let removed = |keys: &[&str]| {
            edited(&|object| {
                for key in keys {
                    assert!(object.remove(key));
                }
            })
        };
        assert_eq!(
            edited(&|object| object.set("b!", &json!(true))),
            " {\"a\" : 1.0 ,\n  \"b\\u0021\":true, \"c\": {\"a\":2} } \n"
        );
        assert_eq!(removed(&["a"]), " {\n  \"b\\u0021\":[ ], \"c\": {\"a\":2} } \n");
        assert_eq!(removed(&["b!"]), " {\"a\" : 1.0, \"c\": {\"a\":2} } \n");
        assert_eq!(removed(&["c"]), " {\"a\" : 1.0 ,\n  \"b\\u0021\":[ ] } \n");
        assert_eq!(removed(&["a", "b!", "c"]), " { } \n");
        assert_eq!(
            edited(&|object| object.set("d\"", &json!("x"))),
            " {\"a\" : 1.0 ,\n  \"b\\u0021\":[ ], \"c\": {\"a\":2},\"d\\\"\":\"x\" } \n"
        );
        let mut empty = Object::parse(b"{ }").unwrap();
        empty.set("a", &json!(1));
        empty.set("b", &json!(2));
        assert_eq!(text(empty), "{\"a\":1,\"b\":2 }");
    }

    #[test]
    fn elements_are_put_around_a_list() {
        let around = |body: &'static str| {
            let mut object = Object::parse(body.as_bytes()).unwrap();
            object.insert_first("l", vec![Text::verbatim("1"), Text::verbatim("2")]).unwrap();
            object.insert_last("l", vec![Text::string("x")]).unwrap();
            text(object)
        };
        assert_eq!(around("{\"l\":[ 7 , 8 ]}"), "{\"l\":[1,2, 7 , 8 ,\"x\"]}");
        assert_eq!(around("{\"l\":[ ]}"), "{\"l\":[1,2 ,\"x\"]}");
        assert_eq!(around("{}"), "{\"l\":[1,2,\"x\"]}");
        let mut object = Object::parse(b"{\"l\":null}").unwrap();
        assert!(object.insert_last("l", vec![Text::string("x")]).is_err());
        assert!(object.insert_last("l", Vec::new()).is_ok());
    }

    #[test]
    fn refuses_what_is_ambiguous() {
        assert!(Object::parse(b"[1]").is_err());
        assert!(Object::parse(b"{\"a\":1} x").is_err());
        assert!(Object::parse(b"{\"a\":\"\xff\"}").is_err());
        let twice = Object::parse(b"{\"a\":1,\"\\u0061\":2}").unwrap_err().to_string();
        assert!(twice.contains("a: is there twice"), "{twice}");
        let many: Vec<_> = (0..=MAX_MEMBERS).map(|index| format!("\"k{index}\":0")).collect();
        assert!(Object::parse(format!("{{{}}}", many.join(",")).as_bytes()).is_err());
    }

    /// JSON values, small and nested.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~é\"\\\\{}]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"]{0,3}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    fn object() -> impl Strategy<Value = serde_json::Map<String, Value>> {
        prop::collection::btree_map("[a-e]", value(), 0..5).prop_map(|map| map.into_iter().collect())
    }

    #[derive(Debug, Clone)]
    enum Edit {
        Set(String, Value),
        Remove(String),
    }

    proptest! {
        #[test]
        fn edits_are_those_of_a_tree(
            start in object(),
            pretty in any::<bool>(),
            edits in prop::collection::vec(
                prop_oneof![
                    ("[a-g]", value()).prop_map(|(key, value)| Edit::Set(key, value)),
                    "[a-g]".prop_map(Edit::Remove),
                ],
                0..6,
            ),
        ) {
            let body = if pretty { serde_json::to_string_pretty(&start) } else { serde_json::to_string(&start) };
            let body = body.unwrap();
            let mut tree = start;
            let mut object = Object::parse_str(&body).unwrap();
            let untouched: Vec<(String, String)> = object
                .keys()
                .filter(|key| !edits.iter().any(|edit| matches!(edit, Edit::Set(k, _) | Edit::Remove(k) if k == key)))
                .map(|key| (key.to_owned(), object.get(key).unwrap().to_str().into_owned()))
                .collect();
            for edit in &edits {
                match edit {
                    Edit::Set(key, value) => {
                        object.set(key, value);
                        tree.insert(key.clone(), value.clone());
                    }
                    Edit::Remove(key) => {
                        prop_assert_eq!(object.remove(key), tree.shift_remove(key).is_some());
                    }
                }
            }
            let edited = text(object);
            if edits.is_empty() {
                prop_assert_eq!(&edited, &body);
            }
            prop_assert_eq!(serde_json::from_str::<Value>(&edited).unwrap(), Value::from(tree));
            let again = Object::parse_str(&edited).unwrap();
            for (key, value) in untouched {
                prop_assert_eq!(again.get(&key).unwrap().to_str().into_owned(), value);
            }
        }

        #[test]
        fn never_panics(body in prop::collection::vec(any::<u8>(), 0..60), json in "[\\[\\]{}\",:a1 \\\\]{0,40}") {
            for body in [&body[..], json.as_bytes()] {
                if let Ok(mut object) = Object::parse(body) {
                    object.remove("a");
                    object.set("b", &json!(1));
                    let edited = object.into_bytes();
                    prop_assert!(serde_json::from_slice::<Value>(&edited).is_ok());
                }
            }
        }
    }
}
