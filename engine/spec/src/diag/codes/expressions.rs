//! Codes about expressions, templates and generators.

use super::Code;

/// In the order of the reference.
pub(super) const CODES: &[Code] = &[
    Code::error(
        "expr/syntax",
        "an expression or template does not parse",
        "The language has paths, literals, operators, filters and tests, and no statements: no `{% %}`, no assignment, no calls but the functions of the reference.",
        "when: disk.size >",
        "when: disk.size > 0",
    ),
    Code::error(
        "expr/unknown-name",
        "a name that is not known here",
        "Each place of a spec sees the names of its kind, the results of earlier steps and the generators around it. The help names the nearest one.",
        "when: prent.host == 'a'",
        "when: parent.host == 'a'",
    ),
    Code::error(
        "expr/shadowed-name",
        "a name is bound twice",
        "A name means one thing in a spec, so that a reader need not ask which one.",
        "each: parent in disks",
        "each: disk in disks",
    ),
    Code::error(
        "expr/unknown-filter",
        "a filter, test or function that the language does not have",
        "The set is closed; the reference lists it with all arguments. A wrong number of arguments is reported here as well.",
        "when: disk.name | uper == 'SDA'",
        "when: disk.name | upper == 'SDA'",
    ),
    Code::error(
        "expr/unknown-attribute",
        "an attribute that is never there",
        "What the parser, the object type, the connection's fields or the settings can hold is known before anything runs; this name is not among it.",
        "parse: {regex: {match: '^(?<name>\\S+)', each_line: true}}\n# …\nvalue: \"{{ disk.nam }}\"",
        "value: \"{{ disk.name }}\"",
    ),
    Code::error(
        "expr/wrong-type",
        "an operation on a value that is known to have another type",
        "Arithmetic needs numbers (texts are joined with `~`), lists have no attributes, and maps or lists cannot be joined into a text. A value written to an attribute has the attribute's type.",
        "value: \"{{ disk.name + '-part' }}\"",
        "value: \"{{ disk.name ~ '-part' }}\"",
    ),
    Code::warning(
        "expr/maybe-undefined",
        "something optional is read as if it were always there",
        "An optional field, a group of a regular expression that may take no part, or a narrowing can be missing; reading it then fails the step.",
        "value: \"{{ config.gateway }}\"",
        "value: \"{{ config.gateway | default }}\"",
    ),
    Code::error(
        "expr/template-in-constant",
        "braces where there are no templates",
        "Names, types, regular expressions and limits are constants; keys such as `when` and `each` hold an expression already and take no braces.",
        "when: \"{{ disk.size > 0 }}\"",
        "when: disk.size > 0",
    ),
    Code::error(
        "expr/missing-braces",
        "an expression where a template belongs",
        "Values are text until `{{ … }}` stands in them. This text reads like an expression of names that are known here, and would be kept as it is.",
        "id: self.host",
        "id: \"{{ self.host }}\"",
    ),
    Code::warning(
        "expr/misspelt-attribute",
        "an attribute that is probably misspelt",
        "Objects of the type may have attributes that nobody declares, but nothing declares, emits or derives this one, and one with nearly the same name is known. Declare it if it is meant.",
        "value: \"{{ self.mac_adress }}\"",
        "value: \"{{ self.mac_address }}\"",
    ),
    Code::error(
        "expr/never-equal",
        "a comparison with a value that is never there",
        "`one_of` of the attribute lists the values that it can have; this is none of them, so the comparison always comes out the same.",
        "when: self.kind == 'dsik'\n# and the type says one_of: [disk, part]",
        "when: self.kind == 'disk'",
    ),
    Code::error(
        "expr/unbound-result",
        "a name from inside a block, read outside of it",
        "What the steps of a `do` or of an alternative bind is visible inside it only; outside, only its `value` is, through `as`.",
        "- do: [{run: lsblk, as: found}]\n- emit: disk\n  each: disk in found",
        "- do: [{run: lsblk, as: found}]\n  value: \"{{ found }}\"\n  as: disks\n- emit: disk\n  each: disk in disks",
    ),
    Code::error(
        "each/bad-generator",
        "not a generator, or one that cannot run over its value",
        "A generator is `name in list` or `key, value in map`; several are separated by `;`.",
        "each: disk from disks",
        "each: disk in disks",
    ),
];
