//! Runs the scripts of `testkit` through the module's hooks.

use std::ffi::c_void;

use testkit::{Chain, Outcome, Script, Splits, Subject};
use weir::abi::{self, EnvoyBuffer};
use weir::hooks;

use super::{FakeStream, FilterState, take_log};

/// Envoy with one filter, or several one behind the other, as those of a listener and of a cluster are. Their
/// configurations live as long as this does.
pub struct FakeEnvoy {
    configurations: Vec<*const c_void>,
    piece: usize,
}

impl FakeEnvoy {
    /// With the filter `name` configured by `json`.
    ///
    /// # Errors
    /// What was logged when the module refused the configuration.
    pub fn with_filter(name: &str, json: &str) -> Result<Self, String> {
        Ok(Self::with_configuration(configured(name, json)?))
    }

    /// With a configuration made by `Configuration::into_raw`.
    pub fn with_configuration(configuration: *const c_void) -> Self {
        Self { configurations: vec![configuration], piece: usize::MAX }
    }

    /// Puts the filter `name` behind those given so far.
    ///
    /// # Errors
    /// Those of [`Self::with_filter`].
    pub fn with_upstream(mut self, name: &str, json: &str) -> Result<Self, String> {
        self.configurations.push(configured(name, json)?);
        Ok(self)
    }

    /// Shows bodies to the module in pieces of this many bytes.
    #[must_use]
    pub fn in_pieces_of(mut self, bytes: usize) -> Self {
        self.piece = bytes;
        self
    }
}

fn configured(name: &str, json: &str) -> Result<*const c_void, String> {
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
    Ok(configuration)
}

/// Scripts a property of the exchange, as the module reads it.
fn set_property(stream: &FakeStream, path: &[String], value: &[u8]) {
    let mut state = stream.state.borrow_mut();
    match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["response", "code_details"] => {
            state.attributes.insert(abi::attribute::RESPONSE_CODE_DETAILS, value.to_vec());
        }
        ["xds", "route_metadata", "filter_metadata", namespace, key] => {
            state.route_metadata.insert(((*namespace).to_owned(), (*key).to_owned()), value.to_vec());
        }
        [key] => {
            state.filter_state.borrow_mut().insert((*key).to_owned(), value.to_vec());
        }
        other => panic!("the fake Envoy knows no property {other:?}"),
    }
}

impl Subject for FakeEnvoy {
    fn exchange(&mut self, script: &Script, splits: &Splits) -> Outcome {
        take_log();
        let filter_state = FilterState::default();
        let open = |configuration: &*const c_void| FakeStream::new(*configuration, self.piece, &filter_state);
        let streams: Vec<FakeStream> = self.configurations.iter().map(open).collect();
        for stream in &streams {
            for (path, value) in &script.properties {
                set_property(stream, path, value);
            }
        }
        let mut chain = Chain::new(streams);
        let Ok(()) = chain.run(script, splits);
        chain.outcome()
    }
}

impl Drop for FakeEnvoy {
    fn drop(&mut self) {
        for configuration in &self.configurations {
            // SAFETY: the module made it, and every stream is gone.
            unsafe { hooks::envoy_dynamic_module_on_http_filter_config_destroy(*configuration) };
        }
    }
}
