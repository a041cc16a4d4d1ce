//! Expected links and cliques.

use calipso_model::{Clique, Link, Map, ObjectKey, Value};
use calipso_spec::spec_test::Mend;

use super::{Found, differences, path};
use crate::spec_test::Observed;

pub(super) fn told_link(link: &Link) -> String {
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
    map.insert("attributes", Value::Map(link.attributes.clone()));
    map
}

/// How many fields of a link are not as wanted; its ends count for more, so that they say which link is meant.
fn distance(wanted: &Map, link: &Map) -> usize {
    let wrong = |name: &str, value: &Value| !differences(value, link.get(name), name == "attributes").is_empty();
    wanted
        .iter()
        .filter(|(name, value)| wrong(name, value))
        .map(|(name, _)| if ["type", "source", "target"].contains(&name.as_ref()) { 10 } else { 1 })
        .sum()
}

/// `links` and `links_exact`.
pub(super) fn links(observed: &Observed, key: &str, value: &Value, found: &mut Found<'_>) {
    let all: Vec<(Map, &Link)> = observed.links.iter().map(|link| (link_map(link), link)).collect();
    let wanted: Vec<&Map> = value.as_list().unwrap_or_default().iter().filter_map(Value::as_map).collect();
    let mut met = Vec::new();
    for (number, wanted) in wanted.iter().enumerate() {
        let here = path(&[key, &number.to_string()]);
        let best = all.iter().enumerate().min_by_key(|(_, (map, _))| distance(wanted, map));
        let Some((place, (map, link))) = best else {
            found.mendable(&here, "expected this link, found none", &Mend::Remove);
            continue;
        };
        // A link between other objects is no link that differs, but another one.
        if distance(wanted, map) >= 10 {
            let text = format!("there is no such link; the nearest is {}", told_link(link));
            found.mendable(&here, text, &Mend::Remove);
            continue;
        }
        met.push(place);
        for (name, value) in *wanted {
            let there: Vec<String> = here.iter().cloned().chain([name.to_string()]).collect();
            let what = format!("{}: {name} ", told_link(link));
            found.differ(&there, &what, value, map.get(name), name.as_ref() == "attributes");
        }
    }
    if key != "links_exact" {
        return;
    }
    let mut is_other = false;
    for (_, (map, link)) in all.iter().enumerate().filter(|(place, _)| !met.contains(place)) {
        is_other = true;
        let text = format!("expected {} links, found {}; not expected: {}", wanted.len(), all.len(), told_link(link));
        let ends = ["type", "source", "target"].map(|name| (name, map.get(name).cloned().unwrap_or_default()));
        let plain: Map = ends.into_iter().collect();
        found.mendable(&path(&[key]), text, &Mend::Append(Value::Map(plain)));
    }
    if !is_other && all.len() < wanted.len() && met.len() == wanted.len() {
        found.add(&path(&[key]), "two of the expected links are the same one");
    }
}

fn key_of(value: &Value) -> Option<ObjectKey> {
    let map = value.as_map()?;
    Some(ObjectKey { object_type: map.text("type")?.clone(), id: map.text("id")?.clone() })
}

pub(super) fn cliques(observed: &Observed, value: &Value, found: &mut Found<'_>) {
    for (number, wanted) in value.as_list().unwrap_or_default().iter().enumerate() {
        let here = path(&["cliques", &number.to_string()]);
        let Some(map) = wanted.as_map() else { continue };
        let Some(focal_point) = map.get("focal_point").and_then(key_of) else {
            found.add(&here, "an expected clique needs a focal_point with type and id");
            continue;
        };
        let all = observed.cliques.iter().filter(|clique| clique.focal_point == focal_point);
        let clique = all.max_by_key(|clique| map.text("type").is_some_and(|name| *name == clique.clique_type));
        match clique {
            Some(clique) => compare_clique(clique, map, &here, found),
            None => found.add(&here, format!("there is no clique of {focal_point}")),
        }
    }
}

fn compare_clique(clique: &Clique, map: &Map, here: &[String], found: &mut Found<'_>) {
    let focal_point = &clique.focal_point;
    let inside = |name: &str| here.iter().cloned().chain([name.to_owned()]).collect::<Vec<_>>();
    if let Some(wanted) = map.text("type").filter(|wanted| **wanted != clique.clique_type) {
        let text = format!("{focal_point}: expected the clique type {wanted}, found {}", clique.clique_type);
        found.add(&inside("type"), text);
    }
    let keys = |name: &str| -> Vec<(usize, ObjectKey)> {
        let list = map.get(name).and_then(Value::as_list).unwrap_or_default();
        list.iter().enumerate().filter_map(|(number, node)| Some((number, key_of(node)?))).collect()
    };
    for (name, should) in [("nodes", true), ("nodes_include", true), ("nodes_exclude", false)] {
        for (number, key) in keys(name) {
            if clique.nodes.contains(&key) != should {
                let says = if should { "is not in the clique" } else { "should not be in the clique" };
                let mut place = inside(name);
                place.push(number.to_string());
                found.add(&place, format!("{focal_point}: {key} {says}"));
            }
        }
    }
    if map.contains_key("nodes") {
        let wanted: Vec<ObjectKey> = keys("nodes").into_iter().map(|(_, key)| key).collect();
        let others: Vec<String> =
            clique.nodes.iter().filter(|node| !wanted.contains(node)).map(ToString::to_string).collect();
        if !others.is_empty() {
            found.add(&inside("nodes"), format!("{focal_point}: not expected in the clique: {}", others.join(", ")));
        }
    }
    if let Some(links) = map.get("links").and_then(Value::as_list) {
        compare_clique_links(clique, links, &inside("links"), found);
    }
    if let Some(constraints) = map.get("constraints") {
        let known = Value::Map(clique.constraints.clone());
        let what = format!("{focal_point}: constraints ");
        found.differ(&inside("constraints"), &what, constraints, Some(&known), false);
    }
}

fn compare_clique_links(clique: &Clique, wanted: &[Value], here: &[String], found: &mut Found<'_>) {
    let mut others: Vec<String> = clique
        .links
        .iter()
        .map(|link| format!("{} {} -> {}", link.link_type, link.source.id, link.target.id))
        .collect();
    let text = |map: &Map, name: &str| map.text(name).map(ToString::to_string).unwrap_or_default();
    for (number, map) in wanted.iter().enumerate().filter_map(|(number, map)| Some((number, map.as_map()?))) {
        let link = format!("{} {} -> {}", text(map, "type"), text(map, "source"), text(map, "target"));
        match others.iter().position(|known| *known == link) {
            Some(place) => {
                others.remove(place);
            }
            None => {
                let place: Vec<String> = here.iter().cloned().chain([number.to_string()]).collect();
                found.add(&place, format!("{}: the link {link} is not in the clique", clique.focal_point));
            }
        }
    }
    if !others.is_empty() {
        let text = format!("{}: not expected in the clique: {}", clique.focal_point, others.join(", "));
        found.add(here, text);
    }
}
