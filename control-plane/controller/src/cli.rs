//! The command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// An AI gateway: stock Envoy with filters for language models, configured by Kubernetes Gateway API resources.
///
/// Exit codes: 0 all is well; 1 the objects have errors; 2 wrong usage, or something is missing on this machine.
#[derive(Debug, Parser)]
#[command(name = "weir", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway on the objects in files, and follow every change of them
    Run(RunArgs),
    /// Say what is wrong with the objects in files; exits with 1 if any is unusable
    Validate(SourceArgs),
    /// Print the Envoy configuration that the objects in files result in
    Translate(TranslateArgs),
    /// Print the CustomResourceDefinitions
    Crds,
    /// Print the versions of Weir and of what it is built for
    Version,
    /// Serve answers in the wire formats of OpenAI and Anthropic, with no model behind them
    DemoProvider {
        /// Address to listen on
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:18081", value_parser = address)]
        listen: SocketAddr,
    },
    /// Serve rate limits to Envoy, over the RLS protocol
    Ratelimit(RateLimitArgs),
    /// Become Envoy, tied to the life of the calling process; for `weir run` itself
    #[command(hide = true)]
    ExecEnvoy {
        /// Process to live with
        parent: u32,
        /// Binary and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<std::ffi::OsString>,
    },
}

/// Where objects come from.
#[derive(Debug, Clone, Args)]
pub(crate) struct SourceArgs {
    /// File, or folder with *.yaml, *.yml and *.json at any depth; may be given several times, and an object replaces
    /// the one with the same kind, namespace and name from an earlier -f
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Take an entry of a Secret from an environment variable, in place of or in addition to what files say
    #[arg(long, value_name = "NAMESPACE/NAME/KEY=ENV_VAR")]
    pub(crate) secret_env: Vec<SecretEnv>,
    /// Catalogue of what tokens cost, for limits on costs: JSON, see docs/limits.md; changes are followed
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
}

impl SourceArgs {
    /// Every path to watch.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().chain(&self.prices).cloned().collect()
    }
}

/// Which build of the filters is used, and where it is.
#[derive(Debug, Clone, Args)]
pub(crate) struct FilterArgs {
    /// Build of the filters: sandboxed weir.wasm, or libweir.so within Envoy's process
    #[arg(long, value_enum, default_value_t = RuntimeName::Wasm)]
    pub(crate) runtime: RuntimeName,
    /// Folder with weir.wasm and libweir.so [default: that of this executable, then ./dist]
    #[arg(long, value_name = "DIR", env = "WEIR_FILTERS")]
    pub(crate) filters: Option<PathBuf>,
    /// Address the Gateways' listeners bind to
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub(crate) bind: IpAddr,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Envoy binary [default: envoy on PATH, then .venv/bin/envoy of this installation]
    #[arg(long, value_name = "PATH", env = "WEIR_ENVOY")]
    pub(crate) envoy: Option<PathBuf>,
    /// Loopback port for Envoy's admin interface [default: a socket no other user can reach]
    #[arg(long, value_name = "PORT")]
    pub(crate) admin: Option<u16>,
    /// Serve the demo provider on this address too
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) demo_provider: Option<SocketAddr>,
    /// Envoy's worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) concurrency: Option<u32>,
    /// Form of the request log (standard output) and of Weir's own messages
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Args)]
pub(crate) struct TranslateArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Print one complete bootstrap for `envoy -c`, which needs no control plane
    #[arg(long = "static")]
    pub(crate) standalone: bool,
    /// Loopback port for Envoy's admin interface in that bootstrap
    #[arg(long, value_name = "PORT", default_value_t = 9901, requires = "standalone")]
    pub(crate) admin: u16,
}

#[derive(Debug, Args)]
pub(crate) struct RateLimitArgs {
    /// File of limits, or folder with one for each domain, in the format of envoyproxy/ratelimit; changes are followed
    #[arg(long, value_name = "PATH")]
    pub(crate) config: PathBuf,
    /// Address to serve gRPC on, without TLS
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:8081", value_parser = address)]
    pub(crate) grpc: SocketAddr,
    /// Address to serve /metrics, /counters and /healthz on
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) metrics: Option<SocketAddr>,
    /// Keep counters in this Redis (redis:// or rediss://) rather than in memory, so that several servers share them
    #[arg(long, value_name = "URL", env = "WEIR_RATELIMIT_REDIS", hide_env_values = true)]
    pub(crate) redis: Option<String>,
    /// Longest wait for an answer of Redis, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) redis_timeout: u64,
    /// File in which counters in memory outlive a restart
    #[arg(long, value_name = "FILE", conflicts_with = "redis")]
    pub(crate) state: Option<PathBuf>,
    /// How many counters memory may hold; calls that need more fail
    #[arg(long, value_name = "N", default_value_t = 1_000_000, conflicts_with = "redis")]
    pub(crate) max_counters: usize,
    /// Form of the messages
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// A build of the filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuntimeName {
    Wasm,
    Native,
}

/// Form of what is written while running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// An entry of a Secret that comes from the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretEnv {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) variable: String,
}

impl std::fmt::Display for SecretEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}={}", self.namespace, self.name, self.key, self.variable)
    }
}

impl FromStr for SecretEnv {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || "write it like default/openai-key/Authorization=OPENAI_API_KEY".to_owned();
        let (entry, variable) = text.split_once('=').ok_or_else(usage)?;
        let parts: Vec<&str> = entry.split('/').collect();
        match parts.as_slice() {
            [namespace, name, key]
                if [namespace, name, key, &variable].iter().all(|part| !part.is_empty()) =>
            {
                Ok(Self {
                    namespace: (*namespace).to_owned(),
                    name: (*name).to_owned(),
                    key: (*key).to_owned(),
                    variable: variable.to_owned(),
                })
            }
            _ => Err(usage()),
        }
    }
}

/// An address to listen on.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, like 127.0.0.1:18081".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn secret_entries_are_read() {
        let entry: SecretEnv = "default/openai-key/Authorization=OPENAI_API_KEY".parse().unwrap();
        assert_eq!(entry.to_string(), "default/openai-key/Authorization=OPENAI_API_KEY");
        for bad in ["", "a/b=c", "a/b/c", "a/b/c=", "a//c=d", "a/b/c/d=e"] {
            assert!(bad.parse::<SecretEnv>().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_read_and_others_explained() {
        assert_eq!(address("127.0.0.1:1").unwrap().port(), 1);
        for bad in ["18081", "localhost:18081", ":18081", "127.0.0.1"] {
            assert!(address(bad).unwrap_err().contains("127.0.0.1:18081"), "{bad}");
        }
    }
}
