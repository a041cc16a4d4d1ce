//! Links at a revision.

use std::collections::BTreeSet;

use calipso_model::{Link, LinkRef, LinkState, Map, ObjectKey, Str};
use rusqlite::{Row, params};

use crate::{
    embedded::{
        fault::{Doing, to_db},
        key::{Names, find, find_word},
        read::{View, field::Field, keys_after},
        row,
    },
    error::StoreError,
    form::cursor,
    query::{LinkQuery, Page, Paged},
};

/// How many sources are looked at in one go.
const BATCH: usize = 512;

/// More links of one host than this are not sorted for each page.
const OF_HOST: usize = 20_000;

/// The columns of a link, in the order of [`Stored`].
const COLUMNS: &str = "source, type, target, name, down, host, switch, implicit, rule, attributes";

/// A link as it lies in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::embedded) struct Stored {
    source: i64,
    link_type: i64,
    target: i64,
    name: String,
    down: bool,
    host: Option<i64>,
    switch: Option<i64>,
    implicit: bool,
    rule: i64,
    attributes: String,
}

impl Stored {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            source: row.get(0)?,
            link_type: row.get(1)?,
            target: row.get(2)?,
            name: row.get(3)?,
            down: row.get(4)?,
            host: row.get(5)?,
            switch: row.get(6)?,
            implicit: row.get(7)?,
            rule: row.get(8)?,
            attributes: row.get(9)?,
        })
    }

    /// The link without what takes looking up or reading: switch, attributes and rule.
    fn brief(&self, names: &mut Names<'_>) -> Result<Link, StoreError> {
        Ok(Link {
            link_type: names.word(self.link_type)?,
            source: names.key(self.source)?,
            target: names.key(self.target)?,
            name: self.name.as_str().into(),
            state: if self.down { LinkState::Down } else { LinkState::Up },
            host: names.word_of(self.host)?,
            switch: None,
            attributes: Map::new(),
            implicit: self.implicit,
            rule: Str::default(),
        })
    }

    /// The link itself.
    pub(in crate::embedded) fn name(&self, names: &mut Names<'_>) -> Result<Link, StoreError> {
        Ok(Link {
            switch: names.word_of(self.switch)?,
            attributes: if self.attributes.is_empty() { Map::new() } else { row::map_from(&self.attributes)? },
            rule: names.word(self.rule)?,
            ..self.brief(names)?
        })
    }
}

/// The links that a condition on `?1` … `?3` picks; `?4` is the revision.
fn select(view: View<'_>, condition: &str, values: [i64; 3]) -> Result<Vec<Stored>, StoreError> {
    // This only makes every statement use the same number of values.
    let used = "AND ?2 IS NOT NULL AND ?3 IS NOT NULL";
    let past = if view.current {
        String::new()
    } else {
        format!(
            "UNION ALL SELECT {COLUMNS} FROM link_past
             WHERE {condition} {used} AND +rev_from <= ?4 AND +rev_to > ?4"
        )
    };
    let statement = format!("SELECT {COLUMNS} FROM link WHERE {condition} {used} AND +rev_from <= ?4 {past}");
    let [first, second, third] = values;
    let mut read = view.db.prepare_cached(&statement).doing("find links")?;
    read.query_map(params![first, second, third, view.revision], Stored::of)
        .and_then(Iterator::collect)
        .doing("find links")
}

/// One link by its numbers.
pub(in crate::embedded) fn stored(
    view: View<'_>,
    (source, link_type, target): (i64, i64, i64),
) -> Result<Option<Stored>, StoreError> {
    Ok(select(view, "source = ?1 AND type = ?2 AND target = ?3", [source, link_type, target])?.pop())
}

pub(in crate::embedded) fn get(view: View<'_>, key: &LinkRef) -> Result<Option<Link>, StoreError> {
    let (Some(source), Some(link_type), Some(target)) = (
        find(view.db, view.env, &key.source)?,
        find_word(view.db, view.env, &key.link_type)?,
        find(view.db, view.env, &key.target)?,
    ) else {
        return Ok(None);
    };
    let mut names = Names::new(view.db);
    stored(view, (source, link_type, target))?.map(|link| link.name(&mut names)).transpose()
}

/// Several links in the order asked; missing ones are left out.
pub(in crate::embedded) fn by_key(view: View<'_>, keys: &[LinkRef]) -> Result<Vec<Link>, StoreError> {
    keys.iter().filter_map(|key| get(view, key).transpose()).collect()
}

/// The place of a link in the order of answers.
type LinkPosition = (ObjectKey, Str, ObjectKey);

fn position_of(link: &Link) -> LinkPosition {
    (link.source.clone(), link.link_type.clone(), link.target.clone())
}

/// Puts links into the order of answers.
pub(in crate::embedded) fn sort(links: &mut [Link]) {
    links.sort_by(|a, b| (&a.source, &a.link_type, &a.target).cmp(&(&b.source, &b.link_type, &b.target)));
}

