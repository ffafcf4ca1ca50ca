//! Faults of the session layer (DEV, IDM, REC, ERR): what it is handed is changed before it sees it, or what it sends.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::wire::{ServerMemory, around, as_it_comes, as_they_go};
use super::{Mutant, Part, Seam};
use crate::protocol::Node;
use crate::protocol::core::{Effects, InvitationCore, SessionSlot, Transition};
use crate::protocol::logic::Logic;
use crate::protocol::message::{ClientMessage, ConnectionNo, Response, ServerMessage};
use crate::protocol::service::{Record, Service, ServiceConfig, ServiceInput, ServiceOutput};
use crate::protocol::vocabulary::{ApiError, ErrorCode, EventName, Platform, RequestId};
use crate::time::Instant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "device-is-its-connection",
        seam: Seam::Session,
        breaks: &["DEV-5", "REC-2", "IDM-1", "IDM-3"],
        fault: "A device that connects again is taken for another device of the user.",
        part: Part::ServerNode(|config| {
            around(
                config,
                |_, mut input| {
                    if let ServiceInput::Message { connection, message: ClientMessage::Login(login) } = &mut input {
                        let name = format!("{} on {}", login.identity.device_id, connection.0);
                        Arc::make_mut(login).identity.device_id = name.into();
                    }
                    Some(input)
                },
                as_they_go,
            )
        }),
    },
    Mutant {
        name: "evicted-without-a-word",
        seam: Seam::Session,
        breaks: &["DEV-9"],
        fault: "A session that a login on the same platform ends does not hear onKickedOffLine.",
        part: Part::ServerNode(|config| {
            around(config, as_it_comes, |_, outputs| {
                outputs.retain(|output| event_of(output) != Some(EventName::KickedOffLine));
            })
        }),
    },
    Mutant {
        name: "two-sessions-on-one-platform",
        seam: Seam::Session,
        breaks: &["DEV-9"],
        fault: "A login on the same platform leaves the older session as it is.",
        part: Part::ServerNode(|config| {
            around(
                config,
                |memory, mut input| {
                    if let ServiceInput::Message { message: ClientMessage::Login(login), .. } = &mut input {
                        let mut devices: Vec<_> = memory
                            .logins
                            .values()
                            .filter(|other| other.user_id == login.identity.user_id)
                            .map(|other| &other.device_id)
                            .collect();
                        devices.sort();
                        devices.dedup();
                        let place = devices.iter().position(|device| **device == login.identity.device_id);
                        let platforms = Platform::ALL;
                        Arc::make_mut(login).identity.platform = platforms[place.unwrap_or(0) % platforms.len()];
                    }
                    Some(input)
                },
                as_they_go,
            )
        }),
    },
    Mutant {
        name: "repeats-are-executed",
        seam: Seam::Session,
        breaks: &["IDM-1"],
        fault: "A request that comes again under the same id is executed again.",
        part: Part::ServerNode(|config| {
            around(
                config,
                |memory, mut input| {
                    if let ServiceInput::Message { connection, message: ClientMessage::Request(request) } = &mut input
                        && let Some((_, before @ 1..)) = memory.ask(*connection, request)
                    {
                        Arc::make_mut(request).id = RequestId::from(format!("{}~{before}", request.id));
                    }
                    Some(input)
                },
                |_, outputs| outputs.iter_mut().for_each(restore_id),
            )
        }),
    },
    Mutant {
        name: "content-of-an-id-is-not-compared",
        seam: Seam::Session,
        breaks: &["IDM-2"],
        fault: "Another request under an id that was used gets the result of the first one.",
        part: Part::ServerNode(|config| {
            around(
                config,
                |memory, mut input| {
                    if let ServiceInput::Message { connection, message: ClientMessage::Request(request) } = &mut input
                        && request.content.changes_state()
                        && let Some((content, 1..)) = memory.ask(*connection, request)
                    {
                        Arc::make_mut(request).content = content;
                    }
                    Some(input)
                },
                as_they_go,
            )
        }),
    },
    Mutant {
        name: "overload-is-remembered",
        seam: Seam::Session,
        breaks: &["ERR-6", "IDM-1", "SEC-6"],
        fault: "A request that was refused with -2 gets -2 again whenever it is repeated under its id.",
        part: Part::ServerNode(|config| Box::new(Overloaded::new(config))),
    },
    Mutant {
        name: "restart-forgets-results",
        seam: Seam::Session,
        breaks: &["IDM-1", "REC-4"],
        fault: "After a restart requests that were answered before are executed again.",
        part: Part::ServerNode(|config| {
            around(
                config,
                |memory, mut input| {
                    if let ServiceInput::Message { message: ClientMessage::Request(request), .. } = &mut input
                        && let Some(restarted) = memory.restarted
                    {
                        Arc::make_mut(request).id = RequestId::from(format!("{}~{}", request.id, restarted.as_nanos()));
                    }
                    Some(input)
                },
                |_, outputs| outputs.iter_mut().for_each(restore_id),
            )
        }),
    },
    Mutant {
        name: "restart-forgets-sessions",
        seam: Seam::Session,
        breaks: &["REC-4"],
        fault: "After a restart no session can be resumed.",
        part: Part::ServerNode(|config| {
            around(
                config,
                |memory, mut input| {
                    if let ServiceInput::Message { message: ClientMessage::Login(login), .. } = &mut input
                        && login.resume.as_ref().is_some_and(|resume| !memory.tokens.contains(&resume.session))
                    {
                        Arc::make_mut(login).resume = None;
                    }
                    Some(input)
                },
                as_they_go,
            )
        }),
    },
    Mutant {
        name: "nothing-is-resumed",
        seam: Seam::Session,
        breaks: &["REC-2", "TERM-1"],
        fault: "A device that comes back within the window gets a new session.",
        part: Part::ServerNode(|config| {
            around(
                config,
                |_, mut input| {
                    if let ServiceInput::Message { message: ClientMessage::Login(login), .. } = &mut input {
                        Arc::make_mut(login).resume = None;
                    }
                    Some(input)
                },
                as_they_go,
            )
        }),
    },
    Mutant {
        name: "missed-events-are-lost",
        seam: Seam::Session,
        breaks: &["REC-2"],
        fault: "What happens while a session is suspended is not kept for it, and leaves no gap.",
        part: Part::ServerNode(|config| Box::new(Forgetful(Service::with_logic(config, Deaf::default())))),
    },
    Mutant {
        name: "missed-events-come-newest-first",
        seam: Seam::Session,
        breaks: &["REC-2", "ORD-2"],
        fault: "What a device has missed is sent to it in reverse.",
        part: Part::ServerNode(|config| {
            around(config, as_it_comes, |_, outputs| {
                let resumed = outputs.iter().position(|output| {
                    matches!(output, ServiceOutput::Send { message: ServerMessage::LoggedIn { resumed: true, .. }, .. })
                });
                if let Some(resumed) = resumed {
                    outputs[resumed + 1..].reverse();
                }
            })
        }),
    },
    Mutant {
        name: "lost-connections-go-unnoticed",
        seam: Seam::Session,
        breaks: &["REC-1", "REC-2", "TERM-1", "TERM-2"],
        fault: "A session whose connection is lost never ends, and replays everything.",
        part: Part::ServerNode(|config| {
            around(
                config,
                |_, input| match input {
                    ServiceInput::Closed { .. } => None,
                    input => Some(input),
                },
                as_they_go,
            )
        }),
    },
    Mutant {
        name: "acknowledged-events-come-again",
        seam: Seam::Session,
        breaks: &["REC-2", "REC-4", "IDM-4"],
        fault: "A session that is resumed gets everything again that it has ever been sent.",
        part: Part::ServerNode(|config| {
            around(
                config,
                |_, mut input| match &mut input {
                    ServiceInput::Message { message: ClientMessage::Acknowledge { .. }, .. } => None,
                    ServiceInput::Message { message: ClientMessage::Request(request), .. } => {
                        Arc::make_mut(request).received = 0;
                        Some(input)
                    }
                    ServiceInput::Message { message: ClientMessage::Login(login), .. } => {
                        if let Some(resume) = &mut Arc::make_mut(login).resume {
                            resume.received = 0;
                        }
                        Some(input)
                    }
                    _ => Some(input),
                },
                as_they_go,
            )
        }),
    },
    Mutant {
        name: "hints-are-sent-again",
        seam: Seam::Session,
        breaks: &["REC-6"],
        fault: "Push hints are sent twice, and so for calls that may be over.",
        part: Part::ServerNode(|config| {
            around(config, as_it_comes, |_, outputs| {
                let again: Vec<ServiceOutput> =
                    outputs.iter().filter(|output| matches!(output, ServiceOutput::PushHint(_))).cloned().collect();
                outputs.extend(again);
            })
        }),
    },
    Mutant {
        name: "every-request-is-answered-twice",
        seam: Seam::Session,
        breaks: &["IDM-1", "ERR-4", "ORD-3"],
        fault: "Each response goes out twice.",
        part: Part::ServerNode(|config| {
            around(config, as_it_comes, |_, outputs| {
                let twice = outputs.drain(..).flat_map(|output| {
                    let responds = matches!(output, ServiceOutput::Send { message: ServerMessage::Response(_), .. });
                    let again = responds.then(|| output.clone());
                    [output].into_iter().chain(again)
                });
                *outputs = twice.collect();
            })
        }),
    },
    Mutant {
        name: "events-go-to-the-device-that-asked",
        seam: Seam::Session,
        breaks: &["EVT-1", "DEV-4", "DEV-1", "CAN-5"],
        fault: "In a batch of events that one request causes, the first two recipients are mixed up.",
        part: Part::ServerNode(|config| {
            around(config, as_it_comes, |_, outputs| {
                let events: Vec<usize> =
                    (0..outputs.len()).filter(|index| event_of(&outputs[*index]).is_some()).collect();
                let [first, second, ..] = events[..] else { return };
                let (one, other) = (connection_of(&outputs[first]), connection_of(&outputs[second]));
                if let (Some(one), Some(other)) = (one, other)
                    && one != other
                {
                    exchange(outputs, first, second);
                }
            })
        }),
    },
];

