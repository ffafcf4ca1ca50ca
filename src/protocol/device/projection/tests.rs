use proptest::prelude::*;

use super::*;
use crate::protocol::call::ListItem;
use crate::protocol::event::{Invitation, RoomInfo, Stamp};
use crate::protocol::vocabulary::{AttemptNo, Cursor, Role, RoomId, RoomType};

const INSTANCE: InstanceId = InstanceId(7);

fn at(revision: u64) -> RoomPoint {
    RoomPoint { instance: INSTANCE, revision: Revision(revision) }
}

fn user(id: &str) -> UserInfo {
    UserInfo { user_id: id.into(), user_name: id.into(), avatar_url: "".into(), user_role: Role::GeneralUser }
}

fn users(ids: &[&str]) -> Vec<UserInfo> {
    ids.iter().map(|id| user(id)).collect()
}

fn invitation(id: &str, status: InvitationStatus) -> Arc<Invitation> {
    Arc::new(Invitation { status, invitee: user(id), inviter: user("alice") })
}

fn page(items: &[(&str, InvitationStatus)], last: bool) -> InvitationPage {
    let item = |(id, status): &(&str, InvitationStatus)| ListItem {
        invitation: invitation(id, *status),
        attempt: AttemptNo(1),
        revision: Revision(1),
    };
    InvitationPage {
        invitation_list: items.iter().map(item).collect(),
        cursor: Cursor::from(if last { "" } else { "more" }),
    }
}