/// The conditions of a query, looked up.
#[derive(Default)]
struct Wanted<'q> {
    types: Option<BTreeSet<i64>>,
    host: Option<i64>,
    name: Option<&'q str>,
    down: Option<bool>,
    implicit: Option<bool>,
    fields: Vec<Field<'q>>,
    ends: Vec<End>,
}

/// Where a link has to start or end.
#[derive(Clone, Copy)]
enum End {
    Source(i64),
    Target(i64),
    Either(i64),
}

impl<'q> Wanted<'q> {
    /// Looks up what a query names; nothing when one of these does not exist.
    fn of(view: View<'_>, query: &'q LinkQuery) -> Result<Option<Self>, StoreError> {
        let mut wanted = Self {
            name: query.name.as_deref(),
            down: query.state.map(|state| state == LinkState::Down),
            implicit: query.implicit,
            fields: query.one_of.iter().map(Field::one_of).collect(),
            ..Self::default()
        };
        if !query.types.is_empty() {
            let mut types = BTreeSet::new();
            for name in &query.types {
                types.extend(find_word(view.db, view.env, name)?);
            }
            if types.is_empty() {
                return Ok(None);
            }
            wanted.types = Some(types);
        }
        if let Some(host) = &query.host {
            let Some(id) = find_word(view.db, view.env, host)? else { return Ok(None) };
            wanted.host = Some(id);
        }
        let source = query.source.as_ref().map(|key| (key, End::Source as fn(i64) -> End));
        let target = query.target.as_ref().map(|key| (key, End::Target as fn(i64) -> End));
        let either = query.touching.as_ref().map(|key| (key, End::Either as fn(i64) -> End));
        for (key, end) in [source, target, either].into_iter().flatten() {
            let Some(id) = find(view.db, view.env, key)? else { return Ok(None) };
            wanted.ends.push(end(id));
        }
        Ok(Some(wanted))
    }

    fn fits(&self, link: &Stored) -> Result<bool, StoreError> {
        Ok(self.fits_outside(link) && (self.fields.is_empty() || self.fits_inside(&link.attributes)?))
    }

    fn fits_inside(&self, attributes: &str) -> Result<bool, StoreError> {
        if !self.fields.iter().all(|field| field.may_fit(attributes)) {
            return Ok(false);
        }
        let attributes = if attributes.is_empty() { Map::new() } else { row::map_from(attributes)? };
        Ok(self.fields.iter().all(|field| field.holds(&attributes)))
    }

    fn fits_outside(&self, link: &Stored) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&link.link_type))
            && self.host.is_none_or(|host| link.host == Some(host))
            && self.name.is_none_or(|name| link.name == name)
            && self.down.is_none_or(|down| link.down == down)
            && self.implicit.is_none_or(|implicit| link.implicit == implicit)
            && self.ends.iter().all(|end| match *end {
                End::Source(id) => link.source == id,
                End::Target(id) => link.target == id,
                End::Either(id) => link.source == id || link.target == id,
            })
    }
}

/// All links of one end.
fn of_end(view: View<'_>, end: End) -> Result<Vec<Stored>, StoreError> {
    let from = |id| select(view, "source = ?1", [id, 0, 0]);
    let to = |id| select(view, "target = ?1", [id, 0, 0]);
    match end {
        End::Source(id) => from(id),
        End::Target(id) => to(id),
        End::Either(id) => {
            let mut links = from(id)?;
            // A link from an object to itself is among those already.
            links.extend(to(id)?.into_iter().filter(|link| link.source != id));
            Ok(links)
        }
    }
}

/// The links of one host; nothing when there are too many: a page of them is then found faster in the order of answers.
fn of_host(view: View<'_>, host: i64) -> Result<Option<Vec<Stored>>, StoreError> {
    let past = if view.current {
        String::new()
    } else {
        format!("UNION ALL SELECT {COLUMNS} FROM link_past WHERE host = ?1 AND +rev_from <= ?2 AND +rev_to > ?2")
    };
    let statement = format!("SELECT {COLUMNS} FROM link WHERE host = ?1 AND +rev_from <= ?2 {past} LIMIT ?3");
    let mut read = view.db.prepare_cached(&statement).doing("find links of a host")?;
    let found: Vec<Stored> = read
        .query_map(params![host, view.revision, to_db(OF_HOST as u64 + 1)], Stored::of)
        .and_then(Iterator::collect)
        .doing("find links of a host")?;
    Ok(Some(found).filter(|found| found.len() <= OF_HOST))
}

/// The types of objects at which links of some types (of any, when none is named) ever started, in order.
fn source_types(view: View<'_>, types: Option<&BTreeSet<i64>>) -> Result<Vec<Str>, StoreError> {
    let mut read = view
        .db
        .prepare_cached("SELECT source_type, link_type FROM leads WHERE env = ?1 ORDER BY source_type")
        .doing("look up where links start")?;
    let mut rows = read.query([view.env]).doing("look up where links start")?;
    let mut found: Vec<Str> = Vec::new();
    while let Some(row) = rows.next().doing("look up where links start")? {
        let (source_type, link_type): (String, i64) =
            row.get(0).and_then(|name| Ok((name, row.get(1)?))).doing("look up where links start")?;
        let wanted = types.is_none_or(|types| types.contains(&link_type));
        if wanted && found.last().is_none_or(|last| **last != *source_type) {
            found.push(source_type.into());
        }
    }
    Ok(found)
}

