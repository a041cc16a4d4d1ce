//! Compares what a case came to with what it expects.

use calipso_model::{Clique, Link, Map, Object, ObjectKey, Value};
use calipso_spec::spec_test::{TestCase, TestOf};

use crate::spec_test::Observed;

/// What is not as expected, in sentences.
pub(super) fn compare(of: &TestOf, case: &TestCase, observed: &Observed) -> Vec<String> {
    let mut problems = Vec::new();
    let expect = &case.expect;
    for (key, value) in expect {
        let list = || value.as_list().unwrap_or_default();
        match &**key {
            "objects" => problems.extend(list().iter().filter_map(|wanted| lacking_object(observed, wanted))),
            "objects_exact" => {
                problems.extend(list().iter().filter_map(|wanted| lacking_object(observed, wanted)));
                let found = inventory(observed).count();
                if found != list().len() {
                    let keys: Vec<String> = inventory(observed).map(|object| object.key.to_string()).collect();
                    problems.push(format!("expected {} objects, found {found}: {}", list().len(), keys.join(", ")));
                }
            }
            "absent" => problems.extend(list().iter().filter_map(|unwanted| {
                let unwanted = unwanted.as_map()?;
                let found = observed.objects.iter().find(|object| fits_object(object, unwanted))?;
                Some(format!("{} should not be there", found.key))
            })),
            "links" => problems.extend(list().iter().filter_map(|wanted| lacking_link(observed, wanted))),
            "links_exact" => {
                problems.extend(list().iter().filter_map(|wanted| lacking_link(observed, wanted)));
                if observed.links.len() != list().len() {
                    let found: Vec<String> = observed.links.iter().map(shown_link).collect();
                    problems.push(format!(
                        "expected {} links, found {}: {}",
                        list().len(),
                        found.len(),
                        found.join(", ")
                    ));
                }
            }
            "cliques" => problems.extend(list().iter().flat_map(|wanted| clique_problems(observed, wanted))),
            "none" => {
                let found = match of {
                    TestOf::LinkType(_) => observed.links.iter().map(shown_link).collect(),
                    TestOf::CliqueType(_) => {
                        observed.cliques.iter().map(|clique| clique.focal_point.to_string()).collect()
                    }
                    _ => inventory(observed).map(|object| object.key.to_string()).collect::<Vec<_>>(),
                };
                if *value == Value::Bool(true) && !found.is_empty() {
                    problems.push(format!("expected nothing, found {}", found.join(", ")));
                }
            }
            "outcome" => {}
            "failures" => problems.extend(list().iter().filter_map(|wanted| {
                let wanted = wanted.as_str()?;
                let known = observed.failures.iter().any(|failure| failure.contains(wanted));
                (!known).then(|| format!("no failure says `{wanted}`; failures: {}", shown(&observed.failures)))
            })),
            "commands" => {
                let found = Value::list(
                    observed
                        .commands
                        .iter()
                        .map(|words| Value::list(words.iter().map(|word| Value::text(word)).collect()))
                        .collect(),
                );
                if found != *value {
                    problems.push(format!("expected the commands {value}, found {found}"));
                }
            }
            "value" => match &observed.value {
                Some(found) if found == value => {}
                Some(found) => problems.push(format!("expected the value {value}, found {found}")),
                None => problems.push(format!("expected a value, found none: {}", shown(&observed.failures))),
            },
            "negative" => {
                if (*value == Value::Bool(true)) == observed.value.is_some() {
                    problems.push(match &observed.value {
                        Some(found) => format!("expected a negative answer, found {found}"),
                        None => format!("expected an answer, found {}", shown(&observed.failures)),
                    });
                }
            }
            "lines" => problems.extend(list().iter().filter_map(|wanted| lacking_line(observed, wanted))),
            other => problems.push(format!("`expect` has no key {other}")),
        }
    }
    problems.extend(outcome(of, expect, observed));
    problems
}

