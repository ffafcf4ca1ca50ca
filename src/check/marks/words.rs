//! The marks: the situations that a run can come into, each with the words that a report uses for it.
//!
//! A mark says that something occurred, never that it was right.

macro_rules! marks {
    ($($name:ident $words:literal,)*) => {
        /// A situation. Its words stand in [`Mark::words`].
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Mark { $(#[doc = $words] $name,)* }

        impl Mark {
            /// Every mark.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The situation in words that complete "it never happened that …".
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }
        }
    };
}

marks! {
    // Rooms.
    RoomCreatedAgain "a room was created again under the id of a dissolved one",
    AllFiveInLiveRoom "all five operations were asked of a room that is no conference",
    EndedWhileRingingElsewhere "a user whom two rooms were calling answered or entered one of them",
    DissolvedWhileRinging "a room was dissolved while it was calling somebody",
    DissolvedWithEndedEntries "a room was dissolved with nothing but ended entries in its list",
    AskedAfterDissolution "an operation was asked of a dissolved room",
    InviterLeftWhileRinging "an inviter left the room, was kicked or lost its place while its call rang",
    InviterDemotedWhileRinging "an inviter was demoted while its call rang",
    PartyLostWhileRinging "the connection of an inviter or invitee was lost while the call rang",
    AttendeesEditedWithEntries "the attendees of a room with entries were edited",
    AttendeeCalled "a scheduled attendee was called",
    ListedWithUncalledAttendee "the list of a room with an attendee who was never called was read",
    NotEnteredAsked "somebody asked who is awaited and not in the room",
    MovedToAnotherDevice "a user entered the room that it was in from another device",
    EnteredWhileElsewhere "a user who was in one room tried to enter another",

    // Inviting.
    NonOwnerCalled "a member who does not own the room called somebody",
    CallFromOutside "a user outside the room called somebody into it",
    CallToNoRoom "somebody was called into a room that did not exist",
    CodesReturned "a call came back with codes",
    SeveralCalled "one call named several users",
    CodeOne "an invite came back with code 1",
    CodeTwo "an invite came back with code 2",
    CalledAfterGrace "a user who had accepted and not entered was called again after the entry grace",
    CalledAgain "a user was called again in the same instance of the room",
    CalledAgainAfterTimeout "a user whose call had timed out was called again",
    CalledAgainAfterRejection "a user who had rejected was called again",
    CalledAgainAfterRemoval "a user whose entry had left the list was called again",
    CalledAgainNearOldDeadline "a re-invite came within the expiry bound of the old deadline",
    DuplicateIds "a list of ids had duplicates",
    OwnIdCalled "a caller named itself",
    InviteRefusable "inviteUsers was called with a list, timeout or extensionInfo out of bounds",
    InviteAtTheBound "inviteUsers was called with as many ids or bytes as are lawful",
    UnknownAccountCalled "a call named an account that does not exist",
    TimeoutRefusable "a timeout out of bounds was given",
    TimeoutFraction "a timeout with fractions of a millisecond was given",
    TimeoutLongest "the longest lawful timeout was given",
    TimeoutOmitted "a call was made without a timeout",
    TimeoutOfMonths "a call was made with a timeout above 2^31 milliseconds",
    ExtensionInfoReceived "a Receive with extensionInfo was sent",
    OfflineUserCalled "a user without an online device was called",
    CalledByTwoAtOnce "two members called the same user, each before the other's call was answered",

    // Cancelling and revoking.
    CancelOfNothing "a cancel named a user who was not being called",
    CancelAfterEnd "a cancel came after the call had been answered or had timed out",
    CancelCommitted "an inviter cancelled its call",
    CancelledFromOutside "an inviter outside the room cancelled its call",
    CancelledFromAnotherDevice "an inviter cancelled from another device than the one it had called from",
    CancelledByLaterInviter "a call was cancelled by an inviter who had taken over an older one",
    OwnCallCancelledByOwner "an owner or administrator cancelled its own call",
    CancelListRefusable "a cancel had a list that is empty, too long or no list of ids",
    CancelOfUnknownAccount "a cancel named an account that does not exist",
    SeveralCancelled "one cancel ended several calls",
    RevokedByOwner "the owner revoked the call of another",
    RevokedByAdministrator "an administrator revoked the call of another",
    CancelWithoutRight "a member without the right to it tried to end the call of another",
    CancelByOutsider "a user outside the room with no right in it tried to cancel",
    OutsiderNamedOthersCalls "an inviter outside the room named a call of another inviter in a cancel",
    CancelAfterRoleChange "a cancel reached the server after the caller's role had changed",

    // Answering and entering.
    Accepted "an accept was committed",
    Rejected "a reject was committed",
    AnswerToNothing "an answer came from a user who had never been called there",
    AnswerAfterEnd "an answer came after its attempt had timed out or been cancelled, revoked or dissolved",
    AnswerAfterCancel "an answer came after its attempt had been cancelled or revoked",
    SameDeviceAnsweredAgain "the device whose answer was committed answered again",
    SecondDeviceAnswered "a second device answered an answered attempt",
    RejectOfWhatIsOver "a reject reached an attempt that was no longer live, or none",
    AnswerNamedOlderAttempt "an answer named an attempt that was not the newest",
    AnswerNamedOlderLife "an answer named an attempt of an older instance of the room",
    UnnamedAnswer "an answer named no attempt",
    AnswerNearDeadline "an answer reached the server within a millisecond of the deadline",
    ThirdPartyAnswered "a third party answered in a room that was calling somebody else",
    BodyNamedUser "the arguments of a request named a user in whose name it acts",
    AcceptedInAnotherRoom "a user accepted while it was in another room",
    EnteredWhileRinging "a user entered the room while it was being called there",
    EntryFailedWhileRinging "an entry into the room failed while the user was being called there",
    AcceptAfterEntry "the device that had entered during the ring accepted afterwards",
    EntryFailedAfterAccept "an entry failed after the accept",
    EntryRefusedAfterAccept "a password or a full room turned away a user who had accepted",
    LostBetweenAcceptAndEntry "the connection was lost between accept and entry",
    EnteredWithEntry "a user with an entry entered",
    EntrySeenByMembers "a user with an entry entered while others were in the room",
    ReasonRefusable "a reject had a reason that there is not",
    ReasonGiven "a reject with reason 1 was committed",
    AnsweredBesideOthers "an answer was committed while the invitee had other online devices",
    RejectedBesideOthers "a reject was committed while the invitee had other online devices",
    BusyAnswerNotDue "a device that answers for a busy user was called to the room that it is in or entering, or twice by one call",

    // Lists.
    EmptyListRead "an empty list was read",
    MorePagesThanOne "a page said that there is more",
    NextPageRead "a later page was read",
    EntriesListed "a list with entries was read",
    RepeatedEntryListed "a list of several entries was read in which one had been called again",
    CountRefusable "a page size that is no non-negative integer was given",
    CountLimitedThePage "more entries were there than one page of the size asked for takes",
    CursorMalformed "a cursor that nobody gave out was shown",
    CursorAfterRestart "a cursor from before a restart of the server was shown",
    CursorForeign "a cursor of another room, of another instance of it or of another caller was shown",
    ListNearDeadline "a list was read within a millisecond of a deadline",
    RemovedEntryUnlisted "a list was read from which an entry had been removed",
    EndedEntryListed "a list with an entry that had ended was read",
    InviteeOutsideListed "an invitee outside the room asked for the list",
    InviteeOutsideListedAmongOthers "an invitee outside the room asked for the list while others were in it",
    ListWithoutRight "a user without the right to it read the list",

    // Events.
    ListEventBesideBystander "a list event was sent while an online device was outside the room",
    ListEventSent "a list event was sent",
    AddedSent "an Added was sent",
    StatusChangedSent "a StatusChanged was sent",
    EntryLeftList "an entry left the list, or its room was dissolved",
    InvitationShown "an event that shows an invitation was sent",
    InviterToldOnSeveralDevices "an inviter with several online devices was told how its call ended",
    InviterToldOutside "an inviter outside the room was told how its call ended",
    SnapshotShown "an event with room, inviter and invitee was sent",
    HandlerTouched "a handler was registered or removed",
    PasswordRoomShown "a room with a password appeared in an event or a result",

    // Deadlines.
    DeadlineReached "a call reached its deadline unanswered",
    DeadlineOfEndedPassed "the deadline of a call that had ended before passed",
    OldDeadlineDuringNewer "the deadline of an older attempt passed during a newer one",
    DeadlineWhileDown "a deadline passed while the server was down",
    CrashedWhileRinging "the server crashed while a call with a timeout rang",
    RangOnWithoutTimeout "a call without a timeout rang for a minute",
    InputNearDeadline "an input for a room came within a millisecond of a deadline there",
    TimeoutSent "a Timeout was sent",
    ClockChangedWhileRinging "the clock of a device changed while a call rang",
    SeveralDeadlinesAtOnce "two calls of one room reached their deadlines within a millisecond",

    // Devices and sessions.
    SeveralDevicesRang "a user with several online devices was called",
    DeviceInAnotherRoomRang "a user who was in another room was called",
    CameBack "a device connected again",
    SessionBeganWhileRinging "a session began while its user was being called",
    ClosingWithoutRing "a closing event reached a session that had not received the ring",
    ClosingBesideAnotherRing "a closing event reached a device that was ringing for something else, too",
    ClosingReachedRinging "a closing event reached the device that was ringing",
    Evicted "a user logged in twice on one platform",
    NewSessionAfterOld "a device that had a session before began a new one",
    LoggedOut "a device logged out",
    ResumedWithMissedEvents "a resume brought missed events",
    ResumeSuppressedRing "a resume suppressed a Receive together with its closing event",
    ReadAfterEntry "a device read the list after it had entered the room, or after a loss of its connection",
    EventAfterPage "a list event reached a device after a page of the list",
    OldEventAfterPage "a list event that a page already showed reached the device after it",
    ResumedAfterEvents "a session to which events had been sent was resumed",
    EventReachedTwice "an event reached a device twice",
    EventSentAgain "an event was sent again to a session",
    EventsSeenByTwo "two devices were sent the events of two commits of one room",
    SeveralEventsOfOneEntry "a device was sent several events about one entry",

    // Requests.
    RequestRepeated "a request was repeated under its id",
    IdReused "an id was used again with other content",
    LibraryRepeated "a client library repeated an unanswered request",
    GaveUp "a client library gave a call up",
    RestartedDeviceAsked "a restarted device sent a request",
    SeveralWrong "a request failed several of the checks at once",
    AskedBeforeLogin "an operation was asked before the login",
    RoomIdMalformed "a call with a malformed roomId was made",
    RoomIdLongest "a call with the longest lawful roomId was made",
    CallFailed "a call that could have changed something failed",
    ErrorAnswered "a call failed",
    RightMissing "a call was refused for want of a right",
    RateLimited "a call was refused for overload",
    CrashAfterAnswer "the server crashed after it had answered a change",
    LostAfterAnswer "a connection was lost or closed after a change was answered",
    CrashDuringRequest "the server crashed before it had answered a request",
    ResumedAfterCrash "a session was resumed after a crash of the server",

    // Privacy.
    StrangerAsked "a stranger asked something of a room that was calling somebody",
}
