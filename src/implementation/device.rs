//! Contract `device`: a client library of somebody else, whose transport and clock are replaced by ours.
//!
//! The carrier and the manners are those of every contract: one line in, one line out. What differs is said here: the
//! messages (`words`), the processes of a run, one for all devices or one for each (`seats`), the library as a node
//! (`node`), and the other end of the conversation, our own library as somebody else's would be (`host`). A library hands
//! events and pages over without what only the wire carries, such as the attempt that they are about; `told` knows it
//! again by what the library was given.

mod host;
mod node;
pub(super) mod schema;
mod seats;
mod told;
mod words;

pub(super) use self::host::call_of;
pub use self::host::{HostedDevice, host_devices};
pub use self::node::ForeignDevice;
pub use self::seats::{Crew, Seats};
pub use self::words::{CONTRACT, LibraryAnswer, Serves};

#[cfg(test)]
mod tests;
