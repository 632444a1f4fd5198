use super::*;
use crate::matching;
use crate::request::Entry;

fn parse(text: &str) -> Result<Config, Error> {
    Config::parse(&[(PathBuf::from("limits.yaml"), text.to_owned())])
}

/// The rule that applies to entries like `user=a`, by its name in metrics.
fn rule(config: &Config, entries: &[&str]) -> Option<String> {
    let entries: Vec<Entry> = entries
        .iter()
        .map(|entry| entry.split_once('=').unwrap())
        .map(|(key, value)| Entry { key: key.to_owned(), value: value.to_owned() })
        .collect();
    matching::find(config, "d", &entries).map(|matched| match matched.metric {
        matching::Metric::Plain => matched.rule.id.clone(),
        matching::Metric::Detailed(name) => name,
    })
}

#[test]
fn the_most_specific_match_counts_and_depths_must_be_equal() {
    let config = parse(
        "
domain: d
descriptors:
  - key: user
    rate_limit: {unit: second, requests_per_unit: 1}
  - key: user
    value: alice
    rate_limit: {unit: second, requests_per_unit: 2}
  - key: user
    value: team-*
    rate_limit: {unit: second, requests_per_unit: 3}
  - key: path
    descriptors:
      - key: user
        value: 7
        rate_limit: {unit: second, requests_per_unit: 4}
      - key: method
        value: G*
        rate_limit: {unit: second, requests_per_unit: 5}
",
    )
    .unwrap();
    let rule = |entries: &[&str]| rule(&config, entries);
    assert_eq!(rule(&["user=bob"]).unwrap(), "user");
    assert_eq!(rule(&["user="]).unwrap(), "user");
    assert_eq!(rule(&["user=alice"]).unwrap(), "user_alice");
    assert_eq!(rule(&["user=team-a"]).unwrap(), "user_team-*");
    assert_eq!(rule(&["path=/x", "user=7"]).unwrap(), "path.user_7");
    assert_eq!(rule(&["path=/x", "method=GET"]).unwrap(), "path.method_G*");
    for none in [&["path=/x"][..], &["path=/x", "user=8"], &["user=bob", "path=/x"], &["other=1"]] {
        assert_eq!(rule(none), None, "{none:?}");
    }
}

#[test]
fn metrics_tell_values_only_where_the_file_asks() {
    let config = parse(
        "
domain: d
descriptors:
  - key: user
    detailed_metric: true
    rate_limit: {unit: second, requests_per_unit: 1}
  - key: team
    value_to_metric: true
    descriptors:
      - key: key
        rate_limit: {unit: second, requests_per_unit: 1}
  - key: file
    value: a*
    share_threshold: true
    detailed_metric: true
    rate_limit: {unit: second, requests_per_unit: 1}
",
    )
    .unwrap();
    assert_eq!(rule(&config, &["user=bob"]).unwrap(), "user_bob");
    assert_eq!(rule(&config, &["team=red", "key=sk-1"]).unwrap(), "team_red.key");
    assert_eq!(rule(&config, &["file=abc"]).unwrap(), "file_a*");
}

