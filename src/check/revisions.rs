//! The claimed order is a real one: the revisions in answers and stamps agree with real time, with the order in which each
//! session is told, and with a small sequential model of the instance. Judged at the server's wire, in linear time.
//!
//! The model is led by the commits themselves ([`super::follow`]), so it says whether what was answered and told fits
//! together; what each event must carry is judged in `payloads`, what a list shows in `list_fold`.

use super::follow::{Attempt, Change, Followed, Judged, Outcome, Room, Scene};
use super::history::{Ask, Few, History, Instance, Map, SessionNo, Span};
use super::variants::LosingDevice;
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::protocol::call::{AttemptRef, Call, Reply};
use crate::protocol::small_map::SmallMap;
use crate::protocol::vocabulary::{
    ErrorCode, EventName, InstanceId, InvitationCode, InvitationStatus, Revision, UserId,
};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "revisions",
    requirements: &[
        "ORD-1", "ORD-2", "ORD-3", "ORD-4", "ORD-5", "ROOM-1", "ROOM-2", "ROOM-5", "INV-2", "INV-3", "INV-4", "INV-5",
        "INV-8", "INV-14", "ACC-1", "DEV-3", "CAN-9",
    ],
    boundary: Boundary::ServerWire,
    promise: "answers and events follow one order of commits, which agrees with real time and with a sequential model",
    begin: || Box::new(Revisions::default()),
};

#[derive(Default)]
struct Revisions {
    findings: Findings,
}

impl Check for Revisions {
    fn commit(&mut self, scene: &Scene<'_, '_>) {
        if let Some(ask) = scene.ask() {
            self.invited(scene.history, scene.attempts, scene.before, ask);
        }
        self.order_within(scene);
        self.one_commit(scene);
        for change in scene.changes {
            let Change::Began { attempt } = change else { continue };
            // ROOM-1: one entry, and one live attempt of it.
            let attempt = &scene.attempts[*attempt];
            if scene.before.status(attempt.invitee) == Some(InvitationStatus::Pending) {
                self.findings.add(|| {
                    Finding::of(
                        &CHECK,
                        &["INV-4", "ROOM-1"],
                        format!(
                            "{} begins ({}) while the call before it is pending",
                            attempt.title(scene.history),
                            scene.place()
                        ),
                    )
                    .seen_at(scene.when.latest)
                });
            }
        }
    }

    fn judged(&mut self, judged: &Judged<'_, '_>) {
        let Judged { history, attempts, room, ask } = judged;
        self.invited(history, attempts, room, ask);
        self.second_claim(history, room, ask);
        self.refused_answer(history, attempts, room, ask);
    }

    fn session(&mut self, history: &History<'_>, _: &Followed<'_>, session: SessionNo) {
        self.order_on_session(history, session);
    }

    fn finish(&mut self, history: &History<'_>, _: &Followed<'_>) -> Findings {
        self.real_time(history);
        std::mem::take(&mut self.findings)
    }
}

impl Revisions {
    fn against(&mut self, ask: &Ask<'_>, requirements: &[&str], message: impl FnOnce() -> String) {
        self.findings.add(|| {
            let moment = ask.span().map_or(0, |span| span.latest);
            Finding::of(&CHECK, requirements, message()).seen_at(moment).on(ask.device)
        });
    }

