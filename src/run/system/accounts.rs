//! Who plays the users of a scenario: the accounts of a service that others use, too, or those that the service is given.
//!
//! An account plays in one run at a time, and a room's id has a prefix that belongs to one run.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use crate::file::{self, FileError};
use crate::implementation::system::{Names, Person};
use crate::plan::Plan;

/// An account of a list.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listed {
    /// Its id.
    pub user_id: String,
    /// Its name, as the service shows it.
    #[serde(default)]
    pub user_name: String,
    /// Its picture, as the service shows it.
    #[serde(default)]
    pub avatar_url: String,
    /// The token that proves it, if it needs one.
    #[serde(default)]
    pub user_sig: Option<String>,
}

/// Makes the token that proves a user id.
pub type Token = Box<dyn Fn(&str) -> String + Send + Sync>;

/// Where the accounts come from.
pub struct Accounts {
    source: Source,
    /// What no other run of this or another process has in the ids of its rooms and users; empty if nothing is shared.
    run: String,
    number: AtomicU64,
    freed: Condvar,
}

enum Source {
    /// The users play themselves: the adapter makes sure that there are such accounts.
    Themselves,
    /// Accounts that exist; those that play in no run.
    List { free: Mutex<Vec<Listed>>, all: usize, token: Option<Token> },
    /// Any id is an account for which there is a token.
    Made(Token),
    /// This command makes an account for every user.
    Command(String),
}

/// Why there are no accounts for a run.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The list can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is none.
    #[error("{0} is no list of accounts: {1}; write [{{\"userId\": \"…\", \"userName\": \"…\", \"userSig\": \"…\"}}]")]
    Malformed(String, String),
    /// There are none for some users of the scenario.
    #[error("{0}")]
    TooFew(String),
    /// The command fails.
    #[error("the command that makes accounts, `{0}`, {1}")]
    Command(String, String),
}

impl Accounts {
    fn of(source: Source, run: String) -> Self {
        Self { source, run, number: AtomicU64::new(0), freed: Condvar::new() }
    }

    /// The scenario's users play themselves, in rooms of the scenario's names: for a service that is the run's own.
    #[must_use]
    pub fn themselves() -> Self {
        Self::of(Source::Themselves, String::new())
    }

    /// Whether every run has the same accounts: on one service only one run at a time can be made.
    #[must_use]
    pub const fn are_the_same(&self) -> bool {
        matches!(self.source, Source::Themselves)
    }

    /// The same, with this prefix of the ids of all rooms.
    #[must_use]
    pub fn in_rooms_of(self, run: String) -> Self {
        Self { run, ..self }
    }

