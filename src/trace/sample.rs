//! A plan and a trace written by hand, for the tests of whatever reads traces.

use std::sync::Arc;

use super::outside::Vantage;
use super::{CallNo, ConnectionNo, Moment, Occurrence, Stage, Trace};
use crate::plan::{
    Action, DeviceIndex, DeviceKind, Network, Place, Plan, PlannedDevice, ServicePlan, SnapshotPlan, Source, Step, When,
};
use crate::protocol::call::{Call, DeviceIdentity, InvitationPage, ListItem, Reply};
use crate::protocol::event::{AttemptOf, Event, Invitation, RoomInfo, Stamp, StampedEvent, UserInfo};
use crate::protocol::message::{ClientMessage, Content, Request, Response, ServerMessage};
use crate::protocol::vocabulary::{
    ApiError, AttemptNo, InstanceId, InvitationCode, InvitationStatus, Platform, Revision, Role, RoomType,
};
use crate::seed::Seed;
use crate::time::Instant;

/// A plan with these devices; those with an index in brackets belong to a population.
pub(crate) fn plan(devices: &[&str]) -> Plan {
    let devices = devices
        .iter()
        .map(|name| {
            let (user, device) = name.split_once('.').expect("a device is named user.device");
            let population = user.split_once('[').map(|(population, _)| Arc::from(population));
            let user = user.replace('[', "-").replace(']', "");
            PlannedDevice {
                name: Arc::from(*name),
                identity: DeviceIdentity {
                    device_id: format!("{user}-{device}").into(),
                    user_id: user.into(),
                    platform: Platform::from_name(device).unwrap_or(Platform::Desktop),
                },
                kind: if device == "raw" { DeviceKind::Raw } else { DeviceKind::Sdk },
                auto_busy: false,
                population,
            }
        })
        .collect();
    Plan {
        source: Source { path: "scenarios/a.yaml".to_owned(), text: Arc::from("version: 1\ntitle: A title.\n") },
        title: "A title.".to_owned(),
        covers: Vec::new(),
        tags: Vec::new(),
        worlds: Vec::new(),
        seed: Seed(1),
        service: ServicePlan::default(),
        network: Network::default(),
        accounts: Vec::new(),
        devices,
        rooms: Vec::new(),
        setup: Vec::new(),
        // The calls of a recorder belong to some step.
        steps: vec![Step {
            place: Place { line: 2, column: 1 },
            when: When::At(Instant::START),
            action: Action::Online { devices: Vec::new() },
            secret: false,
        }],
        strangers: Vec::new(),
        expectations: Vec::new(),
        lasts: None,
        snapshot: SnapshotPlan::default(),
    }
}

/// Writes down moments in order.
pub(crate) struct Recorder {
    pub(crate) plan: Plan,
    pub(crate) moments: Vec<Moment>,
    calls: u32,
}

impl Recorder {
    /// A trace of these devices, at the beginning of the body.
    pub(crate) fn new(devices: &[&str]) -> Self {
        Self { plan: plan(devices), moments: Vec::new(), calls: 0 }.at(0, Occurrence::Stage(Stage::Body))
    }

    pub(crate) fn at(mut self, millis: u64, what: Occurrence) -> Self {
        self.moments.push(Moment { at: Instant::from_millis(millis), what });
        self
    }

    pub(crate) fn device(&self, name: &str) -> DeviceIndex {
        let index = self.plan.devices.iter().position(|device| &*device.name == name).expect("a device of the plan");
        DeviceIndex(u32::try_from(index).unwrap())
    }

    /// A call with a request of the same number, and the server's answer one latency of 20 ms later on each way.
    pub(crate) fn call(mut self, millis: u64, device: &str, call: Call, result: Result<Reply, ApiError>) -> Self {
        self.calls += 1;
        let (number, device) = (CallNo(self.calls), self.device(device));
        let (id, connection) = (format!("q{}", self.calls).into(), ConnectionNo(1));
        let content = Arc::new(call);
        let request = Request { id, received: 0, content: Content::Call(Arc::clone(&content)) };
        let response = Response { id: request.id.clone(), result: result.clone(), at: None };
        let message = ClientMessage::Request(request.into());
        let answer = ServerMessage::Response(response.into());
        self.at(millis, Occurrence::Called { device, call: number, content, step: Some(0) })
            .at(millis, Occurrence::DeviceSent { device, connection, message: message.clone(), step: None })
            .at(millis + 20, Occurrence::ServerReceived { device, connection, message })
            .at(millis + 20, Occurrence::ServerSent { device, connection, message: answer.clone() })
            .at(millis + 40, Occurrence::DeviceReceived { device, connection, message: answer })
            .at(millis + 40, Occurrence::Returned { device, call: number, result })
    }

