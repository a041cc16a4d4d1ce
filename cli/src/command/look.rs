//! `get`, `graph`, `search`: reading the store.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Clique, Link, LinkRef, Object, ObjectKey, Revision, Str, Value};
use calipso_picture::{self as picture, Line, Node, Picture};
use calipso_spec::Specs;
use calipso_store::{Backend, CliqueQuery, CountsByType, LinkQuery, Page, Paged, Query, Store};

use crate::{
    args::{self, OutputFormat, PictureFormat},
    command::{changes, explain, found},
    failure::{Exit, Failure},
    output::{json, printable},
    session::{Session, find_object, store_failure},
    show::{self, StaleSince},
};

/// Asks for pages until there are enough or no more.
macro_rules! pages {
    ($limit:expr, $page:ident => $ask:expr) => {{
        let mut items = Vec::new();
        let mut $page = Page::first($limit.clamp(1, 10_000));
        loop {
            let Paged { items: found, next, .. } = $ask.await.map_err(store_failure)?;
            items.extend(found);
            match next {
                Some(cursor) if items.len() < $limit => {
                    $page = Page::after(cursor, ($limit - items.len()).clamp(1, 10_000))
                }
                Some(_) => break (items, true),
                None => break (items, false),
            }
        }
    }};
}

fn more(there_is_more: bool, limit: usize) {
    if there_is_more {
        eprintln!("only the first {limit} are shown; `--limit` asks for more");
    }
}

/// `get`.
///
/// # Errors
/// Unknown environment, object or revision.
pub async fn get(session: &Session, what: &args::GetCommand) -> Result<(), Failure> {
    let store = session.store().await?;
    let store = store.as_ref();
    match what {
        args::GetCommand::Objects(args) => objects(session, store, args).await,
        args::GetCommand::Links(args) => links(session, store, args).await,
        args::GetCommand::Cliques(args) => cliques(session, store, args).await,
        args::GetCommand::Revisions { environment, out } => {
            let revisions = store.revisions(environment).await.map_err(store_failure)?;
            let header = ["REVISION", "AT", "OBJECTS", "LINKS", "CLIQUES", "NOTE"];
            print!(
                "{}",
                show::list_within(
                    out.output,
                    session.table_width,
                    &revisions,
                    &header,
                    |entry| {
                        let count = |written: u64, removed: u64| format!("+{written} -{removed}");
                        vec![
                            entry.revision.to_string(),
                            show::second(&entry.at),
                            count(entry.written.objects, entry.removed.objects),
                            count(entry.written.links, entry.removed.links),
                            count(entry.written.cliques, entry.removed.cliques),
                            printable(&entry.note),
                        ]
                    },
                    |entry| {
                        let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
                        let counts = |counts: &calipso_store::Counts| {
                            Value::Map(
                                [
                                    ("objects", number(counts.objects)),
                                    ("links", number(counts.links)),
                                    ("cliques", number(counts.cliques)),
                                ]
                                .into_iter()
                                .collect(),
                            )
                        };
                        Value::Map(
                            [
                                ("revision", number(entry.revision)),
                                ("at", Value::Str(entry.at.clone())),
                                ("note", Value::Str(entry.note.clone())),
                                ("written", counts(&entry.written)),
                                ("removed", counts(&entry.removed)),
                            ]
                            .into_iter()
                            .collect(),
                        )
                    },
                )
            );
            Ok(())
        }
        args::GetCommand::Reports { environment, limit, out } => {
            let entries = store.reports(environment).await.map_err(store_failure)?;
            let mut bodies = Vec::new();
            for entry in entries.into_iter().take(*limit) {
                bodies.push((entry.clone(), store.report(environment, entry.id).await.map_err(store_failure)?));
            }
            print!(
                "{}",
                show::list_within(
                    out.output,
                    session.table_width,
                    &bodies,
                    &["REPORT", "AT", "REVISION", "FAILURES"],
                    |(entry, body)| {
                        let failures = body
                            .as_map()
                            .and_then(|map| map.get("failures"))
                            .and_then(Value::as_list)
                            .map_or(0, <[Value]>::len);
                        vec![
                            entry.id.to_string(),
                            show::second(&entry.at),
                            entry.revision.to_string(),
                            failures.to_string(),
                        ]
                    },
                    |(_, body)| body.clone(),
                )
            );
            Ok(())
        }
    }
}

