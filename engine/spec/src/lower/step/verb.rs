//! What stands beside each verb.

use std::ops::RangeInclusive;

use calipso_expr::Tree;
use calipso_model::Str;

use super::{StepContext, StepListKind, first_key, steps};
use crate::{
    checked::{
        Basic, Block, Condition, EmitStep, FetchStep, HttpStep, LookupStep, PatchStep, RunStep, SqlStep, StopStep, Verb,
    },
    decode::{Cx, Fields, help, list, map, not_empty, out_of_range, text},
    lower::parser,
    scope::{self, Scope, expr, tree, trees},
    yaml::{Node, NodeKind},
};

/// Reads the keys of one verb.
pub(super) fn verb(
    cx: &mut Cx<'_>,
    verb: &str,
    fields: &mut Fields<'_>,
    scope: &mut Scope,
    context: &StepContext<'_>,
    whole: &Node,
) -> Option<Verb> {
    let via = |cx: &mut Cx<'_>, fields: &mut Fields<'_>, default: &str| {
        fields.text(cx, "via").or_else(|| context.via.clone()).unwrap_or_else(|| Str::from(default))
    };
    // A test step whose result is not used may only check the answer.
    let only_asks = context.kind == StepListKind::Test && fields.key("as").is_none();
    Some(match verb {
        "run" => {
            let argument = fields.take("run")?;
            // Hosts are reached by their role; a spec-wide `via` of another transport says nothing about commands.
            let via = fields
                .text(cx, "via")
                .or_else(|| context.via.clone().filter(|_| context.kind != StepListKind::Fetcher))
                .unwrap_or_else(|| Str::from("hosts"));
            let at_node = fields.take("at").or(context.at);
            let at = at_node.and_then(|node| expr(cx, node, "at", scope));
            if at_node.is_none() {
                help(
                    cx.report(
                        "run/no-host",
                        &argument.range,
                        "nothing says on which host this runs",
                        "neither `at` here nor in the spec",
                    ),
                    "add `at: parent`",
                );
            }
            let parse = fields.take("parse").and_then(|node| parser::parse(cx, node, context.parsers, only_asks));
            let ok_exit = match fields.take("ok_exit") {
                None => vec![0],
                Some(node) => numbers(cx, node, "ok_exit", 0..=255)
                    .into_iter()
                    .filter_map(|number| i32::try_from(number).ok())
                    .collect(),
            };
            Verb::Run(RunStep { words: scope::words(cx, argument, "run", scope)?, at, via, parse, ok_exit })
        }
        "http" => {
            let argument = fields.take("http")?;
            let via = via(cx, fields, "http");
            let mut target = trees(cx, context.target, "target", scope);
            for (key, value) in trees(cx, fields.take("target"), "target", scope) {
                target.retain(|(known, _)| *known != key);
                target.push((key, value));
            }
            let query = trees(cx, fields.take("query"), "query", scope);
            let headers = headers(cx, fields.take("headers"), scope);
            let body = fields.take("body").and_then(|node| tree(cx, node, scope));
            let form_node = fields.take("form");
            if let (Some(_), Some(node)) = (&body, form_node) {
                help(
                    cx.report("spec/wrong-type", &node.range, "a request has one body", "a second body"),
                    "keep `form`, or `body`",
                );
            }
            let form = trees(cx, form_node, "form", scope);
            let basic = match fields.take("basic") {
                Some(node) if context.kind == StepListKind::Fetcher => {
                    help(
                        cx.report("spec/unknown-key", &node.range, "only connections log in", ""),
                        "say `send: {basic: …}` in the connection",
                    );
                    None
                }
                node => node.and_then(|node| self::basic(cx, node, scope)),
            };
            let paged = fields.bool(cx, "paged").unwrap_or(true);
            let items = fields.text(cx, "items");
            let parse = fields.take("parse").and_then(|node| parser::parse(cx, node, context.parsers, only_asks));
            let accept_status = match fields.take("accept_status") {
                None => Vec::new(),
                Some(node) => numbers(cx, node, "accept_status", 100..=599)
                    .into_iter()
                    .filter_map(|number| u16::try_from(number).ok())
                    .collect(),
            };
            let base = match fields.take("base") {
                Some(node) if context.kind == StepListKind::Fetcher => {
                    help(
                        cx.report("spec/unknown-key", &node.range, "only connections choose a `base`", ""),
                        "use `via` and `target`",
                    );
                    None
                }
                node => node.and_then(|node| expr(cx, node, "base", scope)),
            };
            let (method, path) = request_line(cx, argument, scope)?;
            if context.kind != StepListKind::Login && ["PUT", "PATCH", "DELETE"].contains(&method.as_ref()) {
                let owner = context.kind.name();
                help(
                    cx.report(
                        "step/not-allowed-here",
                        &argument.range,
                        format!("`{method}` has no place in {owner}"),
                        "would change what is asked",
                    ),
                    "read with GET, or with POST where the interface searches so",
                );
            }
            Verb::Http(HttpStep {
                method,
                path,
                via,
                target,
                query,
                headers,
                body,
                form,
                basic,
                paged,
                items,
                parse,
                accept_status,
                answer_as: None,
                base,
            })
        }
        "sql" => {
            let argument = fields.take("sql")?;
            let via = fields
                .text(cx, "via")
                .or_else(|| context.via.clone().filter(|_| context.kind != StepListKind::Fetcher))
                .unwrap_or_else(|| Str::from("database"));
            Verb::Sql(SqlStep { text: scope::sql(cx, argument, "sql", scope)?, via })
        }
        "call" => {
            let argument = fields.take("call")?;
            fields.take("with");
            help(
                cx.report(
                    "call/unknown-function",
                    &argument.range,
                    "no plugin declares this function",
                    "no plugin is installed",
                ),
                "say it in YAML, or use a built-in filter",
            );
            return None;
        }
        "lookup" => {
            let argument = fields.take("lookup")?;
            let object_type = text(cx, argument, "lookup");
            let mut filter = Vec::new();
            if let Some(entries) = fields.take("where").and_then(|node| map(cx, node, "where")) {
                for (key, node) in entries {
                    if let Some(condition) = condition(cx, node, scope) {
                        filter.push((key.name.clone(), condition));
                    }
                }
            }
            let missing = fields.take("missing").and_then(|node| {
                let mut inner = Fields::open(cx, node, "`missing`")?;
                let stop = stop(cx, &mut inner, scope, context);
                inner.finish(cx);
                stop
            });
            Verb::Lookup(LookupStep { object_type: object_type?, filter, missing })
        }
        "fetch" => {
            let argument = fields.take("fetch")?;
            let object_type = text(cx, argument, "fetch")?;
            let filter = trees(cx, fields.take("where"), "where", scope);
            let inside = fields.need(cx, "inside").and_then(|node| expr(cx, node, "inside", scope))?;
            Verb::Fetch(FetchStep { object_type, inside, filter })
        }
        "let" => {
            fields.take("let");
            let value = fields.need(cx, "value").and_then(|node| tree(cx, node, scope))?;
            Verb::Let(value)
        }
        "emit" => {
            let argument = fields.take("emit")?;
            let object_type = text(cx, argument, "emit");
            let copy = fields.take("copy").and_then(|node| expr(cx, node, "copy", scope));
            let without = crate::decode::names(fields.texts(cx, "without"));
            let set = trees(cx, fields.take("set"), "set", scope);
            Verb::Emit(EmitStep { object_type: object_type?, copy, without, set })
        }
        "patch" => {
            let object = fields.take("patch").and_then(|node| expr(cx, node, "patch", scope))?;
            Verb::Patch(PatchStep {
                object,
                copy: fields.take("copy").and_then(|node| expr(cx, node, "copy", scope)),
                without: crate::decode::names(fields.texts(cx, "without")),
                set: trees(cx, fields.take("set"), "set", scope),
                unset: crate::decode::names(fields.texts(cx, "unset")),
                put: trees(cx, fields.take("put"), "put", scope),
                remove: trees(cx, fields.take("remove"), "remove", scope),
            })
        }
        "delete" => Verb::Delete(fields.take("delete").and_then(|node| expr(cx, node, "delete", scope))?),
        "stop" => Verb::Stop(stop(cx, fields, scope, context)?),
        "do" => Verb::Do(block(cx, fields, None, scope, context)?),
        "first_of" => {
            let argument = fields.take("first_of")?;
            let nodes = list(cx, argument, "first_of")?;
            let mut blocks = Vec::new();
            for node in nodes {
                let Some(mut inner) = Fields::open(cx, node, "an alternative") else { continue };
                let name = inner.text(cx, "name");
                let when = inner.take("when").and_then(|node| expr(cx, node, "when", scope));
                let block = block(cx, &mut inner, name, scope, context);
                if fields.key("as").is_some() && inner.key("value").is_none() {
                    help(
                        cx.report(
                            "first_of/no-value",
                            &first_key(node),
                            "this alternative has no `value`, but the result is bound",
                            "yields nothing",
                        ),
                        "add `value: \"{{ … }}\"`",
                    );
                }
                inner.finish(cx);
                if let Some(mut block) = block {
                    block.when = when;
                    blocks.push(block);
                }
            }
            if blocks.is_empty() {
                cx.report("spec/wrong-type", &whole.range, "`first_of` has no alternatives", "");
            }
            Verb::FirstOf(blocks)
        }
        _ => return None,
    })
}

