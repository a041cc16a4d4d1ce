//! `get`, `graph`, `search`, `diff`: reading the store.

use std::collections::BTreeMap;

use calipso_api::picture::{self, Line, Node, Picture};
use calipso_model::{Link, LinkRef, Object, ObjectKey, Revision, Str, Value};
use calipso_store::{CliqueQuery, LinkQuery, Page, Paged, Query, Store, StoreError};

use crate::{
    args::{self, Picture as PictureFormat, Shape},
    failure::{Exit, Failure},
    output::{json, printable, yaml},
    session::{Session, find_object, store_failure},
    show,
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
pub async fn get(session: &Session, what: &args::Get) -> Result<(), Failure> {
    let store = session.store().await?;
    let store = store.as_ref();
    match what {
        args::Get::Objects(args) => objects(store, args).await,
        args::Get::Links(args) => links(store, args).await,
        args::Get::Cliques(args) => cliques(store, args).await,
        args::Get::Revisions { environment, out } => {
            let revisions = store.revisions(environment).await.map_err(store_failure)?;
            let header = ["REVISION", "AT", "OBJECTS", "LINKS", "CLIQUES", "NOTE"];
            print!(
                "{}",
                show::list(
                    out.output,
                    &revisions,
                    &header,
                    |entry| {
                        let count = |written: u64, removed: u64| format!("+{written} -{removed}");
                        vec![
                            entry.revision.to_string(),
                            entry.at.to_string(),
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
        args::Get::Reports { environment, limit, out } => {
            let entries = store.reports(environment).await.map_err(store_failure)?;
            let mut bodies = Vec::new();
            for entry in entries.into_iter().take(*limit) {
                bodies.push((entry.clone(), store.report(environment, entry.id).await.map_err(store_failure)?));
            }
            print!(
                "{}",
                show::list(
                    out.output,
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
                            entry.at.to_string(),
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

async fn objects(store: &dyn Store, args: &args::GetObjects) -> Result<(), Failure> {
    let environment = args.environment.as_str();
    if let Some(text) = &args.object {
        let object = find_object(store, environment, args.revision, text).await?;
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
    let query = Query {
        types: args.types.iter().map(|name| Str::from(name.as_str())).collect(),
        host: args.host.as_deref().map(Str::from),
        equals,
        ..Query::default()
    };
    let limit = if args.out.output == Shape::Tree { usize::MAX } else { args.limit };
    let (found, rest) = pages!(limit, page => store.objects(environment, args.revision, &query, &page));
    more(rest, limit);
    if args.out.output == Shape::Tree {
        print!("{}", show::tree(&found));
        return Ok(());
    }
    print!("{}", object_list(args.out.output, &found));
    Ok(())
}

fn object_list(shape: Shape, found: &[Object]) -> String {
    show::list(
        shape,
        found,
        &["TYPE", "NAME", "HOST", "ID"],
        |object| {
            vec![
                object.key.object_type.to_string(),
                object.name().to_owned(),
                object.text("host").unwrap_or_default().to_owned(),
                object.key.id.to_string(),
            ]
        },
        |object| Value::Map(object.doc.clone()),
    )
}

async fn links(store: &dyn Store, args: &args::GetLinks) -> Result<(), Failure> {
    let environment = args.environment.as_str();
    let touching = match &args.object {
        Some(text) => Some(find_object(store, environment, args.revision, text).await?.key),
        None => None,
    };
    let query = LinkQuery {
        types: args.types.iter().map(|name| Str::from(name.as_str())).collect(),
        touching,
        host: args.host.as_deref().map(Str::from),
        ..LinkQuery::default()
    };
    let (found, rest) = pages!(args.limit, page => store.links(environment, args.revision, &query, &page));
    more(rest, args.limit);
    print!(
        "{}",
        show::list(
            args.out.output,
            &found,
            &["LINK TYPE", "SOURCE", "TARGET", "STATE", "NAME"],
            |link| {
                vec![
                    link.link_type.to_string(),
                    link.source.id.to_string(),
                    link.target.id.to_string(),
                    link.state.as_str().to_owned(),
                    link.name.to_string(),
                ]
            },
            show::link_data,
        )
    );
    Ok(())
}

async fn cliques(store: &dyn Store, args: &args::GetCliques) -> Result<(), Failure> {
    let environment = args.environment.as_str();
    if let Some(text) = &args.object {
        let object = find_object(store, environment, args.revision, text).await?;
        let clique = clique_of(store, environment, args.revision, &object).await?;
        print!("{}", show::value(args.out.output, &show::clique_data(&clique)));
        return Ok(());
    }
    let query = CliqueQuery {
        types: args.types.iter().map(|name| Str::from(name.as_str())).collect(),
        ..CliqueQuery::default()
    };
    let (found, rest) = pages!(args.limit, page => store.cliques(environment, args.revision, &query, &page));
    more(rest, args.limit);
    print!(
        "{}",
        show::list(
            args.out.output,
            &found,
            &["FOCAL POINT", "CLIQUE TYPE", "NODES", "LINKS"],
            |clique| {
                vec![
                    clique.focal_point.to_string(),
                    clique.clique_type.to_string(),
                    clique.nodes.len().to_string(),
                    clique.links.len().to_string(),
                ]
            },
            show::clique_data,
        )
    );
    Ok(())
}

async fn clique_of(
    store: &dyn Store,
    environment: &str,
    at: Option<Revision>,
    object: &Object,
) -> Result<calipso_model::Clique, Failure> {
    store.clique(environment, at, &object.key).await.map_err(store_failure)?.ok_or_else(|| {
        Failure::usage(format!("`{}` has no clique", object.key))
            .help(format!("`calipso graph {environment} {} --around 2` draws what is near it", object.key))
    })
}

/// `graph`.
///
/// # Errors
/// Unknown environment, object or revision; an object without a clique.
pub async fn graph(session: &Session, args: &args::Graph) -> Result<(), Failure> {
    let store = session.store().await?;
    let text = graph_text(session, store.as_ref(), args).await?;
    print!("{text}");
    Ok(())
}

/// The picture of a clique or neighbourhood.
///
/// # Errors
/// As [`graph`].
pub async fn graph_text(session: &Session, store: &dyn Store, args: &args::Graph) -> Result<String, Failure> {
    let environment = args.environment.as_str();
    // Everything is read at one revision, also when a scan ends meanwhile.
    let at = match args.revision {
        Some(revision) => Some(revision),
        None => Some(store.current(environment).await.map_err(store_failure)?),
    };
    let object = find_object(store, environment, at, &args.object).await?;
    let links = match args.around {
        None => {
            let clique = clique_of(store, environment, at, &object).await?;
            let mut links = Vec::new();
            for key in &clique.links {
                if let Some(link) = store.link(environment, at, key).await.map_err(store_failure)? {
                    links.push(link);
                }
            }
            links
        }
        Some(depth) => around(store, environment, at, &object.key, depth).await?,
    };
    let picture = make(store, environment, at, &object, &links).await?;
    Ok(match args.format {
        PictureFormat::Text => picture::draw(&picture, session.width),
        PictureFormat::Dot => picture::dot(&picture),
        PictureFormat::Mermaid => picture::mermaid(&picture),
        PictureFormat::Json => json(&picture::data(&picture)),
    })
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
    let place = |key: &ObjectKey| keys.iter().position(|known| known == key).unwrap_or(0);
    Ok(Picture {
        lines: links
            .iter()
            .map(|link| Line {
                from: place(&link.source),
                to: place(&link.target),
                link_type: link.link_type.to_string(),
                label: printable(&link.name),
                state: link.state,
            })
            .collect(),
        nodes: keys
            .iter()
            .map(|key| Node { key: key.clone(), name: printable(names.get(key).copied().unwrap_or(&key.id)) })
            .collect(),
        focal: 0,
    })
}

/// `search`.
///
/// # Errors
/// Unknown environment.
pub async fn search(session: &Session, args: &args::Search) -> Result<(), Failure> {
    let store = session.store().await?;
    let found = store.search(&args.environment, None, &args.text, args.limit).await.map_err(store_failure)?;
    if found.is_empty() {
        return Err(Failure::new(
            Exit::Findings,
            format!("nothing in `{}` is called like `{}`", args.environment, args.text),
        ));
    }
    print!("{}", object_list(args.out.output, &found));
    Ok(())
}

/// `diff`.
///
/// # Errors
/// Unknown environment or revision.
pub async fn diff(session: &Session, args: &args::Diff) -> Result<(), Failure> {
    let store = session.store().await?;
    let current = store.current(&args.environment).await.map_err(store_failure)?;
    let to = args.to.unwrap_or(current);
    let from = args.from.unwrap_or_else(|| to.saturating_sub(1));
    print!("{}", diff_text(store.as_ref(), &args.environment, from, to, args.out.output).await.map_err(store_failure)?);
    Ok(())
}

/// The difference between two revisions.
///
/// # Errors
/// Of the store.
pub async fn diff_text(
    store: &dyn Store,
    environment: &str,
    from: Revision,
    to: Revision,
    shape: Shape,
) -> Result<String, StoreError> {
    let diff = store.diff(environment, from, to).await?;
    if !matches!(shape, Shape::Table | Shape::Tree) {
        fn sides<T>(changes: &[calipso_store::Change<T>], data: impl Fn(&T) -> Value) -> Value {
            Value::list(
                changes
                    .iter()
                    .map(|change| {
                        Value::Map(
                            [
                                ("before", change.before.as_ref().map_or(Value::Null, &data)),
                                ("after", change.after.as_ref().map_or(Value::Null, &data)),
                            ]
                            .into_iter()
                            .collect(),
                        )
                    })
                    .collect(),
            )
        }
        let number = |revision: Revision| Value::Int(i64::try_from(revision).unwrap_or(i64::MAX));
        let whole = Value::Map(
            [
                ("from", number(from)),
                ("to", number(to)),
                ("objects", sides(&diff.objects, |object| Value::Map(object.doc.clone()))),
                ("links", sides(&diff.links, show::link_data)),
                ("cliques", sides(&diff.cliques, show::clique_data)),
            ]
            .into_iter()
            .collect(),
        );
        return Ok(if shape == Shape::Json { json(&whole) } else { yaml(&whole) });
    }
    let mut text = format!("revision {from} → {to}\n");
    let mark = |before: bool, after: bool| match (before, after) {
        (false, _) => '+',
        (_, false) => '-',
        _ => '~',
    };
    for change in &diff.objects {
        let Some(object) = change.after.as_ref().or(change.before.as_ref()) else { continue };
        text.push_str(&format!(
            "{} {} {}\n",
            mark(change.before.is_some(), change.after.is_some()),
            object.key.object_type,
            printable(object.name())
        ));
        if let (Some(before), Some(after)) = (&change.before, &change.after) {
            for line in fields(&before.doc, &after.doc) {
                text.push_str(&format!("    {line}\n"));
            }
        }
    }
    for change in &diff.links {
        let Some(link) = change.after.as_ref().or(change.before.as_ref()) else { continue };
        text.push_str(&format!(
            "{} link {}: {} — {}\n",
            mark(change.before.is_some(), change.after.is_some()),
            link.link_type,
            printable(&link.source.id),
            printable(&link.target.id)
        ));
    }
    for change in &diff.cliques {
        let Some(clique) = change.after.as_ref().or(change.before.as_ref()) else { continue };
        text.push_str(&format!(
            "{} clique of {}",
            mark(change.before.is_some(), change.after.is_some()),
            clique.focal_point
        ));
        if let (Some(before), Some(after)) = (&change.before, &change.after) {
            let gained = after.nodes.iter().filter(|node| !before.nodes.contains(node)).count();
            let lost = before.nodes.iter().filter(|node| !after.nodes.contains(node)).count();
            text.push_str(&format!(": {gained} nodes more, {lost} nodes less"));
        }
        text.push('\n');
    }
    if diff.is_empty() {
        text.push_str("no difference\n");
    }
    Ok(text)
}

/// What differs between two documents, field by field.
fn fields(before: &calipso_model::Map, after: &calipso_model::Map) -> Vec<String> {
    let mut lines = Vec::new();
    let mut keys: Vec<&Str> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let short = |value: Option<&Value>| {
        let text = value.map_or_else(|| "—".to_owned(), Value::to_json);
        if text.chars().count() > 60 { format!("{}…", text.chars().take(60).collect::<String>()) } else { text }
    };
    for key in keys {
        if before.get(key) != after.get(key) {
            lines.push(format!("{key}: {} → {}", short(before.get(key)), short(after.get(key))));
        }
    }
    lines
}
