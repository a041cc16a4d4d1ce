//! Environments from data: what is understood, and where each mistake stands.

use std::collections::BTreeMap;

use calipso_model::{Environment, Value};
use calipso_parse::{Parser, ParserSpec};
use calipso_spec::{
    Layer, Specs,
    environment::{
        self, Mistake, SecretText, Secrets, choose_specs, fill, from_value, needs, to_value, unhidden, unsupported,
    },
    load,
};

const DISTRIBUTION: &str = "schema: distribution/v1
name: One
description: A distribution.
source: a test
platform: cloud
versions: ['1', '2']
variances:
  - {versions: {any_of: ['1']}, mechanism_drivers: [A], type_drivers: [flat], features: {scanning: true}}
  - {versions: {any_of: ['2']}, mechanism_drivers: [A], type_drivers: [flat], features: {scanning: true, listening: true}}
  - {versions: {any_of: ['2']}, mechanism_drivers: [B, C], type_drivers: [vlan], features: {scanning: false}}
";

const CONNECTION: &str = "schema: connection/v1
name: shell
description: Commands.
source: a test
role: hosts
transport: ssh
fields:
  gate: {type: url, optional: true}
  port: {type: port, default: 22}
  mode: {type: text, one_of: [fast, slow], default: fast}
  key_file: {type: path, optional: true}
  password: {type: text, secret: true, optional: true}
  private_key: {type: private_key, secret: true, optional: true}
  each: {type: map, optional: true, of: {address: {type: host}, password: {type: text, secret: true, optional: true}}}