    /// INV-3, INV-4: one code for each distinct user, and each as the state demands.
    fn invited(&mut self, history: &History<'_>, attempts: &[Attempt<'_>], room: &Room<'_>, ask: &Ask<'_>) {
        let Some(Call::InviteUsers { user_id_list, .. }) = ask.call() else { return };
        let (Some(response), Some(when)) = (ask.answer(), ask.span()) else { return };
        let name = &history.plan().device(ask.device).name;
        let at = history.at(when.latest);
        let caller = room.has_member(history, history.user_of(ask.device), when);
        match &response.result {
            Err(error) if error.code == ErrorCode::USER_NOT_ENTERED && caller == Some(true) => {
                self.against(ask, &["INV-1", "INV-2"], || {
                    format!("inviteUsers of {name} fails at {at} for not being in the room, and it is in it")
                });
            }
            Ok(Reply::Invited(codes)) => {
                if caller == Some(false) {
                    self.against(ask, &["INV-2"], || {
                        format!("inviteUsers of {name} succeeds at {at}, and its user is not in the room")
                    });
                }
                let mut wanted: Few<&UserId> = user_id_list.iter().collect();
                wanted.sort_unstable();
                wanted.dedup();
                let mut told: Few<&UserId> = codes.iter().map(|(user, _)| user).collect();
                told.sort_unstable();
                if wanted != told {
                    self.against(ask, &["INV-3", "INV-8"], || {
                        let told: Vec<&UserId> = codes.iter().map(|(user, _)| user).collect();
                        format!("inviteUsers of {name} at {at} gives codes for {told:?}, asked for {wanted:?}")
                    });
                }
                for (user, code) in codes.iter() {
                    let Some((expected, broken)) = expected_code(history, attempts, room, user, when) else { continue };
                    if *code != expected {
                        self.against(ask, broken, || {
                            format!(
                                "inviteUsers of {name} at {at} says {code} of {user}, where the state of {} says {expected}",
                                room.place(room.revision)
                            )
                        });
                    }
                }
            }
            _ => {}
        }
    }

    /// CAN-9: what one call begins or withdraws is one commit, and the answer carries its revision. Calls that begin or are
    /// withdrawn in a commit of which no request is answered were torn out of their batch.
    fn one_commit(&mut self, scene: &Scene<'_, '_>) {
        let is_of_a_call = |change: &Change| match change {
            Change::Began { .. } => true,
            Change::Ended { end, .. } => matches!(end.how, Outcome::Cancelled | Outcome::Revoked),
            _ => false,
        };
        let dissolved = scene.changes.contains(&Change::Destroyed);
        if scene.cause.is_some() || scene.inferred || dissolved || !scene.changes.iter().any(is_of_a_call) {
            return;
        }
        if !scene.history.trace.vantage.is_server() {
            return;
        }
        // Whoever was never answered may have made it.
        let unseen = |room_id| scene.history.may_have_changed_unseen(room_id, scene.when.latest);
        if scene.before.id.is_none_or(unseen) {
            return;
        }
        self.findings.add(|| {
            let message = format!(
                "calls begin or are withdrawn in a commit of which no request is answered ({}): a batch is one commit",
                scene.place()
            );
            Finding::of(&CHECK, &["CAN-9"], message).seen_at(scene.when.latest)
        });
    }

    /// ORD-5: one commit, one revision.
    fn second_claim(&mut self, history: &History<'_>, room: &Room<'_>, ask: &Ask<'_>) {
        let Some((call, response)) = ask.success() else { return };
        let claims = match (call, &response.result) {
            (Call::CreateRoom { .. } | Call::DestroyRoom { .. }, _) => true,
            (Call::InviteUsers { .. }, Ok(Reply::Invited(codes))) => {
                codes.iter().any(|(_, code)| *code == InvitationCode::Success)
            }
            _ => false,
        };
        if claims {
            self.against(ask, &["ORD-5"], || {
                format!(
                    "{} of {} changed the room and is answered with {}, which is another commit's",
                    call.operation(),
                    history.plan().device(ask.device).name,
                    room.place(room.revision)
                )
            });
        }
    }

    /// ACC-1, DEV-3: an answer that was refused although its attempt was live, or refused with the wrong code.
    fn refused_answer(&mut self, history: &History<'_>, attempts: &[Attempt<'_>], room: &Room<'_>, ask: &Ask<'_>) {
        let (Some(call), Some(response), Some(when)) = (ask.call(), ask.answer(), ask.span()) else { return };
        let (Call::Accept { attempt: named, .. } | Call::Reject { attempt: named, .. }) = call else { return };
        let Err(error) = &response.result else { return };
        let caller = history.user_of(ask.device);
        let Some((attempt, newest)) = meant(attempts, room, caller, *named) else { return };
        let end = attempt.ends.first();
        let answered = end.filter(|end| matches!(end.how, Outcome::Accepted | Outcome::Rejected));
        let wrong: Option<(&[&str], &str)> = match error.code {
            ErrorCode::REQUEST_ID_INVALID | ErrorCode::REQUEST_CONFLICT
                if end.is_none() && newest && room.status(caller) == Some(InvitationStatus::Pending) =>
            {
                Some((&["ACC-1"], "the call is live"))
            }
            ErrorCode::REQUEST_CONFLICT if end.is_some() && answered.is_none() => {
                Some((&["ACC-1", "CAN-7"], "nobody had answered it, it had ended otherwise"))
            }
            // DEV-3: an answered attempt is remembered while the entry shows it, and for the answer memory.
            ErrorCode::REQUEST_ID_INVALID => answered
                // Where a variant is declared, what the losing device gets is for `losing_device` to say.
                .filter(|end| history.variants.losing_device == LosingDevice::Conflict || end.by == Some(ask.device))
                .filter(|end| {
                    let shown = newest
                        && matches!(room.status(caller), Some(InvitationStatus::Accepted | InvitationStatus::Rejected));
                    let memory = history.plan().service.bounds.answer_memory;
                    shown || history.at(when.latest).since(history.at(end.when.earliest)) < memory
                })
                .map(|_| (&["DEV-3", "IDM-3"] as &[&str], "it was answered, and that is remembered")),
            _ => None,
        };
        if let Some((requirements, why)) = wrong {
            self.against(ask, requirements, || {
                format!(
                    "{} of {} is refused at {} with {}, and {why} ({})",
                    call.operation(),
                    history.plan().device(ask.device).name,
                    history.at(when.latest),
                    error.code,
                    attempt.title(history)
                )
            });
        }
    }

    /// ORD-4 and CAN-9: the order of a commit's events on each session.
    fn order_within(&mut self, scene: &Scene<'_, '_>) {
        let named: &[UserId] = match scene.ask().and_then(Ask::call) {
            Some(Call::InviteUsers { user_id_list, .. } | Call::CancelInvitation { user_id_list, .. }) => user_id_list,
            _ => &[],
        };
        let entry = scene.changes.iter().any(|change| matches!(change, Change::Entered { .. }));
        // One event of one user is in its place wherever it stands.
        if scene.deliveries.len() < 2 || (named.len() < 2 && !entry) {
            return;
        }
        let mut places: Map<&UserId, usize> = Map::default();
        for user in named {
            let next = places.len();
            places.entry(user).or_insert(next);
        }
        let rank = |number: usize| -> Option<usize> {
            let delivery = &scene.history.deliveries[number];
            let name = delivery.name;
            if entry {
                return match name {
                    EventName::InvitationStatusChanged => Some(0),
                    EventName::RemoteUserEnterRoom => Some(1),
                    EventName::InvitationRemoved => Some(2),
                    _ => None,
                };
            }
            let invitee = delivery.invitee.filter(|_| name.is_list())?;
            places.get(scene.history.user_id(invitee)).copied()
        };
        let mut last: Map<SessionNo, usize> = Map::default();
        for number in scene.deliveries {
            let Some(rank) = rank(*number) else { continue };
            let delivery = &scene.history.deliveries[*number];
            let before = last.insert(delivery.session, rank);
            if before.is_some_and(|before| before > rank) {
                let requirement = if entry { "ORD-4" } else { "CAN-9" };
                self.findings.add(|| {
                    Finding::of(
                        &CHECK,
                        &[requirement],
                        format!(
                            "{} is sent {} out of the order of its commit ({})",
                            scene.history.name(delivery.session),
                            delivery.name,
                            scene.place()
                        ),
                    )
                    .seen_at(delivery.moment)
                    .on(scene.history.device_of(delivery.session))
                });
            }
        }
    }

    /// ORD-1, ORD-2, ROOM-5: each session is told of an instance in the order of its revisions, and after the end nothing.
    fn order_on_session(&mut self, history: &History<'_>, session: SessionNo) {
        let mut newest: SmallMap<InstanceId, (Revision, bool)> = SmallMap::default();
        for delivery in history.heard_by(session) {
            let Some(point) = delivery.point else { continue };
            let (last, over) = newest.get_or_insert_with(point.instance, || (point.revision, false));
            let wrong: Option<(&str, String)> = if *over {
                Some(("ROOM-5", "after it was told that the room is dissolved".to_owned()))
            } else if point.revision < *last {
                Some(("ORD-1", format!("of revision {}, after one of revision {last}", point.revision)))
            } else {
                None
            };
            *last = point.revision.max(*last);
            *over |= delivery.name == EventName::RoomDismissed;
            if let Some((requirement, what)) = wrong {
                self.findings.add(|| {
                    let message = format!("{} is sent {} {what}", history.name(session), delivery.name);
                    let device = history.device_of(session);
                    Finding::of(&CHECK, &[requirement], message).seen_at(delivery.moment).on(device)
                });
            }
        }
    }

    /// ORD-1: what was asked after something had been told is judged no earlier than that.
    fn real_time(&mut self, history: &History<'_>) {
        for instance in history.instances.values() {
            let told = newest_told(history, instance);
            let asks = instance.commits.iter().flat_map(|commit| commit.asks.iter().map(|ask| (commit.revision, *ask)));
            for (revision, ask) in asks {
                let ask = &history.asks[ask];
                let Some(span) = ask.span() else { continue };
                let before = told.partition_point(|(moment, _)| *moment < span.earliest);
                let Some((moment, floor)) = before.checked_sub(1).map(|last| told[last]) else { continue };
                if revision < floor {
                    self.against(ask, &["ORD-1", "ORD-3"], || {
                        format!(
                            "a request of {} that came in at {} is judged at revision {revision}, where revision {floor} \
                             had been told at {}",
                            history.plan().device(ask.device).name,
                            history.at(span.earliest),
                            history.at(moment)
                        )
                    });
                }
            }
        }
    }
}

