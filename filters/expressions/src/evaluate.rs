//! Evaluation of a compiled expression, within bounds.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};

use crate::functions::Body;
use crate::operators::binary;
use crate::program::{Literal, Loop, Node};
use crate::value::{Entries, Key, List, Map, Str, Val};
use crate::{Context, Error};

/// Most steps of an evaluation: at worst some hundred milliseconds in Wasm.
pub const MAX_STEPS: usize = 2_000_000;

/// Most bytes of values that an evaluation builds: twice the largest body, for a result that holds most of one.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What a value takes besides its text.
const VALUE_BYTES: usize = 32;

/// Steps for compiling a pattern that is not a constant.
const PATTERN_STEPS: usize = MAX_STEPS / 100;

/// Names of types, which are values in CEL. A variable of the same name hides one.
const TYPES: [&str; 10] =
    ["null_type", "bool", "int", "uint", "double", "string", "bytes", "list", "map", "type"];

/// What is left of an evaluation's bounds.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: usize,
    bytes: usize,
}

impl Budget {
    /// Spends steps.
    pub(crate) fn steps(&mut self, steps: usize) -> Result<(), Error> {
        let left = self.steps.checked_sub(steps).ok_or(Error::Limit { limit: MAX_STEPS, unit: "steps" })?;
        self.steps = left;
        Ok(())
    }

    /// Spends the steps for looking at `bytes`.
    pub(crate) fn look(&mut self, bytes: usize) -> Result<(), Error> {
        self.steps(bytes / 16 + 1)
    }

    /// Spends the memory for `bytes` to be built, and the steps to write them.
    pub(crate) fn build(&mut self, bytes: usize) -> Result<(), Error> {
        let left = self.bytes.checked_sub(bytes).ok_or(Error::Limit { limit: MAX_BYTES, unit: "bytes" })?;
        self.bytes = left;
        // 64 MiB may be built in all: at 256 bytes a step, building alone spends an eighth of the steps.
        self.steps(bytes / 256)
    }

    /// Spends the memory for `count` values.
    pub(crate) fn values(&mut self, count: usize) -> Result<(), Error> {
        self.build(count.saturating_mul(VALUE_BYTES))
    }
}

pub(crate) fn evaluate(node: &Node, context: &Context<'_>) -> Result<Value, Error> {
    let mut evaluation = Evaluation::new(context);
    let value = evaluation.value(node)?;
    to_json(&mut evaluation.budget, &value)
}

pub(crate) fn is_true(node: &Node, context: &Context<'_>) -> Result<bool, Error> {
    match Evaluation::new(context).value(node)? {
        Val::Bool(value) => Ok(value),
        other => Err(Val::mismatch("a condition", &[&other])),
    }
}

struct Evaluation<'v> {
    context: &'v Context<'v>,
    /// Variables of the macros around the current node.
    stack: Vec<Val<'v>>,
    budget: Budget,
}

impl<'v> Evaluation<'v> {
    fn new(context: &'v Context<'v>) -> Self {
        Self { context, stack: Vec::new(), budget: Budget { steps: MAX_STEPS, bytes: MAX_BYTES } }
    }

