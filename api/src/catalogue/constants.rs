//! Lists of words, computed from the specs where they follow from these.

use std::collections::BTreeSet;

use calipso_model::Str;
use calipso_spec::{Specs, checked::Distribution};
use calipso_store::work::ScanStatus;

/// How the words of a list are found; the second argument narrows them to a platform.
type Words = fn(&Specs, Option<&str>) -> BTreeSet<String>;

/// Every list, by name.
pub const CONSTANTS: &[(&str, Words)] = &[
    ("configuration_targets", |specs, _| all(specs.connections.values().map(|spec| &spec.role))),
    ("connection_types", |specs, _| all(specs.connections.keys())),
    ("constraints", |specs, _| all(specs.clique_types.values().flat_map(|spec| &spec.constraints))),
    ("distribution_versions", |specs, on| all(of(specs, on).flat_map(|found| &found.versions))),
    ("distributions", |specs, on| all(of(specs, on).map(|found| &found.head.name))),
    ("environment_operational_status", |_, _| words(&["error", "running", "stopped"])),
    ("environment_types", |specs, on| all(of(specs, on).map(|found| &found.platform))),
    ("link_states", |_, _| words(&["down", "up"])),
    ("link_types", |specs, _| all(specs.link_types.keys())),
    ("log_levels", |_, _| words(&["debug", "error", "info", "warning"])),
    ("mechanism_drivers", |specs, on| {
        all(of(specs, on).flat_map(|found| &found.variances).flat_map(|variance| &variance.mechanism_drivers))
    }),
    ("messages_severity", |_, _| words(&["debug", "error", "info", "warning"])),
    ("object_types", |specs, _| all(specs.object_types.keys())),
    ("object_types_for_links", |specs, _| all(specs.link_types.values().flat_map(|spec| [&spec.from, &spec.to]))),
    ("scan_object_types", |specs, _| all(specs.fetchers.values().map(|fetcher| &fetcher.under))),
    ("scans_statuses", |_, _| ScanStatus::ALL.iter().map(|status| status.as_str().to_owned()).collect()),
    ("schedule_recurrences", |_, _| words(&["CRON", "DAILY", "HOURLY", "MONTHLY", "ONCE", "WEEKLY", "YEARLY"])),
    ("type_drivers", |specs, on| {
        all(of(specs, on).flat_map(|found| &found.variances).flat_map(|variance| &variance.type_drivers))
    }),
];

fn words(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

fn all<'s>(names: impl Iterator<Item = &'s Str>) -> BTreeSet<String> {
    names.map(ToString::to_string).collect()
}

fn of<'s>(specs: &'s Specs, platform: Option<&'s str>) -> impl Iterator<Item = &'s Distribution> {
    specs
        .distributions
        .values()
        .map(AsRef::as_ref)
        .filter(move |found| platform.is_none_or(|wanted| found.platform.eq_ignore_ascii_case(wanted)))
}