/// Gives each of two events the payload of the other; their numbers stay.
fn exchange(outputs: &mut [ServiceOutput], first: usize, second: usize) {
    let event = |output: &ServiceOutput| match output {
        ServiceOutput::Send { message: ServerMessage::Event { event, .. }, .. } => Some(event.clone()),
        _ => None,
    };
    let (one, other) = (event(&outputs[first]), event(&outputs[second]));
    for (index, given) in [(first, other), (second, one)] {
        if let (ServiceOutput::Send { message: ServerMessage::Event { event, .. }, .. }, Some(given)) =
            (&mut outputs[index], given)
        {
            *event = given;
        }
    }
}

fn event_of(output: &ServiceOutput) -> Option<EventName> {
    match output {
        ServiceOutput::Send { message: ServerMessage::Event { event, .. }, .. } => Some(event.event.name()),
        _ => None,
    }
}

const fn connection_of(output: &ServiceOutput) -> Option<ConnectionNo> {
    match output {
        ServiceOutput::Send { connection, .. } => Some(*connection),
        _ => None,
    }
}

/// The id that the client gave.
fn restore_id(output: &mut ServiceOutput) {
    if let ServiceOutput::Send { message: ServerMessage::Response(response), .. } = output
        && let Some((given, _)) = response.id.as_str().split_once('~')
    {
        let given = RequestId::from(given);
        Arc::make_mut(response).id = given;
    }
}

