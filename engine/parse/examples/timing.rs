//! How long each parser takes for some five megabytes of a plausible input, and for half of it: twice the text should
//! take about twice the time.

use std::time::Instant;

use calipso_model::Str;
use calipso_parse::{
    BlockSpec, BlocksSpec, JsonSpec, KeyValuesSpec, LinesSpec, Parser, ParserSpec, RegexSpec, TableSpec,
};

const BYTES: usize = 5_000_000;

fn repeat(piece: impl Fn(usize) -> String, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 200);
    let mut index = 0;
    while text.len() < bytes {
        text.push_str(&piece(index));
        index += 1;
    }
    text
}

fn time(name: &str, spec: &ParserSpec, text: impl Fn(usize) -> String) {
    let parser = Parser::new(spec).expect("the specs of this program are right");
    let millis = |bytes| {
        let text = text(bytes);
        let begun = Instant::now();
        let result = parser.parse(&text);
        assert!(result.is_ok(), "{name}: {result:?}");
        begun.elapsed().as_millis()
    };
    println!("{name:12} {:6} ms   half of it {:6} ms", millis(BYTES), millis(BYTES / 2));
}

fn main() {
    let line = |index: usize| format!("{index}: card{index} <UP,RUNNING> mtu 1500 state UP\n");
    time("lines", &ParserSpec::Lines(LinesSpec::default()), |bytes| repeat(line, bytes));
    let regex = RegexSpec {
        pattern: r"^(?<index>\d+): (?<name>\S+) <(?<flags>[^>]*)> mtu (?<mtu>\d+)".into(),
        each_line: true,
        ..RegexSpec::default()
    };
    time("regex", &ParserSpec::Regex(regex), |bytes| repeat(line, bytes));
    let columns = ["index", "name", "flags", "mtu"].map(Str::from).to_vec();
    let table = TableSpec { columns: Some(columns), ..TableSpec::default() };
    time("table", &ParserSpec::Table(table), |bytes| repeat(line, bytes));
    let pairs = KeyValuesSpec { pair: "^(?<key>[^:]+):(?<value>.*)$".into(), ..KeyValuesSpec::default() };
    time("key_values", &ParserSpec::KeyValues(pairs), |bytes| repeat(line, bytes));
    let port = BlockSpec {
        start: r"^ port (?<name>\S+)".into(),
        fields: Some(r"^  tag (?<tag>\d+)".into()),
        ..BlockSpec::default()
    };
    let bridge = BlockSpec {
        start: r"^bridge (?<name>\S+)".into(),
        blocks: [(Str::from("ports"), port)].into_iter().collect(),
        ..BlockSpec::default()
    };
    let blocks = BlocksSpec { block: bridge, ..BlocksSpec::default() };
    time("blocks", &ParserSpec::Blocks(blocks), |bytes| {
        repeat(|index| format!("bridge b{index}\n port p{index}\n  tag 5\n port q\n"), bytes)
    });
    time("json", &ParserSpec::Json(JsonSpec::default()), |bytes| {
        format!("[{}0]", repeat(|index| format!("{{\"name\": \"c{index}\", \"up\": true, \"mtu\": 1500}},\n"), bytes))
    });
    time("yaml", &ParserSpec::Yaml, |bytes| {
        repeat(|index| format!("- name: c{index}\n  up: true\n  mtu: 1500\n"), bytes)
    });
    time("xml", &ParserSpec::Xml, |bytes| {
        format!("<a>{}</a>", repeat(|index| format!("<card name='c{index}'><mtu>1500</mtu>&amp;</card>\n"), bytes))
    });
    time("xml names", &ParserSpec::Xml, |bytes| format!("<a {}/>", repeat(|index| format!("n{index}='x' "), bytes)));
    time("json keys", &ParserSpec::Json(JsonSpec::default()), |bytes| {
        format!("{{{}\"last\": 0}}", repeat(|index| format!("\"k{index}\": 1,"), bytes))
    });
}
