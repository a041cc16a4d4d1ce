//! The form of a connection: its fields with their types, and what is wrong with how it was filled in.

use std::{collections::BTreeMap, net::IpAddr};

use calipso_model::{Map, Str, Value};

use super::{Mistake, below};
use crate::checked::{Connection, Field, FieldType, TransportName};

/// The field of connections by SSH that says whether hosts have to prove who they are.
pub const VERIFY_HOST_KEYS: &str = "verify_host_keys";

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
            ("known_hosts", field(FieldType::Path, None, "File of good host keys, in OpenSSH's form.")),
            (VERIFY_HOST_KEYS, field(FieldType::Bool, Some(Value::Bool(true)), "False: any host key will do.")),
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

/// Whether what other connections answer decides who is sent the secrets of this one: they tell where hosts are, and the
/// hosts do not have to prove who they are.
#[must_use]
pub fn is_led(spec: &Connection, given: &Map) -> bool {
    let verifies = given.get(VERIFY_HOST_KEYS).and_then(|value| typed(FieldType::Bool, value));
    spec.transport == TransportName::Ssh && verifies == Some(Value::Bool(false))
}

/// Whether a text names a secret that is kept elsewhere: `env:NAME` or `file:PATH`.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

/// Whether a text is a sealed secret.
#[must_use]
pub fn is_sealed(text: &str) -> bool {
    text.starts_with("sealed:")
}

/// Whether a field's text may be a reference.
#[must_use]
pub fn may_refer(field: &Field) -> bool {
    field.secret || matches!(field.field_type, FieldType::PrivateKey | FieldType::Certificates)
}

/// Whether a value must not be shown: a secret that is no reference, or a field that nobody declares.
#[must_use]
pub fn is_hidden(field: Option<&Field>, value: &Value) -> bool {
    match (field, value) {
        (Some(field), Value::Str(text)) if is_reference(text) => !may_refer(field),
        (Some(field), _) => field.secret || field.field_type == FieldType::PrivateKey,
        (None, _) => true,
    }
}

/// The result of looking at a text that may be a secret.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretText {
    /// The secret itself, to be looked at like any value.
    Open(Value),
    /// Something that stands for it.
    Closed(Value),
}

/// What is to become of texts in fields that may be secret.
pub trait Secrets {
    /// Takes the text of a field for which [`may_refer`] holds; `pointer` leads to it from its connection.
    ///
    /// # Errors
    /// What is wrong, in one sentence that does not repeat the text.
    fn take(&mut self, field: &Field, name: &str, pointer: &str, text: &str) -> Result<SecretText, String>;
}

/// Fills in a form: defaults set, values typed. Pointers of mistakes begin at the connection.
///
/// # Errors
/// Everything that is wrong with it.
pub fn fill(spec: &Connection, given: &Map, secrets: &mut dyn Secrets) -> Result<Map, Vec<Mistake>> {
    let fields = form(spec);
    let mut filling = Filling { secrets, mistakes: Vec::new() };
    let filled = filling.map("", &fields, given);
    // A given value that is wrong has been reported already.
    let there = |name: &Str| filled.contains_key(name) || given.get(name).is_some_and(|value| !value.is_null());
    if !spec.require_any.is_empty() && !spec.require_any.iter().any(there) {
        let names = spec.require_any.join(", ");
        filling.mistakes.push(Mistake::new("", format!("one of {names} has to be given")));
    }
    if filling.mistakes.is_empty() { Ok(filled) } else { Err(filling.mistakes) }
}

/// Changes the values of a form, those of inner forms included; what becomes nothing is left out.
pub fn walk(
    declared: &BTreeMap<Str, Field>,
    given: &Map,
    change: &mut dyn FnMut(&str, Option<&Field>, &Value) -> Option<Value>,
) -> Map {
    fn inner(
        at: &str,
        declared: &BTreeMap<Str, Field>,
        given: &Map,
        change: &mut dyn FnMut(&str, Option<&Field>, &Value) -> Option<Value>,
    ) -> Map {
        let mut changed = Map::new();
        for (name, value) in given {
            let (at, field) = (below(at, name), declared.get(name));
            let value = match (field, value) {
                (Some(field), Value::Map(entries)) if field.field_type == FieldType::Map => {
                    let entries: Map = entries
                        .iter()
                        .filter_map(|(key, entry)| {
                            let at = below(&at, key);
                            let entry = match entry {
                                Value::Map(entry) => Some(Value::Map(inner(&at, &field.of, entry, change))),
                                other => change(&at, None, other),
                            };
                            entry.map(|entry| (key.clone(), entry))
                        })
                        .collect();
                    Some(Value::Map(entries))
                }
                _ => change(&at, field, value),
            };
            if let Some(value) = value {
                changed.insert(name.clone(), value);
            }
        }
        changed
    }
    inner("", declared, given, change)
}

