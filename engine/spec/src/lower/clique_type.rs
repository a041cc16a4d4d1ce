//! Clique types. Which way a path entry is walked is settled when all link types are known.

use crate::{
    checked::{CliqueType, PathStep},
    decode::{Cx, Fields, names},
    lower::{head, selector::selector},
    yaml::Node,
};

pub(crate) fn clique_type(cx: &mut Cx<'_>, node: &Node) -> Option<CliqueType> {
    let mut fields = Fields::open(cx, node, "a clique type")?;
    let head = head(cx, &mut fields);
    let focal_point = fields.need_text(cx, "focal_point");
    let environment = selector(cx, fields.take("environment"));
    let path = match fields.need(cx, "path") {
        Some(node) => crate::decode::texts(cx, node, "path").unwrap_or_default(),
        None => Vec::new(),
    };
    let constraints = names(fields.texts(cx, "constraints"));
    let implicit_links = fields.bool(cx, "implicit_links").unwrap_or(false);
    fields.finish(cx);
    Some(CliqueType {
        head: head?,
        focal_point: focal_point?,
        environment,
        path: path
            .into_iter()
            .map(|(written, _)| PathStep { link_type: written.clone(), written, backwards: false })
            .collect(),
        constraints,
        implicit_links,
    })
}
