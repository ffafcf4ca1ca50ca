//! Faults of the client library: of what it hands to the application, of what it sends, and of how it was set up.

use std::sync::Arc;

use super::wire::{DeviceMemory, shell, unchanged};
use super::{Mutant, Part, Seam};
use crate::protocol::call::{AttemptRef, Call, Reply};
use crate::protocol::device::{DeviceInput, DeviceOutput};
use crate::protocol::event::{Event, StampedEvent};
use crate::protocol::message::{ClientMessage, Content, Request, ServerMessage};
use crate::protocol::vocabulary::{
    ApiError, AttemptNo, ErrorCode, EventName, InvitationStatus, KickedOutOfRoomReason, OperationName, RequestId,
};
use crate::time::Duration;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "attendees-never-called-are-left-out",
        seam: Seam::Device,
        breaks: &["ROOM-7"],
        fault: "fetchNotEnteredList leaves out scheduled attendees who were never called.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |_, _, _, outputs| {
                for output in outputs {
                    if let DeviceOutput::Returned { result: Ok(Reply::NotEntered(users)), .. } = output {
                        *users = users.iter().filter(|user| user.status != InvitationStatus::None).cloned().collect();
                    }
                }
            })
        }),
    },
    Mutant {
        name: "attendees-hide-their-calls",
        seam: Seam::Device,
        breaks: &["ROOM-7"],
        fault: "fetchNotEnteredList shows everybody as not called.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |_, _, _, outputs| {
                for output in outputs {
                    if let DeviceOutput::Returned { result: Ok(Reply::NotEntered(users)), .. } = output {
                        let mut shown = users.to_vec();
                        shown.iter_mut().for_each(|user| user.status = InvitationStatus::None);
                        *users = shown.into();
                    }
                }
            })
        }),
    },
    Mutant {
        name: "answers-name-no-attempt",
        seam: Seam::Device,
        breaks: &["ACC-1"],
        fault: "The library does not say which call an accept or reject is for.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |_, _, _, outputs| rename_attempts(outputs, |_| None))
        }),
    },
    Mutant {
        name: "answers-name-the-first-attempt",
        seam: Seam::Device,
        breaks: &["ACC-1"],
        fault: "The library names the first attempt, whichever is ringing.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |_, _, _, outputs| {
                rename_attempts(outputs, |named| Some(AttemptRef { attempt: AttemptNo(1), ..named }));
            })
        }),
    },
    Mutant {
        name: "answers-busy-unasked",
        seam: Seam::Device,
        breaks: &["REJ-5"],
        fault: "The library rejects for a busy user although nobody switched that on.",
        part: Part::Library(|config| config.auto_busy = true),
    },
    Mutant {
        name: "busy-reasons-are-exchanged",
        seam: Seam::Device,
        breaks: &["REJ-5"],
        fault: "When it answers for a busy user, the library says 0 inside another room and 1 when it is ringing.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |memory, _, input, outputs| {
                let by_itself = matches!(input, DeviceInput::Message(ServerMessage::Event { .. }));
                for request in requests(outputs) {
                    if request.content.operation() != Some(OperationName::Reject) {
                        continue;
                    }
                    if by_itself {
                        memory.own.insert(request.id.clone());
                    }
                    if let (true, Content::Call(call)) = (memory.own.contains(&request.id), &mut request.content)
                        && let Call::Reject { reason, .. } = Arc::make_mut(call)
                    {
                        *reason = 1 - *reason;
                    }
                }
            })
        }),
    },
    Mutant {
        name: "busy-device-rejects-where-it-is-entering",
        seam: Seam::Device,
        breaks: &["REJ-6"],
        fault: "A library that answers for a busy user rejects a call to the room that it is in or is entering.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |memory, device, input, outputs| {
                for request in requests(outputs) {
                    if let Content::Call(call) = &request.content
                        && let Call::EnterRoom { room_id, .. } = &**call
                    {
                        memory.entering.insert(room_id.clone());
                    }
                }
                let DeviceInput::Message(ServerMessage::Event { event, .. }) = input else { return };
                let Event::ReceiveInvitation { room_info, .. } = &event.event else { return };
                let room_id = &room_info.room_id;
                if memory.auto_busy && (memory.entering.contains(room_id) || device.room() == Some(room_id)) {
                    let id = RequestId::from(format!("busy-{}", memory.seq));
                    let call = Call::Reject { room_id: room_id.clone(), reason: 1, attempt: None };
                    let request = Request { id, received: memory.seq, content: Content::Call(Arc::new(call)) };
                    outputs.push(DeviceOutput::Send(ClientMessage::Request(request.into())));
                }
            })
        }),
    },
    Mutant {
        name: "handler-registered-twice-runs-twice",
        seam: Seam::Device,
        breaks: &["EVT-9"],
        fault: "A handler that is registered twice is called twice.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |memory, _, input, outputs| {
                register(memory, input);
                let twice = outputs.drain(..).flat_map(|output| {
                    let times = match &output {
                        DeviceOutput::Handler { handler, event } => {
                            memory.handlers.get(&(event.event.name(), handler.clone())).map_or(1, |(times, _)| *times)
                        }
                        _ => 1,
                    };
                    std::iter::repeat_n(output, times as usize)
                });
                *outputs = twice.collect();
            })
        }),
    },
    Mutant {
        name: "handler-removed-by-a-handler-is-skipped",
        seam: Seam::Device,
        breaks: &["EVT-9"],
        fault: "A handler that an earlier one removes is not called for the event under way.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |memory, _, input, outputs| {
                register(memory, input);
                let mut removed: Vec<(EventName, Arc<str>)> = Vec::new();
                outputs.retain(|output| {
                    let DeviceOutput::Handler { handler, event } = output else { return true };
                    let key = (event.event.name(), handler.clone());
                    if removed.contains(&key) {
                        return false;
                    }
                    if let Some((_, removes)) = memory.handlers.get(&key) {
                        removed.extend(removes.iter().map(|other| (key.0, other.clone())));
                    }
                    true
                });
            })
        }),
    },
    Mutant {
        name: "first-handler-stops-the-others",
        seam: Seam::Device,
        breaks: &["EVT-9"],
        fault: "Of several handlers of an event only the first is called.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |_, _, _, outputs| {
                let mut called: Option<Arc<StampedEvent>> = None;
                outputs.retain(|output| {
                    let DeviceOutput::Handler { event, .. } = output else { return true };
                    let again = called.as_ref().is_some_and(|called| Arc::ptr_eq(called, event));
                    called = Some(event.clone());
                    !again
                });
            })
        }),
    },
    Mutant {
        name: "any-end-closes-the-ring",
        seam: Seam::Device,
        breaks: &["DEV-8"],
        fault: "The library hands over every closing event, whether this session heard of the call or not.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |memory, _, input, outputs| {
                unfiltered(memory, input, outputs, |event| event.name().closes_ring());
            })
        }),
    },
    Mutant {
        name: "stale-list-events-are-handed-over",
        seam: Seam::Device,
        breaks: &["ORD-5", "REC-3"],
        fault: "The library hands over list events that a page has overtaken.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |memory, _, input, outputs| {
                unfiltered(memory, input, outputs, |event| event.name().is_list());
            })
        }),
    },
    Mutant {
        name: "stale-pages-are-handed-over",
        seam: Seam::Device,
        breaks: &["ORD-5", "REC-3"],
        fault: "The library hands over a page that events have overtaken, instead of reading again.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |memory, _, input, outputs| {
                if let DeviceInput::Call { call, content } = input
                    && content.operation() == OperationName::GetInvitationList
                {
                    memory.lists.push(*call);
                }
                let page = match input {
                    DeviceInput::Message(ServerMessage::Response(response)) => match &response.result {
                        Ok(page @ Reply::List(_)) => Some(page.clone()),
                        _ => None,
                    },
                    _ => None,
                };
                let reads_again = requests(outputs)
                    .any(|request| request.content.operation() == Some(OperationName::GetInvitationList));
                let returned = &memory.returned;
                outputs
                    .retain(|output| !matches!(output, DeviceOutput::Returned { call, .. } if returned.contains(call)));
                if let (Some(page), true) = (page, reads_again)
                    && let Some(call) = memory.lists.iter().copied().find(|call| !memory.returned.contains(call))
                {
                    outputs.push(DeviceOutput::Returned { call, result: Ok(page) });
                }
                for output in outputs {
                    if let DeviceOutput::Returned { call, .. } = output {
                        memory.returned.insert(*call);
                    }
                }
            })
        }),
    },
    Mutant {
        name: "duplicates-are-handed-over",
        seam: Seam::Device,
        breaks: &["IDM-4"],
        fault: "An event that comes twice is handed over twice.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |memory, _, input, outputs| {
                if let DeviceInput::Message(ServerMessage::Event { seq, event }) = input
                    && *seq <= memory.seq
                {
                    outputs.push(DeviceOutput::Event(event.clone()));
                }
            })
        }),
    },
    Mutant {
        name: "repeats-under-a-new-id",
        seam: Seam::Device,
        breaks: &["IDM-5", "IDM-1"],
        fault: "The library repeats an unanswered request under another id.",
        part: Part::DeviceNode(|config| {
            shell(
                config,
                |_, mut input| {
                    if let DeviceInput::Message(ServerMessage::Response(response)) = &mut input
                        && let Some((given, _)) = response.id.as_str().split_once('~')
                    {
                        let given = RequestId::from(given);
                        Arc::make_mut(response).id = given;
                    }
                    input
                },
                |memory, _, _, outputs| {
                    for request in requests(outputs) {
                        let times = memory.sent.entry(request.id.clone()).or_insert(0);
                        *times += 1;
                        if *times > 1 {
                            request.id = RequestId::from(format!("{}~{times}", request.id));
                        }
                    }
                },
            )
        }),
    },
    Mutant {
        name: "nothing-is-repeated",
        seam: Seam::Device,
        breaks: &["IDM-5"],
        fault: "The library does not repeat what was unanswered when the connection was lost.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |memory, _, _, outputs| {
                outputs.retain(|output| {
                    let DeviceOutput::Send(ClientMessage::Request(request)) = output else { return true };
                    let times = memory.sent.entry(request.id.clone()).or_insert(0);
                    *times += 1;
                    *times == 1
                });
            })
        }),
    },
    Mutant {
        name: "gives-up-too-early",
        seam: Seam::Device,
        breaks: &["IDM-5"],
        fault: "The library gives a call up a second before request_timeout.",
        part: Part::Library(|config| {
            Arc::make_mut(&mut config.bounds).request_timeout =
                config.bounds.request_timeout.saturating_sub(Duration::from_secs(1));
        }),
    },
    Mutant {
        name: "gives-up-too-late",
        seam: Seam::Device,
        breaks: &["IDM-5"],
        fault: "The library gives a call up a second after request_timeout.",
        part: Part::Library(|config| {
            Arc::make_mut(&mut config.bounds).request_timeout = config.bounds.request_timeout + Duration::from_secs(1);
        }),
    },
    Mutant {
        name: "ids-begin-anew-with-each-start",
        seam: Seam::Device,
        breaks: &["IDM-1", "IDM-2"],
        fault: "A library that is started again uses its request ids again.",
        part: Part::DeviceNode(|config| {
            shell(
                config,
                |_, input| match input {
                    DeviceInput::Started { .. } => DeviceInput::Started { entropy: [0; 32] },
                    input => input,
                },
                |_, _, _, _| {},
            )
        }),
    },
    Mutant {
        name: "bad-room-ids-are-bad-parameters",
        seam: Seam::Device,
        breaks: &["ERR-2", "ERR-1"],
        fault: "The library refuses a malformed roomId with -1001 instead of -2105.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |_, _, _, outputs| {
                recode(outputs, |code| match code {
                    ErrorCode::ROOM_ID_INVALID => ErrorCode::INVALID_PARAMETER,
                    code => code,
                });
            })
        }),
    },
    Mutant {
        name: "codes-of-the-server-become-failed",
        seam: Seam::Device,
        breaks: &["ERR-4"],
        fault: "The library tells the application -1 for every code that it does not use itself.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |_, _, _, outputs| {
                recode(outputs, |code| if code.0 > 0 { ErrorCode::FAILED } else { code });
            })
        }),
    },
    Mutant {
        name: "eviction-is-not-told",
        seam: Seam::Device,
        breaks: &["DEV-9"],
        fault: "The library does not hand onKickedOffLine over.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |_, _, _, outputs| {
                unheard(outputs, |event| event.name() == EventName::KickedOffLine);
            })
        }),
    },
    Mutant {
        name: "lost-session-is-not-told",
        seam: Seam::Device,
        breaks: &["TERM-2", "REC-1", "REC-3"],
        fault: "The library does not say that the place in the room went with the old session.",
        part: Part::DeviceNode(|config| {
            shell(config, unchanged, |_, _, _, outputs| {
                unheard(outputs, |event| {
                    matches!(event, Event::KickedOutOfRoom { reason, .. }
                        if *reason == KickedOutOfRoomReason::JoinRoomStatusInvalidDuringOffline)
                });
            })
        }),
    },
];

