//! Edge case T-15, one line per input: each is decoded whole, byte by byte and at every two-way split.

use super::super::{DEFAULT_EVENT_BYTES, Decoder, Ending, Event, Frame, Limits, write_comment, write_event};
use super::{Outcome, Owned, decode, decode_every_way, decode_whole};
use crate::Error;

/// What, the input, and the frames and ending it decodes to, in the notation of [`show`].
const CASES: &[(&str, &str, &str)] = &[
    // Line ends.
    ("lf", "data: a\n\ndata: b\n\n", "[a] [b] Complete"),
    ("crlf", "data: a\r\n\r\ndata: b\r\n\r\n", "[a] [b] Complete"),
    ("cr", "data: a\r\rdata: b\r\r", "[a] [b] Complete"),
    ("mixed line ends", "data: a\r\n\ndata: b\n\rdata: c\r\r\n", "[a] [b] [c] Complete"),
    ("crlf between data lines", "data: a\r\ndata: b\r\n\r\n", "[a\\nb] Complete"),
    ("many blank lines", "\n\r\n\r\rdata: a\n\n\n\n\r\n", "[a] Complete"),
    // Byte order mark.
    ("bom", "\u{feff}data: a\n\n", "[a] Complete"),
    ("only one bom is dropped", "\u{feff}\u{feff}data: a\n\ndata: b\n\n", "[b] Complete"),
    ("bom not at the start", "data: a\n\n\u{feff}data: b\n\n", "[a] Complete"),
    ("bom inside data", "data: \u{feff}a\n\n", "[\u{feff}a] Complete"),
    ("begins like a bom", "\u{fec0}: x\ndata: a\n\n", "[a] Complete"),
    // Data.
    ("utf-8 of 2, 3 and 4 bytes", "data: é€😀\n\n", "[é€😀] Complete"),
    ("utf-8 ending in 0x85 is no line end", "data: \u{2028}Å\u{85}\n\n", "[\u{2028}Å\u{85}] Complete"),
    ("multi-line data", "data: a\ndata:\ndata: c\n\n", "[a\\n\\nc] Complete"),
    ("data without colon", "data\n\ndata\ndata\n\n", "[] [\\n] Complete"),
    ("empty data", "data:\n\ndata: \n\n", "[] [] Complete"),
    ("one optional space", "data:a\n\ndata:  b\n\ndata:\tc\n\n", "[a] [ b] [\\tc] Complete"),
    ("colons in the value", "data: {\"a\":\"b: c\"}\n\n", "[{\"a\":\"b: c\"}] Complete"),
    // Other fields.
    ("event name", "event: ping\ndata: a\n\ndata: b\n\n", "ping[a] [b] Complete"),
    ("event after data", "data: a\nevent: x\n\n", "x[a] Complete"),
    ("last event name counts", "event: x\nevent: y\ndata: a\n\n", "y[a] Complete"),
    ("empty event name is none", "event: x\nevent\ndata: a\n\n", "[a] Complete"),
    ("event without data", "event: x\n\ndata: a\n\n", "[a] Complete"),
    ("id", "id: 7\ndata: a\n\nid\ndata: b\n\ndata: c\n\n", "#7[a] #[b] [c] Complete"),
    ("id with nul is ignored", "id: 7\nid: 8\0\ndata: a\n\n", "#7[a] Complete"),
    ("retry", "retry: 1500\ndata: a\n\n", "~1500[a] Complete"),
    ("bad retry is ignored", "retry: 15\nretry: 1.5\nretry: +2\nretry\ndata: a\n\n", "~15[a] Complete"),
    ("retry beyond 64 bits", "retry: 18446744073709551616\ndata: a\n\n", "[a] Complete"),
    ("unknown fields", "foo: bar\nDATA: x\n data: y\ndata : z\nfoo\ndata: a\n\n", "[a] Complete"),
    // Comments.
    ("keep-alive", ": OPENROUTER PROCESSING\n\ndata: a\n\n", "<OPENROUTER PROCESSING> [a] Complete"),
    ("keep-alive before data", ":\ndata: a\n\n", "<> [a] Complete"),
    ("keep-alive crlf", ":hi\r\n\r\n:  ho\r\n", "<hi> < ho> Complete"),
    ("comments within an event", "event: x\n: one\ndata: a\n:two\n\n", "<one> <two> x[a] Complete"),
    ("comment with colon", ": a: b\n", "<a: b> Complete"),
    // The end of input.
    ("nothing", "", "Complete"),
    ("blank lines only", "\n\r\n", "Complete"),
    ("no blank line", "data: a\n\ndata: [DONE]\n", "[a] [[DONE]]LineEnd LineEnd"),
    ("no blank line, crlf", "event: x\r\ndata: b\r\n", "x[b]LineEnd LineEnd"),
    ("no blank line, cr", "data: b\r", "[b]LineEnd LineEnd"),
    ("no line end", "data: a\n\ndata: [DONE]", "[a] [[DONE]]MidLine MidLine"),
    ("no line end after a name", "event: x\ndata: b", "x[b]MidLine MidLine"),
    ("cut name", "data: a\nevent: messa", "[a]MidLine MidLine"),
    ("cut field", "data: a\ndata", "[a]MidLine MidLine"),
    ("cut after the colon", "data: ", "MidLine"),
    ("cut comment", "data: a\n\n: keep", "[a] MidLine"),
    ("cut bom", "\u{feff}", "Complete"),
    ("fields but no data", "event: x\n", "LineEnd"),
];