    /// The accounts of a JSON file. `run` is the prefix of everything that this process makes; `token` makes tokens for those
    /// that have none.
    ///
    /// # Errors
    /// When there is no such list.
    pub fn listed(path: &Path, run: String, token: Option<Token>) -> Result<Self, AccountError> {
        let malformed = |reason: String| AccountError::Malformed(path.display().to_string(), reason);
        let text = file::read_if_there(path)?.ok_or_else(|| malformed("it is not there".to_owned()))?;
        let mut free: Vec<Listed> = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let mut ids: Vec<&str> = free.iter().map(|one| one.user_id.as_str()).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(malformed(format!("`{}` is in it twice", twice[0])));
        }
        // The first is taken first.
        free.reverse();
        let all = free.len();
        Ok(Self::of(Source::List { free: Mutex::new(free), all, token }, run))
    }

    /// Every id is an account for which `token` makes a token.
    #[must_use]
    pub fn made(run: String, token: Token) -> Self {
        Self::of(Source::Made(token), run)
    }

    /// A command, as a shell takes it, makes an account for every user: it gets the id, the name and the picture in
    /// `CONVOKE_USER_ID`, `CONVOKE_USER_NAME` and `CONVOKE_AVATAR_URL`, and prints an account as in a list.
    #[must_use]
    pub fn by_command(command: String, run: String) -> Self {
        Self::of(Source::Command(command), run)
    }

    /// Finds accounts for the users of a plan; they are given back when what is returned is dropped.
    ///
    /// # Errors
    /// When there are not so many, or the command fails.
    pub fn borrow(&self, plan: &Plan) -> Result<Borrowed<'_>, AccountError> {
        let users = plan.accounts.iter();
        let person = |account: &crate::plan::Account| {
            Person::itself(account.user_id.as_str(), &account.user_name, &account.avatar_url)
        };
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let prefix = if self.run.is_empty() { String::new() } else { format!("{}{number:x}-", self.run) };
        let mut lent = Vec::new();
        let people: Vec<Person> = match &self.source {
            Source::Themselves => users.map(person).collect(),
            Source::Made(token) => {
                let has_device = |account: &&crate::plan::Account| {
                    plan.devices.iter().any(|device| device.identity.user_id == account.user_id)
                };
                if let Some(nobody) = users.clone().find(|account| !has_device(account)) {
                    let words = format!(
                        "{} has no device, and an account is made by a login here: name accounts (--accounts)",
                        nobody.user_id
                    );
                    return Err(AccountError::TooFew(words));
                }
                let made = |person: Person| {
                    let user_id = format!("{prefix}{}", person.user_id);
                    Person { user_sig: Some(token(&user_id)), user_id, ..person }
                };
                users.map(person).map(made).collect()
            }
            Source::Command(command) => users
                .map(person)
                .map(|person| {
                    let made = make(command, &format!("{prefix}{}", person.user_id), &person)?;
                    Ok(played(person, &made))
                })
                .collect::<Result<_, AccountError>>()?,
            Source::List { free, all, token } => {
                let needed = plan.accounts.len();
                if needed > *all {
                    let words = format!("the scenario has {needed} users, and the list of accounts {all}");
                    return Err(AccountError::TooFew(words));
                }
                let mut free = locked(free);
                while free.len() < needed {
                    free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
                }
                let first = free.len() - needed;
                lent = free.split_off(first);
                let sig = |account: &Listed| {
                    account.user_sig.clone().or_else(|| token.as_ref().map(|token| token(&account.user_id)))
                };
                let plays =
                    |(user, account): (_, &Listed)| Person { user_sig: sig(account), ..played(person(user), account) };
                users.zip(lent.iter().rev()).map(plays).collect()
            }
        };
        Ok(Borrowed { accounts: self, names: Names::new(people, prefix), lent })
    }
}

fn played(person: Person, account: &Listed) -> Person {
    Person {
        user_id: account.user_id.clone(),
        user_name: account.user_name.clone(),
        avatar_url: account.avatar_url.clone(),
        user_sig: account.user_sig.clone(),
        ..person
    }
}

fn make(command: &str, user_id: &str, person: &Person) -> Result<Listed, AccountError> {
    let failed = |reason: String| AccountError::Command(command.to_owned(), reason);
    let output = Command::new("/bin/sh")
        .args(["-c", command])
        .env("CONVOKE_USER_ID", user_id)
        .env("CONVOKE_USER_NAME", &person.user_name)
        .env("CONVOKE_AVATAR_URL", &person.avatar_url)
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| failed(format!("can't be started: {error}")))?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("fails for {user_id} ({}): {}", output.status, log.trim())));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stdout).trim().chars().take(200).collect::<String>();
        failed(format!("prints no account for {user_id} ({error}): {said}"))
    })
}

/// The accounts of one run.
pub struct Borrowed<'a> {
    accounts: &'a Accounts,
    names: Names,
    lent: Vec<Listed>,
}

impl Borrowed<'_> {
    /// Who plays whom.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Source::List { free, .. } = &self.accounts.source {
            locked(free).append(&mut self.lent);
            self.accounts.freed.notify_all();
        }
    }
}

fn locked(free: &Mutex<Vec<Listed>>) -> MutexGuard<'_, Vec<Listed>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}
