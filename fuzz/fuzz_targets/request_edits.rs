//! Changes to single fields of a body. The input is the body.
//!
//! Holds: no panic; a body that is not changed keeps every byte; what is changed is the JSON that a tree would give,
//! and everything else keeps its bytes.

#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use llm_dialects::edit::{Array, Object, Text, set_model};
use serde_json::{Value, json};

fuzz_target!(|body: &[u8]| {
    if let Ok(edited) = set_model(body, "a \"model\"") {
        // Numbers can be too large for a tree.
        if let Ok(mut tree) = serde_json::from_slice::<Value>(body) {
            tree["model"] = json!("a \"model\"");
            assert_eq!(serde_json::from_slice::<Value>(&edited).expect("valid JSON"), tree);
        }
    }
    let Ok(object) = Object::parse(body) else { return };
    assert_eq!(object.clone().into_bytes(), body, "unchanged");
    let Ok(tree) = serde_json::from_slice::<Value>(body) else { return };

    let edit = |change: &dyn Fn(&mut Object<'_>), expected: Value| {
        let mut edited = object.clone();
        change(&mut edited);
        let edited: Value = serde_json::from_slice(&edited.into_bytes()).expect("valid JSON");
        assert_eq!(edited, expected);
    };
    let with = |key: &str, value: Value| {
        let mut tree = tree.clone();
        tree[key] = value;
        tree
    };
    edit(&|object| object.set("temperature", Text::verbatim("0.5")), with("temperature", json!(0.5)));
    edit(&|object| object.set("model", Text::string("m\n")), with("model", json!("m\n")));
    let mut without = tree.clone();
    without.as_object_mut().expect("an object").remove("model");
    let remove = |object: &mut Object<'_>| {
        object.remove("model");
    };
    edit(&remove, without);

    for key in ["messages", "input", "contents"] {
        let Some(Value::Array(elements)) = tree.get(key) else { continue };
        let mut edited = object.clone();
        if edited.insert_first(key, vec![Text::verbatim("1")]).is_ok()
            && edited.insert_last(key, vec![Text::verbatim("2")]).is_ok()
        {
            let edited: Value = serde_json::from_slice(&edited.into_bytes()).expect("valid JSON");
            let expected = [&[json!(1)], elements.as_slice(), &[json!(2)]].concat();
            assert_eq!(edited[key], Value::Array(expected));
        }
        let text = object.get(key).expect("a field that the tree has").to_str();
        let Ok(mut array) = Array::parse(&text) else { continue };
        assert_eq!(array.elements().len(), elements.len());
        array.insert(0, Text::verbatim("3"));
        let edited: Value = serde_json::from_str(&array.into_text().to_str()).expect("valid JSON");
        assert_eq!(edited, Value::Array([&[json!(3)], elements.as_slice()].concat()));
    }
});
