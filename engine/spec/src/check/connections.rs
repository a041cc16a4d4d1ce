//! Connections: secrets, sessions, roles, pages.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Str, Value};

use super::{Catalogue, Spot, exprs};
use crate::{
    checked::{Connection, Field, FieldType, TransportName},
    diag::Diagnostic,
};

pub(super) fn check(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    let mut roles: BTreeMap<&Str, &Connection> = BTreeMap::new();
    for connection in catalogue.specs.connections.values() {
        secrets(catalogue, connection, found);
        session(catalogue, connection, found);
        pages(catalogue, connection, found);
        connect(catalogue, connection, found);
        defaults(catalogue, connection, found);
        required(catalogue, connection, found);
        if let Some(spot) = catalogue.spot("connection", &connection.head.name).and_then(|spot| spot.inside("fields")) {
            typed(&connection.fields, spot, found);
        }
        aliases(catalogue, connection, found);
        match roles.get(&connection.role) {
            None => {
                roles.insert(&connection.role, connection);
            }
            Some(first) => {
                let names = |connection: &Connection| connection.target.keys().cloned().collect::<BTreeSet<Str>>();
                let (here, there) = (names(connection), names(first));
                if here != there
                    && let Some(spot) = catalogue.spot("connection", &connection.head.name)
                {
                    let differing: Vec<String> =
                        here.symmetric_difference(&there).map(|name| format!("`{name}`")).collect();
                    let mut diagnostic = spot
                        .value("role")
                        .report(
                            "connection/roles-differ",
                            format!(
                                "`{}` and `{}` have one role, but differ in the target fields {}",
                                first.head.name,
                                connection.head.name,
                                differing.join(", ")
                            ),
                            "the same role",
                        )
                        .help("give both the same `target` fields, or another role to one of them");
                    if let Some(other) = catalogue.spot("connection", &first.head.name) {
                        diagnostic.others.push(other.value("role").label("the other one"));
                    }
                    found.push(diagnostic);
                }
            }
        }
    }
}

/// Names of secret fields, at any depth.
fn secret_names(form: &BTreeMap<Str, Field>, names: &mut BTreeSet<Str>) {
    for (name, field) in form {
        if field.secret {
            names.insert(name.clone());
        }
        secret_names(&field.of, names);
    }
}

fn secrets(catalogue: &Catalogue<'_>, connection: &Connection, found: &mut Vec<Diagnostic>) {
    let mut names = BTreeSet::new();
    secret_names(&connection.fields, &mut names);
    let session: BTreeSet<&str> =
        connection.session.iter().filter(|value| value.secret).map(|value| value.name.as_ref()).collect();
    let slot = |name| connection.layout.find(name);
    for expr in exprs::open_places(connection) {
        for used in expr.uses() {
            let below = Some(used.slot) == slot("config") || Some(used.slot) == slot("own");
            let leaks = below && used.path.iter().any(|part| names.contains(part))
                || Some(used.slot) == slot("session")
                    && used.path.first().is_some_and(|part| session.contains(part.as_ref()));
            if !leaks {
                continue;
            }
            if let Some(span) = catalogue.expr(expr, used.start, used.end) {
                found.push(
                    span
                        .report(
                            "connection/secret-leaks",
                            "a secret is used where it would be shown or recorded",
                            "a secret",
                        )
                        .help("secrets belong into bodies and headers of `login`, `send`, `connect` and `jump`, or a session value that is `secret: true`"),
                );
            }
        }
    }
}

/// What an alias means is there and means nothing else, and no secret becomes part of a field that is none.
fn aliases(catalogue: &Catalogue<'_>, connection: &Connection, found: &mut Vec<Diagnostic>) {
    let aliases = &connection.aliases;
    let Some(inside) = catalogue.spot("connection", &connection.head.name).and_then(|spot| spot.inside("aliases"))
    else {
        return;
    };
    let (fields, values) = (inside.inside("fields"), inside.inside("values"));
    let targets = aliases.fields.iter().filter_map(|(alias, field)| Some((fields?.value(alias), field)));
    let computed = aliases.values.iter().filter_map(|(field, _)| Some((values?.key(field), field)));
    for (span, field) in targets.chain(computed).filter(|(_, field)| !connection.fields.contains_key(*field)) {
        let mut diagnostic = span.report(
            "connection/unknown-field",
            format!("the connection has no field `{field}`"),
            "not declared under `fields`",
        );
        diagnostic.help = catalogue.mean(field, connection.fields.keys());
        found.push(diagnostic);
    }
    for alias in aliases.fields.keys().filter(|alias| connection.fields.contains_key(*alias)) {
        if let Some(fields) = fields {
            found.push(
                fields
                    .key(alias)
                    .report("connection/alias-taken", format!("`{alias}` is a field itself"), "means two fields")
                    .help("leave the alias out, or give the field another name"),
            );
        }
    }
    for alias in &aliases.sections {
        let clash = catalogue.specs.connections.values().find(|other| {
            let other_head = other.head.name != connection.head.name;
            other_head && (other.head.name == *alias || other.role == *alias || other.aliases.sections.contains(alias))
        });
        if let Some(other) = clash {
            found.push(
                inside
                    .element("sections", alias)
                    .report(
                        "connection/alias-taken",
                        format!("`{alias}` means the connection `{}`, too", other.head.name),
                        "means two connections",
                    )
                    .help("give one of them another alias"),
            );
        }
    }
    let mut secret: BTreeSet<Str> = aliases
        .fields
        .iter()
        .filter(|(_, field)| is_secret(connection, field))
        .map(|(alias, _)| alias.clone())
        .collect();
    secret.extend(connection.fields.keys().filter(|field| is_secret(connection, field)).cloned());
    for (field, tree) in aliases.values.iter().filter(|(field, _)| !is_secret(connection, field)) {
        for expr in tree.exprs() {
            let leak = expr.uses().into_iter().find(|used| used.path.first().is_some_and(|key| secret.contains(key)));
            let span = leak.and_then(|used| catalogue.expr(expr, used.start, used.end));
            if let Some(span) = span {
                found.push(
                    span.report("connection/secret-leaks", format!("a secret becomes part of `{field}`"), "a secret")
                        .help(format!(
                            "`{field}` is shown; only fields that are `secret: true` may be made of secrets"
                        )),
                );
            }
        }
    }
}

