//! `explain` of objects, links, cliques and dangling ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_derive::{Changes, Dangling, DanglingEnd, Graph, NoDocuments, Reason, Rules, Stop, Usual};
use calipso_model::{LinkRef, Object, ObjectKey, Revision, Str, Value};
use calipso_store::{Backend, Store};

use crate::{
    args::ExplainCommand,
    command::{changes, found, scan::explain_plan},
    failure::{Exit, Failure},
    output::{fitted, printable},
    session::{Session, environment, find_object, store_failure},
    show,
};

/// `explain` of anything but a code.
///
/// # Errors
/// Unknown environment, object or link.
pub async fn run(session: &Session, what: &ExplainCommand) -> Result<(), Failure> {
    match what {
        ExplainCommand::Plan { environment } => explain_plan(session, environment).await,
        ExplainCommand::Object { environment, object } => {
            let store = session.store().await?;
            let found = find_object(store.as_ref(), environment, None, object).await?;
            let scopes = store.scopes_of(environment, &found.key).await.map_err(store_failure)?;
            println!("{} `{}`", printable(&found.key.to_string()), printable(found.name()));
            if scopes.is_empty() {
                println!("no fetcher emits it: it is a folder of its type's form");
            }
            for scope in scopes {
                for member in &scope.members {
                    let role = if member.asserts { "says that it exists" } else { "adds to it" };
                    println!("\n{} under {} {role} ({})", scope.key.fetcher, scope.key.parent, member.at);
                    let since = if scope.complete {
                        format!("complete at {}", scope.scanned_at)
                    } else {
                        let since = scope.stale_since.as_deref().unwrap_or(&scope.tried_at);
                        let why = printable(scope.problem.as_deref().unwrap_or("unknown"));
                        format!("[stale since {}] incomplete: {why}", show::day(since))
                    };
                    println!("  {since}");
                    let names: Vec<&str> = member.contribution.keys().map(AsRef::as_ref).collect();
                    let mut text = String::new();
                    changes::listed(&mut text, session.width, "  attributes: ", &names.join(", "));
                    print!("{text}");
                }
            }
            Ok(())
        }
        ExplainCommand::Link { environment: name, link_type, source, target } => {
            let store = session.store().await?;
            let source = find_object(store.as_ref(), name, None, source).await?;
            let target = find_object(store.as_ref(), name, None, target).await?;
            let graph = graph(session, store.as_ref(), name, None).await?;
            let link = LinkRef { link_type: Str::from(link_type.as_str()), source: source.key, target: target.key };
            let Some(why) = graph.explain_link(&link) else {
                return Err(Failure::new(
                    Exit::Findings,
                    format!("there is no {link_type} between {} and {}", link.source, link.target),
                )
                .help(format!(
                    "`calipso explain dangling {name} --link-type {link_type}` shows ends that met nothing"
                )));
            };
            println!("{link_type}: {} — {}", link.source, link.target);
            for (number, rule) in why.rules.iter().enumerate() {
                let keys: Vec<String> = rule.keys.iter().map(|key| Value::list(key.clone()).to_json()).collect();
                let also = if number == 0 { "made by rule" } else { "rule too:" };
                println!("  {also} `{}` ({}), keys that met: {}", rule.rule, rule.at, keys.join(" "));
            }
            for link in &why.chain {
                println!("  stands for {} {} — {}", link.link_type, link.source, link.target);
            }
            Ok(())
        }
        ExplainCommand::Clique { environment: name, object } => {
            let store = session.store().await?;
            let focal = find_object(store.as_ref(), name, None, object).await?;
            let graph = graph(session, store.as_ref(), name, None).await?;
            let Some(why) = graph.explain_clique(&focal.key) else {
                return Err(Failure::new(
                    Exit::Findings,
                    format!("no clique type of `{name}` has {} in its middle", focal.key.object_type),
                ));
            };
            let width = session.table_width;
            let mut head = String::new();
            let title = format!("clique of {}: clique type {} ({})", focal.key, why.clique_type, why.at);
            changes::line(&mut head, width, "", &printable(&title));
            for (attribute, value) in &why.constraints {
                let constraint = format!("constraint {attribute}: {}", value.to_json());
                changes::line(&mut head, width, "  ", &printable(&constraint));
            }
            print!("{head}");
            let rows: Vec<Vec<String>> = why
                .steps
                .iter()
                .map(|step| {
                    let why = match (step.applies, step.taken, step.from) {
                        (false, ..) => "no such link type here".to_owned(),
                        (_, 1.., _) => String::new(),
                        (_, _, 0) => "nothing was reached that it starts from".to_owned(),
                        _ => step
                            .stops
                            .iter()
                            .map(reasons)
                            .collect::<BTreeSet<_>>()
                            .into_iter()
                            .collect::<Vec<_>>()
                            .join("; "),
                    };
                    let counts = [step.from, step.taken, step.refused].map(|number| number.to_string());
                    std::iter::once(step.step.to_string()).chain(counts).chain(std::iter::once(why)).collect()
                })
                .collect();
            print!("{}", fitted(&["STEP", "FROM", "TAKEN", "REFUSED", "WHY NONE"], &rows, session.table_width));
            Ok(())
        }
        ExplainCommand::Dangling { environment: name, object, link_type, host, all } => {
            let store = session.store().await?;
            let store = store.as_ref();
            let object = match object {
                Some(text) => Some(find_object(store, name, None, text).await?.key),
                None => None,
            };
            found::known_host(store, name, None, host.as_deref()).await?;
            let graph = graph(session, store, name, None).await?;
            if let Some(wanted) = link_type
                && !graph.rules().link_types().any(|known| **known == **wanted)
            {
                return Err(found::unknown("link type", wanted, graph.rules().link_types().map(AsRef::as_ref)));
            }
            let asked = Dangling { link_type: link_type.as_deref().map(Str::from), object, ..Dangling::default() };
            let wanted = ScanOptions { host: host.as_deref(), all: *all };
            dangling(session, store, name, &graph, &asked, &wanted).await
        }
    }
}

