//! The durable journal of a server: one file in a folder of its own, written by whole commits.
//!
//! A commit is on the disk before `append` returns. A checkpoint takes the place of everything before it, in the same
//! commit. The store locks its file, so that no two servers write to one folder; and nothing is written to a folder that
//! is not a journal's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition};

use crate::protocol::service::Record;
use crate::time::Instant;
use crate::world::driver::server::{Journal, JournalError};

const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");
const FILE: &str = "journal.redb";

/// What the records look like. Another number is another format.
const FORMAT: u64 = 3;

/// A journal on the disk.
pub struct DiskJournal {
    database: Database,
    next: u64,
}

/// What a server finds when it opens its journal.
pub struct Found {
    /// The journal, to go on with.
    pub journal: DiskJournal,
    /// What was written, from the last checkpoint on.
    pub records: Vec<Arc<Record>>,
    /// The latest instant that a record carries. Time never goes back behind it (TMO-6).
    pub latest: Instant,
}

/// Why a journal can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder can't be made or read.
    #[error("the data folder {path} can't be used: {reason}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Something else lives there.
    #[error(
        "the folder {path} holds other files ({example}) and no journal; name an empty folder, or one that convoke made"
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// One of the files.
        example: String,
    },
    /// Another server has it.
    #[error("the journal {path} is in use by another server; stop that one, or name another folder")]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// It is damaged, or not a journal.
    #[error(
        "the journal {path} can't be read: {reason}; it was left as it is: restore it from a copy, or name another folder"
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl DiskJournal {
    /// Opens the journal in a folder, or begins one in an empty or new folder.
    ///
    /// # Errors
    /// When the folder can't be used, is somebody else's, or its journal is damaged or in use. Nothing is overwritten.
    pub fn open(folder: &Path) -> Result<Found, OpenError> {
        let file = folder.join(FILE);
        let is_new = !file.exists();
        if is_new {
            make_folder(folder)?;
        }
        let damaged = |reason: String| OpenError::Damaged { path: file.clone(), reason };
        // That the machine refuses says nothing of the journal.
        let refused = |error: &io::Error| OpenError::Folder { path: folder.to_owned(), reason: error.to_string() };
        let opened = if is_new { Database::create(&file) } else { Database::open(&file) };
        let database = opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse { path: file.clone() },
            DatabaseError::Storage(StorageError::Io(error)) if is_refusal(&error) => refused(&error),
            error => damaged(error.to_string()),
        })?;
        // A first life that ended before it wrote anything leaves a store without tables.
        if is_new || is_blank(&database).map_err(|error| damaged(error.to_string()))? {
            begin(&database).map_err(|error| match error {
                redb::Error::Io(error) => refused(&error),
                error => damaged(error.to_string()),
            })?;
        }
        let (records, next, latest) = read(&database).map_err(damaged)?;
        Ok(Found { journal: Self { database, next }, records, latest })
    }
}

/// A folder that is new or empty.
fn make_folder(folder: &Path) -> Result<(), OpenError> {
    let unusable = |error: io::Error| OpenError::Folder { path: folder.to_owned(), reason: error.to_string() };
    fs::create_dir_all(folder).map_err(unusable)?;
    match fs::read_dir(folder).map_err(unusable)?.next() {
        None => Ok(()),
        Some(entry) => {
            let example = entry.map_err(unusable)?.file_name().to_string_lossy().into_owned();
            Err(OpenError::Foreign { path: folder.to_owned(), example })
        }
    }
}

/// Whether the machine won't, rather than that what it reads makes no sense.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), FileTooLarge | PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

fn is_blank(database: &Database) -> Result<bool, redb::Error> {
    Ok(database.begin_read()?.list_tables()?.next().is_none())
}

fn begin(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        transaction.open_table(RECORDS)?;
        let mut facts = transaction.open_table(FACTS)?;
        facts.insert("format", FORMAT)?;
        facts.insert("latest", 0)?;
    }
    transaction.commit()?;
    Ok(())
}

type Read = (Vec<Arc<Record>>, u64, Instant);

fn read(database: &Database) -> Result<Read, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let transaction = database.begin_read().map_err(|error| text(&error))?;
    let facts = transaction.open_table(FACTS).map_err(|error| text(&error))?;
    let fact = |name: &str| -> Result<u64, String> {
        let value = facts.get(name).map_err(|error| text(&error))?;
        value.map(|value| value.value()).ok_or_else(|| format!("it does not say its {name}"))
    };
    let format = fact("format")?;
    if format != FORMAT {
        return Err(format!("it has the format {format}, and this version reads {FORMAT}"));
    }
    let table = transaction.open_table(RECORDS).map_err(|error| text(&error))?;
    let mut records = Vec::new();
    let mut next = 0;
    for entry in table.iter().map_err(|error| text(&error))? {
        let (number, bytes) = entry.map_err(|error| text(&error))?;
        let record: Record = ciborium::from_reader(bytes.value())
            .map_err(|error| format!("record {} can't be read: {error}", number.value()))?;
        records.push(Arc::new(record));
        next = number.value() + 1;
    }
    Ok((records, next, Instant::from_nanos(fact("latest")?)))
}

impl Journal for DiskJournal {
    fn append(&mut self, records: &[Arc<Record>]) -> Result<(), JournalError> {
        self.write(records).map_err(|error| JournalError(error.to_string()))
    }
}

impl DiskJournal {
    fn write(&mut self, records: &[Arc<Record>]) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(RECORDS)?;
            let mut facts = transaction.open_table(FACTS)?;
            let mut bytes = Vec::new();
            for record in records {
                if matches!(**record, Record::Checkpoint(_)) {
                    table.retain(|_, _| false)?;
                }
                bytes.clear();
                ciborium::into_writer(record, &mut bytes).expect("a vector takes everything");
                table.insert(self.next, bytes.as_slice())?;
                self.next += 1;
                if let Some(at) = record.at() {
                    facts.insert("latest", at.as_nanos())?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// A journal that lies: it says that records are durable, and writes them with those that come next. Whoever claims to find
/// lost commits is tried with it.
pub struct LateJournal {
    journal: DiskJournal,
    late: Vec<Arc<Record>>,
}

impl LateJournal {
    pub(super) fn new(journal: DiskJournal) -> Self {
        Self { journal, late: Vec::new() }
    }
}

impl Journal for LateJournal {
    fn append(&mut self, records: &[Arc<Record>]) -> Result<(), JournalError> {
        self.journal.append(&self.late)?;
        self.late = records.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
