//! Any conversation, from any dialect to any other: what is said, called and returned stays, in order.

use std::borrow::Cow;

use llm_dialects::hub::{
    Arguments, Part, Request, Response, Role, StopReason, Text, Tool, ToolCall, ToolResult, Turn, Usage,
};
use llm_dialects::{Dialect, Error};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::tool_loops::{Step, steps};
use crate::{NOW, canonical, model_of, pairs, readers};

/// A call with the text of its result and whether it failed.
#[derive(Debug, Clone)]
struct Call {
    tool: usize,
    arguments: Value,
    result: Vec<String>,
    failed: bool,
}

/// What the user says, what the assistant says, and what it calls; the results follow in an order of their own.
#[derive(Debug, Clone)]
struct Round {
    user: String,
    assistant: Option<String>,
    calls: Vec<Call>,
    /// By how many places the results are turned.
    turned: usize,
}

const TOOLS: [&str; 3] = ["weather", "get-time", "search_2"];

/// Text that no provider calls blank. Trailing white space is cut from the last message of some.
fn words() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9äß€😀\"\\\\{}<>/,.!?]{1,12}( [a-z\\n\\t]{1,5}x)?"
}

fn arguments() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        "[ -~ä\\n]{0,8}".prop_map(Value::from),
        proptest::collection::vec(any::<u8>(), 0..3).prop_map(Value::from),
    ];
    proptest::collection::btree_map("[a-z ]{0,5}", value, 0..3).prop_map(|map| json!(map))
}

fn call() -> impl Strategy<Value = Call> {
    (0..TOOLS.len(), arguments(), proptest::collection::vec(words(), 0..3), any::<bool>())
        .prop_map(|(tool, arguments, result, failed)| Call { tool, arguments, result, failed })
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let round = (words(), proptest::option::of(words()), proptest::collection::vec(call(), 0..4), 0..4_usize)
        .prop_map(|(user, assistant, calls, turned)| Round { user, assistant, calls, turned });
    proptest::collection::vec(round, 1..4)
}

fn raw(value: &Value) -> Cow<'static, RawValue> {
    Cow::Owned(RawValue::from_string(value.to_string()).unwrap())
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, name: None, content: parts.into_iter().map(Into::into).collect() }
}

fn id(round: usize, call: usize) -> Cow<'static, str> {
    format!("call_{round}-{call}").into()
}

/// The conversation in the hub, and the steps it consists of.
fn conversation(rounds: &[Round]) -> (Request<'static>, Vec<Step>) {
    let mut turns = Vec::new();
    let mut steps = Vec::new();
    for (r, round) in rounds.iter().enumerate() {
        turns.push(turn(Role::User, vec![Part::Text(round.user.clone().into())]));
        steps.push(Step::Said("user", round.user.clone()));
        let mut said = Vec::new();
        if let Some(text) = &round.assistant {
            said.push(Part::Text(text.clone().into()));
            steps.push(Step::Said("assistant", text.clone()));
        }
        let mut results = Vec::new();
        for (c, call) in round.calls.iter().enumerate() {
            let name = TOOLS[call.tool];
            said.push(Part::ToolCall(ToolCall {
                id: id(r, c),
                name: name.into(),
                arguments: Arguments::Json(raw(&call.arguments)),
                signature: None,
            }));
            steps.push(Step::Called(id(r, c).into_owned(), name.to_owned(), call.arguments.clone()));
            results.push(Part::ToolResult(ToolResult {
                call_id: id(r, c),
                content: call.result.iter().map(|text| Part::Text(text.clone().into()).into()).collect(),
                is_error: call.failed,
            }));
        }
        for (c, call) in round.calls.iter().enumerate() {
            steps.push(Step::Returned(id(r, c).into_owned(), call.result.join("\n"), call.failed));
        }
        if !said.is_empty() {
            turns.push(turn(Role::Assistant, said));
        }
        if !results.is_empty() {
            let by = round.turned % results.len();
            results.rotate_left(by);
            turns.push(turn(Role::User, results));
        }
    }
    // The user has the last word: some models refuse a conversation that ends otherwise.
    turns.push(turn(Role::User, vec![Part::Text("And?".into())]));
    steps.push(Step::Said("user", "And?".to_owned()));
    let schema = json!({"type": "object", "properties": {"x": {"type": "string"}}});
    let tools = TOOLS.map(|name| Tool::Function {
        name: name.into(),
        description: Some("A tool.".into()),
        schema: Some(raw(&schema)),
        strict: None,
        cache: None,
    });
    let system = vec![Text { text: "Be brief.".into(), cache: None }];
    let max_output_tokens = Some(9000);
    (Request { system, turns, tools: tools.into(), max_output_tokens, ..Request::default() }, steps)
}

