//! From nodes to checked specs, one module per kind.

pub(crate) mod clique_type;
pub(crate) mod connection;
pub(crate) mod distribution;
pub(crate) mod fetcher;
pub(crate) mod link_type;
pub(crate) mod object_type;
pub(crate) mod parser;
pub(crate) mod selector;
pub(crate) mod step;

use std::ops::Range;

use crate::{
    checked::{At, Head},
    decode::{Cx, Fields, help},
    yaml::Node,
};

/// Takes `schema`, `name`, `description`, `source`, and `overrides`, which counts before this.
pub(crate) fn head(cx: &mut Cx<'_>, fields: &mut Fields<'_>) -> Option<Head> {
    fields.take("schema");
    fields.bool(cx, "overrides");
    let at = cx.at(fields.range());
    let name = fields.need_text(cx, "name");
    let description = fields.need_text(cx, "description");
    let source = match fields.take("source") {
        Some(node) => crate::decode::some_text(cx, node, "source"),
        None => {
            let place = fields.entries().first().map_or(fields.range().clone(), |(key, _)| key.range.clone());
            help(
                cx.report(
                    "spec/no-source",
                    &place,
                    "the spec does not say where its knowledge comes from",
                    "`source` belongs here",
                ),
                "name a manual page, an API, a table or a recording: `source: ip-address(8)`",
            );
            None
        }
    };
    let name = name?;
    let stem = cx.file.rsplit('/').next().unwrap_or_default();
    let stem = stem.strip_suffix(".yaml").or_else(|| stem.strip_suffix(".yml")).unwrap_or(stem).to_owned();
    if stem != name.as_ref()
        && let Some(node) = fields.take("name")
    {
        help(
            cx.report(
                "spec/name-is-not-file-name",
                &node.range,
                format!("the spec is named `{name}`, its file `{stem}`"),
                "name and file name are the same",
            ),
            format!("rename one of them: `name: {stem}`, or the file `{name}.yaml`"),
        );
    }
    Some(Head { name, description: description.unwrap_or_default(), source: source.unwrap_or_default(), at })
}

/// Reports a key by which what extends a spec contradicts it.
pub(crate) fn report_changed(cx: &mut Cx<'_>, node: &Node, key: &str, has: &str, at: &At) {
    let range = node.get(key).map_or_else(|| node.range.clone(), |value| value.range.clone());
    let message = format!("an extension cannot change `{key}`, which is `{has}` in {at}");
    help(cx.report("spec/extends-conflict", &range, message, "says something else"), "leave the key out");
}

/// Reports something that what extends a spec declares again.
pub(crate) fn report_repeated(cx: &mut Cx<'_>, range: &Range<usize>, what: &str, at: &At, advice: &str) {
    let message = format!("{what} is declared at {at} already");
    help(cx.report("spec/extends-conflict", range, message, "declared again"), advice);
}

/// Reports a key that only a whole spec may have.
pub(crate) fn whole_only(cx: &mut Cx<'_>, fields: &mut Fields<'_>, key: &'static str, advice: &str) {
    fields.take(key);
    if let Some(key) = fields.key(key) {
        let message = format!("an extension has no `{}` of its own", key.name);
        help(cx.report("spec/extends-conflict", &key.range, message, "of a whole spec only"), advice);
    }
}
