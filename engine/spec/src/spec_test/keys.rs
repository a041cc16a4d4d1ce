//! Which keys a case may have, by what it tests: what it expects, and the answers that it gives.

use crate::{
    decode::{Cx, Fields, help},
    spec_test::TestOf,
    yaml::{Node, NodeKind},
};

/// Keys of `expect` by kind of the tested spec.
const EXPECT: &[(&str, &[&str])] = &[
    ("fetcher", &["objects", "objects_exact", "absent", "none", "commands", "sent", "applies", "outcome", "failures"]),
    ("object_type", &["objects", "objects_exact", "absent", "none", "search", "outcome", "failures"]),
    ("link_type", &["links", "links_exact", "objects", "absent", "none", "applies", "outcome", "failures"]),
    ("clique_type", &["cliques", "links", "objects", "absent", "none", "applies", "outcome", "failures"]),
    ("distribution", &["commands", "value", "negative", "values", "settings", "supported", "outcome", "failures"]),
    ("connection", &["lines", "value", "sent", "outcome", "failures"]),
    ("parser", &["value", "negative", "outcome", "failures"]),
];

/// Keys of a case by kind of the tested spec; `name` and `expect` have all of them.
const CASE: &[(&str, &[&str])] = &[
    ("fetcher", &["environment", "settings", "parent", "narrow", "objects", "answers", "answers_dir"]),
    ("object_type", &["environment", "objects"]),
    ("link_type", &["environment", "objects"]),
    ("clique_type", &["environment", "objects"]),
    ("distribution", &["environment", "commands", "answers", "answers_dir"]),
    ("connection", &["environment", "config", "target", "requests", "answers", "answers_dir"]),
    ("parser", &["input", "input_file"]),
];

/// Why an answer can be missing, as recordings say it.
pub const ERRORS: &[&str] = &[
    "unreachable",
    "denied",
    "timeout",
    "too_large",
    "reset",
    "host_key",
    "tls",
    "protocol",
    "busy",
    "setup",
    "not_recorded",
];

const OUTCOMES: &[&str] = &["complete", "incomplete", "ok", "failed"];

/// Reports keys that a case has in vain, and what is misspelt in its answers and expectations.
pub(super) fn check(cx: &mut Cx<'_>, node: &Node, of: Option<&TestOf>) {
    let kind = of.map(|of| of.parts().0);
    if let Some(kind) = kind {
        let all = CASE.iter().flat_map(|(_, keys)| *keys);
        for (key, _) in node.entries() {
            if all.clone().any(|known| *known == key.name.as_ref()) {
                fits(cx, CASE, kind, key, "has");
            }
        }
    }
    if let Some(answers) = node.get("answers") {
        in_answers(cx, answers);
    }
    for request in node.get("requests").map(Node::items).unwrap_or_default() {
        report_unknown_keys(
            cx,
            request,
            "a test's request",
            &["get", "post", "put", "delete", "head", "run", "query", "target", "body", "items"],
        );
    }
    for command in node.get("commands").map(Node::items).unwrap_or_default() {
        if let Some(mut fields) = Fields::open(cx, command, "a test's command") {
            fields.take("host");
            fields.need(cx, "run");
            fields.finish(cx);
        }
    }
    if let Some(parent) = node.get("parent").filter(|parent| matches!(parent.kind, NodeKind::Map(_)))
        && parent.get("type").is_none()
    {
        let message = "`parent` lacks the key `type`";
        help(
            cx.report("spec/missing-key", &parent.range, message, "`type` belongs here"),
            "add `type: …`, the object type that the fetcher runs under",
        );
    }
    if let Some(expect) = node.get("expect") {
        in_expect(cx, expect, kind);
    }
}

/// Reports a key that tests of other kinds have, but not those of this one.
fn fits(cx: &mut Cx<'_>, table: &[(&str, &[&str])], kind: &str, key: &crate::yaml::Key, verb: &str) {
    let Some((_, known)) = table.iter().find(|(known, _)| *known == kind) else { return };
    if known.contains(&key.name.as_ref()) {
        return;
    }
    let listed = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    help(
        cx.report(
            "spec/unknown-key",
            &key.range,
            format!("a test of a {} {verb} no `{}`", kind.replace('_', " "), key.name),
            "not with what is tested here",
        ),
        format!("known keys are {listed}"),
    );
}

