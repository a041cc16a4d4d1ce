//! Three layers over one another: what each adds, and what comes of it.

use std::fmt::Write as _;

use calipso_model::Environment;
use calipso_spec::{Layer, Loaded, diag, load};

fn layer(name: &str, text: &str) -> Layer {
    let files = text
        .split("=== ")
        .filter(|section| !section.trim().is_empty())
        .map(|section| {
            let (path, text) = section.split_once('\n').expect("a section has a first line");
            (path.trim().into(), text.into())
        })
        .collect();
    Layer { name: name.into(), files }
}

fn base() -> Layer {
    layer("built-in", include_str!("ui/base.case"))
}

/// Loads layers over the base; a mistake fails the test.
fn loaded(over: &[&str]) -> Loaded {
    let loaded = load_all(over);
    assert_eq!(diag::text(&loaded.diagnostics, &loaded.files, false), "");
    loaded
}

fn load_all(over: &[&str]) -> Loaded {
    let mut layers = vec![base()];
    layers.extend(over.iter().enumerate().map(|(number, text)| layer(&format!("l{number}"), text)));
    load(&layers)
}

const DISK: &str = "schema: object_type/v1\nname: disk\ndescription: More.\nsource: lsblk(8)\nextends: true\n";
const LINK: &str = "schema: link_type/v1\nname: disk-host\ndescription: More.\nsource: lsblk(8)\nextends: true\n";
const CLIQUE: &str = "schema: clique_type/v1\nname: disk\ndescription: More.\nsource: lsblk(8)\nextends: true\n";
const ONE: &str = "schema: distribution/v1\nname: One\ndescription: More.\nsource: its manual\nextends: true\n";

fn first() -> String {
    let fetcher =
        include_str!("ui/base.case").split("=== ").find_map(|section| section.strip_prefix("fetchers/disks.yaml\n"));
    let fetcher = fetcher.expect("the base has it").replacen("name: disks", "name: vendors", 1);
    let fetcher = fetcher
        .replacen("emits: [disk]", "extends: [disk]", 1)
        .replace("kind: \"", "vendor: \"")
        .replace("      size: \"{{ disk.size }}\"\n", "");
    format!(
        "=== object_types/disk.yaml\n{DISK}attributes:\n  vendor: {{type: text}}\n  kind: {{type: text, one_of: [loop]}}\n\
         forms:\n  - {{form: loop, when: self.device is startingwith('loop'), id: \"loop-{{{{ self.device }}}}\", name: \"{{{{ self.device }}}}\", \
         parent: {{type: host, id: \"{{{{ self.host }}}}\"}}}}\n\
         derive:\n  - {{attribute: label, value: \"{{{{ self.device }}}} of {{{{ self.host }}}}\"}}\n\
         === fetchers/vendors.yaml\n{fetcher}\n\
         === link_types/disk-host.yaml\n{LINK}rules:\n  - {{name: by label, from: {{key: \"[from.label]\"}}, to: {{key: \"[to.name]\"}}, \
         link: {{attributes: {{vendor: \"{{{{ from.vendor }}}}\"}}}}}}\n\
         === clique_types/disk.yaml\n{CLIQUE}constraints: [vendor]\n\
         === distributions/One.yaml\n{ONE}commands:\n  - {{name: first, versions: {{at_least: \"2\"}}, match_any: [lsblk -b], run: [{{command: \"a {{{{ command }}}}\"}}]}}\n\
         values: [{{set: {{tool: lsscsi}}}}]\n"
    )
}

