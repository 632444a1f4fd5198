//! `AgentgatewayPolicy.spec.frontend`: how clients connect to a Gateway.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::rules::at_least_one_of;
use crate::unserved::{Ignored, Refused};
use crate::{FrontendAccessLog, FrontendTracing, Quantity};

/// How clients connect to a Gateway.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&[
    "accessLog", "connect", "http", "metrics", "networkAuthorization", "proxyProtocol", "tcp", "tls", "tracing"]))]
pub struct FrontendPolicy {
    /// HTTP from clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<FrontendHttp>,
    /// Which requests are logged, with which fields, and where the log is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_log: Option<FrontendAccessLog>,
    /// Handling of CONNECT requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Refused>,
    /// Labels of metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Ignored>,
    /// Who may connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_authorization: Option<Refused>,
    /// The PROXY protocol of load balancers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<Refused>,
    /// TCP connections of clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Ignored>,
    /// TLS of clients: versions, cipher suites and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Refused>,
    /// Export of traces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<FrontendTracing>,
}

/// HTTP from clients.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = at_least_one_of(&[
    "maxBufferSize", "http1MaxHeaders", "http1IdleTimeout", "http1HeaderCase", "http2WindowSize",
    "http2ConnectionWindowSize", "http2FrameSize", "http2MaxHeaderSize", "http2KeepaliveInterval",
    "http2KeepaliveTimeout", "maxConnectionDuration"]))]
pub struct FrontendHttp {
    /// Largest request or response that is held in memory as a whole; 2Mi when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_buffer_size: Option<Quantity>,
    /// Most headers of an HTTP/1 request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::ignored_integer")]
    pub http1_max_headers: Option<Ignored>,
    /// Idle time after which an HTTP/1 connection is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::ignored_string")]
    pub http1_idle_timeout: Option<Ignored>,
    /// Spelling of HTTP/1 headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::ignored_string")]
    pub http1_header_case: Option<Ignored>,
    /// Flow control window of an HTTP/2 stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::ignored_quantity")]
    pub http2_window_size: Option<Ignored>,
    /// Flow control window of an HTTP/2 connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::ignored_quantity")]
    pub http2_connection_window_size: Option<Ignored>,
    /// Largest HTTP/2 frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::ignored_quantity")]
    pub http2_frame_size: Option<Ignored>,
    /// Largest HTTP/2 header list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::ignored_quantity")]
    pub http2_max_header_size: Option<Ignored>,
    /// Spacing of HTTP/2 pings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::ignored_string")]
    pub http2_keepalive_interval: Option<Ignored>,
    /// Longest wait for the answer to an HTTP/2 ping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::ignored_string")]
    pub http2_keepalive_timeout: Option<Ignored>,
    /// Age after which a connection is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::unserved::ignored_string")]
    pub max_connection_duration: Option<Ignored>,
}
