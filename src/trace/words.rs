//! Calls, results and events in words, the same in snapshots and reports.
//!
//! Passwords, tokens and extensionInfo appear as their lengths only: whoever wants the bytes saves the trace. What a
//! payload repeats from the room (name, owner, number of members) is left out: checks hold it, and it would fill the
//! lines. A population can stand for its users, so that lines which differ only in the member can be counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::plan::{DeviceIndex, Plan};
use crate::protocol::call::{AttemptRef, Call, ListItem, Reply};
use crate::protocol::event::{Event, RoomInfo, StampedEvent};
use crate::protocol::message::{Content, Malformed};
use crate::protocol::vocabulary::{ApiError, AttemptNo, Cursor, RejectedReason, RoomType, UserId};

/// How many ids, codes or list items are spelled out before the rest is counted.
const ITEMS_MAX: usize = 8;
/// How many characters of an author's string are shown.
const CHARS_MAX: usize = 48;

/// Puts what happens in a run into words.
pub struct Words<'p> {
    plan: &'p Plan,
    /// The user ids that a population stands for; empty when every user is named.
    folded: BTreeMap<&'p UserId, &'p Arc<str>>,
}

/// A few words, and whether a population stands in them for one of its users.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Phrase {
    /// The words.
    pub text: String,
    /// Whether a population stands for one of its users.
    pub folded: bool,
}

impl Phrase {
    fn say(&mut self, words: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(words);
    }

    fn also(&mut self, other: &Self) {
        self.say(&other.text);
        self.folded |= other.folded;
    }
}

impl<'p> Words<'p> {
    /// Names every device and user.
    #[must_use]
    pub const fn exact(plan: &'p Plan) -> Self {
        Self { plan, folded: BTreeMap::new() }
    }

    /// Lets populations stand for their devices and users.
    #[must_use]
    pub fn folded(plan: &'p Plan) -> Self {
        let folded = plan
            .devices
            .iter()
            .filter_map(|device| Some((&device.identity.user_id, device.population.as_ref()?)))
            .collect();
        Self { plan, folded }
    }

    /// A device: `bob.phone`, or `crowd.phone` for `crowd[7].phone` of a folded population.
    #[must_use]
    pub fn device(&self, index: DeviceIndex) -> Phrase {
        let device = self.plan.device(index);
        match &device.population {
            Some(_) if !self.folded.is_empty() => {
                let name = match (device.name.find('['), device.name.find(']')) {
                    (Some(open), Some(close)) if open < close => {
                        format!("{}{}", &device.name[..open], &device.name[close + 1..])
                    }
                    _ => device.name.to_string(),
                };
                Phrase { text: name, folded: true }
            }
            _ => Phrase { text: device.name.to_string(), folded: false },
        }
    }

    /// A user: the id, or the population that stands for it.
    #[must_use]
    pub fn user(&self, user: &UserId) -> Phrase {
        match self.folded.get(user) {
            Some(population) => Phrase { text: population.to_string(), folded: true },
            None => Phrase { text: plain(user.as_str()), folded: false },
        }
    }

    /// One attempt of one user: `bob#1`.
    fn attempt(&self, user: &UserId, attempt: Option<AttemptNo>) -> Phrase {
        let mut phrase = self.user(user);
        // Attempts of a population's users are counted per user: the number alone would keep lines apart.
        if let (Some(attempt), false) = (attempt, phrase.folded) {
            phrase.text.push_str(&format!("#{attempt}"));
        }
        phrase
    }

