//! A rate limit service: Envoy's RLS protocol, counters in memory or Redis.
#![forbid(unsafe_code)]