    /// The server answers a login.
    pub(crate) fn logs_in(self, millis: u64, device: &str, connection: u32, resumed: bool) -> Self {
        let (device, connection) = (self.device(device), ConnectionNo(connection));
        let message = ServerMessage::LoggedIn { session: "s".into(), resumed };
        self.at(millis, Occurrence::ServerSent { device, connection, message })
    }

    pub(crate) fn sends(self, millis: u64, devices: &[&str], event: &StampedEvent) -> Self {
        devices.iter().fold(self, |recorder, device| {
            let (device, connection) = (recorder.device(device), ConnectionNo(1));
            let message = ServerMessage::Event { seq: 1, event: Arc::new(event.clone()) };
            recorder.at(millis, Occurrence::ServerSent { device, connection, message })
        })
    }

    pub(crate) fn hears(self, millis: u64, device: &str, event: &StampedEvent) -> Self {
        let (device, connection, event) = (self.device(device), ConnectionNo(1), Arc::new(event.clone()));
        let message = ServerMessage::Event { seq: 1, event: Arc::clone(&event) };
        self.at(millis, Occurrence::DeviceReceived { device, connection, message })
            .at(millis, Occurrence::Heard { device, event })
    }

    pub(crate) fn trace(mut self) -> Trace {
        self.moments.sort_by_key(|moment| moment.at);
        Trace { plan: Arc::new(self.plan), vantage: Vantage::Server, moments: self.moments }
    }
}

pub(crate) fn user(name: &str) -> UserInfo {
    UserInfo { user_id: name.into(), user_name: name.into(), avatar_url: "".into(), user_role: Role::GeneralUser }
}

pub(crate) fn room(name: &str) -> Arc<RoomInfo> {
    Arc::new(RoomInfo {
        room_id: name.into(),
        room_name: name.into(),
        room_type: RoomType::Conference,
        owner_id: "alice".into(),
        owner_name: "alice".into(),
        password: "".into(),
        create_time: 0,
        room_member_count: 1,
    })
}

pub(crate) fn invitation(invitee: &str, status: InvitationStatus) -> Arc<Invitation> {
    Arc::new(Invitation { status, invitee: user(invitee), inviter: user("alice") })
}

fn stamped(event: Event, invitee: &str) -> StampedEvent {
    let about = AttemptOf { invitee: invitee.into(), attempt: AttemptNo(1) };
    StampedEvent { stamp: Some(Stamp { instance: InstanceId(1), revision: Revision(4), about: Some(about) }), event }
}

/// alice calls in r1.
pub(crate) fn receive(invitee: &str) -> StampedEvent {
    let invitation = invitation(invitee, InvitationStatus::Pending);
    stamped(Event::ReceiveInvitation { room_info: room("r1"), invitation, extension_info: "secret".into() }, invitee)
}

/// The list of r1 has a new attempt of alice's.
pub(crate) fn added(invitee: &str) -> StampedEvent {
    let invitation = invitation(invitee, InvitationStatus::Pending);
    stamped(Event::InvitationAdded { room_id: Some("r1".into()), room_info: Some(room("r1")), invitation }, invitee)
}

/// alice calls these users to r1.
pub(crate) fn invite(users: &[&str]) -> Call {
    Call::InviteUsers {
        room_id: "r1".into(),
        user_id_list: users.iter().map(|user| (*user).into()).collect(),
        timeout: 60.0,
        extension_info: "secret".into(),
    }
}

/// All of them ring.
pub(crate) fn invited(users: &[&str]) -> Reply {
    Reply::Invited(users.iter().map(|user| ((*user).into(), InvitationCode::Success)).collect())
}

/// A page with these users, who have not answered.
pub(crate) fn page(invitees: &[&str]) -> Reply {
    let item = |invitee: &&str| ListItem {
        invitation: invitation(invitee, InvitationStatus::Timeout),
        attempt: AttemptNo(1),
        revision: Revision(5),
    };
    Reply::List(Arc::new(InvitationPage { invitation_list: invitees.iter().map(item).collect(), cursor: "".into() }))
}

/// alice calls bob, whose phone rings; at the end her list shows him.
pub(crate) fn a_call_to_bob() -> Recorder {
    let list = Call::GetInvitationList { room_id: "r1".into(), cursor: "".into(), count: 20.0 };
    Recorder::new(&["alice.web", "bob.phone", "bob.tablet"])
        .call(0, "alice.web", invite(&["bob"]), Ok(invited(&["bob"])))
        .sends(20, &["bob.phone", "bob.tablet"], &receive("bob"))
        .sends(20, &["alice.web"], &added("bob"))
        .hears(40, "alice.web", &added("bob"))
        .hears(40, "bob.phone", &receive("bob"))
        .hears(40, "bob.tablet", &receive("bob"))
        .at(5000, Occurrence::Stage(Stage::Epilogue))
        .at(5000, Occurrence::Stage(Stage::FinalLists))
        .call(5000, "alice.web", list, Ok(page(&["bob"])))
}