fn in_expect(cx: &mut Cx<'_>, node: &Node, kind: Option<&str>) {
    const KEYS: &[&str] = &[
        "objects",
        "objects_exact",
        "absent",
        "none",
        "search",
        "links",
        "links_exact",
        "cliques",
        "commands",
        "sent",
        "value",
        "negative",
        "lines",
        "values",
        "settings",
        "supported",
        "applies",
        "outcome",
        "failures",
    ];
    report_unknown_keys(cx, node, "`expect`", KEYS);
    if let Some(kind) = kind {
        for (key, _) in node.entries().iter().filter(|(key, _)| KEYS.contains(&key.name.as_ref())) {
            fits(cx, EXPECT, kind, key, "expects");
        }
    }
    for key in ["objects", "objects_exact", "absent"] {
        for item in each(cx, node, key) {
            need(cx, item, key, "type");
        }
    }
    for key in ["links", "links_exact"] {
        for item in each(cx, node, key) {
            const KEYS: &[&str] =
                &["type", "source", "target", "name", "state", "rule", "implicit", "host", "switch", "attributes"];
            report_unknown_keys(cx, item, "an expected link", KEYS);
        }
    }
    for item in each(cx, node, "cliques") {
        const KEYS: &[&str] =
            &["type", "focal_point", "nodes", "nodes_include", "nodes_exclude", "links", "constraints"];
        report_unknown_keys(cx, item, "an expected clique", KEYS);
        need(cx, item, "cliques", "focal_point");
    }
    for item in each(cx, node, "lines") {
        report_unknown_keys(cx, item, "an expected line", &["name", "ok", "says"]);
        need(cx, item, "lines", "name");
    }
    for item in each(cx, node, "sent") {
        report_unknown_keys(cx, item, "what was sent", SENT);
    }
    for key in ["none", "negative", "supported", "applies"] {
        if let Some(value) = node.get(key).filter(|value| !matches!(value.kind, NodeKind::Bool(_))) {
            cx.wrong_type(value, key, "`true` or `false`");
        }
    }
    if let Some(outcome) = node.get("outcome") {
        word(cx, outcome, "outcome", OUTCOMES);
    }
    for key in ["failures", "commands"] {
        if let Some(value) = node.get(key).filter(|value| !matches!(value.kind, NodeKind::List(_))) {
            cx.wrong_type(value, key, "a list");
        }
    }
    for (_, ids) in node.get("search").map(Node::entries).unwrap_or_default() {
        if !matches!(ids.kind, NodeKind::List(_)) {
            cx.wrong_type(ids, "search", "a list of ids");
        }
    }
    for key in ["values", "settings", "search"] {
        if let Some(value) = node.get(key).filter(|value| !matches!(value.kind, NodeKind::Map(_))) {
            cx.wrong_type(value, key, "a map");
        }
    }
}

/// What of a request or command can be expected.
const SENT: &[&str] = &[
    "via",
    "get",
    "post",
    "put",
    "delete",
    "head",
    "patch",
    "url",
    "query",
    "headers",
    "body",
    "target",
    "run",
    "host",
    "words",
    "address",
    "port",
    "user",
    "password",
    "private_key",
    "jump",
    "verify_host_key",
    "sql",
    "params",
    "database",
];

fn in_answers(cx: &mut Cx<'_>, node: &Node) {
    report_unknown_keys(cx, node, "`answers`", &["commands", "http", "sql"]);
    for (list, block, known) in [
        (
            "commands",
            "an answered command",
            &["host", "run", "via", "stdout", "stdout_file", "stderr", "stderr_file", "exit", "error", "why"][..],
        ),
        (
            "http",
            "an answered request",
            &[
                "get",
                "post",
                "put",
                "delete",
                "head",
                "patch",
                "via",
                "target",
                "query",
                "sent",
                "status",
                "headers",
                "body",
                "body_file",
                "text",
                "text_file",
                "error",
                "why",
            ],
        ),
        ("sql", "an answered query", &["query", "params", "via", "rows", "error", "why"]),
    ] {
        for item in each(cx, node, list) {
            report_unknown_keys(cx, item, block, known);
            if let Some(error) = item.get("error") {
                word(cx, error, "error", ERRORS);
            }
            for key in ["exit", "status"] {
                if let Some(value) = item.get(key).filter(|value| !matches!(value.kind, NodeKind::Int(_))) {
                    cx.wrong_type(value, key, "a whole number");
                }
            }
        }
    }
}

/// The elements under a key, which must be a list of maps.
fn each<'n>(cx: &mut Cx<'_>, node: &'n Node, key: &str) -> Vec<&'n Node> {
    let Some(value) = node.get(key) else { return Vec::new() };
    if !matches!(value.kind, NodeKind::List(_)) {
        cx.wrong_type(value, key, "a list");
    }
    for item in value.items().iter().filter(|item| !matches!(item.kind, NodeKind::Map(_))) {
        cx.wrong_type(item, key, "a list of maps");
    }
    value.items().iter().filter(|item| matches!(item.kind, NodeKind::Map(_))).collect()
}

/// Reports the keys of a block that it does not have.
fn report_unknown_keys(cx: &mut Cx<'_>, node: &Node, block: &str, known: &[&'static str]) {
    let Some(mut fields) = Fields::open(cx, node, block) else { return };
    for key in known {
        fields.take(key);
    }
    fields.finish(cx);
}

fn need(cx: &mut Cx<'_>, node: &Node, list: &str, key: &str) {
    if node.get(key).is_none() {
        help(
            cx.report(
                "spec/missing-key",
                &node.range,
                format!("an element of `{list}` lacks the key `{key}`"),
                format!("`{key}` belongs here"),
            ),
            format!("add `{key}: …`"),
        );
    }
}

fn word(cx: &mut Cx<'_>, node: &Node, key: &str, words: &[&str]) {
    let given = node.as_text().unwrap_or_default();
    if words.contains(&given) {
        return;
    }
    let near = calipso_expr::nearest(given, words.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    let listed = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let shown = node.as_text().map_or_else(|| node.kind_name().to_owned(), |text| format!("`{text}`"));
    cx.report("spec/wrong-type", &node.range, format!("`{key}` cannot be {shown}"), format!("one of {listed}")).help =
        near;
}
