//! Schemas that refer to themselves for the same value: checking them would not end.

use crate::keyword::{Id, Keyword, Node};

/// A node that is applied to a value because it is applied to that value.
pub(crate) fn circle(nodes: &[Node]) -> Option<Id> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        /// On the way from the start.
        Open,
        Done,
    }
    let next = |id: Id| match nodes.get(id) {
        Some(Node::All(keywords)) => keywords.iter().flat_map(Keyword::in_place).collect(),
        _ => Vec::new(),
    };
    let mut seen = vec![Seen::Not; nodes.len()];
    for start in 0..nodes.len() {
        let mut way = vec![(start, next(start))];
        while let Some((id, ahead)) = way.last_mut() {
            let (id, found) = (*id, ahead.pop());
            let state = seen.get_mut(id)?;
            match found {
                _ if *state == Seen::Done => {
                    way.pop();
                }
                None => {
                    *state = Seen::Done;
                    way.pop();
                }
                Some(found) => {
                    *state = Seen::Open;
                    match seen.get(found) {
                        Some(Seen::Open) => return Some(found),
                        Some(Seen::Not) => way.push((found, next(found))),
                        _ => {}
                    }
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::{Error, Schema};
    use serde_json::json;

    #[test]
    fn circles_are_found() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"if": {"$ref": "#/$defs/a"}, "then": true, "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}}),
            json!({"properties": {"x": {"anyOf": [{}, {"$ref": "#/properties/x"}]}}}),
        ] {
            assert!(matches!(Schema::compile(&schema), Err(Error::Circle { .. })), "{schema}");
        }
        for schema in [
            json!({"properties": {"x": {"$ref": "#"}}}),
            json!({"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}], "$defs": {"a": {"items": {"$ref": "#"}}}}),
        ] {
            assert!(Schema::compile(&schema).is_ok(), "{schema}");
        }
    }
}
