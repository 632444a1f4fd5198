//! Checks of answers. The input is a JSON Schema, a line end, and the answer's text.
//!
//! Holds: no panic, no schema and no text that takes long; how a text spells its JSON makes no difference; what is said
//! of an answer names no property that the schema does not name.

#![no_main]
#![forbid(unsafe_code)]

use answer_schema::Schema;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let input = String::from_utf8_lossy(input);
    let Some((schema, text)) = input.split_once('\n') else {
        return;
    };
    let Ok(schema) = serde_json::from_str::<Value>(schema) else {
        return;
    };
    let Ok(compiled) = Schema::compile(&schema) else {
        return;
    };
    let first = compiled.check(text);
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        let spelt = value.to_string();
        // A shorter text may take fewer steps: only that verdict may differ.
        if let (Ok(()), Err(violation)) = (&first, compiled.check(&spelt)) {
            assert_eq!(violation.keyword, "", "{violation}");
        }
    }
    if let Err(violation) = first {
        let named = schema.to_string();
        for step in violation.place.split('/').skip(1) {
            let name = step.replace("~1", "/").replace("~0", "~");
            let quoted = Value::from(name).to_string();
            assert!(step == "*" || step.parse::<usize>().is_ok() || named.contains(&quoted), "{step}");
        }
    }
});
