//! Whom `convoke conform` tests: what is common to all that can be tested.

use super::super::Failure;
use super::super::args::{ContractName, Tested};
use super::super::libraries;
use super::super::output::Output;
use super::super::run::LIVE_JOBS;
use super::{introduction, system};
use crate::implementation::system::{CONTRACT as SYSTEM, Capability, SystemHello};
use crate::implementation::{Contract, Fault, Listener, ProcessSpec, Talks};
use crate::plan::WorldName;
use crate::report::terminal::shell_word;
use crate::run::conform::Subject;
use crate::run::elsewhere::Elsewhere;
use crate::run::libraries::Libraries;
use crate::run::profile::Profile;
use crate::run::system::{Reach, SystemSubject};
use crate::run::{Outcome, Recipe, Target};
use crate::scenario::Scenario;
use crate::seed::Seed;
use crate::world;

/// Somebody else's implementation.
pub(in crate::cli) enum Party {
    /// A server under our clock.
    Server(Subject),
    /// Client libraries under our clock, and perhaps a server.
    Libraries(Libraries),
    /// An SDK with its server, in real time.
    System(Box<SystemSubject>),
    /// A server that runs somewhere.
    Url(Box<Elsewhere>),
}

/// How often runs are made.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Runs {
    /// Whether each is made a second time, where the clock is ours.
    pub(in crate::cli) twice: bool,
    /// How often, in real time, where the first one fails.
    pub(in crate::cli) attempts: u32,
}

impl Party {
    /// Reaches whoever is named, and asks who it is.
    pub(in crate::cli) fn find(
        tested: &Tested,
        runs: Runs,
        profile: Profile,
        output: &mut Output,
    ) -> Result<Self, Failure> {
        let chosen = &tested.whom;
        if let Some(url) = &chosen.url {
            return Ok(Self::Url(Box::new(system::elsewhere(tested, url, profile, runs.attempts)?)));
        }
        let reach = match (&chosen.system, &chosen.attach, chosen.listen) {
            (Some(command), ..) => Some(Reach::Command(command.clone())),
            (_, Some(url), _) => Some(Reach::Attach(url.clone())),
            (.., Some(address)) => {
                let listener = Listener::at(address)
                    .map_err(|error| Failure::Usage(format!("can't listen at {address}: {error}; name another")))?;
                output.note(&format!("waiting for an adapter at ws://{}", listener.address()));
                Some(Reach::Listen(listener))
            }
            (None, None, None) => None,
        };
        if let Some(reach) = reach {
            return Ok(Self::System(Box::new(system::subject(tested, reach, profile, runs.attempts)?)));
        }
        let server = chosen.server.as_ref().map(|command| server(tested, command, runs, profile.clone()));
        match server.transpose()? {
            Some(server) if chosen.device.is_empty() => Ok(Self::Server(server)),
            server => Ok(Self::Libraries(libraries::find(tested, server, runs.twice, profile)?)),
        }
    }

    pub(in crate::cli) fn play(&self, target: &Target, scenario: &Scenario, seed: Seed, recipe: &Recipe) -> Outcome {
        match self {
            Self::Server(subject) => subject.conform(target, scenario, seed, recipe),
            Self::Libraries(libraries) => libraries.conform(target, scenario, seed, recipe),
            Self::System(subject) => subject.conform(target, scenario, seed, recipe),
            Self::Url(subject) => subject.conform(target, scenario, seed, recipe),
        }
    }

    pub(in crate::cli) fn close(&self) -> Result<(), Fault> {
        match self {
            Self::Server(subject) => subject.talks.close(),
            Self::Libraries(libraries) => libraries.close(),
            Self::System(subject) => subject.close(),
            Self::Url(_) => Ok(()),
        }
    }

    pub(in crate::cli) fn profile(&self) -> &Profile {
        match self {
            Self::Server(subject) => &subject.profile,
            Self::Libraries(libraries) => &libraries.profile,
            Self::System(subject) => &subject.profile,
            Self::Url(subject) => &subject.profile,
        }
    }

