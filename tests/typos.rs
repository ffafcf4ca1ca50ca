//! A typo in any scenario of the corpus is a diagnostic that names it.

use std::path::{Path, PathBuf};

use convoke::plan::compile::compile;
use convoke::scenario;
use convoke::seed::Seed;

fn scenarios(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(scenarios(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Where the keys of a scenario begin and end, but for those inside raw JSON.
fn keys(text: &str) -> Vec<(usize, usize)> {
    let mut keys = Vec::new();
    let mut line_at = 0;
    for line in text.split_inclusive('\n') {
        let code = line.split(" #").next().unwrap_or_default();
        let skipped = ["#", "title:"].iter().any(|start| code.trim_start().starts_with(start)) || code.contains("args");
        for (colon, _) in code.match_indices(':').filter(|_| !skipped) {
            let is_key = code[colon + 1..].starts_with([' ', '\n']) || colon + 1 == code.len();
            let begin = code[..colon].rfind(|c: char| !c.is_ascii_alphanumeric() && c != '-').map_or(0, |at| at + 1);
            let quoted = code[..colon].matches(['\'', '"']).count() % 2 == 1;
            if is_key
                && !quoted
                && colon - begin >= 3
                && code[begin..colon].starts_with(|c: char| c.is_ascii_lowercase())
            {
                keys.push((line_at + begin, line_at + colon));
            }
        }
        line_at += line.len();
    }
    keys
}

/// What a reader is told of a text that should be wrong; nothing when it is taken.
fn told(text: &str) -> Option<String> {
    match scenario::parse("typo.yaml", text.into()) {
        Err(diagnostics) => Some(diagnostics.render(false)),
        Ok(scenario) => compile(&scenario, Seed(1)).err().map(|diagnostics| diagnostics.render(false)),
    }
}

#[test]
fn every_typo_in_a_key_is_named() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let (mut tried, mut missed) = (0, Vec::new());
    for (number, path) in scenarios(&root).iter().enumerate() {
        let text = std::fs::read_to_string(path).expect("the scenario can be read");
        // Large populations take long to compile, and their keys are the same.
        if text.contains("count: 10") {
            continue;
        }
        // A room's id is made up, and with another one the scenario may still make sense.
        let plan = scenario::parse("good.yaml", text.as_str().into()).ok().and_then(|s| compile(&s, Seed(1)).ok());
        let rooms: Vec<String> =
            plan.expect("the corpus compiles").rooms.iter().map(|room| room.room_id.to_string()).collect();
        let is_room = |key: &(usize, usize)| rooms.iter().any(|room| room == &text[key.0..key.1]);
        // A few keys of each file, other ones in each, make all of them over the corpus.
        for (begin, end) in keys(&text).into_iter().filter(|key| !is_room(key)).skip(number % 5).step_by(5) {
            tried += 1;
            let word = &text[begin..end];
            // One letter is missing from the middle of the word.
            let middle = begin + word.len() / 2;
            let typo = format!("{}{}", &text[..middle], &text[middle + 1..]);
            let wrong = format!("{}{}", &text[begin..middle], &text[middle + 1..end]);
            let name = path.strip_prefix(&root).expect("below the corpus").display();
            match told(&typo) {
                None => missed.push(format!("{name}: `{wrong}` for `{word}` is taken")),
                // A name that is made up in one place is missed in another, under its right spelling.
                Some(said) if said.contains(&wrong) || said.contains(word) => {}
                Some(said) => missed.push(format!("{name}: `{wrong}` for `{word}` is not named:\n{said}")),
            }
        }
    }
    assert!(tried > 500, "only {tried} typos were tried");
    assert!(missed.is_empty(), "{} of {tried}:\n{}", missed.len(), missed.join("\n"));
}
