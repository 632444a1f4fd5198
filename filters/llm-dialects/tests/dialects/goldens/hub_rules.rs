//! The guarantees in the documentation of [`StreamEvent`].

use llm_dialects::Dialect;
use llm_dialects::hub::StreamEvent;

use super::{frames, inputs};

/// Every stream of a dialect keeps to the rules; at its end it is complete, has failed, or was cut short.
pub fn check(dialect: Dialect) {
    for path in inputs(dialect, "streams") {
        let stream = frames::load(dialect, &path);
        let mut open: Vec<u32> = Vec::new();
        let (mut started, mut next, mut finished, mut over) = (false, 0, false, false);
        let mut check = |event: StreamEvent<'_>| {
            let at = format!("{}: {event:?}", path.display());
            assert!(!over, "{at}");
            match event {
                StreamEvent::Start { .. } => assert!(!std::mem::replace(&mut started, true), "{at}"),
                StreamEvent::BlockStart { index, .. } => {
                    assert_eq!(index, next, "{at}");
                    assert!(started && !finished, "{at}");
                    next += 1;
                    open.push(index);
                }
                StreamEvent::Delta { index, .. } => assert!(open.contains(&index), "{at}"),
                StreamEvent::BlockStop { index } => {
                    let place = open.iter().position(|block| *block == index);
                    open.remove(place.unwrap_or_else(|| panic!("{at}")));
                }
                StreamEvent::Usage(_) => assert!(started, "{at}"),
                StreamEvent::Ping => {}
                StreamEvent::Finish { .. } => {
                    assert!(started && open.is_empty() && !finished, "{at}");
                    finished = true;
                }
                StreamEvent::Error(_) => over = true,
                StreamEvent::End => {
                    assert!(finished, "{at}");
                    over = true;
                }
            }
        };
        let cut = frames::read(dialect, [&stream[..]], &mut check).is_err();
        assert!(over || cut, "{}", path.display());
    }
}
