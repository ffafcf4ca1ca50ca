//! The links between devices and the server: how long a message takes, and what stands in its way.
//!
//! A connection is a stream: what is sent arrives in order or not at all, except under an attack on single messages. A
//! lost message is sent again and holds up what is behind it.

use crate::plan::{Direction, Latency, Link};
use crate::seed::{Seed, Stream};
use crate::time::{Duration, Instant};

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    ToServer,
    ToDevice,
}

/// The link of one device.
#[derive(Debug)]
pub(super) struct LinkState {
    /// Points into the models of the plan.
    pub(super) model: u32,
    dice: Option<Box<Stream>>,
    last_arrival: [Instant; 2],
    partition: Option<Direction>,
    hold: Option<Direction>,
    pub(super) offline: bool,
    /// Counts the partitions, so that a keep-alive knows whether the one that it waits for is over.
    pub(super) partitions: u32,
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Arrives(Instant),
    ArrivesTwice(Instant, Instant),
    IsLost,
    BreaksTheConnection,
}

impl LinkState {
    pub(super) fn new(model: u32) -> Self {
        Self {
            model,
            dice: None,
            last_arrival: [Instant::START; 2],
            partition: None,
            hold: None,
            offline: false,
            partitions: 0,
        }
    }

    /// Whether nothing passes this way now.
    pub(super) fn is_blocked(&self, way: Way) -> bool {
        self.offline || cuts(self.partition, way) || cuts(self.hold, way)
    }

    /// Whether a connection can be made now.
    pub(super) fn is_open(&self) -> bool {
        !self.is_blocked(Way::ToServer) && !self.is_blocked(Way::ToDevice)
    }

    pub(super) fn is_partitioned(&self) -> bool {
        self.partition.is_some()
    }

    pub(super) fn is_held(&self) -> bool {
        self.hold.is_some()
    }

    pub(super) fn partition(&mut self, direction: Direction) {
        if self.partition.is_none() {
            self.partitions += 1;
        }
        self.partition = Some(join(self.partition, direction));
    }

    pub(super) fn heal(&mut self) {
        self.partition = None;
    }

    pub(super) fn hold(&mut self, direction: Direction) {
        self.hold = Some(join(self.hold, direction));
    }

    pub(super) fn release(&mut self) {
        self.hold = None;
    }

    /// A new connection has no order to keep with an older one.
    pub(super) fn forget_order(&mut self) {
        self.last_arrival = [Instant::START; 2];
    }

    /// When the last of what has gone this way arrives, or has.
    pub(super) fn last_arrival(&self, way: Way) -> Instant {
        self.last_arrival[way as usize]
    }

    /// What becomes of a message sent at `now`.
    pub(super) fn fate(&mut self, now: Instant, way: Way, link: &Link, seed: Seed, device: u32) -> Fate {
        let last = self.last_arrival[way as usize];
        if let (Latency::Constant(latency), true) = (link.latency, link.is_kind()) {
            let at = last.max(now + latency);
            self.last_arrival[way as usize] = at;
            return Fate::Arrives(at);
        }
        let dice = self.dice.get_or_insert_with(|| Box::new(seed.numbered_stream("link", u64::from(device))));
        if chance(dice, link.breakage) {
            return Fate::BreaksTheConnection;
        }
        let attack = link.attack;
        if chance(dice, attack.lose) {
            return Fate::IsLost;
        }
        let mut at = now + sample(link.latency, dice);
        if chance(dice, link.loss) {
            at = at + link.retransmit;
        }
        if chance(dice, attack.reorder) {
            // It may be overtaken, and nothing waits for it.
            return Fate::Arrives(at + sample(link.latency, dice).times(3));
        }
        let at = last.max(at);
        self.last_arrival[way as usize] = at;
        if chance(dice, attack.duplicate) {
            return Fate::ArrivesTwice(at, at + sample(link.latency, dice));
        }
        Fate::Arrives(at)
    }

    /// How long a connection takes to be made.
    pub(super) fn latency(&mut self, link: &Link, seed: Seed, device: u32) -> Duration {
        if let Latency::Constant(latency) = link.latency {
            return latency;
        }
        let dice = self.dice.get_or_insert_with(|| Box::new(seed.numbered_stream("link", u64::from(device))));
        sample(link.latency, dice)
    }
}

impl Link {
    /// Whether nothing but time happens to a message.
    fn is_kind(&self) -> bool {
        self.loss == 0.0 && self.breakage == 0.0 && !self.is_attacked()
    }

    /// Whether single messages are attacked.
    pub(super) fn is_attacked(&self) -> bool {
        self.attack.lose != 0.0 || self.attack.duplicate != 0.0 || self.attack.reorder != 0.0
    }
}

fn cuts(direction: Option<Direction>, way: Way) -> bool {
    matches!(
        (direction, way),
        (Some(Direction::Both), _)
            | (Some(Direction::ToServer), Way::ToServer)
            | (Some(Direction::FromServer), Way::ToDevice)
    )
}

fn join(already: Option<Direction>, direction: Direction) -> Direction {
    match already {
        Some(already) if already != direction => Direction::Both,
        _ => direction,
    }
}

fn chance(dice: &mut Stream, share: f64) -> bool {
    share > 0.0 && dice.unit() < share
}

/// One latency. The transcendental functions are `libm`'s, which give the same bits on every machine.
fn sample(latency: Latency, dice: &mut Stream) -> Duration {
    let nanos = |nanos: f64| Duration::from_nanos(nanos.max(0.0) as u64);
    match latency {
        Latency::Constant(latency) => latency,
        Latency::Uniform(min, max) => {
            let width = max.saturating_sub(min).as_nanos();
            min + Duration::from_nanos(dice.below(width.saturating_add(1)))
        }
        Latency::Exponential { min, mean } => {
            // The inverse of the distribution function: -mean * ln(1 - u).
            min + nanos(-(mean.as_nanos() as f64) * libm::log(1.0 - dice.unit()))
        }
        Latency::Normal { mean, deviation } => {
            // Box and Muller, 1958; the second of the pair is not kept, so that every message draws alike.
            let radius = libm::sqrt(-2.0 * libm::log(1.0 - dice.unit()));
            let angle = 2.0 * core::f64::consts::PI * dice.unit();
            nanos(mean.as_nanos() as f64 + deviation.as_nanos() as f64 * radius * libm::cos(angle))
        }
        Latency::Pareto { min, shape } => {
            // The inverse of the distribution function: min * (1 - u)^(-1/shape); an hour at the most.
            let drawn = min.as_nanos() as f64 * libm::pow(1.0 - dice.unit(), -1.0 / shape);
            nanos(drawn.min(3.6e12))
        }
    }
}

#[cfg(test)]
mod tests;