/// Which ends are shown.
struct ScanOptions<'a> {
    host: Option<&'a str>,
    all: bool,
}

/// Maximum number of ends that `--all` shows.
const MOST_ENDS: usize = 10_000;

/// `explain dangling`: what is unexpected, and how much else is as usual.
async fn dangling(
    session: &Session,
    store: &dyn Store,
    name: &str,
    graph: &Graph,
    asked: &Dangling,
    wanted: &ScanOptions<'_>,
) -> Result<(), Failure> {
    let ends = graph.dangling(asked);
    let several = graph.cardinality();
    let keys = ends.iter().map(|end| &end.object).chain(several.iter().map(|violation| &violation.object));
    let keys: Vec<ObjectKey> = keys.cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let objects = store.objects_by_key(name, None, &keys).await.map_err(store_failure)?;
    let objects: BTreeMap<ObjectKey, Object> = objects.into_iter().map(|object| (object.key.clone(), object)).collect();
    let stale = store.stale(name).await.map_err(store_failure)?;
    let is_there = |key: &ObjectKey| {
        wanted.host.is_none_or(|host| objects.get(key).and_then(|object| object.text("host")) == Some(host))
    };
    let judged: Vec<(&DanglingEnd, Option<Usual>)> =
        ends.iter().zip(graph.usual(&ends)).filter(|(end, _)| is_there(&end.object)).collect();
    let n_usual = judged.iter().filter(|(_, usual)| usual.is_some()).count();
    let row = |end: &DanglingEnd, usual: Option<&Usual>| {
        let named = objects.get(&end.object);
        let host = named.and_then(|object| object.text("host")).unwrap_or_default();
        let key: Vec<String> = end
            .key
            .iter()
            .map(|part| part.as_str().map_or_else(|| part.to_json(), str::to_owned))
            .filter(|part| part != host || end.key.len() == 1)
            .collect();
        let doubt = if stale.contains_key(&end.object) { " [stale]" } else { "" };
        let mut cells = vec![
            end.of.to_string(),
            format!("{} {}{doubt}", end.object.object_type, named.map_or(&*end.object.id, Object::name)),
            host.to_owned(),
            format!("no {} has {}", end.wanted, key.join(", ")),
        ];
        if wanted.all {
            cells.push(end.rule.to_string());
            cells.push(match usual {
                None => String::new(),
                Some(Usual::LinkedOtherwise) => "is linked otherwise".to_owned(),
                Some(Usual::Alternative(other)) => format!("is linked by {other} instead"),
                Some(Usual::LikeOthers) => "like most of its kind".to_owned(),
            });
        }
        cells
    };
    let mut rows: Vec<Vec<String>> = judged
        .iter()
        .filter(|(_, usual)| wanted.all || usual.is_none())
        .take(MOST_ENDS)
        .map(|(end, usual)| row(end, usual.as_ref()))
        .collect();
    // Several rules may miss the same.
    rows.dedup();
    let n_unexpected = if wanted.all { judged.len() - n_usual } else { rows.len() };
    if !rows.is_empty() {
        let mut header = vec!["LINK TYPE", "OF", "HOST", "BUT"];
        if wanted.all {
            header.extend(["RULE", "USUAL"]);
        }
        print!("{}", fitted(&header, &rows, session.table_width));
        println!();
    }
    let several: Vec<_> = several
        .iter()
        .filter(|violation| asked.link_type.as_ref().is_none_or(|wanted| *wanted == violation.link_type))
        .filter(|violation| asked.object.as_ref().is_none_or(|wanted| *wanted == violation.object))
        .filter(|violation| wanted.host.is_none() || is_there(&violation.object))
        .collect();
    for violation in &several {
        let candidates: Vec<String> =
            violation.candidates.iter().map(|candidate| printable(&candidate.to_string())).collect();
        println!(
            "{} at {}: {} has several partners: {}",
            violation.link_type,
            violation.at,
            printable(&violation.object.to_string()),
            candidates.join(", ")
        );
    }
    let ends = |number: usize| if number == 1 { "1 end".to_owned() } else { format!("{number} ends") };
    let found =
        if n_unexpected == 0 { "nothing unexpected".to_owned() } else { format!("{} unexpected", ends(n_unexpected)) };
    let usual = match (n_usual, wanted.all) {
        (0, _) => String::new(),
        (_, true) => format!("; {} usual", ends(n_usual)),
        (_, false) => format!(
            "; {} met nothing as usual (linked otherwise, or like most of their kind): --all shows them",
            ends(n_usual)
        ),
    };
    println!("{found}{usual}");
    if n_unexpected == 0 && several.is_empty() { Ok(()) } else { Err(Failure::quiet(Exit::Findings)) }
}

