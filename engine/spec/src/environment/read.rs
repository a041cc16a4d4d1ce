//! Reads an environment from data: the keys of this program, and those of the original where they can be understood.

use std::collections::BTreeMap;

use calipso_model::{ConnectionConfig, Environment, Str, Value};

use super::{HIDDEN, Mistake, below, parts, section, walk};
use crate::{
    checked::{Connection, Specs},
    environment::form,
};

/// Every key, in the order in which messages list them.
const KEYS: &[&str] = &["name", "distribution", "version", "mechanism_drivers", "type_drivers", "flags", "connections"];

/// Who may do what with an environment, as its configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// Users who may view it.
    pub view: Vec<Str>,
    /// Users who may edit it.
    pub edit: Vec<Str>,
}

/// An environment as it was written, and where its parts are in that text.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The environment. Connections of a list that several specs could serve have no spec yet.
    pub environment: Environment,
    /// Whose rights were given.
    pub auth: Option<Auth>,
    /// Keys that were there.
    pub given: Vec<Str>,
    /// Roles whose connections could not be read.
    pub unread: Vec<Str>,
    pub(super) written: BTreeMap<Str, WrittenConnection>,
    version_key: &'static str,
}

/// Where a connection stands, and what its fields are called there.
#[derive(Clone, Debug, Default)]
pub(super) struct WrittenConnection {
    pub pointer: String,
    pub names: BTreeMap<Str, Str>,
}

impl Written {
    /// The pointer into what was given that fits a pointer into the data form.
    #[must_use]
    pub fn place(&self, pointer: &str) -> String {
        if let Some(rest) = pointer.strip_prefix("/version")
            && rest.is_empty()
            && !self.version_key.is_empty()
        {
            return format!("/{}", self.version_key);
        }
        let parts = parts(pointer);
        let [key, role, rest @ ..] = parts.as_slice() else { return pointer.to_owned() };
        match self.written.get(role.as_str()) {
            Some(connection) if key == "connections" => {
                let mut found = connection.pointer.clone();
                for (depth, part) in rest.iter().enumerate() {
                    let written = (depth == 0).then(|| connection.names.get(part.as_str())).flatten();
                    found = below(&found, written.map_or(part.as_str(), AsRef::as_ref));
                }
                found
            }
            _ => pointer.to_owned(),
        }
    }

    /// The same mistakes at the places where they stand in what was given.
    #[must_use]
    pub fn placed(&self, mistakes: Vec<Mistake>) -> Vec<Mistake> {
        mistakes.into_iter().map(|mistake| Mistake { path: self.place(&mistake.path), ..mistake }).collect()
    }
}

/// Reads an environment from its data form. Whatever could not be read is left out; pointers lead into what was given.
#[must_use]
pub fn from_value(value: &Value, specs: &Specs) -> (Written, Vec<Mistake>) {
    let mut reader = Reader { specs, written: Written::default(), mistakes: Vec::new() };
    match value.as_map() {
        None => reader.mistakes.push(Mistake::new("", "an environment is a map")),
        Some(map) => {
            for (key, value) in map {
                reader.written.given.push(key.clone());
                reader.key(key, value);
            }
        }
    }
    (reader.written, reader.mistakes)
}

