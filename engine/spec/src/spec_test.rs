//! The tests beside specs, as data; the pipeline runs them.

mod keys;
mod mend;

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::{Environment, Map, Str, Value};

use crate::{
    checked::At,
    decode::{Cx, Fields, help, list, names},
    scope::constant,
    yaml::{Node, NodeKind},
};

pub use keys::ERRORS;
pub use mend::{Edit, Mend, edited};

/// Which spec is tested.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TestOf {
    /// Name of a fetcher.
    Fetcher(Str),
    /// A link type.
    LinkType(Str),
    /// A clique type.
    CliqueType(Str),
    /// An object type.
    ObjectType(Str),
    /// Name of a distribution.
    Distribution(Str),
    /// Name of a connection.
    Connection(Str),
    /// Name of a parser.
    Parser(Str),
}

impl TestOf {
    /// Kind and name.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &Str) {
        match self {
            Self::Fetcher(name) => ("fetcher", name),
            Self::LinkType(name) => ("link_type", name),
            Self::CliqueType(name) => ("clique_type", name),
            Self::ObjectType(name) => ("object_type", name),
            Self::Distribution(name) => ("distribution", name),
            Self::Connection(name) => ("connection", name),
            Self::Parser(name) => ("parser", name),
        }
    }
}

/// A test file.
#[derive(Clone, Debug)]
pub struct SpecTest {
    /// What it tests.
    pub of: TestOf,
    /// Where the file begins.
    pub at: At,
    /// Cases in the order of the file.
    pub cases: Vec<TestCase>,
    /// Changes of the spec that its tests need not notice.
    pub unnoticed: Vec<Unnoticed>,
}

/// A change of a spec that no test needs to notice.
#[derive(Clone, Debug)]
pub struct Unnoticed {
    /// Where this is said.
    pub at: At,
    /// The change, as `test --mutate` names it.
    pub change: Str,
    /// The author's reason.
    pub because: Str,
}

/// One case: what is known, what is answered, what is expected.
#[derive(Clone, Debug, Default)]
pub struct TestCase {
    /// Where the case begins.
    pub at: At,
    /// Name, unique in the file.
    pub name: Str,
    /// The environment; connections are empty.
    pub environment: Environment,
    /// Settings that override those of the distribution.
    pub settings: Map,
    /// The parent's document; none: the environment itself.
    pub parent: Option<Map>,
    /// What the fetcher sees as `narrow`.
    pub narrow: Map,
    /// What is known.
    pub objects: Vec<Map>,
    /// Fields of a connection.
    pub config: Map,
    /// Target of a connection.
    pub target: Map,
    /// The inline recording as written; every `*_file` is replaced by its text.
    pub answers: Value,
    /// A recording directory, relative to the test file.
    pub answers_dir: Option<Str>,
    /// Commands of a distribution's test.
    pub commands: Vec<Map>,
    /// Requests of a connection's test.
    pub requests: Vec<Map>,
    /// Input of a parser.
    pub input: Option<Str>,
    /// What must come out, as written.
    pub expect: Map,
    /// The case in its file, for the places of what is in it; none: it was made elsewhere.
    pub source: Option<CaseSource>,
}

/// A case as it stands in its file.
#[derive(Clone, Debug)]
pub struct CaseSource {
    node: Arc<Node>,
    text: Arc<str>,
}

impl TestCase {
    /// Where something of the case stands: keys and numbers of elements from the case inwards. Of what is not there the
    /// innermost that is.
    #[must_use]
    pub fn place(&self, path: &[&str]) -> At {
        let Some(source) = &self.source else { return self.at.clone() };
        let (mut node, mut start) = (source.node.as_ref(), None);
        for part in path {
            let inner = match &node.kind {
                NodeKind::Map(_) => node
                    .entry(part)
                    .or_else(|| node.entry(&format!("{part}_file")))
                    .map(|(key, value)| (key.range.start, value)),
                NodeKind::List(items) => {
                    part.parse::<usize>().ok().and_then(|index| items.get(index)).map(|item| (item.range.start, item))
                }
                _ => None,
            };
            let Some((offset, value)) = inner else { break };
            (start, node) = (Some(offset), value);
        }
        let Some(start) = start else { return self.at.clone() };
        let (line, column) = crate::diag::line_column(&source.text, start);
        At { file: self.at.file.clone(), line, column }
    }
}

