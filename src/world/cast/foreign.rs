//! An implementation of somebody else plays the server.

use std::sync::Arc;

use super::{Cast, ServerNode};
use crate::implementation::{Contract, ForeignLogic, ForeignServer, Seat};
use crate::protocol::service::ServiceConfig;

/// The implementation that has this seat plays the server, as far as its contract goes; the reference plays the rest.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// What it has of the run.
    pub seat: Arc<Seat>,
}

impl Cast for Foreign {
    fn server(&self, config: ServiceConfig, _life: u64) -> Box<ServerNode> {
        match self.seat.contract() {
            Contract::Core => Box::new(ForeignLogic::server(self.seat.clone(), config)),
            Contract::Full => Box::new(ForeignServer::new(self.seat.clone(), config)),
        }
    }
}
