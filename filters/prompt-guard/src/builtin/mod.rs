//! Recognisers: what is looked for in nearly every deployment, with more knowledge than a pattern can hold.
//!
//! A recogniser says of one start whether a match begins there. Each is bounded, looks at most [`CONTEXT`] bytes back,
//! and tells how many starts a refusal rules out, so that a text is gone over a constant number of times.
//!
//! [`CONTEXT`]: crate::view::CONTEXT

mod cursor;
mod email;
mod ip;
mod numbers;
mod phone;
mod private_key;
mod secret;
mod url;

use filter_config::Builtin;

use crate::pattern::LOOK_AHEAD;
use crate::view::{ByteSet, Progress, Span, View};
use cursor::Stop;

/// A recogniser.
pub(crate) struct Recogniser {
    /// Bytes that a match can begin with.
    begins: ByteSet,
    /// Where a match that begins at a position ends.
    at: fn(&View<'_>, usize) -> Result<usize, Stop>,
    longest: usize,
}

/// What is known of a text.
#[derive(Default)]
pub(crate) struct Lookout {
    /// No match begins before this position.
    at: usize,
    found: Option<Span>,
    /// What `at` waits for.
    wait: Option<Wait>,
    /// How often a start was looked at, all in all.
    #[cfg(test)]
    pub looks: u64,
}

/// An undecided start stays so as long as only such bytes arrive, up to a position.
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    /// Whether a byte changes nothing.
    pub idle: fn(u8) -> bool,
    /// From where on it is decided.
    pub until: usize,
    /// Bytes before it have been looked at.
    pub seen: usize,
}

impl Recogniser {
    /// The recogniser of a kind.
    pub fn new(builtin: Builtin) -> Self {
        let (begins, at, longest): (fn(u8) -> bool, _, usize) = match builtin {
            Builtin::Ssn => {
                (|b| b.is_ascii_digit(), numbers::ssn as fn(&View<'_>, usize) -> _, numbers::LONGEST_SSN)
            }
            Builtin::CreditCard => (|b| matches!(b, b'2'..=b'6'), numbers::card, numbers::LONGEST_CARD),
            Builtin::CaSin => (|b| matches!(b, b'1'..=b'7' | b'9'), numbers::sin, numbers::LONGEST_SIN),
            Builtin::PhoneNumber => (phone::begins, phone::at, phone::LONGEST),
            Builtin::Email => (email::begins, email::at, email::LONGEST),
            Builtin::Url => (|b| matches!(b, b'h' | b'H'), url::at, url::LONGEST),
            Builtin::IpAddress => (ip::begins, ip::at, ip::LONGEST),
            Builtin::Secret => (secret::begins, secret::at, private_key::LONGEST.max(secret::LONGEST)),
        };
        let mut set = ByteSet::default();
        (0..=u8::MAX).filter(|byte| begins(*byte)).for_each(|byte| set.insert(byte));
        Self { begins: set, at, longest: longest + LOOK_AHEAD }
    }

    /// Longest match with the character behind it, in bytes.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Looks at what has arrived.
    pub fn advance(&self, lookout: &mut Lookout, view: &View<'_>) -> Progress {
        let end = view.end();
        loop {
            if let Some(span) = lookout.found {
                return Progress::Found(span);
            }
            if let Some(wait) = &mut lookout.wait {
                let new = view.bytes_from(wait.seen);
                if !view.ended && end < wait.until && new.iter().all(|byte| (wait.idle)(*byte)) {
                    wait.seen = end;
                    return Progress::Open(lookout.at);
                }
                lookout.wait = None;
            }
            let ahead = view.bytes_from(lookout.at);
            let Some(skip) = ahead.iter().position(|byte| self.begins.contains(*byte)) else {
                lookout.at = end;
                return Progress::Open(end);
            };
            lookout.at += skip;
            #[cfg(test)]
            {
                lookout.looks += 1;
            }
            match (self.at)(view, lookout.at) {
                Ok(match_end) => lookout.found = Some(Span { start: lookout.at, end: match_end }),
                Err(Stop::No) => lookout.at += 1,
                Err(Stop::NoneBefore(next)) => lookout.at = next.max(lookout.at + 1),
                // Nothing is open at the end of a text; a recogniser that says so finds nothing.
                Err(_) if view.ended => lookout.at += 1,
                Err(Stop::Open) => return Progress::Open(lookout.at),
                Err(Stop::OpenUntil { idle, until }) => {
                    lookout.wait = Some(Wait { idle, until, seen: end });
                    return Progress::Open(lookout.at);
                }
            }
        }
    }

    /// Looks from a position on: what stands before it is done with.
    pub fn resume(&self, lookout: &mut Lookout, from: usize) {
        if lookout.at < from {
            *lookout = Lookout {
                at: from,
                #[cfg(test)]
                looks: lookout.looks,
                ..Lookout::default()
            };
        }
    }
}

/// What a match of a recogniser is called.
pub(crate) fn label(builtin: Builtin) -> &'static str {
    match builtin {
        Builtin::Ssn => "<SSN>",
        Builtin::CreditCard => "<CREDIT_CARD>",
        Builtin::PhoneNumber => "<PHONE_NUMBER>",
        Builtin::Email => "<EMAIL_ADDRESS>",
        Builtin::CaSin => "<CA_SIN>",
        Builtin::Url => "<URL>",
        Builtin::IpAddress => "<IP_ADDRESS>",
        Builtin::Secret => "<SECRET>",
    }
}
