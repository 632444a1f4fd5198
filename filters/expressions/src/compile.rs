//! From text to a [`Node`].

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators as names};
use cel::parser::PrattParser;

use crate::Error;
use crate::functions::{self, Body};
use crate::program::{Literal, Loop, Node, Operator};

/// Most bytes an expression may have.
pub const MAX_LENGTH: usize = 16 * 1024;

/// How deep an expression may be nested. A chain such as `a + b + c` nests once per operator, except for `&&` and
/// `||`. A level needs up to 4 KiB of stack (measured in release builds), and a Wasm module has one megabyte.
pub const MAX_DEPTH: usize = 80;

/// Most operator characters in an expression. The parser does not bound the length of chains, which become trees as
/// deep as they are long and take stack when they are freed.
const MAX_OPERATORS: usize = 2000;

/// Most question marks in an expression: of chained conditions, the parser bounds neither the length nor its own
/// recursion.
const MAX_CONDITIONS: usize = MAX_DEPTH;

/// Words in front of a dot that belong to a function's name.
const NAMESPACES: [&str; 6] = ["math", "base64", "url", "sha1", "sha256", "md5"];

pub(crate) struct Compiled {
    pub(crate) node: Node,
    pub(crate) roots: BTreeSet<String>,
    pub(crate) members: BTreeSet<(String, String)>,
    pub(crate) every_root: bool,
}

pub(crate) fn compile(text: &str) -> Result<Compiled, Error> {
    if text.len() > MAX_LENGTH {
        return Err(Error::TooLarge { what: "long", limit: MAX_LENGTH, unit: "bytes" });
    }
    if text.bytes().filter(|byte| b".+-*/%[(!?=<>&|".contains(byte)).count() > MAX_OPERATORS {
        return Err(Error::TooLarge { what: "long", limit: MAX_OPERATORS, unit: "operators" });
    }
    if text.bytes().filter(|byte| *byte == b'?').count() > MAX_CONDITIONS {
        return Err(Error::TooLarge { what: "long", limit: MAX_CONDITIONS, unit: "question marks" });
    }
    let tree = PrattParser::default()
        .enable_ident_escape_syntax(true)
        .parse(text)
        .map_err(|errors| syntax(errors.errors.first()))?;
    let mut compiler =
        Compiler { scope: Vec::new(), roots: BTreeSet::new(), members: BTreeSet::new(), every_root: false };
    let node = compiler.node(tree, 0)?;
    let Compiler { roots, members, every_root, .. } = compiler;
    Ok(Compiled { node, roots, members, every_root })
}

fn syntax(error: Option<&cel::ParseError>) -> Error {
    let Some(error) = error else {
        return Error::Syntax { line: 1, column: 1, message: "not a CEL expression".to_owned() };
    };
    if error.msg.contains("recursion limit") {
        return too_deep();
    }
    let place = |at: isize| usize::try_from(at).unwrap_or_default().max(1);
    Error::Syntax { line: place(error.pos.0), column: place(error.pos.1), message: error.msg.clone() }
}

fn too_deep() -> Error {
    Error::TooLarge { what: "deeply nested", limit: MAX_DEPTH, unit: "levels" }
}

struct Compiler {
    /// Variables of the macros around the current node: the stack as it is during evaluation.
    scope: Vec<String>,
    roots: BTreeSet<String>,
    /// Variables with the members of them that are named.
    members: BTreeSet<(String, String)>,
    every_root: bool,
}