/// What is known to be out of date, when the current revision is looked at: scopes are not versioned.
async fn stale(store: &dyn Store, environment: &str, at: Option<Revision>) -> Result<StaleSince, Failure> {
    let current = match at {
        None => true,
        Some(revision) => store.current(environment).await.map_err(store_failure)? == revision,
    };
    if current { store.stale(environment).await.map_err(store_failure) } else { Ok(StaleSince::new()) }
}

/// Refuses a type that neither the specs nor the inventory know.
async fn known_types(
    session: &Session,
    store: &dyn Store,
    environment: &str,
    at: Option<Revision>,
    types: &[String],
    of: impl Fn(&Specs, &CountsByType) -> BTreeSet<Str>,
) -> Result<(), Failure> {
    if types.is_empty() {
        return Ok(());
    }
    let counts = store.counts(environment, at).await.map_err(store_failure)?;
    let known = of(&session.load()?.specs, &counts);
    match types.iter().find(|name| !known.contains(name.as_str())) {
        None => Ok(()),
        Some(wrong) => Err(found::unknown("type", wrong, known.iter().map(AsRef::as_ref))),
    }
}

fn counted(counts: &[(Str, u64)]) -> impl Iterator<Item = Str> {
    counts.iter().map(|(name, _)| name.clone())
}

fn object_types(specs: &Specs, counts: &CountsByType) -> BTreeSet<Str> {
    let folders = specs.object_types.values().flat_map(|declared| &declared.forms).flat_map(|form| &form.folders);
    let folders = folders.map(|folder| folder.folder_type.clone());
    specs.object_types.keys().cloned().chain(folders).chain(counted(&counts.objects)).collect()
}

async fn objects(session: &Session, store: &dyn Store, args: &args::GetObjectsArgs) -> Result<(), Failure> {
    let environment = args.environment.as_str();
    known_types(session, store, environment, args.revision, &args.types, object_types).await?;
    if let Some(text) = &args.object {
        let object = find_object(store, environment, args.revision, text).await?;
        if let Some(since) = stale(store, environment, args.revision).await?.get(&object.key) {
            eprintln!("stale: what is known of it may be out of date since {}", show::day(since));
        }
        print!("{}", show::value(args.out.output, &Value::Map(object.doc)));
        return Ok(());
    }
    let mut equals = Vec::new();
    for filter in &args.filters {
        let (attribute, text) = filter.split_once('=').ok_or_else(|| {
            Failure::usage(format!("`--where {filter}` is not ATTRIBUTE=VALUE"))
                .help("write for example `--where state=UP`")
        })?;
        equals.push((
            Str::from(attribute),
            Value::from_json(text)
                .ok()
                .filter(|value| !matches!(value, Value::Float(_)))
                .unwrap_or_else(|| Value::text(text)),
        ));
    }
    found::known_host(store, environment, args.revision, args.host.as_deref()).await?;
    let query = Query {
        types: args.types.iter().map(|name| Str::from(name.as_str())).collect(),
        host: args.host.as_deref().map(Str::from),
        equals,
        ..Query::default()
    };
    let limit = if args.out.output == OutputFormat::Tree { usize::MAX } else { args.limit };
    let (mut found, rest) = pages!(limit, page => store.objects(environment, args.revision, &query, &page));
    more(rest, limit);
    let stale = stale(store, environment, args.revision).await?;
    if args.out.output == OutputFormat::Tree {
        with_ancestors(store, environment, args.revision, &mut found).await?;
        print!("{}", show::tree(&found, &stale));
        return Ok(());
    }
    if found.is_empty() {
        return nothing(store, environment, args.out.output, "object").await;
    }
    print!("{}", found::list(args.out.output, session.table_width, &found, &stale, None));
    Ok(())
}

/// Nothing fits: data say so by an empty list, and people read why.
async fn nothing(store: &dyn Store, environment: &str, shape: OutputFormat, what: &str) -> Result<(), Failure> {
    if matches!(shape, OutputFormat::Json | OutputFormat::Yaml) {
        print!("{}", show::value(shape, &Value::list(Vec::new())));
    }
    if store.current(environment).await.map_err(store_failure)? == 0 {
        return Err(Failure::new(Exit::Findings, format!("nothing is known of `{environment}` yet"))
            .help(format!("look at it first: `calipso scan {environment}`")));
    }
    Err(Failure::new(Exit::Findings, format!("no {what} of `{environment}` is like that")))
}

