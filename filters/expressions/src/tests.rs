//! What expressions are worth.

mod bounds;
mod oracle;

use serde_json::{Value, json};

use crate::{Context, Error, Expression};

fn context() -> Context<'static> {
    let mut context = Context::new();
    context.bind(
        "llmRequest",
        json!({
            "model": "gpt-5", "temperature": 1, "top_p": 0.5, "max_tokens": 1000, "stop": null,
            "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi é!"}],
        }),
    );
    context.bind("request", json!({"path": "/v1/chat?x=1", "headers": {"x-user": "ann", "x-tier": "gold"}}));
    context.bind("big", json!(u64::MAX));
    context
}

fn value(text: &str) -> Result<Value, Error> {
    Expression::compile(text).unwrap_or_else(|error| panic!("{text}: {error}")).evaluate(&context())
}

/// Each line: an expression, `=>`, its value as JSON, or `!` and a part of the error's message.
fn check(table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (text, expected) = line.split_once(" => ").unwrap_or_else(|| panic!("{line}"));
        let (text, found) = (text.trim(), value(text.trim()));
        match expected.trim().strip_prefix('!') {
            Some(part) => {
                let message = found.unwrap_err().to_string();
                assert!(message.contains(part.trim()), "{text}: {message}");
            }
            None => {
                let expected: Value = serde_json::from_str(expected).unwrap_or_else(|_| panic!("{line}"));
                assert_eq!(found.unwrap_or_else(|error| panic!("{text}: {error}")), expected, "{text}");
            }
        }
    }
}

#[test]
fn operators() {
    check(
        r#"
        1 + 2 * 3 - 4 / 3 => 6
        7 % 4 => 3
        -7 / 2 => -3
        1 + 0.5 => 1.5
        llmRequest.temperature * 0.5 => 0.5
        llmRequest.top_p * 2 => 1
        llmRequest.max_tokens * 1.5 => 1500
        2u + 3u => 5
        1u - 2u => ! out of range
        9223372036854775807 + 1 => ! out of range
        -9223372036854775808 => -9223372036854775808
        - (-9223372036854775807 - 1) => ! out of range
        1 / 0 => ! division by zero
        1 % 0 => ! division by zero
        1.0 / 0.0 => ! no infinity
        5.0 % 2.0 => ! does not take double, double
        'a' + 'b' + 'c' => "abc"
        b'a' + b'b' => "YWI="
        [1] + [2, 3] => [1, 2, 3]
        'a' + 1 => ! `+` does not take string, int
        1 == 1.0 && 1u == 1 && big > 1 && 1.5 > 1 => true
        big == 18446744073709551615u => true
        9007199254740993 == 9007199254740992.0 => false
        'a' < 'b' && 'b' >= 'b' && false < true => true
        'a' < 1 => ! `<` does not take string, int
        'a' == 1 || null == false => false
        [1, [2]] == [1.0, [2u]] => true
        {'a': 1, 'b': 2} == {'b': 2, 'a': 1} => true
        0.0 / 0.0 == 0.0 / 0.0 => false
        0.0 / 0.0 < 1 => false
        1 in [3, 2, 1] && !('x' in {'y': 1}) => true
        'model' in llmRequest => true
        true ? 'y' : 'n' => "y"
        1 ? 2 : 3 => ! condition
        !true => false
        !1 => ! `!` does not take int
        "#,
    );
}

#[test]
fn an_operand_that_decides_wins_over_an_error() {
    check(
        r#"
        false && nothing => false
        nothing && false => false
        true || nothing.at.all => true
        nothing || true => true
        nothing && true => ! no variable `nothing`
        1 && true => ! `&&` does not take int
        [0, 1].exists(x, 1 / x == 1) => true
        [1, 0].exists(x, 1 / x == 2) => ! division by zero
        [0, 2].all(x, 1 / x == 1) => false
        [1, 0].all(x, 1 / x == 1) => ! division by zero
        nothing.exists(x, true) || true => true
        [1].map(y, nothing).size() > 0 || [2].exists(z, z == 2) => true
        "#,
    );
}

