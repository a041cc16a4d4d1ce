//! Steps: results, alternatives, and what they ask of connections.

use std::collections::BTreeSet;

use calipso_expr::Tree;
use calipso_model::{Str, Value};

use super::{Catalogue, Span, Spot, exprs, walk};
use crate::{
    checked::{Block, Connection, Fetcher, HttpStep, SqlStep, Step, Take, TransportName, Verb},
    diag::Diagnostic,
    load::KINDS,
    yaml::NodeKind,
};

pub(super) fn check(catalogue: &Catalogue<'_>, found: &mut Vec<Diagnostic>) {
    for fetcher in catalogue.specs.fetchers.values() {
        let Some(spot) = catalogue.spot("fetcher", &fetcher.head.name) else { continue };
        let mut steps = Vec::new();
        walk(&fetcher.steps, &mut steps);
        unused(catalogue, fetcher, &steps, found);
        // The role of a spec is that of its requests; where it has none, a misspelt one does no harm, and is one all the same.
        if let Some(role) = spot.node.get("via").and_then(|node| node.as_text())
            && !steps.iter().any(|step| matches!(step.verb, Verb::Http(_)))
        {
            of_role(catalogue, &Str::from(role), || spot.value("via"), found);
        }
        for step in &steps {
            alternatives(catalogue, step, found);
            asks(catalogue, step, spot, found);
        }
        too_wide(catalogue, &steps, found);
    }
    for connection in catalogue.specs.connections.values() {
        let mut steps = Vec::new();
        for list in [&connection.login, &connection.refresh, &connection.test] {
            walk(list, &mut steps);
        }
        for step in steps {
            alternatives(catalogue, step, found);
            let (verb, wanted) = match &step.verb {
                Verb::Run(_) => ("run", TransportName::Ssh),
                Verb::Http(_) => ("http", TransportName::Http),
                Verb::Sql(_) => ("sql", TransportName::Sql),
                _ => ("", connection.transport),
            };
            let whole = || catalogue.spot("connection", &connection.head.name).map(|spot| spot.here());
            let Some(span) = catalogue.at(&step.at).map(|spot| spot.key(verb)).or_else(whole) else { continue };
            if !carried(verb, wanted, &connection.role, &[connection], || span, found) {
                continue;
            }
            match &step.verb {
                Verb::Http(http) => {
                    target(catalogue, step, http, &[connection], None, found);
                    items(catalogue, step, http, &[connection], found);
                }
                Verb::Sql(sql) => identifiers(catalogue, step, sql, &[connection], found),
                _ => {}
            }
        }
    }
}

fn unused(catalogue: &Catalogue<'_>, fetcher: &Fetcher, steps: &[&Step], found: &mut Vec<Diagnostic>) {
    let mut all = Vec::new();
    fetcher.steps.iter().for_each(|step| exprs::of_step(step, &mut all));
    let used: BTreeSet<usize> = all.iter().flat_map(|expr| expr.uses()).map(|used| used.slot).collect();
    for step in steps {
        let answer = match &step.verb {
            Verb::Http(http) => http.answer_as,
            _ => None,
        };
        for (slot, key) in
            [(step.bind, if matches!(step.verb, Verb::Let(_)) { "let" } else { "as" }), (answer, "answer_as")]
        {
            let Some(slot) = slot.filter(|slot| !used.contains(slot)) else { continue };
            let name = fetcher.layout.name(slot).cloned().unwrap_or_else(|| Str::from(""));
            found.push(
                catalogue
                    .span(&step.at, key)
                    .report("step/unused-result", format!("nothing reads `{name}`"), "bound here")
                    .help("read it in a later step, or leave it out"),
            );
        }
    }
}

/// Whether a list of steps can come out negative.
fn can_be_negative(block: &Block) -> bool {
    if block.when.is_some() {
        return true;
    }
    let mut steps = Vec::new();
    walk(&block.steps, &mut steps);
    steps.iter().any(|step| {
        let asks = matches!(step.verb, Verb::Run(_) | Verb::Http(_) | Verb::Sql(_));
        let covered = step.none_if.as_ref().is_some_and(|expr| expr.source() == "answer.negative");
        (asks && !covered) || step.take == Take::One
    })
}

fn alternatives(catalogue: &Catalogue<'_>, step: &Step, found: &mut Vec<Diagnostic>) {
    let Verb::FirstOf(blocks) = &step.verb else { return };
    let Some(sure) = blocks.iter().position(|block| !can_be_negative(block)) else { return };
    let Some(spot) = catalogue.at(&step.at) else { return };
    let spots: Vec<Spot<'_>> = spot.each("first_of").collect();
    if let (Some(after), Some(before)) = (spots.get(sure + 1), spots.get(sure)) {
        let mut diagnostic = after
            .here()
            .report("first_of/never-reached", "this alternative is never tried", "behind one that always works")
            .help("put the one that always works last");
        diagnostic.others.push(before.here().label("this one cannot come out negative"));
        found.push(diagnostic);
    }
}

