//! Connections.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::Str;

use crate::{
    checked::{
        Aliases, Connection, ConnectionLimits, Field, FieldType, Jump, PageRule, SessionValue, TargetField,
        TransportName, Wrap,
    },
    decode::{Cx, Fields, MOST_ENTRIES, help, list, map, names, not_endless, scalar, text},
    lower::{
        head,
        parser::Named,
        step::{self, StepListKind, steps},
    },
    scope::{Scope, constant, expr, tree, trees, words},
    yaml::Node,
};

const ROOTS: &[&str] = &[
    "env",
    "dist",
    "config",
    "target",
    "session",
    "answer",
    "items",
    "list",
    "page_number",
    "own",
    "command",
    "result",
    "row",
    "given",
];

pub(crate) fn connection(cx: &mut Cx<'_>, node: &Node, parsers: &Named) -> Option<Connection> {
    let mut fields = Fields::open(cx, node, "a connection")?;
    let head = head(cx, &mut fields);
    let role = fields.need_text(cx, "role");
    fields.need(cx, "transport");
    let transport = fields.word(cx, "transport", TransportName::WORDS);
    let transport = transport.as_deref().and_then(TransportName::from_word);
    let form = fields.take("fields").map(|node| form(cx, node)).unwrap_or_default();
    let require_any = names(fields.texts(cx, "require_any"));
    let mut scope = Scope::new(ROOTS);
    let aliases = scope.within(&["given"], |scope| {
        fields.take("aliases").and_then(|node| aliases(cx, node, scope)).unwrap_or_default()
    });
    scope.show(&["env", "dist", "config"]);
    let target = fields
        .take("target")
        .and_then(|node| map(cx, node, "target"))
        .unwrap_or_default()
        .iter()
        .filter_map(|(key, node)| Some((key.name.clone(), target_field(cx, node, &scope)?)))
        .collect();
    let context = |kind| step::StepContext { kind, parsers, at: None, via: role.clone(), target: None };
    scope.show(&["target"]);
    let (login_node, refresh_node, session_node) =
        (fields.take("login"), fields.take("refresh"), fields.take("session"));
    let (expires_node, again_node) = (fields.take("expires_at"), fields.take("login_again_if"));
    // What a refresh binds again keeps the slot that the login gave it.
    let (login, refresh, session, expires_at) = scope.within(&[], |scope| {
        let login =
            login_node.map(|node| steps(cx, node, "login", scope, &context(StepListKind::Login))).unwrap_or_default();
        let session = session_node
            .and_then(|node| map(cx, node, "session"))
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, node)| {
                let mut inner = Fields::open(cx, node, "a session value")?;
                let value = inner.need(cx, "value").and_then(|node| tree(cx, node, scope));
                let secret = inner.bool(cx, "secret").unwrap_or(false);
                inner.finish(cx);
                Some(SessionValue { name: key.name.clone(), value: value?, secret })
            })
            .collect::<Vec<_>>();
        let expires_at = expires_node.and_then(|node| expr(cx, node, "expires_at", scope));
        (login, refresh_node, session, expires_at)
    });
    let refresh = scope.within(&["session"], |scope| {
        refresh.map(|node| steps(cx, node, "refresh", scope, &context(StepListKind::Login))).unwrap_or_default()
    });
    let login_again_if = scope
        .within(&["answer", "session"], |scope| again_node.and_then(|node| expr(cx, node, "login_again_if", scope)));
    scope.show(&["session"]);
    // Results that a `login` of a database binds are also read by `identifiers`.
    let base = fields.take("base").and_then(|node| expr(cx, node, "base", &scope));
    let (send_headers, send_basic) = match fields.take("send").and_then(|node| Fields::open(cx, node, "`send`")) {
        Some(mut inner) => {
            let headers = step::headers(cx, inner.take("headers"), &scope);
            let basic = inner.take("basic").and_then(|node| step::basic(cx, node, &scope));
            inner.finish(cx);
            (headers, basic)
        }
        None => (Vec::new(), None),
    };
    let page_nodes = fields.take("pages").and_then(|node| list(cx, node, "pages")).unwrap_or_default();
    let pages = page_nodes.iter().filter_map(|node| page(cx, node, &mut scope)).collect();
    let own = fields.take("own").and_then(|node| expr(cx, node, "own", &scope));
    let has_own = own.is_some();
    let (connect_node, jump_node, wrap_node) = (fields.take("connect"), fields.take("jump"), fields.take("wrap"));
    let (connect, jump, wrap) = scope.within(if has_own { &["own"] } else { &[] }, |scope| {
        let connect = trees(cx, connect_node, "connect", scope);
        let jump = jump_node.and_then(|node| {
            let mut inner = Fields::open(cx, node, "`jump`")?;
            let when = inner.take("when").and_then(|node| expr(cx, node, "when", scope));
            let mut connect = Vec::new();
            for key in ["address", "port", "user", "password", "private_key", "known_hosts", "verify_host_key"] {
                if let Some(value) = inner.take(key).and_then(|node| tree(cx, node, scope)) {
                    connect.push((Str::from(key), value));
                }
            }
            inner.finish(cx);
            Some(Jump { when, connect })
        });
        let wrap = wrap_node
            .and_then(|node| list(cx, node, "wrap"))
            .unwrap_or_default()
            .iter()
            .filter_map(|node| {
                let mut inner = Fields::open(cx, node, "`wrap`")?;
                let when = inner.take("when").and_then(|node| expr(cx, node, "when", scope));
                let command = inner.need(cx, "command");
                inner.finish(cx);
                let command =
                    scope.within(&["command"], |scope| command.and_then(|node| words(cx, node, "command", scope)));
                Some(Wrap { when, command: command? })
            })
            .collect();
        (connect, jump, wrap)
    });
    let identifier_node = fields.take("identifiers");
    let bound = bound_by(&login, &scope);
    let identifiers = scope.within(&bound.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), |scope| {
        trees(cx, identifier_node, "identifiers", scope)
    });
    let limits = limits(cx, fields.take("limits"), transport);
    if let Some(transport) = transport {
        transports(cx, &mut fields, transport);
    }
    let test = match fields.take("test") {
        Some(node) => steps(cx, node, "test", &mut scope, &context(StepListKind::Test)),
        // A broker has nothing that a step could ask: its test is the connection itself.
        None if transport == Some(TransportName::Amqp) => Vec::new(),
        None => {
            let range = fields.entries().first().map_or(fields.range().clone(), |(key, _)| key.range.clone());
            help(
                cx.report("connection/no-test", &range, "the connection has no test steps", "`test` belongs here"),
                "add `test:` with named steps; `env test` shows a line for each",
            );
            Vec::new()
        }
    };
    fields.finish(cx);
    Some(Connection {
        head: head?,
        role: role?,
        transport: transport?,
        fields: form,
        require_any,
        aliases,
        target,
        login,
        refresh,
        session,
        expires_at,
        login_again_if,
        base,
        send_headers,
        send_basic,
        pages,
        own,
        connect,
        jump,
        wrap,
        identifiers,
        limits,
        test,
        layout: Arc::new(scope.layout),
    })
}

