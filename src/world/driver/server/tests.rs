//! Who waits for whom, in counts: no clock is asked.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use futures_util::{future, sink, stream};
use tokio::sync::Notify;

use super::*;
use crate::protocol::service::{Service, ServiceConfig};

/// What the server takes, in order.
#[derive(Default)]
struct Takes {
    order: Mutex<Vec<ConnectionNo>>,
    /// How many of each connection, of which there are two.
    counts: [AtomicUsize; 3],
    changed: Notify,
}

impl Takes {
    fn by(&self, connection: ConnectionNo) -> usize {
        self.counts[connection.0 as usize].load(Ordering::SeqCst)
    }

    /// Waits until the server has taken so many messages of a connection.
    async fn wait_for(&self, connection: ConnectionNo, count: usize) {
        loop {
            let changed = self.changed.notified();
            if self.by(connection) >= count {
                return;
            }
            changed.await;
        }
    }
}

impl Observer for Takes {
    fn opened(&self, _: ConnectionNo) {}
    fn received(&self, connection: ConnectionNo, _: &ClientMessage) {
        self.order.lock().expect("no holder panics").push(connection);
        self.counts[connection.0 as usize].fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }
    fn sent(&self, _: ConnectionNo, _: &ServerMessage) {}
    fn closed(&self, _: ConnectionNo, _: bool, _: &str) {}
    fn push_hint(&self, _: &PushHint) {}
    fn committed(&self, _: usize, _: Duration) {}
}

/// A disk that takes its time, so that inputs pile up.
struct Disk;

impl Journal for Disk {
    fn append(&mut self, _: &[Arc<Record>]) -> Result<(), JournalError> {
        Ok(())
    }
}

fn login(user: &str) -> Frame {
    Frame::Text(format!(r#"{{"type":"login","userId":"{user}","deviceId":"d","platform":"web","userSig":""}}"#))
}

fn request(number: usize) -> Frame {
    Frame::Text(format!(
        r#"{{"type":"request","id":"{number}","received":0,"operation":"createRoom","args":{{"roomId":"r{number}"}}}}"#
    ))
}

#[tokio::test]
async fn nobody_waits_behind_more_than_the_share_of_a_flood() {
    const FLOOD: ConnectionNo = ConnectionNo(1);
    const OTHER: ConnectionNo = ConnectionNo(2);
    const SHARE: usize = 64;
    let takes = Arc::new(Takes::default());
    let (stop, stopping) = watch::channel(false);
    let limits = DriverLimits { inputs_each_max: SHARE, ..DriverLimits::default() };
    let (handle, run) = server(ServerSetup {
        service: Box::new(Service::new(ServiceConfig {
            bounds: crate::protocol::bounds::Bounds::default(),
            rate_limits: false,
            accounts: Vec::new(),
            open_accounts: true,
            checkpoint_every: None,
        })),
        records: Vec::new(),
        entropy: [0; 32],
        journal: Some(Box::new(Disk)),
        clock: Clock::starting_at(Instant::START),
        authenticate: Arc::new(|_| Ok(())),
        observer: takes.clone(),
        limits,
        stopping,
    });
    let running = tokio::spawn(run);
    let drain = || sink::unfold((), |(), _: Frame| future::ready(Ok::<(), FrameError>(())));
    let flood = {
        let handle = handle.clone();
        let frames = stream::iter([login("mallory")]).chain(stream::iter((0..).map(request)));
        tokio::spawn(async move { handle.serve_as(FLOOD, Box::pin(drain()), Box::pin(frames.map(Ok))).await })
    };
    // Each of the other's messages is sent when the last one was taken, and we note how much of the flood was taken by then.
    let sent = Arc::new(Mutex::new(Vec::new()));
    let other = {
        let (handle, takes, sent) = (handle.clone(), takes.clone(), sent.clone());
        let messages: VecDeque<Frame> = [login("alice")].into_iter().chain((0..10).map(request)).collect();
        let frames = stream::unfold((messages, 0), move |(mut messages, before)| {
            let (takes, sent) = (takes.clone(), sent.clone());
            async move {
                takes.wait_for(OTHER, before).await;
                // The flood has all the time to fill the queue.
                let flood = takes.by(FLOOD);
                takes.wait_for(FLOOD, flood + 1_000).await;
                sent.lock().expect("no holder panics").push(takes.by(FLOOD));
                let frame = messages.pop_front()?;
                Some((Ok(frame), (messages, before + 1)))
            }
        });
        tokio::spawn(async move { handle.serve_as(OTHER, Box::pin(drain()), Box::pin(frames)).await })
    };
    takes.wait_for(OTHER, 11).await;
    let order = takes.order.lock().expect("no holder panics").clone();
    let mut flooded = 0;
    let mut taken = Vec::new();
    for connection in order {
        match connection {
            FLOOD => flooded += 1,
            _ => taken.push(flooded),
        }
    }
    for (sent, taken) in sent.lock().expect("no holder panics").iter().zip(taken) {
        let between = taken - sent;
        // What was in the queue before it; what is taken while it is on its way there comes on top.
        assert!(between <= 2 * SHARE, "{between} messages of the flood came before it");
    }
    flood.abort();
    let _ = flood.await;
    let _ = other.await;
    drop(handle);
    drop(stop);
    running.await.expect("it does not panic").expect("the disk takes everything");
}