    fn value(&mut self, node: &'v Node) -> Result<Val<'v>, Error> {
        self.budget.steps(1)?;
        match node {
            Node::Literal(literal) => Ok(constant(literal)),
            Node::Root(name) => match self.context.get(name) {
                Some(value) => Ok(Val::lent(value)),
                None => TYPES
                    .into_iter()
                    .find(|known| known == name)
                    .map(Val::Type)
                    .ok_or_else(|| Error::missing(format!("variable `{name}`"))),
            },
            Node::Local(place) => {
                self.stack.get(*place).cloned().ok_or_else(|| Error::missing("variable of the macro"))
            }
            Node::Select(operand, field) => {
                let operand = self.value(operand)?;
                self.field(&operand, field)?.ok_or_else(|| Error::missing(format!("field `{field}`")))
            }
            Node::Has(operand, field) => {
                let operand = self.value(operand)?;
                Ok(Val::Bool(self.field(&operand, field)?.is_some()))
            }
            Node::Index(operands) => {
                let [operand, index] = &**operands;
                let operand = self.value(operand)?;
                let index = self.value(index)?;
                at(&operand, &index)
            }
            Node::List(elements) => {
                let elements = self.values(elements)?;
                self.budget.values(elements.len())?;
                Ok(Val::list(elements))
            }
            Node::Map(entries) => {
                let mut map = Entries::default();
                for (key, value) in entries {
                    let key = self.value(key)?;
                    let key = Key::from_val(&key).ok_or_else(|| Val::mismatch("a map key", &[&key]))?;
                    let value = self.value(value)?;
                    self.budget.values(2)?;
                    if !map.insert(key, value) {
                        return Err(Error::value("{}", "a key is there twice"));
                    }
                }
                Ok(Val::map(map))
            }
            Node::Not(operand) => match self.value(operand)? {
                Val::Bool(value) => Ok(Val::Bool(!value)),
                other => Err(Val::mismatch("!", &[&other])),
            },
            Node::Negate(operand) => match self.value(operand)? {
                Val::Int(value) => {
                    value.checked_neg().map(Val::Int).ok_or_else(|| Error::value("-", "out of range"))
                }
                Val::Double(value) => Ok(Val::Double(-value)),
                other => Err(Val::mismatch("-", &[&other])),
            },
            Node::And(operands) => self.logical(operands, "&&", false),
            Node::Or(operands) => self.logical(operands, "||", true),
            Node::Conditional(operands) => {
                let [condition, yes, no] = &**operands;
                let branch = if self.condition(condition)? { yes } else { no };
                self.value(branch)
            }
            Node::Binary(operator, operands) => {
                let [left, right] = &**operands;
                let left = self.value(left)?;
                let right = self.value(right)?;
                binary(&mut self.budget, *operator, left, right)
            }
            Node::Loop(it) => self.scoped(|evaluation| evaluation.run(it)),
            // Appending happens in a loop's step, see `step`.
            Node::Append(element) => Ok(Val::list(vec![self.value(element)?])),
            Node::NotFalse(operand) => match self.value(operand) {
                Err(error) if error.is_final() => Err(error),
                value => Ok(Val::Bool(!matches!(value, Ok(Val::Bool(false))))),
            },
            Node::With(parts) => {
                let [value, body] = &**parts;
                let value = self.value(value)?;
                self.scoped(|evaluation| {
                    evaluation.stack.push(value);
                    evaluation.value(body)
                })
            }
            Node::MapValues(parts) => {
                let [map, body] = &**parts;
                self.over_map(map, "mapValues", |evaluation, key, value, made| {
                    evaluation.stack.push(value);
                    let value = evaluation.value(body)?;
                    made.insert(key, value);
                    Ok(())
                })
            }
            Node::FilterKeys(parts) => {
                let [map, body] = &**parts;
                self.over_map(map, "filterKeys", |evaluation, key, value, made| {
                    evaluation.stack.push(key.to_val());
                    if evaluation.condition(body)? {
                        made.insert(key, value);
                    }
                    Ok(())
                })
            }
            Node::Default(parts) => {
                let [value, otherwise] = &**parts;
                match self.scoped(|evaluation| evaluation.value(value)) {
                    Err(Error::Missing { .. }) => self.value(otherwise),
                    found => found,
                }
            }
            Node::Coalesce(nodes) => {
                let mut failed = None;
                let mut null = false;
                for node in nodes {
                    match self.scoped(|evaluation| evaluation.value(node)) {
                        Ok(Val::Null) => null = true,
                        Err(error) if error.is_final() => return Err(error),
                        Err(error) => failed = Some(error),
                        found => return found,
                    }
                }
                failed.filter(|_| !null).map_or(Ok(Val::Null), Err)
            }
            Node::Variables => {
                let context = self.context;
                let mut map = Entries::default();
                for name in context.names() {
                    self.budget.values(2)?;
                    if let Some(value) = context.get(name) {
                        map.insert(Key::Str(Str::Lent(name)), Val::lent(value));
                    }
                }
                Ok(Val::map(map))
            }
            Node::Call(function, nodes) => {
                let arguments = self.values(nodes)?;
                match function.body {
                    Body::Plain(call) => call(&mut self.budget, &arguments),
                    Body::Pattern(call) => {
                        let Some(Val::Str(text)) = arguments.get(1) else {
                            return Err(Val::mismatch(function.name, &arguments.iter().collect::<Vec<_>>()));
                        };
                        // Compiling costs far more than looking: it takes as long as its size limit allows.
                        self.budget.steps(PATTERN_STEPS)?;
                        let pattern = crate::functions::pattern(text.as_str())?;
                        call(&mut self.budget, &arguments, &pattern)
                    }
                }
            }
            Node::Pattern(function, nodes, pattern) => {
                let arguments = self.values(nodes)?;
                match function.body {
                    Body::Plain(call) => call(&mut self.budget, &arguments),
                    Body::Pattern(call) => call(&mut self.budget, &arguments, pattern),
                }
            }
        }
    }

    fn values(&mut self, nodes: &'v [Node]) -> Result<Vec<Val<'v>>, Error> {
        nodes.iter().map(|node| self.value(node)).collect()
    }

    fn condition(&mut self, node: &'v Node) -> Result<bool, Error> {
        match self.value(node)? {
            Val::Bool(value) => Ok(value),
            other => Err(Val::mismatch("a condition", &[&other])),
        }
    }

    /// Runs `inner`, after which the stack is as it was, also after an error that is absorbed further out.
    fn scoped(&mut self, inner: impl FnOnce(&mut Self) -> Result<Val<'v>, Error>) -> Result<Val<'v>, Error> {
        let height = self.stack.len();
        let value = inner(self);
        self.stack.truncate(height);
        value
    }

    fn field(&mut self, operand: &Val<'v>, field: &'v str) -> Result<Option<Val<'v>>, Error> {
        match operand {
            Val::Map(map) => Ok(map.get(&Key::Str(Str::Lent(field)))),
            other => Err(Val::mismatch("field access", &[other])),
        }
    }

    /// `&&` and `||`: an operand that decides the outcome wins over an error in the other.
    fn logical(
        &mut self,
        operands: &'v [Node; 2],
        operation: &'static str,
        decides: bool,
    ) -> Result<Val<'v>, Error> {
        let mut failed = None;
        for operand in operands {
            match self.scoped(|evaluation| evaluation.value(operand)) {
                Ok(Val::Bool(value)) if value == decides => return Ok(Val::Bool(decides)),
                Ok(Val::Bool(_)) => {}
                Ok(other) => failed = failed.or_else(|| Some(Val::mismatch(operation, &[&other]))),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Val::Bool(!decides)), Err)
    }

    fn run(&mut self, it: &'v Loop) -> Result<Val<'v>, Error> {
        let range = self.value(&it.range)?;
        let start = self.value(&it.start)?;
        let place = self.stack.len();
        self.stack.push(Val::Null);
        self.stack.push(start);
        let elements: List<'v> = match range {
            Val::List(list) => list,
            Val::Map(map) => {
                self.budget.values(map.len())?;
                List::Own(Rc::new(map.entries().iter().map(|(key, _)| key.to_val()).collect()))
            }
            other => return Err(Val::mismatch("a macro", &[&other])),
        };
        // What decides `exists` and `all`: an element that does so wins over an error in another.
        let decides = match it.step {
            Node::Or(_) => Some(true),
            Node::And(_) => Some(false),
            _ => None,
        };
        let mut failed = None;
        for element in elements.iter() {
            self.budget.steps(1)?;
            if let Some(slot) = self.stack.get_mut(place) {
                *slot = element;
            }
            if !self.condition(&it.condition)? {
                break;
            }
            match self.step(&it.step, place + 1) {
                Err(error) if decides.is_some() && !error.is_final() => failed = failed.or(Some(error)),
                done => done?,
            }
        }
        let decided =
            matches!((self.stack.get(place + 1), decides), (Some(Val::Bool(is)), Some(by)) if *is == by);
        match failed {
            Some(error) if !decided => Err(error),
            _ => self.value(&it.result),
        }
    }

    /// Runs a loop's step: its value becomes the accumulator at `place`.
    fn step(&mut self, node: &'v Node, place: usize) -> Result<(), Error> {
        let value = match node {
            Node::Append(element) => {
                let element = self.value(element)?;
                self.budget.values(1)?;
                match self.stack.get_mut(place) {
                    Some(Val::List(List::Own(list))) => Rc::make_mut(list).push(element),
                    Some(slot) => *slot = Val::list(vec![element]),
                    None => {}
                }
                return Ok(());
            }
            Node::Conditional(operands) => {
                let [condition, yes, no] = &**operands;
                let branch = if self.condition(condition)? { yes } else { no };
                return self.step(branch, place);
            }
            Node::Local(same) if *same == place => return Ok(()),
            other => self.value(other)?,
        };
        if let Some(slot) = self.stack.get_mut(place) {
            *slot = value;
        }
        Ok(())
    }

    fn over_map(
        &mut self,
        map: &'v Node,
        operation: &'static str,
        each: impl Fn(&mut Self, Key<'v>, Val<'v>, &mut Entries<'v>) -> Result<(), Error>,
    ) -> Result<Val<'v>, Error> {
        let map = match self.value(map)? {
            Val::Map(map) => map,
            other => return Err(Val::mismatch(operation, &[&other])),
        };
        self.budget.values(map.len().saturating_mul(2))?;
        let mut made = Entries::default();
        let height = self.stack.len();
        for (key, value) in map.entries() {
            self.budget.steps(1)?;
            let done = each(self, key, value, &mut made);
            self.stack.truncate(height);
            done?;
        }
        Ok(Val::map(made))
    }
}

/// An element of a list or map.
fn at<'v>(operand: &Val<'v>, index: &Val<'v>) -> Result<Val<'v>, Error> {
    match (operand, index) {
        (Val::List(list), Val::Int(_) | Val::Uint(_)) => {
            let place = match index {
                Val::Int(index) => usize::try_from(*index).ok(),
                Val::Uint(index) => usize::try_from(*index).ok(),
                _ => None,
            };
            place.and_then(|place| list.get(place)).ok_or_else(|| Error::value("[]", "index out of range"))
        }
        (Val::Map(map), index) => {
            let key = Key::from_val(index).ok_or_else(|| Val::mismatch("[]", &[operand, index]))?;
            map.get(&key).ok_or_else(|| Error::missing("field of the name in brackets"))
        }
        (operand, index) => Err(Val::mismatch("[]", &[operand, index])),
    }
}

fn constant(literal: &Literal) -> Val<'_> {
    match literal {
        Literal::Null => Val::Null,
        Literal::Bool(value) => Val::Bool(*value),
        Literal::Int(value) => Val::Int(*value),
        Literal::Uint(value) => Val::Uint(*value),
        Literal::Double(value) => Val::Double(*value),
        Literal::Str(text) => Val::Str(Str::Lent(text)),
        Literal::Bytes(bytes) => Val::Bytes(bytes.as_slice().into()),
    }
}