impl Compiler {
    fn node(&mut self, expression: IdedExpr, depth: usize) -> Result<Node, Error> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let depth = depth + 1;
        Ok(match expression.expr {
            Expr::Literal(value) => Node::Literal(literal(value)),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => {
                let operand = Box::new(self.node(*select.operand, depth)?);
                self.member(&operand, &select.field);
                if select.test {
                    Node::Has(operand, select.field)
                } else {
                    Node::Select(operand, select.field)
                }
            }
            Expr::List(list) => {
                if !list.optional_indices.is_empty() {
                    return Err(optionals());
                }
                Node::List(self.nodes(list.elements, depth)?)
            }
            Expr::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries.len());
                for entry in map.entries {
                    let EntryExpr::MapEntry(entry) = entry.expr else { return Err(messages()) };
                    if entry.optional {
                        return Err(optionals());
                    }
                    entries.push((self.node(entry.key, depth)?, self.node(entry.value, depth)?));
                }
                Node::Map(entries)
            }
            Expr::Comprehension(it) => {
                if it.iter_var2.is_some() {
                    return Err(unavailable("two-variable macros", "use the macros with one variable"));
                }
                let range = self.node(it.iter_range, depth)?;
                let start = self.node(it.accu_init, depth)?;
                self.scope.push(it.iter_var);
                self.scope.push(it.accu_var);
                let condition = self.node(it.loop_cond, depth);
                let step = self.step(it.loop_step, depth);
                let result = self.node(it.result, depth);
                self.scope.truncate(self.scope.len().saturating_sub(2));
                Node::Loop(Box::new(Loop {
                    range,
                    start,
                    condition: condition?,
                    step: step?,
                    result: result?,
                }))
            }
            Expr::Call(call) => {
                self.call(call.func_name, call.target.map(|target| *target), call.args, depth)?
            }
            Expr::Struct(_) => return Err(messages()),
            Expr::Unspecified => {
                return Err(Error::Syntax { line: 1, column: 1, message: "not a CEL expression".to_owned() });
            }
        })
    }

    fn nodes(&mut self, expressions: Vec<IdedExpr>, depth: usize) -> Result<Vec<Node>, Error> {
        expressions.into_iter().map(|expression| self.node(expression, depth)).collect()
    }

    /// A loop's step. Adding an element to the accumulated list is an operation of its own: as an addition it would
    /// copy the list for each element.
    fn step(&mut self, expression: IdedExpr, depth: usize) -> Result<Node, Error> {
        let accumulator = self.scope.len().saturating_sub(1);
        match expression.expr {
            Expr::Call(call) if call.func_name == names::CONDITIONAL => {
                let [condition, yes, no] = exactly(call.args, "_?_:_")?;
                Ok(Node::Conditional(Box::new([
                    self.node(condition, depth + 1)?,
                    self.step(yes, depth + 1)?,
                    self.step(no, depth + 1)?,
                ])))
            }
            Expr::Call(call) if call.func_name == names::ADD => {
                let [left, right] = exactly(call.args, "_+_")?;
                let left = self.node(left, depth + 1)?;
                let right = self.node(right, depth + 1)?;
                match (left, right) {
                    (Node::Local(place), Node::List(mut elements))
                        if place == accumulator && elements.len() == 1 =>
                    {
                        Ok(elements
                            .pop()
                            .map_or(Node::List(Vec::new()), |element| Node::Append(Box::new(element))))
                    }
                    (left, right) => Ok(Node::Binary(Operator::Add, Box::new([left, right]))),
                }
            }
            expr => self.node(IdedExpr { id: expression.id, expr }, depth),
        }
    }

    fn variable(&mut self, name: String) -> Node {
        if let Some(place) = self.scope.iter().rposition(|known| *known == name) {
            return Node::Local(place);
        }
        // A leading dot names the root even where a macro's variable hides it.
        let name = name.strip_prefix('.').unwrap_or(&name);
        self.roots.insert(name.to_owned());
        Node::Root(name.to_owned())
    }

    /// Notes that a member is looked at, if it is one of a variable.
    fn member(&mut self, of: &Node, name: &str) {
        if let Node::Root(root) = of {
            self.members.insert((root.clone(), name.to_owned()));
        }
    }

    fn call(
        &mut self,
        name: String,
        target: Option<IdedExpr>,
        mut arguments: Vec<IdedExpr>,
        depth: usize,
    ) -> Result<Node, Error> {
        let name = match target {
            Some(IdedExpr { expr: Expr::Ident(space), .. })
                if NAMESPACES.contains(&space.as_str()) && !self.scope.contains(&space) =>
            {
                format!("{space}.{name}")
            }
            Some(target) => {
                arguments.insert(0, target);
                name
            }
            None => name,
        };
        if let Some(node) = self.operator(&name, &mut arguments, depth)? {
            return Ok(node);
        }
        match name.as_str() {
            "default" => Ok(Node::Default(Box::new(self.fixed(arguments, "default", depth)?))),
            "coalesce" => {
                if arguments.is_empty() {
                    return Err(wrong_count("coalesce", "at least 1", 0));
                }
                Ok(Node::Coalesce(self.nodes(arguments, depth)?))
            }
            "variables" => {
                let [] = exactly(arguments, "variables")?;
                self.every_root = true;
                Ok(Node::Variables)
            }
            "with" => Ok(Node::With(Box::new(self.binding(arguments, "with", depth)?))),
            "mapValues" => Ok(Node::MapValues(Box::new(self.binding(arguments, "mapValues", depth)?))),
            "filterKeys" => Ok(Node::FilterKeys(Box::new(self.binding(arguments, "filterKeys", depth)?))),
            _ => self.function(&name, arguments, depth),
        }
    }

    fn function(&mut self, name: &str, arguments: Vec<IdedExpr>, depth: usize) -> Result<Node, Error> {
        let Some(function) = functions::find(name) else { return Err(unavailable(name, why_not(name))) };
        let found = arguments.len();
        if found < function.min || found > function.max {
            let expected = if function.min == function.max {
                function.min.to_string()
            } else if function.max == usize::MAX {
                format!("at least {}", function.min)
            } else {
                format!("{} to {}", function.min, function.max)
            };
            return Err(wrong_count(name, &expected, found));
        }
        let nodes = self.nodes(arguments, depth)?;
        if let Body::Pattern(_) = function.body
            && let Some(Node::Literal(Literal::Str(pattern))) = nodes.get(1)
        {
            let pattern = functions::pattern(pattern)?;
            return Ok(Node::Pattern(function, nodes, pattern));
        }
        Ok(Node::Call(function, nodes))
    }

    /// The value, and the body in which the variable named by the second argument stands for it.
    fn binding(
        &mut self,
        arguments: Vec<IdedExpr>,
        function: &'static str,
        depth: usize,
    ) -> Result<[Node; 2], Error> {
        let [value, name, body] = exactly(arguments, function)?;
        let Expr::Ident(name) = name.expr else {
            return Err(unavailable(function, "its first argument must be the name of a variable"));
        };
        let value = self.node(value, depth)?;
        self.scope.push(name);
        let body = self.node(body, depth);
        self.scope.pop();
        Ok([value, body?])
    }

    fn operator(
        &mut self,
        name: &str,
        arguments: &mut Vec<IdedExpr>,
        depth: usize,
    ) -> Result<Option<Node>, Error> {
        let binary = match name {
            names::ADD => Some(Operator::Add),
            names::SUBSTRACT => Some(Operator::Subtract),
            names::MULTIPLY => Some(Operator::Multiply),
            names::DIVIDE => Some(Operator::Divide),
            names::MODULO => Some(Operator::Remainder),
            names::EQUALS => Some(Operator::Equal),
            names::NOT_EQUALS => Some(Operator::NotEqual),
            names::LESS => Some(Operator::Less),
            names::LESS_EQUALS => Some(Operator::LessEqual),
            names::GREATER => Some(Operator::Greater),
            names::GREATER_EQUALS => Some(Operator::GreaterEqual),
            names::IN => Some(Operator::In),
            _ => None,
        };
        let take = std::mem::take::<Vec<IdedExpr>>;
        Ok(Some(match name {
            _ if let Some(operator) = binary => {
                Node::Binary(operator, Box::new(self.fixed(take(arguments), "an operator", depth)?))
            }
            names::CONDITIONAL => Node::Conditional(Box::new(self.fixed(take(arguments), "_?_:_", depth)?)),
            names::LOGICAL_AND => Node::And(Box::new(self.fixed(take(arguments), "_&&_", depth)?)),
            names::LOGICAL_OR => Node::Or(Box::new(self.fixed(take(arguments), "_||_", depth)?)),
            names::INDEX => {
                let operands = self.fixed(take(arguments), "_[_]", depth)?;
                if let [of, Node::Literal(Literal::Str(name))] = &operands {
                    self.member(of, name);
                }
                Node::Index(Box::new(operands))
            }
            names::LOGICAL_NOT => {
                let [operand] = self.fixed(take(arguments), "!_", depth)?;
                Node::Not(Box::new(operand))
            }
            names::NEGATE => {
                let [operand] = self.fixed(take(arguments), "-_", depth)?;
                Node::Negate(Box::new(operand))
            }
            names::NOT_STRICTLY_FALSE => {
                let [operand] = self.fixed(take(arguments), "a macro", depth)?;
                Node::NotFalse(Box::new(operand))
            }
            names::OPT_INDEX | names::OPT_SELECT => return Err(optionals()),
            _ => return Ok(None),
        }))
    }

    fn fixed<const N: usize>(
        &mut self,
        arguments: Vec<IdedExpr>,
        name: &str,
        depth: usize,
    ) -> Result<[Node; N], Error> {
        let found = arguments.len();
        self.nodes(arguments, depth)?.try_into().map_err(|_| wrong_count(name, &N.to_string(), found))
    }
}

