//! Metrics: which parts of a name are labels, and the buckets of histograms.
//!
//! A wasm filter can give a metric nothing but a name. So Weir's filters, in both builds, write labels into names, as
//! `gen_ai.client.token.usage;gen_ai.operation.name=chat;…;`, and Envoy takes them out again. Names, labels and buckets
//! are those of the OpenTelemetry semantic conventions for generative AI; Envoy's histograms hold whole numbers, so
//! times are in milliseconds, and those of single tokens in microseconds.

use envoy_proto::envoy::config::metrics::v3::{
    HistogramBucketSettings, StatsConfig, TagSpecifier, tag_specifier,
};
use envoy_proto::envoy::r#type::matcher::v3::{StringMatcher, string_matcher};

/// The labels a name of a metric can carry.
const LABELS: [&str; 12] = [
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.token.type",
    "server.address",
    "error.type",
    "weir.guard",
    "weir.phase",
    "weir.action",
    "weir.unit",
    "weir.decision",
];

/// Tokens: powers of 4.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// Milliseconds of whole requests.
const DURATION: [f64; 14] =
    [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0, 5120.0, 10240.0, 20480.0, 40960.0, 81920.0];

/// Milliseconds to the first token.
const FIRST_TOKEN: [f64; 16] = [
    1.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0,
    10000.0,
];

/// Microseconds between tokens.
const TOKEN: [f64; 14] = [
    1000.0,
    10_000.0,
    25_000.0,
    50_000.0,
    75_000.0,
    100_000.0,
    150_000.0,
    200_000.0,
    300_000.0,
    400_000.0,
    500_000.0,
    750_000.0,
    1_000_000.0,
    2_500_000.0,
];

/// How Envoy is to tell its metrics.
pub(super) fn stats_config() -> StatsConfig {
    let labels = LABELS.iter().map(|label| TagSpecifier {
        tag_name: (*label).to_owned(),
        // The first group is cut out of the name, the second is the value. The last label takes the `;` behind it along.
        tag_value: Some(tag_specifier::TagValue::Regex(format!(
            "(;{}=([^;]*)(?:;$)?)",
            label.replace('.', "\\.")
        ))),
    });
    StatsConfig {
        stats_tags: labels.collect(),
        histogram_bucket_settings: vec![
            buckets("gen_ai.client.token.usage", &TOKENS),
            buckets("gen_ai.server.request.duration", &DURATION),
            buckets("gen_ai.server.time_to_first_token", &FIRST_TOKEN),
            buckets("gen_ai.server.time_per_output_token", &TOKEN),
        ],
        ..StatsConfig::default()
    }
}

/// The buckets of histograms of a name. Envoy puts the kind of filter in front of it.
fn buckets(name: &str, buckets: &[f64]) -> HistogramBucketSettings {
    HistogramBucketSettings {
        r#match: Some(StringMatcher {
            match_pattern: Some(string_matcher::MatchPattern::Contains(name.to_owned())),
            ..StringMatcher::default()
        }),
        buckets: buckets.to_vec(),
        ..HistogramBucketSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_histogram_has_its_buckets_in_order() {
        let config = stats_config();
        assert_eq!(config.histogram_bucket_settings.len(), 4);
        for settings in &config.histogram_bucket_settings {
            assert!(settings.buckets.is_sorted_by(|a, b| a < b), "{settings:?}");
        }
    }

    #[test]
    fn labels_are_cut_out_of_names() {
        let first = &stats_config().stats_tags[0];
        assert_eq!(first.tag_name, "gen_ai.operation.name");
        let expected = r"(;gen_ai\.operation\.name=([^;]*)(?:;$)?)";
        assert_eq!(first.tag_value, Some(tag_specifier::TagValue::Regex(expected.to_owned())));
    }
}