struct Filling<'a> {
    secrets: &'a mut dyn Secrets,
    mistakes: Vec<Mistake>,
}

impl Filling<'_> {
    fn map(&mut self, at: &str, fields: &BTreeMap<Str, Field>, given: &Map) -> Map {
        let mut filled = Map::new();
        for (name, _) in given {
            if !fields.contains_key(name) {
                let known = fields.keys().map(|name| name.as_ref()).collect::<Vec<_>>().join(", ");
                self.mistakes
                    .push(Mistake::new(below(at, name), format!("there is no field {name}; there are {known}")));
            }
        }
        for (name, field) in fields {
            let at = below(at, name);
            let value = match given.get(name) {
                None | Some(Value::Null) => field.default.as_ref(),
                given => given,
            };
            match value {
                None if field.optional => {}
                None => {
                    let about = field.description.as_ref();
                    let sentence = match about.is_empty() {
                        true => format!("{name} has to be given"),
                        false => format!("{name} has to be given ({about})"),
                    };
                    self.mistakes.push(Mistake::new(at, sentence));
                }
                Some(value) => match self.value(&at, name, field, value) {
                    Ok(value) => filled.insert(name.clone(), value),
                    Err(sentence) if sentence.is_empty() => {}
                    Err(sentence) => self.mistakes.push(Mistake::new(at, sentence)),
                },
            }
        }
        filled
    }

    fn value(&mut self, at: &str, name: &str, field: &Field, value: &Value) -> Result<Value, String> {
        if field.field_type == FieldType::Map {
            return self.entries(at, name, field, value);
        }
        let value = match value {
            other if field.secret && other.as_str().is_none() => {
                return Err(format!("{name} is a secret: it must be text, not {}", other.kind()));
            }
            Value::Str(text) if may_refer(field) => match self.secrets.take(field, name, at, text)? {
                SecretText::Closed(value) => return Ok(value),
                SecretText::Open(value) => value,
            },
            _ => value.clone(),
        };
        match typed(field.field_type, &value) {
            Some(value) if field.one_of.is_empty() || field.one_of.contains(&value) => Ok(value),
            Some(_) => {
                let allowed = field.one_of.iter().map(plain).collect::<Vec<_>>().join(", ");
                Err(format!("{name} has to be one of {allowed}"))
            }
            None => {
                // A URL may hold a password where none belongs.
                let shown = !field.secret && !value.as_str().is_some_and(|text| text.contains('@') || text.len() > 100);
                let found = if shown { plain(&value) } else { value.kind().to_owned() };
                Err(format!("{name} needs {}, found {found}", expectation(field.field_type)))
            }
        }
    }

    fn entries(&mut self, at: &str, name: &str, field: &Field, value: &Value) -> Result<Value, String> {
        let Value::Map(entries) = value else { return Err(format!("{name} needs a map, found {}", value.kind())) };
        let mut filled = Map::new();
        for (entry, value) in entries {
            let at = below(at, entry);
            match value {
                Value::Map(given) => {
                    let inner = self.map(&at, &field.of, given);
                    filled.insert(entry.clone(), inner);
                }
                other => {
                    let sentence = format!("{name}.{entry} needs a map, found {}", other.kind());
                    self.mistakes.push(Mistake::new(at, sentence));
                }
            }
        }
        Ok(Value::Map(filled))
    }
}

/// A value as people write it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_json(), str::to_owned)
}

