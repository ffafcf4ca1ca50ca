//! Answers mean the call that the application was shown (ACC-1): an accept or a reject leaves the library with the name of
//! the newest attempt that an event or a list item has told of in this session, and none leaves it unasked (REJ-5). Judged
//! between the device's API and its end of the wire.

use std::collections::BTreeSet;

use super::follow::Followed;
use super::history::{History, Map, Story};
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::plan::DeviceKind;
use crate::protocol::call::{AttemptRef, Call, CallNo, Reply};
use crate::protocol::event::{Event, StampedEvent};
use crate::protocol::message::{ClientMessage, Content, Request, RoomPoint, ServerMessage};
use crate::protocol::vocabulary::{AttemptNo, ErrorCode, OperationName, RequestId, RoomId, UserId};
use crate::trace::{DeviceChange, Occurrence};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "answers",
    requirements: &["ACC-1", "REJ-1", "REJ-5"],
    boundary: Boundary::DeviceApi,
    promise: "an answer names the newest call that the application was told of, and no library answers unasked",
    begin: || Box::new(Answers),
};

struct Answers;

impl Check for Answers {
    fn device(&mut self, history: &History<'_>, story: &Story<'_, '_>, findings: &mut Findings) {
        let planned = history.plan().device(story.device);
        if planned.kind != DeviceKind::Sdk || !story.moments().any(|(_, moment)| sends_an_answer(&moment.what)) {
            return;
        }
        let mut library = Library::default();
        for (index, moment) in story.moments() {
            match &moment.what {
                Occurrence::Called { call, content, .. } => library.called(*call, content),
                Occurrence::Returned { call, result, .. } => {
                    library.answers.retain(|answer| answer.call != *call);
                    if let Ok(Reply::List(page)) = result {
                        let own = page
                            .invitation_list
                            .iter()
                            .filter(|item| item.invitation.invitee.user_id == planned.identity.user_id);
                        for item in own {
                            library.shown(*call, item.attempt);
                        }
                    }
                    library.reads.retain(|(open, _)| open != call);
                    library.returned(*call, result.as_ref().err().map(|error| error.code));
                }
                Occurrence::Heard { event, .. } => library.heard(event, &planned.identity.user_id),
                Occurrence::DeviceReceived { message, .. } => match message {
                    ServerMessage::LoggedIn { resumed: false, .. } => library.told.clear(),
                    ServerMessage::Response(response) => library.read_at = response.at,
                    _ => {}
                },
                Occurrence::DeviceChanged { change: DeviceChange::Killed, .. } => library = Library::default(),
                Occurrence::DeviceSent { message: ClientMessage::Request(request), .. } => {
                    let Some(wrong) = library.sends(request, planned.auto_busy) else { continue };
                    findings.add(|| {
                        let message = format!("{} sends {} at {}, {}", planned.name, wrong.what, moment.at, wrong.why);
                        Finding::of(&CHECK, wrong.requirements, message).seen_at(index).on(story.device)
                    });
                }
                _ => {}
            }
        }
    }

    fn finish(&mut self, _: &History<'_>, _: &Followed<'_>) -> Findings {
        Findings::default()
    }
}

fn sends_an_answer(what: &Occurrence) -> bool {
    let Occurrence::DeviceSent { message: ClientMessage::Request(request), .. } = what else { return false };
    matches!(&request.content, Content::Call(call) if matches!(**call, Call::Accept { .. } | Call::Reject { .. }))
}

/// What one library has told its application, and what it was asked.
#[derive(Default)]
struct Library<'t> {
    /// The newest attempt told of, by room.
    told: Map<&'t RoomId, AttemptRef>,
    /// The answers that the application has given and that have not returned.
    answers: Vec<Answer<'t>>,
    /// The logins and logouts that are open: never many.
    turns: Vec<(CallNo, OperationName)>,
    /// The list reads that are open: never many.
    reads: Vec<(CallNo, &'t RoomId)>,
    /// Where the last answer off the wire was read.
    read_at: Option<RoomPoint>,
    /// The requests that have been sent.
    ids: BTreeSet<&'t RequestId>,
}

/// An accept or a reject of the application.
struct Answer<'t> {
    call: CallNo,
    content: &'t Call,
    /// What the application had been told when it called.
    told: Option<AttemptRef>,
    sent: bool,
}