fn block(
    cx: &mut Cx<'_>,
    fields: &mut Fields<'_>,
    name: Option<Str>,
    scope: &mut Scope,
    context: &StepContext<'_>,
) -> Option<Block> {
    let node = fields.need(cx, "do");
    let value_node = fields.take("value");
    scope.within(&[], |scope| {
        let steps = node.map(|node| steps(cx, node, "do", scope, context)).unwrap_or_default();
        let value = value_node.and_then(|node| tree(cx, node, scope));
        Some(Block { name, when: None, steps, value })
    })
}

fn stop(cx: &mut Cx<'_>, fields: &mut Fields<'_>, scope: &Scope, context: &StepContext<'_>) -> Option<StopStep> {
    let node = fields.need(cx, "stop")?;
    let outcome = text(cx, node, "stop")?;
    let outcomes = context.kind.outcomes();
    if !outcomes.contains(&outcome.as_ref()) {
        let owner = context.kind.name();
        let listed = outcomes.iter().map(|outcome| format!("`{outcome}`")).collect::<Vec<_>>().join(", ");
        help(
            cx.report(
                "step/bad-outcome",
                &node.range,
                format!("{owner} cannot end `{outcome}`"),
                "not an outcome here",
            ),
            format!("one of {listed}"),
        );
    }
    let because = fields.take("because").and_then(|node| tree(cx, node, scope));
    Some(StopStep { outcome, because })
}

