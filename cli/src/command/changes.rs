//! Every single change of a difference, as text and as data.

use std::collections::BTreeMap;

use calipso_derive::{Cause, Causes, Consequences, Happening, Unit, UnitKind, units};
use calipso_model::{Map, Object, Revision, Value};
use calipso_store::{Change, Diff};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    output::{printable, wrap},
    show,
};

/// Everything that differs, each with its attributes, in the order of their keys.
pub fn everything(diff: &Diff, title: &dyn Fn(&Object) -> String) -> String {
    let mut text = format!("revision {} → {}\n", diff.from, diff.to);
    for change in &diff.objects {
        let Some(object) = change.after.as_ref().or(change.before.as_ref()) else { continue };
        let id =
            if object.name() == &*object.key.id { String::new() } else { format!(" ({})", printable(&object.key.id)) };
        let title = title(object);
        // The title may name the id already.
        let id = if title.contains(&*id) { String::new() } else { id };
        text.push_str(&format!("{} {title}{id}\n", mark(change)));
        if let (Some(before), Some(after)) = (&change.before, &change.after) {
            let units = units(&before.doc, &after.doc);
            attributes(&mut text, usize::MAX, &units.iter().collect::<Vec<_>>(), usize::MAX);
        }
    }
    for change in &diff.links {
        let Some(link) = change.after.as_ref().or(change.before.as_ref()) else { continue };
        text.push_str(&format!(
            "{} link {}: {} — {}\n",
            mark(change),
            link.link_type,
            printable(&link.source.id),
            printable(&link.target.id)
        ));
        if let (Some(Value::Map(before)), Some(Value::Map(after))) =
            (change.before.as_ref().map(show::link_data), change.after.as_ref().map(show::link_data))
        {
            let units = units(&before, &after);
            attributes(&mut text, usize::MAX, &units.iter().collect::<Vec<_>>(), usize::MAX);
        }
    }
    for change in &diff.cliques {
        let Some(clique) = change.after.as_ref().or(change.before.as_ref()) else { continue };
        text.push_str(&format!("{} clique of {}\n", mark(change), printable(&clique.focal_point.to_string())));
        if let (Some(before), Some(after)) = (&change.before, &change.after) {
            for (mark, here, there) in [('-', before, after), ('+', after, before)] {
                for node in here.nodes.iter().filter(|node| !there.nodes.contains(node)) {
                    text.push_str(&format!("    {mark} {}\n", printable(&node.to_string())));
                }
            }
        }
    }
    if diff.is_empty() {
        text.push_str("no difference\n");
    }
    text
}

fn mark<T>(change: &Change<T>) -> char {
    match (&change.before, &change.after) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    }
}

/// One line behind a beginning; what does not fit goes on below it.
pub fn line(text: &mut String, width: usize, begin: &str, words: &str) {
    let room = width.saturating_sub(begin.width()).max(20);
    let indent = " ".repeat(begin.width());
    for (number, piece) in wrap(words, room).into_iter().enumerate() {
        text.push_str(if number == 0 { begin } else { &indent });
        text.push_str(piece);
        text.push('\n');
    }
}

/// Things with commas between them behind a beginning; none of them is torn apart.
pub fn listed(text: &mut String, width: usize, begin: &str, things: &str) {
    let mut row = begin.to_owned();
    let mut is_first = true;
    for thing in things.split(", ") {
        if !is_first {
            row.push(',');
        }
        if !is_first && row.width() + thing.width() + 2 > width {
            text.push_str(&row);
            text.push('\n');
            row = " ".repeat(begin.width());
        } else if !is_first {
            row.push(' ');
        }
        row.push_str(thing);
        is_first = false;
    }
    text.push_str(row.trim_end());
    text.push('\n');
}

