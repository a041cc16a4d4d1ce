//! `diff`: what made two revisions differ, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use calipso_derive::{Cause, Causes, Consequences, Difference, Happening, Sides, TypeFacts, Unit, causes};
use calipso_model::{Object, ObjectKey, Revision, Str, Value};
use calipso_store::{Diff, Page, Query, Store};

use crate::{
    args::{self, OutputFormat},
    command::changes,
    failure::{Exit, Failure},
    output::{json, marked, printable, yaml},
    session::{Session, store_failure},
};

/// Maximum number of causes of one kind that are listed without `--all`.
const LISTED: usize = 10;

/// Maximum number of attributes of one cause that are listed.
const ATTRIBUTES: usize = 6;

/// `diff`.
///
/// # Errors
/// Unknown environment or revision; [`Exit::Findings`] when the revisions differ.
pub async fn run(session: &Session, args: &args::DiffArgs) -> Result<(), Failure> {
    let store = session.store().await?;
    let current = store.current(&args.environment).await.map_err(store_failure)?;
    let to = args.to.unwrap_or(current);
    let from = args.from.unwrap_or_else(|| to.saturating_sub(1));
    let diff = store.diff(&args.environment, from, to).await.map_err(store_failure)?;
    let text = text(session, store.as_ref(), &args.environment, &diff, args.all, args.out.output).await?;
    print!("{}", marked(&text, session.colour && args.out.output == OutputFormat::Table));
    if diff.is_empty() { Ok(()) } else { Err(Failure::quiet(Exit::Findings)) }
}

/// The difference between two revisions, ready to be printed.
///
/// # Errors
/// Of the store.
pub async fn text(
    session: &Session,
    store: &dyn Store,
    environment: &str,
    diff: &Diff,
    all: bool,
    shape: OutputFormat,
) -> Result<String, Failure> {
    let difference =
        Difference { objects: sides(&diff.objects), links: sides(&diff.links), cliques: sides(&diff.cliques) };
    // Wrong specs only cost the order of what is shown.
    let known = TypeFacts::of(&session.load()?.specs);
    let found = causes(&difference, &known);
    let names = Names::new(store, environment, diff, &difference, &found).await?;
    match shape {
        OutputFormat::Json | OutputFormat::Yaml => {
            let data = changes::data(diff, &found, &|cause| names.sentence(cause));
            Ok(if shape == OutputFormat::Json { json(&data) } else { yaml(&data) })
        }
        OutputFormat::Table | OutputFormat::Tree if all => Ok(changes::everything(diff, &|object| names.title(object))),
        OutputFormat::Table | OutputFormat::Tree => Ok(folded(session.table_width, environment, diff, &found, &names)),
    }
}

fn sides<T>(changes: &[calipso_store::Change<T>]) -> Vec<Sides<'_, T>> {
    changes.iter().map(|change| Sides { before: change.before.as_ref(), after: change.after.as_ref() }).collect()
}

/// What has to be looked up to call things by their names.
struct Names<'d> {
    difference: &'d Difference<'d>,
    /// Types and names that several objects have, with the hosts on which they are.
    repeated: BTreeMap<(Str, String), Vec<Option<String>>>,
    /// By object: what its clique is limited to.
    inside: BTreeMap<&'d ObjectKey, Vec<String>>,
    /// What is not known to be up to date, when the later revision is the current one.
    stale: BTreeSet<ObjectKey>,
}

impl<'d> Names<'d> {
    async fn new(
        store: &dyn Store,
        environment: &str,
        diff: &Diff,
        difference: &'d Difference<'d>,
        found: &Causes,
    ) -> Result<Self, Failure> {
        let mut repeated: BTreeMap<(Str, String), Vec<Option<String>>> = BTreeMap::new();
        let asked: BTreeSet<(Str, String)> = found
            .list
            .iter()
            .take(10 * LISTED)
            .filter_map(|cause| difference.objects.get(cause.object)?.last())
            .map(|object| (object.key.object_type.clone(), object.name().to_owned()))
            .collect();
        for (object_type, name) in asked {
            for at in [diff.to, diff.from] {
                let query = Query {
                    types: vec![object_type.clone()],
                    equals: vec![("name".into(), Value::text(&name))],
                    fields: Some(["type", "id", "name", "host"].map(Str::from).to_vec()),
                    ..Query::default()
                };
                let page =
                    store.objects(environment, Some(at), &query, &Page::first(50)).await.map_err(store_failure)?;
                if page.items.len() > 1 {
                    let hosts = page.items.iter().map(|object| object.text("host").map(str::to_owned));
                    repeated.insert((object_type.clone(), name.clone()), hosts.collect());
                    break;
                }
            }
        }
        let inside = inside(store, environment, diff, difference, found).await?;
        let current: Revision = store.current(environment).await.map_err(store_failure)?;
        let stale = if diff.to == current {
            store.stale(environment).await.map_err(store_failure)?.into_keys().collect()
        } else {
            BTreeSet::new()
        };
        Ok(Self { difference, repeated, inside, stale })
    }