fn second() -> String {
    format!(
        "=== object_types/disk.yaml\n{DISK}derive:\n  - {{attribute: label, value: \"{{{{ self.device }}}}\"}}\n  \
         - {{attribute: maker, value: \"{{{{ self.vendor }}}}\"}}\n\
         === object_types/volume.yaml\nschema: object_type/v1\nname: volume\ndescription: More.\nsource: its manual\nextends: true\n\
         derive:\n  - {{attribute: title, value: \"{{{{ self.label }}}}\"}}\n\
         === link_types/host-volume.yaml\nschema: link_type/v1\nname: host-volume\ndescription: Of it.\nsource: its manual\nfrom: host\nto: volume\n\
         rules:\n  - {{name: by label, from: {{key: \"[from.name]\"}}, to: {{key: \"[to.label]\"}}, \
         link: {{attributes: {{maker: \"{{{{ to.label }}}}\"}}}}}}\n\
         === clique_types/disk.yaml\n{CLIQUE}path: [host-volume]\nconstraints: [maker]\n\
         === distributions/One.yaml\n{ONE}commands:\n  - {{name: second, versions: {{below: \"2\"}}, match_any: [lsblk -b], run: [{{command: \"b {{{{ command }}}}\"}}]}}\n\
         values: [{{set: {{tool: lshw}}}}]\nversions: [\"4\"]\n"
    )
}

/// What is in force, as text.
fn shown(loaded: &Loaded) -> String {
    let mut out = String::new();
    let specs = &loaded.specs;
    let disk = &specs.object_types["disk"];
    for (name, attribute) in &disk.attributes {
        let values =
            if attribute.one_of.is_empty() { String::new() } else { format!(" of {}", attribute.one_of.join(", ")) };
        let _ = writeln!(out, "attribute {name}{values} ({})", attribute.at.file);
    }
    for form in &disk.forms {
        let _ = writeln!(out, "form {} ({})", form.name, form.at.file);
    }
    for rule in &disk.derive {
        let _ = writeln!(out, "derived {} ({})", rule.attribute, rule.at.file);
    }
    for rule in &specs.link_types["disk-host"].rules {
        let _ = writeln!(out, "rule {} ({})", rule.name, rule.at.file);
    }
    let clique = &specs.clique_types["disk"];
    let path: Vec<&str> = clique.path.iter().map(|step| step.link_type.as_ref()).collect();
    let _ = writeln!(out, "path {}, constraints {}", path.join(" "), clique.constraints.join(" "));
    let one = &specs.distributions["One"];
    let _ = writeln!(out, "versions {}", one.versions.join(" "));
    for version in &one.versions {
        let environment =
            Environment { distribution: "One".into(), version: version.clone(), ..Environment::default() };
        let rules: Vec<&str> = one.rules_for(&environment).map(|rule| rule.name.as_ref()).collect();
        let _ = writeln!(
            out,
            "commands of {version}: {}; tool {}",
            rules.join(", "),
            one.values_for(version).get("tool").map_or_else(String::new, |tool| tool.to_json())
        );
    }
    out
}

