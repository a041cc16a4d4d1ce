//! Links of a commit.

use std::collections::BTreeSet;

use calipso_model::{Delta, Link, LinkState};
use rusqlite::{OptionalExtension, params};

use crate::{
    embedded::{
        commit::{CommitContext, Tally},
        fault::Doing,
        key::{Numbers, find_word},
        row,
    },
    error::StoreError,
    form::named_twice,
};

/// A link in numbers: source, type, target.
type Triple = (i64, i64, i64);

/// The columns of a link that are not its key.
#[derive(PartialEq)]
struct Rest<'l> {
    name: &'l str,
    down: bool,
    host: Option<i64>,
    switch: Option<i64>,
    implicit: bool,
    rule: i64,
    attributes: &'l str,
}

/// Writes the links that differ, and removes those that are gone.
pub(in crate::embedded) fn write(
    context: CommitContext<'_>,
    numbers: &mut Numbers<'_>,
    delta: &Delta,
    tally: &mut Tally,
) -> Result<(), StoreError> {
    let mut links: Vec<(Triple, &Link)> = Vec::with_capacity(delta.links.len());
    for link in &delta.links {
        let triple = (numbers.make(&link.source)?, numbers.word(&link.link_type)?, numbers.make(&link.target)?);
        links.push((triple, link));
    }
    // In this order the table grows at its end only.
    links.sort_unstable_by_key(|(triple, _)| *triple);
    if let Some(pair) = links.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let link = pair[0].1;
        return Err(named_twice("link", &format_args!("{} from {} to {}", link.link_type, link.source, link.target)));
    }
    for removed in &delta.removed_links {
        let (Some(source), Some(link_type), Some(target)) = (
            numbers.find(&removed.source)?,
            find_word(context.db, context.env, &removed.link_type)?,
            numbers.find(&removed.target)?,
        ) else {
            continue;
        };
        let triple = (source, link_type, target);
        if links.binary_search_by_key(&triple, |(triple, _)| *triple).is_ok() {
            return Err(named_twice(
                "link",
                &format_args!("{} from {} to {}", removed.link_type, removed.source, removed.target),
            ));
        }
        if end(context, triple)? {
            tally.removed.links += 1;
        }
    }
    let leads: BTreeSet<(&str, i64)> =
        links.iter().map(|((_, link_type, _), link)| (&*link.source.object_type, *link_type)).collect();
    for (source_type, link_type) in leads {
        context
            .db
            .prepare_cached("INSERT INTO leads(env, source_type, link_type) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING")
            .and_then(|mut note| note.execute(params![context.env, source_type, link_type]))
            .doing("note where links start")?;
    }
    let before: bool = context
        .db
        .query_row("SELECT EXISTS(SELECT 1 FROM link WHERE env = ?1)", [context.env], |row| row.get(0))
        .doing("look for links")?;
    for (triple, link) in links {
        if put(context, numbers, before, triple, link)? {
            tally.written.links += 1;
        }
    }
    Ok(())
}

/// Writes one link if it differs from the stored one; returns whether it did.
fn put(
    context: CommitContext<'_>,
    numbers: &mut Numbers<'_>,
    before: bool,
    (source, link_type, target): Triple,
    link: &Link,
) -> Result<bool, StoreError> {
    let attributes = if link.attributes.is_empty() { String::new() } else { row::sealed_text(&link.attributes) };
    let rest = Rest {
        name: &link.name,
        down: link.state == LinkState::Down,
        host: numbers.word_of(link.host.as_ref())?,
        switch: numbers.word_of(link.switch.as_ref())?,
        implicit: link.implicit,
        rule: numbers.word(&link.rule)?,
        attributes: &attributes,
    };
    if before {
        let same = context
            .db
            .prepare_cached(
                "SELECT name, down, host, switch, implicit, rule, attributes FROM link
                 WHERE source = ?1 AND type = ?2 AND target = ?3",
            )
            .and_then(|mut find| {
                find.query_row(params![source, link_type, target], |row| {
                    Ok(Rest {
                        name: row.get_ref(0)?.as_str()?,
                        down: row.get(1)?,
                        host: row.get(2)?,
                        switch: row.get(3)?,
                        implicit: row.get(4)?,
                        rule: row.get(5)?,
                        // As this program writes them, if they are the same.
                        attributes: Some(row.get_ref(6)?.as_str()?)
                            .filter(|stored| !row::is_same(stored, &attributes))
                            .unwrap_or(&attributes),
                    } == rest)
                })
                .optional()
            })
            .doing("compare a link")?;
        match same {
            Some(true) => return Ok(false),
            Some(false) => {
                end(context, (source, link_type, target))?;
            }
            None => {}
        }
    }
    context
        .db
        .prepare_cached(
            "INSERT INTO link(source, type, target, env, rev_from, name, down, host, switch, implicit, rule, attributes)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                source,
                link_type,
                target,
                context.env,
                context.revision,
                rest.name,
                rest.down,
                rest.host,
                rest.switch,
                rest.implicit,
                rest.rule,
                rest.attributes
            ])
        })
        .doing("write a link")?;
    Ok(true)
}

const TO_PAST: &str = "INSERT INTO link_past(source, type, target, env, rev_from, name, down, host, switch, implicit, rule,
        attributes, rev_to)
    SELECT source, type, target, env, rev_from, name, down, host, switch, implicit, rule, attributes, ?1 FROM link WHERE ";

/// Ends the current version of a link; returns whether there was one.
fn end(context: CommitContext<'_>, (source, link_type, target): Triple) -> Result<bool, StoreError> {
    let moved = context
        .db
        .prepare_cached(&format!("{TO_PAST} source = ?2 AND type = ?3 AND target = ?4"))
        .and_then(|mut keep| keep.execute(params![context.revision, source, link_type, target]))
        .doing("keep the past of a link")?;
    if moved == 0 {
        return Ok(false);
    }
    context
        .db
        .prepare_cached("DELETE FROM link WHERE source = ?1 AND type = ?2 AND target = ?3")
        .and_then(|mut forget| forget.execute(params![source, link_type, target]))
        .doing("remove a link")?;
    Ok(true)
}

/// Ends the current versions of all links; returns how many there were.
pub(in crate::embedded) fn clear(context: CommitContext<'_>) -> Result<u64, StoreError> {
    context
        .db
        .execute(&format!("{TO_PAST} env = ?2"), params![context.revision, context.env])
        .doing("keep the past of all links")?;
    let gone = context.db.execute("DELETE FROM link WHERE env = ?1", [context.env]).doing("remove all links")?;
    Ok(gone as u64)
}