fn too_wide(catalogue: &Catalogue<'_>, steps: &[&Step], found: &mut Vec<Diagnostic>) {
    for step in steps {
        let (Some(none_if), Some(slot)) = (&step.none_if, step.bind) else { continue };
        if none_if.source() != "answer.negative" {
            continue;
        }
        let emitted = steps.iter().any(|other| {
            matches!(other.verb, Verb::Emit(_))
                && other.each.as_ref().is_some_and(|each| {
                    each.generators.iter().any(|generator| {
                        generator.over.uses().iter().any(|used| used.slot == slot && used.path.is_empty())
                    })
                })
        });
        if emitted {
            found.push(
                catalogue
                    .span(&step.at, "none_if")
                    .report(
                        "none_if/too-wide",
                        "every negative answer counts as none, and the result decides what is emitted",
                        "a misspelt command would remove objects",
                    )
                    .help("ask for the text that means \"there is none\": `'…' in answer.stderr`"),
            );
        }
    }
}

/// Connections of a role; none when no spec has it, and that is reported.
fn of_role<'c>(
    catalogue: &Catalogue<'c>,
    role: &Str,
    span: impl FnOnce() -> Span,
    found: &mut Vec<Diagnostic>,
) -> Vec<&'c Connection> {
    let connections: Vec<&Connection> =
        catalogue.specs.connections.values().filter(|connection| connection.role == *role).map(AsRef::as_ref).collect();
    if connections.is_empty() {
        let roles: Vec<Str> = catalogue
            .read
            .files
            .iter()
            .filter(|((kind, _), _)| KINDS.get(*kind).is_some_and(|(_, name)| *name == "connection"))
            .filter_map(|(_, parsed)| parsed.node.get("role").and_then(|role| role.as_text()).map(Str::from))
            .collect();
        if !roles.contains(role) {
            let mut diagnostic =
                span().report("via/unknown-role", format!("no connection has the role `{role}`"), "not declared");
            diagnostic.help =
                catalogue.mean(role, &roles).or_else(|| Some(format!("declare a connection with `role: {role}`")));
            found.push(diagnostic);
        }
    }
    connections
}

/// Whether the role is reached by what the verb needs; if not, that is reported.
fn carried(
    verb: &str,
    transport: TransportName,
    role: &str,
    connections: &[&Connection],
    span: impl FnOnce() -> Span,
    found: &mut Vec<Diagnostic>,
) -> bool {
    let Some(other) = connections.iter().find(|connection| connection.transport != transport) else { return true };
    found.push(
        span()
            .report(
                "via/other-transport",
                format!(
                    "`{verb}` asks over {}; the role `{role}` is reached over {}",
                    transport.as_str(),
                    other.transport.as_str()
                ),
                "cannot carry this",
            )
            .help(match other.transport {
                TransportName::Http => "ask it with `http`, or name another role with `via`",
                TransportName::Sql => "ask it with `sql`, or name another role with `via`",
                TransportName::Ssh => "ask it with `run`, or name another role with `via`",
                TransportName::Amqp => "a broker is listened to, not asked: name another role with `via`",
            }),
    );
    false
}

fn asks(catalogue: &Catalogue<'_>, step: &Step, spec: Spot<'_>, found: &mut Vec<Diagnostic>) {
    let via_place = |verb: &'static str| {
        let spec_via = spec.node.get("via").map(|_| spec.value("via"));
        move || match catalogue.at(&step.at) {
            Some(spot) if spot.node.get("via").is_some() => spot.value("via"),
            Some(spot) => spec_via.filter(|_| verb == "http").unwrap_or_else(|| spot.key(verb)),
            None => spec.here(),
        }
    };
    match &step.verb {
        Verb::Run(run) => {
            let connections = of_role(catalogue, &run.via, via_place("run"), found);
            carried("run", TransportName::Ssh, &run.via, &connections, via_place("run"), found);
        }
        Verb::Http(http) => {
            let said = spec.node.get("via").is_some()
                || catalogue.at(&step.at).is_none_or(|spot| spot.node.get("via").is_some());
            if !said && !catalogue.specs.connections.values().any(|connection| connection.role == http.via) {
                let mut roles: Vec<&str> = catalogue
                    .specs
                    .connections
                    .values()
                    .filter(|connection| connection.transport == TransportName::Http)
                    .map(|connection| connection.role.as_ref())
                    .collect();
                roles.dedup();
                let advice = match roles.as_slice() {
                    [] => "declare a connection over http, and name its role with `via`".to_owned(),
                    roles => format!(
                        "add `via: {}` to the step, or to the spec for all of its requests",
                        roles.join("` or `via: ")
                    ),
                };
                let span = catalogue.at(&step.at).map_or_else(|| spec.here(), |spot| spot.key("http"));
                found.push(
                    span.report("via/unknown-role", "nothing says whom this request asks", "without `via`")
                        .help(advice),
                );
                return;
            }
            let connections = of_role(catalogue, &http.via, via_place("http"), found);
            if !carried("http", TransportName::Http, &http.via, &connections, via_place("http"), found) {
                return;
            }
            target(catalogue, step, http, &connections, Some(spec), found);
            items(catalogue, step, http, &connections, found);
        }
        Verb::Sql(sql) => {
            let connections = of_role(catalogue, &sql.via, via_place("sql"), found);
            if carried("sql", TransportName::Sql, &sql.via, &connections, via_place("sql"), found) {
                identifiers(catalogue, step, sql, &connections, found);
            }
        }
        _ => {}
    }
}

