//! Parsers: `parse:` of a step, and parser specs.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use calipso_model::Str;
use calipso_parse::{
    BlockSpec, BlocksSpec, Conversion, JsonSpec, KeyValuesSpec, LastColumn, LineOptions, LinesSpec, MustBe,
    ParseSpecErrorKind, ParsedShape, Parser, ParserSpec, RegexSpec, TableSpec, Tagged,
};

use crate::{
    decode::{Cx, Fields, help, map, names, text},
    yaml::Node,
};

/// The keys under `parse`, in the order of the reference.
pub(crate) const PARSERS: &[&str] =
    &["lines", "regex", "table", "key_values", "blocks", "json", "yaml", "xml", "named", "call"];

/// Parser specs by name.
pub(crate) type Named = BTreeMap<Str, Arc<Parser>>;

/// What stands under `parse`.
pub(crate) fn parse(cx: &mut Cx<'_>, node: &Node, known: &Named, only_asks: bool) -> Option<Arc<Parser>> {
    match choose(cx, node)? {
        Chosen::Named(name, range) => match known.get(&name) {
            Some(parser) => Some(Arc::clone(parser)),
            None => {
                unknown(cx, &name, &range, known.keys());
                None
            }
        },
        Chosen::Spec(spec) => {
            let parser = compile(cx, node, &spec)?;
            if !only_asks {
                named_groups(cx, node, &parser);
            }
            Some(parser)
        }
    }
}

/// A regular expression that names nothing finds nothing.
pub(crate) fn named_groups(cx: &mut Cx<'_>, node: &Node, parser: &Parser) {
    let nothing = |shape: &ParsedShape| matches!(shape, ParsedShape::Map { known, others: None } if known.is_empty());
    let empty = match parser.shape() {
        ParsedShape::List(of) => nothing(&of),
        shape => nothing(&shape),
    };
    if let Some(pattern) = node.get("regex").and_then(|inner| inner.get("match")).filter(|_| empty) {
        help(
            cx.report(
                "parse/bad-regex",
                &pattern.range,
                "the regular expression has no named group, so it finds nothing",
                "a named group is needed here",
            ),
            "name what is to be found: `(?<name>…)`",
        );
    }
}

pub(crate) fn unknown<'k>(cx: &mut Cx<'_>, name: &str, range: &Range<usize>, known: impl Iterator<Item = &'k Str>) {
    let near = calipso_expr::nearest(name, known.map(AsRef::as_ref)).map(|near| format!("did you mean `{near}`?"));
    cx.report("parse/unknown-parser", range, format!("no parser is named `{name}`"), "not declared under parsers/")
        .help = near;
}

/// A parser by its own keys, or by name.
pub(crate) enum Chosen {
    Spec(Box<ParserSpec>),
    Named(Str, Range<usize>),
}