impl Default for At {
    fn default() -> Self {
        Self { file: Str::from(""), line: 1, column: 1 }
    }
}

/// Texts of the files of a layer by path.
pub(crate) type Texts = BTreeMap<Arc<str>, Arc<str>>;

const KINDS: &[&str] = &["fetcher", "link_type", "clique_type", "object_type", "distribution", "connection", "parser"];

/// Reads a test file.
pub(crate) fn spec_test(cx: &mut Cx<'_>, node: &Node, texts: &Texts) -> Option<SpecTest> {
    let mut fields = Fields::open(cx, node, "a test")?;
    fields.take("schema");
    let at = cx.at(&node.range);
    let of = fields.need(cx, "of").and_then(|node| {
        let mut inner = Fields::open(cx, node, "`of`")?;
        let found: Vec<(&'static str, Str)> =
            KINDS.iter().filter_map(|kind| inner.text(cx, kind).map(|name| (*kind, name))).collect();
        inner.finish(cx);
        let [(kind, name)] = found.as_slice() else {
            help(
                cx.report("spec/wrong-type", &node.range, "`of` names one spec", ""),
                format!("one of {}", KINDS.iter().map(|kind| format!("`{kind}: NAME`")).collect::<Vec<_>>().join(", ")),
            );
            return None;
        };
        let name = name.clone();
        Some(match *kind {
            "fetcher" => TestOf::Fetcher(name),
            "link_type" => TestOf::LinkType(name),
            "clique_type" => TestOf::CliqueType(name),
            "object_type" => TestOf::ObjectType(name),
            "distribution" => TestOf::Distribution(name),
            "connection" => TestOf::Connection(name),
            _ => TestOf::Parser(name),
        })
    });
    let cases: Vec<TestCase> = fields
        .need(cx, "cases")
        .and_then(|node| list(cx, node, "cases"))
        .unwrap_or_default()
        .iter()
        .filter_map(|node| case(cx, node, texts, of.as_ref()))
        .collect();
    if cases.is_empty() {
        help(
            cx.report("test/nothing-run", &node.range.clone(), "this test has no cases", "nothing would run"),
            "add a case with `expect`",
        );
    }
    for (number, case) in cases.iter().enumerate() {
        if cases.iter().take(number).any(|other| other.name == case.name)
            && let Some(name) = case.source.as_ref().and_then(|source| source.node.get("name"))
        {
            help(
                cx.report("spec/duplicate", &name.range, format!("two cases are named `{}`", case.name), "named again"),
                "give it a name of its own",
            );
        }
    }
    let unnoticed = fields.take("unnoticed").and_then(|node| list(cx, node, "unnoticed")).unwrap_or_default();
    let unnoticed = unnoticed
        .iter()
        .filter_map(|node| {
            let mut fields = Fields::open(cx, node, "an unnoticed change")?;
            let change = fields.need_text(cx, "change");
            let because = fields.need_text(cx, "because");
            fields.finish(cx);
            Some(Unnoticed { at: cx.at(&node.range), change: change?, because: because? })
        })
        .collect();
    fields.finish(cx);
    Some(SpecTest { of: of?, at, cases, unnoticed })
}

fn case(cx: &mut Cx<'_>, node: &Node, texts: &Texts, of: Option<&TestOf>) -> Option<TestCase> {
    let mut fields = Fields::open(cx, node, "a case")?;
    let name = fields.need_text(cx, "name");
    let text = texts.get(&cx.file).map_or_else(|| Arc::from(cx.text), Arc::clone);
    let source = Some(CaseSource { node: Arc::new(node.clone()), text });
    let mut case = TestCase { at: cx.at(&node.range), source, ..TestCase::default() };
    if let Some(mut inner) = fields.take("environment").and_then(|node| Fields::open(cx, node, "a case's environment"))
    {
        case.environment.name = inner.text(cx, "name").unwrap_or_else(|| Str::from("test"));
        case.environment.distribution = inner.text(cx, "distribution").unwrap_or_else(|| Str::from(""));
        case.environment.version = inner.text(cx, "version").unwrap_or_else(|| Str::from(""));
        case.environment.mechanism_drivers = names(inner.texts(cx, "mechanism_drivers"));
        case.environment.type_drivers = names(inner.texts(cx, "type_drivers"));
        case.environment.flags = names(inner.texts(cx, "flags"));
        inner.finish(cx);
    } else {
        case.environment.name = Str::from("test");
    }
    let mut map = |key: &'static str, cx: &mut Cx<'_>| -> Option<Map> {
        let node = fields.take(key)?;
        match &node.kind {
            NodeKind::Map(_) => with_files(cx, node, texts).as_map().cloned(),
            _ => {
                cx.wrong_type(node, key, "a map");
                None
            }
        }
    };
    case.settings = map("settings", cx).unwrap_or_default();
    case.parent = map("parent", cx);
    case.narrow = map("narrow", cx).unwrap_or_default();
    case.config = map("config", cx).unwrap_or_default();
    case.target = map("target", cx).unwrap_or_default();
    case.answers = map("answers", cx).map_or(Value::Null, Value::Map);
    let expect = map("expect", cx);
    let mut maps = |key: &'static str, cx: &mut Cx<'_>| -> Vec<Map> {
        let items = fields.take(key).and_then(|node| list(cx, node, key)).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| match &item.kind {
                NodeKind::Map(_) => with_files(cx, item, texts).as_map().cloned(),
                _ => {
                    cx.wrong_type(item, key, "a list of maps");
                    None
                }
            })
            .collect()
    };
    case.objects = maps("objects", cx);
    case.commands = maps("commands", cx);
    case.requests = maps("requests", cx);
    case.answers_dir = fields.text(cx, "answers_dir");
    case.input = fields.text(cx, "input");
    if let Some(node) = fields.take("input_file") {
        case.input = file_text(cx, node, texts).map(|text| Str::from(text.as_ref()));
    }
    fields.finish(cx);
    keys::check(cx, node, of);
    match expect {
        Some(expect) if !expect.iter().all(|(key, value)| asserts_nothing(key, value)) => case.expect = expect,
        _ => {
            help(
                cx.report("test/nothing-run", &node.range, "this case expects nothing", "it could not fail"),
                "add `expect:` with what must come out",
            );
        }
    }
    case.name = name?;
    Some(case)
}

