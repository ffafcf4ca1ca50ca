//! One entry as a sequential service keeps it: the states of an invitation (docs/PROTOCOL.md, section 7) and what each
//! call does to them, as a pure function.
//!
//! Times are not known, only bounded: a step happens between its call and the moment by which it must have happened. The
//! state keeps the least times that everything so far allows. All rules have the form "no earlier than this long after
//! that", so that there is always one least solution, and a history fits the clock exactly if the least times do.

use std::collections::BTreeMap;

use super::super::variants::{LosingDevice, OutsidersList, Variants};
use super::{Asks, Meant, Operation, Outcome, Sight, Standing};
use crate::protocol::bounds::Bounds;
use crate::protocol::vocabulary::{DeviceId, ErrorCode, InvitationCode, InvitationStatus, UserId};
use crate::time::{Duration, Instant};

/// The least that time advances.
const TICK: Duration = Duration::from_nanos(1);

/// A time that is not known: the least that is possible, and the last that is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Window {
    from: Instant,
    by: Instant,
}

impl Window {
    /// The time was after `then`, less `length`. `None` if it can't have been.
    fn later_than(self, then: Instant, length: Duration) -> Option<Self> {
        let least = Instant::from_nanos((then.as_nanos() + TICK.as_nanos()).saturating_sub(length.as_nanos()));
        let from = self.from.max(least);
        // A length of nothing was over at once.
        (from <= self.by && length > Duration::ZERO).then_some(Self { from, ..self })
    }
}

/// What the room's list has of the invitee.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Entry {
    Absent,
    Pending { inviter: UserId, began: Window, timeout: Option<Duration> },
    Timeout { inviter: UserId },
    Rejected { inviter: UserId },
    Accepted { inviter: UserId },
}

/// An answered attempt.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Answer {
    attempt: u32,
    device: DeviceId,
    accepted: bool,
    at: Window,
}

/// What a sequential service knows of one invitee of one room.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct State {
    /// No earlier than this.
    now: Instant,
    open: bool,
    /// The device through which the invitee is in the room (TERM-2).
    member: Option<DeviceId>,
    entry: Entry,
    /// How many attempts there were, over all lives of the room.
    attempts: u32,
    /// The newest attempt of this life of the room.
    newest: Option<u32>,
    answers: Vec<Answer>,
    /// How often things came about that an event might tell of.
    came_about: BTreeMap<Sight, u32>,
}

/// What the service goes by: its bounds, and which sights anybody saw, since others need no counting.
#[derive(Debug)]
pub(super) struct Rules<'h> {
    pub(super) bounds: &'h Bounds,
    pub(super) variants: Variants,
    pub(super) invitee: &'h UserId,
    pub(super) seen: BTreeMap<Sight, u32>,
}

impl State {
    /// Before anything that the history shows. A room that nobody created may have been there.
    pub(super) fn initial(open: bool) -> Self {
        Self {
            now: Instant::START,
            open,
            member: None,
            entry: Entry::Absent,
            attempts: 0,
            newest: None,
            answers: Vec::new(),
            came_about: BTreeMap::new(),
        }
    }

