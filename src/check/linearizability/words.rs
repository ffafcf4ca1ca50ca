//! Histories in words: a line for each call and each event, and what an entry may have been.

use super::model::{Entry, State};
use super::search::Demands;
use super::{Asks, History, Operation, Outcome, Point, Sight, Sighting};

/// What had been called or heard by a point, in order; the last line is the operation or the sighting that ends it.
pub(super) fn prefix(
    history: &History,
    demands: &Demands,
    end: Point,
    operation: Option<usize>,
    sighting: Option<usize>,
) -> Vec<String> {
    let mut lines: Vec<(Point, usize, String)> = Vec::new();
    for (index, one) in history.operations.iter().enumerate() {
        // That a session may have ended is a possibility, and nothing that anybody saw.
        let is_seen = one.asks != Asks::EndSession && demands.never != Some(index);
        if !is_seen || one.called > end || Some(index) == operation {
            continue;
        }
        lines.push((one.called, 0, line(history, one, end)));
    }
    for (index, one) in history.sightings.iter().enumerate() {
        if one.at < end && Some(index) != sighting {
            lines.push((one.at, 1, heard(history, one)));
        }
    }
    if let Some((part, by)) = demands.by.filter(|(part, by)| *by < end && Some(*part) != operation) {
        let who = &history.operations[part].who;
        lines.push((by, 2, format!("{}  another part of the call by {who} has taken effect by now", by.at)));
    }
    lines.sort_by_key(|(point, kind, _)| (*point, *kind));
    let mut lines: Vec<String> = lines.into_iter().map(|(_, _, line)| line).collect();
    if let Some(operation) = operation {
        let one = &history.operations[operation];
        let mut last = line(history, one, end);
        if let Some((_, by)) = demands.by.filter(|(demanded, _)| *demanded == operation) {
            last.push_str(&format!(", but another part of the call has taken effect by {}", by.at));
        }
        lines.push(last);
    }
    lines.extend(sighting.map(|sighting| heard(history, &history.sightings[sighting])));
    lines
}

fn line(history: &History, operation: &Operation, end: Point) -> String {
    let Operation { who, called, returned, outcome, .. } = operation;
    let asked = asked(history, operation);
    let until = match returned {
        Some(returned) if *returned <= end => format!("{}", returned.at),
        Some(_) | None => "...".to_owned(),
    };
    let later = if returned.is_some_and(|returned| returned > end) { ", later" } else { "" };
    format!("{}-{until}  {who}  {asked}  -> {}{later}", called.at, result(outcome))
}

fn asked(history: &History, operation: &Operation) -> String {
    let (room, invitee) = (&history.room, &history.invitee);
    match operation.asks {
        Asks::Create => format!("createRoom {room}"),
        Asks::Destroy => format!("destroyRoom {room}"),
        Asks::Enter => format!("enterRoom {room}"),
        Asks::Exit => format!("exitRoom {room}"),
        Asks::Kick => format!("kickRemoteUserOutOfRoom {invitee}"),
        Asks::EndSession => "the end of its session".to_owned(),
        Asks::Invite { timeout: Some(timeout) } => format!("inviteUsers {invitee}, for {timeout}"),
        Asks::Invite { timeout: None } => format!("inviteUsers {invitee}, without end"),
        Asks::Cancel { .. } => format!("cancelInvitation {invitee}"),
        Asks::Answer { accepted: true, .. } => format!("accept {room}"),
        Asks::Answer { accepted: false, .. } => format!("reject {room}"),
        Asks::List => format!("getInvitationList {room}"),
    }
}

fn result(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Code(code) => format!("{} {code:?}", code.number()),
        Outcome::Shown { status, inviter } => format!("{status:?}, called by {inviter}"),
        Outcome::NotShown => "not in the list".to_owned(),
        Outcome::Failed(code) => match code.name() {
            Some(name) => format!("{code} {name}"),
            None => code.to_string(),
        },
        Outcome::Unknown => "unknown".to_owned(),
    }
}

fn heard(history: &History, sighting: &Sighting) -> String {
    let invitee = &history.invitee;
    let what = match &sighting.sight {
        Sight::Called { inviter } => format!("{inviter} calls {invitee}"),
        Sight::Accepted => format!("{invitee} accepted"),
        Sight::Rejected => format!("{invitee} rejected"),
        Sight::Expired => format!("the call to {invitee} timed out"),
        Sight::Cancelled => format!("the call to {invitee} was cancelled"),
        Sight::Revoked => format!("the call to {invitee} was revoked"),
        Sight::Removed => format!("{invitee} is off the list"),
        Sight::Entered => format!("{invitee} entered"),
        Sight::Left => format!("{invitee} left"),
        Sight::Dissolved => format!("{} is dissolved", history.room),
    };
    let times = if sighting.count > 1 { format!(", {} times by now", sighting.count) } else { String::new() };
    format!("{}  {} hears: {what}{times}", sighting.at.at, sighting.who)
}

/// A state, without its times.
pub(super) fn state(state: &State) -> String {
    if !state.is_open() {
        return "no room".to_owned();
    }
    let entry = match state.entry() {
        Entry::Absent => "absent".to_owned(),
        Entry::Pending { inviter, .. } => format!("pending, called by {inviter}"),
        Entry::Timeout { inviter } => format!("timed out, called by {inviter}"),
        Entry::Rejected { inviter } => format!("rejected, called by {inviter}"),
        Entry::Accepted { inviter } => match state.winner() {
            Some(winner) => format!("accepted by {winner}, called by {inviter}"),
            None => format!("accepted, called by {inviter}"),
        },
    };
    match state.member() {
        Some(device) => format!("in the room with {device}"),
        None => entry,
    }
}
