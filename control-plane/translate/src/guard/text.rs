//! Guards that look at the text themselves.

use answer_schema::Schema;
use filter_config::{
    Action, Builtin, Check, JsonSchemaCheck, Keywords, LengthCheck, LengthLimits, Pattern, TextCheck,
};
use prompt_guard::Detector;
use resources::{
    ConfigMapKeyRef, GuardAction, GuardBuiltin, JsonSchemaGuard, KeywordsGuard, Kind, LengthBounds,
    LengthGuard, RegexGuard,
};

use super::{Entry, Reading, pattern};

/// What is to be done about a pattern that cannot be looked for.
const LEFT_OUT: &str = "correct it; what else the guard looks for is in force without it";

impl Reading<'_> {
    /// Recognisers and patterns. A pattern that is none is left out; without any that is left, nothing could be found.
    pub(super) fn regex(&mut self, entry: Entry<'_>, set: &RegexGuard) -> Option<Check> {
        let path = format!("{}.regex", entry.path);
        let mut patterns = Vec::new();
        for (place, text) in set.matches.iter().flatten().enumerate() {
            let path = format!("{path}.matches[{place}]");
            match pattern::compile(text, self.window_bytes) {
                Ok(Some(detector)) => {
                    if detector.longest_match().is_none() {
                        let window = self.window_bytes;
                        let message = format!(
                            "the longest match of {text:?} has no bound: a window of {window} bytes is held back of \
                             streams for it, and of a longer match only the last {window} bytes are found"
                        );
                        self.findings.note(entry.object, &path, message);
                    }
                    patterns.push(Pattern { regex: text.clone(), replacement: None });
                }
                Ok(None) => {
                    let message = format!("{text:?} cannot match any text that is not empty");
                    self.findings.error(entry.object, &path, message, LEFT_OUT);
                }
                Err(problem) => {
                    let message = format!("{text:?} {problem}");
                    self.findings.error(entry.object, &path, message, LEFT_OUT);
                }
            }
        }
        let builtins: Vec<_> = set.builtins.iter().flatten().map(|one| builtin(*one)).collect();
        if builtins.is_empty() && patterns.is_empty() {
            self.nothing_left(entry, &path, "name builtins or matches");
            return None;
        }
        Some(Check::Text(TextCheck {
            action: action(set.action),
            builtins,
            patterns,
            keywords: None,
            reversible: set.reversible.unwrap_or(false),
        }))
    }

    /// Words. Without the ConfigMap that is to hold them the guard would find less than it should: its failure mode
    /// decides then.
    pub(super) fn keywords(&mut self, entry: Entry<'_>, set: &KeywordsGuard) -> Option<Check> {
        let path = format!("{}.keywords", entry.path);
        let mut words: Vec<String> = set.words.iter().flatten().map(|word| word.trim().to_owned()).collect();
        if let Some(reference) = &set.config_map_ref {
            let text = self.config_map_entry(entry, &format!("{path}.configMapRef"), reference)?;
            words.extend(text.lines().map(|line| line.trim().to_owned()));
        }
        words.retain(|word| !word.is_empty());
        if words.is_empty() {
            self.nothing_left(entry, &path, "name at least one word");
            return None;
        }
        let check = |words| TextCheck {
            action: action(set.action),
            builtins: Vec::new(),
            patterns: Vec::new(),
            keywords: Some(Keywords {
                words,
                case_sensitive: set.case_sensitive.unwrap_or(false),
                inside_words: set.inside_words.unwrap_or(false),
            }),
            reversible: set.reversible.unwrap_or(false),
        };
        // What a filter compiles once is not compiled here on every edit: if it takes the longest word, it takes all.
        let longest = words.iter().max_by_key(|word| word.len()).cloned();
        if Detector::compile(&check(longest.into_iter().collect()), 1).is_err() {
            let message = "a word is too long to be looked for";
            self.findings.error(entry.object, &path, message, "shorten it, or remove it");
            return None;
        }
        Some(Check::Text(check(words)))
    }

    /// What an answer has to be.
    pub(super) fn json_schema(&mut self, entry: Entry<'_>, set: &JsonSchemaGuard) -> Option<Check> {
        if let Err(error) = Schema::compile(&set.schema) {
            let path = format!("{}.jsonSchema.schema", entry.path);
            let remedy = "correct it";
            self.findings.error(entry.object, &path, error.to_string(), remedy);
            return None;
        }
        Some(Check::JsonSchema(JsonSchemaCheck { schema: set.schema.clone() }))
    }

    fn config_map_entry(
        &mut self,
        entry: Entry<'_>,
        path: &str,
        reference: &ConfigMapKeyRef,
    ) -> Option<String> {
        let namespace = &entry.object.namespace;
        let key = crate::objects::key(Kind::ConfigMap, namespace, &reference.name);
        let Some(map) = self.index.objects.config_map(namespace, &reference.name) else {
            let absence = self.index.objects.absence(&key);
            self.findings.error(entry.object, path, absence.message, absence.remedy);
            return None;
        };
        let text = map.data.as_ref().and_then(|data| data.get(&reference.key));
        if text.is_none() {
            let message = format!("{key} has no entry `{}`", reference.key);
            self.findings.error(entry.object, path, message, "add it, or name another with `key`");
        }
        text.cloned()
    }

    fn nothing_left(&mut self, entry: Entry<'_>, path: &str, remedy: &str) {
        self.findings.error(entry.object, path, "the guard has nothing to look for", remedy);
    }
}

/// How long a text may be.
pub(super) fn length(set: &LengthGuard) -> Check {
    let limits = |bounds: Option<LengthBounds>| {
        let bounds = bounds.unwrap_or_default();
        LengthLimits { min: bounds.min.map(u64::from), max: bounds.max.map(u64::from) }
    };
    Check::Length(LengthCheck { characters: limits(set.characters), words: limits(set.words) })
}

fn action(action: Option<GuardAction>) -> Action {
    match action.unwrap_or_default() {
        GuardAction::Mask => Action::Mask,
        GuardAction::Reject => Action::Reject,
    }
}

fn builtin(builtin: GuardBuiltin) -> Builtin {
    match builtin {
        GuardBuiltin::Ssn => Builtin::Ssn,
        GuardBuiltin::CreditCard => Builtin::CreditCard,
        GuardBuiltin::PhoneNumber => Builtin::PhoneNumber,
        GuardBuiltin::Email => Builtin::Email,
        GuardBuiltin::CaSin => Builtin::CaSin,
        GuardBuiltin::Url => Builtin::Url,
        GuardBuiltin::Secret => Builtin::Secret,
        GuardBuiltin::IpAddress => Builtin::IpAddress,
    }
}