/// One word per frame: `event#id~retry[data]ending` or `<comment>`, then how the input ended.
fn show((frames, ended): &Outcome) -> String {
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .unwrap()
            .replace('\n', "\\n")
            .replace('\r', "\\r")
            .replace('\t', "\\t")
    };
    let mut words: Vec<String> = Vec::new();
    for frame in frames {
        words.push(match frame {
            Owned::Comment(comment) => format!("<{}>", text(comment)),
            Owned::Event { event, data, id, retry, ending } => format!(
                "{}{}{}[{}]{}",
                event.as_ref().map_or(String::new(), |event| text(event)),
                id.as_ref().map_or(String::new(), |id| format!("#{}", text(id))),
                retry.map_or(String::new(), |retry| format!("~{retry}")),
                text(data),
                if *ending == Ending::Complete { String::new() } else { format!("{ending:?}") },
            ),
        });
    }
    words.push(ended.map_or_else(|error| format!("{error:?}"), |ending| format!("{ending:?}")));
    words.join(" ")
}

#[test]
fn every_case_decodes_the_same_however_it_is_split() {
    for (what, input, expected) in CASES {
        assert_eq!(show(&decode_every_way(Limits::default(), input.as_bytes())), *expected, "{what}");
    }
}

#[test]
fn a_prefix_of_the_bom_is_an_unfinished_line() {
    assert_eq!(decode_whole(b"\xef\xbb"), (vec![], Ok(Ending::MidLine)));
}

#[test]
fn bytes_that_only_begin_like_a_bom_are_not_dropped() {
    // They make the field name `\xef\xbbdata`, which is unknown.
    let outcome = decode_every_way(Limits::default(), b"\xef\xbbdata: a\n\ndata: b\n\n");
    assert_eq!(show(&outcome), "[b] Complete");
}

#[test]
fn frames_arrive_as_soon_as_their_last_byte() {
    let input = b": ping\r\ndata: a\r\r\ndata: b\n\n";
    let mut decoder = Decoder::new(Limits::default());
    let mut completed_at = Vec::new();
    for (at, byte) in input.iter().enumerate() {
        decoder
            .feed(std::slice::from_ref(byte), |_| {
                completed_at.push(at);
                Ok::<(), Error>(())
            })
            .unwrap();
    }
    // The comment at its CR, the first event at the CR of its blank line, the second at its second LF.
    assert_eq!(completed_at, [6, 16, 26]);
}

#[test]
fn an_event_inside_one_chunk_is_lent_not_copied() {
    let chunk = b": c\n\nevent: x\ndata: abc\n\ndata: un";
    let range = chunk.as_ptr_range();
    let mut decoder = Decoder::new(Limits::default());
    let mut lent = 0;
    decoder
        .feed(chunk, |frame| {
            let bytes = match frame {
                Frame::Event(event) => event.data,
                Frame::Comment(text) => text,
            };
            assert!(range.contains(&bytes.as_ptr()));
            lent += 1;
            Ok::<(), Error>(())
        })
        .unwrap();
    assert_eq!(lent, 2);
    assert_eq!(decoder.buffered(), b"data: un".len());
}

