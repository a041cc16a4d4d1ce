//! Step lists: one verb each, names bound in order.

mod verb;

pub(crate) use verb::{basic, headers};

use std::ops::Range;

use calipso_model::Str;

use crate::{
    checked::{Retry, Step, Take, Verb},
    decode::{Cx, Fields, help, list, out_of_range, text},
    lower::parser::Named,
    scope::{Scope, each, expr},
    yaml::Node,
};

/// The verbs, in the order of the reference.
pub(crate) const VERBS: &[&str] =
    &["run", "http", "sql", "call", "lookup", "fetch", "let", "emit", "patch", "delete", "stop", "do", "first_of"];

/// Where a step list stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepListKind {
    Fetcher,
    Login,
    Test,
}

impl StepListKind {
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

    fn name(self) -> &'static str {
        match self {
            Self::Fetcher => "a fetcher",
            Self::Login => "a login",
            Self::Test => "a connection test",
        }
    }
}

/// What the steps of one spec have in common.
pub(crate) struct StepContext<'a> {
    pub kind: StepListKind,
    pub parsers: &'a Named,
    pub at: Option<&'a Node>,
    /// Default `via` of each transport's verb.
    pub via: Option<Str>,
    pub target: Option<&'a Node>,
}

/// A list of steps; names that it binds stay visible in the scope.
pub(crate) fn steps(
    cx: &mut Cx<'_>,
    node: &Node,
    key: &str,
    scope: &mut Scope,
    context: &StepContext<'_>,
) -> Vec<Step> {
    let Some(nodes) = list(cx, node, key) else { return Vec::new() };
    scope.remember_later(node);
    // An alternative that does nothing yields a constant.
    if key != "do" {
        crate::decode::not_empty(cx, node, key);
    }
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
        if let Some(step) = step(cx, node, scope, context) {
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

fn step(cx: &mut Cx<'_>, node: &Node, scope: &mut Scope, context: &StepContext<'_>) -> Option<Step> {
    let mut fields = Fields::open(cx, node, "a step")?;
    let verbs: Vec<&str> = VERBS.iter().copied().filter(|verb| fields.key(verb).is_some()).collect();
    let verb = match verbs.as_slice() {
        [one] => *one,
        [] => {
            let near = fields
                .entries()
                .iter()
                .find_map(|(key, _)| calipso_expr::nearest(&key.name, VERBS.iter().copied()).map(|near| (key, near)));
            let kind = near.map_or(node.range.clone(), |(key, _)| key.range.clone());
            let kind = kind.start
                ..kind.end.min(
                    kind.start
                        + cx.text
                            .get(kind.start..kind.end)
                            .and_then(|text| text.find('\n'))
                            .unwrap_or(kind.end - kind.start),
                );
            let advice = match near {
                Some((_, near)) => format!("did you mean `{near}`?"),
                None => format!(
                    "a step has one of {}",
                    crate::keys::verbs().map(|verb| format!("`{verb}`")).collect::<Vec<_>>().join(", ")
                ),
            };
            help(cx.report("step/no-verb", &kind, "this step has no verb", "what does it do?"), advice);
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
    if !context.kind.allows(verb) {
        let range = fields.key(verb).map_or(node.range.clone(), |key| key.range.clone());
        let owner = context.kind.name();
        let diagnostic = cx.report("step/not-allowed-here", &range, format!("`{verb}` has no place in {owner}"), "");
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
    let timeout_secs = fields.count_in(cx, "timeout_secs", 1..=86_400);
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
        parts.verb = verb::verb(cx, verb, &mut fields, scope, context, node);
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
    let several = match verb {
        "emit" | "stop" | "patch" | "delete" => false,
        "lookup" | "sql" | "http" | "fetch" => true,
        _ => each || key,
    };
    if !several {
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
    let times = fields.count_in(cx, "times", 1..=1_000).unwrap_or(3);
    let delay_secs = match fields.number(cx, "delay_secs") {
        Some(number) if number > 86_400.0 => {
            if let Some(node) = node.get("delay_secs") {
                out_of_range(cx, node, "delay_secs", &number.to_string(), "0 to 86400");
            }
            1.0
        }
        given => given.unwrap_or(1.0),
    };
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