fn condition(cx: &mut Cx<'_>, node: &Node, scope: &Scope) -> Option<Condition> {
    if let NodeKind::Map(entries) = &node.kind
        && let [(key, inner)] = entries.as_slice()
    {
        match key.name.as_ref() {
            "has" => return tree(cx, inner, scope).map(Condition::Has),
            "any_of" => return tree(cx, inner, scope).map(Condition::AnyOf),
            other => {
                help(
                    cx.report(
                        "spec/unknown-key",
                        &key.range,
                        format!("a condition has no key `{other}`"),
                        "unknown key",
                    ),
                    "write a value, `{has: value}` or `{any_of: list}`",
                );
                return None;
            }
        }
    }
    tree(cx, node, scope).map(Condition::Is)
}

/// Reads `METHOD /path`, the value of `http`.
fn request_line(cx: &mut Cx<'_>, node: &Node, scope: &Scope) -> Option<(Str, calipso_expr::UrlPath)> {
    let line = text(cx, node, "http")?;
    let inside = match &node.kind {
        NodeKind::Text { inside, .. } => *inside,
        _ => None,
    };
    let Some((method, path)) = line.split_once(' ') else {
        help(
            cx.report("http/bad-request-line", &node.range, "a request is `METHOD /path`", "no method, or no path"),
            "write for example `GET /v1/things`",
        );
        return None;
    };
    if !["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"].contains(&method) {
        help(
            cx.report("http/bad-request-line", &node.range, format!("`{method}` is no method"), ""),
            "write it in capitals: GET, POST, PUT, PATCH, DELETE or HEAD",
        );
        return None;
    }
    let trimmed = path.trim_start();
    let offset = line.len() - trimmed.len();
    let path = scope::path(cx, node, trimmed, offset, inside, scope)?;
    Some((Str::from(method), path))
}

