//! The sections that say what there is: service, network, accounts, users, rooms, snapshot.

use std::sync::Arc;

use super::{Fields, Reader};
use crate::protocol::bounds::{BoundValue, Bounds};
use crate::protocol::vocabulary::Platform;
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::expression::{Expression, Measure};
use crate::scenario::node::{At, Node, NodeKind, Span};
use crate::scenario::{
    Account, Device, Latency, Link, Network, Room, Scenario, Service, Snapshot, User, World, selector, words,
};

impl Reader {
    pub(super) fn scenario(&mut self, path: &str, text: &Arc<str>, root: &Node) -> Scenario {
        let fields = self.entries(root, "a scenario");
        if matches!(root.kind, NodeKind::Null) {
            self.note(
                Diagnostic::of_file("the file is empty")
                    .help("`convoke init` writes a first scenario; it begins with `version: 1`"),
            );
        } else if matches!(root.kind, NodeKind::Map(_)) {
            self.version(&fields);
            // `version` has messages of its own.
            let object = &words::SCENARIO;
            let with_version = fields.get("version").is_some();
            if with_version || fields.get("title").is_some() || fields.get("steps").is_some() {
                self.known_keys_but_version(&fields, object);
            }
        }
        let title = match fields.get("title") {
            Some(node) => self.text(node),
            None => At::new(String::new(), Span::default()),
        };
        Scenario {
            path: path.to_owned(),
            text: Arc::clone(text),
            title,
            covers: self.or(&fields, "covers", Vec::new(), Self::texts),
            tags: self.or(&fields, "tags", Vec::new(), Self::texts),
            worlds: self.or(&fields, "worlds", Vec::new(), Self::worlds),
            lasts: self.maybe(&fields, "lasts", Self::duration),
            service: self.service(fields.get("service")),
            network: self.or(&fields, "network", Network::default(), Self::network),
            accounts: self.or(&fields, "accounts", Vec::new(), Self::accounts),
            users: self.or(&fields, "users", Vec::new(), Self::users),
            rooms: self.or(&fields, "rooms", Vec::new(), Self::rooms),
            steps: self.or(&fields, "steps", Vec::new(), |reader, node| {
                reader.list(node).iter().filter_map(|item| reader.step(item)).collect()
            }),
            strangers: self.or(&fields, "strangers", Vec::new(), Self::selectors),
            expect: self.or(&fields, "expect", Vec::new(), |reader, node| {
                reader.list(node).iter().filter_map(|item| reader.expectation(item)).collect()
            }),
            snapshot: self.or(&fields, "snapshot", Snapshot::default(), Self::snapshot),
        }
    }

    fn known_keys_but_version(&mut self, fields: &Fields<'_>, object: &words::Object) {
        for (key, _) in fields.entries {
            if !object.fields.iter().any(|field| field.key == key.value) {
                self.note(
                    Diagnostic::new(key.span, format!("unknown key `{}` in {}", key.value, object.name))
                        .suggest(&key.value, object.fields.iter().map(|field| field.key)),
                );
            }
        }
        if fields.get("title").is_none() {
            self.note(
                Diagnostic::new(fields.span, "the scenario has no title")
                    .help("say in one sentence what it shows: `title: The inviter takes a call back.`"),
            );
        }
    }

    fn worlds(&mut self, node: &Node) -> Vec<At<World>> {
        const WORLDS: [(&str, World); 3] = [("sim", World::Sim), ("turmoil", World::Turmoil), ("live", World::Live)];
        self.list(node).iter().map(|item| At::new(self.word(item, &WORLDS), item.span)).collect()
    }

    fn service(&mut self, node: Option<&Node>) -> Service {
        let Some(node) = node else { return Service { bounds: Vec::new(), rate_limits: true, sync: None } };
        let fields = self.fields(node, &words::SERVICE);
        Service {
            bounds: self.or(&fields, "bounds", Vec::new(), Self::bounds),
            rate_limits: self.or(&fields, "rate_limits", true, Self::boolean),
            sync: self.maybe(&fields, "sync", Self::duration),
        }
    }

    fn bounds(&mut self, node: &Node) -> Vec<(At<String>, At<Expression>)> {
        let fields = self.entries(node, "bounds");
        let defaults = Bounds::default();
        let mut bounds = Vec::new();
        for (name, value) in fields.entries {
            let measure = match defaults.get(&name.value) {
                Some(BoundValue::Duration(_)) => Measure::Duration,
                Some(BoundValue::Count(_)) => Measure::Count,
                None => {
                    let diagnostic = Diagnostic::new(name.span, format!("unknown bound `{}`", name.value));
                    self.note(diagnostic.suggest(&name.value, Bounds::NAMES.iter().copied()));
                    continue;
                }
            };
            bounds.push((name.clone(), self.expression(value, measure)));
        }
        bounds
    }