    /// Users in brackets; a folded population is counted.
    fn users<'u>(&self, users: impl IntoIterator<Item = &'u UserId>) -> Phrase {
        bracketed(users.into_iter().map(|user| self.user(user)), ['[', ']'], ITEMS_MAX)
    }

    /// The items of a list, all of them.
    #[must_use]
    pub fn list<'i>(&self, items: impl IntoIterator<Item = &'i ListItem>) -> Phrase {
        bracketed(items.into_iter().map(|item| self.item(item)), ['[', ']'], usize::MAX)
    }

    fn item(&self, item: &ListItem) -> Phrase {
        let mut phrase = self.attempt(&item.invitation.invitee.user_id, Some(item.attempt));
        phrase.say(item.invitation.status.name());
        phrase.from(&self.user(&item.invitation.inviter.user_id))
    }

    /// A call with its arguments.
    #[must_use]
    pub fn call(&self, call: &Call) -> Phrase {
        let mut phrase = Phrase { text: call.operation().name().to_owned(), folded: false };
        if let Some(room) = call.room_id() {
            phrase.say(&plain(room.as_str()));
        }
        match call {
            Call::Login { user_sig } => phrase.say_secret("userSig", user_sig),
            Call::SetSelfInfo { user_name, avatar_url } => {
                phrase.say(&quoted(user_name));
                phrase.say_unless_empty("avatar", avatar_url);
            }
            Call::CreateRoom { room_name, room_type, password, max_member_count, schedule_attendees, .. } => {
                if !room_name.is_empty() {
                    phrase.say(&quoted(room_name));
                }
                if *room_type != RoomType::Conference {
                    phrase.say(room_type.name());
                }
                phrase.say_secret("password", password);
                if *max_member_count > 0 {
                    phrase.say(&format!("for {max_member_count}"));
                }
                if !schedule_attendees.is_empty() {
                    phrase.say("attendees");
                    phrase.also(&self.users(schedule_attendees));
                }
            }
            Call::EnterRoom { password, .. } => phrase.say_secret("password", password),
            Call::KickRemoteUserOutOfRoom { user_id, .. } => phrase.also(&self.user(user_id)),
            Call::ChangeUserRole { user_id, user_role, .. } => {
                phrase.also(&self.user(user_id));
                phrase.say(user_role.name());
            }
            Call::UpdateRoomNameByAdmin { room_name, .. } => phrase.say(&quoted(room_name)),
            Call::AddAttendeesByAdmin { user_id_list, .. }
            | Call::RemoveAttendeesByAdmin { user_id_list, .. }
            | Call::CancelInvitation { user_id_list, .. } => phrase.also(&self.users(user_id_list)),
            Call::InviteUsers { user_id_list, timeout, extension_info, .. } => {
                phrase.also(&self.users(user_id_list));
                phrase.say(&format!("timeout {timeout}"));
                phrase.say_secret("extensionInfo", extension_info);
            }
            Call::Accept { attempt, .. } => phrase.say_attempt(*attempt),
            Call::Reject { reason, attempt, .. } => {
                let named = u64::try_from(*reason).ok().and_then(RejectedReason::from_number);
                phrase.say(&named.map_or_else(|| format!("reason {reason}"), |reason| reason.name().to_owned()));
                phrase.say_attempt(*attempt);
            }
            Call::GetInvitationList { cursor, count, .. } => {
                if !cursor.as_str().is_empty() {
                    phrase.say(&hidden_cursor(cursor));
                }
                phrase.say(&format!("count {count}"));
            }
            Call::Logout {}
            | Call::DestroyRoom { .. }
            | Call::ExitRoom { .. }
            | Call::FetchRoomInfo { .. }
            | Call::FetchAttendeeList { .. }
            | Call::GetUserList { .. }
            | Call::FetchNotEnteredList { .. } => {}
        }
        phrase
    }

    /// What a request asks, with its arguments.
    #[must_use]
    pub fn content(&self, content: &Content) -> Phrase {
        match content {
            Content::Call(call) => self.call(call),
            Content::Malformed(malformed) => Phrase { text: malformed_request(malformed), folded: false },
        }
    }

    /// What a call came to: what it returned, or its code.
    #[must_use]
    pub fn result(&self, result: &Result<Reply, ApiError>) -> Phrase {
        match result {
            Ok(reply) => self.reply(reply),
            Err(error) => Phrase { text: error_code(error), folded: false },
        }
    }

    /// What a successful call returned.
    #[must_use]
    pub fn reply(&self, reply: &Reply) -> Phrase {
        match reply {
            Reply::Void => Phrase { text: "ok".to_owned(), folded: false },
            Reply::Invited(codes) => bracketed(
                codes.iter().map(|(user, code)| {
                    let user = self.user(user);
                    Phrase { text: format!("{}: {code}", user.text), folded: user.folded }
                }),
                ['{', '}'],
                ITEMS_MAX,
            ),
            Reply::List(page) => {
                let items = page.invitation_list.iter().map(|item| self.item(item));
                let mut phrase = bracketed(items, ['[', ']'], ITEMS_MAX);
                if !page.cursor.as_str().is_empty() {
                    phrase.say("and a next page");
                }
                phrase
            }
            Reply::RoomInfo(info) => self.room(info),
            Reply::Attendees(users) | Reply::Members(users) => self.users(users.iter().map(|user| &user.user_id)),
            Reply::NotEntered(users) => bracketed(
                users.iter().map(|one| {
                    let user = self.user(&one.user_id);
                    Phrase { text: format!("{} {}", user.text, one.status), folded: user.folded }
                }),
                ['[', ']'],
                ITEMS_MAX,
            ),
        }
    }

    fn room(&self, info: &RoomInfo) -> Phrase {
        let mut phrase = Phrase { text: plain(info.room_id.as_str()), folded: false };
        phrase.say(&quoted(&info.room_name));
        if info.room_type != RoomType::Conference {
            phrase.say(info.room_type.name());
        }
        phrase.say("of");
        phrase.also(&self.user(&info.owner_id));
        phrase.say_secret("password", &info.password);
        phrase.say(&match info.room_member_count {
            1 => "with 1 member".to_owned(),
            members => format!("with {members} members"),
        });
        phrase
    }

    /// An event with its payload, and the attempt that it is about.
    #[must_use]
    pub fn event(&self, stamped: &StampedEvent) -> Phrase {
        let event = &stamped.event;
        let mut phrase = Phrase { text: event.name().name().to_owned(), folded: false };
        if let Some(room) = event.room_id() {
            phrase.say(&plain(room.as_str()));
        }
        // EVT-2: where the two names of the room differ, that is worth a look.
        if let (Some(info), Some(room)) = (event.room_info(), event.room_id())
            && info.room_id != *room
        {
            phrase.say(&format!("(roomInfo {})", plain(info.room_id.as_str())));
        }
        let about = stamped.stamp.as_ref().and_then(|stamp| stamp.about.as_ref());
        if let Some(invitation) = event.invitation() {
            phrase.also(&self.attempt(&invitation.invitee.user_id, about.map(|about| about.attempt)));
            phrase.say(invitation.status.name());
            phrase = phrase.from(&self.user(&invitation.inviter.user_id));
        } else if let Some(about) = about {
            phrase.also(&self.attempt(&about.invitee, Some(about.attempt)));
        }
        match event {
            Event::ReceiveInvitation { extension_info, .. } => phrase.say_secret("extensionInfo", extension_info),
            Event::InvitationHandledByOtherDevice { accepted, .. } => {
                phrase.say(if *accepted { "accepted" } else { "not accepted" });
            }
            Event::InvitationRejected { reason, .. } => phrase.say(reason.name()),
            Event::InvitationRevokedByAdmin { operate_user, .. } => {
                phrase.say("by");
                phrase.also(&self.user(&operate_user.user_id));
                phrase.say(operate_user.user_role.name());
            }
            Event::RemoteUserEnterRoom { user_info, .. } | Event::RemoteUserLeaveRoom { user_info, .. } => {
                phrase.also(&self.user(&user_info.user_id));
            }
            Event::RoomDismissed { reason, .. } => phrase.say(reason.name()),
            Event::KickedOutOfRoom { reason, .. } => phrase.say(reason.name()),
            Event::UserRoleChanged { user_id, user_role, .. } => {
                phrase.also(&self.user(user_id));
                phrase.say(user_role.name());
            }
            Event::ScheduleAttendeesChanged { left_users, joined_users, .. } => {
                for (what, users) in [("joined", joined_users), ("left", left_users)] {
                    if !users.is_empty() {
                        phrase.say(what);
                        phrase.also(&self.users(users.iter().map(|user| &user.user_id)));
                    }
                }
            }
            Event::InvitationCancelled { .. }
            | Event::InvitationAccepted { .. }
            | Event::InvitationTimeout { .. }
            | Event::InvitationAdded { .. }
            | Event::InvitationRemoved { .. }
            | Event::InvitationStatusChanged { .. }
            | Event::KickedOffLine { .. } => {}
        }
        if let Some(info) = event.room_info() {
            phrase.say_secret("password", &info.password);
        }
        phrase
    }
}

