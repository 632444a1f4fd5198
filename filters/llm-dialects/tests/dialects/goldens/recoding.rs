//! A stream of one dialect told in another.

use llm_dialects::dialect::StreamEncoder;
use llm_dialects::hub::StreamEvent;
use llm_dialects::{Dialect, Error};

use super::{NOW, frames};

/// What a stream becomes.
#[derive(Debug)]
pub struct Recoded {
    /// The hub's events, each as text.
    pub lines: Vec<String>,
    /// The bytes in the dialect it is told in.
    pub bytes: Vec<u8>,
    /// Why it is no whole stream.
    pub error: Option<Error>,
    encoder: StreamEncoder,
}

/// Tells a stream of `from`, which comes in these chunks, in `to`.
pub fn recode<'a>(from: Dialect, to: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Recoded {
    recode_with(from, to.stream_encoder(NOW, true), chunks)
}

/// The same with an encoder of one's own.
pub fn recode_with<'a>(
    from: Dialect,
    mut encoder: StreamEncoder,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Recoded {
    let (mut lines, mut bytes) = (Vec::new(), Vec::new());
    let mut sink = |event: StreamEvent<'_>| {
        encoder.event(&event, &mut bytes);
        lines.push(format!("{event:?}"));
    };
    let error = frames::read(from, chunks, &mut sink).err();
    Recoded { lines, bytes, error, encoder }
}

impl Recoded {
    /// With its error as the last event, as clients are told it.
    pub fn and_error(mut self) -> Self {
        if let Some(error) = &self.error {
            self.encoder.event(&StreamEvent::Error(error.to_api_error()), &mut self.bytes);
            self.lines.push(format!("! {error}"));
        }
        self
    }

    /// With its error noted behind the events, and not told.
    pub fn noting_error(mut self) -> Self {
        if let Some(error) = &self.error {
            self.lines.push(format!("{error:?}"));
        }
        self
    }

    /// The events, one per line.
    pub fn events(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}
