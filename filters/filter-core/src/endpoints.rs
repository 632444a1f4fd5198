//! Which dialect is spoken at a path.

use std::collections::BTreeMap;

use filter_config::Endpoint;
use llm_dialects::Dialect;

/// Path suffixes and their dialects, longest first.
#[derive(Debug)]
pub(crate) struct Endpoints(Vec<(String, Dialect)>);

impl Endpoints {
    pub(crate) fn new(endpoints: &BTreeMap<String, Endpoint>) -> Self {
        let mut table: Vec<_> =
            endpoints.iter().map(|(suffix, endpoint)| (suffix.clone(), dialect(*endpoint))).collect();
        table.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
        Self(table)
    }

    /// The dialect at `path` (with or without a query). Suffixes begin with `/`, so whole segments match.
    pub(crate) fn find(&self, path: &str) -> Option<Dialect> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let path = path.strip_suffix('/').unwrap_or(path);
        self.0.iter().find(|(suffix, _)| path.ends_with(suffix.as_str())).map(|(_, dialect)| *dialect)
    }
}

/// The dialect of a configured endpoint.
pub(crate) fn dialect(endpoint: Endpoint) -> Dialect {
    match endpoint {
        Endpoint::OpenaiChat => Dialect::OpenaiChat,
        Endpoint::AnthropicMessages => Dialect::AnthropicMessages,
    }
}

#[cfg(test)]
mod tests {
    use filter_config::Llm;

    use super::*;

    #[test]
    fn longest_suffix_of_whole_segments() {
        let endpoints = Endpoints::new(&Llm::default().endpoints);
        assert_eq!(endpoints.find("/v1/chat/completions"), Some(Dialect::OpenaiChat));
        assert_eq!(endpoints.find("/openai/v1/chat/completions?x=/messages"), Some(Dialect::OpenaiChat));
        assert_eq!(endpoints.find("/v1/messages/"), Some(Dialect::AnthropicMessages));
        assert_eq!(endpoints.find("/v1/xmessages"), None);
        assert_eq!(endpoints.find("/v1/messages/count_tokens"), None);
    }
}
