//! Runs the scripts of `testkit` through the module's hooks.

use std::ffi::c_void;

use testkit::{Outcome, Script, Side, Splits, Subject};
use weir::abi::{self, EnvoyBuffer};
use weir::hooks;
use weir::stream::Direction;

use super::{FakeStream, take_log};

/// Envoy with one filter, whose configuration lives as long as this does.
pub struct FakeEnvoy {
    configuration: *const c_void,
    piece: usize,
}

impl FakeEnvoy {
    /// With the filter `name` configured by `json`.
    ///
    /// # Errors
    /// What was logged when the module refused the configuration.
    pub fn with_filter(name: &str, json: &str) -> Result<Self, String> {
        let buffer = |text: &str| EnvoyBuffer { ptr: text.as_ptr(), length: text.len() };
        take_log();
        // SAFETY: both texts outlive the call.
        let configuration = unsafe {
            hooks::envoy_dynamic_module_on_http_filter_config_new(
                std::ptr::null_mut(),
                buffer(name),
                buffer(json),
            )
        };
        if configuration.is_null() {
            return Err(take_log().iter().map(ToString::to_string).collect());
        }
        Ok(Self::with_configuration(configuration))
    }

    /// With a configuration made by `Configuration::into_raw`.
    pub fn with_configuration(configuration: *const c_void) -> Self {
        Self { configuration, piece: usize::MAX }
    }

    /// Shows bodies to the module in pieces of this many bytes.
    #[must_use]
    pub fn in_pieces_of(mut self, bytes: usize) -> Self {
        self.piece = bytes;
        self
    }

    /// A stream in which nothing has been sent yet.
    pub fn stream(&self) -> FakeStream {
        FakeStream::new(self.configuration, self.piece)
    }

    fn send(stream: &FakeStream, direction: Direction, side: &Side, offsets: &[usize], splits: &Splits) {
        let trailers = side.trailers.is_some();
        stream.headers(direction, side.headers.clone(), side.body.is_empty() && !trailers);
        for (chunk, end) in splits.chunks(&side.body, offsets, trailers) {
            stream.chunk(direction, chunk, end);
        }
        if let Some(trailers) = &side.trailers {
            stream.trailers(direction, trailers.clone());
        }
    }
}

impl Subject for FakeEnvoy {
    fn exchange(&mut self, script: &Script, splits: &Splits) -> Outcome {
        take_log();
        let stream = self.stream();
        for (path, value) in &script.properties {
            let mut state = stream.state.borrow_mut();
            match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["response", "code_details"] => {
                    state.attributes.insert(abi::attribute::RESPONSE_CODE_DETAILS, value.clone());
                }
                ["xds", "route_metadata", "filter_metadata", namespace, key] => {
                    state.route_metadata.insert(((*namespace).to_owned(), (*key).to_owned()), value.clone());
                }
                [key] => {
                    state.filter_state.insert((*key).to_owned(), value.clone());
                }
                other => panic!("the fake Envoy knows no property {other:?}"),
            }
        }
        Self::send(&stream, Direction::Request, &script.request, &splits.request, splits);
        if stream.state.borrow().request.forwarded.ended {
            Self::send(&stream, Direction::Response, &script.response, &splits.response, splits);
        }
        let mut state = stream.state.borrow_mut();
        let (request_held, response_held) = (state.request.held.concat(), state.response.held.concat());
        state.request.forwarded.held = request_held;
        state.response.forwarded.held = response_held;
        Outcome {
            request: state.request.forwarded.clone(),
            response: state.response.forwarded.clone(),
            local_reply: state.reply.clone(),
            reset: state.reset,
            logs: take_log(),
            filter_state: state.filter_state.clone(),
            route_cache_clears: state.route_clears,
            ..Outcome::default()
        }
    }
}

impl Drop for FakeEnvoy {
    fn drop(&mut self) {
        // SAFETY: the module made it, and every stream is gone.
        unsafe { hooks::envoy_dynamic_module_on_http_filter_config_destroy(self.configuration) };
    }
}
