//! A result as one HTML page that needs nothing else: no network, and to be read no JavaScript.
//!
//! The page is a template (`html/report.html`) over a view that is made here; what can be decided is decided here, so the
//! template has no logic but loops. The template escapes every text. Two things stand in the page as they are: the
//! diagrams, whose texts `svg` escapes, and the whole result as JSON, in which no `<` is left, so that nothing in it can end
//! the element around it.

mod causes;

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use self::causes::{Cause, causes};
use super::plain::{headline, headline_of};
use super::result::{
    FindingResult, GroupResult, PlayedResult, RealTimeResult, RequirementResult, RequirementVerdict, RunResult,
    ScenarioResult,
};
use super::svg::svg;
use crate::run::Verdict;
use crate::snapshot::diff::{self, DiffLine};

pub(super) const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");
const REPORT: &str = include_str!("html/report.html");

/// How many failures are open when the page is.
const OPEN_MAX: usize = 3;
/// With more failures than these, causes are closed when the page is, so that all of them are seen at once.
const CAUSES_OPEN_MAX: usize = 12;
/// How many findings of a scenario are told in full.
const FINDINGS_MAX: usize = 5;
/// How many devices are named that an implementation played: a crowd has thousands.
const PLAYED_MAX: usize = 6;
/// With more failures than these, each has one diagram at most: a page of megabytes is not sent to anybody.
const MANY: usize = 50;

/// The page.
#[must_use]
pub fn page(result: &RunResult) -> String {
    render("report.html", REPORT, &view(result))
}

/// Renders one of the templates of this crate, which escape what they are given.
pub(super) fn render(name: &str, template: &str, view: &impl Serialize) -> String {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let rendered = environment.render_named_str(name, template, minijinja::value::Serde(view));
    rendered.unwrap_or_else(|error| panic!("a template of our own fits its view: {error:#}"))
}

/// JSON that may stand in an element: `<`, `>` and `&` only ever stand in strings, where they can be written otherwise.
pub(super) fn embedded(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("it has string keys");
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// A word with the class that colours it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Mark {
    name: &'static str,
    class: String,
}

impl Mark {
    pub(super) fn named(name: &'static str) -> Self {
        Self { name, class: name.replace(' ', "-") }
    }
}

#[derive(Serialize)]
struct Count {
    name: &'static str,
    class: String,
    count: usize,
}

#[derive(Serialize)]
pub(super) struct Fact {
    name: &'static str,
    value: String,
    mono: bool,
    wide: bool,
}

#[derive(Serialize)]
struct WaivedView<'r> {
    requirement: &'r str,
    instead: Option<&'r str>,
    /// What a declared variant came to.
    shown: Option<String>,
}

#[derive(Serialize)]
struct View<'r> {
    style: &'static str,
    script: &'static str,
    data: String,
    tool: &'r str,
    kind: &'static str,
    title: String,
    lead: String,
    facts: Vec<Fact>,
    variants: Vec<WaivedView<'r>>,
    waived: Vec<WaivedView<'r>>,
    requirement_counts: Vec<Count>,
    scenario_counts: Vec<Count>,
    groups: Vec<GroupView<'r>>,
    failures_title: String,
    no_failures: &'static str,
    failures: usize,
    causes: Vec<CauseView<'r>>,
    failure_kinds: Vec<Count>,
    unsupported: Vec<Unsupported<'r>>,
    scenarios: Vec<ScenarioView<'r>>,
}

#[derive(Serialize)]
struct GroupView<'r> {
    prefix: &'r str,
    title: &'r str,
    shown: String,
    /// Those that something must show.
    requirements: Vec<Chip<'r>>,
    /// Those and the definitions.
    all: Vec<RequirementView<'r>>,
}

#[derive(Serialize)]
struct Chip<'r> {
    id: &'r str,
    number: &'r str,
    /// What tells verdicts apart without colour.
    sign: &'static str,
    mark: Mark,
}

#[derive(Serialize)]
struct RequirementView<'r> {
    id: &'r str,
    kind: String,
    text: &'r str,
    mark: Mark,
    out_of_reach: bool,
    claimed_by: Vec<Link<'r>>,
    broken_by: Vec<Link<'r>>,
}

