//! The ports Envoy is to listen on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use envoy_proto::envoy::config::core::v3::{address, socket_address};
use envoy_proto::envoy::config::listener::v3::Listener;
use resources::ObjectKey;
use tokio::net::TcpStream;
use tokio::time::sleep;
use translate::{ResourceKind, Translation};

/// An address of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    /// Name of Envoy's listener.
    pub(crate) listener: String,
    /// The Gateway it comes from.
    pub(crate) gateway: ObjectKey,
}

/// The addresses of all listeners.
pub(crate) fn of(translation: &Translation) -> Vec<Port> {
    let mut ports = Vec::new();
    for ((kind, name), resource) in &translation.resources {
        if *kind == ResourceKind::Listener
            && let Ok(listener) = envoy_proto::unpack::<Listener>(&resource.body)
            && let Some(address) = address_of(&listener)
        {
            ports.push(Port { address, listener: name.clone(), gateway: resource.source.clone() });
        }
    }
    ports
}

fn address_of(listener: &Listener) -> Option<SocketAddr> {
    let Some(address::Address::SocketAddress(socket)) = listener.address.as_ref()?.address.as_ref() else {
        return None;
    };
    let Some(socket_address::PortSpecifier::PortValue(port)) = socket.port_specifier else { return None };
    Some(SocketAddr::new(socket.address.parse().ok()?, u16::try_from(port).ok()?))
}

impl Port {
    /// Why it cannot be listened on, if so. Envoy itself shares ports with other Envoys of the same user, and each
    /// would answer some of the requests.
    pub(crate) fn taken(&self) -> Option<std::io::Error> {
        TcpListener::bind(self.address).err()
    }

    /// How a client on this machine reaches it.
    pub(crate) fn local(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        SocketAddr::new(ip, self.address.port())
    }

    /// Waits until connections are accepted. Put a timeout around it.
    pub(crate) async fn accepts(&self) {
        while TcpStream::connect(self.local()).await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: SocketAddr) -> Port {
        let gateway =
            ObjectKey { kind: resources::Kind::Gateway, namespace: String::new(), name: String::new() };
        Port { address, listener: String::new(), gateway }
    }

    #[tokio::test]
    async fn a_taken_port_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = at(listener.local_addr().unwrap());
        assert!(port.taken().is_some());
        port.accepts().await;
    }

    #[test]
    fn a_free_port_is_not_taken() {
        // Another test may take one as soon as it is free, but not every one.
        let mut freed = std::iter::repeat_with(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            at(listener.local_addr().unwrap())
        });
        assert!(freed.by_ref().take(100).any(|port| port.taken().is_none()));
    }
}
