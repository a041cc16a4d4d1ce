//! Parses one text some times and prints, as JSON, the fastest run in seconds and what was found:
//! `beside ip_address|brctl_show|ovs_vsctl_show FILE RUNS`. `tests/bench/parsers/run` compares that with other tools.

use std::{collections::BTreeMap, error::Error, time::Instant};

use calipso_model::Str;
use calipso_parse::{BlockSpec, BlocksSpec, Conversion, LastColumn, LineOptions, Parser, ParserSpec, TableSpec};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, file, runs] = arguments.as_slice() else {
        return Err("say which parser, which file and how often".into());
    };
    let spec = match name.as_str() {
        "ip_address" => ParserSpec::Blocks(ip_address()),
        "brctl_show" => ParserSpec::Table(brctl_show()),
        "ovs_vsctl_show" => ParserSpec::Blocks(ovs_vsctl_show()),
        other => return Err(format!("there is no parser {other}").into()),
    };
    let parser = Parser::new(&spec).map_err(|errors| format!("{errors:?}"))?;
    let text = std::fs::read_to_string(file)?;
    let mut fastest = f64::INFINITY;
    let mut value = parser.parse(&text)?;
    for _ in 0..runs.parse()? {
        let begun = Instant::now();
        value = parser.parse(&text)?;
        fastest = fastest.min(begun.elapsed().as_secs_f64());
    }
    println!("{{\"seconds\": {fastest}, \"value\": {value}}}");
    Ok(())
}

fn types<const N: usize>(types: [(&str, Conversion); N]) -> BTreeMap<Str, Conversion> {
    types.into_iter().map(|(name, conversion)| (name.into(), conversion)).collect()
}

fn ip_address() -> BlocksSpec {
    let start = r"^(?<ifindex>\d+): (?<ifname>[^:@\s]+)(?:@(?<link>[^:\s]+))?: <(?<flags>[^>]*)> mtu (?<mtu>\d+) .*?state (?<operstate>\w+)";
    let address = r"^\s+(?<family>inet6?) (?<local>[^/\s]+)/(?<prefixlen>\d+) .*?scope (?<scope>\w+)";
    let block = BlockSpec {
        start: start.to_owned(),
        fields: Some(r"^\s+link/(?<link_type>\S+) (?<address>\S+)".to_owned()),
        lists: [("addr_info".into(), address.to_owned())].into(),
        types: types([
            ("ifindex", Conversion::Integer),
            ("mtu", Conversion::Integer),
            ("prefixlen", Conversion::Integer),
            ("flags", Conversion::CommaList),
        ]),
        ..BlockSpec::default()
    };
    BlocksSpec { block, ..BlocksSpec::default() }
}

fn brctl_show() -> TableSpec {
    TableSpec {
        options: LineOptions {
            after: Some("^bridge name".to_owned()),
            continues: Some(r"^\t".to_owned()),
            ..LineOptions::default()
        },
        columns: Some(["name", "id", "stp", "interfaces"].map(Str::from).to_vec()),
        last: LastColumn::RestOfLine,
        types: types([("stp", Conversion::Bool), ("interfaces", Conversion::Words)]),
        ..TableSpec::default()
    }
}

fn ovs_vsctl_show() -> BlocksSpec {
    let interfaces = BlockSpec {
        start: r#"^            Interface "?(?<name>[^"\s]+)"?$"#.to_owned(),
        fields: Some(r#"^                (?:type: "?(?<type>[^"\s]+)"?|options: \{(?<options>.*)\})$"#.to_owned()),
        ..BlockSpec::default()
    };
    let ports = BlockSpec {
        start: r#"^        Port "?(?<name>[^"\s]+)"?$"#.to_owned(),
        fields: Some(r"^            tag: (?<tag>\d+)$".to_owned()),
        types: types([("tag", Conversion::Integer)]),
        blocks: [("interfaces".into(), interfaces)].into(),
        ..BlockSpec::default()
    };
    let block = BlockSpec {
        start: r#"^    Bridge "?(?<name>[^"\s]+)"?$"#.to_owned(),
        blocks: [("ports".into(), ports)].into(),
        ..BlockSpec::default()
    };
    BlocksSpec { block, ..BlocksSpec::default() }
}
