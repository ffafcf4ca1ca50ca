//! The reference keeps every requirement that the always-checks watch over, whatever people do and whatever breaks: random
//! scenarios with calls and faults of every kind, each of which the checks must find nothing in.

use std::fmt::Write as _;
use std::sync::Arc;

use convoke::check;
use convoke::check::linearizability::{EXPLORED_MAX, History, Verdict, explain, from_trace};
use convoke::plan::compile::compile;
use convoke::scenario;
use convoke::seed::Seed;
use convoke::trace::Trace;
use convoke::trace::outside::seen_by_devices;
use convoke::world::sim;

/// A small generator of numbers, so that the scenarios depend on nothing but this file.
struct Dice(u64);

impl Dice {
    /// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const USERS: &[&str] = &["alice", "bob", "carol", "dave"];
const DEVICES: &[&str] =
    &["alice.web", "alice.phone", "bob.phone", "bob.tablet", "bob.web", "carol.phone", "carol.web", "dave.desktop"];
const ROOMS: &[&str] = &["r1", "r2"];

fn random_scenario(number: u64, faults: bool) -> String {
    let mut dice = Dice(number);
    let mut text = String::from("version: 1\ntitle: Anything may happen.\n");
    let sync = dice.pick(&["0s", "0s", "5ms", "300ms"]);
    let resume = dice.pick(&["30s", "5s"]);
    let grace = dice.pick(&["30s", "1s"]);
    write!(
        text,
        "service:\n  bounds: {{resume_window: {resume}, entry_grace: {grace}}}\n  rate_limits: false\n  sync: {sync}\n"
    )
    .unwrap();
    let latency = dice.pick(&["20ms", "{uniform: [1ms, 200ms]}", "{exponential: {min: 1ms, mean: 50ms}}"]);
    writeln!(text, "network:\n  latency: {latency}").unwrap();
    if faults {
        writeln!(text, "  loss: {}\n  breakage: {}", dice.pick(&["0%", "2%"]), dice.pick(&["0%", "0%", "1%"])).unwrap();
    }
    text.push_str(
        "users:\n  alice: {devices: [web, phone]}\n  bob: {devices: {phone: {autoBusy: true}, tablet: {}, web: {}}}\n",
    );
    text.push_str("  carol: {devices: {phone: {}, web: {}, spare: {platform: phone, online: false}}}\n");
    text.push_str("  dave: {devices: {desktop: {}, late: {platform: tablet, online: false}}}\n");
    text.push_str("rooms:\n  r1: {owner: alice, members: [alice.web, carol.phone]}\n");
    text.push_str("  r2: {owner: dave, members: [dave.desktop]}\nsteps:\n");
    for _ in 0..60 {
        let after = dice.pick(&["0s", "0s", "1ms", "15ms", "40ms", "300ms", "1s", "2s", "7s"]);
        let device = dice.pick(DEVICES);
        let room = dice.pick(ROOMS);
        let user = dice.pick(USERS);
        let other = dice.pick(USERS);
        let bound = if faults { 27 } else { 20 };
        let what = match dice.below(bound) {
            0..=4 => {
                let timeout = dice.pick(&["0", "1", "2", "3", "60", "0.5"]);
                format!(
                    "device: {device}\n    inviteUsers: {{roomId: {room}, userIdList: [{user}, {other}], timeout: {timeout}, extensionInfo: x{after}}}"
                )
            }
            5 | 6 => format!("device: {device}\n    accept: {{roomId: {room}}}"),
            7 | 8 => format!("device: {device}\n    reject: {{roomId: {room}, reason: {}}}", dice.below(2)),
            9 | 10 => {
                format!("device: {device}\n    cancelInvitation: {{roomId: {room}, userIdList: [{user}, {other}]}}")
            }
            11 | 12 => format!("device: {device}\n    enterRoom: {{roomId: {room}}}"),
            13 => format!("device: {device}\n    exitRoom: {{roomId: {room}}}"),
            14 | 15 => {
                let count = dice.below(3);
                format!("device: {device}\n    getInvitationList: {{roomId: {room}, cursor: '', count: {count}}}")
            }
            16 => format!("device: {device}\n    kickRemoteUserOutOfRoom: {{roomId: {room}, userId: {user}}}"),
            17 => {
                let role = dice.pick(&["kAdministrator", "kGeneralUser", "kRoomOwner"]);
                format!("device: {device}\n    changeUserRole: {{roomId: {room}, userId: {user}, userRole: {role}}}")
            }
            18 => match dice.below(4) {
                0 => format!("device: {device}\n    destroyRoom: {{roomId: {room}}}"),
                1 => format!("device: {device}\n    createRoom: {{roomId: {room}}}"),
                2 => format!("device: {device}\n    updateRoomNameByAdmin: {{roomId: {room}, roomName: n{after}}}"),
                _ => format!("device: {device}\n    addAttendeesByAdmin: {{roomId: {room}, userIdList: [{user}]}}"),
            },
            19 => {
                let device = dice.pick(&["carol.spare", "dave.late", device]);
                let what = dice.pick(&["login", "login", "logout"]);
                format!("device: {device}\n    {what}: ~")
            }
            20 => format!("disconnect: {device}"),
            21 => format!("offline: {{devices: [{device}], noticed: {}}}", dice.pick(&["true", "false"])),
            22 => format!("online: {device}"),
            23 => {
                let direction = dice.pick(&["both", "toServer", "fromServer"]);
                format!(
                    "partition: {{devices: [{device}], direction: {direction}, for: {}}}",
                    dice.pick(&["1s", "25s"])
                )
            }
            24 => format!("hold: {{devices: [{device}], direction: both, for: {}}}", dice.pick(&["300ms", "3s"])),
            25 => {
                let keep = dice.pick(&["true", "false"]);
                format!("crash: {{server: true, keepUnsynced: {keep}, for: {}}}", dice.pick(&["100ms", "2s", "40s"]))
            }
            _ => {
                writeln!(text, "  - after: {after}\n    kill: {device}").unwrap();
                writeln!(text, "  - after: 1s\n    restart: {device}").unwrap();
                format!("device: {device}\n    login: ~")
            }
        };
        writeln!(text, "  - after: {after}\n    {what}").unwrap();
    }
    text
}

fn run(text: &str, number: u64) -> Trace {
    let path = format!("random-{number}.yaml");
    let scenario = match scenario::parse(&path, text.into()) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{diagnostics}\n{text}"),
    };
    let plan = Arc::new(compile(&scenario, Seed(number)).unwrap_or_else(|error| panic!("{error}\n{text}")));
    sim::run(&plan).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Judges random scenarios: nothing may be found in any.
fn check_scenarios(numbers: std::ops::Range<u64>, faults: bool) {
    for number in numbers {
        let text = random_scenario(number, faults);
        let trace = run(&text, number);
        // Whoever sees nothing but the API finds an order all the same.
        let histories = from_trace(&trace);
        for (history, verdict) in histories.iter().zip(explain(&histories, EXPLORED_MAX)) {
            let History { room, invitee, .. } = history;
            assert_eq!(
                verdict,
                Verdict::Linearizable,
                "scenario {number} (faults: {faults}): {invitee} in {room}\n{text}"
            );
        }
        let mut findings = check::judge(&trace).findings;
        // The devices see the same, where a connection loses nothing while it stands.
        if !text.contains("loss: 2%")
            && let Some(seen) = seen_by_devices(&trace)
        {
            findings.extend(check::judge(&seen).findings);
        }
        // Nobody says what these calls are to return.
        let wrong: Vec<String> = findings
            .iter()
            .filter(|finding| finding.check != "results")
            .map(|finding| format!("{} {:?}: {}", finding.check, finding.requirements, finding.message))
            .collect();
        assert!(wrong.is_empty(), "scenario {number} (faults: {faults}):\n{}\n{text}", wrong.join("\n"));
    }
}

#[test]
fn nothing_is_found_where_people_do_anything() {
    check_scenarios(0..50, false);
}

#[test]
fn nothing_is_found_where_anything_breaks() {
    check_scenarios(1000..1100, true);
}