#[test]
fn fields_and_macros() {
    check(
        r#"
        llmRequest.messages[1].content => "Hi é!"
        llmRequest["model"] => "gpt-5"
        llmRequest.stop => null
        llmRequest.nothing => ! no field `nothing`
        llmRequest['nothing'] => ! no field
        llmRequest.messages[2] => ! index out of range
        llmRequest.messages[-1] => ! index out of range
        llmRequest.model.x => ! field access
        request.headers.`x-user` => "ann"
        has(llmRequest.stop) && !has(llmRequest.seed) => true
        has(nothing.x) => ! no variable
        llmRequest.messages.filter(m, m.role != 'system').map(m, m.content) => ["Hi é!"]
        [1, 2, 3].map(x, x > 1, x * 2) => [4, 6]
        [1, 2, 2].exists_one(x, x == 1) => true
        [[1, 2], [3]].map(l, l.map(x, x + l[0])) => [[2, 3], [6]]
        {'a': 1, 'b': 2}.map(k, k) => ["a", "b"]
        {'a': 1}.all(k, k == 'a') => true
        5.map(x, x) => ! a macro
        {'a': 1, 1: 2, true: 3} => {"a": 1, "1": 2, "true": 3}
        {'a': 1, 'a': 2} => ! twice
        {1: 'x', 1u: 'y'} => ! twice
        {null: 1} => ! map key
        {1: 'x'}[1u] => "x"
        type(1) == int && type('x') == string && type(null) != type([]) => true
        "#,
    );
}

#[test]
fn functions_of_agentgateway() {
    check(
        r#"
        default(llmRequest.seed, 7) => 7
        default(nothing.at.all, 'x') => "x"
        default(llmRequest.stop, 'x') => null
        default(1 / 0, 'x') => ! division by zero
        llmRequest.seed.default(7) => 7
        coalesce(llmRequest.stop, 1 / 0, 'x') => "x"
        coalesce(null, nothing) => null
        coalesce(nothing) => ! no variable
        json('{"a": [1, 2.5, null]}').a => [1, 2.5, null]
        json(b'[]') => []
        json('{') => ! no JSON
        toJson({'b': [1, true], 'a': 'é"'}) => "{\"b\":[1,true],\"a\":\"é\\\"\"}"
        to_json(1.0) => "1"
        {'a': 1}.merge({'b': 2, 'a': 3}) => {"a": 3, "b": 2}
        merge({'a': 1}, {'b': 2}, {'c': 3}).size() => 3
        merge({}, 1) => ! `merge` does not take map, int
        {'a': 1, 'b': 2}.mapValues(v, v * 10) => {"a": 10, "b": 20}
        request.headers.filterKeys(k, k.startsWith('x-u')) => {"x-user": "ann"}
        [1].mapValues(v, v) => ! `mapValues` does not take list
        [1, [2, [3]]].flatten() => [1, 2, [3]]
        [1, [2, [3]]].flatten(2) => [1, 2, 3]
        flatten({'a': {'b': {'c': 1}}, 'd': [2]}) => {"a.b": {"c": 1}, "d.0": 2}
        flattenRecursive({'a': {'b': {'c': 1}}}) => {"a.b.c": 1}
        (1 + 2).with(x, x * x) => 9
        variables().request.path => "/v1/chat?x=1"
        fail('no') => ! no
        fail() => ! the expression failed
        'a1b22'.regexReplace('[0-9]+', '<$0>') => "a<1>b<22>"
        regexReplace('John Doe', '(\\w+) (\\w+)', '$2, $1') => "Doe, John"
        regexReplace('ÄÖ', '(?i)äö', 'x') => "x"
        'x'.regexReplace(llmRequest.model + '[', '') => ! invalid regular expression
        'abc'.matches('^a.c$') && !'abc'.matches('^b') => true
        base64.encode('héllo') => "aMOpbGxv"
        string(base64.decode('aGk=')) + string(base64Decode('aGk')) => "hihi"
        base64.decode('%') => ! no base64
        url.encode('a b/ü~') => "a%20b%2F%C3%BC~"
        url.decode('a%20b%2f%C3%BC+') => "a b/ü+"
        url.decode('%2') => ! hexadecimal
        url.decode('%ff') => ! not UTF-8
        sha256.encode('') => "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        sha1.encode('abc') => "a9993e364706816aba3e25717850c26c9cd0d89d"
        md5.encode(b'abc') => "900150983cd24fb0d6963f7d28e17f72"
        "#,
    );
}