    /// Type and name; with the host where the name repeats, with the id where that does not tell either.
    fn title(&self, object: &Object) -> String {
        let name = object.name().to_owned();
        let mut title = format!("{} {}", object.key.object_type, printable(&name));
        if let Some(hosts) = self.repeated.get(&(object.key.object_type.clone(), name)) {
            let host = object.text("host").map(str::to_owned);
            if let Some(host) = &host {
                title.push_str(&format!(" on {}", printable(host)));
            }
            if host.is_none() || hosts.iter().filter(|other| **other == host).count() > 1 {
                title.push_str(&format!(" ({})", printable(&object.key.id)));
            }
        }
        if self.stale.contains(&object.key) {
            title.push_str(" [stale]");
        }
        title
    }

    /// The title, and the host where it does not say that already.
    fn titled(&self, object: &Object) -> String {
        let title = self.title(object);
        match object.text("host").filter(|host| **host != *object.key.id && !title.contains(" on ")) {
            Some(host) => format!("{title} on {}", printable(host)),
            None => title,
        }
    }

    /// What happened, in a sentence.
    fn sentence(&self, cause: &Cause) -> String {
        let Some(object) = self.difference.objects.get(cause.object).and_then(Sides::last) else {
            return String::new();
        };
        let host = object.text("host").filter(|host| **host != *object.key.id);
        let place = || {
            let mut places: Vec<String> = host.iter().map(|host| format!("on {}", printable(host))).collect();
            if let Some(names) = self.inside.get(&object.key).filter(|names| !names.is_empty()) {
                let names: Vec<String> = names.iter().map(|name| printable(name)).collect();
                places.push(format!("in {}", names.join(" and ")));
            }
            places.join(", ")
        };
        let title = self.title(object);
        // Where it is comes at the end of these.
        let plain = match host {
            Some(host) => title.replace(&format!(" on {}", printable(host)), ""),
            None => title.clone(),
        };
        match &cause.happening {
            Happening::Came => format!("{plain} appeared {}", place()).trim_end().to_owned(),
            Happening::Went => match place() {
                place if place.is_empty() => format!("{plain} is gone"),
                place => format!("{plain} is gone; it was {place}"),
            },
            Happening::Renamed(before, after) => {
                let (before, after) = (printable(before), printable(after));
                format!("{} was renamed to {after}", title.replacen(&after, &before, 1))
            }
            Happening::Changed => match moved(&cause.units) {
                Some((before, after)) => format!("{plain} moved from {} to {}", printable(before), printable(after)),
                None => format!("{} changed", self.titled(object)),
            },
        }
    }
}

/// What the cliques that came or went with a cause are limited to, by the names of what their constraints name.
async fn inside<'d>(
    store: &dyn Store,
    environment: &str,
    diff: &Diff,
    difference: &Difference<'d>,
    found: &Causes,
) -> Result<BTreeMap<&'d ObjectKey, Vec<String>>, Failure> {
    let shown = found.list.iter().filter_map(|cause| difference.objects.get(cause.object)?.last());
    let heads: BTreeSet<&ObjectKey> = shown.map(|object| &object.key).collect();
    let mut known: BTreeMap<(Revision, String), String> = BTreeMap::new();
    let mut inside = BTreeMap::new();
    for sides in &difference.cliques {
        let at = match (sides.before, sides.after) {
            (None, _) => diff.to,
            (_, None) => diff.from,
            _ => continue,
        };
        let Some(clique) = sides.last().filter(|clique| heads.contains(&clique.focal_point)) else { continue };
        let mut names = Vec::new();
        for (_, value) in &clique.constraints {
            for id in value.as_list().unwrap_or(std::slice::from_ref(value)).iter().filter_map(Value::as_str) {
                if id == &*clique.focal_point.id {
                    continue;
                }
                let place = (at, id.to_owned());
                if !known.contains_key(&place) {
                    let query = Query { id: Some(id.into()), ..Query::default() };
                    let page =
                        store.objects(environment, Some(at), &query, &Page::first(1)).await.map_err(store_failure)?;
                    known.insert(place.clone(), page.items.first().map_or(id, Object::name).to_owned());
                }
                names.extend(known.get(&place).cloned());
            }
        }
        inside.insert(&clique.focal_point, names);
    }
    Ok(inside)
}

