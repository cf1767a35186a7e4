//! One program for all targets: `FLASHGATE_FUZZ_TARGET` names the one that it runs.
#![no_main]

use std::sync::OnceLock;

use flashgate_fuzz::target::{ALL, Target, named};

static TARGET: OnceLock<Target> = OnceLock::new();

fn target() -> Target {
    *TARGET.get_or_init(|| {
        let name = std::env::var("FLASHGATE_FUZZ_TARGET").unwrap_or_default();
        named(&name)
            .unwrap_or_else(|| panic!("FLASHGATE_FUZZ_TARGET: {name:?} is none of {:?}", ALL.map(|t| t.name)))
    })
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    (target().run)(input);
});
