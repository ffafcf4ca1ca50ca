//! The scenario language as users meet it: the corpus, the schema, the reference, and what is said of malformed files.
//!
//! `CONVOKE_REGENERATE=1 cargo test --test language` writes the schema, the reference and the expected messages anew;
//! read the difference as you read code.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convoke::plan::Plan;
use convoke::plan::compile::compile;
use convoke::scenario::{self, Diagnostics};
use convoke::seed::Seed;

fn yaml_files(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::from(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("the directory is readable") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => directories.push(path),
                false => found.extend(path.extension().is_some_and(|extension| extension == "yaml").then_some(path)),
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{directory} has no scenarios");
    found
}

fn load(path: &Path) -> Result<Plan, Diagnostics> {
    scenario::load(path).and_then(|scenario| compile(&scenario, Seed(1)))
}

/// The scenarios in the documents: each fenced block of YAML that has a version.
fn examples() -> Vec<String> {
    let mut examples = Vec::new();
    for entry in fs::read_dir("docs").expect("the documents are readable") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path).expect("a document is text");
            let blocks = text.split("```yaml\n").skip(1).filter_map(|block| block.split("\n```").next());
            examples.extend(blocks.filter(|block| block.contains("version: 1")).map(str::to_owned));
        }
    }
    examples
}

/// Whether a file is what the program says it is; writes it where that is asked for.
#[track_caller]
fn is_fresh(path: &Path, text: &str) {
    if std::env::var_os("CONVOKE_REGENERATE").is_some() {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).expect("the directory can be made");
        }
        fs::write(path, text).expect("the file can be written");
    }
    let there = fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        there == text,
        "{} is stale: run `CONVOKE_REGENERATE=1 cargo test --test language` and read the difference",
        path.display()
    );
}

#[test]
fn every_scenario_compiles() {
    let wrong: Vec<String> =
        yaml_files("scenarios").iter().filter_map(|file| load(file).err()).map(|found| found.render(false)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_example_in_the_documents_compiles() {
    let examples = examples();
    assert!(!examples.is_empty());
    for example in examples {
        let plan = scenario::parse("example", example.into()).and_then(|scenario| compile(&scenario, Seed(1)));
        assert!(plan.is_ok(), "{}", plan.unwrap_err());
    }
}

#[test]
fn schema_and_reference_are_fresh() {
    let schema = serde_json::to_string_pretty(&scenario::schema()).expect("a schema is JSON") + "\n";
    is_fresh(Path::new("schema/scenario.schema.json"), &schema);
    is_fresh(Path::new("docs/SCENARIOS.md"), &scenario::reference());
}

#[test]
fn the_schema_admits_what_the_reader_admits() {
    let validator = jsonschema::validator_for(&scenario::schema()).expect("the schema is one");
    let mut texts: Vec<(String, String)> = yaml_files("scenarios")
        .iter()
        .map(|path| (path.display().to_string(), fs::read_to_string(path).expect("a scenario is text")))
        .collect();
    texts.extend(examples().into_iter().map(|text| ("an example in docs".to_owned(), text)));
    for (path, text) in texts {
        // JSON has no `.nan`; to a schema it is a number like any other.
        let text = text.replace(".nan", "0.5").replace("-.inf", "0.5").replace(".inf", "0.5");
        let value: serde_json::Value = serde_saphyr::from_str(&text).expect("a scenario is YAML");
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{path}: {}", errors.join("\n"));
    }
}

#[test]
fn the_schema_underlines_what_an_editor_can_know() {
    let validator = jsonschema::validator_for(&scenario::schema()).expect("the schema is one");
    for file in [
        "unknown-section",
        "unknown-key-in-room",
        "version-unknown",
        "title-missing",
        "operation-unknown",
        "argument-unknown",
        "event-unknown",
        "payload-key-unknown",
        "payload-status-unknown",
        "unit-wrong",
        "bound-unknown",
        "code-unknown",
    ] {
        let text = fs::read_to_string(format!("tests/malformed/{file}.yaml")).expect("a file");
        let value: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
        assert!(!validator.is_valid(&value), "the schema admits {file}");
    }
}

#[test]
fn malformed_files_say_where_what_and_how_to_mend_it() {
    for file in yaml_files("tests/malformed") {
        let Err(found) = load(&file) else { panic!("{} compiles", file.display()) };
        is_fresh(&file.with_extension("txt"), &(found.render(false) + "\n"));
    }
}

#[test]
fn files_that_cannot_be_read() {
    let missing = load(Path::new("scenarios/no-such-file.yaml")).unwrap_err().render(false);
    assert!(missing.contains("there is no such file"), "{missing}");
    let directory = load(Path::new("scenarios")).unwrap_err().render(false);
    assert!(directory.contains("this is a directory"), "{directory}");
}

#[test]
fn deep_nesting_is_refused_at_once() {
    for brackets in ["[", "{a: ", "- ", "? "] {
        let text: Arc<str> = brackets.repeat(100_000).into();
        let found = scenario::parse("deep.yaml", text).unwrap_err();
        assert!(found.render(false).len() < 10_000, "the message is as long as the file");
    }
}
