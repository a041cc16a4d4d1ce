//! Codes about link types and clique types.

use super::Code;

/// In the order of the reference.
pub(super) const CODES: &[Code] = &[
    Code::error(
        "link/bad-name",
        "the name is not FROM-TO",
        "A link type is named after the types of its ends.",
        "name: disk-of-host\nfrom: disk\nto: host",
        "name: disk-host\nfrom: disk\nto: host",
    ),
    Code::error(
        "link/both-directions",
        "both directions declared",
        "A link is walked either way; cliques and queries would see it twice.",
        "link_types/disk-host.yaml and link_types/host-disk.yaml",
        "# keep one of them; a clique path may name it either way",
    ),
    Code::error(
        "link/key-sizes-differ",
        "the two keys have different lengths",
        "Keys meet when all their parts are equal, part by part.",
        "from: {key: \"[from.host, from.name]\"}\nto: {key: \"[to.host]\"}",
        "to: {key: \"[to.host, to.name]\"}",
    ),
    Code::error(
        "link/key-no-list",
        "a key that is not written as a list",
        "A key is a list of parts, also where it has one; written otherwise, a list value would be taken for several parts.",
        "from: {key: from.host}",
        "from: {key: \"[from.host]\"}",
    ),
    Code::warning(
        "link/key-types-differ",
        "parts of the keys that can never be equal",
        "Comparison of different types is false, so the rule makes no link.",
        "from: {key: \"[from.index]\"}    # an integer\nto: {key: \"[to.name]\"}         # a text",
        "from: {key: \"[from.index | string]\"}",
    ),
    Code::error(
        "link/end-reads-other",
        "an end uses the object of the other end",
        "The keys of each end are computed from its own object; conditions on the pair stand in `when` of the rule.",
        "from: {when: from.size > to.size, key: \"[from.host]\"}",
        "from: {key: \"[from.host]\"}\nwhen: from.size > to.size",
    ),
    Code::error(
        "link/never-applies",
        "no supported variance fulfils the selector",
        "The distributions declare what is supported; this spec or rule is used by none of it.",
        "environment: {mechanism_drivers: {any_of: [BIRDGE]}}",
        "environment: {mechanism_drivers: {any_of: [BRIDGE]}}",
    ),
    Code::error(
        "clique/unknown-link-type",
        "a path entry that is declared in neither direction",
        "Entries of `path` are names of link types, in the direction in which they are walked.",
        "path: [disk-hots]",
        "path: [disk-host]",
    ),
    Code::error(
        "clique/unreachable-step",
        "a path entry that starts where the path has not been",
        "The walk begins at the focal point; each entry goes on from a type that an earlier one reached.",
        "focal_point: disk\npath: [host-rack]",
        "focal_point: disk\npath: [disk-host, host-rack]",
    ),
    Code::error(
        "clique/never-linked",
        "no rule of this link type applies where the clique type does",
        "The entry can never lead anywhere in the environments of the clique type.",
        "environment: {platform: {any_of: [a]}}\npath: [disk-host]    # whose rules are for platform b only",
        "environment: {platform: {any_of: [b]}}",
    ),
    Code::error(
        "clique/ambiguous",
        "equally specific clique types for one environment",
        "Which of them counts would be a matter of order.",
        "# two clique types with `focal_point: disk` and no `environment`",
        "environment: {distribution: {any_of: [One]}}    # in one of them",
    ),
    Code::error(
        "clique/constraint-unknown",
        "a constraint that the focal type lacks",
        "Constraints are attributes of the focal point, fetched or derived.",
        "constraints: [netwrk]",
        "constraints: [network]",
    ),
    Code::warning(
        "clique/constraint-never-carried",
        "a constraint that no link of the path carries",
        "A constraint compares an attribute of the focal point with the attribute of the same name on links. No rule of a link type of the path sets it, so every link passes.",
        "constraints: [network]\n# and no rule of the path says link: {attributes: {network: …}}",
        "link: {attributes: {network: \"{{ from.network }}\"}}",
    ),
];