/// The attributes that differ: what came and went of lists, both values else.
pub fn attributes(text: &mut String, width: usize, units: &[&Unit], most: usize) {
    let plain = |value: Option<&Value>| match value {
        None => "nothing".to_owned(),
        Some(Value::Str(text)) if !text.is_empty() => printable(text),
        Some(value) => printable(&value.to_json()),
    };
    let cut = |value: String| {
        // A long value is told from another one by its beginning at best.
        let most = if width == usize::MAX { usize::MAX } else { (width / 2).max(30) };
        if value.chars().count() > most {
            format!("{}…", value.chars().take(most - 1).collect::<String>())
        } else {
            value
        }
    };
    for unit in units.iter().take(most) {
        let path = printable(&unit.path);
        let told = match (unit.kind, &unit.before, &unit.after) {
            (UnitKind::Order, ..) => format!("{path}: the same in another order"),
            (UnitKind::Element, Some(gone), _) => format!("{path}: - {}", cut(plain(Some(gone)))),
            (UnitKind::Element, None, new) => format!("{path}: + {}", cut(plain(new.as_ref()))),
            (UnitKind::Value, before, after) => {
                format!("{path}: {} → {}", cut(plain(before.as_ref())), cut(plain(after.as_ref())))
            }
        };
        line(text, width, "    ", &told);
    }
    if units.len() > most {
        text.push_str(&format!("    … and {} more attributes\n", units.len() - most));
    }
}

/// Everything as data: both sides of each thing, and the causes.
pub fn data(diff: &Diff, found: &Causes, sentence: &dyn Fn(&Cause) -> String) -> Value {
    let number = |revision: Revision| Value::Int(i64::try_from(revision).unwrap_or(i64::MAX));
    map([
        ("from", number(diff.from)),
        ("to", number(diff.to)),
        ("causes", Value::list(found.list.iter().map(|cause| cause_data(diff, cause, sentence)).collect())),
        ("without_cause", follows(diff, &found.rest)),
        ("only_newer", Value::list(found.newer.iter().filter_map(|index| object_key(diff, *index)).collect())),
        ("objects", sides(&diff.objects, |object| Value::Map(object.doc.clone()))),
        ("links", sides(&diff.links, show::link_data)),
        ("cliques", sides(&diff.cliques, show::clique_data)),
    ])
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().collect::<Map>())
}

fn sides<T>(changes: &[Change<T>], data: impl Fn(&T) -> Value) -> Value {
    let side = |side: &Option<T>| side.as_ref().map_or(Value::Null, &data);
    Value::list(
        changes.iter().map(|change| map([("before", side(&change.before)), ("after", side(&change.after))])).collect(),
    )
}

fn object_key(diff: &Diff, index: usize) -> Option<Value> {
    let change = diff.objects.get(index)?;
    change.after.as_ref().or(change.before.as_ref()).map(|object| show::key_data(&object.key))
}

fn cause_data(diff: &Diff, cause: &Cause, sentence: &dyn Fn(&Cause) -> String) -> Value {
    let happening = match &cause.happening {
        Happening::Came => "appeared",
        Happening::Went => "gone",
        Happening::Renamed(..) => "renamed",
        Happening::Changed => "changed",
    };
    let attributes = cause.units.iter().map(|unit| {
        let side = |value: &Option<Value>| value.clone().unwrap_or_default();
        map([
            ("attribute", Value::text(&unit.path)),
            ("before", side(&unit.before)),
            ("after", side(&unit.after)),
            ("element", Value::Bool(unit.kind == UnitKind::Element)),
        ])
    });
    map([
        ("object", object_key(diff, cause.object).unwrap_or_default()),
        ("happening", Value::text(happening)),
        ("sentence", Value::text(&sentence(cause))),
        ("attributes", Value::list(attributes.collect())),
        ("consequences", follows(diff, &cause.consequences)),
    ])
}

/// What follows, by its key.
fn follows(diff: &Diff, consequences: &Consequences) -> Value {
    let links = consequences.links.iter().filter_map(|index| {
        let change = diff.links.get(*index)?;
        let link = change.after.as_ref().or(change.before.as_ref())?;
        Some(show::link_key_data(link))
    });
    let cliques = consequences.cliques.iter().filter_map(|index| {
        let change = diff.cliques.get(*index)?;
        change.after.as_ref().or(change.before.as_ref()).map(|clique| show::key_data(&clique.focal_point))
    });
    let parts: BTreeMap<&str, Vec<Value>> = BTreeMap::from([
        ("objects", consequences.objects.iter().filter_map(|index| object_key(diff, *index)).collect()),
        ("links", links.collect()),
        ("cliques", cliques.collect()),
    ]);
    Value::Map(parts.into_iter().map(|(name, list)| (name, Value::list(list))).collect())
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn things_are_not_torn_apart() {
        let mut text = String::new();
        listed(&mut text, 20, "  ", "one 1, two 2, three 3, four 4");
        assert_eq!(text, "  one 1, two 2,\n  three 3, four 4\n");
        let mut text = String::new();
        listed(&mut text, usize::MAX, "", "");
        assert_eq!(text, "\n");
    }
}