/// The keys of each transport that others have no use for.
const OF_TRANSPORT: &[(&str, &[TransportName])] = &[
    ("base", &[TransportName::Http]),
    ("send", &[TransportName::Http]),
    ("pages", &[TransportName::Http]),
    ("login_again_if", &[TransportName::Http]),
    ("own", &[TransportName::Ssh]),
    ("jump", &[TransportName::Ssh]),
    ("wrap", &[TransportName::Ssh]),
    ("identifiers", &[TransportName::Sql]),
    ("connect", &[TransportName::Sql, TransportName::Ssh, TransportName::Amqp]),
];

/// What a connection needs, and what means nothing over its transport.
fn transports(cx: &mut Cx<'_>, fields: &mut Fields<'_>, transport: TransportName) {
    for (key, of) in OF_TRANSPORT.iter().filter(|(_, of)| !of.contains(&transport)) {
        if let Some(range) = fields.key(key).map(|key| key.range.clone()) {
            let listed: Vec<&str> = of.iter().map(|one| one.as_str()).collect();
            let here = transport.as_str();
            let advice = if *key == "connect" {
                "say in `base` where requests go".to_owned()
            } else {
                "leave it out, or correct `transport`".to_owned()
            };
            help(
                cx.report(
                    "connection/other-transport",
                    &range,
                    format!("`{key}` has no meaning over {here}"),
                    format!("only over {}", listed.join(", ")),
                ),
                advice,
            );
        }
    }
    if transport == TransportName::Http {
        fields.need(cx, "base");
    }
    if transport == TransportName::Sql || transport == TransportName::Ssh || transport == TransportName::Amqp {
        fields.need(cx, "connect");
    }
}

/// The names that steps bind.
fn bound_by(steps: &[crate::checked::Step], scope: &Scope) -> Vec<Str> {
    steps.iter().filter_map(|step| step.bind.and_then(|slot| scope.layout.name(slot)).cloned()).collect()
}

fn form(cx: &mut Cx<'_>, node: &Node) -> BTreeMap<Str, Field> {
    not_endless(cx, node, "fields");
    map(cx, node, "fields")
        .unwrap_or_default()
        .iter()
        .take(MOST_ENTRIES)
        .filter_map(|(key, node)| Some((key.name.clone(), field(cx, node)?)))
        .collect()
}