/// The server that keeps the result -2.
struct Overloaded {
    inner: Service,
    memory: ServerMemory,
    refused: BTreeSet<(ConnectionNo, RequestId)>,
}

impl Overloaded {
    fn new(config: ServiceConfig) -> Self {
        Self { inner: Service::new(config), memory: ServerMemory::default(), refused: BTreeSet::new() }
    }
}

impl Node for Overloaded {
    type Input = ServiceInput;
    type Output = ServiceOutput;

    fn step(&mut self, now: Instant, input: ServiceInput, outputs: &mut Vec<ServiceOutput>) {
        if let ServiceInput::Message { connection, message: ClientMessage::Login(login) } = &input {
            self.memory.logins.insert(*connection, login.identity.clone());
        }
        if let ServiceInput::Message { connection, message: ClientMessage::Request(request) } = &input
            && self.refused.contains(&(*connection, request.id.clone()))
        {
            let error = ApiError::new(ErrorCode::FREQ_LIMIT, "too many calls");
            let response = Response { id: request.id.clone(), result: Err(error), at: None };
            let message = ServerMessage::Response(response.into());
            outputs.push(ServiceOutput::Send { connection: *connection, message });
            return;
        }
        let before = outputs.len();
        self.inner.step(now, input, outputs);
        for output in &outputs[before..] {
            if let ServiceOutput::Send { connection, message: ServerMessage::Response(response) } = output
                && matches!(&response.result, Err(error) if error.code == ErrorCode::FREQ_LIMIT)
            {
                self.refused.insert((*connection, response.id.clone()));
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.inner.next_deadline()
    }
}

/// The core that tells suspended sessions nothing.
#[derive(Default)]
struct Deaf {
    suspended: BTreeSet<SessionSlot>,
}

impl Logic for Deaf {
    fn apply(&mut self, core: &mut InvitationCore, at: Instant, transition: &Transition, effects: &mut Effects) {
        core.apply(at, transition, effects);
        effects.events.retain(|(slot, _)| !self.suspended.contains(slot));
    }
}

/// The server over it, which knows who is suspended from what it writes down.
struct Forgetful(Service<Deaf>);

impl Node for Forgetful {
    type Input = ServiceInput;
    type Output = ServiceOutput;

    fn step(&mut self, now: Instant, input: ServiceInput, outputs: &mut Vec<ServiceOutput>) {
        let before = outputs.len();
        self.0.step(now, input, outputs);
        let suspended = &mut self.0.logic_mut().suspended;
        for output in &outputs[before..] {
            let ServiceOutput::Persist(record) = output else { continue };
            match &**record {
                Record::Suspended { slot, .. } => {
                    suspended.insert(*slot);
                }
                Record::Resumed { slot, .. } | Record::SessionEnded { slot, .. } => {
                    suspended.remove(slot);
                }
                _ => {}
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.0.next_deadline()
    }
}