#[derive(Serialize)]
struct Link<'r> {
    path: &'r str,
    anchor: Option<String>,
}

/// Failures that have something in common.
#[derive(Serialize)]
struct CauseView<'r> {
    /// How many fail, and by what; nothing where the failures stand alone.
    title: Option<String>,
    class: String,
    open: bool,
    /// What they have in common, in a line.
    say: String,
    requirements: Vec<RequirementText<'r>>,
    found_by: Option<String>,
    failures: Vec<FailureView<'r>>,
}

#[derive(Serialize)]
struct FailureView<'r> {
    anchor: String,
    mark: Mark,
    path: &'r str,
    world: &'r str,
    title: &'r str,
    headline: String,
    /// What the filter looks at.
    words: String,
    open: bool,
    known: Option<&'r str>,
    reason: Option<&'r str>,
    /// How it was played, where it was not simply simulated.
    played: Option<String>,
    findings: Vec<FindingView<'r>>,
    more: usize,
    claims: Vec<ClaimView<'r>>,
    snapshot: Vec<Line>,
    ladder: Option<String>,
    repeat: &'r str,
    fingerprint: Option<&'r str>,
    alike: Option<String>,
}

#[derive(Serialize)]
struct ClaimView<'r> {
    requirement: &'r str,
    missing: String,
}

#[derive(Serialize)]
struct FindingView<'r> {
    message: &'r str,
    check: &'r str,
    ids: &'r [String],
    at: Option<String>,
    seed: Option<u64>,
    place: Option<PlaceView<'r>>,
    sides: Option<Sides>,
    requirements: Vec<RequirementText<'r>>,
    ladder: Option<String>,
}

#[derive(Serialize)]
struct PlaceView<'r> {
    at: String,
    text: &'r str,
}

#[derive(Serialize)]
struct RequirementText<'r> {
    id: &'r str,
    kind: String,
    text: &'r str,
}

#[derive(Serialize)]
struct Sides {
    expected: Vec<Line>,
    seen: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    class: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Unsupported<'r> {
    reason: String,
    paths: Vec<&'r str>,
}

#[derive(Serialize)]
struct ScenarioView<'r> {
    mark: Mark,
    path: &'r str,
    world: &'r str,
    title: &'r str,
    covers: &'r [String],
    variants: &'r [String],
    played: Option<String>,
    trace: &'r str,
    anchor: Option<String>,
}

/// Where things are in the page, and what is said of requirements.
struct Index<'r> {
    /// The anchor of a failing scenario, by its position.
    anchors: BTreeMap<usize, String>,
    /// The position of the failing scenario with this path.
    failing: BTreeMap<&'r str, usize>,
    requirements: BTreeMap<&'r str, &'r RequirementResult>,
    /// Where a requirement stands in the catalogue.
    places: BTreeMap<&'r str, usize>,
    /// How many scenarios fail in the same way.
    alike: BTreeMap<&'r str, usize>,
    many: bool,
}

impl<'r> Index<'r> {
    fn of(result: &'r RunResult) -> Self {
        let mut index = Self {
            anchors: BTreeMap::new(),
            failing: BTreeMap::new(),
            requirements: BTreeMap::new(),
            places: BTreeMap::new(),
            alike: BTreeMap::new(),
            many: false,
        };
        for (position, scenario) in result.scenarios.iter().enumerate().filter(|(_, one)| is_told(one)) {
            index.anchors.insert(position, format!("scenario-{}", position + 1));
            index.failing.entry(&scenario.path).or_insert(position);
            if let Some(fingerprint) = &scenario.fingerprint {
                *index.alike.entry(fingerprint).or_default() += 1;
            }
        }
        index.many = index.anchors.len() > MANY;
        let requirements = || result.requirements.iter().flat_map(|group| &group.requirements);
        index.requirements.extend(requirements().map(|one| (one.id.as_str(), one)));
        index.places.extend(requirements().enumerate().map(|(place, one)| (one.id.as_str(), place)));
        index
    }