fn numbers(cx: &mut Cx<'_>, node: &Node, key: &str, bounds: RangeInclusive<i64>) -> Vec<i64> {
    let Some(items) = list(cx, node, key) else { return Vec::new() };
    not_empty(cx, node, key);
    items
        .iter()
        .filter_map(|item| match item.kind {
            NodeKind::Int(number) if !bounds.contains(&number) => {
                out_of_range(cx, item, key, &number.to_string(), &format!("{} to {}", bounds.start(), bounds.end()));
                None
            }
            NodeKind::Int(number) => Some(number),
            _ => {
                cx.wrong_type(item, key, "a list of whole numbers");
                None
            }
        })
        .collect()
}

/// An HTTP Basic login.
pub(crate) fn basic(cx: &mut Cx<'_>, node: &Node, scope: &Scope) -> Option<Basic> {
    let mut fields = Fields::open(cx, node, "`basic`")?;
    let user = fields.need(cx, "user").and_then(|node| tree(cx, node, scope));
    let password = fields.need(cx, "password").and_then(|node| tree(cx, node, scope));
    fields.finish(cx);
    Some(Basic { user: user?, password: password? })
}

/// Header fields. A Basic login that is not encoded is sent readable and refused: that is told here, where it is written.
pub(crate) fn headers(cx: &mut Cx<'_>, node: Option<&Node>, scope: &Scope) -> Vec<(Str, Tree)> {
    if let Some(Node { kind: NodeKind::Map(entries), .. }) = node {
        for (key, value) in entries {
            let is_login =
                ["authorization", "proxy-authorization"].iter().any(|name| key.name.eq_ignore_ascii_case(name));
            if let NodeKind::Text { text, .. } = &value.kind
                && is_login
                && is_plain_basic(text)
            {
                help(
                    cx.report("http/plain-basic", &value.range, "this Basic login is not encoded", "sent as it stands"),
                    "write `basic: {user: …, password: …}` (in `send`, or in the step), or `| base64_encode` behind the whole of `(user ~ ':' ~ password)`",
                );
            }
        }
    }
    trees(cx, node, "headers", scope)
}

/// Whether the text writes `Basic` before something that is not encoded. What a session holds may have been encoded when it
/// was made.
fn is_plain_basic(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let begins =
        lower.trim_start().starts_with("basic ") || ["'basic ", "\"basic "].iter().any(|word| lower.contains(word));
    if !begins || lower.contains("base64_encode") {
        return false;
    }
    let constant = !lower.contains("{{");
    if constant {
        let token = text.trim().get("basic ".len()..).unwrap_or_default().trim();
        return token.is_empty() || !token.chars().all(|c| c.is_ascii_alphanumeric() || "+/=-_".contains(c));
    }
    lower.contains("config.") || lower.contains('~') || lower.contains(':') || lower.matches("{{").count() > 1
}
