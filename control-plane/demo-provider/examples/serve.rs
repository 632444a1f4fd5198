//! Serves the demo provider: `cargo run -p demo-provider --example serve -- [ADDRESS] [CHUNKS]`.
//!
//! The address is `127.0.0.1:8081` unless given. With a number of chunks, streams have no pauses and exactly that many
//! content chunks, as in the benchmark. Ctrl-C stops it.

#![forbid(unsafe_code)]

use std::error::Error;
use std::time::Duration;

use demo_provider::{Options, serve};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8081".into());
    let mut options = Options::default();
    if let Some(chunks) = arguments.next() {
        options.chunks = Some(chunks.parse()?);
        options.chunk_delay = Duration::ZERO;
    }
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("demo provider on http://{}", listener.local_addr()?);
    serve(listener, options, async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            eprintln!("cannot listen for Ctrl-C ({error}); stopping");
        }
    })
    .await?;
    Ok(())
}
