//! YAML texts: splitting into documents and reading them with the line of every field.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Options, Spanned};

use crate::finding::{push_field, push_index};

/// Deepest nesting of a document. The deepest field of the API, in a policy of a provider in a List, is at 20.
const MAX_DEPTH: usize = 64;

/// Stack that must be left to read one more level of nesting, and the size of the next piece of stack when it is
/// not. One level takes 40 KiB in a debug build, so a thread's usual 2 MiB do not reach for `MAX_DEPTH` of them.
const STACK_PER_LEVEL: usize = 128 << 10;
const STACK_PIECE: usize = 2 << 20;

/// One document of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Lines before the document's text, so that line 1 of the document is line `offset + 1` of the text.
    pub(crate) offset: usize,
    /// The document, its `---` line blanked out.
    pub(crate) text: String,
}

/// Splits a text at its `---` and `...` lines. These always separate documents, whatever surrounds
/// them (YAML 1.2, 9.1.2), so a broken document cannot swallow the next one.
pub(crate) fn split_documents(text: &str) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut chunk = Chunk { offset: 0, text: String::new() };
    for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).split_inclusive('\n').enumerate() {
        let marker = |marker: &str| {
            line.strip_prefix(marker)
                .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        };
        if let Some(rest) = marker("---") {
            let next = Chunk { offset: index, text: format!("   {rest}") };
            chunks.push(std::mem::replace(&mut chunk, next));
        } else if marker("...").is_some() {
            let next = Chunk { offset: index + 1, text: String::new() };
            chunks.push(std::mem::replace(&mut chunk, next));
        } else if line.starts_with('%') && chunk.is_blank() {
            // A directive such as %YAML: it belongs to the marker that follows and says nothing here.
            chunk.text.push('\n');
        } else {
            chunk.text.push_str(line);
        }
    }
    chunks.push(chunk);
    chunks
}

impl Chunk {
    /// Whether the document holds nothing but comments.
    pub(crate) fn is_blank(&self) -> bool {
        self.text.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#')
        })
    }

    /// Reads the document.
    pub(crate) fn parse(&self) -> Result<Node, SyntaxError> {
        let mut options = Options::default();
        options.with_snippet = false;
        // `017` is octal to some readers and decimal to others: neither is a guess worth taking.
        options.leading_zero_numbers_as_strings = true;
        if let Some(budget) = &mut options.budget {
            budget.max_depth = MAX_DEPTH;
            budget.flow_nesting_limit = MAX_DEPTH;
        }
        let mut node: Node = serde_saphyr::from_str_with_options(&self.text, options).map_err(|error| {
            let place = error.location();
            let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            SyntaxError {
                line: self.offset + place.map_or(1, |place| number(place.line())).max(1),
                column: place.map(|place| number(place.column())),
                message: message_of(&error),
            }
        })?;
        node.shift(self.offset);
        Ok(node)
    }
}

/// The text of a parser error without the place, which is reported on its own.
fn message_of(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    // The parser's advice is for programmers.
    text.split(", set DuplicateKeyPolicy").next().unwrap_or(text).to_owned()
}

/// Why a document is not YAML.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    /// Line within the whole text.
    pub(crate) line: usize,
    /// Column, when known.
    pub(crate) column: Option<usize>,
    /// What is wrong. Free of values.
    pub(crate) message: String,
}

/// A value and the line it is written on, within the whole text once shifted.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) tree: Tree,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Tree {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Entry)>),
}

/// The value of one key of a map.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Line of the key.
    pub(crate) line: usize,
    pub(crate) node: Node,
}

impl Node {
    fn shift(&mut self, offset: usize) {
        self.line += offset;
        match &mut self.tree {
            Tree::Scalar(_) => {}
            Tree::List(items) => items.iter_mut().for_each(|item| item.shift(offset)),
            Tree::Map(entries) => entries.iter_mut().for_each(|(_, entry)| {
                entry.line += offset;
                entry.node.shift(offset);
            }),
        }
    }

    /// The value of `key`, when this is a map that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.tree {
            Tree::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, entry)| entry),
            _ => None,
        }
    }

    /// The text, when this is a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.tree {
            Tree::Scalar(value) => value.as_str(),
            _ => None,
        }
    }

    /// The value without the lines, and the lines by field path.
    pub(crate) fn flatten(&self) -> (Value, BTreeMap<String, usize>) {
        let mut lines = BTreeMap::new();
        let value = self.collect("", &mut lines);
        (value, lines)
    }

    fn collect(&self, path: &str, lines: &mut BTreeMap<String, usize>) -> Value {
        match &self.tree {
            Tree::Scalar(value) => value.clone(),
            Tree::List(items) => {
                let collect = |(index, item): (usize, &Node)| {
                    let path = push_index(path, index);
                    let value = item.collect(&path, lines);
                    lines.insert(path, item.line);
                    value
                };
                Value::Array(items.iter().enumerate().map(collect).collect())
            }
            Tree::Map(entries) => {
                let mut map = Map::new();
                for (key, entry) in entries {
                    let path = push_field(path, key);
                    map.insert(key.clone(), entry.node.collect(&path, lines));
                    lines.insert(path, entry.line);
                }
                Value::Object(map)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Tree>::deserialize(deserializer)?;
        Ok(Node { line: line_of(&spanned), tree: spanned.value })
    }
}

/// The line on which a value is used; for an alias that is the alias, not its anchor.
fn line_of<T>(spanned: &Spanned<T>) -> usize {
    usize::try_from(spanned.referenced.line()).unwrap_or(usize::MAX)
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        stacker::maybe_grow(STACK_PER_LEVEL, STACK_PIECE, || deserializer.deserialize_any(TreeVisitor))
    }
}

struct TreeVisitor;

impl<'de> de::Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Number(value.into())))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Tree, E> {
        let number = Number::from_f64(value)
            .ok_or_else(|| E::custom("infinite and undefined numbers are not JSON"))?;
        Ok(Tree::Scalar(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::String(value.to_owned())))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = access.next_entry::<Spanned<String>, Node>()? {
            let line = line_of(&key);
            entries.push((key.value, Entry { line, node }));
        }
        Ok(Tree::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_split_at_markers_only() {
        let text = "a: 1\n---\nb: |\n  --- not a marker\n---- nor this\n--- # comment\nc: 3\n...\nd: 4\n";
        let chunks = split_documents(text);
        let offsets: Vec<_> = chunks.iter().map(|chunk| chunk.offset).collect();
        assert_eq!(offsets, [0, 1, 5, 8]);
        assert_eq!(chunks[2].text, "    # comment\nc: 3\n");
    }

    #[test]
    fn directives_and_comments_make_no_document() {
        let chunks = split_documents("%YAML 1.2\n# hello\n---\na: 1\n");
        assert!(chunks[0].is_blank());
        assert!(!chunks[1].is_blank());
    }

    #[test]
    fn every_field_has_its_line_in_the_whole_text() {
        let text = "x: 1\n---\nspec:\n  list:\n  - name: a\n    v: 1\n  labels:\n    a.b/c: d\n";
        let (value, lines) = split_documents(text)[1].parse().unwrap().flatten();
        assert_eq!(value["spec"]["list"][0]["v"], 1);
        let expected = [
            ("spec", 3),
            ("spec.list", 4),
            ("spec.list[0]", 5),
            ("spec.list[0].name", 5),
            ("spec.list[0].v", 6),
        ];
        for (path, line) in expected {
            assert_eq!(lines.get(path), Some(&line), "{path}");
        }
        assert_eq!(lines.get("spec.labels[\"a.b/c\"]"), Some(&8));
    }
}