/// Why a step takes no link from an object, in words.
fn reasons(stop: &Stop) -> String {
    if stop.reasons.is_empty() {
        return "no rule of it applies here".to_owned();
    }
    let words = stop.reasons.iter().map(|reason| match reason {
        Reason::Refused(constraints) => format!("the clique's {} refuses its links", constraints.join(" and ")),
        Reason::NoKey { lacks, .. } if lacks.is_empty() => "its rule is not for this one".to_owned(),
        Reason::NoKey { lacks, .. } => {
            let lacks: Vec<String> = lacks.iter().map(|name| format!("`{}`", printable(name))).collect();
            format!("it has no {}", lacks.join(", "))
        }
        Reason::Unmet { key, wanted, .. } => format!("no {wanted} has {}", Value::list(key.clone()).to_json()),
        Reason::Unfit { rule } => format!("the condition of rule `{rule}` does not hold"),
    });
    words.collect::<BTreeSet<String>>().into_iter().collect::<Vec<_>>().join(", ")
}

/// Why the path of an object's clique ends where it could go on, a line for each end. Nothing where the specs have errors: then
/// nothing is known of paths.
///
/// # Errors
/// Of the store.
pub async fn dead_ends(
    session: &Session,
    store: &dyn Backend,
    name: &str,
    at: Option<Revision>,
    focal_point: &ObjectKey,
) -> Result<Vec<String>, Failure> {
    if session.load()?.has_errors() {
        return Ok(Vec::new());
    }
    let graph = graph(session, store, name, at).await?;
    let stops = graph.dead_ends(focal_point);
    let keys: Vec<ObjectKey> =
        stops.iter().map(|stop| stop.object.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    let objects = store.objects_by_key(name, at, &keys).await.map_err(store_failure)?;
    let called: BTreeMap<&ObjectKey, &str> = objects.iter().map(|object| (&object.key, object.name())).collect();
    let mut lines: BTreeMap<(&ObjectKey, String), Vec<&str>> = BTreeMap::new();
    for stop in &stops {
        lines.entry((&stop.object, reasons(stop))).or_default().push(&stop.step);
    }
    let line = |((object, reason), steps): ((&ObjectKey, String), Vec<&str>)| {
        let name = called.get(object).copied().unwrap_or(&object.id);
        format!("{} {} has no {}: {reason}", object.object_type, printable(name), steps.join(", no "))
    };
    Ok(lines.into_iter().map(line).collect())
}

/// The stored graph of an environment, derived again.
async fn graph(session: &Session, store: &dyn Backend, name: &str, at: Option<Revision>) -> Result<Graph, Failure> {
    let loaded = session.specs_of(store, name).await?;
    let found = environment(store, name).await?;
    let rules = Rules::new(&loaded.specs, &found).map_err(|error| Failure::usage(error.to_string()))?;
    let mut upsert: Vec<Object> = Vec::new();
    store
        .stream_objects(name, at, &mut |objects| {
            upsert.extend(objects);
            Ok(())
        })
        .await
        .map_err(store_failure)?;
    let mut graph = Graph::new(Arc::new(rules));
    let every = Changes { upsert, remove: Vec::new() };
    graph.apply(every, &NoDocuments).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(graph)
}
