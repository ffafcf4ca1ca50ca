//! Readings of a requirement between which the public record does not decide, where two are common.
//!
//! An implementation that reads one otherwise than docs/PROTOCOL.md does is not silenced by that: the checks judge it by the
//! reading that it has declared, as strictly as they judge by the other. Each axis is a requirement; its first reading is
//! the one that the requirement states. Who declares what, and what a run then comes to, is the business of `run`.

mod expected;

/// An axis, for people and for whoever declares a reading by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Axis {
    /// The requirement that leaves it open.
    pub requirement: &'static str,
    /// What it is that one may read in several ways.
    pub question: &'static str,
    /// The readings: the name of each, and what it says. The first is the requirement's own.
    pub readings: &'static [(&'static str, &'static str)],
}

/// Why a reading can't be declared.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoReading {
    /// The requirement has one reading only.
    #[error("of {0} no variant is known; {known} have some", known = known())]
    NoAxis(String),
    /// It has no reading of this name.
    #[error("{requirement} has no variant `{name}`; it has {known}", known = readings(requirement))]
    NoName {
        /// Which requirement.
        requirement: &'static str,
        /// What was asked for.
        name: String,
    },
}

fn known() -> String {
    AXES.iter().map(|axis| axis.requirement).collect::<Vec<_>>().join(", ")
}

fn readings(requirement: &str) -> String {
    let axis = AXES.iter().find(|axis| axis.requirement == requirement);
    let names = axis.into_iter().flat_map(|axis| axis.readings).map(|(name, _)| format!("`{name}`"));
    names.collect::<Vec<_>>().join(", ")
}

