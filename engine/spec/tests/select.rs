//! What an environment gets: selectors, specificity, layers, settings, replacements.

use std::sync::Arc;

use calipso_model::{Environment, Str, Value};
use calipso_spec::{Layer, Loaded, load, select};

fn layers(layers: &[&[(&str, &str)]]) -> Loaded {
    let layers: Vec<Layer> = layers
        .iter()
        .map(|files| Layer {
            name: "built-in".into(),
            files: files.iter().map(|(path, text)| (Str::from(*path), Arc::from(*text))).collect(),
        })
        .collect();
    load(&layers)
}

const ONE: &str = "schema: distribution/v1\nname: One\ndescription: d\nsource: s\nplatform: cloud\nversions: [\"1\", \"2\", \"10\"]\nvariances:\n  - {mechanism_drivers: [BRIDGE], features: {scanning: true}}\n  - {versions: {at_least: \"10\"}, mechanism_drivers: [SWITCH], features: {scanning: false}}\nvalues:\n  - {set: {tool: old, level: 1}}\n  - {versions: {at_least: \"2\"}, set: {tool: new}}\ncommands:\n  - {name: a, match_any: [ls], run: [{command: \"x {{ command }}\"}]}\nsettings:\n  - {versions: {any_of: [\"2\"]}, f: {prefix: for-two}}\n  - f: {prefix: for-all}\nreplaces:\n  - {kind: fetcher, name: f, with: g, versions: {at_least: \"10\"}}\n";

fn fetcher(name: &str) -> String {
    format!(
        "schema: fetcher/v1\nname: {name}\ndescription: d\nsource: s\nunder: environment\nemits: [host]\nsettings:\n  prefix: {{type: text, default: none}}\nsteps:\n  - {{emit: host, set: {{host: \"{{{{ settings.prefix }}}}\"}}}}\n"
    )
}

fn clique(name: &str, environment: &str) -> String {
    format!(
        "schema: clique_type/v1\nname: {name}\ndescription: d\nsource: s\nfocal_point: host\nenvironment: {environment}\npath: []\n"
    )
}

fn environment(version: &str) -> Environment {
    Environment {
        name: "prod".into(),
        distribution: "One".into(),
        version: version.into(),
        mechanism_drivers: vec!["BRIDGE".into()],
        ..Environment::default()
    }
}

fn small() -> Loaded {
    let (f, g) = (fetcher("f"), fetcher("g"));
    layers(&[&[("distributions/One.yaml", ONE), ("fetchers/f.yaml", &f), ("fetchers/g.yaml", &g)]])
}

#[test]
fn versions_are_compared_by_their_place() {
    let loaded = small();
    let one = &loaded.specs.distributions["One"];
    let tool = |version: &str| one.values_for(version).get("tool").cloned();
    assert_eq!(tool("1"), Some(Value::text("old")));
    assert_eq!(tool("2"), Some(Value::text("new")));
    assert_eq!(tool("10"), Some(Value::text("new")));
    assert_eq!(one.values_for("10").get("level"), Some(&Value::Int(1)));
}

#[test]
fn a_setting_for_the_version_counts_before_one_for_all() {
    let loaded = small();
    let prefix = |version: &str| {
        select::settings(&loaded.specs, &environment(version), &loaded.specs.fetchers["f"]).get("prefix").cloned()
    };
    assert_eq!(prefix("2"), Some(Value::text("for-two")));
    assert_eq!(prefix("1"), Some(Value::text("for-all")));
    let other = select::settings(&loaded.specs, &environment("1"), &loaded.specs.fetchers["g"]);
    assert_eq!(other.get("prefix"), Some(&Value::text("none")));
}

#[test]
fn a_stand_in_is_used_for_its_versions_only() {
    let loaded = small();
    let one = &loaded.specs.distributions["One"];
    let names = |version: &str| -> Vec<Str> {
        select::fetchers(&loaded.specs, &environment(version), one).iter().map(|spec| spec.head.name.clone()).collect()
    };
    assert_eq!(names("1"), [Str::from("f")]);
    assert_eq!(names("10"), [Str::from("g")]);
}

