//! `explain` of objects, links, cliques and dangling ends.

use std::sync::Arc;

use calipso_derive::{Changes, Dangling, End, Graph, Rules};
use calipso_model::{LinkRef, Object, Str, Value};
use calipso_store::Backend;

use crate::{
    args::ExplainWhat,
    command::scan::explain_plan,
    failure::{Exit, Failure},
    output::{printable, table},
    session::{Session, environment, find_object, store_failure},
};

/// `explain` of anything but a code.
///
/// # Errors
/// Unknown environment, object or link.
pub async fn run(session: &Session, what: &ExplainWhat) -> Result<(), Failure> {
    match what {
        ExplainWhat::Plan { environment } => explain_plan(session, environment).await,
        ExplainWhat::Object { environment, object } => {
            let store = session.store().await?;
            let found = find_object(store.as_ref(), environment, None, object).await?;
            let scopes = store.scopes_of(environment, &found.key).await.map_err(store_failure)?;
            println!("{} `{}`", found.key, printable(found.name()));
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
                        format!("incomplete: {}", scope.problem.as_deref().unwrap_or("unknown"))
                    };
                    println!("  {since}");
                    let names: Vec<&str> = member.contribution.keys().map(AsRef::as_ref).collect();
                    println!("  attributes: {}", names.join(", "));
                }
            }
            Ok(())
        }
        ExplainWhat::Link { environment: name, link_type, source, target } => {
            let store = session.store().await?;
            let source = find_object(store.as_ref(), name, None, source).await?;
            let target = find_object(store.as_ref(), name, None, target).await?;
            let graph = graph(session, store.as_ref(), name).await?;
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
        ExplainWhat::Clique { environment: name, object } => {
            let store = session.store().await?;
            let focal = find_object(store.as_ref(), name, None, object).await?;
            let graph = graph(session, store.as_ref(), name).await?;
            let Some(why) = graph.explain_clique(&focal.key) else {
                return Err(Failure::new(
                    Exit::Findings,
                    format!("no clique type of `{name}` has {} in its middle", focal.key.object_type),
                ));
            };
            println!("clique of {}: clique type {} ({})", focal.key, why.clique_type, why.at);
            for (attribute, value) in &why.constraints {
                println!("  constraint {attribute}: {}", value.to_json());
            }
            let rows: Vec<Vec<String>> = why
                .steps
                .iter()
                .map(|step| {
                    vec![
                        step.step.to_string(),
                        if step.applies { "" } else { "no such link type here" }.to_owned(),
                        step.from.to_string(),
                        step.taken.to_string(),
                        step.refused.to_string(),
                    ]
                })
                .collect();
            print!("{}", table(&["STEP", "", "FROM", "TAKEN", "REFUSED"], &rows));
            Ok(())
        }
        ExplainWhat::Dangling { environment: name, link_type } => {
            let store = session.store().await?;
            let graph = graph(session, store.as_ref(), name).await?;
            let asked =
                Dangling { link_type: link_type.as_deref().map(Str::from), limit: Some(1000), ..Dangling::default() };
            let ends = graph.dangling(&asked);
            let rows: Vec<Vec<String>> = ends
                .iter()
                .map(|end| {
                    let side = match end.end {
                        End::Near => "from",
                        End::Far => "to",
                    };
                    vec![
                        end.of.to_string(),
                        end.rule.to_string(),
                        format!("{side} {}", end.object),
                        Value::list(end.key.clone()).to_json(),
                        format!("no {}{}", end.wanted, if end.linked_otherwise { " (linked otherwise)" } else { "" }),
                    ]
                })
                .collect();
            print!("{}", table(&["LINK TYPE", "RULE", "END", "KEY", "MEETS"], &rows));
            for violation in graph.cardinality() {
                let candidates: Vec<String> = violation.candidates.iter().map(ToString::to_string).collect();
                println!(
                    "{} at {}: {} has several partners: {}",
                    violation.link_type,
                    violation.at,
                    violation.object,
                    candidates.join(", ")
                );
            }
            Ok(())
        }
    }
}

/// The graph of an environment as it is stored, derived anew.
async fn graph(session: &Session, store: &dyn Backend, name: &str) -> Result<Graph, Failure> {
    let loaded = session.specs_of(store, name).await?;
    let found = environment(store, name).await?;
    let rules = Rules::new(&loaded.specs, &found).map_err(|error| Failure::usage(error.to_string()))?;
    let rules = Arc::new(rules);
    let mut upsert: Vec<Object> = Vec::new();
    store
        .stream_objects(name, None, &mut |objects| {
            upsert.extend(objects);
            Ok(())
        })
        .await
        .map_err(store_failure)?;
    for object in &mut upsert {
        let derived: Vec<Str> = object
            .doc
            .keys()
            .filter(|attribute| rules.is_derived(&object.key.object_type, attribute))
            .cloned()
            .collect();
        for attribute in derived {
            object.doc.remove(&attribute);
        }
    }
    let mut graph = Graph::new(rules);
    graph.apply(Changes { upsert, remove: Vec::new() });
    Ok(graph)
}
