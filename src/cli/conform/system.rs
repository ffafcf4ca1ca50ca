//! `convoke conform --system`: the adapter of an SDK with its server, and who plays the users there.

use super::super::Failure;
use super::super::args::{RealTime, Tested};
use super::super::clock::unix_time;
use super::super::serve::tokens;
use crate::run::elsewhere::Elsewhere;
use crate::run::profile::Profile;
use crate::run::system::{AccountError, Accounts, Reach, SubjectError, SystemSubject, Token};
use crate::world::driver::dial::DialError;
use crate::world::live::Scale;

impl From<SubjectError> for Failure {
    fn from(error: SubjectError) -> Self {
        match error {
            SubjectError::Scale { .. } => Self::Usage(error.to_string()),
            SubjectError::Fault(_) | SubjectError::Io(_) => Self::Broken(error.to_string()),
        }
    }
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::File(error) => error.into(),
            error => Self::Usage(error.to_string()),
        }
    }
}

/// A running server by its URL.
pub(super) fn elsewhere(tested: &Tested, url: &str, profile: Profile, attempts: u32) -> Result<Elsewhere, Failure> {
    let real_time = &tested.real_time;
    let scale = Scale(real_time.scale.map_or(1, std::num::NonZeroU64::get));
    let nonce = format!("{:x}-{:x}-", unix_time().as_millis(), std::process::id());
    let reached = Elsewhere::reach(url, accounts(real_time)?, profile, scale, attempts, nonce);
    reached.map_err(|error| match error {
        DialError::Url { .. } | DialError::Proxy { .. } | DialError::Trust { .. } => Failure::Usage(error.to_string()),
        error => Failure::Broken(error.to_string()),
    })
}

pub(super) fn subject(
    tested: &Tested,
    reach: Reach,
    profile: Profile,
    attempts: u32,
) -> Result<SystemSubject, Failure> {
    let real_time = &tested.real_time;
    let accounts = accounts(real_time)?;
    let scale = real_time.scale.map(|scale| Scale(scale.get()));
    Ok(SystemSubject::introduce(reach, accounts, profile, scale, tested.patience, attempts)?)
}

/// Whoever plays on a service that others use has names that nobody else has.
fn accounts(arguments: &RealTime) -> Result<Accounts, Failure> {
    let run = || arguments.prefix.clone().unwrap_or_else(|| format!("c{:x}-", unix_time().as_millis() & 0xffff_ffff));
    let token = || -> Result<Option<Token>, Failure> {
        let Some(sdk_app_id) = arguments.sdk_app_id else { return Ok(None) };
        Ok(Some(Box::new(tokens(sdk_app_id, arguments.secret_file.as_deref())?)))
    };
    match (&arguments.accounts, &arguments.account_command) {
        (Some(file), _) => Ok(Accounts::listed(file, run(), token()?)?),
        (None, Some(command)) => Ok(Accounts::by_command(command.clone(), run())),
        (None, None) => match token()? {
            Some(token) => Ok(Accounts::made(run(), token)),
            None => Ok(Accounts::themselves().in_rooms_of(arguments.prefix.clone().unwrap_or_default())),
        },
    }
}