    fn link(&self, path: &'r String) -> Link<'r> {
        let position = self.failing.get(path.as_str());
        Link { path, anchor: position.and_then(|position| self.anchors.get(position)).cloned() }
    }
}

/// Whether a scenario is told in full: it failed, whether that is known or not.
fn is_told(scenario: &ScenarioResult) -> bool {
    !scenario.verdict.is_well() || scenario.verdict == Verdict::KnownFailure
}

fn view(result: &RunResult) -> View<'_> {
    let index = Index::of(result);
    let told: Vec<(usize, &ScenarioResult)> =
        result.scenarios.iter().enumerate().filter(|(_, scenario)| is_told(scenario)).collect();
    let failures = told.len();
    // What nobody knew of comes first.
    let (known, unknown): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|(_, scenario)| scenario.verdict == Verdict::KnownFailure);
    let failed = unknown.len();
    let causes = [unknown, known].iter().flat_map(|told| cause_views(told, failures, &index)).collect();
    let implementation = &result.implementation;
    let version = implementation.version.as_deref().map_or_else(String::new, |version| format!(" {version}"));
    View {
        style: STYLE,
        script: SCRIPT,
        data: embedded(result),
        tool: &result.tool.version,
        kind: match result.command.as_str() {
            "conform" => "Conformance of a conference-invitation service",
            "judge" => "Judgement of a saved trace",
            _ => "Scenarios of a conference-invitation service",
        },
        title: format!("{}{version}", implementation.name),
        lead: lead(result, failed),
        facts: facts(result),
        variants: result
            .profile
            .variants
            .iter()
            .map(|one| WaivedView {
                requirement: &one.requirement,
                instead: Some(&one.text),
                shown: one.scenarios.map(|scenarios| match scenarios {
                    0 => "no scenario passes by it".to_owned(),
                    1 => "one scenario passes by it".to_owned(),
                    some => format!("{some} scenarios pass by it"),
                }),
            })
            .collect(),
        waived: result
            .profile
            .waived
            .iter()
            .map(|waived| WaivedView {
                requirement: &waived.requirement,
                instead: waived.instead.as_deref(),
                shown: None,
            })
            .collect(),
        requirement_counts: requirement_counts(result),
        scenario_counts: verdict_counts(result.scenarios.iter().map(|scenario| scenario.verdict)),
        groups: result.requirements.iter().map(|of| group(of, &index)).collect(),
        failures_title: match failures {
            0 => "Failures".to_owned(),
            1 => "1 failure".to_owned(),
            count => format!("{count} failures"),
        },
        no_failures: "No scenario failed.",
        failure_kinds: verdict_counts(result.scenarios.iter().filter(|one| is_told(one)).map(|one| one.verdict)),
        failures,
        causes,
        unsupported: unsupported(result),
        scenarios: result
            .scenarios
            .iter()
            .enumerate()
            .map(|(position, scenario)| ScenarioView {
                mark: Mark::named(scenario.verdict.name()),
                path: &scenario.path,
                world: world(scenario),
                title: &scenario.title,
                covers: &scenario.covers,
                variants: &scenario.variants,
                played: played(scenario),
                trace: scenario.trace_hash.as_deref().unwrap_or(""),
                anchor: index.anchors.get(&position).cloned(),
            })
            .collect(),
    }
}

/// The world is told where it is not the usual one.
fn world(scenario: &ScenarioResult) -> &str {
    if scenario.world == "sim" { "" } else { &scenario.world }
}