fn outcome(of: &TestOf, expect: &Map, observed: &Observed) -> Option<String> {
    let wanted = expect.text("outcome").map(AsRef::as_ref);
    let failures = || shown(&observed.failures);
    match (of, wanted) {
        (TestOf::Connection(_), None) | (TestOf::Distribution(_) | TestOf::Parser(_), None) => None,
        (_, None | Some("complete" | "ok")) => {
            (!observed.complete).then(|| format!("expected a complete run; failures: {}", failures()))
        }
        (_, Some("incomplete" | "failed")) => {
            observed.complete.then(|| "expected that something is not found out, but the run was complete".to_owned())
        }
        (_, Some(other)) => Some(format!("there is no outcome {other}")),
    }
}

fn shown(failures: &[String]) -> String {
    if failures.is_empty() { "none".to_owned() } else { failures.join(" | ") }
}

/// The objects without folders.
fn inventory(observed: &Observed) -> impl Iterator<Item = &Object> {
    observed.objects.iter().filter(|object| !observed.folder_types.contains(&object.key.object_type))
}

fn fits_value(found: Option<&Value>, wanted: &Value) -> bool {
    match found {
        None => wanted.is_null(),
        Some(found) => found == wanted,
    }
}

fn fits_object(object: &Object, wanted: &Map) -> bool {
    wanted.iter().all(|(name, value)| fits_value(object.doc.get(name), value))
}

/// Says what of the wanted object is not there, comparing with the one that comes closest.
fn lacking_object(observed: &Observed, wanted: &Value) -> Option<String> {
    let wanted = wanted.as_map()?;
    if observed.objects.iter().any(|object| fits_object(object, wanted)) {
        return None;
    }
    let same =
        |object: &&Object, name: &str| fits_value(object.doc.get(name), wanted.get(name).unwrap_or(&Value::Null));
    let candidates: Vec<&Object> = observed
        .objects
        .iter()
        .filter(|object| same(object, "type") && (!wanted.contains_key("id") || same(object, "id")))
        .collect();
    let closest = candidates
        .iter()
        .max_by_key(|object| wanted.iter().filter(|(name, value)| fits_value(object.doc.get(name), value)).count());
    Some(match closest {
        None => {
            let keys: Vec<String> = observed.objects.iter().map(|object| object.key.to_string()).collect();
            let keys = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
            let key = (wanted.text("type").map_or("", |text| text), wanted.get("id").map(Value::to_json));
            format!(
                "expected {} {}, found {keys}; failures: {}",
                key.0,
                key.1.unwrap_or_default(),
                shown(&observed.failures)
            )
        }
        Some(object) => {
            let wrong = wanted.iter().filter(|(name, value)| !fits_value(object.doc.get(name), value));
            let wrong: Vec<String> = wrong
                .map(|(name, value)| {
                    let found = object.doc.get(name).map_or_else(|| "nothing".to_owned(), Value::to_json);
                    format!("{name}: expected {value}, found {found}")
                })
                .collect();
            format!("{}: {}", object.key, wrong.join("; "))
        }
    })
}

fn shown_link(link: &Link) -> String {
    format!("{} {} -> {}", link.link_type, link.source.id, link.target.id)
}

fn link_map(link: &Link) -> Map {
    let mut map = Map::new();
    map.insert("type", link.link_type.clone());
    map.insert("source", link.source.id.clone());
    map.insert("target", link.target.id.clone());
    map.insert("name", link.name.clone());
    map.insert("state", link.state.as_str());
    map.insert("rule", link.rule.clone());
    map.insert("implicit", link.implicit);
    map.insert("host", link.host.clone());
    map.insert("switch", link.switch.clone());
    map
}

fn lacking_link(observed: &Observed, wanted: &Value) -> Option<String> {
    let wanted = wanted.as_map()?;
    let problems = |link: &Link| -> Vec<String> {
        let map = link_map(link);
        let mut problems = Vec::new();
        for (name, value) in wanted {
            if &**name == "attributes" {
                for (name, value) in value.as_map().into_iter().flatten() {
                    if !fits_value(link.attributes.get(name), value) {
                        let found = link.attributes.get(name).map_or_else(|| "nothing".to_owned(), Value::to_json);
                        problems.push(format!("attributes.{name}: expected {value}, found {found}"));
                    }
                }
            } else if !fits_value(map.get(name), value) {
                let found = map.get(name).map_or_else(|| "nothing".to_owned(), Value::to_json);
                problems.push(format!("{name}: expected {value}, found {found}"));
            }
        }
        problems
    };
    let best = observed.links.iter().map(|link| (problems(link), link)).min_by_key(|(problems, _)| problems.len());
    match best {
        Some((problems, _)) if problems.is_empty() => None,
        Some((problems, link)) => {
            Some(format!("no such link; the nearest, {}, has {}", shown_link(link), problems.join("; ")))
        }
        None => Some(format!("expected the link {}, found none", Value::Map(wanted.clone()))),
    }
}

