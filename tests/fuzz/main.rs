//! Random input for what reads the words of strangers: the codec, the server's session layer, the loader of scenarios.
//!
//! The targets are in files of their own, each a function of bytes. Here is an engine for them that runs on every toolchain:
//! it mutates a corpus by a seed, for as many runs as fit a test, or for `CONVOKE_FUZZ_SECONDS` seconds each (with
//! `CONVOKE_FUZZ_SEED` for other luck). `tests/fuzz/libfuzzer` drives the same functions by coverage, where there is a nightly
//! toolchain and cargo-fuzz. Input that once broke something stays in `tests/fuzz/regressions/TARGET/`, and runs always.

mod codec;
mod loader;
mod mutate;
mod session;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use convoke::seed::Seed;

use mutate::Mutator;

/// How often each target runs where no time is given: a few seconds of a debug build.
const RUNS: u64 = 1_500;

/// Runs a target over its regressions, its corpus, and mutations of them.
#[expect(clippy::disallowed_methods, reason = "how long to try is real time; what is tried comes from the seed")]
fn fuzz(name: &str, target: fn(&[u8]), corpus: Vec<Vec<u8>>) {
    let number = |variable: &str| std::env::var(variable).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    let seconds = number("CONVOKE_FUZZ_SECONDS");
    let seed = number("CONVOKE_FUZZ_SEED").unwrap_or(1);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/regressions").join(name);
    for file in files(&here, "") {
        attempt(name, target, &fs::read(&file).unwrap());
    }
    for entry in &corpus {
        attempt(name, target, entry);
    }
    let mut mutator = Mutator::new(Seed(seed).stream(name), corpus);
    let began = std::time::Instant::now();
    let mut runs = 0_u64;
    let more = |runs| match seconds {
        Some(seconds) => began.elapsed().as_secs() < seconds,
        None => runs < RUNS,
    };
    while more(runs) {
        attempt(name, target, &mutator.next());
        runs += 1;
    }
    // Shown by `cargo test -- --nocapture`.
    println!("{name}: {runs} runs in {:.0} s, seed {seed}", began.elapsed().as_secs_f64());
}

/// One run. Input that breaks something is left where it can be found.
fn attempt(name: &str, target: fn(&[u8]), input: &[u8]) {
    if catch_unwind(|| target(input)).is_err() {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("fuzz-{name}-{:016x}", convoke::seed::fnv1a(input)));
        fs::write(&file, input).unwrap();
        panic!(
            "{name} breaks on the bytes in {}; keep them in tests/fuzz/regressions/{name}/ when it is mended",
            file.display()
        );
    }
}

/// All files below a folder whose names end like this, in order; none if there is no such folder.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
    found
}

#[test]
fn messages_are_read_or_refused() {
    // The messages that the protocol's document shows.
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PROTOCOL.md")).unwrap();
    let corpus: Vec<Vec<u8>> = document
        .split("```json")
        .skip(1)
        .filter_map(|block| block.split_once('\n')?.1.split_once("```"))
        .map(|(block, _)| block.trim().as_bytes().to_vec())
        .collect();
    assert!(corpus.len() > 10, "{} messages", corpus.len());
    fuzz("codec", codec::run, corpus);
}

#[test]
fn a_server_keeps_its_promises_whatever_it_hears() {
    // Scripts are choices: any bytes will do.
    let mut luck = Seed(1).stream("scripts");
    let script = |length| (0..length).map(|_| u8::try_from(luck.below(256)).unwrap()).collect();
    let corpus = (1..=64).map(|number| number * 16).map(script).collect();
    fuzz("session", session::run, corpus);
}

#[test]
fn files_are_loaded_or_refused() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus: Vec<Vec<u8>> = ["scenarios", "tests/malformed"]
        .iter()
        .flat_map(|folder| files(&top.join(folder), ".yaml"))
        .map(|file| fs::read(file).unwrap())
        .filter(|bytes| bytes.len() < 8_192)
        .collect();
    assert!(corpus.len() > 100, "{} files", corpus.len());
    fuzz("loader", loader::run, corpus);
}
