//! The form of a connection: defaults filled in, secrets fetched, mistakes told in sentences.

use std::collections::BTreeMap;

use calipso_model::{ConnectionConfig, Map, Place, Secret, Str, Value};
use calipso_spec::checked::{Connection, Field, FieldType, TransportName};
use calipso_transport::Scrubber;

use crate::connection::SecretSource;

/// What is wrong with the form of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The field, with a dot between a map's field, its entry and the field within.
    pub field: String,
    /// What is wrong with it and what it needs, in one sentence without secrets.
    pub sentence: String,
}

/// Fields that every connection of a transport has besides its own: how the other side proves who it is.
fn common_fields(transport: TransportName) -> BTreeMap<Str, Field> {
    let field = |field_type, default: Option<Value>, description: &str| Field {
        field_type,
        secret: false,
        optional: true,
        default,
        one_of: Vec::new(),
        of: BTreeMap::new(),
        description: description.into(),
        example: None,
    };
    let pairs = match transport {
        TransportName::Http => vec![
            ("ca", field(FieldType::Certificates, None, "Certificates that are trusted besides those of the system.")),
            ("verify_tls", field(FieldType::Bool, Some(Value::Bool(true)), "False: any certificate will do.")),
        ],
        TransportName::Ssh => vec![
            ("known_hosts", field(FieldType::Text, None, "File of good host keys, in OpenSSH's form.")),
            ("verify_host_keys", field(FieldType::Bool, Some(Value::Bool(true)), "False: any host key will do.")),
        ],
        TransportName::Sql | TransportName::Amqp => Vec::new(),
    };
    pairs.into_iter().map(|(name, field)| (Str::from(name), field)).collect()
}

/// The whole form of a connection: its own fields, and those of its transport.
#[must_use]
pub fn form(spec: &Connection) -> BTreeMap<Str, Field> {
    let mut fields = common_fields(spec.transport);
    fields.extend(spec.fields.iter().map(|(name, field)| (name.clone(), field.clone())));
    fields
}

/// Before what leads to a secret: references, and sealed text.
const SCHEMES: [&str; 3] = ["env:", "file:", "sealed:"];

/// Fills in the form of the connection of a role.
///
/// # Errors
/// Everything that is wrong with it.
pub fn filled_in(
    spec: &Connection,
    config: &ConnectionConfig,
    role: &Place,
    secrets: &dyn SecretSource,
    scrubber: &Scrubber,
) -> Result<Map, Vec<ConfigProblem>> {
    let fields = form(spec);
    let mut form = Form { role, secrets, scrubber, problems: Vec::new() };
    let filled = form.map("", &fields, &config.fields);
    if !spec.require_any.is_empty() && !spec.require_any.iter().any(|name| filled.contains_key(name)) {
        let names = spec.require_any.join(", ");
        form.problem("", &names, format!("one of {names} has to be given"));
    }
    if form.problems.is_empty() { Ok(filled) } else { Err(form.problems) }
}

struct Form<'a> {
    role: &'a Place,
    secrets: &'a dyn SecretSource,
    scrubber: &'a Scrubber,
    problems: Vec<ConfigProblem>,
}

