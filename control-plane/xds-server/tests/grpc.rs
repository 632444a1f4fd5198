//! The tonic shell over a Unix domain socket, with the generated client.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helper functions too")]

use std::time::Duration;

use envoy_proto::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{
        DeltaDiscoveryRequest, DiscoveryRequest,
        aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
    },
};
use hyper_util::rt::TokioIo;
use prost_types::Any;
use tokio::{
    net::UnixStream,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use xds_server::{Event, Kind, Resource, UnixSocket, XdsServer};

/// Long enough for a loaded machine; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

async fn connect(path: std::path::PathBuf) -> AggregatedDiscoveryServiceClient<Channel> {
    let dial = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://xds").connect_with_connector(dial).await.unwrap();
    AggregatedDiscoveryServiceClient::new(channel)
}

fn resource(kind: Kind, name: &str) -> Resource {
    Resource::new(name, Any { type_url: kind.type_url().into(), value: vec![] }).unwrap()
}

fn request(kind: Kind, nonce: &str) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: Some(Node { id: "envoy-1".into(), ..Node::default() }),
        type_url: kind.type_url().into(),
        response_nonce: nonce.into(),
        ..DeltaDiscoveryRequest::default()
    }
}

#[tokio::test]
async fn a_client_is_programmed_over_a_unix_socket_and_sees_the_server_close() {
    let directory = tempfile::tempdir().unwrap();
    let socket = UnixSocket::bind(directory.path().join("run/xds.sock")).unwrap();
    let path = socket.path().to_owned();
    let server = XdsServer::new();
    let mut events = server.events();
    let (close, closed) = oneshot::channel::<()>();
    let serving = tokio::spawn({
        let server = server.clone();
        async move { server.serve_unix(socket, async { closed.await.unwrap() }).await }
    });

    let mut client = connect(path.clone()).await;
    let refused = client.stream_aggregated_resources(tokio_stream::once(DiscoveryRequest::default())).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);

    let generation =
        server.publish(vec![resource(Kind::Cluster, "a"), resource(Kind::Listener, "web")]).unwrap();
    let (requests, stream) = mpsc::channel(8);
    requests.send(request(Kind::Cluster, "")).await.unwrap();
    requests.send(request(Kind::Listener, "")).await.unwrap();
    let mut responses =
        client.delta_aggregated_resources(ReceiverStream::new(stream)).await.unwrap().into_inner();
    for (kind, name) in [(Kind::Cluster, "a"), (Kind::Listener, "web")] {
        let response = timeout(PATIENCE, responses.message()).await.unwrap().unwrap().unwrap();
        assert_eq!(
            (response.type_url.as_str(), response.resources[0].name.as_str()),
            (kind.type_url(), name)
        );
        requests.send(request(kind, &response.nonce)).await.unwrap();
    }
    timeout(PATIENCE, server.programmed(generation)).await.unwrap().unwrap();

    close.send(()).unwrap();
    assert!(timeout(PATIENCE, responses.next()).await.unwrap().is_none(), "the stream ends without an error");
    drop((client, requests, responses));
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
    assert!(!path.exists());

    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(event);
    }
    assert!(matches!(&seen[0], Event::Connected { node, .. } if node == "envoy-1"), "{seen:?}");
    assert!(seen.iter().any(|e| matches!(e, Event::Programmed { generation: g, .. } if *g == generation)));
    assert!(matches!(seen.last(), Some(Event::Disconnected { .. })), "{seen:?}");
    assert!(server.sessions().borrow().is_empty());
}