/// Adds what the objects lie below, so that a tree of some of them is a tree.
async fn with_ancestors(
    store: &dyn Store,
    environment: &str,
    at: Option<Revision>,
    found: &mut Vec<Object>,
) -> Result<(), Failure> {
    let mut known: BTreeSet<ObjectKey> = found.iter().map(|object| object.key.clone()).collect();
    let mut new = 0;
    while new < found.len() {
        let parents: BTreeSet<ObjectKey> = found[new..]
            .iter()
            .filter_map(|object| Some(ObjectKey::new(object.text("parent_type")?, object.text("parent_id")?)))
            .filter(|key| !known.contains(key))
            .collect();
        new = found.len();
        let parents: Vec<ObjectKey> = parents.into_iter().collect();
        known.extend(parents.iter().cloned());
        found.extend(store.objects_by_key(environment, at, &parents).await.map_err(store_failure)?);
    }
    Ok(())
}

/// The names of objects, by key.
async fn names(
    store: &dyn Store,
    environment: &str,
    at: Option<Revision>,
    keys: BTreeSet<&ObjectKey>,
) -> Result<BTreeMap<ObjectKey, String>, Failure> {
    let keys: Vec<ObjectKey> = keys.into_iter().cloned().collect();
    let found = store.objects_by_key(environment, at, &keys).await.map_err(store_failure)?;
    Ok(found.into_iter().map(|object| (object.key.clone(), object.name().to_owned())).collect())
}

async fn links(session: &Session, store: &dyn Store, args: &args::GetLinksArgs) -> Result<(), Failure> {
    let environment = args.environment.as_str();
    let link_types = |specs: &Specs, counts: &CountsByType| -> BTreeSet<Str> {
        specs.link_types.keys().cloned().chain(counted(&counts.links)).collect()
    };
    known_types(session, store, environment, args.revision, &args.types, link_types).await?;
    let touching = match &args.object {
        Some(text) => Some(find_object(store, environment, args.revision, text).await?.key),
        None => None,
    };
    found::known_host(store, environment, args.revision, args.host.as_deref()).await?;
    let query = LinkQuery {
        types: args.types.iter().map(|name| Str::from(name.as_str())).collect(),
        touching,
        host: args.host.as_deref().map(Str::from),
        ..LinkQuery::default()
    };
    let (found, rest) = pages!(args.limit, page => store.links(environment, args.revision, &query, &page));
    more(rest, args.limit);
    let table = matches!(args.out.output, OutputFormat::Table | OutputFormat::Tree);
    let ends = found.iter().filter(|_| table).flat_map(|link| [&link.source, &link.target]).collect();
    let names = names(store, environment, args.revision, ends).await?;
    let stale = if table { stale(store, environment, args.revision).await? } else { StaleSince::new() };
    if found.is_empty() {
        return nothing(store, environment, args.out.output, "link").await;
    }
    // Many hosts have a card `eth1`: then the id tells them apart.
    let mut called: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (key, name) in &names {
        *called.entry((&*key.object_type, name.as_str())).or_default() += 1;
    }
    let end = |key: &ObjectKey| {
        let name = match names.get(key) {
            None => key.id.to_string(),
            Some(name) if called.get(&(&*key.object_type, name.as_str())).is_some_and(|times| *times > 1) => {
                if key.id.contains(name.as_str()) { key.id.to_string() } else { format!("{name} ({})", key.id) }
            }
            Some(name) => name.clone(),
        };
        format!("{name}{}", if stale.contains_key(key) { " [stale]" } else { "" })
    };
    print!(
        "{}",
        show::list_within(
            args.out.output,
            session.table_width,
            &found,
            &["LINK TYPE", "SOURCE", "TARGET", "STATE", "NAME"],
            |link| {
                vec![
                    link.link_type.to_string(),
                    end(&link.source),
                    end(&link.target),
                    link.state.as_str().to_owned(),
                    link.name.to_string(),
                ]
            },
            show::link_data,
        )
    );
    Ok(())
}