    fn network(&mut self, node: &Node) -> Network {
        let fields = self.fields(node, &words::NETWORK);
        let mut links = Vec::new();
        if let Some(node) = fields.get("links") {
            for (key, value) in self.entries(node, "links").entries {
                let selector = self.selector_text(&key.value, key.span);
                let fields = self.fields(value, &words::LINK);
                let link = self.link(&fields);
                links.extend(selector.map(|selector| (selector, link)));
            }
        }
        Network { link: self.link(&fields), links }
    }

    fn link(&mut self, fields: &Fields<'_>) -> Link {
        let mut link = Link {
            latency: fields.get("latency").and_then(|node| self.latency(node)),
            loss: self.maybe(fields, "loss", Self::share),
            retransmit: self.maybe(fields, "retransmit", Self::duration),
            breakage: self.maybe(fields, "breakage", Self::share),
            ..Link::default()
        };
        if let Some(node) = fields.get("attack") {
            let attack = self.fields(node, &words::ATTACKS);
            link.lose = self.maybe(&attack, "lose", Self::share);
            link.duplicate = self.maybe(&attack, "duplicate", Self::share);
            link.reorder = self.maybe(&attack, "reorder", Self::share);
        }
        link
    }

    fn latency(&mut self, node: &Node) -> Option<Latency> {
        if !matches!(node.kind, NodeKind::Map(_)) {
            return Some(Latency::Constant(self.duration(node)));
        }
        let fields = self.fields(node, &words::LATENCY);
        self.exactly_one(&fields, "a latency", &["uniform", "exponential", "normal", "pareto"]);
        let (key, value) = fields.entries.first()?;
        match key.value.as_str() {
            "uniform" => self.two_durations(value).map(|(from, to)| Latency::Uniform(from, to)),
            "exponential" => {
                let fields = self.fields(value, &words::EXPONENTIAL);
                let (min, mean) = (fields.get("min")?, fields.get("mean")?);
                Some(Latency::Exponential(self.duration(min), self.duration(mean)))
            }
            "normal" => {
                let fields = self.fields(value, &words::NORMAL);
                let (mean, deviation) = (fields.get("mean")?, fields.get("deviation")?);
                Some(Latency::Normal(self.duration(mean), self.duration(deviation)))
            }
            "pareto" => {
                let fields = self.fields(value, &words::PARETO);
                let (min, shape) = (fields.get("min")?, fields.get("shape")?);
                let exponent = self.number(shape);
                if !(exponent.is_finite() && exponent > 0.0) {
                    self.note(Diagnostic::new(shape.span, "the shape of a Pareto distribution is above 0"));
                }
                Some(Latency::Pareto(self.duration(min), exponent))
            }
            _ => None,
        }
    }

    fn accounts(&mut self, node: &Node) -> Vec<Account> {
        match &node.kind {
            NodeKind::Map(entries) => entries
                .iter()
                .map(|(id, value)| {
                    let fields = self.fields(value, &words::ACCOUNT);
                    self.account(id, &fields)
                })
                .collect(),
            _ => self
                .list(node)
                .iter()
                .map(|item| {
                    let id = self.text(item);
                    self.account(&id, &Fields { span: item.span, entries: &[], slip: false })
                })
                .collect(),
        }
    }

    fn account(&mut self, id: &At<String>, fields: &Fields<'_>) -> Account {
        self.name(id, "a user");
        Account {
            id: id.clone(),
            user_name: self.maybe(fields, "userName", |reader, node| reader.text(node).value),
            avatar_url: self.maybe(fields, "avatarUrl", |reader, node| reader.text(node).value),
        }
    }

    fn name(&mut self, name: &At<String>, what: &str) {
        if !selector::is_name(&name.value) {
            self.note(
                Diagnostic::new(name.span, format!("`{}` can't be the name of {what}", name.value))
                    .help("names have 1 to 64 letters, digits, `_` and `-`"),
            );
        } else if name.value == "server" && what == "a user" {
            self.note(
                Diagnostic::new(name.span, "no user can be called `server`")
                    .help("steps name the server so: `restart: server`"),
            );
        }
    }

