//! Step lists: one verb each, names bound in order.

use std::ops::Range;

use calipso_model::Str;

use crate::{
    checked::{
        Block, Condition, EmitStep, FetchStep, HttpStep, LookupStep, PatchStep, Retry, RunStep, SqlStep, Step,
        StopStep, Take, Verb,
    },
    decode::{Cx, Fields, help, list, map, text},
    lower::parser::{self, Named},
    scope::{self, Scope, each, expr, tree, trees},
    yaml::{Node, NodeKind},
};

/// The verbs, in the order of the reference.
pub(crate) const VERBS: &[&str] =
    &["run", "http", "sql", "call", "lookup", "fetch", "let", "emit", "patch", "delete", "stop", "do", "first_of"];

/// Where a step list stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Fetcher,
    Login,
    Test,
}

impl Place {
    fn allows(self, verb: &str) -> bool {
        match self {
            Self::Fetcher => !["patch", "delete", "fetch"].contains(&verb),
            Self::Login | Self::Test => {
                ["run", "http", "sql", "let", "stop", "do", "first_of"].contains(&verb)
                    && (self == Self::Test || verb != "stop")
            }
        }
    }

    fn outcomes(self) -> &'static [&'static str] {
        match self {
            Self::Fetcher => &["complete", "incomplete"],
            Self::Login => &[],
            Self::Test => &["failed"],
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Fetcher => "a fetcher",
            Self::Login => "a login",
            Self::Test => "a connection test",
        }
    }
}

/// What the steps of one spec have in common.
pub(crate) struct Setting<'a> {
    pub place: Place,
    pub parsers: &'a Named,
    /// Default `at`.
    pub at: Option<&'a Node>,
    /// Default `via` of each transport's verb.
    pub via: Option<Str>,
    /// Default `target`.
    pub target: Option<&'a Node>,
}

/// A list of steps; names that it binds stay visible in the scope.
pub(crate) fn steps(cx: &mut Cx<'_>, node: &Node, key: &str, scope: &mut Scope, setting: &Setting<'_>) -> Vec<Step> {
    let Some(nodes) = list(cx, node, key) else { return Vec::new() };
    let mut found = Vec::new();
    let mut ended: Option<Range<usize>> = None;
    for node in nodes {
        if let Some(stop) = &ended {
            let stop = cx.label(stop, "the run always ends here");
            let diagnostic =
                cx.report("step/unreachable", &first_key(node), "no run ever reaches this step", "never reached");
            diagnostic.others.push(stop);
            help(diagnostic, "remove it, or give the `stop` a `when`");
            ended = None;
        }
        if let Some(step) = step(cx, node, scope, setting) {
            if matches!(step.verb, Verb::Stop(_)) && node.get("when").is_none() && node.get("each").is_none() {
                ended = Some(first_key(node));
            }
            found.push(step);
        }
    }
    found
}

/// Where a map begins, without the lines behind.
fn first_key(node: &Node) -> Range<usize> {
    node.entries().first().map_or(node.range.clone(), |(key, _)| key.range.clone())
}

