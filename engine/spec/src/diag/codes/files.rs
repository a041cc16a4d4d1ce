//! Codes about files, keys and tests.

use super::Code;

/// In the order of the reference.
pub(super) const CODES: &[Code] = &[
    Code::error(
        "yaml/syntax",
        "the file is not the YAML that specs are written in",
        "A spec is one YAML document of at most 1 MiB, 100,000 nodes and 64 levels, with text keys, each once. Anchors, aliases, tags and merge keys are refused: they move a mistake away from the place where it is made.",
        "source: ls(1)\nsource: ls(1)",
        "source: ls(1)",
    ),
    Code::error(
        "spec/unknown-key",
        "a key that this kind, step or block does not have",
        "Every map of a spec has a closed set of keys; a misspelt one would silently do nothing. The help names the nearest key, or all of them.",
        "undr: host",
        "under: host",
    ),
    Code::error(
        "spec/missing-key",
        "a required key is not there",
        "The key has no default. The reference of the kind says what it holds.",
        "schema: fetcher/v1\nname: disks\n# no `under`",
        "schema: fetcher/v1\nname: disks\nunder: host",
    ),
    Code::error(
        "spec/wrong-type",
        "a value of another type than the key has",
        "Every key has one type: a list stays a list when it has one element, and a text that looks like a number or a bool is quoted.",
        "emits: disk",
        "emits: [disk]",
    ),
    Code::error(
        "spec/wrong-schema",
        "the schema and the folder say different things",
        "The folder says what kind of spec a file is, and its first line says so again, with the version of the format.",
        "# fetchers/disks.yaml\nschema: parser/v1",
        "# fetchers/disks.yaml\nschema: fetcher/v1",
    ),
    Code::error(
        "spec/name-is-not-file-name",
        "name and file name differ",
        "A spec is found by its name; the file has the same one, so that both can be searched for.",
        "# fetchers/disks.yaml\nname: disk_list",
        "# fetchers/disks.yaml\nname: disks",
    ),
    Code::error(
        "spec/duplicate",
        "the same kind and name twice in one layer",
        "Nothing would say which of the two counts. A later layer may replace a spec; one layer may not. The names of the cases of a test are unique as well.",
        "fetchers/disks.yaml and fetchers/more/disks.yaml both say\nname: disks",
        "name: disks_by_path",
    ),
    Code::warning(
        "spec/replaced",
        "a later layer replaces this spec",
        "The whole spec of the earlier layer is out of use. That may be intended; it is said because it may also be an accident.",
        "# my-specs/fetchers/disks.yaml, where the built-in specs have one\nname: disks",
        "# my-specs/fetchers/my_disks.yaml\nname: my_disks",
    ),
    Code::error(
        "spec/no-source",
        "the spec does not say where its knowledge comes from",
        "A reader who doubts a regular expression or a field must be able to look it up: a manual page, an API, a table, a recording.",
        "description: The disks of a host.",
        "description: The disks of a host.\nsource: lsblk(8)",
    ),
    Code::warning(
        "spec/unreached",
        "no scan ever uses this spec",
        "A parser that no step names, a fetcher under a type that nothing emits, or a stand-in that no distribution puts in place is dead text; readers take it for working.",
        "# parsers/lsblk.yaml, which no step names",
        "parse: {named: lsblk}",
    ),
    Code::error(
        "test/nothing-run",
        "a test that cannot fail",
        "A case without `expect` asserts nothing, and a test file without cases runs nothing.",
        "cases:\n  - name: a disk",
        "cases:\n  - name: a disk\n    expect: {objects: [{type: disk, id: sda}]}",
    ),
    Code::error(
        "test/no-file",
        "a test reads a file that is not there",
        "Keys that end with `_file` hold a path relative to the test file, inside the same folder of specs.",
        "stdout_file: recordings/lsbk.txt",
        "stdout_file: recordings/lsblk.txt",
    ),
    Code::error(
        "test/unknown-spec",
        "a test of a spec that does not exist",
        "`of` names one spec by kind and name.",
        "of: {fetcher: diskz}",
        "of: {fetcher: disks}",
    ),
    Code::error(
        "test/unknown-name",
        "a test names what there is not",
        "Types, attributes of types that allow no others, link types, settings and roles in a test must exist: what is misspelt in `absent`, or expected to be null, would pass for ever.",
        "expect: {absent: [{type: diks, id: sda}]}",
        "expect: {absent: [{type: disk, id: sda}]}",
    ),
];