/// Whether an expectation holds whatever comes out: a list of what must be there, or not, that is empty.
fn asserts_nothing(key: &str, value: &Value) -> bool {
    let lists = ["objects", "absent", "links", "cliques", "failures", "sent"];
    lists.contains(&key) && value.as_list().is_some_and(<[Value]>::is_empty)
}

/// The value; a key that ends with `_file` becomes the key without it, with the text of the file.
fn with_files(cx: &mut Cx<'_>, node: &Node, texts: &Texts) -> Value {
    match &node.kind {
        NodeKind::List(items) => Value::list(items.iter().map(|item| with_files(cx, item, texts)).collect()),
        NodeKind::Map(entries) => Value::Map(
            entries
                .iter()
                .filter_map(|(key, node)| match key.name.strip_suffix("_file") {
                    Some("body") => {
                        let text = file_text(cx, node, texts)?;
                        let value = Value::from_json(&text);
                        if let Err(error) = &value {
                            let message = format!("the file is not JSON: {error}");
                            help(
                                cx.report("spec/wrong-type", &node.range, message, "`body` is JSON"),
                                "write `text_file` for another text",
                            );
                        }
                        value.ok().map(|value| (Str::from("body"), value))
                    }
                    Some(plain) if ["stdout", "stderr", "text", "input"].contains(&plain) => {
                        file_text(cx, node, texts).map(|text| (Str::from(plain), Value::text(&text)))
                    }
                    _ => Some((key.name.clone(), with_files(cx, node, texts))),
                })
                .collect(),
        ),
        // Expected values may hold braces: nothing here is a template.
        NodeKind::Text { text, .. } => Value::Str(text.clone()),
        _ => constant(cx, node),
    }
}

fn file_text(cx: &mut Cx<'_>, node: &Node, texts: &Texts) -> Option<Arc<str>> {
    let name = crate::decode::text(cx, node, "a file")?;
    let folder = cx.file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    let found = texts.iter().find(|(known, _)| known.trim_start_matches('/') == path).map(|(_, text)| Arc::clone(text));
    if found.is_none() {
        cx.report("test/no-file", &node.range, format!("there is no file `{path}`"), "relative to the test file");
    }
    found
}