/// The hosts between which something moved.
fn moved(units: &[Unit]) -> Option<(&str, &str)> {
    let unit = units.iter().find(|unit| unit.path == "host")?;
    Some((unit.before.as_ref()?.as_str()?, unit.after.as_ref()?.as_str()?))
}

/// Causes, with what follows from each counted.
fn folded(width: usize, environment: &str, diff: &Diff, found: &Causes, names: &Names<'_>) -> String {
    if diff.is_empty() {
        return format!("revision {} → {}: no difference\n", diff.from, diff.to);
    }
    let n_follow = diff.objects.len() + diff.links.len() + diff.cliques.len();
    let count = |number: usize, one: &str, several: &str| {
        if number == 1 { format!("1 {one}") } else { format!("{number} {several}") }
    };
    let mut text = format!(
        "revision {} → {}: {}; {} in all\n",
        diff.from,
        diff.to,
        count(found.list.len(), "cause", "causes"),
        count(n_follow, "thing differs", "things differ"),
    );
    let mut listed: BTreeMap<(char, &Str), usize> = BTreeMap::new();
    let mut more: BTreeMap<(char, &Str), usize> = BTreeMap::new();
    for cause in &found.list {
        let Some(object) = names.difference.objects.get(cause.object).and_then(Sides::last) else { continue };
        let mark = match cause.happening {
            Happening::Came => '+',
            Happening::Went => '-',
            Happening::Renamed(..) | Happening::Changed => '~',
        };
        let kind = (mark, &object.key.object_type);
        let number = listed.entry(kind).or_default();
        *number += 1;
        if *number > LISTED {
            *more.entry(kind).or_default() += 1;
            continue;
        }
        text.push('\n');
        changes::line(&mut text, width, &format!("{mark} "), &names.sentence(cause));
        let shown: Vec<&Unit> =
            cause.units.iter().filter(|unit| unit.path != "host" || moved(&cause.units).is_none()).collect();
        changes::attributes(&mut text, width, &shown, ATTRIBUTES);
        for (mark, counted) in follows(&cause.consequences, names.difference) {
            changes::listed(&mut text, width, &format!("    → {mark} "), &counted);
        }
    }
    for ((mark, object_type), number) in more {
        text.push_str(&format!("\n{mark} … and {number} more {object_type}\n"));
    }
    if !found.newer.is_empty() {
        let things = count(found.newer.len(), "object has", "objects have");
        text.push_str(&format!("\n~ {things} only newer times or versions, or the same in another order\n"));
    }
    if !found.rest.is_empty() {
        text.push_str("\n~ follows from nothing that is stored:\n");
        for (mark, counted) in follows(&found.rest, names.difference) {
            changes::listed(&mut text, width, &format!("    {mark} "), &counted);
        }
    }
    let command = format!("calipso diff {} {} {} --all", environment, diff.from, diff.to);
    text.push('\n');
    changes::line(&mut text, width, "", &format!("`{command}` shows each object, link and clique that differs"));
    text
}

/// What follows, counted: what came, went, changed.
fn follows(consequences: &Consequences, difference: &Difference<'_>) -> Vec<(char, String)> {
    let mut counts: BTreeMap<char, BTreeMap<(u8, String), usize>> = BTreeMap::new();
    let mut add = |mark: char, order: u8, name: &str| {
        *counts.entry(mark).or_default().entry((order, name.to_owned())).or_default() += 1;
    };
    for object in consequences.objects.iter().filter_map(|place| difference.objects.get(*place)) {
        let name = object.last().map_or("", |object| &*object.key.object_type);
        // Folders come and go with what is in them.
        if !name.ends_with("_folder") {
            add(mark(object), 0, name);
        }
    }
    for link in consequences.links.iter().filter_map(|place| difference.links.get(*place)) {
        add(mark(link), 1, "link");
    }
    for clique in consequences.cliques.iter().filter_map(|place| difference.cliques.get(*place)) {
        add(mark(clique), 2, "clique");
    }
    let plural = |(order, name): &(u8, String), number: &usize| match (order, number) {
        (_, 1) => format!("1 {name}"),
        (0, _) => format!("{number} {name}"),
        _ => format!("{number} {name}s"),
    };
    let told = |counts: &BTreeMap<(u8, String), usize>| {
        counts.iter().map(|(name, number)| plural(name, number)).collect::<Vec<_>>().join(", ")
    };
    ['+', '-', '~'].into_iter().filter_map(|mark| Some((mark, told(counts.get(&mark)?)))).collect()
}

fn mark<T>(sides: &Sides<'_, T>) -> char {
    match (sides.before, sides.after) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    }
}
