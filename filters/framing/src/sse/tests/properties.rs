//! Properties over generated streams, checked against a plain reading of the standard.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::{Ending, Event, Limits, write_comment};
use super::{Outcome, Owned, decode, decode_whole};

/// Pieces that the rules of the format are about; random bytes alone would hardly ever make an event.
const PIECES: &[&[u8]] = &[
    b"data",
    b"data:",
    b"data: ",
    b"event: ",
    b"id: ",
    b"retry: ",
    b":",
    b" ",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"\xef\xbb\xbf",
    b"\xef",
    b"\xf0\x9f\x98\x80",
    b"x",
    b"42",
    b"\0",
    b"{\"a\":1}",
    b"[DONE]",
];

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        9 => select(PIECES).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Cuts `input` at the given places.
fn split<'a>(input: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    places.sort_unstable();
    places.push(input.len());
    let mut from = 0;
    places.into_iter().map(|to| &input[std::mem::replace(&mut from, to)..to]).collect()
}

/// Section 9.2.6 on a whole stream, as simple as possible, with our end of input.
fn reference(input: &[u8]) -> Vec<Owned> {
    let mut text = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input).to_vec();
    for at in (1..text.len()).rev() {
        if text[at - 1..=at] == *b"\r\n" {
            text.remove(at);
        }
    }
    let mut lines: Vec<Vec<u8>> = text.split(|byte| b"\r\n".contains(byte)).map(<[u8]>::to_vec).collect();
    let cut = lines.pop().unwrap();
    let mut ending = Ending::LineEnd;
    let complete = lines.len();
    if !cut.is_empty() {
        ending = Ending::MidLine;
        let value = cut.strip_prefix(b"data:").unwrap_or_default();
        if !value.strip_prefix(b" ").unwrap_or(value).is_empty() {
            lines.push(cut);
        }
    }
    lines.push(Vec::new());

    let mut frames = Vec::new();
    let (mut name, mut data, mut id, mut retry) = (Vec::new(), Vec::new(), None, None);
    for (number, line) in lines.iter().enumerate() {
        if line.is_empty() {
            if data.pop().is_some() {
                frames.push(Owned::Event {
                    event: Some(name).filter(|name| !name.is_empty()),
                    data,
                    id,
                    retry,
                    ending: if number < complete { Ending::Complete } else { ending },
                });
            }
            (name, data, id, retry) = (Vec::new(), Vec::new(), None, None);
            continue;
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (field, value) = colon.map_or((&line[..], &b""[..]), |at| (&line[..at], &line[at + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"" => frames.push(Owned::Comment(value.to_vec())),
            b"data" => data.extend([value, b"\n"].concat()),
            b"event" => name = value.to_vec(),
            b"id" if !value.contains(&0) => id = Some(value.to_vec()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                retry = String::from_utf8(value.to_vec()).unwrap().parse().ok().or(retry);
            }
            _ => {}
        }
    }
    frames
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>().prop_filter("no line break", |byte| !b"\r\n\0".contains(byte)), 0..20)
}

/// An event or comment as a sender may write it: no CR in data, as only LF survives.
fn frame() -> impl Strategy<Value = Owned> {
    let data = vec(line(), 1..4).prop_map(|lines| lines.join(&b'\n'));
    let name = proptest::option::of(line().prop_filter("empty is none", |name| !name.is_empty()));
    prop_oneof![
        3 => (name, data, proptest::option::of(line()), any::<Option<u64>>()).prop_map(
            |(event, data, id, retry)| Owned::Event { event, data, id, retry, ending: Ending::Complete }
        ),
        1 => line().prop_map(Owned::Comment),
    ]
}

fn encode(frames: &[Owned]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        match frame {
            Owned::Comment(text) => write_comment(&mut out, text),
            Owned::Event { event, data, id, retry, ending } => {
                let (event, id) = (event.as_deref(), id.as_deref());
                Event { event, data, id, retry: *retry, ending: *ending }.write(&mut out).unwrap();
            }
        }
    }
    out
}

proptest! {
    #[test]
    fn decodes_as_the_standard_says(input in stream()) {
        prop_assert_eq!(decode_whole(&input).0, reference(&input));
    }

    #[test]
    fn any_split_gives_the_same_frames(
        input in stream(), cuts in vec(any::<Index>(), 0..8), event_bytes in prop_oneof![0..40_usize, Just(1 << 20)],
    ) {
        // `decode` also checks that no more than the limit is buffered, and that errors are final.
        let limits = Limits { event_bytes };
        let whole: Outcome = decode(limits, [&input[..]]);
        prop_assert_eq!(decode(limits, split(&input, &cuts)), whole.clone());
        prop_assert_eq!(decode(limits, input.chunks(1)), whole);
    }

    #[test]
    fn any_bytes_are_accepted(input in vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(decode_whole(&input).0, reference(&input));
    }

    #[test]
    fn what_is_written_is_read_back(frames in vec(frame(), 0..6)) {
        let bytes = encode(&frames);
        prop_assert_eq!(decode_whole(&bytes), (frames, Ok(Ending::Complete)));
    }
}