/// A value as JSON.
pub(crate) fn to_json(budget: &mut Budget, value: &Val<'_>) -> Result<Value, Error> {
    budget.values(1)?;
    Ok(match value {
        Val::Null => Value::Null,
        Val::Bool(value) => Value::from(*value),
        Val::Int(value) => Value::from(*value),
        Val::Uint(value) => Value::from(*value),
        Val::Double(value) => Value::Number(number(*value)?),
        Val::Str(text) => {
            budget.build(text.as_str().len())?;
            Value::from(text.as_str())
        }
        Val::Bytes(bytes) => {
            budget.build(bytes.len().saturating_mul(4) / 3)?;
            Value::from(STANDARD.encode(bytes))
        }
        Val::List(List::Lent(list)) => {
            for value in *list {
                charge(budget, value)?;
            }
            Value::Array(list.to_vec())
        }
        Val::List(list) => {
            Value::Array(list.iter().map(|value| to_json(budget, &value)).collect::<Result<_, _>>()?)
        }
        Val::Map(Map::Lent(map)) => {
            for (key, value) in *map {
                budget.build(key.len())?;
                charge(budget, value)?;
            }
            Value::Object((*map).clone())
        }
        Val::Map(map) => {
            let mut object = serde_json::Map::new();
            for (key, value) in map.entries() {
                let key = key.to_text();
                budget.build(key.len())?;
                object.insert(key, to_json(budget, &value)?);
            }
            Value::Object(object)
        }
        Val::Type(name) => Value::from(*name),
    })
}

/// Spends what a copy of `value` takes. JSON from the context is at most as deep as its parser allows.
fn charge(budget: &mut Budget, value: &Value) -> Result<(), Error> {
    budget.values(1)?;
    match value {
        Value::String(text) => budget.build(text.len()),
        Value::Array(list) => list.iter().try_for_each(|value| charge(budget, value)),
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            budget.build(key.len())?;
            charge(budget, value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// A double as a JSON number: whole ones without a fraction, which providers take for `max_tokens`.
fn number(value: f64) -> Result<Number, Error> {
    /// 2⁵³: up to here every whole double is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        return Ok(Number::from(value as i64));
    }
    Number::from_f64(value).ok_or_else(|| Error::value("JSON", "has no infinity and no not-a-number"))
}