/// What can be heard of a room.
#[derive(Clone, Copy, Debug)]
enum News<'a> {
    Added(&'a str),
    Changed(&'a str, InvitationStatus),
    Removed(&'a str),
    Entered(&'a str),
    Left(&'a str),
    Scheduled(&'a str),
    Unscheduled(&'a str),
}

fn event(revision: u64, news: News<'_>) -> StampedEvent {
    let room_id = RoomId::from("r1");
    let room_info = Arc::new(RoomInfo {
        room_id: room_id.clone(),
        room_name: "".into(),
        room_type: RoomType::Conference,
        owner_id: "alice".into(),
        owner_name: "".into(),
        password: "".into(),
        create_time: 0,
        room_member_count: 1,
    });
    let event = match news {
        News::Added(id) => Event::InvitationAdded {
            room_id: Some(room_id),
            room_info: Some(room_info),
            invitation: invitation(id, InvitationStatus::Pending),
        },
        News::Changed(id, status) => Event::InvitationStatusChanged {
            room_id: Some(room_id),
            room_info: Some(room_info),
            invitation: invitation(id, status),
        },
        News::Removed(id) => Event::InvitationRemoved {
            room_id: Some(room_id),
            room_info: Some(room_info),
            invitation: invitation(id, InvitationStatus::None),
        },
        News::Entered(id) => Event::RemoteUserEnterRoom { room_id, user_info: user(id).into() },
        News::Left(id) => Event::RemoteUserLeaveRoom { room_id, user_info: user(id).into() },
        News::Scheduled(id) => {
            Event::ScheduleAttendeesChanged { room_id, left_users: vec![], joined_users: vec![user(id)] }
        }
        News::Unscheduled(id) => {
            Event::ScheduleAttendeesChanged { room_id, left_users: vec![user(id)], joined_users: vec![] }
        }
    };
    StampedEvent { stamp: Some(Stamp { instance: INSTANCE, revision: Revision(revision), about: None }), event }
}

/// Alice entered as commit 10.
fn entered() -> Projection {
    let mut projection = Projection::default();
    projection.enter(at(10), &"alice".into());
    projection
}

fn shown(projection: &Projection) -> String {
    projection.not_entered().iter().map(|one| format!("{} {}", one.user_id, one.status)).collect::<Vec<_>>().join(", ")
}

use InvitationStatus::{Accepted, Pending, Timeout};

#[test]
fn members_win_over_entries_and_entries_over_attendees() {
    let mut projection = entered();
    projection.attendees(at(11), &users(&["alice", "dave", "bob", "carol"]));
    projection.page(at(11), true, &page(&[("erin", Timeout), ("bob", Pending)], true));
    assert_eq!(shown(&projection), "erin kTimeout, bob kPending, dave kNone, carol kNone");
    projection.members(at(11), &users(&["alice", "carol", "erin"]));
    assert_eq!(shown(&projection), "bob kPending, dave kNone");
}

#[test]
fn each_list_loses_and_keeps_a_user_by_itself() {
    let mut projection = entered();
    projection.attendees(at(10), &users(&["bob", "carol"]));
    for (revision, news, expected) in [
        (11, News::Added("bob"), "bob kPending, carol kNone"),
        (12, News::Added("carol"), "bob kPending, carol kPending"),
        (13, News::Removed("bob"), "carol kPending, bob kNone"),
        (14, News::Unscheduled("carol"), "carol kPending, bob kNone"),
        (15, News::Entered("bob"), "carol kPending"),
        (16, News::Left("bob"), "carol kPending, bob kNone"),
        (17, News::Changed("carol", Accepted), "carol kAccepted, bob kNone"),
        (18, News::Entered("carol"), "bob kNone"),
        (18, News::Removed("carol"), "bob kNone"),
        (19, News::Left("carol"), "bob kNone"),
    ] {
        projection.hear(&event(revision, news));
        assert_eq!(shown(&projection), expected, "after {news:?}");
    }
}

#[test]
fn what_is_older_than_what_was_fetched_changes_nothing() {
    let mut projection = entered();
    projection.members(at(20), &users(&["alice"]));
    projection.attendees(at(20), &users(&["bob"]));
    projection.page(at(20), true, &page(&[("dave", Pending)], true));
    for news in [News::Unscheduled("bob"), News::Scheduled("erin"), News::Entered("bob"), News::Removed("dave")] {
        projection.hear(&event(20, news));
    }
    assert_eq!(shown(&projection), "dave kPending, bob kNone");
}

#[test]
fn an_answer_older_than_an_event_keeps_the_event() {
    let mut projection = entered();
    projection.hear(&event(13, News::Unscheduled("bob")));
    projection.hear(&event(14, News::Scheduled("erin")));
    projection.hear(&event(15, News::Entered("dave")));
    projection.attendees(at(12), &users(&["bob", "dave"]));
    projection.members(at(12), &users(&["alice"]));
    assert_eq!(shown(&projection), "erin kNone");
    // The answer to an earlier request, which came later.
    projection.attendees(at(11), &users(&["carol"]));
    assert_eq!(shown(&projection), "erin kNone");
}

#[test]
fn a_traversal_counts_when_it_is_complete() {
    let mut projection = entered();
    projection.page(at(11), true, &page(&[("bob", Pending), ("carol", Pending)], true));
    projection.page(at(12), true, &page(&[("bob", Pending)], false));
    assert_eq!(shown(&projection), "bob kPending, carol kPending");
    projection.hear(&event(13, News::Changed("bob", Timeout)));
    projection.page(at(14), false, &page(&[("carol", Timeout), ("dave", Pending)], true));
    assert_eq!(shown(&projection), "bob kTimeout, carol kTimeout, dave kPending");
}

#[test]
fn a_user_who_comes_back_during_a_traversal_has_the_later_place() {
    let mut projection = entered();
    projection.page(at(11), true, &page(&[("bob", Timeout), ("carol", Pending)], false));
    projection.hear(&event(12, News::Removed("bob")));
    projection.hear(&event(13, News::Added("bob")));
    projection.page(at(13), false, &page(&[("bob", Pending)], true));
    assert_eq!(shown(&projection), "carol kPending, bob kPending");
}

#[test]
fn events_may_precede_the_answer_to_entering() {
    let mut projection = Projection::default();
    projection.hear(&event(9, News::Added("bob")));
    projection.hear(&event(11, News::Added("dave")));
    assert_eq!(shown(&projection), "");
    projection.enter(at(10), &"alice".into());
    assert_eq!(shown(&projection), "dave kPending");
    // A second answer that says the same.
    projection.enter(at(12), &"alice".into());
    assert_eq!(shown(&projection), "dave kPending");
}

const IDS: [&str; 4] = ["bob", "carol", "dave", "erin"];

/// The lists as a server has them.
#[derive(Clone, Default)]
struct Truth {
    attendees: Vec<&'static str>,
    members: Vec<&'static str>,
    entries: Vec<(&'static str, InvitationStatus)>,
}

impl Truth {
    /// What the commit comes to, if it is one.
    fn commit(&mut self, kind: u8, id: &'static str) -> Option<News<'static>> {
        let entry = self.entries.iter().position(|(known, _)| *known == id);
        let toggle = |list: &mut Vec<&'static str>| match list.iter().position(|known| *known == id) {
            Some(place) => {
                list.remove(place);
                false
            }
            None => {
                list.push(id);
                true
            }
        };
        Some(match (kind % 4, entry) {
            (0, _) => {
                if toggle(&mut self.attendees) {
                    News::Scheduled(id)
                } else {
                    News::Unscheduled(id)
                }
            }
            (1, _) => {
                if toggle(&mut self.members) {
                    News::Entered(id)
                } else {
                    News::Left(id)
                }
            }
            (2, None) => {
                self.entries.push((id, Pending));
                News::Added(id)
            }
            (2, Some(place)) => {
                self.entries[place].1 = Timeout;
                News::Changed(id, Timeout)
            }
            (_, Some(place)) => {
                self.entries.remove(place);
                News::Removed(id)
            }
            (_, None) => return None,
        })
    }

    fn not_entered(&self) -> String {
        let outside = |id: &str| !self.members.contains(&id);
        let entries = self.entries.iter().filter(|(id, _)| outside(id)).map(|(id, status)| format!("{id} {status}"));
        let called = |id: &&&str| self.entries.iter().any(|(known, _)| known == *id);
        let others = self.attendees.iter().filter(|id| outside(id) && !called(id)).map(|id| format!("{id} kNone"));
        entries.chain(others).collect::<Vec<_>>().join(", ")
    }
}

proptest! {
    /// Whatever is read when, and however late the answers to fetchAttendeeList and getUserList come: once all three
    /// lists have been read, the projection is that of the server.
    #[test]
    fn fetched_lists_and_events_meet(
        history in prop::collection::vec((any::<u8>(), prop::sample::select(&IDS[..])), 0..40),
        reads in prop::collection::vec((0..40_usize, 0..10_usize), 2..6),
        listed in 0..40_usize,
    ) {
        let mut truth = Truth::default();
        let mut projection = entered();
        let mut late: Vec<(usize, RoomPoint, Truth)> = Vec::new();
        for (moment, (kind, id)) in history.iter().copied().chain(std::iter::repeat_n((3, "nobody"), 50)).enumerate() {
            let now = at(11 + moment as u64);
            if let Some(news) = truth.commit(kind, id) {
                projection.hear(&event(now.revision.0, news));
            }
            late.extend(reads.iter().filter(|(asked, _)| *asked == moment).map(|(_, delay)| (moment + delay, now, truth.clone())));
            for (_, at, then) in late.extract_if(.., |(due, ..)| *due == moment) {
                projection.attendees(at, &users(&then.attendees));
                projection.members(at, &users(&then.members));
            }
            if listed == moment {
                let (first, second) = truth.entries.split_at(truth.entries.len() / 2);
                projection.page(now, true, &page(first, second.is_empty()));
                if !second.is_empty() {
                    projection.page(now, false, &page(second, true));
                }
            }
        }
        prop_assert_eq!(shown(&projection), truth.not_entered());
    }
}