/// Steps as they can be compared: texts of one speaker behind each other are one, results of one round in order, and
/// what stands in for the emptiness or failure of a result is what it stands for.
fn comparable(steps: Vec<Step>) -> Vec<Step> {
    let mut merged: Vec<Step> = Vec::new();
    for step in steps {
        match (merged.last_mut(), step) {
            (Some(Step::Said(last, said)), Step::Said(speaker, more)) if *last == speaker => {
                said.push_str(&more)
            }
            (_, Step::Returned(id, text, failed)) => {
                let text = if text == "(no output)" { String::new() } else { text };
                let text = if text == "Error:" { String::new() } else { text };
                merged.push(Step::Returned(id, text.replace('\n', ""), failed));
            }
            (_, step) => merged.push(step),
        }
    }
    for run in merged.chunk_by_mut(|a, b| matches!((a, b), (Step::Returned(..), Step::Returned(..)))) {
        run.sort_by_key(|step| match step {
            Step::Returned(id, ..) => id.clone(),
            _ => String::new(),
        });
    }
    merged
}

/// From the hub through the client's dialect to the provider's.
fn sent(client: Dialect, provider: Dialect, request: &Request<'_>) -> Result<Vec<u8>, Error> {
    let mut asked = request.clone();
    asked.model = model_of(client).into();
    let (asked, _) = client.encode_request(&mut asked)?;
    crate::request(client, provider, model_of(provider), &asked)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn conversations_stay_what_they_are(rounds in rounds()) {
        let (request, steps_before) = conversation(&rounds);
        let expected = comparable(steps_before);
        for (client, provider) in pairs() {
            let body = sent(client, provider, &request)
                .map_err(|error| TestCaseError::fail(format!("{client} to {provider}: {error}")))?;
            let json: Value = serde_json::from_slice(&body).unwrap();
            if let Err(breach) = readers::request(provider, &json) {
                return Err(TestCaseError::fail(format!("{client} to {provider}: {breach}")));
            }
            let understood = provider.decode_request(&body).unwrap();
            let actual = comparable(steps(&understood));
            // A failure without a word cannot be told everywhere; everything else can.
            prop_assert_eq!(&actual, &expected, "{} to {}: {}", client, provider, json);
        }
    }

    #[test]
    fn answers_stay_what_they_are_whole_and_streamed(
        thought in proptest::option::of(words()),
        texts in proptest::collection::vec(words(), 0..3),
        calls in proptest::collection::vec(call(), 0..4),
        counts in (0..1000_u64, 0..1000_u64, 0..1000_u64),
    ) {
        let mut content: Vec<Part<'static>> = Vec::new();
        content.extend(thought.clone().map(|text| Part::Thinking { text: text.into(), signature: None }));
        content.extend(texts.iter().map(|text| Part::Text(text.clone().into())));
        content.extend(calls.iter().enumerate().map(|(c, call)| Part::ToolCall(ToolCall {
            id: id(0, c),
            name: TOOLS[call.tool].into(),
            arguments: Arguments::Json(raw(&call.arguments)),
            signature: None,
        })));
        let stop = if calls.is_empty() { StopReason::EndTurn } else { StopReason::ToolUse };
        let usage = Usage { input_uncached: counts.0, cache_read: counts.1, output: counts.2, ..Usage::default() };
        let answer = Response {
            id: "1".into(),
            model: "m".into(),
            created: Some(NOW),
            content,
            stop,
            stop_sequence: None,
            usage: Some(usage),
            service_tier: None,
            logprobs: Vec::new(),
        };
        let expected_calls: Vec<_> = calls
            .iter()
            .enumerate()
            .map(|(c, call)| (id(0, c).into_owned(), TOOLS[call.tool].to_owned(), call.arguments.clone()))
            .collect();
        for (client, provider) in pairs() {
            let upstream = provider.encode_response(&answer, NOW);
            let told = crate::response(provider, client, &upstream).unwrap();
            let whole = readers::response(client, &serde_json::from_slice(&told).unwrap())
                .map_err(|breach| TestCaseError::fail(format!("{provider} to {client}: {breach}")))?;
            let mut events = Vec::new();
            let mut encoder = provider.stream_encoder(NOW, true);
            answer.replay(&mut |event| encoder.event(&event, &mut events));
            let told = crate::pipe::stream(provider, client, [&events[..]]);
            let streamed = readers::stream(client, &told)
                .map_err(|breach| TestCaseError::fail(format!("{provider} to {client}, streamed: {breach}")))?;
            for said in [whole, streamed] {
                let said = canonical::unsigned(said);
                prop_assert_eq!(said.text.replace('\n', ""), texts.concat().replace('\n', ""), "{} to {}", provider, client);
                prop_assert_eq!(said.reasoning, thought.clone().unwrap_or_default(), "{} to {}", provider, client);
                prop_assert_eq!(&said.calls, &expected_calls, "{} to {}", provider, client);
                prop_assert_eq!(said.usage, Some((counts.0 + counts.1, counts.2)), "{} to {}", provider, client);
            }
        }
    }
}
