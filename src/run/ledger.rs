//! The ledger of a sweep, or of one shard of it: a line of JSON for the sweep and one for each scenario. Ledgers of the
//! shards of one sweep add up to the ledger that the whole sweep would have written.
//!
//! Snapshots and findings are not in it: whoever wants to see what went wrong runs the scenario under the seed that the
//! ledger names.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::{Extent, Outcome, Verdict};
use crate::seed::Seed;
use crate::time::Duration;

/// The version of the format: it changes whenever an old reader would misread a new ledger.
pub const VERSION: u32 = 1;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ledger {
    header: Header,
    /// By path and world.
    entries: BTreeMap<(String, String), Entry>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header {
    convoke_ledger: u32,
    tool: String,
    /// The first seed, and how many in a row, over all shards.
    seed: Seed,
    seeds: u64,
    shards: u32,
    /// The shards that are in it, in order.
    shard: Vec<u32>,
}

/// What came of one scenario, over the seeds of the shards that are in the ledger.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    path: String,
    world: String,
    /// The file's hash: shards that ran another text have run another scenario.
    text: String,
    verdict: String,
    /// How many seeds were run: all, or those up to the first that did not end well.
    seeds_run: u64,
    /// Of those that did not end well, the first seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bad_seed: Option<Seed>,
    /// What happened under all seeds that ended well.
    moments: u64,
    messages: u64,
    virtual_nanos: u64,
}

impl Ledger {
    /// An empty one, of a shard: its number from 1, and how many there are.
    #[must_use]
    pub fn new(seed: Seed, seeds: u64, shard: u32, shards: u32) -> Self {
        let tool = concat!("convoke ", env!("CARGO_PKG_VERSION")).to_owned();
        let header = Header { convoke_ledger: VERSION, tool, seed, seeds, shards, shard: vec![shard] };
        Self { header, entries: BTreeMap::new() }
    }

    /// One more outcome.
    pub fn push(&mut self, outcome: &Outcome) {
        let Extent { moments, messages, virtual_time } = outcome.extent;
        let entry = Entry {
            path: outcome.path.clone(),
            world: outcome.world.name().to_owned(),
            text: format!("{:016x}", crate::seed::fnv1a(outcome.source.text.as_bytes())),
            verdict: outcome.verdict.name().to_owned(),
            seeds_run: outcome.seeds_run,
            bad_seed: (!outcome.verdict.is_well()).then_some(outcome.seed),
            moments,
            messages,
            virtual_nanos: virtual_time.as_nanos(),
        };
        self.entries.insert((entry.path.clone(), entry.world.clone()), entry);
    }

    /// Adds the ledger of other shards of the same sweep.
    ///
    /// # Errors
    /// Why they are no parts of one sweep.
    pub fn add(&mut self, other: Self) -> Result<(), String> {
        let (mine, theirs) = (&self.header, &other.header);
        if (mine.seed, mine.seeds, mine.shards) != (theirs.seed, theirs.seeds, theirs.shards) {
            return Err(format!(
                "they are of different sweeps: {} seeds from {} in {} shards, and {} from {} in {}",
                mine.seeds, mine.seed, mine.shards, theirs.seeds, theirs.seed, theirs.shards
            ));
        }
        if mine.tool != theirs.tool {
            return Err(format!("they were written by {} and {}", mine.tool, theirs.tool));
        }
        if let Some(twice) = mine.shard.iter().find(|shard| theirs.shard.contains(shard)) {
            return Err(format!("shard {twice} is in both"));
        }
        self.header.shard.extend(&other.header.shard);
        self.header.shard.sort_unstable();
        for (key, entry) in other.entries {
            match self.entries.get_mut(&key) {
                None => drop(self.entries.insert(key, entry)),
                Some(known) if known.text != entry.text => {
                    return Err(format!("{} is another text in the two", entry.path));
                }
                Some(known) => known.add(&entry),
            }
        }
        Ok(())
    }

    /// The worst exit code of all.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.entries.values().filter_map(Entry::verdict).map(Verdict::exit_code).max().unwrap_or(0)
    }

    /// How many scenarios have each verdict.
    #[must_use]
    pub fn verdicts(&self) -> BTreeMap<Verdict, u64> {
        let mut verdicts = BTreeMap::new();
        for verdict in self.entries.values().filter_map(Entry::verdict) {
            *verdicts.entry(verdict).or_default() += 1;
        }
        verdicts
    }

    /// How many runs there were, and how much happened in those that ended well.
    #[must_use]
    pub fn extent(&self) -> (u64, Extent) {
        self.entries.values().fold((0, Extent::default()), |(runs, extent), entry| {
            let Entry { moments, messages, virtual_nanos, .. } = *entry;
            let virtual_time = Duration::from_nanos(virtual_nanos);
            (runs + entry.seeds_run, extent.and(Extent { moments, messages, virtual_time }))
        })
    }

    /// What did not end well: path, world, verdict, and the first seed.
    pub fn bad(&self) -> impl Iterator<Item = (&str, &str, &str, Seed)> {
        let bad = |entry: &'_ Entry| entry.bad_seed.is_some();
        self.entries
            .values()
            .filter(move |entry| bad(entry))
            .map(|entry| (&*entry.path, &*entry.world, &*entry.verdict, entry.bad_seed.unwrap_or_default()))
    }

    /// Which shards are in it, and of how many.
    #[must_use]
    pub fn shards(&self) -> (&[u32], u32) {
        (&self.header.shard, self.header.shards)
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        to.write_all(self.to_lines().as_bytes())
    }

    /// As lines of JSON.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let line =
            |value: Result<String, serde_json::Error>| value.expect("it has string keys and whole numbers") + "\n";
        let mut lines = line(serde_json::to_string(&self.header));
        for entry in self.entries.values() {
            lines.push_str(&line(serde_json::to_string(entry)));
        }
        lines
    }

    /// Reads what [`Ledger::write`] wrote.
    ///
    /// # Errors
    /// What is wrong with it, with the line.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let wrong = |number: usize, error: serde_json::Error| format!("line {}: {error}", number + 1);
        let (number, first) = lines.next().ok_or("it is empty")?;
        let header: Header = serde_json::from_str(first).map_err(|error| wrong(number, error))?;
        if header.convoke_ledger != VERSION {
            return Err(format!("it is a ledger of version {}, and this reads {VERSION}", header.convoke_ledger));
        }
        let mut entries = BTreeMap::new();
        for (number, line) in lines {
            let entry: Entry = serde_json::from_str(line).map_err(|error| wrong(number, error))?;
            if entry.verdict().is_none() {
                return Err(format!("line {}: there is no verdict `{}`", number + 1, entry.verdict));
            }
            entries.insert((entry.path.clone(), entry.world.clone()), entry);
        }
        Ok(Self { header, entries })
    }
}

impl Entry {
    fn verdict(&self) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.name() == self.verdict)
    }

    /// The same scenario under other seeds. What ended well adds up; of what did not, the first seed is told of.
    fn add(&mut self, other: &Self) {
        let worse = |one: &Self, other: &Self| match (one.bad_seed, other.bad_seed) {
            (Some(one), Some(other)) => other < one,
            (None, Some(_)) => true,
            _ => false,
        };
        if worse(self, other) {
            self.verdict.clone_from(&other.verdict);
            self.bad_seed = other.bad_seed;
        }
        self.seeds_run += other.seeds_run;
        self.moments += other.moments;
        self.messages += other.messages;
        self.virtual_nanos += other.virtual_nanos;
    }
}

#[cfg(test)]
mod tests;