#[test]
fn three_layers_compose() {
    let loaded = loaded(&[&first(), &second()]);
    insta::assert_snapshot!(shown(&loaded), @r#"
    attribute device (object_types/disk.yaml)
    attribute host (object_types/disk.yaml)
    attribute kind of disk, part, loop (object_types/disk.yaml)
    attribute size (object_types/disk.yaml)
    attribute vendor (l0/object_types/disk.yaml)
    form loop (l0/object_types/disk.yaml)
    form disk (object_types/disk.yaml)
    derived host_roles (object_types/disk.yaml)
    derived label (l0/object_types/disk.yaml)
    derived label (l1/object_types/disk.yaml)
    derived maker (l1/object_types/disk.yaml)
    rule by name (link_types/disk-host.yaml)
    rule by label (l0/link_types/disk-host.yaml)
    path disk-host host-volume, constraints host vendor maker
    versions 1 2 3 4
    commands of 1: second, in a container; tool "lshw"
    commands of 2: first, in a container; tool "lshw"
    commands of 3: first, in a container; tool "lshw"
    commands of 4: first, in a container; tool "lshw"
    "#);
}

#[test]
fn names_of_an_extension_do_not_disturb_those_that_it_extends() {
    // The generators of each layer's rules have slots of their own.
    let more = format!(
        "=== object_types/disk.yaml\n{DISK}derive:\n  - {{attribute: parts, own: {{each: part in self.size | as_list, key: \"[part]\"}}, value: \"{{{{ part }}}}\", take: all}}\n"
    );
    let still = format!(
        "=== object_types/disk.yaml\n{DISK}derive:\n  - {{attribute: pieces, own: {{each: piece in self.device | as_list, key: \"[piece]\"}}, value: \"{{{{ piece }}}}\", take: all}}\n"
    );
    let loaded = loaded(&[&more, &still]);
    let layout = &loaded.specs.object_types["disk"].layout;
    let slot = |name: &str| layout.find(name).unwrap_or_else(|| panic!("`{name}` has a slot"));
    assert_ne!(slot("part"), slot("piece"));
    assert!(slot("self") < slot("part") && slot("part") < slot("piece"));
}

#[test]
fn a_replacement_drops_what_was_added_and_says_so() {
    let whole =
        include_str!("ui/base.case").split("=== ").find_map(|section| section.strip_prefix("object_types/disk.yaml\n"));
    let whole = whole.expect("the base has it");
    let more = format!(
        "=== object_types/disk.yaml\n{DISK}derive:\n  - {{attribute: label, value: \"{{{{ self.device }}}}\"}}\n"
    );
    let loaded = load_all(&[&more, &format!("=== object_types/disk.yaml\n{whole}")]);
    let said = loaded.diagnostics.iter().find(|found| found.code == "spec/replaced").expect("it is said");
    assert!(
        said.help.as_deref().is_some_and(|help| help.contains("what l0/object_types/disk.yaml adds to it")),
        "{said:?}"
    );
    assert!(loaded.specs.object_types["disk"].derive.iter().all(|rule| rule.attribute.as_ref() != "label"));
    let meant = load_all(&[&more, &format!("=== object_types/disk.yaml\noverrides: true\n{whole}")]);
    assert_eq!(diag::text(&meant.diagnostics, &meant.files, false), "");
}

#[test]
fn tests_of_all_layers_run_but_those_that_others_stand_for() {
    let test = |name: &str| {
        format!(
            "=== parsers/{name}.test.yaml\nschema: test/v1\nof: {{parser: lsblk}}\ncases: [{{name: {name}, input: \"sda 5\", expect: {{value: []}}}}]\n"
        )
    };
    let parser = "=== parsers/lsblk.yaml\nschema: parser/v1\nname: lsblk\ndescription: Other.\nsource: lsblk(8)\noverrides: true\nparse: {regex: {match: '^(?<device>\\S+) (?<size>\\d+) (?<kind>\\w+)$', each_line: true, types: {size: integer}}}\n";
    let run = |loaded: &Loaded| loaded.tests.iter().map(|test| test.at.file.to_string()).collect::<Vec<_>>();
    // A test of the same name in a later layer stands beside the first.
    let both = loaded(&[&test("lsblk"), &test("lsblk")]);
    assert_eq!(run(&both), ["l0/parsers/lsblk.test.yaml", "l1/parsers/lsblk.test.yaml"]);
    // What takes a spec's place is tested by its tests …
    let replaced = loaded(&[&test("lsblk"), parser]);
    assert_eq!((run(&replaced), replaced.left_out.len()), (vec!["l0/parsers/lsblk.test.yaml".to_owned()], 0));
    // … unless it has tests of its own.
    let own = loaded(&[&test("lsblk"), &format!("{parser}{}", test("lsblk"))]);
    assert_eq!(run(&own), ["l1/parsers/lsblk.test.yaml"]);
    assert_eq!(own.left_out.len(), 1);
    assert_eq!(own.left_out[0].test.as_ref(), "l0/parsers/lsblk.test.yaml");
}
