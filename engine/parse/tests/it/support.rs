//! Parser specs from YAML text, as authors write them, and the one comparison all tables use.

use calipso_model::{Map, Str, Value};
use calipso_parse::{
    BlockSpec, BlocksSpec, Conversion, JsonSpec, KeyValuesSpec, LastColumn, LineOptions, LinesSpec, MustBe,
    ParseSpecError, Parser, ParserSpec, RegexSpec, TableSpec, Tagged,
};

/// Compiles a spec that must be right.
pub fn parser(spec: &str) -> Parser {
    compile(spec).unwrap_or_else(|errors| panic!("{spec}: {errors:?}"))
}

/// Compiles a spec.
pub fn compile(spec: &str) -> Result<Parser, Vec<ParseSpecError>> {
    Parser::new(&spec_of(spec))
}

/// Parses `text`; `expected` is JSON, or `! ` and a part of the error.
pub fn check(spec: &str, text: &str, expected: &str) {
    let outcome = parser(spec).parse(text);
    match (expected.strip_prefix("! "), outcome) {
        (Some(part), Err(error)) => {
            assert!(error.to_string().contains(part), "{spec}\n{text}\nexpected the error {part}\nfound {error}");
        }
        (Some(part), Ok(value)) => panic!("{spec}\n{text}\nexpected the error {part}\nfound {value}"),
        (None, Ok(value)) => {
            let expected = Value::from_json(expected).unwrap();
            assert_eq!(value.to_json(), expected.to_json(), "{spec}\n{text}");
        }
        (None, Err(error)) => panic!("{spec}\n{text}\nexpected {expected}\nfound the error {error}"),
    }
}

fn spec_of(text: &str) -> ParserSpec {
    let yaml = Parser::new(&ParserSpec::Yaml).unwrap();
    let value = yaml.parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let (name, keys) = value.as_map().unwrap().iter().next().unwrap();
    let mut keys = Keys(keys.as_map().unwrap().clone());
    let spec = match &**name {
        "lines" => ParserSpec::Lines(LinesSpec { options: keys.options() }),
        "regex" => ParserSpec::Regex(RegexSpec {
            options: keys.options(),
            pattern: keys.text("match").unwrap(),
            each_line: keys.flag("each_line"),
            others_refused: keys.text("others").as_deref() == Some("refused"),
            types: keys.types(),
        }),
        "table" => ParserSpec::Table(TableSpec {
            options: keys.options(),
            header: keys.text("header"),
            columns: keys.take("columns").map(|list| list.as_list().unwrap().iter().map(text_of).collect()),
            last: match keys.text("last").as_deref() {
                None | Some("word") => LastColumn::Word,
                Some("rest_of_line") => LastColumn::RestOfLine,
                Some(other) => panic!("{other}"),
            },
            types: keys.types(),
        }),
        "key_values" => ParserSpec::KeyValues(KeyValuesSpec {
            options: keys.options(),
            pair: keys.text("pair").unwrap(),
            more: keys.text("more"),
            repeat_makes_list: keys.text("repeat").is_some(),
            types: keys.types(),
        }),
        "blocks" => ParserSpec::Blocks(BlocksSpec { options: keys.options(), block: keys.block() }),
        "json" => ParserSpec::Json(JsonSpec {
            must_be: match keys.text("must_be").as_deref() {
                Some("map") => MustBe::Map,
                Some("list") => MustBe::List,
                Some("list_of_maps") => MustBe::ListOfMaps,
                _ => MustBe::Anything,
            },
            rows: keys.text("rows").map(Str::from),
            columns: keys.text("columns").map(Str::from),
            tagged: keys.map("tagged", |value| match value.as_str().unwrap() {
                "list" => Tagged::List,
                "map" => Tagged::Map,
                "text" => Tagged::Text,
                other => panic!("{other}"),
            }),
        }),
        "yaml" => ParserSpec::Yaml,
        "xml" => ParserSpec::Xml,
        other => panic!("{other}"),
    };
    assert!(keys.0.is_empty(), "unknown keys: {:?}", keys.0);
    spec
}

struct Keys(Map);

impl Keys {
    fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }
    fn text(&mut self, key: &str) -> Option<String> {
        self.take(key).map(|value| text_of(&value).to_string())
    }
    fn flag(&mut self, key: &str) -> bool {
        self.take(key) == Some(Value::Bool(true))
    }
    fn map<B: FromIterator<(Str, T)>, T>(&mut self, key: &str, read: impl Fn(&Value) -> T) -> B {
        let map = self.take(key).map(|value| value.as_map().unwrap().clone()).unwrap_or_default();
        map.iter().map(|(name, value)| (name.clone(), read(value))).collect()
    }
    fn types<B: FromIterator<(Str, Conversion)>>(&mut self) -> B {
        self.map("types", |value| match value.as_str().unwrap() {
            "integer" => Conversion::Integer,
            "number" => Conversion::Number,
            "bool" => Conversion::Bool,
            "comma_list" => Conversion::CommaList,
            "words" => Conversion::Words,
            other => panic!("{other}"),
        })
    }
    fn options(&mut self) -> LineOptions {
        LineOptions {
            after: self.text("after"),
            before: self.text("before"),
            keep: self.text("keep"),
            skip: self.text("skip"),
            continues: self.text("continues"),
        }
    }
    fn block(&mut self) -> BlockSpec {
        BlockSpec {
            start: self.text("start").unwrap(),
            end: self.text("end"),
            fields: self.text("fields"),
            lists: self.map("lists", |value| text_of(value).to_string()),
            pairs: self.text("pairs"),
            lines: self.text("lines").map(Str::from),
            blocks: self.map("blocks", |value| {
                let mut keys = Keys(value.as_map().unwrap().clone());
                let block = keys.block();
                assert!(keys.0.is_empty(), "unknown keys: {:?}", keys.0);
                block
            }),
            types: self.types(),
        }
    }
}

fn text_of(value: &Value) -> Str {
    value.as_str().unwrap().into()
}
