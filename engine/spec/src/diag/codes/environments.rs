//! Codes about selectors and distributions.

use super::Code;

/// In the order of the reference.
pub(super) const CODES: &[Code] = &[
    Code::error(
        "environment/unknown-value",
        "a value that is declared nowhere",
        "Platforms, distributions, versions and drivers are those that the distributions declare.",
        "environment: {mechanism_drivers: {any_of: [BIRDGE]}}",
        "environment: {mechanism_drivers: {any_of: [BRIDGE]}}",
    ),
    Code::error(
        "environment/version-without-distribution",
        "a version without exactly one distribution",
        "Versions are ordered per distribution; alone they mean nothing.",
        "environment: {version: {at_least: \"9\"}}",
        "environment: {distribution: {any_of: [One]}, version: {at_least: \"9\"}}",
    ),
    Code::error(
        "distribution/rule-hidden",
        "a command rule behind a wider one",
        "The first rule whose pattern matches is used; all commands of this one match an earlier one that holds wherever this does.",
        "- {name: all, match_any: [ip], …}\n- {name: links, match_any: [ip link], …}",
        "- {name: links, match_any: [ip link], …}\n- {name: all, match_any: [ip], …}",
    ),
    Code::warning(
        "distribution/rule-unused",
        "a command rule that no fetcher needs",
        "No fetcher that this distribution uses runs a command that matches.",
        "match_any: [lsbk]",
        "match_any: [lsblk]",
    ),
    Code::error(
        "distribution/unknown-setting",
        "a setting that no fetcher declares, or of another type",
        "The fetcher's `settings` say names, types and defaults.",
        "settings:\n  - disks: {prefx: sd}",
        "settings:\n  - disks: {prefix: sd}",
    ),
    Code::error(
        "distribution/value-not-set",
        "`dist.values` is read where it is not set",
        "A spec that applies to some version of a distribution reads a value that the distribution does not set for it.",
        "- run: \"{{ dist.values.tool }} list\"\n# and `tool` is set for some versions only",
        "values:\n  - {set: {tool: lsblk}}",
    ),
    Code::error(
        "distribution/extends-nothing",
        "an extension of a distribution that is not there",
        "`extends: true` adds to a distribution of an earlier layer.",
        "name: Unknwon\nextends: true",
        "name: Unknown\nextends: true",
    ),
    Code::error(
        "distribution/unknown-replacement",
        "a replacement of, or by, a spec that does not exist",
        "`replaces` names two specs of the same kind.",
        "replaces: [{kind: fetcher, name: diskz, with: disks_of_one}]",
        "replaces: [{kind: fetcher, name: disks, with: disks_of_one}]",
    ),
];