/// The newest revision of an instance that had been told by each moment at which one was.
fn newest_told(history: &History<'_>, instance: &Instance) -> Vec<(usize, Revision)> {
    let told = instance.commits.iter().flat_map(|commit| {
        let deliveries = commit.deliveries.iter().map(|number| history.deliveries[*number].moment);
        let answers = commit.asks.iter().map(|ask| history.asks[*ask].span().map_or(0, |span| span.latest));
        deliveries.chain(answers).map(|moment| (moment, commit.revision))
    });
    // Mostly they are in their order already, which a stable sort sees.
    let mut moments: Vec<(usize, Revision)> = told.collect();
    moments.sort();
    let mut newest = Revision(0);
    for (_, revision) in &mut moments {
        newest = newest.max(*revision);
        *revision = newest;
    }
    moments
}

/// The attempt that an answer is about (ACC-1), where that is certain, and whether it is the newest of its entry.
fn meant<'a, 't>(
    attempts: &'a [Attempt<'t>],
    room: &Room<'_>,
    caller: super::history::UserNo,
    named: Option<AttemptRef>,
) -> Option<(&'a Attempt<'t>, bool)> {
    let newest = room.entry(caller)?.attempt?;
    let meant = match named {
        Some(named) if named.instance != room.instance => return None,
        Some(named) => *room.numbers.get(&(caller, named.attempt))?,
        None => newest,
    };
    Some((&attempts[meant], meant == newest))
}