aliases:
  sections: [CLI]
  fields: {pwd: password, key: private_key}
  values: {gate: \"{{ ('http://h:' ~ given.gate_port) | with_host(given.gate_host) }}\"}
  ignore: [colour]
require_any: [password, private_key]
connect: {address: '{{ target.name }}', user: x, password: '{{ config.password | default }}'}
test: [{run: 'true', name: commands run, at: \"{'name': 'a'}\"}]
";

const BROKER: &str = "schema: connection/v1
name: broker
description: The same role, otherwise.
source: a test
role: queue
transport: sql
fields: {host: {type: host}}
connect: {address: '{{ config.host }}'}
test: [{sql: SELECT 1 AS one, name: it answers}]
";

const HOST: &str = "schema: object_type/v1
name: host
description: A machine.
source: a test
other_attributes: allowed
forms: [{form: any, id: '{{ self.id }}', name: '{{ self.id }}', parent: {type: environment}}]
";

fn specs() -> Specs {
    let files = [
        ("distributions/One.yaml", DISTRIBUTION),
        ("connections/shell.yaml", CONNECTION),
        ("connections/broker.yaml", BROKER),
        ("object_types/host.yaml", HOST),
    ];
    let files = files.into_iter().map(|(path, text)| (path.into(), text.into())).collect();
    let loaded = load(&[Layer { name: "built-in".into(), files }]);
    assert!(!loaded.has_errors(), "{}", calipso_spec::diag::text(&loaded.diagnostics, &loaded.files, false));
    loaded.specs
}

fn yaml(text: &str) -> Value {
    Parser::new(&ParserSpec::Yaml).expect("a parser").parse(text).expect("YAML")
}

/// Texts in secret fields are taken as they are.
struct Open;

impl Secrets for Open {
    fn take(
        &mut self,
        _field: &calipso_spec::checked::Field,
        _name: &str,
        _pointer: &str,
        text: &str,
    ) -> Result<SecretText, String> {
        Ok(SecretText::Open(Value::text(text)))
    }
}

/// Reads, chooses specs and fills every form in; the mistakes where they stand.
fn mistakes(text: &str) -> (Environment, Vec<String>) {
    let specs = specs();
    let (mut written, mut found) = from_value(&yaml(text), &specs);
    if let Err(wrong) = choose_specs(&mut written.environment, &specs) {
        found.extend(written.placed(wrong));
    }
    let mut wrong: Vec<Mistake> = Vec::new();
    for (role, config) in &written.environment.connections {
        let Some(spec) = specs.connections.get(&config.spec).filter(|spec| spec.role == *role) else { continue };
        if let Err(mistakes) = fill(spec, &config.fields, &mut Open) {
            let at = environment::below("/connections", role);
            wrong.extend(mistakes.into_iter().map(|one| Mistake { path: format!("{at}{}", one.path), ..one }));
        }
    }
    found.extend(written.placed(wrong));
    let mut lines: Vec<String> = found.into_iter().map(|one| format!("{}: {}", one.path, one.sentence)).collect();
    lines.sort();
    (written.environment, lines)
}

fn check(text: &str, wanted: &[&str]) {
    assert_eq!(mistakes(text).1, wanted, "{text}");
}

#[test]
fn the_list_form_is_read_with_its_own_places() {
    let text = "configuration:\n- {name: CLI, pwd: s, gate_host: '::1', gate_port: '80', colour: red, port: '23'}\n";
    let (environment, wrong) = mistakes(text);
    assert_eq!(wrong, [""; 0]);
    let hosts = &environment.connections["hosts"];
    assert_eq!(hosts.fields.text("gate").map(AsRef::as_ref), Some("http://[::1]:80"));
    assert_eq!(hosts.fields.len(), 3, "{:?}", hosts.fields);
    let by_key = mistakes("configuration: [{name: shell, key: /keys/id, gate: 'http://h'}]").0;
    assert_eq!(by_key.connections["hosts"].fields.text("private_key").map(AsRef::as_ref), Some("file:/keys/id"));

    check(
        "configuration: [{name: CLI, pwd: s, gate_host: h}]",
        &["/configuration/0/gate_port: gate_port has to be given"],
    );
    check(
        "configuration: [{name: CLI, pwd: s, gate_host: 'a b', gate_port: 1}]",
        &["/configuration/0: `gate` cannot be made of gate_port, gate_host"],
    );
    let same = "/configuration/0/pwd: `pwd` and `password` are the same";
    check("configuration: [{name: CLI, gate: 'http://h', password: s, pwd: s}]", &[same]);
    check(
        "configuration: [{name: hosts, gate: 'http://h', pwd: 7}]",
        &["/configuration/0/pwd: password is a secret: it must be text, not integer"],
    );
    check(
        "configuration: [{name: CLI, gate: 'http://h', pwd: s}, {name: ssh}]",
        &["/configuration/1/name: no connection is called `ssh`"],
    );
    check(
        "configuration: [3, {}]",
        &[
            "/configuration/0: a section must be a map, not integer",
            "/configuration/1/name: a section says with `name` what it reaches",
        ],
    );
    check(
        "connections: {hosts: {password: s}}\nconfiguration: [{name: CLI, gate: 'http://h', pwd: s}]",
        &["/connections/hosts: the role hosts has a connection already, at /configuration/0"],
    );
}

#[test]
fn every_mistake_of_a_form_is_told() {
    check(
        "connections: {hosts: {port: 70000, mode: quick, gate: 'ftp://h', key_file: '', extra: 1, each: {a/b: {address: 'x y'}, c: 3}}}",
        &[
            "/connections/hosts/each/a~1b/address: address needs a host name or address, found x y",
            "/connections/hosts/each/c: each.c needs a map, found integer",
            "/connections/hosts/extra: there is no field extra; there are each, gate, key_file, known_hosts, mode, password, port, private_key, verify_host_keys",
            "/connections/hosts/gate: gate needs an absolute http or https URL without query or credentials, found ftp://h",
            "/connections/hosts/key_file: key_file needs a path, found ",
            "/connections/hosts/mode: mode has to be one of fast, slow",
            "/connections/hosts/port: port needs a port from 1 to 65535, found 70000",
            "/connections/hosts: one of password, private_key has to be given",
        ],
    );
    check(
        "connections: {hosts: {spec: broker}, disks: {}}",
        &[
            "/connections/disks: no connection has the role `disks`",
            "/connections/hosts/spec: connection `broker` does not have the role `hosts`",
        ],
    );
    check(
        "version: 1\ndistribution_version: '2'\nflags: [a, a, 3]\ncolour: red\nlisten: yes please",
        &[
            "/colour: an environment has no `colour`",
            "/flags/1: `a` stands twice",
            "/flags/2: `flags` is a list of texts, and this is integer",
            "/listen: `listen` must be true or false, not text",
            "/version: `version` and `distribution_version` are the same; give one of them",
            "/version: `version` must be text, not integer",
        ],
    );
}

#[test]
fn support_asks_for_one_variance_that_covers_all() {
    let of = |version: &str, mechanism: &[&str], types: &[&str], features: &[(&str, &str)]| -> Vec<String> {
        let list = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
        let environment = Environment {
            distribution: "One".into(),
            version: version.into(),
            mechanism_drivers: list(mechanism),
            type_drivers: list(types),
            ..Environment::default()
        };
        unsupported(&specs(), &environment, features)
            .into_iter()
            .map(|one| format!("{}: {}", one.path, one.sentence))
            .collect()
    };
    assert_eq!(of("1", &["A"], &["flat"], &[("scanning", "/distribution")]), [""; 0]);
    assert_eq!(
        of("1", &["A"], &["flat"], &[("listening", "/listen")]),
        ["/listen: One 1 with these drivers does not support listening"]
    );
    assert_eq!(of("2", &["A"], &["flat"], &[("listening", "/listen")]), [""; 0]);
    assert_eq!(
        of("2", &["A", "B"], &["flat"], &[]),
        ["/mechanism_drivers: nobody vouches for these mechanism drivers together with these type drivers"]
    );
    assert_eq!(
        of("2", &["C", "B"], &["vlan"], &[("scanning", "/distribution")]),
        ["/distribution: One 2 with these drivers does not support scanning"]
    );
    assert_eq!(
        of("1", &["B", "A"], &[], &[]),
        ["/mechanism_drivers/0: One 1 has no `B`", "/type_drivers: at least one has to be given"]
    );
    assert_eq!(of("3", &["A"], &[], &[]), ["/version: One has no version `3`"]);
}

#[test]
fn what_a_scan_needs_follows_from_its_fetchers() {
    let real = calipso_spec::read_layer(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs")))
        .expect("the specs");
    let specs = load(&[real]).specs;
    let environment = Environment {
        distribution: "Debian".into(),
        version: "zed".into(),
        mechanism_drivers: vec!["OVS".into()],
        type_drivers: vec!["vxlan".into()],
        ..Environment::default()
    };
    let found: BTreeMap<_, _> = needs(&specs, &environment);
    assert_eq!(found.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), ["database", "hosts", "openstack"]);
    assert!(found["hosts"].by.iter().any(|name| name.as_ref() == "ovs_vedge"));
    let nowhere = Environment { distribution: "Nothing".into(), ..environment };
    assert!(needs(&specs, &nowhere).is_empty());
}

#[test]
fn secrets_are_hidden_and_missed() {
    let specs = specs();
    let text = "connections: {hosts: {spec: shell, password: s3cret, private_key: 'env:KEY', port: 22, extra: s3cret, each: {a: {address: h, password: s3cret}}}}";
    let (written, _) = from_value(&yaml(text), &specs);
    let shown = to_value(&written.environment, &specs).to_json();
    assert!(!shown.contains("s3cret") && shown.contains("env:KEY") && shown.contains("\"port\":22"), "{shown}");
    let places = unhidden(&written.environment, &specs);
    assert_eq!(places, ["/connections/hosts/each/a/password", "/connections/hosts/password"]);
}