/// The current links of each object of some types, from an object on, in the order of the objects, until `take` has enough.
fn in_order(
    view: View<'_>,
    types: &[Str],
    start: Option<&ObjectKey>,
    take: &mut dyn FnMut((i64, ObjectKey), Vec<Stored>) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let columns = COLUMNS.replace(", ", ", l.");
    // `CROSS` keeps the planner from sorting.
    let statement = format!(
        "SELECT l.{columns}, k.oid FROM key k CROSS JOIN link l ON l.source = k.id
             WHERE k.env = ?1 AND k.type = ?2 AND k.oid >= ?3 ORDER BY k.oid"
    );
    let mut read = view.db.prepare_cached(&statement).doing("list links")?;
    for object_type in types {
        let first = match start {
            Some(start) if *object_type < start.object_type => continue,
            Some(start) if *object_type == start.object_type => &*start.id,
            _ => "",
        };
        let mut rows = read.query(params![view.env, object_type, first]).doing("list links")?;
        let mut of: Option<(i64, ObjectKey)> = None;
        let mut links = Vec::new();
        while let Some(row) = rows.next().doing("list links")? {
            let link = Stored::of(row).doing("list links")?;
            if of.as_ref().is_none_or(|(id, _)| *id != link.source) {
                let id = row.get_ref(10).and_then(|id| Ok(Str::from(id.as_str()?))).doing("list links")?;
                let next = (link.source, ObjectKey { object_type: object_type.clone(), id });
                if let Some(before) = of.replace(next)
                    && take(before, std::mem::take(&mut links))?
                {
                    return Ok(());
                }
            }
            links.push(link);
        }
        if let Some(last) = of
            && take(last, links)?
        {
            return Ok(());
        }
    }
    Ok(())
}

/// One page of links.
pub(in crate::embedded) fn page(
    view: View<'_>,
    query: &LinkQuery,
    after: Option<Vec<Str>>,
    page: &Page,
) -> Result<Paged<Link>, StoreError> {
    let mut answer = Paged { revision: view.number(), items: Vec::new(), next: None };
    let Some(wanted) = Wanted::of(view, query)? else { return Ok(answer) };
    let limit = page.limit.max(1);
    let after: Option<LinkPosition> = after.and_then(|parts| {
        let [source_type, source, link_type, target_type, target] = <[Str; 5]>::try_from(parts).ok()?;
        Some((
            ObjectKey { object_type: source_type, id: source },
            link_type,
            ObjectKey { object_type: target_type, id: target },
        ))
    });
    let mut names = Names::new(view.db);
    let mut skip = page.skip;
    let mut add = |found: Vec<Stored>, of: Option<(i64, ObjectKey)>, answer: &mut Paged<Link>| {
        if let Some((id, source)) = of {
            names.learn(id, source);
        }
        let mut links = Vec::new();
        for link in &found {
            if wanted.fits(link)? {
                links.push(if query.brief { link.brief(&mut names)? } else { link.name(&mut names)? });
            }
        }
        sort(&mut links);
        for link in links {
            if after.as_ref().is_some_and(|after| position_of(&link) <= *after) {
                continue;
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            if answer.items.len() == limit {
                answer.next = answer.items.last().map(|link: &Link| {
                    let (source, target) = (&link.source, &link.target);
                    let parts = [&source.object_type, &source.id, &link.link_type, &target.object_type, &target.id];
                    cursor(view.number(), &parts)
                });
                return Ok::<bool, StoreError>(true);
            }
            answer.items.push(link);
        }
        Ok(false)
    };
    // A source picks fewest links as a rule, then a target, then either; the other ends are compared.
    if let Some(end) = wanted.ends.first() {
        add(of_end(view, *end)?, None, &mut answer)?;
        return Ok(answer);
    }
    if let Some(host) = wanted.host
        && let Some(links) = of_host(view, host)?
    {
        add(links, None, &mut answer)?;
        return Ok(answer);
    }
    // Most objects of a type at which links start have some, so that walking their keys in order meets few without.
    let types = source_types(view, wanted.types.as_ref())?;
    if types.is_empty() {
        return Ok(answer);
    }
    let mut start = after.as_ref().map(|(source, _, _)| source.clone());
    if view.current {
        let mut each = |source, links: Vec<Stored>| add(links, Some(source), &mut answer);
        in_order(view, &types, start.as_ref(), &mut each)?;
        return Ok(answer);
    }
    let mut inclusive = true;
    let batch = limit.saturating_add(1).min(BATCH);
    loop {
        let keys = keys_after(view, &types, start.as_ref(), inclusive, batch)?;
        let last = keys.len() < batch;
        for (id, key) in keys {
            start = Some(key.clone());
            if add(of_end(view, End::Source(id))?, Some((id, key)), &mut answer)? {
                return Ok(answer);
            }
        }
        if last {
            return Ok(answer);
        }
        inclusive = false;
    }
}