async fn cliques(session: &Session, store: &dyn Backend, args: &args::GetCliquesArgs) -> Result<(), Failure> {
    let environment = args.environment.as_str();
    let focal_types = |specs: &Specs, counts: &CountsByType| {
        // Of any type an object might be in the middle once.
        object_types(specs, counts)
    };
    known_types(session, store, environment, args.revision, &args.types, focal_types).await?;
    if let Some(text) = &args.object {
        let object = find_object(store, environment, args.revision, text).await?;
        let clique = clique_of(session, store, environment, args.revision, &object).await?;
        print!("{}", show::value(args.out.output, &show::clique_data(&clique)));
        return Ok(());
    }
    let query = CliqueQuery {
        types: args.types.iter().map(|name| Str::from(name.as_str())).collect(),
        ..CliqueQuery::default()
    };
    let (mut found, rest) = pages!(args.limit, page => store.cliques(environment, args.revision, &query, &page));
    more(rest, args.limit);
    if found.is_empty() {
        return nothing(store, environment, args.out.output, "clique").await;
    }
    let table = matches!(args.out.output, OutputFormat::Table | OutputFormat::Tree);
    let focal = found.iter().filter(|_| table).map(|clique| &clique.focal_point).collect();
    let names = names(store, environment, args.revision, focal).await?;
    let stale = if table { stale(store, environment, args.revision).await? } else { StaleSince::new() };
    if table {
        found.sort_by_cached_key(|clique| {
            let key = clique.focal_point.clone();
            (key.object_type.clone(), names.get(&key).cloned(), key)
        });
    }
    print!(
        "{}",
        show::list_within(
            args.out.output,
            session.table_width,
            &found,
            &["TYPE", "NAME", "CLIQUE TYPE", "NODES", "LINKS", "ID"],
            |clique| {
                let key = &clique.focal_point;
                let name = names.get(key).map_or(&*key.id, String::as_str);
                let nodes_stale = clique.nodes.iter().any(|node| stale.contains_key(node));
                vec![
                    key.object_type.to_string(),
                    format!("{name}{}", if nodes_stale { " [stale]" } else { "" }),
                    clique.clique_type.to_string(),
                    clique.nodes.len().to_string(),
                    clique.links.len().to_string(),
                    key.id.to_string(),
                ]
            },
            show::clique_data,
        )
    );
    Ok(())
}

async fn clique_of(
    session: &Session,
    store: &dyn Backend,
    environment: &str,
    at: Option<Revision>,
    object: &Object,
) -> Result<Clique, Failure> {
    if let Some(clique) = store.clique(environment, at, &object.key).await.map_err(store_failure)? {
        return Ok(clique);
    }
    let why = explain::dead_ends(session, store, environment, at, &object.key).await?;
    let why: String = why.iter().map(|line| format!("\n  {line}")).collect();
    Err(Failure::usage(format!("`{}` has no clique{why}", object.key))
        .help(format!("`calipso graph {environment} {} --around 2` draws what is near it", object.key)))
}

/// `graph`.
///
/// # Errors
/// Unknown environment, object or revision; an object without a clique.
pub async fn graph(session: &Session, args: &args::GraphArgs) -> Result<(), Failure> {
    let store = session.store().await?;
    let text = graph_text(session, store.as_ref(), args).await?;
    print!("{text}");
    Ok(())
}

/// The picture of a clique or neighbourhood.
///
/// # Errors
/// As [`graph`].
pub async fn graph_text(session: &Session, store: &dyn Backend, args: &args::GraphArgs) -> Result<String, Failure> {
    let environment = args.environment.as_str();
    // Everything is read at one revision, also when a scan ends meanwhile.
    let at = match args.revision {
        Some(revision) => Some(revision),
        None => Some(store.current(environment).await.map_err(store_failure)?),
    };
    let object = find_object(store, environment, at, &args.object).await?;
    let mut ends = Vec::new();
    let links = match args.around {
        None => {
            let clique = clique_of(session, store, environment, at, &object).await?;
            if args.format == PictureFormat::Text && may_end_early(&session.load()?.specs, &clique) {
                ends = explain::dead_ends(session, store, environment, at, &object.key).await?;
            }
            store.links_by_key(environment, at, &clique.links).await.map_err(store_failure)?
        }
        Some(depth) => around(store, environment, at, &object.key, depth).await?,
    };
    let picture = make(store, environment, at, &object, &links).await?;
    Ok(match args.format {
        PictureFormat::Text => {
            let mut text = picture::draw(&picture, session.width);
            if picture.nodes.iter().any(|node| node.stale) {
                text.push_str("[stale]: what is known of it may be out of date\n");
            }
            for (number, end) in ends.iter().enumerate() {
                let begin = if number == 0 { "the path ends: " } else { "               " };
                changes::line(&mut text, session.width, begin, end);
            }
            text
        }
        PictureFormat::Dot => picture::dot(&picture),
        PictureFormat::Mermaid => picture::mermaid(&picture),
        PictureFormat::Json => json(&picture::data(&picture)),
    })
}