    pub(super) fn came_about(&self, sight: &Sight) -> u32 {
        self.came_about.get(sight).copied().unwrap_or(0)
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn member(&self) -> Option<&DeviceId> {
        self.member.as_ref()
    }

    /// The device that answered last.
    pub(super) fn winner(&self) -> Option<&DeviceId> {
        self.answers.last().map(|answer| &answer.device)
    }

    /// Whether nothing but time has passed since.
    pub(super) fn is_unchanged_since(&self, earlier: &Self) -> bool {
        self.attempts == earlier.attempts
            && self.answers.len() == earlier.answers.len()
            && self.open == earlier.open
            && self.member == earlier.member
            && self.entry.shows() == earlier.entry.shows()
    }

    /// T6, no later than `by`.
    pub(super) fn expire(&self, by: Instant, rules: &Rules<'_>) -> Option<Self> {
        let Entry::Pending { inviter, began, timeout: Some(timeout) } = &self.entry else { return None };
        let now = self.now.max(began.from + *timeout);
        (now <= by).then(|| {
            let expired = Self { now, entry: Entry::Timeout { inviter: inviter.clone() }, ..self.clone() };
            expired.counting(Sight::Expired, rules)
        })
    }

    /// Every state that the operation may lead to if it happens now and no later than `by`, with the outcome that it had.
    /// None if it can't have happened; if nobody knows whether it has, perhaps none or one without a change.
    pub(super) fn step(&self, operation: &Operation, by: Instant, rules: &Rules<'_>) -> Vec<Self> {
        let Some(now) = self.advanced_to(operation.called.at, by) else { return Vec::new() };
        // ERR-1: without a room nothing else is looked at.
        if operation.outcome == Outcome::Failed(ErrorCode::ROOM_ID_NOT_EXIST) {
            return if now.open { Vec::new() } else { vec![now] };
        }
        if operation.asks != Asks::Create && operation.asks != Asks::EndSession && !now.open {
            return Vec::new();
        }
        match &operation.asks {
            Asks::Create => now.create(&operation.outcome),
            Asks::Destroy => vec![now.dissolve(rules)],
            Asks::Enter => match operation.outcome {
                Outcome::Done | Outcome::Unknown => vec![now.enter(&operation.device, by, rules)],
                // ACC-7: a failed entry changes nothing.
                _ => vec![now],
            },
            Asks::Exit | Asks::EndSession => {
                now.leave(operation.member_is_caller(&self.member), &operation.outcome, rules)
            }
            Asks::Kick => now.leave(self.member.is_some(), &operation.outcome, rules),
            Asks::Invite { timeout } => now.invite(operation, *timeout, by, rules),
            Asks::Cancel { standing } => now.cancel(operation, *standing, rules),
            Asks::Answer { accepted, meant } => now.answer(operation, *accepted, *meant, by, rules),
            Asks::List => now.list(operation, rules),
        }
    }

    /// The state as of a time. `None` if it can't be this one any more: what is due has happened (TMO-3).
    fn advanced_to(&self, called: Instant, by: Instant) -> Option<Self> {
        let now = self.now.max(called);
        if now > by {
            return None;
        }
        let mut state = Self { now, ..self.clone() };
        if let Entry::Pending { began, timeout: Some(timeout), .. } = &mut state.entry {
            *began = began.later_than(now, *timeout)?;
        }
        Some(state)
    }

    fn counting(mut self, sight: Sight, rules: &Rules<'_>) -> Self {
        // What nobody saw, or saw less often, makes no difference between two states.
        if let Some(most) = rules.seen.get(&sight) {
            let count = self.came_about.entry(sight).or_default();
            *count = (*count + 1).min(*most);
        }
        self
    }

    fn is_live(&self) -> bool {
        matches!(self.entry, Entry::Pending { .. })
    }

    // ---- rooms ---------------------------------------------------------------------------------------------------

    /// ROOM-2: nothing of an earlier life survives, but the answers that are remembered.
    fn create(self, outcome: &Outcome) -> Vec<Self> {
        let created = |state: Self| Self { open: true, member: None, entry: Entry::Absent, newest: None, ..state };
        match (outcome, self.open) {
            (Outcome::Done | Outcome::Unknown, false) => vec![created(self)],
            (Outcome::Failed(ErrorCode::ROOM_ID_OCCUPIED), true) => vec![self],
            _ => Vec::new(),
        }
    }

    /// ROOM-5.
    fn dissolve(self, rules: &Rules<'_>) -> Self {
        let live = self.is_live();
        let state = Self { open: false, member: None, entry: Entry::Absent, newest: None, ..self };
        let state = state.counting(Sight::Dissolved, rules);
        if live { state.counting(Sight::Revoked, rules) } else { state }
    }

    /// T10 to T12, ORD-4: one commit.
    fn enter(self, device: &DeviceId, by: Instant, rules: &Rules<'_>) -> Self {
        if self.member.is_some() {
            // ROOM-8: from another device it is a move, from the same one nothing.
            return Self { member: Some(device.clone()), ..self };
        }
        // ACC-4, ACC-5.
        let mut state = if self.is_live() { self.answered(device, true, by, rules) } else { self };
        state.member = Some(device.clone());
        let state = state.counting(Sight::Entered, rules);
        if state.entry == Entry::Absent {
            return state;
        }
        // ACC-8.
        Self { entry: Entry::Absent, ..state }.counting(Sight::Removed, rules)
    }

    /// Exit, kick and the end of a session (ROOM-6: the entry is another matter).
    fn leave(self, is_inside: bool, outcome: &Outcome, rules: &Rules<'_>) -> Vec<Self> {
        let left = |state: Self| Self { member: None, ..state }.counting(Sight::Left, rules);
        match (outcome, is_inside) {
            (Outcome::Done | Outcome::Unknown, true) => vec![left(self)],
            (Outcome::Failed(ErrorCode::USER_NOT_ENTERED), false) => vec![self],
            _ => Vec::new(),
        }
    }

    // ---- invitations ---------------------------------------------------------------------------------------------

    /// INV-4, in its order, for each code that the call may have given.
    fn invite(self, operation: &Operation, timeout: Option<Duration>, by: Instant, rules: &Rules<'_>) -> Vec<Self> {
        let gave = |code| operation.outcome == Outcome::Code(code) || operation.outcome == Outcome::Unknown;
        let mut states = Vec::new();
        if self.member.is_some() {
            if gave(InvitationCode::AlreadyInConference) {
                states.push(self);
            }
            return states;
        }
        if gave(InvitationCode::AlreadyInInvitationList) {
            match &self.entry {
                Entry::Pending { .. } => states.push(self.clone()),
                Entry::Accepted { .. } => states.extend(self.within_grace(rules)),
                _ => {}
            }
        }
        if gave(InvitationCode::Success) {
            let free = match &self.entry {
                Entry::Pending { .. } => None,
                Entry::Accepted { .. } => self.past_grace(by, rules),
                // INV-5.
                Entry::Absent | Entry::Timeout { .. } | Entry::Rejected { .. } => Some(self),
            };
            states.extend(free.map(|state| state.called(&operation.user, timeout, by, rules)));
        }
        states
    }

    /// T1, INV-7.
    fn called(self, inviter: &UserId, timeout: Option<Duration>, by: Instant, rules: &Rules<'_>) -> Self {
        let attempts = self.attempts + 1;
        let began = Window { from: self.now, by };
        let entry = Entry::Pending { inviter: inviter.clone(), began, timeout };
        let state = Self { attempts, newest: Some(attempts), entry, ..self };
        state.counting(Sight::Called { inviter: inviter.clone() }, rules)
    }

    fn within_grace(&self, rules: &Rules<'_>) -> Option<Self> {
        let mut state = self.clone();
        let answer = state.answers.last_mut()?;
        answer.at = answer.at.later_than(self.now, rules.bounds.entry_grace)?;
        Some(state)
    }

    /// T13.
    fn past_grace(&self, by: Instant, rules: &Rules<'_>) -> Option<Self> {
        let now = self.now.max(self.answers.last()?.at.from + rules.bounds.entry_grace);
        (now <= by).then(|| Self { now, ..self.clone() })
    }

    /// T7, T8, CAN-1 to CAN-6.
    fn cancel(self, operation: &Operation, standing: Standing, rules: &Rules<'_>) -> Vec<Self> {
        let Standing { revoker, plain, outside, has_invited, surely_invited } = standing;
        let inviter = match &self.entry {
            Entry::Pending { inviter, .. } => Some(inviter),
            _ => None,
        };
        let mine = inviter == Some(&operation.user);
        let mut states = Vec::new();
        match operation.outcome {
            // CAN-4: for others' live entries inside, and for whoever outside has no stake.
            Outcome::Failed(ErrorCode::NO_PERMISSION) => {
                let others = inviter.is_some() && !mine;
                if (plain && others) || (outside && !surely_invited && !mine) {
                    states.push(self);
                }
            }
            Outcome::Done | Outcome::Unknown => {
                // CAN-1, and for a caller outside CAN-4.
                let skips_others = outside && has_invited;
                if if inviter.is_some() { skips_others && !mine } else { revoker || plain || skips_others } {
                    states.push(self.clone());
                }
                if inviter.is_some() && (mine || revoker) {
                    let sight = if mine { Sight::Cancelled } else { Sight::Revoked };
                    let state = Self { entry: Entry::Absent, ..self };
                    states.push(state.counting(sight, rules).counting(Sight::Removed, rules));
                }
            }
            _ => states.push(self),
        }
        states
    }

    /// ACC-1, IDM-3, DEV-3.
    fn answer(self, operation: &Operation, accepted: bool, meant: Meant, by: Instant, rules: &Rules<'_>) -> Vec<Self> {
        let may_mean_older = match meant {
            Meant::Newest => false,
            // What a device was told of in an earlier life of the room it may still name.
            Meant::Told(heard) => heard < self.attempts || self.newest.is_none(),
            Meant::Any => true,
        };
        let meant: Vec<Answer> =
            self.answers.iter().filter(|a| may_mean_older || Some(a.attempt) == self.newest).cloned().collect();
        let own = |answer: &Answer| answer.device == operation.device && answer.accepted == accepted;
        let mut states = Vec::new();
        match operation.outcome {
            Outcome::Done | Outcome::Unknown => {
                let lost = |answer: &Answer| answer.device != operation.device;
                let may_lose = rules.variants.losing_device == LosingDevice::Success;
                if meant.iter().any(|answer| own(answer) || (may_lose && lost(answer))) {
                    states.push(self.clone());
                }
                if self.is_live() {
                    states.push(self.answered(&operation.device, accepted, by, rules));
                }
            }
            Outcome::Failed(ErrorCode::REQUEST_CONFLICT) => {
                // IDM-3 has it for the other answer of the same device, too.
                let loses = |answer: &Answer| {
                    let is_other = answer.device != operation.device;
                    is_other && rules.variants.losing_device == LosingDevice::Conflict
                        || !is_other && answer.accepted != accepted
                };
                if meant.iter().any(loses) {
                    states.push(self);
                }
            }
            Outcome::Failed(ErrorCode::REQUEST_ID_INVALID) => {
                let loses = rules.variants.losing_device == LosingDevice::NoLiveInvitation
                    && meant.iter().any(|answer| answer.device != operation.device);
                if loses || self.may_know_nothing(may_mean_older) {
                    states.push(self.clone());
                }
                // DEV-3: an answer may be forgotten once the list no longer shows it.
                let shown = matches!(self.entry, Entry::Accepted { .. } | Entry::Rejected { .. });
                for answer in meant.iter().filter(|answer| !shown || Some(answer.attempt) != self.newest) {
                    states.extend(self.advanced_to(answer.at.from + rules.bounds.answer_memory, by));
                }
            }
            _ => states.push(self),
        }
        states
    }

    /// ACC-1 (a): whether an attempt that may be meant is unknown, or ended without an answer.
    fn may_know_nothing(&self, may_mean_older: bool) -> bool {
        let answered = |attempt| self.answers.iter().any(|answer| answer.attempt == attempt);
        let newest = match self.newest {
            None => true,
            Some(newest) => !self.is_live() && !answered(newest),
        };
        let live = u32::from(self.is_live());
        let unanswered = self.attempts - live - u32::try_from(self.answers.len()).expect("one answer an attempt");
        newest || (may_mean_older && unanswered > 0)
    }

    /// T4, T5.
    fn answered(self, device: &DeviceId, accepted: bool, by: Instant, rules: &Rules<'_>) -> Self {
        let Entry::Pending { inviter, began, timeout } = self.entry.clone() else {
            unreachable!("only a live attempt is answered")
        };
        // The answer came before the deadline, so it can't have come later than the last deadline that is possible.
        let last = timeout.map_or(by, |timeout| by.min(began.by + timeout - TICK));
        let at = Window { from: self.now, by: last };
        let mut state = self;
        state.answers.push(Answer { attempt: state.attempts, device: device.clone(), accepted, at });
        if accepted {
            state.entry = Entry::Accepted { inviter };
            state.counting(Sight::Accepted, rules)
        } else {
            state.entry = Entry::Rejected { inviter };
            state.counting(Sight::Rejected, rules)
        }
    }

    /// LST-2, LST-7 to LST-9.
    fn list(self, operation: &Operation, rules: &Rules<'_>) -> Vec<Self> {
        let own = operation.user == *rules.invitee;
        let inside = self.member.is_some();
        let lawful = match &operation.outcome {
            Outcome::Shown { status, inviter } => {
                let sees_all = rules.variants.outsiders_list == OutsidersList::Whole;
                self.entry.shows() == Some((*status, inviter))
                    && (!own || sees_all || matches!(status, InvitationStatus::Pending | InvitationStatus::Accepted))
            }
            Outcome::NotShown => {
                let sees_all = inside || rules.variants.outsiders_list == OutsidersList::Whole;
                self.entry == Entry::Absent && (!own || sees_all)
            }
            Outcome::Failed(ErrorCode::NO_PERMISSION) if own => {
                !inside && !matches!(self.entry, Entry::Pending { .. } | Entry::Accepted { .. })
            }
            _ => true,
        };
        if lawful { vec![self] } else { Vec::new() }
    }
}

impl Entry {
    /// What a list shows of it.
    fn shows(&self) -> Option<(InvitationStatus, &UserId)> {
        match self {
            Self::Absent => None,
            Self::Pending { inviter, .. } => Some((InvitationStatus::Pending, inviter)),
            Self::Timeout { inviter } => Some((InvitationStatus::Timeout, inviter)),
            Self::Rejected { inviter } => Some((InvitationStatus::Rejected, inviter)),
            Self::Accepted { inviter } => Some((InvitationStatus::Accepted, inviter)),
        }
    }
}

impl Operation {
    fn member_is_caller(&self, member: &Option<DeviceId>) -> bool {
        member.as_ref() == Some(&self.device)
    }
}
