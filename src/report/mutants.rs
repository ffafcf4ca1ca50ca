//! What became of the mutants: for people in the order of the requirement groups, and for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::terminal::Page;
use crate::mutant::grade::{Fate, Grade, Notice};
use crate::mutant::{Equivalent, Mutant};

/// The version of the JSON: it changes when a field changes its meaning or goes, not when one is added.
pub const VERSION: u32 = 1;

/// How many scenarios a mutant's paragraph names.
const NAMED_MAX: usize = 3;

/// 0 if every mutant that can be seen is killed by what names a requirement that it breaks, else 1.
#[must_use]
pub fn exit_code(grades: &[Grade]) -> u8 {
    u8::from(grades.iter().any(|grade| !matches!(grade.fate(), Fate::Killed | Fate::OutOfSight)))
}

/// All mutants, with what is wrong with them.
#[must_use]
pub fn listed(mutants: &[Mutant], equivalents: &[Equivalent], page: Page) -> String {
    let mut text = String::new();
    let mut group = "";
    for mutant in mutants {
        if mutant.group() != group {
            group = mutant.group();
            let _ = writeln!(text, "{}{group}", if text.is_empty() { "" } else { "\n" });
        }
        let _ = writeln!(text, "  {}  [{}] {}", mutant.name, mutant.seam, mutant.breaks.join(" "));
        paragraph(&mut text, mutant.fault, page);
    }
    if !equivalents.is_empty() {
        text.push_str("\nequivalent to the reference, and not counted\n");
    }
    for equivalent in equivalents {
        let _ = writeln!(text, "  {}  [{}]", equivalent.mutant.name, equivalent.mutant.seam);
        paragraph(&mut text, equivalent.mutant.fault, page);
        paragraph(&mut text, equivalent.why, page);
    }
    let _ = writeln!(text, "\n{}, {}", counted(mutants.len(), "mutant"), counted(equivalents.len(), "equivalent"));
    text
}

/// What became of them.
#[must_use]
pub fn graded(grades: &[Grade], scenarios: usize, took: Duration, page: Page) -> String {
    let mut text = String::new();
    let mut group = "";
    for grade in grades {
        let mutant = &grade.mutant;
        if mutant.group() != group {
            group = mutant.group();
            let _ = writeln!(text, "{}{group}", if text.is_empty() { "" } else { "\n" });
        }
        let fate = grade.fate();
        let _ = writeln!(text, "  {:14}{}  [{}] {}", fate.name(), mutant.name, mutant.seam, mutant.breaks.join(" "));
        match fate {
            Fate::Killed => killed(&mut text, grade, page),
            Fate::OutOfSight => paragraph(&mut text, grade.out_of_sight.as_deref().unwrap_or_default(), page),
            _ => alive(&mut text, grade, page),
        }
    }
    let fates = Fate::ALL.into_iter().filter_map(|fate| {
        let count = grades.iter().filter(|grade| grade.fate() == fate).count();
        (count > 0).then(|| format!("{count} {}", fate.name()))
    });
    let fates = fates.collect::<Vec<_>>().join(", ");
    let seconds = took.as_secs_f64();
    let (mutants, scenarios) = (counted(grades.len(), "mutant"), counted(scenarios, "scenario"));
    let _ = writeln!(text, "\n{mutants}, {scenarios}: {fates} in {seconds:.2} s");
    let hidden = grades.iter().filter(|grade| is_hidden(grade)).count();
    if hidden > 0 {
        let _ = writeln!(
            text,
            "{} of the killed change nothing that an application hears or is told where they are killed (TERM-4)",
            hidden
        );
    }
    text
}

/// Whether what kills it is seen on the wire alone, everywhere.
fn is_hidden(grade: &Grade) -> bool {
    grade.fate() == Fate::Killed && grade.killers().all(|notice| notice.hidden == Some(true))
}

/// By what, and where.
fn killed(text: &mut String, grade: &Grade, page: Page) {
    let killers: Vec<&Notice> = grade.killers().collect();
    let checks = grade.checks();
    let by = checks.iter().map(|(check, ids)| format!("{check} ({})", joined(ids))).collect::<Vec<_>>().join(", ");
    let _ = writeln!(text, "{:16}by {by}", "");
    let more = killers.len().saturating_sub(NAMED_MAX);
    let named = killers.iter().take(NAMED_MAX).map(|notice| notice.scenario.as_str()).collect::<Vec<_>>().join(", ");
    let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
    let _ = writeln!(text, "{:16}in {named}{rest}", "");
    if is_hidden(grade) {
        paragraph(text, "no application notices: our client library hides it, and the wire shows it", page);
    }
}

