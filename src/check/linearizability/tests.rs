//! Histories written by hand: those that no order explains, each with the shortest beginning that shows it, and those
//! that some order does.
//!
//! A history is a text: `FROM-TO user.device operation -> result` for a call, `AT user.device hears SIGHT` for an event.
//! The room is `r1`, was there before, and belongs to alice; the invitee is bob unless another is named.

mod explained;
mod refused;
mod traces;

use super::*;
use crate::protocol::vocabulary::ErrorCode;

/// One history of bob's.
fn history(text: &str) -> History {
    history_of("bob", text)
}

fn history_of(invitee: &str, text: &str) -> History {
    let mut history = History {
        room: "r1".into(),
        invitee: invitee.into(),
        bounds: Bounds::default(),
        variants: Variants::default(),
        operations: Vec::new(),
        sightings: Vec::new(),
    };
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(" hears ") {
            Some((head, sight)) => history.sightings.push(sighting(head, sight)),
            None => history.operations.push(operation(line)),
        }
    }
    history
}

fn point(text: &str) -> Point {
    let seconds: f64 = text.parse().unwrap_or_else(|_| panic!("a time in seconds: {text}"));
    Point { at: Instant::from_nanos((seconds * 1e9).round() as u64), place: 0 }
}

/// `FROM-TO user.device operation [argument] [#batch] -> result`; `...` for a call that never returned.
fn operation(line: &str) -> Operation {
    let (head, result) = line.split_once(" -> ").unwrap_or_else(|| panic!("a result: {line}"));
    let words: Vec<&str> = head.split_whitespace().collect();
    let (from, to) = words[0].split_once('-').unwrap_or_else(|| panic!("a span: {line}"));
    let (user, _) = words[1].split_once('.').unwrap_or_else(|| panic!("a device: {line}"));
    let batch = words.iter().find_map(|word| word.strip_prefix('#')).map(|no| BatchNo(no.parse().expect("a number")));
    let asks = match words[2] {
        "createRoom" => Asks::Create,
        "destroyRoom" => Asks::Destroy,
        "enter" => Asks::Enter,
        "exit" => Asks::Exit,
        "kick" => Asks::Kick,
        "session-ends" => Asks::EndSession,
        "invite" => {
            let timeout: u64 = words.get(3).and_then(|word| word.parse().ok()).unwrap_or(60);
            Asks::Invite { timeout: (timeout > 0).then(|| Duration::from_secs(timeout)) }
        }
        "cancel" => Asks::Cancel { standing: standing(user, words.get(3).copied()) },
        "accept" | "reject" => {
            let meant = match words.get(3).copied() {
                None => Meant::Newest,
                Some("any") => Meant::Any,
                Some(told) => Meant::Told(told.parse().expect("a number of Receives")),
            };
            Asks::Answer { accepted: words[2] == "accept", meant }
        }
        "list" => Asks::List,
        other => panic!("an operation: {other}"),
    };
    let outcome = match result.split_whitespace().collect::<Vec<_>>()[..] {
        ["done"] => Outcome::Done,
        ["unknown"] => Outcome::Unknown,
        ["absent"] => Outcome::NotShown,
        ["failed", code] => Outcome::Failed(ErrorCode(code.parse().expect("a code"))),
        ["code", code] => {
            Outcome::Code(InvitationCode::from_number(code.parse().expect("a code")).expect("a code of invitations"))
        }
        [status, inviter] => Outcome::Shown {
            status: InvitationStatus::from_name(status).unwrap_or_else(|| panic!("a status: {status}")),
            inviter: inviter.into(),
        },
        _ => panic!("a result: {line}"),
    };
    Operation {
        who: words[1].into(),
        user: user.into(),
        device: words[1].into(),
        asks,
        called: point(from),
        returned: (to != "...").then(|| point(to)),
        outcome,
        batch,
    }
}

/// alice owns the room, and everybody else is a plain member who has invited, unless another standing is named.
fn standing(user: &str, named: Option<&str>) -> Standing {
    let none = Standing { has_invited: true, surely_invited: true, ..Standing::default() };
    match named {
        Some("outside") => Standing { outside: true, ..none },
        Some("stranger") => Standing { outside: true, has_invited: false, surely_invited: false, ..none },
        Some("maybe-administrator") => Standing { revoker: true, plain: true, ..none },
        _ if user == "alice" => Standing { revoker: true, ..none },
        _ => Standing { plain: true, ..none },
    }
}

/// `AT user.device hears SIGHT [inviter] [COUNT]`.
fn sighting(head: &str, sight: &str) -> Sighting {
    let words: Vec<&str> = head.split_whitespace().collect();
    let mut sight = sight.split_whitespace();
    let kind = match sight.next().expect("a sight") {
        "called-by" => Sight::Called { inviter: sight.next().expect("an inviter").into() },
        "accepted" => Sight::Accepted,
        "rejected" => Sight::Rejected,
        "timed-out" => Sight::Expired,
        "cancelled" => Sight::Cancelled,
        "revoked" => Sight::Revoked,
        "removed" => Sight::Removed,
        "entered" => Sight::Entered,
        "left" => Sight::Left,
        "dissolved" => Sight::Dissolved,
        other => panic!("a sight: {other}"),
    };
    let count = sight.next().map_or(1, |count| count.parse().expect("how often"));
    Sighting { who: words[1].into(), sight: kind, count, at: point(words[0]) }
}

fn verdict(text: &str) -> Verdict {
    explain(&[history(text)], EXPLORED_MAX).remove(0)
}

/// The shortest inexplicable beginning, as a text.
fn refused(text: &str) -> String {
    inexplicable(&verdict(text))
}

fn inexplicable(verdict: &Verdict) -> String {
    match verdict {
        Verdict::NotLinearizable { prefix, before, .. } => {
            format!("{}\nbefore: {}", prefix.join("\n"), before.join("; "))
        }
        other => panic!("it must be refused, and is {other:?}"),
    }
}

fn explained(text: &str) {
    assert_eq!(verdict(text), Verdict::Linearizable, "{text}");
}