/// How a scenario was played: in which time, in how many runs, and who played devices in the reference's place.
fn played(scenario: &ScenarioResult) -> Option<String> {
    let mut words = Vec::new();
    if let Some(RealTimeResult { scale, runs, failed }) = &scenario.real_time {
        let pace = match scale {
            0 | 1 => "in real time".to_owned(),
            scale => format!("in real time, {scale} times as fast as planned"),
        };
        words.push(match (runs, failed) {
            (1, _) => pace,
            (runs, failed) => format!("{pace}, in {runs} runs, {failed} of which failed"),
        });
    }
    let by = |party: &PlayedResult| {
        if party.server {
            return format!("with {} as the server", party.implementation);
        }
        let some = party.devices.iter().take(PLAYED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = party.devices.len().saturating_sub(PLAYED_MAX);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{some}{more} by {}", party.implementation)
    };
    words.extend(scenario.played.iter().map(by));
    (!words.is_empty()).then(|| words.join("; "))
}

fn lead(result: &RunResult, failed: usize) -> String {
    let scenarios = result.scenarios.len();
    let must =
        || result.requirements.iter().flat_map(|group| &group.requirements).filter(|one| one.level != "definition");
    let with = |verdict| must().filter(|one| one.verdict == verdict).count();
    let shown = with(RequirementVerdict::Pass) + with(RequirementVerdict::Variant);
    let broken = with(RequirementVerdict::Fail);
    let requirements = |count: usize| format!("{count} requirement{}", if count == 1 { "" } else { "s" });
    let of_scenarios = match (failed, scenarios) {
        (0, 1) => "The scenario is well".to_owned(),
        (0, all) => format!("All {all} scenarios are well"),
        (failed, all) => format!("{failed} of {all} scenarios did not end well"),
    };
    match broken {
        0 => format!("{of_scenarios}; {} shown.", requirements(shown)),
        broken => format!("{of_scenarios}; {} broken, {} shown.", requirements(broken), requirements(shown)),
    }
}

fn facts(result: &RunResult) -> Vec<Fact> {
    let fact = |name, value: String| Fact { name, value, mono: false, wide: false };
    let implementation = &result.implementation;
    let mut facts = vec![fact(
        "Implementation",
        format!(
            "{}{}",
            implementation.name,
            implementation.version.as_deref().map_or_else(String::new, |version| format!(" {version}"))
        ),
    )];
    facts.extend(implementation.contract.as_ref().map(|contract| fact("Contract", contract.clone())));
    facts.push(fact("Profile", result.profile.name.clone()));
    let corpus = &result.corpus;
    let version = corpus.version.as_deref().map_or_else(String::new, |version| format!("version {version}, "));
    facts.push(fact("Corpus", format!("{version}{} files", corpus.files)));
    let seeds = match result.seeds {
        0 | 1 => result.seed.to_string(),
        seeds => format!("{seeds} from {}", result.seed),
    };
    facts.push(fact("Seeds", seeds));
    if !result.worlds.is_empty() {
        facts.push(fact("Worlds", result.worlds.join(", ")));
    }
    let summary = &result.summary;
    facts.push(fact(
        "Time",
        format!("{} simulated in {:.1} s", long_time(summary.virtual_seconds), summary.wall_seconds),
    ));
    let listed = |of: &BTreeMap<String, String>| {
        of.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("; ")
    };
    let wide = |name, value| Fact { name, value, mono: false, wide: true };
    if !result.profile.bounds.is_empty() {
        facts.push(wide("Bounds that the profile fixes", listed(&result.profile.bounds)));
    }
    if !result.profile.lacks.is_empty() {
        facts.push(wide("What the implementation lacks", listed(&result.profile.lacks)));
    }
    facts.push(Fact { name: "Corpus hash (SHA-256)", value: corpus.hash.clone(), mono: true, wide: true });
    facts
}

/// A time in the largest unit of which there are two.
fn long_time(seconds: f64) -> String {
    let units = [("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)];
    match units.into_iter().find(|(_, length)| seconds >= 2.0 * length) {
        Some((unit, length)) => format!("{:.0} {unit}", seconds / length),
        None => format!("{seconds:.0} s"),
    }
}

fn requirement_counts(result: &RunResult) -> Vec<Count> {
    let all =
        || result.requirements.iter().flat_map(|group| &group.requirements).filter(|one| one.level != "definition");
    RequirementVerdict::ALL
        .into_iter()
        .rev()
        .map(|verdict| count(verdict.name(), all().filter(|one| one.verdict == verdict).count()))
        .filter(|count| count.count > 0)
        .collect()
}

fn verdict_counts(verdicts: impl Iterator<Item = Verdict> + Clone) -> Vec<Count> {
    Verdict::ALL
        .into_iter()
        .map(|verdict| count(verdict.name(), verdicts.clone().filter(|one| *one == verdict).count()))
        .filter(|count| count.count > 0)
        .collect()
}

fn count(name: &'static str, count: usize) -> Count {
    Count { name, class: Mark::named(name).class, count }
}

fn group<'r>(group: &'r GroupResult, index: &Index<'r>) -> GroupView<'r> {
    let binding = || group.requirements.iter().filter(|one| one.level != "definition");
    let is_shown =
        |one: &&RequirementResult| matches!(one.verdict, RequirementVerdict::Pass | RequirementVerdict::Variant);
    let shown = binding().filter(is_shown).count();
    let all = binding().count();
    GroupView {
        prefix: &group.prefix,
        title: &group.title,
        shown: if all == 0 { "definitions".to_owned() } else { format!("{shown} of {all}") },
        requirements: binding()
            .map(|one| Chip {
                id: &one.id,
                number: one.id.rsplit_once('-').map_or(one.id.as_str(), |(_, number)| number),
                sign: sign(one.verdict),
                mark: Mark::named(one.verdict.name()),
            })
            .collect(),
        all: group
            .requirements
            .iter()
            .map(|one| RequirementView {
                id: &one.id,
                kind: kind(one),
                text: &one.text,
                mark: match one.level.as_str() {
                    "definition" => Mark { name: "definition", class: "not-shown".to_owned() },
                    _ => Mark::named(one.verdict.name()),
                },
                out_of_reach: one.out_of_reach,
                claimed_by: one.claimed_by.iter().map(|path| index.link(path)).collect(),
                broken_by: one.broken_by.iter().map(|path| index.link(path)).collect(),
            })
            .collect(),
    }
}

const fn sign(verdict: RequirementVerdict) -> &'static str {
    match verdict {
        RequirementVerdict::Pass => "",
        RequirementVerdict::Fail => "✗",
        RequirementVerdict::KnownFailure => "!",
        RequirementVerdict::Waived => "~",
        RequirementVerdict::Variant => "≈",
        RequirementVerdict::Inconclusive => "?",
        RequirementVerdict::Unsupported => "∅",
        RequirementVerdict::NotShown => "–",
    }
}

fn kind(requirement: &RequirementResult) -> String {
    let RequirementResult { level, basis, subject, boundary, .. } = requirement;
    [level, basis, subject, boundary].map(String::as_str).join(" · ")
}

/// Failures by what they have in common. Those that have nothing in common with another stand in a group at the end, and
/// alone where there is no other group.
fn cause_views<'r>(told: &[(usize, &'r ScenarioResult)], failures: usize, index: &Index<'r>) -> Vec<CauseView<'r>> {
    let scenarios: Vec<&ScenarioResult> = told.iter().map(|(_, scenario)| *scenario).collect();
    let (shared, alone): (Vec<_>, Vec<_>) =
        causes(&scenarios, &index.places).into_iter().partition(|cause| cause.failures.len() > 1);
    let is_known = scenarios.iter().any(|scenario| scenario.verdict == Verdict::KnownFailure);
    let told = |cause: &Cause<'r>| -> Vec<FailureView<'r>> {
        let one = |number: &usize| failure(told[*number].0, told[*number].1, cause, index, failures <= OPEN_MAX);
        cause.failures.iter().map(one).collect()
    };
    let mut views: Vec<CauseView<'_>> = shared
        .iter()
        .map(|cause| {
            let first = scenarios[cause.failures[0]];
            let (is_found, count) = (!first.findings.is_empty(), cause.failures.len());
            let ids = cause.requirements.join(", ");
            let requirements: Vec<RequirementText<'_>> =
                cause.requirements.iter().filter_map(|id| index.requirements.get(id)).map(|one| text_of(one)).collect();
            CauseView {
                title: Some(match (ids.as_str(), is_known, is_found) {
                    ("", true, _) => format!("{count} scenarios are known to fail in the same way"),
                    ("", false, true) => format!("{count} scenarios fail in the same way"),
                    ("", false, false) => format!("{count} scenarios end in the same way"),
                    (ids, true, _) => format!("{count} scenarios are known to fail by {ids}"),
                    (ids, false, true) => format!("{count} scenarios fail by {ids}"),
                    (ids, false, false) => format!("{count} scenarios show nothing of {ids}"),
                }),
                class: Mark::named(first.verdict.name()).class,
                open: failures <= CAUSES_OPEN_MAX,
                say: match (requirements.first(), first.findings.iter().find(|one| cause.shows_in(one))) {
                    (Some(one), _) => one.text.to_owned(),
                    (None, Some(shown)) => headline_of(shown),
                    (None, None) => headline(first),
                },
                requirements,
                found_by: (!cause.checks.is_empty())
                    .then(|| cause.checks.iter().copied().collect::<Vec<_>>().join(", ")),
                failures: told(cause),
            }
        })
        .collect();
    let alone: Vec<FailureView<'_>> = alone.iter().flat_map(told).collect();
    if let Some(first) = alone.first() {
        let title = (!views.is_empty()).then(|| match (alone.len(), is_known) {
            (1, false) => "1 scenario fails in a way of its own".to_owned(),
            (1, true) => "1 scenario is known to fail in a way of its own".to_owned(),
            (count, false) => format!("{count} scenarios fail, each in a way of its own"),
            (count, true) => format!("{count} scenarios are known to fail, each in a way of its own"),
        });
        views.push(CauseView {
            title,
            class: first.mark.class.clone(),
            open: failures <= CAUSES_OPEN_MAX,
            say: String::new(),
            requirements: Vec::new(),
            found_by: None,
            failures: alone,
        });
    }
    views
}