macro_rules! axes {
    ($($(#[doc = $doc:literal])* $field:ident: $axis:ident of $requirement:literal, $question:literal {
        $own:ident = $own_name:literal, $own_words:literal;
        $($reading:ident = $name:literal, $words:literal;)+
    })*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
            pub enum $axis {
                #[doc = $own_words]
                #[default]
                $own,
                $(#[doc = $words] $reading,)+
            }
        )*

        /// The reading of each axis by which a run is judged. The default is what the requirements state.
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        pub struct Variants { $($(#[doc = $doc])* pub $field: $axis,)* }

        /// All axes.
        pub const AXES: &[Axis] = &[$(Axis {
            requirement: $requirement,
            question: $question,
            readings: &[($own_name, $own_words), $(($name, $words),)+],
        },)*];

        impl Variants {
            /// Declares the reading of this name for a requirement.
            ///
            /// # Errors
            /// When the requirement has no such reading.
            pub fn declare(&mut self, requirement: &str, name: &str) -> Result<(), NoReading> {
                match requirement {
                    $($requirement => self.$field = match name {
                        $own_name => $axis::$own,
                        $($name => $axis::$reading,)+
                        _ => return Err(NoReading::NoName { requirement: $requirement, name: name.to_owned() }),
                    },)*
                    _ => return Err(NoReading::NoAxis(requirement.to_owned())),
                }
                Ok(())
            }

            /// What is read otherwise than the requirements state: the requirement, the reading's name, and what it says.
            #[must_use]
            pub fn declared(&self) -> Vec<(&'static str, &'static str, &'static str)> {
                let mut declared = Vec::new();
                $(match self.$field {
                    $axis::$own => {}
                    $($axis::$reading => declared.push(($requirement, $name, $words)),)+
                })*
                declared
            }
        }
    };
}

axes! {
    /// Who hears onInvitationRevokedByAdmin.
    revoked: Revoked of "REV-2", "who hears onInvitationRevokedByAdmin" {
        InviteeAndInviter = "invitee-and-inviter", "the devices of the invitee, and those of the inviter unless it is the operator";
        Invitee = "invitee", "the devices of the invitee alone";
    }
    /// What a device gets that answers what another has answered.
    losing_device: LosingDevice of "DEV-3", "what a device gets that answers what another device of its user has answered" {
        Conflict = "conflict", "100102, and no event";
        NoLiveInvitation = "no-live-invitation", "-2311, as if there were none, and no event";
        Success = "success", "success, without any effect or event";
    }
    /// What members hear when somebody is called again who is on the list still.
    called_again: CalledAgain of "EVT-3", "what members hear when somebody who is on the list is called again" {
        Added = "added", "onInvitationAdded, as for the first call";
        StatusChanged = "status-changed", "onInvitationStatusChanged with kPending";
    }
    /// By what list events name the room.
    list_payload: ListPayload of "EVT-2", "by what the list events name the room" {
        Both = "both", "roomId and roomInfo";
        RoomInfo = "room-info", "roomInfo, and roomId perhaps";
        RoomId = "room-id", "roomId, and roomInfo perhaps";
    }
    /// The status in the payload of an invitation that was withdrawn or that left the list.
    gone_status: GoneStatus of "EVT-6", "which status Cancelled, Revoked and Removed show" {
        None = "none", "kNone";
        Last = "last", "the status that the invitation had until then";
    }
    /// Which devices of the inviter hear what becomes of its call.
    inviter_devices: InviterDevices of "EVT-7", "which devices of the inviter hear Accepted, Rejected, Timeout and Revoked" {
        All = "all", "all that are online, in the room or not";
        Member = "member-device", "the one by which it is in the room, and none when it is not";
    }
    /// What a cancel comes to that finds its calls answered or timed out.
    late_cancel: LateCancel of "CAN-6", "what cancelInvitation comes to that comes too late" {
        NoOp = "no-op", "success, and nothing changes";
        Fails = "fails", "-2311 where nobody whom it names is being called and somebody on the list has answered or let it time out, and nothing changes";
    }
    /// Which end of the list comes first.
    list_order: ListOrder of "LST-3", "which end of the list comes first" {
        OldestFirst = "oldest-first", "by first creation of the entry, the oldest first";
        NewestFirst = "newest-first", "by first creation of the entry, the newest first; who keeps its place is the same";
    }
    /// What the list shows to an invitee who is not in the room.
    outsiders_list: OutsidersList of "LST-9", "what getInvitationList shows to an invitee who is not in the room" {
        Own = "own-entry", "its own entry alone";
        Whole = "whole-list", "the whole list";
    }
}

impl Variants {
    /// The same, with a requirement read as it states.
    #[must_use]
    pub fn without(mut self, requirement: &str) -> Self {
        let own = AXES.iter().find(|axis| axis.requirement == requirement).map(|axis| axis.readings[0].0);
        // What has one reading alone is read so.
        let _ = own.map(|name| self.declare(requirement, name));
        self
    }

    /// Whether a requirement is read otherwise than it states.
    #[must_use]
    pub fn has(&self, requirement: &str) -> bool {
        // Most runs are judged strictly, and ask this for every expectation.
        *self != Self::default() && self.declared().iter().any(|(declared, ..)| *declared == requirement)
    }
}

/// All variants, as a Markdown table.
#[must_use]
pub fn markdown() -> String {
    let mut table = "| requirement | what is open | as it states | variants |\n|---|---|---|---|\n".to_owned();
    for Axis { requirement, question, readings } in AXES {
        let told = |(name, words): &(&str, &str)| format!("`{name}`: {words}");
        let variants: Vec<String> = readings[1..].iter().map(told).collect();
        table.push_str(&format!(
            "| {requirement} | {question} | {} | {} |\n",
            told(&readings[0]),
            variants.join("<br>")
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{AXES, NoReading, Variants};
    use crate::protocol::requirements;

    #[test]
    fn every_reading_can_be_declared_and_is_of_a_requirement_that_permits_variants() {
        for axis in AXES {
            let requirement = requirements::find(axis.requirement).unwrap_or_else(|| panic!("{}", axis.requirement));
            assert!(requirement.basis.permits_variants(), "{}", axis.requirement);
            for (index, (name, words)) in axis.readings.iter().enumerate() {
                let mut variants = Variants::default();
                variants.declare(axis.requirement, name).unwrap();
                let declared = variants.declared();
                let wanted = if index == 0 { vec![] } else { vec![(axis.requirement, *name, *words)] };
                assert_eq!(declared, wanted);
                assert_eq!(variants.has(axis.requirement), index > 0);
                assert_eq!(variants.without(axis.requirement), Variants::default());
                assert_eq!(variants.without("CAN-5"), variants);
            }
        }
        let mut variants = Variants::default();
        let error = variants.declare("REV-2", "nobody").unwrap_err();
        assert_eq!(error.to_string(), "REV-2 has no variant `nobody`; it has `invitee-and-inviter`, `invitee`");
        assert!(matches!(variants.declare("CAN-5", "x"), Err(NoReading::NoAxis(_))));
    }
}