impl Phrase {
    fn from(mut self, inviter: &Self) -> Self {
        self.say("from");
        self.also(inviter);
        self
    }

    fn say_attempt(&mut self, attempt: Option<AttemptRef>) {
        if let Some(attempt) = attempt {
            self.say(&format!("#{}", attempt.attempt));
        }
    }

    /// Something secret: how long it is, if it is there at all.
    fn say_secret(&mut self, name: &str, secret: &str) {
        if !secret.is_empty() {
            self.say(&format!("{name}({} bytes)", secret.len()));
        }
    }

    fn say_unless_empty(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.say(&format!("{name} {}", plain(value)));
        }
    }
}

/// A code with its name: `100006 ERR_NO_PERMISSION`. The message is for people and may change.
#[must_use]
pub fn error_code(error: &ApiError) -> String {
    match error.code.name() {
        Some(name) => format!("{} {name}", error.code),
        None => error.code.to_string(),
    }
}

/// A cursor is opaque (LST-5): only its presence is worth a word.
fn hidden_cursor(cursor: &Cursor) -> String {
    format!("cursor({} bytes)", cursor.as_str().len())
}

fn malformed_request(malformed: &Malformed) -> String {
    let mut args = malformed.args.clone();
    redact(&mut args);
    format!("{} {}", plain(&malformed.operation), shortened(&args.to_string(), 2 * CHARS_MAX))
}