/// A failure in full; what shows the cause comes first in it.
fn failure<'r>(
    position: usize,
    scenario: &'r ScenarioResult,
    cause: &Cause<'_>,
    index: &Index<'r>,
    open: bool,
) -> FailureView<'r> {
    let mut found: Vec<&FindingResult> = scenario.findings.iter().collect();
    found.sort_by_key(|one| !cause.shows_in(one));
    let headline = found.first().map_or_else(|| headline(scenario), |first| headline_of(first));
    let ladders_max = if index.many { 1 } else { usize::MAX };
    let mut drawn = BTreeSet::new();
    let findings: Vec<FindingView<'_>> = found
        .into_iter()
        .take(FINDINGS_MAX)
        .map(|one| {
            // A diagram that a finding before it has shown is not shown again.
            let ladder = one.ladder.filter(|ladder| drawn.len() < ladders_max && drawn.insert(*ladder));
            let mut view = finding(one, scenario, index, ladder);
            // What the whole group is about stands above it.
            view.requirements.retain(|of| cause.failures.len() == 1 || !cause.requirements.contains(&of.id));
            view
        })
        .collect();
    let others = scenario.fingerprint.as_deref().and_then(|of| index.alike.get(of)).map_or(0, |all| all - 1);
    let ids: Vec<&str> = scenario.findings.iter().flat_map(|one| &one.requirements).map(String::as_str).collect();
    let words = [
        &scenario.path,
        &scenario.title,
        &headline,
        scenario.fingerprint.as_deref().unwrap_or(""),
        &ids.join(" "),
        &scenario.covers.join(" "),
    ]
    .join(" ");
    FailureView {
        anchor: index.anchors.get(&position).cloned().unwrap_or_default(),
        mark: Mark::named(scenario.verdict.name()),
        path: &scenario.path,
        world: world(scenario),
        title: &scenario.title,
        headline,
        words,
        open,
        known: scenario.known_failure.as_deref(),
        reason: scenario.reason.as_deref(),
        played: played(scenario),
        more: scenario.findings.len().saturating_sub(FINDINGS_MAX) + scenario.findings_left_out,
        claims: scenario
            .empty_claims
            .iter()
            .map(|empty| ClaimView { requirement: &empty.requirement, missing: empty.missing.join(", or that ") })
            .collect(),
        snapshot: match (&scenario.snapshot.recorded, &scenario.snapshot.seen) {
            (Some(recorded), Some(seen)) => unified(recorded, seen),
            _ => Vec::new(),
        },
        ladder: scenario.ladders.first().filter(|_| findings.is_empty()).map(svg),
        findings,
        repeat: &scenario.repeat,
        fingerprint: scenario.fingerprint.as_deref(),
        alike: match others {
            0 => None,
            1 => Some("one other scenario fails in the same way".to_owned()),
            others => Some(format!("{others} other scenarios fail in the same way")),
        },
    }
}