struct Reader<'s> {
    specs: &'s Specs,
    written: Written,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn mistake(&mut self, path: impl Into<String>, sentence: impl Into<String>) {
        self.mistakes.push(Mistake::new(path, sentence));
    }

    fn key(&mut self, key: &str, value: &Value) {
        match key {
            "name" => self.written.environment.name = self.text(key, value),
            "id" => {
                self.text(key, value);
            }
            "distribution" => self.written.environment.distribution = self.text(key, value),
            "version" | "distribution_version" => {
                if !self.written.version_key.is_empty() {
                    self.mistake(below("", key), "`version` and `distribution_version` are the same; give one of them");
                }
                self.written.version_key = if key == "version" { "version" } else { "distribution_version" };
                self.written.environment.version = self.text(key, value);
            }
            "mechanism_drivers" => self.written.environment.mechanism_drivers = self.texts(key, value),
            "type_drivers" => self.written.environment.type_drivers = self.texts(key, value),
            "flags" => self.written.environment.flags = self.texts(key, value),
            "connections" => self.connections(value),
            "configuration" => self.sections(value),
            "description" | "user" => {
                let text = self.text(key, value);
                if !text.is_empty() {
                    self.written.environment.settings.insert(key, text);
                }
            }
            "listen" => {
                if let Some(truth) = self.truth(key, value) {
                    self.written.environment.settings.insert(key, truth);
                }
            }
            "auth" => self.auth(value),
            // Keys of the original that follow from others, or that only it needs.
            "type" => {
                if self.text(key, value).as_ref() != "environment" {
                    self.mistake("/type", "the type of an environment is `environment`");
                }
            }
            "environment_type" => {
                self.text(key, value);
            }
            "app_path" | "run_app_path" => {
                self.text(key, value);
            }
            "scanned" | "archived" | "monitoring_setup_done" => {
                self.truth(key, value);
            }
            "enable_monitoring" => {
                if self.truth(key, value) == Some(true) {
                    self.written.environment.settings.insert(key, true);
                }
            }
            "operational" => {
                let text = self.text(key, value);
                if !["stopped", "running", "error"].contains(&text.as_ref()) {
                    self.mistake("/operational", "`operational` is one of stopped, running, error");
                }
            }
            "last_scanned" => {
                if !value.is_null() && value.as_str().is_none_or(|text| !is_time(text)) {
                    self.mistake("/last_scanned", "`last_scanned` is a time as RFC 3339 writes it");
                }
            }
            other => {
                let mistake = Mistake::new(below("", other), format!("an environment has no `{other}`"))
                    .help(format!("keys are {}", KEYS.join(", ")));
                self.mistakes.push(mistake);
            }
        }
    }

    fn text(&mut self, key: &str, value: &Value) -> Str {
        if let Value::Str(text) = value {
            return text.clone();
        }
        self.mistake(below("", key), format!("`{key}` must be text, not {}", value.kind()));
        Str::from("")
    }

    fn truth(&mut self, key: &str, value: &Value) -> Option<bool> {
        match value {
            Value::Bool(truth) => Some(*truth),
            Value::Null => None,
            other => {
                self.mistake(below("", key), format!("`{key}` must be true or false, not {}", other.kind()));
                None
            }
        }
    }

    /// A list of texts; one text is a list of one.
    fn texts(&mut self, key: &str, value: &Value) -> Vec<Str> {
        let at = below("", key);
        self.texts_at(&at, key, value)
    }

    fn texts_at(&mut self, at: &str, key: &str, value: &Value) -> Vec<Str> {
        let items = match value {
            Value::Str(text) => return vec![text.clone()],
            Value::List(items) => items,
            other => {
                self.mistake(at, format!("`{key}` is a list of texts, not {}", other.kind()));
                return Vec::new();
            }
        };
        let mut found: Vec<Str> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let at = below(at, &index.to_string());
            match item {
                Value::Str(text) if found.contains(text) => self.mistake(at, format!("`{text}` stands twice")),
                Value::Str(text) => found.push(text.clone()),
                other => self.mistake(at, format!("`{key}` is a list of texts, and this is {}", other.kind())),
            }
        }
        found
    }

    fn auth(&mut self, value: &Value) {
        let Some(map) = value.as_map() else {
            return self.mistake("/auth", format!("`auth` must be a map, not {}", value.kind()));
        };
        let mut auth = Auth::default();
        for (key, value) in map {
            let at = below("/auth", key);
            match key.as_ref() {
                "view-env" => auth.view = self.texts_at(&at, key, value),
                "edit-env" => auth.edit = self.texts_at(&at, key, value),
                other => self.mistake(at, format!("`auth` has no `{other}`; there are view-env, edit-env")),
            }
        }
        self.written.auth = Some(auth);
    }

    /// `ROLE: {spec: NAME, FIELD: VALUE …}`.
    fn connections(&mut self, value: &Value) {
        let Some(map) = value.as_map() else {
            return self.mistake("/connections", "`connections` is a map from role to fields");
        };
        for (role, fields) in map {
            let pointer = below("/connections", role);
            let Some(fields) = fields.as_map() else {
                self.mistake(pointer, format!("`connections.{role}` is a map of fields"));
                self.written.unread.push(role.clone());
                continue;
            };
            let mut fields = fields.clone();
            let spec = match fields.remove("spec") {
                None => Str::from(""),
                Some(Value::Str(name)) => name,
                Some(_) => {
                    let sentence = format!("`connections.{role}.spec` is the name of a connection");
                    self.mistake(below(&pointer, "spec"), sentence);
                    self.written.unread.push(role.clone());
                    continue;
                }
            };
            self.add(role, ConnectionConfig { spec, fields }, WrittenConnection { pointer, names: BTreeMap::new() });
        }
    }

    /// `- {name: SECTION, FIELD: VALUE …}`, as the original writes it.
    fn sections(&mut self, value: &Value) {
        let Some(items) = value.as_list() else {
            return self.mistake("/configuration", format!("`configuration` must be a list, not {}", value.kind()));
        };
        for (index, item) in items.iter().enumerate() {
            let pointer = format!("/configuration/{index}");
            match section::read(item, &pointer, self.specs) {
                Err((role, mut mistakes)) => {
                    self.mistakes.append(&mut mistakes);
                    self.written.unread.extend(role);
                }
                Ok(found) => {
                    let connection = WrittenConnection { pointer, names: found.names };
                    self.add(&found.role, found.config, connection);
                }
            }
        }
    }

    fn add(&mut self, role: &Str, config: ConnectionConfig, connection: WrittenConnection) {
        if let Some(other) = self.written.written.get(role) {
            let sentence = format!("the role {role} has a connection already, at {}", other.pointer);
            return self.mistake(connection.pointer, sentence);
        }
        self.written.environment.connections.insert(role.clone(), config);
        self.written.written.insert(role.clone(), connection);
    }
}

