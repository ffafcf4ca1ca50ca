//! What a library was given off the wire in this session, by which what it hands over is known again.
//!
//! The API shows neither the attempt that an event is about nor the revision of an item on a page, and the checks judge a
//! library by them. An event that is handed over is taken for the one that has just come in, if they are equal; else for the
//! first that is equal and was not handed over yet, as if it had been kept back; else for the last that is equal, which then
//! is handed over twice. What equals nothing is the library's own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use crate::protocol::call::{InvitationPage, ListItem, Reply};
use crate::protocol::codec::{self, DecodeError};
use crate::protocol::device::put_out::PutOut;
use crate::protocol::event::{Event, Invitation, RoomInfo, StampedEvent};
use crate::protocol::message::{RoomPoint, ServerMessage};
use crate::protocol::vocabulary::{AttemptNo, Cursor, InvitationCode, OperationName, Revision, UserId};

/// How many events are kept in mind: more than any library keeps back.
const EVENTS_MAX: usize = 4096;

/// How many replies are.
const REPLIES_MAX: usize = 64;

/// What came in.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// By number, and whether it has been handed over.
    events: BTreeMap<u64, (Arc<StampedEvent>, bool)>,
    /// The number of the event that has just come in, while nothing else has.
    newest: Option<u64>,
    /// The last that was handed over.
    last: u64,
    replies: VecDeque<Reply>,
    /// At which revision of which room the last answer was given that tells of one.
    answered_at: Option<RoomPoint>,
    put_out: PutOut,
}

impl Told {
    /// A message is about to be given to the library.
    pub(super) fn comes(&mut self, message: &ServerMessage) {
        self.newest = None;
        match message {
            // The events of another session are counted anew.
            ServerMessage::LoggedIn { resumed: false, .. } => {
                self.events.clear();
                self.last = 0;
                self.put_out = PutOut::default();
            }
            ServerMessage::Event { seq, event } => {
                self.newest = Some(*seq);
                self.events.entry(*seq).or_insert_with(|| (event.clone(), false));
                if self.events.len() > EVENTS_MAX {
                    self.events.pop_first();
                }
            }
            ServerMessage::Response(response) => {
                if let Ok(reply) = &response.result
                    && !matches!(reply, Reply::Void)
                {
                    if self.replies.len() == REPLIES_MAX {
                        self.replies.pop_front();
                    }
                    self.replies.push_back(reply.clone());
                    if matches!(reply, Reply::RoomInfo(_)) {
                        self.answered_at = response.at;
                    }
                }
            }
            ServerMessage::LoggedIn { .. } | ServerMessage::Refused { .. } => {}
        }
    }

    /// Something else happens than a message.
    pub(super) fn nothing_comes(&mut self) {
        self.newest = None;
    }

    /// The event that the library hands over.
    pub(super) fn handed_over(&mut self, event: Event) -> Arc<StampedEvent> {
        let is_it = |known: &(Arc<StampedEvent>, bool)| known.0.event == event;
        let just_now = self.newest.filter(|seq| self.events.get(seq).is_some_and(is_it));
        let kept_back = || {
            let mut later = self.events.range(self.last + 1..);
            later.find(|(_, known)| !known.1 && is_it(known)).map(|(seq, _)| *seq)
        };
        let known = just_now.or_else(kept_back).or_else(|| self.latest(&event));
        match known {
            Some(seq) => {
                let (event, handed_over) = self.events.get_mut(&seq).expect("it was just found");
                *handed_over = true;
                self.last = self.last.max(seq);
                // What comes next with the same content is another one.
                self.newest = self.newest.filter(|newest| *newest != seq);
                self.put_out.hear(event);
                event.clone()
            }
            None => Arc::new(StampedEvent { stamp: None, event }),
        }
    }

    /// The event that a handler of the application is called with: one that was handed over, if there is one.
    pub(super) fn handled(&self, event: Event) -> Arc<StampedEvent> {
        match self.latest(&event) {
            Some(seq) => self.events[&seq].0.clone(),
            None => Arc::new(StampedEvent { stamp: None, event }),
        }
    }

    /// The last that is equal; of those that were handed over, if any was.
    fn latest(&self, event: &Event) -> Option<u64> {
        let equal = || self.events.iter().rev().filter(|(_, known)| known.0.event == *event);
        equal().find(|(_, known)| known.1).or_else(|| equal().next()).map(|(seq, _)| *seq)
    }

    /// Whether an entry of which the library has just told was over before: the device was told that it was put out.
    pub(super) fn is_entry_over(&self) -> bool {
        self.answered_at.is_some_and(|entry| self.put_out.is_after(entry))
    }

    /// What a call returns, by what the application sees of it.
    pub(super) fn returned(&self, operation: OperationName, value: Value) -> Result<Reply, DecodeError> {
        let known =
            self.replies.iter().rev().find(|reply| is_of(operation, reply) && reply.to_api_json() == value).cloned();
        known.map_or_else(|| made_up(operation, value), Ok)
    }
}

/// Whether an operation has this kind of reply.
fn is_of(operation: OperationName, reply: &Reply) -> bool {
    match operation {
        OperationName::InviteUsers => matches!(reply, Reply::Invited(_)),
        OperationName::GetInvitationList => matches!(reply, Reply::List(_)),
        OperationName::FetchRoomInfo | OperationName::EnterRoom => matches!(reply, Reply::RoomInfo(_)),
        OperationName::FetchAttendeeList => matches!(reply, Reply::Attendees(_)),
        OperationName::GetUserList => matches!(reply, Reply::Members(_)),
        OperationName::FetchNotEnteredList => matches!(reply, Reply::NotEntered(_)),
        _ => matches!(reply, Reply::Void),
    }
}

/// A page as the API shows it.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ShownPage {
    invitation_list: Vec<Arc<Invitation>>,
    cursor: Cursor,
}

/// A reply that no server gave like this: the library's own, or one that it changed.
fn made_up(operation: OperationName, value: Value) -> Result<Reply, DecodeError> {
    Ok(match operation {
        OperationName::InviteUsers => {
            let codes: BTreeMap<UserId, InvitationCode> = codec::strictly(&value, "")?;
            Reply::Invited(codes.into_iter().collect())
        }
        OperationName::GetInvitationList => {
            let ShownPage { invitation_list, cursor } = codec::strictly(&value, "")?;
            // No attempt and no revision: nobody has said which.
            let item = |invitation| ListItem { invitation, attempt: AttemptNo(0), revision: Revision(0) };
            let invitation_list = invitation_list.into_iter().map(item).collect();
            Reply::List(Arc::new(InvitationPage { invitation_list, cursor }))
        }
        OperationName::FetchRoomInfo | OperationName::EnterRoom => {
            Reply::RoomInfo(Arc::new(codec::strictly::<RoomInfo>(&value, "")?))
        }
        OperationName::FetchAttendeeList => Reply::Attendees(codec::strictly::<Vec<_>>(&value, "")?.into()),
        OperationName::GetUserList => Reply::Members(codec::strictly::<Vec<_>>(&value, "")?.into()),
        OperationName::FetchNotEnteredList => Reply::NotEntered(codec::strictly::<Vec<_>>(&value, "")?.into()),
        _ if value.is_null() => Reply::Void,
        _ => {
            let reason = format!("{} returns nothing: leave `value` out", operation.name());
            return Err(DecodeError { path: "/".to_owned(), reason });
        }
    })
}
