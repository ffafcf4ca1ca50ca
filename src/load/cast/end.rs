//! How a call of a cast comes to its end: in its own way, or because nothing happens any more.
//!
//! Everybody reads what there is to read, the rooms are dissolved, whoever was not there before logs out, and the next call
//! may begin.

use super::{Cast, Part, Why, device};
use crate::load::episode::Episode;
use crate::load::floor::{Floor, Next};
use crate::load::tally::Stamp;
use crate::plan::DeviceIndex;
use crate::protocol::call::Call;
use crate::time::Duration;
use crate::trace::{Occurrence, Stage};

/// How long nothing may happen in a call before it counts as stuck, beyond what it waits for by itself.
const PATIENCE: Duration = Duration::from_secs(5);

impl Cast {
    pub(super) fn look_for_the_end(&mut self, floor: &mut Floor) {
        if self.part == Part::Body
            && self.open == 0
            && self.begun == floor.work.plan.steps.len()
            && self.awaited.is_empty()
        {
            self.end(floor, true);
        }
    }

    /// The body is over, in its own way or because nothing happens any more.
    pub(super) fn end(&mut self, floor: &mut Floor, complete: bool) {
        let now = floor.now();
        if let Some(arrival) = self.arrival.filter(|arrival| arrival.measured) {
            if complete {
                floor.tally.completed(Stamp { planned: arrival.at, sent: self.begun_at }, now);
            } else {
                floor.tally.counts.stuck += 1;
            }
        }
        floor.busy -= 1;
        self.triggers.end();
        self.worn_out |= !complete;
        self.episode.record(now, Occurrence::Stage(Stage::Epilogue));
        self.part = Part::Lists;
        if floor.work.lists {
            self.episode.record(now, Occurrence::Stage(Stage::FinalLists));
            let members: Vec<DeviceIndex> = (0..self.members.len()).map(device).collect();
            for device in members {
                self.list(floor, device);
            }
        }
        self.go_on(floor);
    }

    pub(super) fn list(&mut self, floor: &mut Floor, device: DeviceIndex) {
        let member = &self.members[device.index()];
        let (Some(room_id), cursor) = (member.room.clone(), member.cursor.clone()) else { return };
        let call = Call::GetInvitationList { room_id, cursor, count: 0.0 };
        let now = floor.now();
        self.issue(floor, device, &call, Why::End, now);
    }

    /// The next part of the end, when the last is over.
    pub(super) fn go_on(&mut self, floor: &mut Floor) {
        while self.open == 0 {
            let now = floor.now();
            match self.part {
                Part::Lists => {
                    self.part = Part::Dissolving;
                    let work = floor.work.clone();
                    for (device, room_id) in &work.rooms {
                        let call = Call::DestroyRoom { room_id: room_id.clone() };
                        if self.members[device.index()].logged_in {
                            self.issue(floor, *device, &call, Why::End, now);
                        }
                    }
                }
                Part::Dissolving => {
                    self.part = Part::LoggingOut;
                    for index in 0..self.members.len() {
                        let leaves = floor.churns || !floor.work.online[index];
                        if leaves && self.members[index].logged_in {
                            self.issue(floor, device(index), &Call::Logout {}, Why::End, now);
                        }
                    }
                }
                Part::LoggingOut => return self.finish(floor),
                _ => return,
            }
        }
    }

    fn finish(&mut self, floor: &mut Floor) {
        let now = floor.now();
        self.part = Part::Gone;
        self.worn_out |= self.members.iter().any(|member| member.offline);
        let next = Episode::new(self.names.clone(), self.members.len(), now);
        let mut done = std::mem::replace(&mut self.episode, next);
        done.ended = now;
        self.past.push_back(done);
        if floor.over {
            return;
        }
        floor.getting_ready += 1;
        floor.work_for.push_back(match self.worn_out {
            true => Next::Replace(self.number),
            false => Next::Prepare(self.number),
        });
    }

    pub(super) fn fail_to_get_ready(&mut self, floor: &mut Floor, words: &str) {
        if !matches!(self.part, Part::Setup(_)) {
            return;
        }
        floor.failures += 1;
        floor.failure = Some(words.to_owned());
        self.part = Part::Gone;
        if !floor.over {
            floor.work_for.push_back(Next::Replace(self.number));
        }
    }

    /// Looks after calls that hang, and hands over traces that no late event can change any more. With `all`, every trace.
    pub(in crate::load) fn sweep(&mut self, floor: &mut Floor, all: bool) {
        let now = floor.now();
        let patience = PATIENCE + floor.work.longest_wait;
        if now.since(self.active) > patience {
            match self.part {
                Part::Body => self.end(floor, false),
                Part::Lists | Part::Dissolving | Part::LoggingOut => {
                    self.worn_out = true;
                    self.open = 0;
                    self.go_on(floor);
                }
                Part::Setup(_) if !self.members.iter().any(|member| member.connection.is_some()) => {}
                Part::Setup(_) => self.fail_to_get_ready(floor, "nothing came back in time"),
                Part::Ready | Part::Gone => {}
            }
        }
        while self.past.front().is_some_and(|past| all || now.since(past.ended) >= floor.lag) {
            if let Some(mut past) = self.past.pop_front() {
                // A trace says until when it was watched: what was due by then and did not come is missing.
                past.record(now, Occurrence::Stage(Stage::FinalLists));
                floor.oracle.submit(past);
            }
        }
        // What went wrong in a cast that is not at play has no call of its own to stand in.
        if all && !self.episode.misdirected.is_empty() {
            let next = Episode::new(self.names.clone(), self.members.len(), now);
            floor.oracle.submit(std::mem::replace(&mut self.episode, next));
        }
    }

    /// Whether no call is under way, and every trace has been handed over.
    pub(in crate::load) fn is_settled(&self) -> bool {
        self.past.is_empty() && matches!(self.part, Part::Setup(_) | Part::Ready | Part::Gone)
    }
}
