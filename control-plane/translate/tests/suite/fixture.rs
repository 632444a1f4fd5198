//! The inputs under `fixtures/`.
//!
//! A file is a text of YAML as one would apply it. Comments at its beginning may say `runtime: native`,
//! `delivery: static`, or `envoy: skip` for what is not to be shown to the real Envoy. Objects that validation
//! refuses are refused here too, as the controller does.

use std::path::{Path, PathBuf};

use resources::{Object, Severity};
use translate::{Delivery, Objects, Runtime, Settings, Translation, translate};

/// One input.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) name: String,
    /// All objects, and whether each is usable.
    pub(crate) objects: Vec<(Object, Usable)>,
    pub(crate) settings: Settings,
    /// Whether Envoy can load what comes of it.
    pub(crate) loadable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usable {
    Yes,
    No,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// All fixtures, by name.
pub(crate) fn all() -> Vec<Fixture> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| Some(file.strip_suffix(".yaml")?.to_owned()))
        .filter(|name| !name.ends_with(".out"))
        .collect();
    names.sort();
    names.iter().map(|name| load(name)).collect()
}

pub(crate) fn load(name: &str) -> Fixture {
    let file = format!("{name}.yaml");
    let text = std::fs::read_to_string(folder().join(&file)).unwrap();
    let says = |directive: &str| text.lines().any(|line| line == format!("# {directive}"));
    let mut settings = if says("runtime: native") { native() } else { wasm() };
    if says("delivery: static") {
        settings.delivery = Delivery::Static;
    }
    Fixture { name: name.to_owned(), objects: decode(&file, &text), settings, loadable: !says("envoy: skip") }
}

/// Settings for the wasm build.
pub(crate) fn wasm() -> Settings {
    Settings::new(Runtime::Wasm { module: PathBuf::from("/opt/weir/weir.wasm") })
}

/// Settings for the native build.
pub(crate) fn native() -> Settings {
    Settings::new(Runtime::Native { library: PathBuf::from("/opt/weir/libweir.so") })
}

/// What a text of objects becomes in the wasm build.
pub(crate) fn translated(text: &str) -> Translation {
    translate(&objects(&decode("objects.yaml", text)), &wasm())
}

/// The objects of a text, all of which must be readable.
pub(crate) fn decode(file: &str, text: &str) -> Vec<(Object, Usable)> {
    let (decoded, findings) = resources::decode_documents(file, text);
    assert!(findings.is_empty(), "{findings:#?}");
    decoded
        .into_iter()
        .map(|decoded| {
            let bad = resources::validate(&decoded.object).iter().any(|f| f.severity == Severity::Error);
            (decoded.object, if bad { Usable::No } else { Usable::Yes })
        })
        .collect()
}

pub(crate) fn put(objects: &mut Objects, (object, usable): (Object, Usable)) {
    match usable {
        Usable::Yes => objects.apply(object),
        Usable::No => objects.refuse(object),
    }
}

pub(crate) fn objects(all: &[(Object, Usable)]) -> Objects {
    let mut objects = Objects::default();
    for one in all {
        put(&mut objects, one.clone());
    }
    objects
}
