//! A result written by hand, with a scenario of every verdict, for the tests of whatever reads results.

use super::*;
use crate::report::ladder::{Mark, Rung};

/// A scenario of a folder that ended so.
pub(crate) fn scenario(name: &str, verdict: Verdict) -> ScenarioResult {
    ScenarioResult {
        path: format!("scenarios/{name}.yaml"),
        name: format!("{name}.yaml"),
        text_hash: "00000000000000aa".to_owned(),
        title: "A call is cancelled.".to_owned(),
        covers: vec!["CAN-1".to_owned()],
        out_of_reach: Vec::new(),
        world: "sim".to_owned(),
        verdict,
        reason: None,
        variants: Vec::new(),
        known_failure: None,
        played: Vec::new(),
        real_time: None,
        seed: 1,
        seeds_run: 1,
        findings: Vec::new(),
        findings_left_out: 0,
        empty_claims: Vec::new(),
        snapshot: SnapshotResult { state: "same".to_owned(), recorded: None, seen: None },
        fingerprint: None,
        trace_hash: Some("0123456789abcdef".to_owned()),
        messages: 12,
        virtual_seconds: 60.0,
        wall_seconds: 0.25,
        repeat: format!("convoke run scenarios/{name}.yaml --seed 1"),
        ladders: Vec::new(),
        sequences: vec![Sequence {
            device: "bob.phone".to_owned(),
            count: 1,
            heard: vec!["onReceiveInvitation r1 bob#1".to_owned(), "onInvitationCancelled r1 bob#1".to_owned()],
            results: vec!["accept r1 => ok".to_owned()],
        }],
    }
}

/// A scenario in which somebody did not hear of something.
pub(crate) fn failed(name: &str, verdict: Verdict) -> ScenarioResult {
    let finding = FindingResult {
        check: "recipients".to_owned(),
        requirements: vec!["CAN-5".to_owned(), "EVT-6".to_owned()],
        message: "bob.phone is not sent onInvitationCancelled about bob#1".to_owned(),
        place: Some(PlaceResult { line: 14, column: 5, text: "    sequence: [onInvitationCancelled]".to_owned() }),
        moment: Some(9),
        at_seconds: Some(1.02),
        devices: vec!["bob.phone".to_owned()],
        expected: Some("onReceiveInvitation\nonInvitationCancelled".to_owned()),
        seen: Some("onReceiveInvitation\nonInvitationTimeout".to_owned()),
        fingerprint: "1111222233334444".to_owned(),
        ladder: Some(0),
    };
    let rung = |at: u64, from, to, mark, label: &str| Rung {
        at_nanos: at * 1_000_000,
        from,
        to,
        mark,
        label: label.to_owned(),
    };
    let ladder = Ladder {
        lanes: vec!["alice.web".to_owned(), "server".to_owned(), "bob.phone".to_owned()],
        rows: vec![
            rung(1000, 0, 0, Mark::Acts, "calls cancelInvitation r1 [bob]"),
            rung(1020, 0, 1, Mark::Arrives, "cancelInvitation"),
            rung(1020, 1, 2, Mark::Lost, "onInvitationCancelled is lost"),
            rung(1020, 2, 2, Mark::Changes, "goes offline"),
        ],
    };
    ScenarioResult {
        findings: vec![finding],
        fingerprint: Some("aaaabbbbccccdddd".to_owned()),
        ladders: vec![ladder],
        ..scenario(name, verdict)
    }
}

/// A result of these scenarios.
pub(crate) fn of(scenarios: Vec<ScenarioResult>) -> RunResult {
    let profile = Profile {
        name: "mine".to_owned(),
        waived: vec![Waived { requirement: "REV-3".to_owned(), instead: Some("the owner hears it, too".to_owned()) }],
        variants: Vec::new(),
        bounds: BTreeMap::new(),
        lacks: BTreeMap::new(),
    };
    let worst = scenarios.iter().map(|scenario| scenario.verdict.exit_code()).max().unwrap_or(0);
    RunResult {
        convoke_result: VERSION,
        tool: Tool { name: "convoke".to_owned(), version: "0.1.0".to_owned() },
        command: "conform".to_owned(),
        corpus: CorpusResult { version: Some("0.1.0".to_owned()), hash: "c0ffee".repeat(10), files: scenarios.len() },
        implementation: Implementation {
            name: "server-in-go".to_owned(),
            version: Some("1.2".to_owned()),
            contract: Some("core".to_owned()),
        },
        worlds: vec!["sim".to_owned()],
        seed: 1,
        seeds: 1,
        summary: SummaryResult {
            scenarios: scenarios.len() as u64,
            runs: scenarios.len() as u64,
            verdicts: BTreeMap::new(),
            messages: 12,
            virtual_seconds: 60.0,
            wall_seconds: 1.5,
            exit_code: worst,
        },
        requirements: requirements::requirements(&scenarios, &profile),
        profile,
        scenarios,
    }
}

/// Scenarios in real time, and with libraries of somebody else, whose contract can't show all that they claim.
pub(crate) fn otherwise_played() -> RunResult {
    let devices = (1..=9).map(|number| format!("crowd[{number}].phone")).collect();
    of(vec![
        ScenarioResult {
            out_of_reach: vec!["IDM-2".to_owned()],
            played: vec![PlayedResult { implementation: "sdk-in-kotlin 3.1".to_owned(), devices, server: false }],
            ..scenario("crowd/pass", Verdict::Pass)
        },
        ScenarioResult {
            real_time: Some(RealTimeResult { scale: 10, runs: 3, failed: 2 }),
            ..failed("live/fail", Verdict::Fail)
        },
    ])
}

/// One scenario of every verdict.
pub(crate) fn every_verdict() -> RunResult {
    let known = Some("the fan-out is being rewritten, bug 4711".to_owned());
    let empty = EmptyClaimResult {
        requirement: "CAN-8".to_owned(),
        line: 3,
        column: 17,
        missing: vec!["an owner cancelled its own call".to_owned()],
    };
    let snapshot = SnapshotResult {
        state: "differs".to_owned(),
        recorded: Some("0.000 alice.web calls\n0.020 server sends".to_owned()),
        seen: Some("0.000 alice.web calls\n0.020 server answers".to_owned()),
    };
    of(vec![
        scenario("cancel/pass", Verdict::Pass),
        scenario("cancel/non-strict", Verdict::NonStrict),
        ScenarioResult {
            reason: Some("the world `live` can't enact it: it jumps the clock".to_owned()),
            trace_hash: None,
            world: "live".to_owned(),
            ..scenario("faults/unsupported", Verdict::Unsupported)
        },
        ScenarioResult { known_failure: known.clone(), ..failed("faults/known", Verdict::KnownFailure) },
        failed("faults/fail", Verdict::Fail),
        ScenarioResult { snapshot, ..scenario("faults/snapshot", Verdict::Fail) },
        ScenarioResult { known_failure: known, ..scenario("faults/unexpected", Verdict::UnexpectedPass) },
        ScenarioResult { empty_claims: vec![empty], ..scenario("claims/empty", Verdict::Inconclusive) },
        ScenarioResult {
            reason: Some("error: unknown user `bbo`\n --> scenarios/bad.yaml:3:1".to_owned()),
            ..scenario("bad", Verdict::BadScenario)
        },
        ScenarioResult {
            reason: Some("the implementation hung".to_owned()),
            ..scenario("broken", Verdict::HarnessError)
        },
    ])
}