fn is_secret(connection: &Connection, field: &str) -> bool {
    connection.fields.get(field).is_some_and(|field| field.secret)
}

fn session(catalogue: &Catalogue<'_>, connection: &Connection, found: &mut Vec<Diagnostic>) {
    let Some(slot) = connection.layout.find("session") else { return };
    let known: Vec<Str> = connection.session.iter().map(|value| value.name.clone()).collect();
    for expr in exprs::session_places(connection) {
        for used in expr.uses().into_iter().filter(|used| used.slot == slot) {
            let Some(name) = used.path.first().filter(|name| !known.contains(name)) else { continue };
            if let Some(span) = catalogue.expr(expr, used.start, used.end) {
                let mut diagnostic = span.report(
                    "connection/unset-session",
                    format!("no login sets `session.{name}`"),
                    "not listed under `session`",
                );
                diagnostic.help =
                    catalogue.mean(name, &known).or_else(|| Some(format!("add `{name}` under `session`")));
                found.push(diagnostic);
            }
        }
    }
}

/// The parameters of `connect` for each transport.
fn connect_keys(transport: TransportName) -> &'static [&'static str] {
    match transport {
        TransportName::Http => &["ca", "verify_tls", "certificates", "private_key"],
        TransportName::Sql => &["address", "port", "user", "password", "database"],
        TransportName::Ssh => &["address", "port", "user", "password", "private_key", "known_hosts", "verify_host_key"],
        TransportName::Amqp => &["address", "port", "virtual_host", "tls", "user", "password"],
    }
}

fn connect(catalogue: &Catalogue<'_>, connection: &Connection, found: &mut Vec<Diagnostic>) {
    let known: Vec<Str> = connect_keys(connection.transport).iter().map(|key| Str::from(*key)).collect();
    let Some(spot) = catalogue.spot("connection", &connection.head.name) else { return };
    let Some(inside) = spot.inside("connect") else { return };
    if connection.transport == TransportName::Http {
        return;
    }
    for (key, _) in connection.connect.iter().filter(|(key, _)| !known.contains(key)) {
        let mut diagnostic =
            inside.key(key).report("spec/unknown-key", format!("`connect` has no key `{key}`"), "unknown key");
        let listed: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
        diagnostic.help = catalogue.mean(key, &known).or_else(|| Some(format!("known keys are {}", listed.join(", "))));
        found.push(diagnostic);
    }
    if inside.node.get("address").is_none() {
        found.push(
            inside
                .here()
                .report("spec/missing-key", "`connect` lacks the key `address`", "`address` belongs here")
                .help("add `address: …`"),
        );
    }
}

/// Fields of which one must be given, but that the form does not have.
fn required(catalogue: &Catalogue<'_>, connection: &Connection, found: &mut Vec<Diagnostic>) {
    let Some(spot) = catalogue.spot("connection", &connection.head.name) else { return };
    for name in connection.require_any.iter().filter(|name| !connection.fields.contains_key(*name)) {
        let mut diagnostic = spot.element("require_any", name).report(
            "connection/unknown-field",
            format!("the connection has no field `{name}`"),
            "not under `fields`",
        );
        diagnostic.help = catalogue.mean(name, connection.fields.keys());
        found.push(diagnostic);
    }
}