/// Reads exactly one parser.
pub(crate) fn choose(cx: &mut Cx<'_>, node: &Node) -> Option<Chosen> {
    let mut fields = Fields::open(cx, node, "`parse`")?;
    let mut chosen = Vec::new();
    for name in PARSERS {
        if let Some(inner) = fields.take(name) {
            chosen.push((*name, inner));
        }
    }
    fields.finish(cx);
    let (name, inner) = match chosen.as_slice() {
        [one] => *one,
        several => {
            let n_chosen = several.len();
            help(
                cx.report(
                    "parse/not-one-parser",
                    &node.range,
                    format!("`parse` has {n_chosen} parsers"),
                    "exactly one parser belongs here",
                ),
                format!("one of {}", PARSERS.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
            );
            return None;
        }
    };
    Some(match name {
        "named" => Chosen::Named(text(cx, inner, "named")?, inner.range.clone()),
        "call" => {
            help(
                cx.report(
                    "call/unknown-function",
                    &inner.range,
                    "no plugin declares this function",
                    "no plugin is installed",
                ),
                "use one of the built-in parsers",
            );
            return None;
        }
        "yaml" | "xml" => {
            Fields::open(cx, inner, &format!("`{name}`"))?.finish(cx);
            Chosen::Spec(Box::new(if name == "yaml" { ParserSpec::Yaml } else { ParserSpec::Xml }))
        }
        _ => {
            let mut fields = Fields::open(cx, inner, &format!("`{name}`"))?;
            let spec = spec(cx, name, &mut fields);
            fields.finish(cx);
            Chosen::Spec(Box::new(spec?))
        }
    })
}

fn owned(text: Option<Str>) -> Option<String> {
    text.map(|text| text.to_string())
}

fn spec(cx: &mut Cx<'_>, name: &str, fields: &mut Fields<'_>) -> Option<ParserSpec> {
    Some(match name {
        "lines" => ParserSpec::Lines(LinesSpec { options: options(cx, fields) }),
        "regex" => ParserSpec::Regex(RegexSpec {
            options: options(cx, fields),
            each_line: fields.bool(cx, "each_line").unwrap_or(false),
            others_refused: fields.word(cx, "others", &["dropped", "refused"]).as_deref() == Some("refused"),
            types: types(cx, fields),
            pattern: fields.need_text(cx, "match")?.to_string(),
        }),
        "table" => ParserSpec::Table(TableSpec {
            options: options(cx, fields),
            header: owned(fields.text(cx, "header")),
            columns: fields.texts(cx, "columns").map(|found| names(Some(found))),
            last: match fields.word(cx, "last", &["word", "rest_of_line"]).as_deref() {
                Some("rest_of_line") => LastColumn::RestOfLine,
                _ => LastColumn::Word,
            },
            types: types(cx, fields),
        }),
        "key_values" => ParserSpec::KeyValues(KeyValuesSpec {
            options: options(cx, fields),
            more: owned(fields.text(cx, "more")),
            repeat_makes_list: fields.word(cx, "repeat", &["list"]).is_some(),
            types: types(cx, fields),
            pair: fields.need_text(cx, "pair")?.to_string(),
        }),
        "blocks" => {
            let options = options(cx, fields);
            ParserSpec::Blocks(BlocksSpec { options, block: block(cx, fields)? })
        }
        "json" => ParserSpec::Json(JsonSpec {
            must_be: match fields.word(cx, "must_be", &["map", "list", "list_of_maps"]).as_deref() {
                Some("map") => MustBe::Map,
                Some("list") => MustBe::List,
                Some("list_of_maps") => MustBe::ListOfMaps,
                _ => MustBe::Anything,
            },
            rows: fields.text(cx, "rows"),
            columns: fields.text(cx, "columns"),
            tagged: fields
                .take("tagged")
                .and_then(|node| map(cx, node, "tagged"))
                .unwrap_or_default()
                .iter()
                .filter_map(|(key, node)| {
                    let becomes = match text(cx, node, "tagged")?.as_ref() {
                        "list" => Tagged::List,
                        "map" => Tagged::Map,
                        "text" => Tagged::Text,
                        _ => {
                            cx.wrong_type(node, "tagged", "`list`, `map` or `text`");
                            return None;
                        }
                    };
                    Some((key.name.clone(), becomes))
                })
                .collect(),
        }),
        _ => return None,
    })
}

fn options(cx: &mut Cx<'_>, fields: &mut Fields<'_>) -> LineOptions {
    LineOptions {
        after: owned(fields.text(cx, "after")),
        before: owned(fields.text(cx, "before")),
        keep: owned(fields.text(cx, "keep")),
        skip: owned(fields.text(cx, "skip")),
        continues: owned(fields.text(cx, "continues")),
    }
}

fn types(cx: &mut Cx<'_>, fields: &mut Fields<'_>) -> BTreeMap<Str, Conversion> {
    let Some(entries) = fields.take("types").and_then(|node| map(cx, node, "types")) else { return BTreeMap::new() };
    entries
        .iter()
        .filter_map(|(key, node)| {
            let conversion = match text(cx, node, "types")?.as_ref() {
                "integer" => Conversion::Integer,
                "number" => Conversion::Number,
                "bool" => Conversion::Bool,
                "comma_list" => Conversion::CommaList,
                "words" => Conversion::Words,
                _ => {
                    cx.wrong_type(node, "types", "`integer`, `number`, `bool`, `comma_list` or `words`");
                    return None;
                }
            };
            Some((key.name.clone(), conversion))
        })
        .collect()
}

fn block(cx: &mut Cx<'_>, fields: &mut Fields<'_>) -> Option<BlockSpec> {
    let start = fields.need_text(cx, "start");
    let lists = fields.take("lists").and_then(|node| map(cx, node, "lists")).unwrap_or_default();
    let lists =
        lists.iter().filter_map(|(key, node)| Some((key.name.clone(), text(cx, node, "lists")?.to_string()))).collect();
    let nested = fields.take("blocks").and_then(|node| map(cx, node, "blocks")).unwrap_or_default();
    let blocks = nested
        .iter()
        .filter_map(|(key, node)| {
            let mut inner = Fields::open(cx, node, "a block")?;
            let spec = block(cx, &mut inner);
            inner.finish(cx);
            Some((key.name.clone(), spec?))
        })
        .collect();
    let spec = BlockSpec {
        end: owned(fields.text(cx, "end")),
        fields: owned(fields.text(cx, "fields")),
        pairs: owned(fields.text(cx, "pairs")),
        lines: fields.text(cx, "lines"),
        types: types(cx, fields),
        lists,
        blocks,
        start: start?.to_string(),
    };
    Some(spec)
}

/// Compiles a parser; what is wrong with its regular expressions is reported at their places.
pub(crate) fn compile(cx: &mut Cx<'_>, node: &Node, spec: &ParserSpec) -> Option<Arc<Parser>> {
    match Parser::new(spec) {
        Ok(parser) => Some(Arc::new(parser)),
        Err(mistakes) => {
            for mistake in mistakes {
                let mut at = node;
                for part in &mistake.key_path {
                    let Some(inner) = at.get(part) else { break };
                    at = inner;
                }
                if mistake.kind == ParseSpecErrorKind::BadRegex && at.as_text().is_some_and(|text| text.contains("{{"))
                {
                    help(
                        cx.report(
                            "expr/template-in-constant",
                            &at.range,
                            "a regular expression is a constant and takes no template",
                            "braces in a constant",
                        ),
                        "match what can be there, and compare it in a `when` afterwards",
                    );
                    continue;
                }
                let code = match mistake.kind {
                    ParseSpecErrorKind::BadRegex | ParseSpecErrorKind::NoNamedGroup => "parse/bad-regex",
                    ParseSpecErrorKind::UnknownGroup => "parse/unknown-group",
                    ParseSpecErrorKind::BadKeys => "spec/missing-key",
                };
                cx.report(code, &at.range, mistake.message, "");
            }
            None
        }
    }
}
