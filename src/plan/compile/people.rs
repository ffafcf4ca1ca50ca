//! Who there is: users, populations, accounts and devices, and what a selector names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Compiler;
use crate::plan::{Account, DeviceIndex, DeviceKind, PlannedDevice};
use crate::protocol::bounds::Bounds;
use crate::protocol::call::DeviceIdentity;
use crate::protocol::vocabulary::{DeviceId, UserId};
use crate::scenario::diagnostic::nearest;
use crate::scenario::{self, At, Diagnostic, Diagnostics, Scenario, Selector, Span};

/// The most devices that a scenario can have.
const DEVICES_MAX: i128 = 2_000_000;

/// Everybody, by name.
pub(super) struct People<'s> {
    groups: Vec<Group<'s>>,
    by_name: BTreeMap<&'s str, usize>,
    /// The first device of each group that has devices, in order, with the group.
    by_device: Vec<(u32, usize)>,
}

/// A user, a population, or an account without devices.
struct Group<'s> {
    account: &'s scenario::Account,
    /// How many users; absent for one that is no population.
    count: Option<u32>,
    devices: &'s [scenario::Device],
    /// The index of the first device of the first user.
    first_device: u32,
}

impl Group<'_> {
    fn users(&self) -> u32 {
        self.count.unwrap_or(1)
    }

    /// The id of a user, counted from 0.
    fn user_id(&self, user: u32) -> String {
        match self.count {
            None => self.account.id.value.clone(),
            Some(_) => format!("{}-{}", self.account.id.value, user + 1),
        }
    }

    /// How a scenario names a user, counted from 0.
    fn user_name(&self, user: u32) -> String {
        match self.count {
            None => self.account.id.value.clone(),
            Some(_) => format!("{}[{}]", self.account.id.value, user + 1),
        }
    }

    fn device(&self, user: u32, device: usize) -> DeviceIndex {
        let width = u32::try_from(self.devices.len()).expect("devices are limited");
        DeviceIndex(self.first_device + user * width + u32::try_from(device).expect("devices are limited"))
    }
}

impl<'s> People<'s> {
    /// Those of a scenario.
    pub(super) fn of(scenario: &'s Scenario, bounds: &Bounds, found: &mut Diagnostics) -> Self {
        let mut people = Self { groups: Vec::new(), by_name: BTreeMap::new(), by_device: Vec::new() };
        let mut total = 0_i128;
        for user in &scenario.users {
            let count = user.count.as_ref().map(|count| (count.value.value(bounds), count.span));
            let width = i128::try_from(user.devices.len()).unwrap_or(i128::MAX);
            let first_device = u32::try_from(total).unwrap_or(0);
            // Everybody who can be called is counted, devices or not.
            let size = count.map_or(1, |(count, _)| count).saturating_mul(width.max(1));
            let span = count.map_or(user.account.id.span, |(_, span)| span);
            let count = match count {
                Some((count, span)) if count < 1 => {
                    found.push(Diagnostic::new(span, format!("a population of {count}")).help("write 1 or more"));
                    Some(1)
                }
                Some(_) if total.saturating_add(size) > DEVICES_MAX => Some(1),
                Some((count, _)) => u32::try_from(count).ok(),
                None => None,
            };
            if total.saturating_add(size) > DEVICES_MAX {
                found.push(
                    Diagnostic::new(span, format!("more than {DEVICES_MAX} devices"))
                        .help("a scenario is for behaviour; split it, or use `convoke load`"),
                );
            } else {
                total += size.max(0);
            }
            people.add(Group { account: &user.account, count, devices: &user.devices, first_device }, found);
            one_session_a_platform(user, found);
        }
        for account in &scenario.accounts {
            people.add(Group { account, count: None, devices: &[], first_device: 0 }, found);
        }
        people.hyphenated(found);
        people
    }

    fn add(&mut self, group: Group<'s>, found: &mut Diagnostics) {
        let id = &group.account.id;
        if let Some(first) = self.by_name.get(id.value.as_str()) {
            found.push(
                Diagnostic::new(id.span, format!("`{}` is there twice", id.value))
                    .other(self.groups[*first].account.id.span, "the first one")
                    .help("users and accounts share their names"),
            );
            return;
        }
        self.by_name.insert(&id.value, self.groups.len());
        if !group.devices.is_empty() {
            self.by_device.push((group.first_device, self.groups.len()));
        }
        self.groups.push(group);
    }

    /// Notes users who have the id of a member of a population.
    fn hyphenated(&self, found: &mut Diagnostics) {
        for group in &self.groups {
            if let Some((population, number)) = self.member_of_population(&group.account.id.value) {
                found.push(
                    Diagnostic::new(
                        group.account.id.span,
                        format!("`{}` is a user of `{population}`", group.account.id.value),
                    )
                    .help(format!("user {number} of the population has that id; choose another")),
                );
            }
        }
    }