#[test]
fn text_functions() {
    check(
        r#"
        'Hi é!'.size() + size('é') + size(b'é') => 8
        'Hi É'.lowerAscii() + 'hi é'.upperAscii() => "hi ÉHI é"
        '  x '.trim() => "x"
        'a-b-c'.replace('-', '+') + 'a-b-c'.replace('-', '+', 1) => "a+b+ca+b-c"
        'a,b,c'.split(',') => ["a", "b", "c"]
        'a,b,c'.split(',', 2) => ["a", "b,c"]
        'a,b'.split(',', 0) => []
        'éa'.split('') => ["é", "a"]
        'abc'.split('', 2) => ["a", "bc"]
        ['a', 'b'].join('-') + ['c', 'd'].join() => "a-bcd"
        [1].join() => ! `join` does not take int
        'tacocat'.substring(4) + 'tacocat'.substring(0, 4) => "cattaco"
        'é1'.substring(1) + 'é1'.charAt(0) + 'é1'.charAt(2) => "1é"
        'abc'.substring(2, 1) => ! out of range
        'abc'.charAt(4) => ! out of range
        'éabcabc'.indexOf('bc') => 2
        'abcabc'.indexOf('bc', 2) => 4
        'abcabc'.indexOf('x') => -1
        'éabcabc'.lastIndexOf('bc') => 5
        'abcabc'.lastIndexOf('bc', 3) => 1
        'abc'.lastIndexOf('') => 3
        'model-x'.stripPrefix('model-') + 'x.json'.stripSuffix('.json') => "xx"
        'abc'.contains('b') && 'abc'.startsWith('a') && endsWith('abc', 'c') => true
        1.contains('x') => ! `contains` does not take int, string
        "#,
    );
}

#[test]
fn number_functions() {
    check(
        r#"
        math.least(3, 1.5, 2u) => 1.5
        math.greatest([1, 5, 3]) => 5
        min(llmRequest.max_tokens, 256) + max(1, 2) => 258
        min([]) => ! empty list
        max(1, 'a') => ! `max` does not take
        math.ceil(1.2) + math.floor(1.8) + math.round(2.5) + math.trunc(-1.5) => 5
        math.round(3) => 3
        math.abs(-3) + math.sign(-9) => 2
        math.abs(-9223372036854775807 - 1) => ! out of range
        math.sqrt(16) => 4
        math.isNaN(0.0 / 0.0) && math.isInf(1.0 / 0.0) && math.isFinite(1) => true
        math.bitAnd(6, 3) + math.bitOr(4, 1) + math.bitXor(5, 1) + math.bitNot(0) => 10
        math.bitShiftLeft(1, 4) + math.bitShiftRight(256, 4) => 32
        math.bitShiftLeft(1, 64) => 0
        math.bitShiftLeft(1, -1) => ! negative
        int('42') + int(3.9) + int(2u) => 47
        int(1e30) => ! out of range
        int('x') => ! no such number
        uint(-1) => ! out of range
        double('1.5') + double(1) => 2.5
        string(1.5) + string(true) + string(b'x') => "1.5truex"
        string([1]) => ! `string` does not take list
        bool('true') && !bool('0') => true
        bytes('hi') => "aGk="
        dyn(1) => 1
        "#,
    );
}

#[test]
fn conditions_are_booleans() {
    let is_true = |text: &str| Expression::compile(text).unwrap().is_true(&context());
    assert_eq!(is_true("llmRequest.model == 'gpt-5'"), Ok(true));
    assert_eq!(is_true("false"), Ok(false));
    assert!(is_true("1").is_err());
    assert!(is_true("nothing").is_err());
}

#[test]
fn every_function_is_listed_once() {
    let names = crate::functions();
    let mut unique = names.clone();
    unique.dedup();
    assert_eq!(names, unique);
    assert!(names.contains(&"math.least") && names.contains(&"coalesce"));
}

#[test]
fn the_members_of_variables_are_known() {
    let members = |text: &str| {
        let expression = Expression::compile(text).unwrap();
        expression.referenced_members().map(|(root, member)| format!("{root}.{member}")).collect::<Vec<_>>()
    };
    assert_eq!(
        members(r#"request.headers["x-a"] + request["path"] + (has(jwt.sub) ? .jwt.sub : "")"#),
        ["jwt.sub", "request.headers", "request.path"]
    );
    // Not of variables, or not known before.
    assert_eq!(members(r#"[{"a": 1}].exists(request, request.a == 1) && x[y] == {"b": 2}.b"#), [""; 0]);
}
