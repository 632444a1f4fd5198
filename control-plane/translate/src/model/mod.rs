//! AgentgatewayModels: what each leads to, and where it is attached.

mod attach;
mod headers;
mod preset;
mod resolve;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use filter_config::ConditionalTarget;
use resources::{AgentgatewayModel, ModelVisibility, ObjectKey};

use crate::destination::Destination;
use crate::findings::Findings;
use crate::index::{Index, Resolved};
use crate::policy::Inherited;
pub(crate) use attach::{models_of_listener, models_of_rule, offers_models, report};
pub(crate) use headers::header_changes;

/// All models, and what those that are offered lead to. Refused ones are among them: what they would serve must not go to
/// a wider model.
#[derive(Debug, Default)]
pub(crate) struct Models<'a> {
    all: BTreeMap<&'a ObjectKey, Model<'a>>,
    leads: Resolved<Arc<Leads>>,
}

/// A model.
#[derive(Debug, Clone)]
pub(crate) struct Model<'a> {
    pub(crate) key: &'a ObjectKey,
    object: &'a AgentgatewayModel,
    /// What clients call it.
    pub(crate) pattern: Pattern,
    /// Whether clients can ask for it.
    public: bool,
    /// Whether it chooses among other models.
    is_virtual: bool,
    /// Whether validation found it unusable.
    refused: bool,
    /// Who owns it, in lists.
    owner: &'static str,
}

/// What a model leads to.
#[derive(Debug, Clone)]
pub(crate) enum Leads {
    /// Nothing that may be served: requests are answered with 500.
    Refused,
    /// These, by their weights.
    To(Vec<Destination>),
    /// The `llm` filter decides which way, and says so by the name of the target in the model header.
    Conditional(Vec<(ConditionalTarget, Destination)>),
}

/// The names of models a request can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// This one.
    Exact(String),
    /// Those that begin so.
    Prefix(String),
    /// Those that end so.
    Suffix(String),
}

impl Pattern {
    /// Reads a name with at most one `*`, at its beginning or end. `None` for anything else.
    fn read(text: &str) -> Option<Self> {
        let pattern = match (text.strip_suffix('*'), text.strip_prefix('*')) {
            (Some(prefix), _) => Self::Prefix(prefix.to_owned()),
            (None, Some(suffix)) => Self::Suffix(suffix.to_owned()),
            (None, None) => Self::Exact(text.to_owned()),
        };
        let (Self::Exact(fixed) | Self::Prefix(fixed) | Self::Suffix(fixed)) = &pattern;
        let usable = !fixed.contains('*') && !text.is_empty();
        usable.then_some(pattern)
    }

    /// The only name it stands for.
    pub(crate) fn exact(&self) -> Option<&str> {
        match self {
            Self::Exact(name) => Some(name),
            Self::Prefix(_) | Self::Suffix(_) => None,
        }
    }

    /// Exact names before patterns, longer patterns before shorter ones.
    fn rank(&self) -> (bool, Reverse<usize>) {
        match self {
            Self::Exact(_) => (false, Reverse(0)),
            Self::Prefix(fixed) | Self::Suffix(fixed) => (true, Reverse(fixed.len())),
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl<'a> Models<'a> {
    /// All models; none of them is resolved before something leads to it.
    pub(crate) fn new(index: &Index<'a>) -> Self {
        let usable = index.objects.models();
        let usable = usable.map(|(key, object)| Model::new(key, object, index.closed.whole(key)));
        let refused = index.objects.refused_models().map(|(key, object)| Model::new(key, object, true));
        let all = usable.chain(refused).flatten().map(|model| (model.key, model)).collect();
        Self { all, leads: Resolved::default() }
    }

    /// What a model leads to where this is inherited. What is wrong with it is reported the first time.
    pub(crate) fn leads(
        &self,
        index: &Index<'a>,
        model: &Model<'a>,
        inherited: &Inherited<'a>,
        findings: &mut Findings,
    ) -> Arc<Leads> {
        self.leads.get(model.key, inherited, || {
            let leads = match model.refused {
                true => Leads::Refused,
                false => resolve::leads(index, model.key, model.object, inherited, findings),
            };
            Arc::new(leads)
        })
    }

    /// Reports what is wrong with those that are offered nowhere, so that it is known before they are.
    pub(crate) fn report_unreached(&self, index: &Index<'a>, findings: &mut Findings) {
        for model in self.iter().filter(|model| !self.leads.is_reached(model.key)) {
            self.leads(index, model, &Inherited::default(), findings);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Model<'a>> {
        self.all.values()
    }
}

impl<'a> Model<'a> {
    fn new(key: &'a ObjectKey, object: &'a AgentgatewayModel, refused: bool) -> Option<Self> {
        let spec = &object.spec;
        Some(Self {
            key,
            object,
            pattern: Pattern::read(spec.pattern(&key.name))?,
            public: spec.visibility() == ModelVisibility::Public,
            is_virtual: spec.virtual_model.is_some(),
            refused,
            owner: spec.provider.map_or("weir", preset::owner),
        })
    }

    /// The order in which models are tried: virtual ones first, then exact names, then longer patterns; of equal ones
    /// the older.
    fn rank(&self) -> impl Ord + use<'a> {
        (!self.is_virtual, self.pattern.rank(), self.created().unwrap_or(i64::MAX), self.key)
    }

    /// When it was created, in seconds since 1970.
    pub(crate) fn created(&self) -> Option<i64> {
        self.object.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second())
    }

    /// Its entry in lists of models. A pattern is no name one could ask for, and has none.
    pub(crate) fn listed(&self) -> Option<serde_json::Value> {
        self.pattern.exact().filter(|_| !self.refused).map(|name| {
            serde_json::json!({
                "id": name,
                "object": "model",
                "created": self.created().unwrap_or(0),
                "owned_by": self.owner,
            })
        })
    }
}

/// Models in the order in which they are tried. A name that is served twice is reported, on the one that loses.
fn ordered<'m, 'a>(
    models: impl Iterator<Item = &'m Model<'a>>,
    findings: &mut Findings,
) -> Vec<&'m Model<'a>> {
    let mut models: Vec<_> = models.filter(|model| model.public).collect();
    models.sort_by_cached_key(|model| model.rank());
    let mut served: BTreeMap<String, &ObjectKey> = BTreeMap::new();
    models.retain(|model| {
        let pattern = model.pattern.to_string();
        let Some(first) = served.get(&pattern) else {
            served.insert(pattern, model.key);
            return true;
        };
        let message =
            format!("{first} serves the model {pattern:?} at the same place, so this one is not reached");
        findings.error(model.key, "spec.match.model", message, "choose another name");
        false
    });
    models
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_and_ranked() {
        assert_eq!(Pattern::read("gpt-5"), Some(Pattern::Exact("gpt-5".into())));
        assert_eq!(Pattern::read("gpt-*"), Some(Pattern::Prefix("gpt-".into())));
        assert_eq!(Pattern::read("*-mini"), Some(Pattern::Suffix("-mini".into())));
        assert_eq!(Pattern::read("*"), Some(Pattern::Prefix(String::new())));
        for text in ["", "a*b", "*a*", "**"] {
            assert_eq!(Pattern::read(text), None, "{text:?}");
        }
        let mut names = ["*", "gpt-*", "gpt-5-*", "gpt-5"].map(|text| Pattern::read(text).unwrap());
        names.sort_by_key(Pattern::rank);
        assert_eq!(names.map(|one| one.to_string()), ["gpt-5", "gpt-5-*", "gpt-*", "*"]);
    }
}