    /// The population and number behind an id such as `crowd-7`.
    fn member_of_population(&self, id: &str) -> Option<(&str, u32)> {
        let (name, digits) = id.rsplit_once('-')?;
        let number: u32 = digits.parse().ok()?;
        let group = &self.groups[*self.by_name.get(name)?];
        let canonical = number.to_string() == digits;
        (canonical && group.count.is_some_and(|count| (1..=count).contains(&number)))
            .then_some((group.account.id.value.as_str(), number))
    }

    /// Whether there is an account with this id.
    pub(super) fn has_account(&self, id: &str) -> bool {
        self.by_name.get(id).is_some_and(|group| self.groups[*group].count.is_none())
            || self.member_of_population(id).is_some()
    }

    /// All accounts and all devices, in order: [`DeviceIndex`] points into the latter. What a population repeats a million
    /// times is there once.
    pub(super) fn accounts_and_devices(&self) -> (Vec<Account>, Vec<PlannedDevice>) {
        let width = |group: &Group<'_>| group.users() as usize * group.devices.len();
        let mut accounts = Vec::with_capacity(self.groups.iter().map(|group| group.users() as usize).sum());
        let mut devices = Vec::with_capacity(self.groups.iter().map(width).sum());
        for group in &self.groups {
            let population: Option<Arc<str>> = group.count.map(|_| group.account.id.value.as_str().into());
            let user_name: Option<Arc<str>> = group.account.user_name.as_deref().map(Arc::from);
            let avatar_url: Arc<str> = group.account.avatar_url.as_deref().map_or_else(Arc::default, Arc::from);
            for user in 0..group.users() {
                let id: Arc<str> = group.user_id(user).into();
                let user_id = UserId::from(id.clone());
                accounts.push(Account {
                    user_id: user_id.clone(),
                    user_name: user_name.clone().unwrap_or_else(|| id.clone()),
                    avatar_url: avatar_url.clone(),
                });
                for device in group.devices {
                    let name = &device.name.value;
                    devices.push(PlannedDevice {
                        name: format!("{}.{name}", group.user_name(user)).into(),
                        identity: DeviceIdentity {
                            user_id: user_id.clone(),
                            device_id: match &device.device_id {
                                Some(given) => DeviceId::from(given.as_str()),
                                None => DeviceId::from(format!("{id}-{name}")),
                            },
                            platform: device.platform,
                        },
                        kind: if device.raw { DeviceKind::Raw } else { DeviceKind::Sdk },
                        auto_busy: device.auto_busy,
                        population: population.clone(),
                    });
                }
            }
        }
        (accounts, devices)
    }

    /// The devices that are logged in when the scenario begins, with the place that says so.
    pub(super) fn online(&self) -> impl Iterator<Item = (DeviceIndex, Span)> {
        self.groups.iter().flat_map(|group| {
            (0..group.users()).flat_map(move |user| {
                group
                    .devices
                    .iter()
                    .enumerate()
                    .filter(|(_, device)| device.online)
                    .map(move |(number, device)| (group.device(user, number), device.name.span))
            })
        })
    }

    /// The declaration of a device.
    pub(super) fn declaration(&self, index: DeviceIndex) -> &'s scenario::Device {
        let group = self.group_of(index);
        let width = u32::try_from(group.devices.len()).expect("devices are limited");
        &group.devices[usize::try_from((index.0 - group.first_device) % width).expect("a remainder of few")]
    }

    /// The id of the user of a device.
    pub(super) fn user_of(&self, index: DeviceIndex) -> UserId {
        let group = self.group_of(index);
        let width = u32::try_from(group.devices.len()).expect("devices are limited");
        group.user_id((index.0 - group.first_device) / width).into()
    }

    /// How the scenario names a device.
    pub(super) fn name_of(&self, index: DeviceIndex) -> String {
        let group = self.group_of(index);
        let width = u32::try_from(group.devices.len()).expect("devices are limited");
        let user = group.user_name((index.0 - group.first_device) / width);
        format!("{user}.{}", self.declaration(index).name.value)
    }

    fn group_of(&self, index: DeviceIndex) -> &Group<'s> {
        let after = self.by_device.partition_point(|(first, _)| *first <= index.0);
        let (_, group) = self.by_device[after.checked_sub(1).expect("the first group with devices begins at 0")];
        &self.groups[group]
    }
}

/// DEV-9: two sessions of one user on one platform can't be, so they can't be the beginning.
fn one_session_a_platform(user: &scenario::User, found: &mut Diagnostics) {
    for (index, device) in user.devices.iter().enumerate() {
        let twin =
            user.devices[..index].iter().find(|twin| twin.online && device.online && twin.platform == device.platform);
        if let Some(twin) = twin {
            found.push(
                Diagnostic::new(
                    device.name.span,
                    format!("two devices of one user are online on the platform {}", device.platform),
                )
                .other(twin.name.span, "the first one")
                .help(
                    "a login ends the older session on the platform (DEV-9); begin with `online: false` on one of them",
                ),
            );
        }
    }
}