fn step(cx: &mut Cx<'_>, node: &Node, scope: &mut Scope, setting: &Setting<'_>) -> Option<Step> {
    let mut fields = Fields::open(cx, node, "a step")?;
    let verbs: Vec<&str> = VERBS.iter().copied().filter(|verb| fields.key(verb).is_some()).collect();
    let verb = match verbs.as_slice() {
        [one] => *one,
        [] => {
            let near = fields
                .entries()
                .iter()
                .find_map(|(key, _)| calipso_expr::nearest(&key.name, VERBS.iter().copied()).map(|near| (key, near)));
            let place = near.map_or(node.range.clone(), |(key, _)| key.range.clone());
            let place = place.start
                ..place.end.min(
                    place.start
                        + cx.text
                            .get(place.start..place.end)
                            .and_then(|text| text.find('\n'))
                            .unwrap_or(place.end - place.start),
                );
            let advice = match near {
                Some((_, near)) => format!("did you mean `{near}`?"),
                None => format!(
                    "a step has one of {}",
                    VERBS.iter().map(|verb| format!("`{verb}`")).collect::<Vec<_>>().join(", ")
                ),
            };
            help(cx.report("step/no-verb", &place, "this step has no verb", "what does it do?"), advice);
            return None;
        }
        several => {
            let second = fields.key(several[1]).map_or(node.range.clone(), |key| key.range.clone());
            let first = fields.key(several[0]).map_or(node.range.clone(), |key| key.range.clone());
            let first = cx.label(&first, "the first verb");
            let message = format!(
                "this step has {} verbs: {}",
                several.len(),
                several.iter().map(|verb| format!("`{verb}`")).collect::<Vec<_>>().join(", ")
            );
            let diagnostic = cx.report("step/no-verb", &second, message, "a second verb");
            diagnostic.others.push(first);
            help(diagnostic, "make two steps of it");
            return None;
        }
    };
    if !setting.place.allows(verb) {
        let place = fields.key(verb).map_or(node.range.clone(), |key| key.range.clone());
        let says = setting.place.says();
        let diagnostic = cx.report("step/not-allowed-here", &place, format!("`{verb}` has no place in {says}"), "");
        if ["patch", "delete", "fetch"].contains(&verb) {
            help(diagnostic, "only workflows change or fetch known objects; a fetcher emits what it finds");
        }
        return None;
    }
    let at = cx.at(&node.range);
    let name = fields.text(cx, "name");
    let each_node = fields.take("each");
    let when_node = fields.take("when");
    let key_node = fields.take("key");
    let take_node = fields.take("take").cloned();
    let as_node = fields.take("as");
    let none_if_node = fields.take("none_if");
    let retry_node = fields.take("retry");
    let timeout_secs = fields.count(cx, "timeout_secs");
    let mut parts = Parts::default();
    scope.within(&[], |scope| {
        parts.each = each_node.and_then(|node| each(cx, node, scope));
        parts.when = when_node.and_then(|node| expr(cx, node, "when", scope));
        let extra: &[&str] = if each_node.is_none() { &["row"] } else { &[] };
        scope.within(extra, |scope| {
            parts.key = key_node.and_then(|node| expr(cx, node, "key", scope));
        });
        scope.within(&["answer"], |scope| {
            parts.none_if = none_if_node.and_then(|node| expr(cx, node, "none_if", scope));
        });
        scope.within(&["result"], |scope| {
            parts.retry = retry_node.and_then(|node| retry(cx, node, scope));
        });
        parts.verb = self::verb(cx, verb, &mut fields, scope, setting, node);
    });
    let take = take(cx, take_node.as_ref(), key_node.is_some(), verb, each_node.is_some());
    let bind = match (verb, as_node) {
        ("let", None) => {
            let node = fields.take("let");
            node.and_then(|node| text(cx, node, "let").and_then(|name| scope.bind_result(cx, &name, &node.range)))
        }
        ("let", Some(node)) => {
            help(cx.report("spec/unknown-key", &node.range, "`let` names its result itself", ""), "leave out `as`");
            None
        }
        (_, Some(node)) => text(cx, node, "as").and_then(|name| scope.bind_result(cx, &name, &node.range)),
        _ => None,
    };
    let answer_as = if verb == "http" { fields.take("answer_as") } else { None };
    let answer_slot = answer_as
        .and_then(|node| text(cx, node, "answer_as").and_then(|name| scope.bind_result(cx, &name, &node.range)));
    fields.finish(cx);
    let mut verb = parts.verb?;
    if let Verb::Http(http) = &mut verb {
        http.answer_as = answer_slot;
    }
    Some(Step {
        at,
        name,
        when: parts.when,
        each: parts.each,
        key: parts.key,
        take,
        bind,
        none_if: parts.none_if,
        retry: parts.retry,
        timeout_secs,
        verb,
    })
}

#[derive(Default)]
struct Parts {
    each: Option<calipso_expr::Each>,
    when: Option<calipso_expr::Expr>,
    key: Option<calipso_expr::Expr>,
    none_if: Option<calipso_expr::Expr>,
    retry: Option<Retry>,
    verb: Option<Verb>,
}

/// `take`, with the default of its place.
fn take(cx: &mut Cx<'_>, node: Option<&Node>, key: bool, verb: &str, each: bool) -> Take {
    let default = if key { Take::First } else { Take::All };
    let Some(node) = node else { return default };
    if !each && !key && !["lookup", "sql", "http", "fetch", "let"].contains(&verb) {
        help(
            cx.report("take/without-key", &node.range, "`take` has no meaning here", "there is one value only"),
            "it belongs beside `each`, `key`, `lookup` or `sql`",
        );
        return default;
    }
    take_word(cx, node).unwrap_or(default)
}

/// One of the words of `take`.
pub(crate) fn take_word(cx: &mut Cx<'_>, node: &Node) -> Option<Take> {
    Some(match text(cx, node, "take")?.as_ref() {
        "first" => Take::First,
        "last" => Take::Last,
        "one" => Take::One,
        "all" => Take::All,
        "distinct" => Take::Distinct,
        _ => {
            cx.wrong_type(node, "take", "`first`, `last`, `one`, `all` or `distinct`");
            return None;
        }
    })
}

fn retry(cx: &mut Cx<'_>, node: &Node, scope: &Scope) -> Option<Retry> {
    let mut fields = Fields::open(cx, node, "`retry`")?;
    let times = fields.count(cx, "times").unwrap_or(3);
    let delay_secs = fields.number(cx, "delay_secs").unwrap_or(1.0);
    let until_node = fields.take("until");
    let until = until_node.and_then(|node| expr(cx, node, "until", scope));
    if let (Some(until), Some(node)) = (&until, until_node)
        && !until.uses().iter().any(|used| scope.layout.name(used.slot).is_some_and(|name| name.as_ref() == "result"))
    {
        help(
            cx.report("step/retry-until-constant", &node.range, "`until` does not read `result`", "this never changes"),
            "ask something of `result`",
        );
    }
    fields.finish(cx);
    Some(Retry { times: u32::try_from(times.min(1000)).unwrap_or(1000), delay_secs, until })
}

