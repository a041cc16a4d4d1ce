//! What is misspelt in a test file is found by `check`, at its line.

use calipso_spec::{Layer, Severity, load};

const TYPE: &str = "schema: object_type/v1
name: thing
description: A thing.
source: none
attributes:
  name: {type: text, description: Name.}
other_attributes: rejected
forms: [{form: thing, id: \"{{ self.name }}\", name: \"{{ self.name }}\", parent: {type: environment}, folders: [{type: things_folder, id: things, text: Things}]}]
";

const FETCHER: &str = "schema: fetcher/v1
name: things
description: Things.
source: none
under: environment
emits: [thing]
settings: {deep: {type: bool, default: false}}
steps:
  - {http: GET /things, via: api, as: things}
  - {emit: thing, each: thing in things, when: settings.deep, set: {name: \"{{ thing }}\"}}
";

const CONNECTION: &str = "schema: connection/v1
name: api
description: The API.
source: none
role: api
transport: http
fields: {url: {type: url, description: Where.}}
base: config.url
test: [{http: GET /things, name: answers}]
";

const DISTRIBUTION: &str = "schema: distribution/v1
name: Plain
description: A platform.
source: none
platform: plain
versions: [\"1\", \"2\"]
variances: [{mechanism_drivers: [OVS], type_drivers: [vxlan]}]
";

const GOOD: &str = "schema: test/v1
of: {fetcher: things}
cases:
  - name: one
    environment: {distribution: Plain, version: \"1\", mechanism_drivers: [OVS], type_drivers: [vxlan]}
    settings: {deep: true}
    objects: [{type: thing, name: b}]
    answers:
      http:
        - {get: /things, via: api, body: [a]}
        - get: /others
          error: timeout
    expect:
      objects: [{type: thing, id: a, name: a}, {type: things_folder, id: things}]
      absent: [{type: thing, id: c}]
      outcome: complete
";

/// Line and sentence of every error of the test file.
fn errors(test: &str) -> Vec<(u32, String)> {
    let files = [
        ("object_types/thing.yaml", TYPE),
        ("fetchers/things.yaml", FETCHER),
        ("connections/api.yaml", CONNECTION),
        ("distributions/Plain.yaml", DISTRIBUTION),
        ("fetchers/things.test.yaml", test),
    ];
    let files = files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
    let loaded = load(&[Layer { name: "built-in".into(), files }]);
    loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .map(|found| {
            assert_eq!(found.primary.file.as_ref(), "fetchers/things.test.yaml", "{}", found.message);
            let (line, _) = calipso_spec::diag::line_column(test, found.primary.range.start);
            (line, found.message.clone())
        })
        .collect()
}

#[test]
fn a_good_test_has_no_error() {
    assert_eq!(errors(GOOD), Vec::new());
}

#[test]
fn what_is_misspelt_is_found_at_its_line() {
    for (good, bad, line, says) in [
        ("outcome: complete", "negativ: true", 16, "`expect` has no key `negativ`"),
        ("outcome: complete", "negative: true", 16, "a test of a fetcher expects no `negative`"),
        ("outcome: complete", "outcome: complet", 16, "`outcome` cannot be `complet`"),
        ("outcome: complete", "failures: text", 16, "`failures` must be a list"),
        ("error: timeout", "sterr: x", 12, "an answered request has no key `sterr`"),
        ("error: timeout", "error: timout", 12, "`error` cannot be `timout`"),
        ("      http:", "      https:", 9, "`answers` has no key `https`"),
        ("via: api", "via: apy", 10, "no connection has the role `apy`"),
        ("version: \"1\"", "version: \"3\"", 5, "the distribution `Plain` has no version `3`"),
        ("distribution: Plain", "distribution: Plane", 5, "there is no distribution `Plane`"),
        ("[OVS]", "[OSV]", 5, "no distribution declares the mechanism driver `OSV`"),
        ("[vxlan]", "[vxlam]", 5, "no distribution declares the type driver `vxlam`"),
        ("settings: {deep", "settings: {depe", 6, "the fetcher `things` has no setting `depe`"),
        ("objects: [{type: thing, name: b}]", "objects: [{type: thign, name: b}]", 7, "named `thign`"),
        ("name: a}, {type", "knid: null}, {type", 14, "a `thing` has no attribute `knid`"),
        ("things_folder", "thing_folder", 14, "no object type or folder is named `thing_folder`"),
        ("absent: [{type: thing", "absent: [{type: thin", 15, "no object type or folder is named `thin`"),
        ("absent: [{type: thing, id", "absent: [{id", 15, "lacks the key `type`"),
        ("    settings: {deep: true}", "    input: text", 6, "a test of a fetcher has no `input`"),
        ("    settings: {deep: true}", "    command: x", 6, "a case has no key `command`"),
    ] {
        assert!(GOOD.contains(good), "{good}");
        let found = errors(&GOOD.replace(good, bad));
        assert!(
            found.iter().any(|(at, message)| *at == line && message.contains(says)),
            "{bad}: line {line}, `{says}`: {found:#?}"
        );
    }
}

#[test]
fn a_name_that_stands_twice_is_reported_where_it_stands_again() {
    let again = "  - name: one\n    expect: {none: true}\n";
    let found = errors(&format!("{GOOD}{again}"));
    assert_eq!(found, [(17, "two cases are named `one`".to_owned())]);
}

#[test]
fn links_and_cliques_name_what_there_is() {
    let test = "schema: test/v1
of: {link_type: thing-thing}
cases:
  - name: one
    expect:
      links_exact:
        - {type: thing-thng, source: a}
        - {type: thing-thing, sorce: a}
";
    let found = errors(test);
    for (line, says) in [(7, "no link type is named `thing-thng`"), (8, "an expected link has no key `sorce`")] {
        assert!(found.iter().any(|(at, message)| *at == line && message.contains(says)), "{says}: {found:#?}");
    }
}

#[test]
fn a_search_is_a_map_of_lists_and_only_object_types_expect_one() {
    let test = |kind: &str, search: &str| {
        format!(
            "schema: test/v1\nof: {{{kind}}}\ncases:\n  - name: one\n    objects: [{{type: thing, name: a}}]\n    expect: {{search: {search}}}\n"
        )
    };
    let of_type = "object_type: thing";
    assert_eq!(errors(&test(of_type, "{a: [a], b: []}")), Vec::new());
    for (kind, search, says) in [
        (of_type, "[a]", "`search` must be a map"),
        (of_type, "{a: a}", "`search` must be a list of ids"),
        ("fetcher: things", "{a: [a]}", "a test of a fetcher expects no `search`"),
    ] {
        let found = errors(&test(kind, search));
        assert!(found.iter().any(|(line, message)| *line == 6 && message.contains(says)), "{says}: {found:#?}");
    }
}