fn key_of(value: &Value) -> Option<ObjectKey> {
    let map = value.as_map()?;
    Some(ObjectKey { object_type: map.text("type")?.clone(), id: map.text("id")?.clone() })
}

fn clique_problems(observed: &Observed, wanted: &Value) -> Vec<String> {
    let Some(map) = wanted.as_map() else { return vec!["an expected clique is a map".to_owned()] };
    let Some(focal_point) = map.get("focal_point").and_then(key_of) else {
        return vec!["an expected clique needs a focal_point with type and id".to_owned()];
    };
    let Some(clique) = observed.cliques.iter().find(|clique| clique.focal_point == focal_point) else {
        return vec![format!("there is no clique of {focal_point}")];
    };
    let mut problems = Vec::new();
    let keys =
        |name: &str| -> Option<Vec<ObjectKey>> { Some(map.get(name)?.as_list()?.iter().filter_map(key_of).collect()) };
    if let Some(mut nodes) = keys("nodes") {
        nodes.sort();
        let mut found = clique.nodes.clone();
        found.sort();
        if nodes != found {
            let show = |keys: &[ObjectKey]| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            problems.push(format!("{focal_point}: expected the nodes {}, found {}", show(&nodes), show(&found)));
        }
    }
    for key in keys("nodes_include").unwrap_or_default() {
        if !clique.nodes.contains(&key) {
            problems.push(format!("{focal_point}: {key} is not in the clique"));
        }
    }
    for key in keys("nodes_exclude").unwrap_or_default() {
        if clique.nodes.contains(&key) {
            problems.push(format!("{focal_point}: {key} should not be in the clique"));
        }
    }
    if let Some(wanted) = map.text("type")
        && clique.clique_type != *wanted
    {
        problems.push(format!("{focal_point}: expected the clique type {wanted}, found {}", clique.clique_type));
    }
    if let Some(links) = map.get("links").and_then(Value::as_list) {
        problems.extend(clique_links(clique, links));
    }
    if let Some(constraints) = map.get("constraints").and_then(Value::as_map)
        && clique.constraints != *constraints
    {
        let found = Value::Map(clique.constraints.clone());
        problems.push(format!(
            "{focal_point}: expected the constraints {}, found {found}",
            Value::Map(constraints.clone())
        ));
    }
    problems
}

fn clique_links(clique: &Clique, wanted: &[Value]) -> Vec<String> {
    let mut found: Vec<String> = clique
        .links
        .iter()
        .map(|link| format!("{} {} -> {}", link.link_type, link.source.id, link.target.id))
        .collect();
    let text = |map: &Map, name: &str| map.text(name).map(ToString::to_string).unwrap_or_default();
    let mut wanted: Vec<String> = wanted
        .iter()
        .filter_map(Value::as_map)
        .map(|map| format!("{} {} -> {}", text(map, "type"), text(map, "source"), text(map, "target")))
        .collect();
    found.sort();
    wanted.sort();
    if found == wanted {
        return Vec::new();
    }
    vec![format!("{}: expected the links {}, found {}", clique.focal_point, wanted.join(", "), found.join(", "))]
}

fn lacking_line(observed: &Observed, wanted: &Value) -> Option<String> {
    let wanted = wanted.as_map()?;
    let name = wanted.text("name")?;
    let ok = wanted.get("ok").is_none_or(|ok| *ok == Value::Bool(true));
    match observed.lines.iter().find(|line| line.name == *name) {
        Some(line) if line.ok == ok => None,
        Some(line) => Some(format!("the line `{name}` says: {}", line.sentence)),
        None => {
            let names: Vec<&str> = observed.lines.iter().map(|line| &*line.name).collect();
            Some(format!("there is no line `{name}`; there are {}", names.join(", ")))
        }
    }
}
