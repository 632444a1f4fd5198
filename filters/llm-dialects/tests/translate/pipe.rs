//! A provider's stream on its way to the client, as the gateway moves it: frames to events to frames. What goes wrong
//! is told in the stream.

use llm_dialects::Dialect;
use llm_dialects::hub::StreamEvent;

use crate::model_of;
use crate::recorded::{NOW, frames};

/// A stream of `from` as a client of `to` gets it, fed in these chunks.
pub(crate) fn stream<'a>(from: Dialect, to: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let [told] = told(from, [to], chunks);
    told
}

/// A stream of `from` as clients of every dialect get it.
pub(crate) fn streams(from: Dialect, body: &[u8]) -> impl Iterator<Item = (Dialect, Vec<u8>)> {
    Dialect::ALL.into_iter().zip(told(from, Dialect::ALL, [body]))
}

fn told<'a, const N: usize>(
    from: Dialect,
    to: [Dialect; N],
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> [Vec<u8>; N] {
    let mut clients = to.map(|to| (to.stream_encoder(NOW, true), Vec::new()));
    let mut tell = |event: &StreamEvent<'_>| {
        clients.iter_mut().for_each(|(encoder, out)| encoder.event(event, out));
    };
    events(from, chunks, &mut |event| match event {
        // Bedrock does not name the model that answers, so the gateway does.
        StreamEvent::Start { id, model, created } if model.is_empty() => {
            let (id, model) = (id.clone(), model_of(from).into());
            tell(&StreamEvent::Start { id, model, created: *created });
        }
        event => tell(event),
    });
    clients.map(|(_, out)| out)
}

/// The events of a stream of `from`, up to the one that ends it.
pub(crate) fn events<'a>(
    from: Dialect,
    chunks: impl IntoIterator<Item = &'a [u8]>,
    sink: &mut dyn FnMut(&StreamEvent<'_>),
) {
    let mut over = false;
    let mut sink = |event: StreamEvent<'_>| {
        if !over {
            over = matches!(event, StreamEvent::End | StreamEvent::Error(_));
            sink(&event);
        }
    };
    if let Err(error) = frames::read(from, chunks, &mut sink) {
        sink(StreamEvent::Error(error.to_api_error()));
    }
}