struct Wrong {
    requirements: &'static [&'static str],
    what: String,
    why: String,
}

impl<'t> Library<'t> {
    fn called(&mut self, call: CallNo, content: &'t Call) {
        match content {
            Call::Accept { room_id, attempt: None } | Call::Reject { room_id, attempt: None, .. } => {
                let told = self.told.get(room_id).copied();
                self.answers.push(Answer { call, content, told, sent: false });
            }
            Call::GetInvitationList { room_id, .. } => {
                self.reads.push((call, room_id));
            }
            Call::Login { .. } | Call::Logout {} => {
                self.turns.push((call, content.operation()));
            }
            _ => {}
        }
    }

    /// With its session the library forgets what it was told: by a logout that was answered, and a login that came to
    /// nothing.
    fn returned(&mut self, call: CallNo, error: Option<ErrorCode>) {
        let turn = self.turns.iter().position(|(open, _)| *open == call);
        let is_over = match turn.map(|turn| self.turns.swap_remove(turn).1) {
            Some(OperationName::Logout) => error != Some(ErrorCode::FAILED),
            Some(_) => error.is_some_and(|error| error != ErrorCode::REPEAT_OPERATION),
            None => false,
        };
        if is_over {
            self.told.clear();
        }
    }

    fn heard(&mut self, event: &'t StampedEvent, user: &UserId) {
        if let Event::KickedOffLine { .. } = event.event {
            self.told.clear();
        }
        let (Event::ReceiveInvitation { .. }, Some(room)) = (&event.event, event.event.room_id()) else { return };
        let Some(stamp) = &event.stamp else { return };
        if let Some(about) = stamp.about.as_ref().filter(|about| about.invitee == *user) {
            self.tell(room, AttemptRef { instance: stamp.instance, attempt: about.attempt });
        }
    }

    fn shown(&mut self, call: CallNo, attempt: AttemptNo) {
        let read = self.reads.iter().find(|(open, _)| *open == call).map(|(_, room)| *room);
        if let (Some(room), Some(at)) = (read, self.read_at) {
            self.tell(room, AttemptRef { instance: at.instance, attempt });
        }
    }

    fn tell(&mut self, room: &'t RoomId, attempt: AttemptRef) {
        let newest = self.told.entry(room).or_insert(attempt);
        *newest = attempt.max(*newest);
    }

    /// What is wrong with sending this, if something is.
    fn sends(&mut self, request: &'t Request, auto_busy: bool) -> Option<Wrong> {
        let Content::Call(content) = &request.content else { return None };
        let (Call::Accept { room_id, attempt: named } | Call::Reject { room_id, attempt: named, .. }) = &**content
        else {
            return None;
        };
        // A repeat is what it was (IDM-2).
        if !self.ids.insert(&request.id) {
            return None;
        }
        let what = format!("{} to {room_id}, naming {}", content.operation(), words(*named));
        let asked: Vec<usize> = (0..self.answers.len())
            .filter(|answer| !self.answers[*answer].sent && is_same(self.answers[*answer].content, content))
            .collect();
        let meant = asked.iter().copied().find(|answer| self.answers[*answer].told == *named);
        let Some(answer) = meant.or(asked.first().copied()) else {
            // REJ-5: only a library that is to answer for a busy user answers unasked.
            return (!auto_busy).then(|| Wrong {
                requirements: &["REJ-5"],
                what,
                why: "which its application did not ask for".to_owned(),
            });
        };
        self.answers[answer].sent = true;
        let told = self.answers[answer].told;
        (told != *named).then(|| Wrong {
            requirements: &["ACC-1", "REJ-1"],
            what,
            why: format!("and the newest that its application had been told of was {}", words(told)),
        })
    }
}

/// The same but for the attempt, which the library adds.
fn is_same(asked: &Call, sent: &Call) -> bool {
    match (asked, sent) {
        (Call::Accept { room_id, .. }, Call::Accept { room_id: other, .. }) => room_id == other,
        (Call::Reject { room_id, reason, .. }, Call::Reject { room_id: other, reason: other_reason, .. }) => {
            room_id == other && reason == other_reason
        }
        _ => false,
    }
}

fn words(attempt: Option<AttemptRef>) -> String {
    attempt.map_or_else(
        || "no call".to_owned(),
        |attempt| format!("call {} of instance {}", attempt.attempt, attempt.instance),
    )
}