fn field(cx: &mut Cx<'_>, node: &Node) -> Option<Field> {
    let mut fields = Fields::open(cx, node, "a field")?;
    fields.need(cx, "type");
    let words = ["text", "url", "host", "port", "path", "integer", "bool", "private_key", "certificates", "map"];
    let field_type = match fields.word(cx, "type", &words).as_deref() {
        Some("text") => Some(FieldType::Text),
        Some("url") => Some(FieldType::Url),
        Some("host") => Some(FieldType::Host),
        Some("port") => Some(FieldType::Port),
        Some("path") => Some(FieldType::Path),
        Some("integer") => Some(FieldType::Integer),
        Some("bool") => Some(FieldType::Bool),
        Some("private_key") => Some(FieldType::PrivateKey),
        Some("certificates") => Some(FieldType::Certificates),
        Some("map") => Some(FieldType::Map),
        _ => None,
    };
    let secret = fields.bool(cx, "secret").unwrap_or(false);
    let optional = fields.bool(cx, "optional").unwrap_or(false);
    let default = fields.take("default").map(|node| constant(cx, node));
    let one_of = fields
        .take("one_of")
        .and_then(|node| {
            crate::decode::not_empty(cx, node, "one_of");
            list(cx, node, "one_of")
        })
        .unwrap_or_default()
        .iter()
        .filter_map(|node| scalar(cx, node, "one_of"))
        .collect();
    let of = fields.take("of").map(|node| form(cx, node)).unwrap_or_default();
    let description = fields.text(cx, "description").unwrap_or_else(|| Str::from(""));
    let example = fields.take("example").map(|node| constant(cx, node));
    fields.finish(cx);
    Some(Field { field_type: field_type?, secret, optional, default, one_of, of, description, example })
}

fn aliases(cx: &mut Cx<'_>, node: &Node, scope: &Scope) -> Option<Aliases> {
    let mut fields = Fields::open(cx, node, "`aliases`")?;
    let sections = names(fields.texts(cx, "sections"));
    let renamed = fields
        .take("fields")
        .and_then(|node| map(cx, node, "fields"))
        .unwrap_or_default()
        .iter()
        .filter_map(|(key, node)| Some((key.name.clone(), text(cx, node, "fields")?)))
        .collect();
    let values = trees(cx, fields.take("values"), "values", scope);
    let ignore = names(fields.texts(cx, "ignore"));
    fields.finish(cx);
    Some(Aliases { sections, fields: renamed, values, ignore })
}

fn target_field(cx: &mut Cx<'_>, node: &Node, scope: &Scope) -> Option<TargetField> {
    let mut fields = Fields::open(cx, node, "a target field")?;
    fields.word(cx, "type", &["text", "integer", "host", "bool"]);
    fields.text(cx, "description");
    let one_of = fields
        .take("one_of")
        .and_then(|node| {
            crate::decode::not_empty(cx, node, "one_of");
            list(cx, node, "one_of")
        })
        .unwrap_or_default()
        .iter()
        .filter_map(|node| scalar(cx, node, "one_of"))
        .collect();
    let default = fields.take("default").and_then(|node| tree(cx, node, scope));
    fields.finish(cx);
    Some(TargetField { one_of, default })
}

fn page(cx: &mut Cx<'_>, node: &Node, scope: &mut Scope) -> Option<PageRule> {
    let mut fields = Fields::open(cx, node, "a page rule")?;
    let at = cx.at(&node.range);
    let name = fields.need(cx, "name").and_then(|node| text(cx, node, "name"));
    let when = fields.take("when").and_then(|node| expr(cx, node, "when", scope));
    let query = trees(cx, fields.take("query"), "query", scope);
    let next_node = fields.need(cx, "next");
    fields.finish(cx);
    let next = scope.within(&["answer", "items", "list", "page_number"], |scope| {
        next_node.and_then(|node| expr(cx, node, "next", scope))
    });
    Some(PageRule { at, name: name?, when, query, next: next? })
}

fn limits(cx: &mut Cx<'_>, node: Option<&Node>, transport: Option<TransportName>) -> ConnectionLimits {
    let mut limits = ConnectionLimits {
        concurrent: if transport == Some(TransportName::Ssh) { 64 } else { 8 },
        per_second: None,
        channels_per_host: 6,
        timeout_secs: 30,
        max_bytes: 64 << 20,
        max_pages: 10_000,
    };
    let Some(mut fields) = node.and_then(|node| Fields::open(cx, node, "`limits`")) else { return limits };
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    if let Some(key) =
        fields.key("channels_per_host").filter(|_| transport.is_some_and(|one| one != TransportName::Ssh))
    {
        let message = "`channels_per_host` has no meaning over this transport";
        help(cx.report("connection/other-transport", &key.range, message, "only over ssh"), "leave it out");
    }
    if let Some(node) = node.and_then(|node| node.get("per_second"))
        && matches!(node.value(), calipso_model::Value::Int(0) | calipso_model::Value::Float(0.0))
    {
        crate::decode::out_of_range(cx, node, "per_second", "0", "any number above 0");
    }
    if let Some(number) = fields.count_in(cx, "concurrent", 1..=10_000) {
        limits.concurrent = size(number);
    }
    limits.per_second = fields.number(cx, "per_second").or(limits.per_second);
    if let Some(number) = fields.count_in(cx, "channels_per_host", 1..=10_000) {
        limits.channels_per_host = size(number);
    }
    limits.timeout_secs = fields.count_in(cx, "timeout_secs", 1..=86_400).unwrap_or(limits.timeout_secs);
    limits.max_bytes = fields.count_in(cx, "max_bytes", 1..=1 << 40).unwrap_or(limits.max_bytes);
    limits.max_pages = fields.count_in(cx, "max_pages", 1..=10_000_000).unwrap_or(limits.max_pages);
    fields.finish(cx);
    limits
}