fn verb(
    cx: &mut Cx<'_>,
    verb: &str,
    fields: &mut Fields<'_>,
    scope: &mut Scope,
    setting: &Setting<'_>,
    whole: &Node,
) -> Option<Verb> {
    let via = |cx: &mut Cx<'_>, fields: &mut Fields<'_>, default: &str| {
        fields.text(cx, "via").or_else(|| setting.via.clone()).unwrap_or_else(|| Str::from(default))
    };
    Some(match verb {
        "run" => {
            let argument = fields.take("run")?;
            // Hosts are reached by their role; a spec-wide `via` of another transport says nothing about commands.
            let via = fields
                .text(cx, "via")
                .or_else(|| setting.via.clone().filter(|_| setting.place != Place::Fetcher))
                .unwrap_or_else(|| Str::from("hosts"));
            let at_node = fields.take("at").or(setting.at);
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
            let parse = fields.take("parse").and_then(|node| parser::parse(cx, node, setting.parsers));
            let ok_exit = match fields.take("ok_exit") {
                None => vec![0],
                Some(node) => {
                    numbers(cx, node, "ok_exit").into_iter().filter_map(|number| i32::try_from(number).ok()).collect()
                }
            };
            Verb::Run(RunStep { words: scope::words(cx, argument, "run", scope)?, at, via, parse, ok_exit })
        }
        "http" => {
            let argument = fields.take("http")?;
            let via = via(cx, fields, "http");
            let mut target = trees(cx, setting.target, "target", scope);
            for (key, value) in trees(cx, fields.take("target"), "target", scope) {
                target.retain(|(known, _)| *known != key);
                target.push((key, value));
            }
            let query = trees(cx, fields.take("query"), "query", scope);
            let headers = trees(cx, fields.take("headers"), "headers", scope);
            let body = fields.take("body").and_then(|node| tree(cx, node, scope));
            let items = fields.text(cx, "items");
            let parse = fields.take("parse").and_then(|node| parser::parse(cx, node, setting.parsers));
            let accept_status = match fields.take("accept_status") {
                None => Vec::new(),
                Some(node) => numbers(cx, node, "accept_status")
                    .into_iter()
                    .filter_map(|number| u16::try_from(number).ok())
                    .collect(),
            };
            let base = match fields.take("base") {
                Some(node) if setting.place == Place::Fetcher => {
                    help(
                        cx.report("spec/unknown-key", &node.range, "only connections choose a `base`", ""),
                        "use `via` and `target`",
                    );
                    None
                }
                node => node.and_then(|node| expr(cx, node, "base", scope)),
            };
            let (method, path) = request_line(cx, argument, scope)?;
            Verb::Http(HttpStep {
                method,
                path,
                via,
                target,
                query,
                headers,
                body,
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
                .or_else(|| setting.via.clone().filter(|_| setting.place != Place::Fetcher))
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
                let stop = stop(cx, &mut inner, scope, setting);
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
        "stop" => Verb::Stop(stop(cx, fields, scope, setting)?),
        "do" => Verb::Do(block(cx, fields, None, scope, setting)?),
        "first_of" => {
            let argument = fields.take("first_of")?;
            let nodes = list(cx, argument, "first_of")?;
            let mut blocks = Vec::new();
            for node in nodes {
                let Some(mut inner) = Fields::open(cx, node, "an alternative") else { continue };
                let name = inner.text(cx, "name");
                let when = inner.take("when").and_then(|node| expr(cx, node, "when", scope));
                let block = block(cx, &mut inner, name, scope, setting);
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
    setting: &Setting<'_>,
) -> Option<Block> {
    let node = fields.need(cx, "do");
    let value_node = fields.take("value");
    scope.within(&[], |scope| {
        let steps = node.map(|node| steps(cx, node, "do", scope, setting)).unwrap_or_default();
        let value = value_node.and_then(|node| tree(cx, node, scope));
        Some(Block { name, when: None, steps, value })
    })
}

fn stop(cx: &mut Cx<'_>, fields: &mut Fields<'_>, scope: &Scope, setting: &Setting<'_>) -> Option<StopStep> {
    let node = fields.need(cx, "stop")?;
    let outcome = text(cx, node, "stop")?;
    let outcomes = setting.place.outcomes();
    if !outcomes.contains(&outcome.as_ref()) {
        let says = setting.place.says();
        let listed = outcomes.iter().map(|outcome| format!("`{outcome}`")).collect::<Vec<_>>().join(", ");
        help(
            cx.report("step/bad-outcome", &node.range, format!("{says} cannot end `{outcome}`"), "not an outcome here"),
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

/// `METHOD /path`.
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

fn numbers(cx: &mut Cx<'_>, node: &Node, key: &str) -> Vec<i64> {
    let Some(items) = list(cx, node, key) else { return Vec::new() };
    items
        .iter()
        .filter_map(|item| match item.kind {
            NodeKind::Int(number) => Some(number),
            _ => {
                cx.wrong_type(item, key, "a list of whole numbers");
                None
            }
        })
        .collect()
}