/// Replaces what no output may show by its length, at any depth: passwords, tokens and extensionInfo.
pub fn redact(value: &mut Value) {
    const SECRET: [&str; 6] = ["password", "extensionInfo", "userSig", "session", "token", "cursor"];
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match field {
                    Value::String(text) if SECRET.contains(&name.as_str()) => {
                        if !text.is_empty() {
                            *text = format!("({} bytes)", text.len());
                        }
                    }
                    // What a pattern excludes may be as secret as what it wants.
                    Value::Object(pattern) if SECRET.contains(&name.as_str()) && pattern.contains_key("not") => {
                        if let Some(Value::String(text)) = pattern.get_mut("not").filter(|text| **text != *"") {
                            *text = format!("({} bytes)", text.len());
                        }
                    }
                    _ => redact(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

/// Items in brackets: equal ones of a folded population are counted, and so is what comes after `items_max` others.
fn bracketed(items: impl Iterator<Item = Phrase>, [open, close]: [char; 2], items_max: usize) -> Phrase {
    let mut folded = false;
    let mut shown: Vec<(String, usize)> = Vec::new();
    let mut hidden = 0;
    for item in items {
        folded |= item.folded;
        let same = shown.iter().position(|(text, _)| item.folded && *text == item.text);
        match same {
            Some(index) => shown[index].1 += 1,
            None if shown.len() < items_max => shown.push((item.text, 1)),
            None => hidden += 1,
        }
    }
    let mut parts = shown
        .into_iter()
        .map(|(text, count)| if count == 1 { text } else { format!("{text} x{count}") })
        .collect::<Vec<_>>();
    if hidden > 0 {
        parts.push(format!("{hidden} more"));
    }
    Phrase { text: format!("{open}{}{close}", parts.join(", ")), folded }
}

/// A name as it is when it reads as one word, otherwise in quotes.
fn plain(text: &str) -> String {
    let one_word = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || c.is_ascii_graphic() && !matches!(c, '"' | '[' | ']' | ',' | '\\'));
    if one_word { shortened(text, CHARS_MAX) } else { quoted(text) }
}

/// In quotes, without control characters.
fn quoted(text: &str) -> String {
    Value::from(shortened(text, CHARS_MAX)).to_string()
}

/// At most `chars_max` characters, with the length of the whole where something is cut.
fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