#[test]
fn support_is_what_a_variance_says() {
    let loaded = small();
    let one = &loaded.specs.distributions["One"];
    assert!(one.supports(&environment("1"), "scanning"));
    let switch = |version: &str| Environment { mechanism_drivers: vec!["SWITCH".into()], ..environment(version) };
    assert!(!one.supports(&switch("1"), "scanning"), "no variance");
    assert!(!one.supports(&switch("10"), "scanning"), "switched off");
}

#[test]
fn the_most_specific_clique_type_comes_first() {
    let cliques = [
        ("any", "{}"),
        ("by_platform", "{platform: {any_of: [cloud]}}"),
        ("by_driver", "{mechanism_drivers: {any_of: [BRIDGE]}}"),
        ("by_distribution", "{distribution: {any_of: [One]}}"),
        ("from_one", "{distribution: {any_of: [One]}, version: {at_least: \"1\"}}"),
        ("from_two", "{distribution: {any_of: [One]}, version: {at_least: \"2\"}}"),
        ("exactly_two", "{distribution: {any_of: [One]}, version: {any_of: [\"2\"]}}"),
        ("by_name", "{name: {any_of: [prod]}}"),
        ("other", "{mechanism_drivers: {none_of: [BRIDGE]}}"),
    ];
    let texts: Vec<(String, String)> =
        cliques.iter().map(|(name, selector)| (format!("clique_types/{name}.yaml"), clique(name, selector))).collect();
    let mut files: Vec<(&str, &str)> = vec![("distributions/One.yaml", ONE)];
    files.extend(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    let loaded = layers(&[&files]);
    let one = &loaded.specs.distributions["One"];
    let names: Vec<Str> =
        select::clique_types(&loaded.specs, &environment("2"), one).iter().map(|spec| spec.head.name.clone()).collect();
    let wanted =
        ["by_name", "exactly_two", "from_two", "from_one", "by_distribution", "by_driver", "by_platform", "any"];
    assert_eq!(names, wanted.map(Str::from));
}

#[test]
fn a_later_layer_extends_a_distribution() {
    let more = "schema: distribution/v1\nname: One\ndescription: d\nsource: s\nextends: true\nversions: [\"11\"]\nvalues:\n  - {set: {level: 2}}\ncommands:\n  - {name: b, match_any: [ls], run: [{command: \"y {{ command }}\"}]}\n";
    let loaded = layers(&[&[("distributions/One.yaml", ONE)], &[("distributions/One.yaml", more)]]);
    let one = &loaded.specs.distributions["One"];
    assert_eq!(one.platform.as_ref(), "cloud");
    let commands: Vec<&str> = one.commands.iter().map(|rule| rule.name.as_ref()).collect();
    assert_eq!(commands, ["b", "a"]);
    assert_eq!(one.values_for("1").get("level"), Some(&Value::Int(2)));
    assert_eq!(one.values_for("1").get("tool"), Some(&Value::text("old")));
    assert_eq!(one.versions.last().map(AsRef::as_ref), Some("11"));
    assert!(!loaded.diagnostics.iter().any(|known| known.code == "spec/replaced"));
}

#[test]
fn a_later_layer_replaces_a_spec_whole() {
    let other = ONE.replace("platform: cloud", "platform: metal").replace("  - {set: {tool: old, level: 1}}\n", "");
    let loaded = layers(&[&[("distributions/One.yaml", ONE)], &[("distributions/One.yaml", &other)]]);
    assert_eq!(loaded.specs.distributions["One"].platform.as_ref(), "metal");
    assert_eq!(loaded.specs.distributions["One"].values_for("1").get("level"), None);
    assert!(loaded.diagnostics.iter().any(|known| known.code == "spec/replaced"));
}

#[test]
fn stars_stand_for_any_characters() {
    for (pattern, word, fits) in [
        ("ls", "ls", true),
        ("ls", "lsx", false),
        ("q*", "q", true),
        ("q*", "qrouter-1", true),
        ("q*-1", "qrouter-1", true),
        ("q*-1", "q-", false),
        ("*", "", true),
        ("a*b*c", "axbxc", true),
        ("a*b*c", "axcxb", false),
        ("a*a", "a", false),
    ] {
        assert_eq!(select::glob(pattern, word), fits, "{pattern} {word}");
    }
}