/// Whether some object of a clique leads nowhere although its path has steps that begin at such objects.
fn may_end_early(specs: &Specs, clique: &Clique) -> bool {
    let Some(declared) = specs.clique_types.get(&clique.clique_type) else { return false };
    let led: BTreeSet<&ObjectKey> = clique
        .links
        .iter()
        .flat_map(|link| {
            let steps = declared.path.iter().filter(move |step| step.link_type == link.link_type);
            steps.map(move |step| if step.backwards { &link.target } else { &link.source })
        })
        .collect();
    let starts: BTreeSet<&str> = declared
        .path
        .iter()
        .filter_map(|step| {
            let link_type = specs.link_types.get(&step.link_type)?;
            Some(if step.backwards { &*link_type.to } else { &*link_type.from })
        })
        .collect();
    clique.nodes.iter().any(|node| starts.contains(&*node.object_type) && !led.contains(node))
}

async fn around(
    store: &dyn Store,
    environment: &str,
    at: Option<Revision>,
    key: &ObjectKey,
    depth: usize,
) -> Result<Vec<Link>, Failure> {
    let mut found: BTreeMap<LinkRef, Link> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::from([key.clone()]);
    let mut front = vec![key.clone()];
    for _ in 0..depth {
        let mut next = Vec::new();
        for key in front {
            let query = LinkQuery::touching(key.clone());
            let (links, _) = pages!(10_000, page => store.links(environment, at, &query, &page));
            for link in links {
                for end in [&link.source, &link.target] {
                    if seen.insert(end.clone()) {
                        next.push(end.clone());
                    }
                }
                let reference = LinkRef {
                    link_type: link.link_type.clone(),
                    source: link.source.clone(),
                    target: link.target.clone(),
                };
                found.insert(reference, link);
            }
        }
        front = next;
    }
    Ok(found.into_values().collect())
}

async fn make(
    store: &dyn Store,
    environment: &str,
    at: Option<Revision>,
    focal: &Object,
    links: &[Link],
) -> Result<Picture, Failure> {
    let mut keys = vec![focal.key.clone()];
    for link in links {
        for end in [&link.source, &link.target] {
            if !keys.contains(end) {
                keys.push(end.clone());
            }
        }
    }
    let objects = store.objects_by_key(environment, at, &keys).await.map_err(store_failure)?;
    let names: BTreeMap<&ObjectKey, &str> = objects.iter().map(|object| (&object.key, object.name())).collect();
    let stale = stale(store, environment, at).await?;
    let position = |key: &ObjectKey| keys.iter().position(|known| known == key).unwrap_or(0);
    Ok(Picture {
        lines: links
            .iter()
            .map(|link| Line {
                from: position(&link.source),
                to: position(&link.target),
                link_type: link.link_type.to_string(),
                label: printable(&link.name),
                state: link.state,
            })
            .collect(),
        nodes: keys
            .iter()
            .map(|key| Node {
                key: key.clone(),
                name: printable(names.get(key).copied().unwrap_or(&key.id)),
                stale: stale.contains_key(key),
            })
            .collect(),
        focal: 0,
    })
}

/// `search`.
///
/// # Errors
/// Unknown environment.
pub async fn search(session: &Session, args: &args::SearchArgs) -> Result<(), Failure> {
    let store = session.store().await?;
    let mut found = store.search(&args.environment, None, &args.text, args.limit).await.map_err(store_failure)?;
    if found.is_empty() {
        return Err(Failure::new(
            Exit::Findings,
            format!("nothing in `{}` is found by `{}`", args.environment, args.text),
        ));
    }
    if args.out.output == OutputFormat::Table {
        found.sort_by(|a, b| (&a.key.object_type, a.name(), &a.key).cmp(&(&b.key.object_type, b.name(), &b.key)));
    }
    let stale = stale(store.as_ref(), &args.environment, None).await?;
    print!("{}", found::list(args.out.output, session.table_width, &found, &stale, Some(&args.text)));
    Ok(())
}
