//! Who plays whom: the accounts and the room ids of a service in the place of those of a scenario, and back.
//!
//! A scenario's users are played by accounts that the service knows, and its rooms have a prefix that no other run has. What
//! goes out is put into the service's words, and what comes in is put back, so that a trace speaks the scenario's.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// One account in the place of a scenario's user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// The scenario's user.
    pub plays: String,
    /// The name that the scenario gives to it.
    pub plays_name: String,
    /// The picture that the scenario gives to it.
    pub plays_avatar: String,
    /// The account.
    pub user_id: String,
    /// Its name.
    pub user_name: String,
    /// Its picture.
    pub avatar_url: String,
    /// The token that proves it, if it needs one.
    pub user_sig: Option<String>,
}

impl Person {
    /// A user who plays itself.
    #[must_use]
    pub fn itself(user_id: &str, user_name: &str, avatar_url: &str) -> Self {
        Self {
            plays: user_id.to_owned(),
            plays_name: user_name.to_owned(),
            plays_avatar: avatar_url.to_owned(),
            user_id: user_id.to_owned(),
            user_name: user_name.to_owned(),
            avatar_url: avatar_url.to_owned(),
            user_sig: None,
        }
    }
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    by_user: BTreeMap<String, Person>,
    /// The scenario's user by the account.
    by_account: BTreeMap<String, String>,
    prefix: String,
}

impl Names {
    /// These people, and this prefix of every room.
    #[must_use]
    pub fn new(people: impl IntoIterator<Item = Person>, prefix: impl Into<String>) -> Self {
        let by_user: BTreeMap<String, Person> =
            people.into_iter().map(|person| (person.plays.clone(), person)).collect();
        let by_account = by_user.values().map(|person| (person.user_id.clone(), person.plays.clone())).collect();
        Self { by_user, by_account, prefix: prefix.into() }
    }

    /// Everybody, in the order of the scenario's ids.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.by_user.values()
    }

    /// Who plays this user.
    #[must_use]
    pub fn person(&self, user: &str) -> Option<&Person> {
        self.by_user.get(user)
    }

    /// The account of a user; one whom nobody plays goes by its own id.
    #[must_use]
    pub fn account<'a>(&'a self, user: &'a str) -> &'a str {
        self.by_user.get(user).map_or(user, |person| &person.user_id)
    }

    /// The user that an account plays.
    #[must_use]
    pub fn user<'a>(&'a self, account: &'a str) -> &'a str {
        self.by_account.get(account).map_or(account, String::as_str)
    }

    /// How many bytes longer a room's id is there.
    #[must_use]
    pub fn prefix_bytes(&self) -> usize {
        self.prefix.len()
    }

    /// A room's id there. An empty one stays what it is.
    #[must_use]
    pub fn room(&self, room: &str) -> String {
        if room.is_empty() { String::new() } else { format!("{}{room}", self.prefix) }
    }

    fn room_back<'a>(&self, room: &'a str) -> &'a str {
        room.strip_prefix(self.prefix.as_str()).unwrap_or(room)
    }

    /// Puts the arguments of a call into the service's words.
    pub fn outward(&self, args: &mut Value) {
        let Value::Object(args) = args else { return };
        for (name, value) in args {
            match (name.as_str(), value) {
                ("roomId", Value::String(room)) => *room = self.room(room),
                ("userId", Value::String(user)) => *user = self.account(user).to_owned(),
                ("userIdList" | "scheduleAttendees", Value::Array(users)) => {
                    for user in users {
                        if let Value::String(user) = user {
                            *user = self.account(user).to_owned();
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Puts a result or a payload back into the scenario's words. `users` says that its names are user ids, as those of the
    /// result of inviteUsers are.
    pub fn inward(&self, value: &mut Value, keyed_by_users: bool) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.inward(value, false)),
            Value::Object(fields) if keyed_by_users => {
                let old = std::mem::take(fields);
                fields.extend(old.into_iter().map(|(account, code)| (self.user(&account).to_owned(), code)));
            }
            Value::Object(fields) => {
                self.named_as_in_the_scenario(fields);
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("roomId", Value::String(room)) => *room = self.room_back(room).to_owned(),
                        ("userId" | "ownerId", Value::String(user)) => *user = self.user(user).to_owned(),
                        (_, value @ (Value::Object(_) | Value::Array(_))) => self.inward(value, false),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// A name that is the account's own is the one that the scenario gives; one that the scenario has set since is left. A
    /// room without a name of its own is named by its id (ROOM-1).
    fn named_as_in_the_scenario(&self, fields: &mut Map<String, Value>) {
        let text = |fields: &Map<String, Value>, name: &str| fields.get(name)?.as_str().map(str::to_owned);
        for (id, name) in [("userId", "userName"), ("ownerId", "ownerName")] {
            let person = text(fields, id).and_then(|account| self.by_user.get(self.user(&account)));
            let Some(person) = person else { continue };
            // A service that was told no name has the id.
            if text(fields, name).is_some_and(|seen| seen == person.user_name || seen == person.user_id) {
                fields.insert(name.to_owned(), person.plays_name.clone().into());
            }
            let avatar = text(fields, "avatarUrl").filter(|_| id == "userId");
            if avatar.is_some_and(|seen| seen == person.avatar_url) {
                fields.insert("avatarUrl".to_owned(), person.plays_avatar.clone().into());
            }
        }
        if let Some(room) = text(fields, "roomId")
            && text(fields, "roomName").is_some_and(|name| name == room)
        {
            fields.insert("roomName".to_owned(), self.room_back(&room).into());
        }
    }
}