/// What is wrong with it, and what was noticed all the same.
fn alive(text: &mut String, grade: &Grade, page: Page) {
    paragraph(text, grade.mutant.fault, page);
    if !grade.missed.is_empty() {
        let more = grade.missed.len().saturating_sub(NAMED_MAX);
        let named = grade.missed.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
        let words = "in the simulator applications notice it, and here nothing named what it breaks: in";
        paragraph(text, &format!("{words} {named}{rest}"), page);
    }
    for notice in grade.noticed.iter().take(NAMED_MAX) {
        let mut what: Vec<String> =
            notice.otherwise.iter().map(|(check, ids)| format!("{check} ({})", joined(ids))).collect();
        what.extend(notice.snapshot.then(|| "the snapshot differs".to_owned()));
        what.extend(notice.broke.clone());
        let _ = writeln!(text, "{:16}{}: {}", "", notice.scenario, what.join(", "));
    }
    let more = grade.noticed.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        let _ = writeln!(text, "{:16}and {more} more", "");
    }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn joined(ids: &BTreeSet<String>) -> String {
    if ids.is_empty() { "no requirement".to_owned() } else { ids.iter().cloned().collect::<Vec<_>>().join(" ") }
}

fn paragraph(text: &mut String, words: &str, page: Page) {
    const INDENT: usize = 16;
    let mut length = 0;
    for word in words.split_whitespace() {
        if length > 0 && INDENT + length + 1 + word.chars().count() > page.width {
            text.push('\n');
            length = 0;
        }
        if length == 0 {
            let _ = write!(text, "{:INDENT$}", "");
        } else {
            text.push(' ');
            length += 1;
        }
        text.push_str(word);
        length += word.chars().count();
    }
    text.push('\n');
}

/// All mutants, for programs.
#[must_use]
pub fn listed_json(mutants: &[Mutant], equivalents: &[Equivalent]) -> Value {
    let equivalent = |equivalent: &Equivalent| {
        let mut value = described(&equivalent.mutant);
        value["why"] = json!(equivalent.why);
        value
    };
    json!({
        "version": VERSION,
        "mutants": mutants.iter().map(described).collect::<Vec<_>>(),
        "equivalents": equivalents.iter().map(equivalent).collect::<Vec<_>>(),
    })
}

/// What became of them, for programs.
#[must_use]
pub fn graded_json(grades: &[Grade], scenarios: usize) -> Value {
    let sets = |sets: &BTreeMap<&'static str, BTreeSet<String>>| json!(sets);
    let notice = |notice: &Notice| {
        json!({
            "scenario": notice.scenario,
            "rightly": sets(&notice.rightly),
            "otherwise": sets(&notice.otherwise),
            "snapshotDiffers": notice.snapshot,
            "broke": notice.broke,
            "hidden": notice.hidden,
        })
    };
    let one = |grade: &Grade| {
        let mut value = described(&grade.mutant);
        value["fate"] = json!(grade.fate().name());
        value["outOfSight"] = json!(grade.out_of_sight);
        value["killedBy"] = sets(&grade.checks());
        value["missed"] = json!(grade.missed);
        value["scenarios"] = json!(grade.scenarios);
        value["noticed"] = grade.noticed.iter().map(notice).collect();
        value
    };
    let fates: serde_json::Map<String, Value> = Fate::ALL
        .into_iter()
        .map(|fate| (fate.name().to_owned(), json!(grades.iter().filter(|grade| grade.fate() == fate).count())))
        .collect();
    json!({
        "version": VERSION,
        "mutants": grades.iter().map(one).collect::<Vec<_>>(),
        "summary": {
            "mutants": grades.len(),
            "scenarios": scenarios,
            "fates": fates,
            "exitCode": exit_code(grades),
        },
    })
}

fn described(mutant: &Mutant) -> Value {
    json!({
        "name": mutant.name,
        "group": mutant.group(),
        "seam": mutant.seam.to_string(),
        "breaks": mutant.breaks,
        "fault": mutant.fault,
    })
}