impl Compiler<'_> {
    /// The users of a selector: their group, and the first and last, counted from 0.
    fn find(&mut self, selector: &At<Selector>) -> Option<(usize, u32, u32)> {
        let Selector { text, user, range, .. } = &selector.value;
        let Some(&index) = self.people.by_name.get(user.as_str()) else {
            let diagnostic = Diagnostic::new(selector.span, format!("unknown user `{user}`"));
            let diagnostic = match self.people.member_of_population(user) {
                Some((population, number)) => diagnostic.label(format!("did you mean `{population}[{number}]`?")),
                None => {
                    let names: Vec<&str> = self.people.by_name.keys().copied().collect();
                    diagnostic.suggest(user, names)
                }
            };
            self.note(diagnostic);
            return None;
        };
        let users = self.people.groups[index].users();
        let Some(range) = range else { return Some((index, 0, users - 1)) };
        if self.people.groups[index].count.is_none() {
            self.note(
                Diagnostic::new(selector.span, format!("`{user}` is one user and no population"))
                    .help(format!("write `{user}`, or give it a `count`")),
            );
            return None;
        }
        let (first, last) = (range.first.value(&self.bounds), range.last.value(&self.bounds));
        if first < 1 || last < first || last > i128::from(users) {
            self.note(
                Diagnostic::new(
                    selector.span,
                    format!("`{text}` is from {first} to {last}, and `{user}` from 1 to {users}"),
                )
                .help("users of a population are counted from 1, and both ends are included"),
            );
            return None;
        }
        let narrow = |number: i128| u32::try_from(number - 1).expect("between 1 and the count");
        Some((index, narrow(first), narrow(last)))
    }

    /// The devices that a selector names, in order.
    pub(super) fn select(&mut self, selector: &At<Selector>) -> Vec<DeviceIndex> {
        let Some((index, first, last)) = self.find(selector) else { return Vec::new() };
        let group = &self.people.groups[index];
        if group.devices.is_empty() {
            let text = &selector.value.text;
            self.note(
                Diagnostic::new(selector.span, format!("`{text}` has no devices"))
                    .help("declare devices under `users`; those under `accounts` have none"),
            );
            return Vec::new();
        }
        let devices = match &selector.value.device {
            None => 0..group.devices.len(),
            Some(name) => match group.devices.iter().position(|device| device.name.value == *name) {
                Some(device) => device..device + 1,
                None => {
                    let names: Vec<&str> = group.devices.iter().map(|device| device.name.value.as_str()).collect();
                    let diagnostic =
                        Diagnostic::new(selector.span, format!("`{}` has no device `{name}`", selector.value.user));
                    self.note(match nearest(name, names.iter().copied()) {
                        Some(like) => diagnostic.label(format!("did you mean `{}.{like}`?", selector.value.user)),
                        None => diagnostic.suggest(name, names),
                    });
                    return Vec::new();
                }
            },
        };
        (first..=last).flat_map(|user| devices.clone().map(move |device| group.device(user, device))).collect()
    }

    /// The devices that selectors name, each once, in order.
    pub(super) fn select_all(&mut self, selectors: &[At<Selector>]) -> Vec<DeviceIndex> {
        let mut all: Vec<DeviceIndex> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for selector in selectors {
            for device in self.select(selector) {
                if !seen.insert(device) {
                    let name = self.people.name_of(device);
                    self.note(Diagnostic::new(selector.span, format!("`{name}` is named twice")).help("name it once"));
                    break;
                }
                all.push(device);
            }
        }
        all
    }

    /// The ids of the users that a selector names.
    pub(super) fn select_users(&mut self, selector: &At<Selector>) -> Vec<UserId> {
        let Some((index, first, last)) = self.find(selector) else { return Vec::new() };
        if let Some(device) = &selector.value.device {
            self.note(
                Diagnostic::new(
                    selector.span,
                    format!("a user is wanted here, and `{}` is a device", selector.value.text),
                )
                .help(format!("remove `.{device}`")),
            );
            return Vec::new();
        }
        let group = &self.people.groups[index];
        (first..=last).map(|user| group.user_id(user).into()).collect()
    }

    /// The id of the one user that a selector names.
    pub(super) fn select_user(&mut self, selector: &At<Selector>) -> Option<UserId> {
        let users = self.select_users(selector);
        match <[UserId; 1]>::try_from(users) {
            Ok([user]) => Some(user),
            Err(users) => {
                if !users.is_empty() {
                    let text = &selector.value.text;
                    self.note(
                        Diagnostic::new(
                            selector.span,
                            format!("one user is wanted here, and `{text}` are {}", users.len()),
                        )
                        .help(format!("name one of them: `{}[1]`", selector.value.user)),
                    );
                }
                None
            }
        }
    }
}