/// The requests that go out.
fn requests(outputs: &mut [DeviceOutput]) -> impl Iterator<Item = &mut Request> {
    outputs.iter_mut().filter_map(|output| match output {
        DeviceOutput::Send(ClientMessage::Request(request)) => Some(Arc::make_mut(request)),
        _ => None,
    })
}

fn rename_attempts(outputs: &mut [DeviceOutput], name: impl Fn(AttemptRef) -> Option<AttemptRef>) {
    for request in requests(outputs) {
        if let Content::Call(call) = &mut request.content
            && let Call::Accept { attempt, .. } | Call::Reject { attempt, .. } = Arc::make_mut(call)
        {
            *attempt = attempt.and_then(&name);
        }
    }
}

fn recode(outputs: &mut [DeviceOutput], code: impl Fn(ErrorCode) -> ErrorCode) {
    for output in outputs {
        if let DeviceOutput::Returned { result: Err(error), .. } = output {
            *error = ApiError::new(code(error.code), error.message.clone());
        }
    }
}

/// The application and its handlers do not hear what is so.
fn unheard(outputs: &mut Vec<DeviceOutput>, is_so: impl Fn(&Event) -> bool) {
    outputs.retain(|output| match output {
        DeviceOutput::Event(event) | DeviceOutput::Handler { event, .. } => !is_so(&event.event),
        _ => true,
    });
}

/// Keeps count of handlers.
fn register(memory: &mut DeviceMemory, input: &DeviceInput) {
    match input {
        DeviceInput::On { event, handler, removes } => {
            let known = memory.handlers.entry((*event, handler.clone())).or_insert((0, removes.clone()));
            known.0 += 1;
        }
        DeviceInput::Off { event, handler } => {
            memory.handlers.remove(&(*event, handler.clone()));
        }
        _ => {}
    }
}

/// Hands over what came in its turn and was kept from the application.
fn unfiltered(
    memory: &DeviceMemory,
    input: &DeviceInput,
    outputs: &mut Vec<DeviceOutput>,
    is_so: impl Fn(&Event) -> bool,
) {
    let DeviceInput::Message(ServerMessage::Event { seq, event }) = input else { return };
    let heard = outputs.iter().any(|output| matches!(output, DeviceOutput::Event(heard) if heard == event));
    if *seq == memory.seq + 1 && is_so(&event.event) && !heard {
        outputs.push(DeviceOutput::Event(event.clone()));
    }
}
