//! Connections: secrets, sessions, roles, pages.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::Str;

use super::{Catalogue, exprs, mean};
use crate::{
    checked::{Connection, Field},
    diag::Diagnostic,
};

pub(super) fn check(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    let mut roles: BTreeMap<&Str, &Connection> = BTreeMap::new();
    for connection in catalogue.specs.connections.values() {
        secrets(catalogue, connection, found);
        session(catalogue, connection, found);
        pages(catalogue, connection, found);
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
                        .says(
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
            if let Some(place) = catalogue.expr(expr, used.start, used.end) {
                found.push(
                    place
                        .says(
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

fn session(catalogue: &Catalogue<'_>, connection: &Connection, found: &mut Vec<Diagnostic>) {
    let Some(slot) = connection.layout.find("session") else { return };
    let known: Vec<Str> = connection.session.iter().map(|value| value.name.clone()).collect();
    for expr in exprs::session_places(connection) {
        for used in expr.uses().into_iter().filter(|used| used.slot == slot) {
            let Some(name) = used.path.first().filter(|name| !known.contains(name)) else { continue };
            if let Some(place) = catalogue.expr(expr, used.start, used.end) {
                let mut diagnostic = place.says(
                    "connection/unset-session",
                    format!("no login sets `session.{name}`"),
                    "not listed under `session`",
                );
                diagnostic.help = mean(name, &known).or_else(|| Some(format!("add `{name}` under `session`")));
                found.push(diagnostic);
            }
        }
    }
}

fn pages(catalogue: &Catalogue<'_>, connection: &Connection, found: &mut Vec<Diagnostic>) {
    let Some(wide) = connection.pages.iter().position(|page| page.when.is_none()) else { return };
    if let (Some(page), Some(before)) = (connection.pages.get(wide + 1), connection.pages.get(wide)) {
        let mut diagnostic = catalogue
            .place(&page.at, "name")
            .says("parse/overlapping-pages", format!("the page rule `{}` can never apply", page.name), "never asked")
            .help("put the rule without `when` last");
        diagnostic.others.push(catalogue.place(&before.at, "name").label("applies always"));
        found.push(diagnostic);
    }
}