fn finding<'r>(
    finding: &'r FindingResult,
    scenario: &'r ScenarioResult,
    index: &Index<'r>,
    ladder: Option<usize>,
) -> FindingView<'r> {
    FindingView {
        message: &finding.message,
        check: &finding.check,
        ids: &finding.requirements,
        at: finding.at_seconds.map(|at| format!("{at:.3}")),
        seed: (scenario.seeds_run > 1).then_some(scenario.seed),
        place: finding.place.as_ref().map(|place| PlaceView {
            at: format!("{}:{}:{}", scenario.path, place.line, place.column),
            text: place.text.trim(),
        }),
        sides: match (&finding.expected, &finding.seen) {
            (Some(expected), Some(seen)) => Some(sides(expected, seen)),
            _ => None,
        },
        requirements: finding
            .requirements
            .iter()
            .filter_map(|id| index.requirements.get(id.as_str()))
            .map(|one| text_of(one))
            .collect(),
        ladder: ladder.and_then(|ladder| scenario.ladders.get(ladder)).map(svg),
    }
}

fn text_of(requirement: &RequirementResult) -> RequirementText<'_> {
    RequirementText { id: &requirement.id, kind: kind(requirement), text: &requirement.text }
}

const fn line(class: &'static str, text: String) -> Line {
    Line { class, text }
}