fn exactly<const N: usize>(arguments: Vec<IdedExpr>, name: &str) -> Result<[IdedExpr; N], Error> {
    let found = arguments.len();
    arguments.try_into().map_err(|_| wrong_count(name, &N.to_string(), found))
}

fn literal(value: LiteralValue) -> Literal {
    match value {
        LiteralValue::Boolean(value) => Literal::Bool(value.into_inner()),
        LiteralValue::Bytes(value) => Literal::Bytes(value.into_inner()),
        LiteralValue::Double(value) => Literal::Double(value.into_inner()),
        LiteralValue::Int(value) => Literal::Int(value.into_inner()),
        LiteralValue::Null => Literal::Null,
        LiteralValue::String(value) => Literal::Str(value.into_inner()),
        LiteralValue::UInt(value) => Literal::Uint(value.into_inner()),
    }
}

fn wrong_count(function: &str, expected: &str, found: usize) -> Error {
    Error::Arguments { function: function.to_owned(), expected: expected.to_owned(), found }
}

fn unavailable(name: &str, reason: &'static str) -> Error {
    Error::Unavailable { name: name.to_owned(), reason }
}

fn messages() -> Error {
    unavailable("message construction", "values are JSON; write a map")
}

fn optionals() -> Error {
    unavailable("optional syntax", "use `has`, `default` or `coalesce`")
}