/// INV-4, in its order. None where the state, or the time against the grace, is not certain.
fn expected_code(
    history: &History<'_>,
    attempts: &[Attempt<'_>],
    room: &Room<'_>,
    user: &UserId,
    when: Span,
) -> Option<(InvitationCode, &'static [&'static str])> {
    let user = history.user(user)?;
    if room.has_member(history, user, when)? {
        return Some((InvitationCode::AlreadyInConference, &["INV-4", "INV-8"]));
    }
    match room.status(user)? {
        InvitationStatus::None => Some((InvitationCode::Success, &["INV-4"])),
        InvitationStatus::Timeout | InvitationStatus::Rejected => Some((InvitationCode::Success, &["INV-4", "INV-5"])),
        InvitationStatus::Pending => Some((InvitationCode::AlreadyInInvitationList, &["INV-4", "INV-14"])),
        InvitationStatus::Accepted => {
            let end = attempts[room.entry(user)?.attempt?].ends.first()?;
            let grace = history.plan().service.bounds.entry_grace;
            if history.at(when.latest) < history.at(end.when.earliest) + grace {
                Some((InvitationCode::AlreadyInInvitationList, &["INV-4"]))
            } else if history.at(when.earliest) >= history.at(end.when.latest) + grace {
                Some((InvitationCode::Success, &["INV-4"]))
            } else {
                None
            }
        }
    }
}