#[test]
fn a_one_mebibyte_event_passes_in_any_chunk_size() {
    let data = "é".repeat(512 * 1024);
    let input = format!("event: image\ndata: {data}\n\n");
    let expected = Owned::Event {
        event: Some(b"image".to_vec()),
        data: data.into_bytes(),
        id: None,
        retry: None,
        ending: Ending::Complete,
    };
    // Byte by byte is in the list to show that the search does not start over with every chunk.
    for size in [input.len(), 65_536, 16_384, 1_001, 1] {
        let outcome = decode(Limits::default(), input.as_bytes().chunks(size));
        assert!(outcome == (vec![expected.clone()], Ok(Ending::Complete)), "chunks of {size}");
    }
}

#[test]
fn the_limit_counts_the_lines_of_an_event_and_is_exact() {
    let input = b"data: 0\n\ndata: 123\r\n\r\ndata: 4\n\n";
    let all = decode_every_way(Limits { event_bytes: 11 }, input);
    assert_eq!(show(&all), "[0] [123] [4] Complete");
    let too_small = decode_every_way(Limits { event_bytes: 10 }, input);
    assert_eq!(show(&too_small), "[0] EventTooLarge { limit: 10 }");
    // The same for comments, and for events that never end.
    let comment = decode_every_way(Limits { event_bytes: 8 }, b": 123456\n: 1234567\n");
    assert_eq!(show(&comment), "<123456> EventTooLarge { limit: 8 }");
    let endless = vec![b'x'; DEFAULT_EVENT_BYTES + 1];
    let limit = DEFAULT_EVENT_BYTES;
    assert_eq!(decode_whole(&endless), (vec![], Err(Error::EventTooLarge { limit })));
}

#[test]
fn a_refusing_sink_closes_the_decoder() {
    #[derive(Debug, PartialEq)]
    enum Refusal {
        Enough,
        Framing(Error),
    }
    impl From<Error> for Refusal {
        fn from(error: Error) -> Self {
            Refusal::Framing(error)
        }
    }
    let mut decoder = Decoder::new(Limits::default());
    let mut calls = 0;
    let refused = decoder.feed(b"data: a\n\ndata: b\n\n", |_| {
        calls += 1;
        Err(Refusal::Enough)
    });
    assert_eq!((refused, calls), (Err(Refusal::Enough), 1));
    let nothing = |_: Frame<'_>| Ok::<(), Refusal>(());
    assert_eq!(decoder.feed(b"data: c\n\n", nothing), Err(Refusal::Framing(Error::Closed)));
    assert_eq!(decoder.finish(nothing), Err(Refusal::Framing(Error::Closed)));
}

#[test]
fn a_finished_decoder_is_closed() {
    let nothing = |_: Frame<'_>| Ok::<(), Error>(());
    let mut decoder = Decoder::new(Limits::default());
    assert_eq!(decoder.finish(nothing), Ok(Ending::Complete));
    assert_eq!(decoder.feed(b"data: a\n\n", nothing), Err(Error::Closed));
    assert_eq!(decoder.finish(nothing), Err(Error::Closed));
}

#[test]
fn data_is_validated_as_text_only_on_request() {
    let broken = Event { data: b"ab\xc3", ..Event::default() };
    assert_eq!(broken.data_str(), Err(Error::NotUtf8 { valid_up_to: 2 }));
    let (frames, ended) = decode_whole(b"data: ab\xc3\n\n");
    assert_eq!((frames.len(), ended), (1, Ok(Ending::Complete)));
}

#[test]
fn events_are_written_line_by_line() {
    let mut out = Vec::new();
    write_event(&mut out, Some("message_stop"), b"{\"type\":\"message_stop\"}").unwrap();
    write_event(&mut out, None, b"a\r\nb\rc\n").unwrap();
    write_event(&mut out, Some(""), b"").unwrap();
    write_comment(&mut out, b"ping\npong");
    let event = Event { data: b" x", id: Some(b"7"), retry: Some(10), ..Event::default() };
    event.write(&mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n\
         data: a\ndata: b\ndata: c\ndata: \n\n\
         data: \n\n\
         : ping\n: pong\n\n\
         id: 7\nretry: 10\ndata:  x\n\n"
    );
}

#[test]
fn a_name_or_id_cannot_forge_fields() {
    let mut out = b"kept".to_vec();
    for name in ["a\ndata: forged", "a\r", "\n"] {
        assert_eq!(write_event(&mut out, Some(name), b""), Err(Error::Unwritable { field: "event" }));
    }
    for id in [&b"1\n"[..], b"\r2", b"3\0"] {
        let event = Event { id: Some(id), ..Event::default() };
        assert_eq!(event.write(&mut out), Err(Error::Unwritable { field: "id" }));
    }
    assert_eq!(out, b"kept");
}
