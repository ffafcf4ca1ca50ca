//! Holds the module table: who may name whom, with file and line of every offence.
//!
//! The table is the architecture of `docs/ARCHITECTURE.md` in a form that can fail. An edge that is missing here is a
//! decision: adding one is a commit of its own, with its reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Each module, in the order of the pipeline, and the modules that it may name.
const TABLE: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("seed", &[]),
    ("file", &[]),
    // Tokens and request ids come from the entropy that a node is started with; cursors carry a portable hash.
    ("protocol", &["time", "seed"]),
    // Of the protocol only the words: names and bounds. See ONLY_WORDS.
    ("scenario", &["time", "protocol"]),
    ("plan", &["time", "seed", "protocol", "scenario"]),
    ("trace", &["time", "seed", "protocol", "plan"]),
    ("implementation", &["time", "protocol", "trace"]),
    ("world", &["time", "seed", "protocol", "plan", "trace", "implementation"]),
    ("check", &["time", "protocol", "plan", "trace"]),
    ("snapshot", &["trace", "file"]),
    // Whoever plays a run may be somebody else's.
    (
        "run",
        &[
            "time",
            "seed",
            "file",
            "protocol",
            "scenario",
            "plan",
            "trace",
            "implementation",
            "world",
            "check",
            "snapshot",
        ],
    ),
    // A running load is a world of its own: it drives the libraries and judges what they see.
    ("load", &["time", "seed", "file", "protocol", "scenario", "plan", "trace", "world", "check", "snapshot", "run"]),
    (
        "report",
        &[
            "time", "seed", "file", "protocol", "scenario", "plan", "trace", "world", "check", "snapshot", "run",
            "mutant", "load",
        ],
    ),
    // Faulty nodes around the reference's, given to a run in its place; grading them is running scenarios, also behind the
    // conversation, where applications notice less than the wire shows.
    ("mutant", &["time", "protocol", "plan", "scenario", "trace", "implementation", "world", "run"]),
    // Of the world only its driver, and who plays the server.
    ("serve", &["time", "protocol", "world"]),
    (
        "cli",
        &[
            "time",
            "seed",
            "file",
            "protocol",
            "scenario",
            "plan",
            "trace",
            "implementation",
            "world",
            "check",
            "snapshot",
            "run",
            "report",
            "serve",
            "mutant",
            "load",
        ],
    ),
];

/// What `scenario` may name of the protocol.
const ONLY_WORDS: &[&str] = &["vocabulary", "bounds", "requirements"];

/// Words that say something of a file outside the module that owns them.
const WORDS: &[(&str, &[&str], &str)] = &[
    ("clap", &["cli", "main"], "only `cli` knows the command line"),
    ("serde_saphyr", &["scenario", "run"], "only `scenario` knows YAML, and `run` that of profiles and known failures"),
    ("println!", &[], "it panics on a closed pipe; write to a stream that is passed in"),
    ("eprintln!", &[], "write to a stream that is passed in"),
];

#[test]
fn modules_name_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = TABLE.iter().copied().collect();
    let mut offences = Vec::new();
    for file in rust_files(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path()) {
        let (name, module) = names_of(&file);
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(allowed) = table.get(module.as_str()) else {
            offences.push(format!("{name}: module `{module}` is not in the table of tests/tidy.rs"));
            continue;
        };
        for (number, line) in code_lines(&file) {
            for named in modules_named(&line) {
                let known = table.contains_key(named.0.as_str());
                if known && named.0 != module && !allowed.contains(&named.0.as_str()) {
                    offences.push(format!("{name}:{number}: `{module}` must not name `{}`: {line}", named.0));
                }
                let below = named.1.as_str();
                if module == "scenario" && named.0 == "protocol" && !below.is_empty() && !ONLY_WORDS.contains(&below) {
                    offences.push(format!("{name}:{number}: `scenario` may name only {ONLY_WORDS:?}: {line}"));
                }
            }
        }
    }
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn words_stay_where_they_belong() {
    let mut offences = Vec::new();
    for file in rust_files(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path()) {
        let (name, module) = names_of(&file);
        for (number, line) in code_lines(&file) {
            for (word, owners, reason) in WORDS {
                if contains_word(&line, word) && !owners.contains(&module.as_str()) {
                    offences.push(format!("{name}:{number}: {reason}: {line}"));
                }
            }
        }
    }
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn every_select_takes_its_branches_in_a_fixed_order() {
    let mut offences = Vec::new();
    for file in rust_files(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path()) {
        let (name, _) = names_of(&file);
        let lines = code_lines(&file);
        for (index, (number, line)) in lines.iter().enumerate() {
            let begins = line.split_once("select!").map(|(_, rest)| rest.trim_start_matches([' ', '{']).to_owned());
            let next = lines.get(index + 1).map_or("", |(_, line)| line.as_str());
            if begins.is_some_and(|rest| !rest.starts_with("biased;") && !next.starts_with("biased;")) {
                offences.push(format!("{name}:{number}: write `select! {{ biased; .. }}`: {line}"));
            }
        }
    }
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn the_table_can_fail() {
    assert_eq!(modules_named("use crate::world::sim;"), [("world".to_owned(), "sim".to_owned())]);
    assert_eq!(
        modules_named("use crate::{check, protocol::core::Caller};"),
        [("check".to_owned(), String::new()), ("protocol".to_owned(), "core".to_owned())]
    );
    assert!(contains_word("    println!(\"x\");", "println!"));
    assert!(!contains_word("    eprintln!(\"x\");", "println!"));
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the folder can be read").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The path below the crate, and the top-level module.
fn names_of(file: &Path) -> (String, String) {
    let below = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("below the crate");
    let module = below.components().nth(1).expect("below src").as_os_str().to_string_lossy().into_owned();
    (below.display().to_string(), module.trim_end_matches(".rs").to_owned())
}

/// The lines that are code, outside comments and outside test modules, numbered from 1.
fn code_lines(file: &Path) -> Vec<(usize, String)> {
    if file.file_stem().is_some_and(|stem| stem == "tests") || file.components().any(|part| part.as_os_str() == "tests")
    {
        return Vec::new();
    }
    let text = std::fs::read_to_string(file).expect("the file can be read");
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default().trim().to_owned()))
        .filter(|(_, line)| !line.is_empty())
        .collect()
}

/// The top-level modules that a line names through `crate::`, each with the name below it.
fn modules_named(line: &str) -> Vec<(String, String)> {
    let identifier = |text: &str| -> String {
        text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_' || c.is_ascii_digit()).collect()
    };
    let mut named = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let items: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => list.split(',').map(str::trim).collect(),
            None => vec![rest],
        };
        for item in items {
            let module = identifier(item);
            if !module.is_empty() {
                let below = item[module.len()..].strip_prefix("::").map(identifier).unwrap_or_default();
                named.push((module, below));
            }
        }
    }
    named
}

fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !joins(before) && (!joins(after) || word.ends_with('!'))
    })
}