impl Form<'_> {
    fn problem(&mut self, prefix: &str, name: &str, sentence: String) {
        self.problems.push(ConfigProblem { field: format!("{prefix}{name}"), sentence });
    }

    fn resolve(&self, reference: &str, prefix: &str, name: &str) -> Result<Secret, String> {
        self.secrets.resolve(reference, &self.role.field(format!("{prefix}{name}")))
    }

    fn map(&mut self, prefix: &str, fields: &BTreeMap<Str, Field>, given: &Map) -> Map {
        let mut filled = Map::new();
        for (name, _) in given {
            if !fields.contains_key(name) {
                let known = fields.keys().map(|name| name.as_ref()).collect::<Vec<_>>().join(", ");
                self.problem(prefix, name, format!("there is no field {name}; there are {known}"));
            }
        }
        for (name, field) in fields {
            let value = match given.get(name) {
                None | Some(Value::Null) => field.default.clone(),
                Some(value) => Some(value.clone()),
            };
            match value {
                None if field.optional => {}
                None => self.problem(prefix, name, format!("{name} has to be given ({})", field.description)),
                Some(value) => {
                    if let Some(value) = self.value(prefix, name, field, value) {
                        filled.insert(name.clone(), value);
                    }
                }
            }
        }
        filled
    }

    fn value(&mut self, prefix: &str, name: &str, field: &Field, value: Value) -> Option<Value> {
        if field.field_type == FieldType::Map {
            let Value::Map(entries) = value else {
                self.problem(prefix, name, format!("{name} needs a map, found {}", value.kind()));
                return None;
            };
            let mut filled = Map::new();
            for (entry, value) in &entries {
                match value {
                    Value::Map(given) => {
                        let inner = self.map(&format!("{prefix}{name}.{entry}."), &field.of, given);
                        filled.insert(entry.clone(), inner);
                    }
                    other => self.problem(prefix, name, format!("{name}.{entry} needs a map, found {}", other.kind())),
                }
            }
            return Some(Value::Map(filled));
        }
        let is_reference = matches!(&value, Value::Str(text) if SCHEMES.iter().any(|scheme| text.starts_with(scheme)));
        let may_refer = field.secret || matches!(field.field_type, FieldType::PrivateKey | FieldType::Certificates);
        let value = match &value {
            Value::Str(reference) if may_refer && is_reference => match self.resolve(reference, prefix, name) {
                Ok(secret) => {
                    if field.secret {
                        self.scrubber.register(secret.reveal());
                    }
                    Value::text(secret.reveal())
                }
                Err(sentence) => {
                    self.problem(prefix, name, format!("{name}: {sentence}"));
                    return None;
                }
            },
            Value::Str(_) if field.secret => {
                let sentence = format!("{name} is a secret: give a reference to it, env:NAME or file:PATH, or seal it");
                self.problem(prefix, name, sentence);
                return None;
            }
            _ => value,
        };
        match typed(field.field_type, &value) {
            Some(value) if field.one_of.is_empty() || field.one_of.contains(&value) => Some(value),
            Some(_) => {
                let allowed = field.one_of.iter().map(plain).collect::<Vec<_>>().join(", ");
                self.problem(prefix, name, format!("{name} has to be one of {allowed}"));
                None
            }
            None => {
                let found = if field.secret { value.kind().to_owned() } else { plain(&value) };
                self.problem(prefix, name, format!("{name} needs {}, found {found}", says(field.field_type)));
                None
            }
        }
    }
}

/// A value as people write it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_json(), str::to_owned)
}

fn says(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "text",
        FieldType::Url => "an absolute http or https URL",
        FieldType::Host => "a host name or address",
        FieldType::Port => "a port from 1 to 65535",
        FieldType::Integer => "a whole number",
        FieldType::Bool => "true or false",
        FieldType::PrivateKey => "a private key in PEM or OpenSSH form",
        FieldType::Certificates => "certificates in PEM form",
        FieldType::Map => "a map",
    }
}

/// The value if it is of the type; numbers and truth values may be written as text.
fn typed(field_type: FieldType, value: &Value) -> Option<Value> {
    let text = value.as_str();
    match field_type {
        FieldType::Text => match value {
            Value::Str(_) => Some(value.clone()),
            Value::Int(number) => Some(Value::from(number.to_string())),
            _ => None,
        },
        FieldType::Url => {
            let url = url::Url::parse(text?).ok()?;
            let usable = matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
            usable.then(|| value.clone())
        }
        FieldType::Host => {
            let text = text?;
            let usable = !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/');
            usable.then(|| value.clone())
        }
        FieldType::Port => {
            let number = value.as_int().or_else(|| text?.parse().ok())?;
            (1..=65535).contains(&number).then_some(Value::Int(number))
        }
        FieldType::Integer => value.as_int().or_else(|| text?.parse().ok()).map(Value::Int),
        FieldType::Bool => match (value, text) {
            (Value::Bool(_), _) => Some(value.clone()),
            (_, Some("true")) => Some(Value::Bool(true)),
            (_, Some("false")) => Some(Value::Bool(false)),
            _ => None,
        },
        FieldType::PrivateKey | FieldType::Certificates => text.map(|_| value.clone()),
        FieldType::Map => value.as_map().map(|_| value.clone()),
    }
}