/// Defaults, examples and allowed values that the type of their field does not have.
fn typed(form: &BTreeMap<Str, Field>, fields: Spot<'_>, found: &mut Vec<Diagnostic>) {
    for (name, field) in form {
        let Some(spot) = fields.inside(name) else { continue };
        if let Some(inside) = spot.inside("of") {
            if field.field_type == FieldType::Map {
                typed(&field.of, inside, found);
            } else {
                let key = spot.key("of");
                found.push(
                    key.report(
                        "type/meaningless-key",
                        format!("`of` has no meaning for `{name}`"),
                        "only a map has it",
                    )
                    .help("leave it out, or let the field be a map"),
                );
            }
        }
        let listed = spot.node.get("one_of").map(crate::yaml::Node::items).unwrap_or_default();
        let single = ["default", "example"].into_iter().filter_map(|key| Some((key, spot.node.get(key)?)));
        for (key, node) in single.chain(listed.iter().map(|node| ("one_of", node))) {
            if let Some(wanted) = misfit(field.field_type, &node.value()) {
                found.push(
                    spot.at(node)
                        .report(
                            "spec/wrong-type",
                            format!("`{key}` of `{name}` is {wanted}, not {}", describe_value(node)),
                            format!("expected {wanted}"),
                        )
                        .help(quoted(node, &wanted)),
                );
            }
        }
        if let (Some(default), true) = (spot.node.get("default"), field.secret) {
            found.push(
                spot.at(default)
                    .report("connection/secret-leaks", format!("the default of the secret `{name}` is no secret"), "")
                    .help("leave the default out: whoever runs the scan gives the secret"),
            );
        }
    }
}

/// A value in the words of messages.
fn describe_value(node: &crate::yaml::Node) -> String {
    match node.value() {
        Value::Str(text) => format!("the text `{text}`"),
        Value::Int(number) => number.to_string(),
        _ => node.kind_name().to_owned(),
    }
}

/// What to do about a value of another type.
fn quoted(node: &crate::yaml::Node, wanted: &str) -> String {
    match node.value() {
        Value::Int(_) | Value::Float(_) | Value::Bool(_) if wanted == "text" => "quote it".to_owned(),
        Value::Str(_) if wanted.starts_with('`') => format!("write {wanted}, without quotes"),
        Value::Str(text) if wanted.contains("number") && text.parse::<i64>().is_ok() => {
            "write it without quotes".to_owned()
        }
        _ => "write a value of the field's type, or correct the type".to_owned(),
    }
}

/// What a field holds, where a value is none of that.
fn misfit(field_type: FieldType, value: &Value) -> Option<String> {
    let text = |good: &dyn Fn(&str) -> bool| matches!(value, Value::Str(text) if good(text));
    let (fits, wanted) = match field_type {
        FieldType::Text | FieldType::Path | FieldType::PrivateKey | FieldType::Certificates => {
            (text(&|_| true), "text")
        }
        FieldType::Host => {
            (text(&|text| !text.is_empty() && !text.contains([' ', '/', '@'])), "a host name or address")
        }
        FieldType::Url => (
            text(&|text| url::Url::parse(text).is_ok_and(|url| url.has_host() || url.scheme() == "unix")),
            "an absolute URL",
        ),
        FieldType::Port => (matches!(value, Value::Int(1..=65_535)), "a port, a whole number from 1 to 65535"),
        FieldType::Integer => (matches!(value, Value::Int(_)), "a whole number"),
        FieldType::Bool => (matches!(value, Value::Bool(_)), "`true` or `false`"),
        FieldType::Map => (matches!(value, Value::Map(_)), "a map"),
    };
    (!fits).then(|| wanted.to_owned())
}

/// Defaults that are not among the values that a field can have.
fn defaults(catalogue: &Catalogue<'_>, connection: &Connection, found: &mut Vec<Diagnostic>) {
    let Some(spot) = catalogue.spot("connection", &connection.head.name) else { return };
    let fields = connection.fields.iter().map(|(name, field)| ("fields", name, &field.one_of, field.default.clone()));
    let target = connection.target.iter().map(|(name, field)| {
        let default = match &field.default {
            Some(calipso_expr::Tree::Const(value)) => Some(value.clone()),
            _ => None,
        };
        ("target", name, &field.one_of, default)
    });
    for (key, name, one_of, default) in fields.chain(target) {
        let Some(default) = default.filter(|default| !one_of.is_empty() && !one_of.contains(default)) else { continue };
        let Some(field) = spot.inside(key).and_then(|inside| inside.inside(name)) else { continue };
        let words: Vec<Str> = one_of.iter().filter_map(|one| one.as_str().map(Str::from)).collect();
        let mut diagnostic = field.value("default").report(
            "spec/wrong-type",
            format!("the default of `{name}` is none of its values"),
            "not among `one_of`",
        );
        diagnostic.help = default.as_str().and_then(|text| catalogue.mean(text, &words));
        found.push(diagnostic);
    }
}

fn pages(catalogue: &Catalogue<'_>, connection: &Connection, found: &mut Vec<Diagnostic>) {
    let Some(wide) = connection.pages.iter().position(|page| page.when.is_none()) else { return };
    if let (Some(page), Some(before)) = (connection.pages.get(wide + 1), connection.pages.get(wide)) {
        let mut diagnostic = catalogue
            .span(&page.at, "name")
            .report("parse/overlapping-pages", format!("the page rule `{}` can never apply", page.name), "never asked")
            .help("put the rule without `when` last");
        diagnostic.others.push(catalogue.span(&before.at, "name").label("applies always"));
        found.push(diagnostic);
    }
}