/// Two texts side by side, with what only one of them has marked in it.
fn sides(expected: &str, seen: &str) -> Sides {
    let mut sides = Sides { expected: Vec::new(), seen: Vec::new() };
    let difference = diff::lines(expected, seen);
    if difference.is_empty() {
        sides.expected.extend(expected.lines().map(|text| line("", text.to_owned())));
        sides.seen.extend(seen.lines().map(|text| line("", text.to_owned())));
    }
    for part in difference {
        match part {
            DiffLine::Same(text) => {
                sides.expected.push(line("", text.clone()));
                sides.seen.push(line("", text));
            }
            DiffLine::Removed(text) => sides.expected.push(line("gone", text)),
            DiffLine::Added(text) => sides.seen.push(line("came", text)),
            DiffLine::Skipped(count) => {
                sides.expected.push(line("skip", skipped(count)));
                sides.seen.push(line("skip", skipped(count)));
            }
        }
    }
    sides
}

fn unified(recorded: &str, seen: &str) -> Vec<Line> {
    let one = |part| match part {
        DiffLine::Same(text) => line("", format!("  {text}")),
        DiffLine::Removed(text) => line("gone", format!("- {text}")),
        DiffLine::Added(text) => line("came", format!("+ {text}")),
        DiffLine::Skipped(count) => line("skip", format!("  {}", skipped(count))),
    };
    diff::lines(recorded, seen).into_iter().map(one).collect()
}

fn skipped(count: usize) -> String {
    if count == 1 { "… 1 line".to_owned() } else { format!("… {count} lines") }
}

/// The scenarios that could not be enacted, by the reason.
fn unsupported(result: &RunResult) -> Vec<Unsupported<'_>> {
    let mut by_reason: Vec<Unsupported<'_>> = Vec::new();
    for scenario in result.scenarios.iter().filter(|one| one.verdict == Verdict::Unsupported) {
        let reason = headline(scenario);
        match by_reason.iter_mut().find(|known| known.reason == reason) {
            Some(known) => known.paths.push(&scenario.path),
            None => by_reason.push(Unsupported { reason, paths: vec![&scenario.path] }),
        }
    }
    by_reason
}

#[cfg(test)]
mod tests;