#[test]
fn weirs_own_fields_are_read() {
    let config = parse(
        "
domain: d
all_or_nothing: true
time_zone: Europe/Berlin
response_headers: {remaining: X-Left}
descriptors:
  - key: user
    rate_limit:
      unit: MONTH
      requests_per_unit: 5000000000
      calendar: true
      soft_limit: 80%
  - key: team
    rate_limit: {unit: hour, unit_multiplier: 6, requests_per_unit: 10, algorithm: token_bucket}
",
    )
    .unwrap();
    let domain = config.domain("d").unwrap();
    assert!(domain.all_or_nothing);
    let headers = domain.headers.clone().unwrap();
    assert_eq!((headers.remaining.as_str(), headers.limit.as_str()), ("x-left", "x-ratelimit-limit"));
    let entry = |key: &str| [Entry { key: key.to_owned(), value: "a".to_owned() }];
    let user = matching::find(&config, "d", &entry("user")).unwrap().rule.limit.clone().unwrap();
    assert_eq!((user.hits, user.soft_hits()), (5_000_000_000, Some(4_000_000_000)));
    let Windows::Calendar { unit: Unit::Month, zone } = user.windows else { panic!("{:?}", user.windows) };
    assert_eq!(zone.iana_name(), Some("Europe/Berlin"));
    let team = matching::find(&config, "d", &entry("team")).unwrap().rule.limit.clone().unwrap();
    assert_eq!(team.windows, Windows::Fixed { millis: 6 * 3_600_000 });
    assert_eq!(team.algorithm, Algorithm::TokenBucket);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let limit = |body: &str| format!("domain: d\ndescriptors:\n  - key: k\n    rate_limit:\n{body}");
    let two = "domain: d\ndescriptors:\n  - key: k\n    value: v\n  - key: k\n    value: v\n";
    let cases: Vec<(String, &str)> = vec![
        ("domain: \"\"\n".into(), "limits.yaml:1: domain: it is empty"),
        ("descriptors: []\n".into(), "missing field `domain`"),
        ("domain: d\nx: 1\n".into(), "unknown field `x`"),
        ("domain: d\ndescriptors:\n  - key: \"\"\n".into(), "limits.yaml:3: descriptors[0].key: it is empty"),
        ("domain: d\ndescriptors:\n  - key: weir.settle\n".into(), "keys that begin with \"weir.\""),
        ("domain: d\ndescriptors:\n  - key: a*\n".into(), "a key cannot end in"),
        (two.into(), "limits.yaml:5: descriptors[1]: \"k_v\" is there twice"),
        (
            "domain: d\ndescriptors:\n  - key: k\n    value: v\n    share_threshold: true\n".into(),
            "the value does not end in",
        ),
        (limit("      requests_per_unit: 1\n"), "rate_limit.unit: it is missing; one of second, minute"),
        (
            limit("      unit: fortnight\n      requests_per_unit: 1\n"),
            "limits.yaml:5: descriptors[0].rate_limit.unit: \"fortnight\" is no unit",
        ),
        (limit("      unit: day\n"), "rate_limit.requests_per_unit: it is missing"),
        (limit("      unit: day\n      requests_per_unit: -1\n"), "limits.yaml:6: "),
        (limit("      unit: day\n      request_per_unit: 1\n"), "unknown field `request_per_unit`"),
        (limit("      unit: day\n      requests_per_unit: 9007199254740993\n"), "cannot be counted"),
        (limit("      unlimited: true\n      unit: day\n"), "it means nothing with unlimited"),
        (
            limit("      unit: hour\n      requests_per_unit: 1\n      calendar: true\n"),
            "the calendar has days, weeks, months and years",
        ),
        (
            limit("      unit: day\n      requests_per_unit: 1\n      time_zone: UTC\n"),
            "limits.yaml:7: descriptors[0].rate_limit.time_zone: it means nothing without calendar",
        ),
        (
            limit(
                "      unit: day\n      requests_per_unit: 1\n      calendar: true\n      time_zone: Mars/Base\n",
            ),
            "\"Mars/Base\" is no time zone",
        ),
        (
            limit("      unit: day\n      requests_per_unit: 1\n      algorithm: leaky\n"),
            "one of fixed_window, sliding_window, token_bucket",
        ),
        (
            limit(
                "      unit: day\n      requests_per_unit: 1\n      calendar: true\n      algorithm: token_bucket\n",
            ),
            "windows of the calendar are fixed windows",
        ),
        (limit("      unit: day\n      requests_per_unit: 1\n      soft_limit: 80\n"), "is not like 80%"),
        (
            limit(
                "      unit: day\n      requests_per_unit: 1\n      name: a\n      replaces: [{name: a}]\n",
            ),
            "a rule cannot replace itself",
        ),
        ("domain: d\nresponse_headers: {limit: \"a b\"}\n".into(), "is no name of a header"),
    ];
    for (text, wanted) in cases {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.starts_with("limits.yaml:") && error.contains(wanted), "{text}\n{error}\n{wanted}");
    }
}

#[test]
fn a_domain_is_one_file() {
    let file = |name: &str| (PathBuf::from(name), "domain: d\n".to_owned());
    let error = Config::parse(&[file("a.yaml"), file("b.yaml")]).unwrap_err();
    assert_eq!(error.to_string(), "b.yaml:1: domain: \"d\" is in a.yaml already; a domain is one file");
}

#[test]
fn folders_are_read_without_what_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let load = || Config::load(folder.path());
    assert!(load().unwrap_err().to_string().contains("no *.yaml"));
    std::fs::write(folder.path().join("a.yaml"), "domain: a\n").unwrap();
    std::fs::write(folder.path().join("b.yml"), "domain: b\n").unwrap();
    std::fs::write(folder.path().join(".c.yaml"), "domain: [").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "domain: [").unwrap();
    assert_eq!(load().unwrap().names(), ["a", "b"]);
    assert!(Config::load(&folder.path().join("none.yaml")).is_err());
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("domain: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(parse(&text).is_err());
}