    /// Its name, its version, and its contract.
    pub(in crate::cli) fn identity(&self) -> (String, Option<String>, String) {
        match self {
            Self::Server(subject) => {
                let introduced = &subject.introduced;
                (introduced.name.clone(), Some(introduced.version.clone()), introduced.contract.name().to_owned())
            }
            Self::Libraries(libraries) => {
                let (name, version, contract) = libraries::identity(libraries);
                (name, Some(version), contract)
            }
            Self::System(subject) => {
                let introduced = &subject.introduced;
                (introduced.name.clone(), Some(introduced.version.clone()), SYSTEM.to_owned())
            }
            Self::Url(subject) => (subject.url(), None, Contract::Full.name().to_owned()),
        }
    }

    /// Who it is, in a line for people.
    pub(in crate::cli) fn introduction(&self) -> String {
        match self {
            Self::Server(subject) => introduction(&subject.introduced),
            Self::Libraries(libraries) => libraries::introduction(libraries),
            Self::System(subject) => {
                let SystemHello { name, version, .. } = &subject.introduced;
                let can: Vec<&str> = subject.introduced.capabilities.iter().map(|one| one.name()).collect();
                let can = if can.is_empty() { "calls alone".to_owned() } else { can.join(", ") };
                let scale = subject.scale.0;
                format!("{name} {version}, contract `{SYSTEM}`, can do: {can}; real time, {scale} times as fast")
            }
            Self::Url(subject) => {
                format!(
                    "{}, contract `full`, seen by its devices; real time, {} times as fast",
                    subject.url(),
                    subject.scale.0
                )
            }
        }
    }

    pub(in crate::cli) fn world(&self) -> WorldName {
        match self {
            Self::Server(_) | Self::Libraries(_) => WorldName::Sim,
            Self::System(_) | Self::Url(_) => WorldName::Live,
        }
    }

    /// How many runs go on at once, unless told: where time is real, a run mostly waits.
    pub(in crate::cli) fn jobs(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        match self {
            Self::Server(_) | Self::Libraries(_) => processors,
            Self::System(subject) if subject.reach.is_one() => 1,
            // A service of its own has room for the same users again.
            Self::System(subject) if subject.accounts.are_the_same() && !subject.introduced.can(Capability::Bounds) => {
                1
            }
            Self::Url(subject) if subject.accounts.are_the_same() => 1,
            Self::System(_) | Self::Url(_) => processors * LIVE_JOBS / 2,
        }
    }
}

/// Asks a server who it is.
fn server(tested: &Tested, command: &str, runs: Runs, profile: Profile) -> Result<Subject, Failure> {
    let spec = ProcessSpec { command: command.to_owned(), patience: tested.patience };
    let contract = tested.contract.map(Contract::from);
    let (talks, introduced) = Talks::introduce(spec, contract, &world::bare_service_config())
        .map_err(|fault| Failure::Broken(format!("the implementation does not introduce itself: {fault}")))?;
    Ok(Subject { talks: talks.into(), introduced, profile, twice: runs.twice })
}

/// The arguments that name the same implementation again.
pub(in crate::cli) fn arguments_of(tested: &Tested) -> String {
    let chosen = &tested.whom;
    let listen = chosen.listen.map(|address| address.to_string());
    let named = [
        ("--server", &chosen.server),
        ("--system", &chosen.system),
        ("--listen", &listen),
        ("--attach", &chosen.attach),
        ("--url", &chosen.url),
    ];
    let mut words: Vec<String> = named
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", shell_word(value.as_deref()?))))
        .collect();
    words.extend(chosen.device.iter().map(|command| format!("--device {}", shell_word(command))));
    let real_time = &tested.real_time;
    let files = [
        ("--accounts", real_time.accounts.as_ref().map(|path| path.display().to_string())),
        ("--account-command", real_time.account_command.clone()),
        ("--sdk-app-id", real_time.sdk_app_id.map(|id| id.to_string())),
        ("--secret-file", real_time.secret_file.as_ref().map(|path| path.display().to_string())),
        ("--prefix", real_time.prefix.clone()),
        ("--scale", real_time.scale.map(|scale| scale.to_string())),
        ("--contract", tested.contract.map(ContractName::into_contract_name)),
    ];
    words.extend(files.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", shell_word(&value?)))));
    words.join(" ")
}

impl ContractName {
    fn into_contract_name(self) -> String {
        Contract::from(self).name().to_owned()
    }
}
