//! One ring on one device, as its application hears it: it begins, it ends once, and then it may begin again.

use crate::protocol::vocabulary::EventName;

/// What is known of the ring of a room on a device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Ring {
    /// The application has heard of none.
    #[default]
    Never,
    /// It rings.
    Rings,
    /// It rang when the application answered: the end may be heard, too.
    Answered,
    /// It is over, by what was heard.
    Over(EventName),
    /// Something may have been missed.
    Unsure,
}

/// Something that should not have been heard.
pub(super) struct Wrong {
    pub(super) requirements: &'static [&'static str],
    pub(super) what: String,
}

impl Ring {
    /// onReceiveInvitation.
    pub(super) fn begins(&mut self) -> Option<Wrong> {
        match std::mem::replace(self, Self::Rings) {
            Self::Rings => Some(Wrong {
                requirements: &["IDM-4", "ORD-2"],
                what: "while it rings already, and nothing has ended that".to_owned(),
            }),
            _ => None,
        }
    }

    /// An event that closes it.
    pub(super) fn ends(&mut self, name: EventName) -> Option<Wrong> {
        match std::mem::replace(self, Self::Over(name)) {
            Self::Never => Some(Wrong { requirements: &["DEV-8"], what: "of a ring that it never knew of".to_owned() }),
            Self::Over(before) if before == name => {
                Some(Wrong { requirements: &["IDM-4"], what: "a second time".to_owned() })
            }
            Self::Over(before) => Some(Wrong { requirements: &["DEV-2", "ORD-2"], what: format!("after {before}") }),
            Self::Rings | Self::Answered | Self::Unsure => None,
        }
    }

    /// The application answers, or enters.
    pub(super) fn is_answered_here(&mut self) {
        if matches!(self, Self::Rings) {
            *self = Self::Answered;
        }
    }

    /// A list shows that it rings: its event may be on the way, or may never come (DEV-7).
    pub(super) fn is_shown(&mut self) {
        if !matches!(self, Self::Rings) {
            *self = Self::Unsure;
        }
    }

    /// Something may have been missed.
    pub(super) fn is_unsure(&mut self) {
        *self = Self::Unsure;
    }
}
