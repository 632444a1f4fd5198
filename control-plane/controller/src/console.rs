//! What is written on standard output while running.
//!
//! A thread of its own writes: a paused terminal or a slow pipe holds up neither requests nor reloads.

use std::io::{BufWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::Error;

/// Lines that may wait to be written.
const BACKLOG: usize = 8192;

/// Standard output, line by line. Clones write to the same.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    lines: Arc<Mutex<Option<SyncSender<String>>>>,
    dropped: Arc<AtomicU64>,
}

/// How long the last lines may take at the end.
const FINISH_WITHIN: Duration = Duration::from_secs(1);

/// The writing thread: its end of a channel closes when it is done.
#[derive(Debug)]
pub(crate) struct Writer(Receiver<()>);

impl Console {
    /// Starts writing to standard output.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start() -> Result<(Self, Writer), Error> {
        let (sender, lines) = sync_channel(BACKLOG);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = dropped.clone();
        let (working, done) = sync_channel::<()>(0);
        std::thread::Builder::new()
            .name("console".to_owned())
            .spawn(move || {
                write_lines(&lines, &lost, std::io::stdout());
                drop(working);
            })
            .map_err(Error::system("cannot start the console's thread"))?;
        Ok((Self { lines: Arc::new(Mutex::new(Some(sender))), dropped }, Writer(done)))
    }

    /// Writes `text`, which may be several lines. When output is slower than what happens, it is dropped and counted.
    pub(crate) fn say(&self, text: impl Into<String>) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(TrySendError::Full(_))) = lines.as_ref().map(|lines| lines.try_send(text.into())) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what is left, unless nobody takes it within a second; what is said afterwards is lost.
    pub(crate) fn finish(&self, writer: &Writer) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Nothing is ever sent: the wait ends when the thread does, or with its time.
        let _ = writer.0.recv_timeout(FINISH_WITHIN);
    }
}

fn write_lines(lines: &Receiver<String>, dropped: &AtomicU64, output: impl Write) {
    let mut output = BufWriter::new(output);
    while let Ok(first) = lines.recv() {
        let waiting = std::iter::once(first).chain(std::iter::from_fn(|| lines.try_recv().ok()));
        let mut written = Ok(());
        for text in waiting {
            written = written.and_then(|()| writeln!(output, "{text}"));
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!("{lost} lines were not written: standard output is slower than the requests");
        }
        if written.and_then(|()| output.flush()).is_err() {
            // Whoever read it is gone, which is no reason to stop serving.
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_in_order() {
        let (sender, lines) = sync_channel(8);
        for line in ["one", "two", "three"] {
            sender.send(line.to_owned()).unwrap();
        }
        drop(sender);
        let mut written = Vec::new();
        write_lines(&lines, &AtomicU64::new(0), &mut written);
        assert_eq!(String::from_utf8(written).unwrap(), "one\ntwo\nthree\n");
    }
}