fn why_not(name: &str) -> &'static str {
    match name {
        "random" | "uuid" => {
            "filters have no randomness, so that a request becomes the same bytes each time; read a variable that the \
             proxy makes, such as a request id header"
        }
        "timestamp" | "duration" | "now" => "there are no times and durations here",
        _ => "there is no such function; the docs list those there are",
    }
}

#[cfg(test)]
mod tests {
    use crate::{Error, Expression, MAX_DEPTH, MAX_LENGTH};

    fn refused(text: &str) -> Error {
        Expression::compile(text).unwrap_err()
    }

    #[test]
    fn syntax_errors_say_where() {
        let Error::Syntax { line, column, .. } = refused("1 +\n  )") else { panic!() };
        assert_eq!((line, column), (2, 3));
        assert!(refused("").to_string().starts_with("line 1, column 1: "), "{}", refused(""));
        assert!(refused("has(x)").to_string().contains("invalid argument to has()"));
    }

    #[test]
    fn what_could_never_work_is_refused() {
        let message = |text| refused(text).to_string();
        assert!(message("uuid()").contains("no randomness"));
        assert!(message("random() < 0.5").contains("no randomness"));
        assert!(message("llmRequest.model.startWith('x')").contains("`startWith` is not available"));
        assert!(message("math.sinh(1)").contains("`math.sinh` is not available"));
        assert!(message("size()").contains("`size` takes 1 arguments"));
        assert!(message("'a'.replace('b')").contains("3 to 4"));
        assert!(message("coalesce()").contains("at least 1"));
        assert!(message("x.matches('[')").contains("invalid regular expression"));
        assert!(
            message("x.matches('(a{500}){500}')").contains("size limit"),
            "{}",
            message("x.matches('(a{500}){500}')")
        );
        assert!(message("a.b{c: 1}").contains("message construction"));
        assert!(message("x.with('a', 1)").contains("name of a variable"));
    }

    #[test]
    fn size_is_bounded() {
        assert!(matches!(refused(&" ".repeat(MAX_LENGTH + 1)), Error::TooLarge { what: "long", .. }));
        let deep = |levels| format!("1{}", "+1".repeat(levels));
        assert!(Expression::compile(&deep(MAX_DEPTH)).is_ok());
        assert!(matches!(refused(&deep(MAX_DEPTH + 1)), Error::TooLarge { what: "deeply nested", .. }));
        for text in [
            format!("{}1{}", "(".repeat(2000), ")".repeat(2000)),
            format!("{}1{}", "(".repeat(900), ")".repeat(900)),
            format!("{}1", "-".repeat(3000)),
            format!("{}1", "!".repeat(1900)),
            format!("a{}", ".a".repeat(1900)),
            format!("a{} )", ".a".repeat(1900)),
            format!("a{}", "[0]".repeat(1900)),
            format!("{}1{}", "[".repeat(1900), "]".repeat(1900)),
            format!("{}1", "a?1:".repeat(1900)),
            "{".repeat(10_000),
        ] {
            // Debug frames are several times larger than those of release builds on a Wasm stack.
            let thread = std::thread::Builder::new().stack_size(2 << 20);
            // Some are accepted: the parser drops parentheses and pairs of signs.
            let ended = thread.spawn(move || drop(Expression::compile(&text))).unwrap().join();
            assert!(ended.is_ok());
        }
    }

    #[test]
    fn roots_are_those_named_outside_macros() {
        let roots = |text: &str| {
            let expression = Expression::compile(text).unwrap();
            expression.referenced_roots().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            roots("llmRequest.messages.filter(m, m.role == request.path).size() + n"),
            ["llmRequest", "n", "request"]
        );
        assert_eq!(roots("math.greatest(1, int('2'))"), Vec::<String>::new());
        assert_eq!(roots("a.with(b, b + c)"), ["a", "c"]);
        let all = Expression::compile("size(variables())").unwrap();
        assert!(all.references("anything"));
        assert!(!Expression::compile("a").unwrap().references("b"));
    }
}