fn target(
    catalogue: &Catalogue<'_>,
    step: &Step,
    http: &HttpStep,
    connections: &[&Connection],
    spec: Option<Spot<'_>>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(first) = connections.first() else { return };
    for (key, tree) in &http.target {
        let own = catalogue
            .at(&step.at)
            .and_then(|spot| spot.inside("target"))
            .filter(|inside| inside.node.get(key).is_some());
        let Some(spot) = own.or_else(|| spec.and_then(|spec| spec.inside("target"))) else { continue };
        match first.target.get(key) {
            None => {
                let mut diagnostic = spot.key(key).report(
                    "http/unknown-target",
                    format!("the role `{}` has no target `{key}`", first.role),
                    format!("not under `target` of the connection `{}`", first.head.name),
                );
                diagnostic.help = catalogue.mean(key, first.target.keys());
                found.push(diagnostic);
            }
            Some(field) => {
                if let Tree::Const(value) = tree
                    && !field.one_of.is_empty()
                    && !field.one_of.contains(value)
                {
                    let words: Vec<Str> = field.one_of.iter().filter_map(|one| one.as_str().map(Str::from)).collect();
                    let shown = value.as_str().map_or_else(|| value.to_json(), str::to_owned);
                    let mut diagnostic = spot.value(key).report(
                        "http/unknown-target",
                        format!("`{shown}` is no `{key}` of the role `{}`", first.role),
                        "not among `one_of`",
                    );
                    diagnostic.help =
                        catalogue.mean(&shown, &words).or_else(|| Some(format!("one of {}", words.join(", "))));
                    found.push(diagnostic);
                }
            }
        }
    }
}

fn items(
    catalogue: &Catalogue<'_>,
    step: &Step,
    http: &HttpStep,
    connections: &[&Connection],
    found: &mut Vec<Diagnostic>,
) {
    if http.items.is_none() {
        return;
    }
    let constant = |name: &str| http.target.iter().find(|(key, _)| key.as_ref() == name).map(|(_, tree)| tree);
    for connection in connections {
        // A rule that asks for another constant target than this step's never applies.
        let applies = connection.pages.iter().any(|page| {
            page.when.as_ref().is_none_or(|when| {
                let parts: Vec<&str> = when.source().split("==").map(str::trim).collect();
                match parts.as_slice() {
                    [left, right] if left.starts_with("target.") => {
                        let wanted = right.trim_matches(['\'', '"']);
                        match constant(left.trim_start_matches("target.")) {
                            Some(Tree::Const(Value::Str(text))) => text.as_ref() == wanted,
                            _ => true,
                        }
                    }
                    _ => true,
                }
            })
        });
        if !applies {
            found.push(
                catalogue
                    .span(&step.at, "items")
                    .report(
                        "http/items-without-pages",
                        format!("no page rule of the connection `{}` applies to this list", connection.head.name),
                        "only the first page would be read",
                    )
                    .help("add a rule under `pages`; `next: none` says that a list has one page"),
            );
            return;
        }
    }
}

fn identifiers(
    catalogue: &Catalogue<'_>,
    step: &Step,
    sql: &SqlStep,
    connections: &[&Connection],
    found: &mut Vec<Diagnostic>,
) {
    if connections.is_empty() {
        return;
    }
    let known: Vec<Str> =
        connections.iter().flat_map(|connection| connection.identifiers.iter().map(|(name, _)| name.clone())).collect();
    for (name, start, end) in sql.text.identifiers() {
        if known.contains(&name) {
            continue;
        }
        let Some(spot) = catalogue.at(&step.at) else { continue };
        let mut span = spot.value("sql");
        if let Some(node) = spot.node.get("sql")
            && let NodeKind::Text { inside: Some(inside), .. } = node.kind
        {
            span.range = inside + start..inside + end;
        }
        let mut diagnostic = span.report(
            "sql/unknown-identifier",
            format!("no connection of the role `{}` has the identifier `{name}`", sql.via),
            "not declared under `identifiers`",
        );
        diagnostic.help = catalogue.mean(&name, &known);
        found.push(diagnostic);
    }
}