    fn users(&mut self, node: &Node) -> Vec<User> {
        let users = self.entries(node, "users");
        let mut read = Vec::new();
        for (id, value) in users.entries {
            let fields = self.fields(value, &words::USER);
            read.push(User {
                account: self.account(id, &fields),
                count: self.maybe(&fields, "count", Self::count),
                devices: self.or(&fields, "devices", Vec::new(), Self::devices),
            });
        }
        read
    }

    fn devices(&mut self, node: &Node) -> Vec<Device> {
        let devices: Vec<Device> = match &node.kind {
            NodeKind::Map(entries) => entries
                .iter()
                .map(|(name, value)| {
                    let fields = self.fields(value, &words::DEVICE);
                    self.device(name, &fields)
                })
                .collect(),
            _ => self
                .list(node)
                .iter()
                .map(|item| {
                    let name = self.text(item);
                    self.device(&name, &Fields { span: item.span, entries: &[], slip: false })
                })
                .collect(),
        };
        for (index, device) in devices.iter().enumerate() {
            if let Some(twin) = devices[..index].iter().find(|twin| twin.name.value == device.name.value) {
                self.note(
                    Diagnostic::new(device.name.span, format!("the device `{}` is there twice", device.name.value))
                        .other(twin.name.span, "the first one"),
                );
            }
        }
        devices
    }

    fn device(&mut self, name: &At<String>, fields: &Fields<'_>) -> Device {
        self.name(name, "a device");
        let platform = match fields.get("platform") {
            Some(node) => {
                let platforms: Vec<(&str, Platform)> =
                    Platform::ALL.iter().map(|platform| (platform.name(), *platform)).collect();
                self.word(node, &platforms)
            }
            None => Platform::from_name(&name.value).unwrap_or_else(|| {
                let named = diagnostic_for_platform(name);
                self.note(named);
                Platform::Phone
            }),
        };
        Device {
            name: name.clone(),
            platform,
            raw: self.or(fields, "kind", false, |reader, node| reader.word(node, &[("sdk", false), ("raw", true)])),
            online: self.or(fields, "online", true, Self::boolean),
            auto_busy: self.or(fields, "autoBusy", false, Self::boolean),
            device_id: self.maybe(fields, "deviceId", |reader, node| reader.text(node).value),
        }
    }

    fn rooms(&mut self, node: &Node) -> Vec<Room> {
        let rooms = self.entries(node, "rooms");
        let mut read = Vec::new();
        for (id, value) in rooms.entries {
            let fields = self.fields(value, &words::ROOM);
            let roles = self.or(&fields, "roles", Vec::new(), |reader, node| {
                let mut roles = Vec::new();
                for (user, role) in reader.entries(node, "roles").entries {
                    roles.extend(reader.selector_text(&user.value, user.span).map(|user| (user, role.clone())));
                }
                roles
            });
            let room = Room {
                id: id.clone(),
                owner: match fields.get("owner").and_then(|node| self.selector(node)) {
                    Some(owner) => owner,
                    // Noted already: the key is missing, or it names nobody.
                    None => continue,
                },
                room_type: fields.get("type").cloned(),
                name: self.maybe(&fields, "name", |reader, node| reader.text(node).value),
                password: self.maybe(&fields, "password", |reader, node| reader.text(node).value),
                max_members: self.maybe(&fields, "maxMembers", Self::count),
                members: self.or(&fields, "members", Vec::new(), |reader, node| {
                    reader.list(node).iter().filter_map(|item| reader.selector(item)).collect()
                }),
                roles,
                attendees: self.or(&fields, "attendees", Vec::new(), |reader, node| reader.list(node).to_vec()),
            };
            read.push(room);
        }
        read
    }

    fn snapshot(&mut self, node: &Node) -> Snapshot {
        if matches!(node.kind, NodeKind::Text(_)) {
            self.word(node, &[("none", ())]);
            return Snapshot { none: true, lanes: false };
        }
        let fields = self.fields(node, &words::SNAPSHOT);
        let lanes =
            self.or(&fields, "crowd", false, |reader, node| reader.word(node, &[("counts", false), ("lanes", true)]));
        Snapshot { none: false, lanes }
    }
}

fn diagnostic_for_platform(name: &At<String>) -> Diagnostic {
    let platforms = words::PLATFORMS.join(", ");
    Diagnostic::new(name.span, format!("the device `{}` has no platform", name.value))
        .help(format!("write `{}: {{platform: phone}}`, or name it like a platform: {platforms}", name.value))
}