fn expectation(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "text",
        FieldType::Url => "an absolute http or https URL without query or credentials",
        FieldType::Host => "a host name or address",
        FieldType::Port => "a port from 1 to 65535",
        FieldType::Integer => "a whole number",
        FieldType::Bool => "true or false",
        FieldType::Path => "a path",
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
            let open = url.username().is_empty() && url.password().is_none();
            let usable = matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && open;
            (usable && url.fragment().is_none()).then(|| value.clone())
        }
        FieldType::Host => is_host(text?).then(|| value.clone()),
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
        FieldType::Path => {
            text.filter(|text| !text.is_empty() && !text.chars().any(char::is_control)).map(|_| value.clone())
        }
        FieldType::PrivateKey | FieldType::Certificates => text.map(|_| value.clone()),
        FieldType::Map => value.as_map().map(|_| value.clone()),
    }
}

/// Whether a path begins at the root and leads nowhere else.
#[must_use]
pub fn is_absolute(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        !rest.chars().any(char::is_control)
            && rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
    })
}

/// An IPv4 or IPv6 address (with a zone, but without brackets), or labels of letters, digits, `-` and `_`.
///
/// # Source
/// RFC 1123, section 2.1; underscores are no part of it but occur; RFC 4007, section 11 for zones.
#[must_use]
pub fn is_host(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    if let Ok(address) = address.parse::<IpAddr>() {
        let is_word =
            |zone: &str| !zone.is_empty() && zone.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        return zone.is_none_or(|zone| address.is_ipv6() && is_word(zone));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // What ends in a number is a misspelt address.
    let is_number = |label: &str| label.chars().all(|c| c.is_ascii_digit());
    let dotted = name.contains('.');
    name.len() <= 253 && name.split('.').all(is_label) && !(dotted && name.rsplit('.').next().is_some_and(is_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        for good in
            ["10.0.0.1", "::1", "fe80::1%eth0", "2001:DB8::A", "node-1", "node_1.example.", "a", "1host.example"]
        {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "",
            " ",
            "10.0.0.256",
            "10.0.0",
            "[::1]",
            "10.0.0.1%eth0",
            "fe80::1%",
            "a..b",
            "-a",
            "a b",
            "a/b",
            "a:22",
            "é",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
        assert!(!is_host(&"a".repeat(64)) && is_host(&"a".repeat(63)));
    }

    #[test]
    fn values_are_typed() {
        let good = [
            (FieldType::Url, Value::text("https://[::1]:5000/v3")),
            (FieldType::Port, Value::text("22")),
            (FieldType::Port, Value::Int(65535)),
            (FieldType::Path, Value::text("/etc/keys/a b")),
            (FieldType::Bool, Value::text("true")),
            (FieldType::Text, Value::Int(7)),
        ];
        for (field_type, value) in good {
            assert!(typed(field_type, &value).is_some(), "{field_type:?} {value}");
        }
        let bad = [
            (FieldType::Url, Value::text("https://user:pw@host/")),
            (FieldType::Url, Value::text("ftp://host/")),
            (FieldType::Url, Value::text("https://host/?a=1")),
            (FieldType::Port, Value::Int(0)),
            (FieldType::Port, Value::Int(65536)),
            (FieldType::Port, Value::Bool(true)),
            (FieldType::Integer, Value::Bool(true)),
            (FieldType::Path, Value::text("")),
            (FieldType::Path, Value::text("/keys/\n")),
            (FieldType::Bool, Value::Int(1)),
            (FieldType::Text, Value::Bool(true)),
        ];
        for (field_type, value) in bad {
            assert!(typed(field_type, &value).is_none(), "{field_type:?} {value}");
        }
    }

    #[test]
    fn absolute_paths_lead_where_they_say() {
        assert!(is_absolute("/keys/a b"));
        for bad in ["", "/", "keys/a", "/keys/../a", "/keys//a", "/keys/./a", "/keys/", "/a\n"] {
            assert!(!is_absolute(bad), "{bad:?}");
        }
    }

    #[test]
    fn pointers_are_escaped_and_back() {
        assert_eq!(below(&below("", "a/b"), "c~d"), "/a~1b/c~0d");
        assert_eq!(super::super::parts("/a~1b/c~0d"), ["a/b", "c~d"]);
    }
}
