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

use calipso_model::Str;

use crate::{
    checked::Head,
    decode::{Cx, Fields, help},
};

/// Takes `schema`, `name`, `description`, `source`.
pub(crate) fn head(cx: &mut Cx<'_>, fields: &mut Fields<'_>) -> Option<Head> {
    fields.take("schema");
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
    Some(Head { name, description: description.unwrap_or_default_text(), source: source.unwrap_or_default_text(), at })
}

trait DefaultText {
    fn unwrap_or_default_text(self) -> Str;
}

impl DefaultText for Option<Str> {
    fn unwrap_or_default_text(self) -> Str {
        self.unwrap_or_else(|| Str::from(""))
    }
}