/// Whether a text looks like a time of RFC 3339 (without or with its zone, as the original writes both).
fn is_time(text: &str) -> bool {
    let digits =
        |range: std::ops::Range<usize>| text.get(range).is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()));
    let signs = [(4, "-"), (7, "-"), (13, ":"), (16, ":")];
    digits(0..4)
        && [5..7, 8..10, 11..13, 14..16, 17..19].into_iter().all(digits)
        && signs.iter().all(|(index, sign)| text.get(*index..*index + 1) == Some(*sign))
        && text.get(10..11).is_some_and(|sign| ["T", "t", " "].contains(&sign))
        && text.get(19..).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || "Zz.+-:".contains(c)))
}

/// The connections that serve a role.
pub(super) fn serving<'a>(specs: &'a Specs, role: &str) -> Vec<&'a Connection> {
    specs.connections.values().filter(|connection| connection.role.as_ref() == role).map(AsRef::as_ref).collect()
}

/// Fills in the connection spec of each role where only one can serve it.
///
/// # Errors
/// Roles that nothing serves, that several serve, or that another spec serves than the one that was named.
pub fn choose_specs(environment: &mut Environment, specs: &Specs) -> Result<(), Vec<Mistake>> {
    let mut mistakes = Vec::new();
    for (role, config) in &mut environment.connections {
        let at = below("/connections", role);
        let serving = serving(specs, role);
        let names: Vec<&str> = serving.iter().map(|connection| connection.head.name.as_ref()).collect();
        if serving.is_empty() {
            let mut known: Vec<&str> = specs.connections.values().map(|spec| spec.role.as_ref()).collect();
            known.sort_unstable();
            known.dedup();
            let mistake = Mistake::new(at, format!("no connection has the role `{role}`"));
            mistakes.push(mistake.help(format!("roles are {}", known.join(", "))));
        } else if config.spec.is_empty() {
            match serving.as_slice() {
                [only] => config.spec = only.head.name.clone(),
                _ => {
                    let mistake = Mistake::new(at, format!("several connections have the role `{role}`"));
                    mistakes.push(mistake.help(format!("choose one with `spec`: {}", names.join(" or "))));
                }
            }
        } else if !names.contains(&config.spec.as_ref()) {
            let sentence = format!("connection `{}` does not have the role `{role}`", config.spec);
            mistakes.push(
                Mistake::new(below(&at, "spec"), sentence)
                    .help(format!("connections with this role are {}", names.join(", "))),
            );
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// Secrets that stand in an environment as they are, or as `***`: where, and the field.
#[must_use]
pub fn unhidden(environment: &Environment, specs: &Specs) -> Vec<String> {
    let mut found = Vec::new();
    for (role, config) in &environment.connections {
        let Some(spec) = specs.connections.get(&config.spec) else { continue };
        let at = below("/connections", role);
        let kept = walk(&form(spec), &config.fields, &mut |pointer, field, value| {
            let closed = |text: &str| super::is_reference(text) || super::is_sealed(text);
            if field.is_some_and(|field| field.secret) && !value.is_null() && !value.as_str().is_some_and(closed) {
                found.push(format!("{at}{pointer}"));
            }
            None
        });
        debug_assert!(kept.iter().all(|(_, value)| value.as_map().is_some()), "only maps are kept");
    }
    found
}

/// Whether a value stands for a secret that is not shown.
#[must_use]
pub fn is_kept(value: &Value) -> bool {
    value.as_str() == Some(HIDDEN)
}
