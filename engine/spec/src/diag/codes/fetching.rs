//! Codes about object types and fetchers.

use super::Code;

/// In the order of the reference.
pub(super) const CODES: &[Code] = &[
    Code::error(
        "type/no-form",
        "no form fits every object",
        "The last form has no `when`: each object has an identity.",
        "forms:\n  - {form: disk, when: self.size > 0, …}",
        "forms:\n  - {form: disk, when: self.size > 0, …}\n  - {form: empty, …}",
    ),
    Code::error(
        "type/identity-reads-derived",
        "`id` or `parent` uses a derived attribute",
        "Derived attributes come after identity: they are joins over objects that already have one.",
        "id: \"{{ self.network }}-{{ self.name }}\"\n# and `network` is derived",
        "id: \"{{ self.host }}-{{ self.name }}\"",
    ),
    Code::error(
        "type/unknown-parent",
        "a parent or `refers_to` that is no object type",
        "Types are declared under object_types/; `environment` is the root of all.",
        "parent: {type: hots, id: \"{{ self.host }}\"}",
        "parent: {type: host, id: \"{{ self.host }}\"}",
    ),
    Code::error(
        "type/parent-circle",
        "types that are each other's parents",
        "At least one form of each type must lead to the environment.",
        "# object_types/a.yaml\nparent: {type: b, …}\n# object_types/b.yaml\nparent: {type: a, …}",
        "# object_types/b.yaml\nparent: {type: environment}",
    ),
    Code::error(
        "type/folder-clash",
        "one folder id with two types",
        "A folder is an object as well: its id under one parent belongs to one folder type.",
        "- {type: disks_folder, id: \"{{ parent.id }}-things\", …}\n# and, in another type\n- {type: cards_folder, id: \"{{ parent.id }}-things\", …}",
        "- {type: cards_folder, id: \"{{ parent.id }}-cards\", …}",
    ),
    Code::error(
        "type/identity-not-emitted",
        "an emit that never sets what the identity needs",
        "Each form that the object could have reads attributes for `id` and `parent`; the emit sets none of them, whatever the answers are.",
        "# the type says id: \"{{ self.serial }}\"\n- emit: disk\n  set: {size: 1}",
        "- emit: disk\n  set: {serial: \"{{ disk.serial }}\", size: 1}",
    ),
    Code::error(
        "derive/circle",
        "derived attributes that wait for each other",
        "An attribute is computed after those that it reads.",
        "- {attribute: a, value: \"{{ self.b }}\"}\n- {attribute: b, value: \"{{ self.a }}\"}",
        "- {attribute: b, value: \"{{ self.name }}\"}",
    ),
    Code::error(
        "derive/overwrites-fetched",
        "an attribute that is both derived and emitted",
        "Nothing would say which of the two counts.",
        "derive: [{attribute: size, value: \"{{ self.blocks }}\"}]\n# and a fetcher emits `size`",
        "derive: [{attribute: total_size, value: \"{{ self.blocks }}\"}]",
    ),
    Code::error(
        "fetcher/unknown-type",
        "an object type that no spec declares",
        "`under`, `emits`, `extends`, `lookup`, `emit`, `from`, `to` and `focal_point` name object types.",
        "under: hots",
        "under: host",
    ),
    Code::error(
        "fetcher/undeclared-emit",
        "emitted types and listed types differ",
        "`emits` lists the types that the fetcher brings into being, `extends` those to which it adds attributes. The planner and the stale marks rely on it.",
        "emits: [disk]\nsteps:\n  - emit: partition",
        "emits: [partition]\nsteps:\n  - emit: partition",
    ),
    Code::error(
        "fetcher/circle",
        "fetchers that wait for each other",
        "A fetcher runs after all that emit what it looks up, and after those that emit its parent.",
        "# fetchers/disks.yaml\n- lookup: controller\n# fetchers/controllers.yaml\n- lookup: disk",
        "# one of them derives what it needs from the other",
    ),
    Code::error(
        "fetcher/reads-derived",
        "a fetcher reads a derived attribute",
        "Derived attributes are computed after fetching.",
        "when: parent.networks",
        "# derive what depends on it, too",
    ),
    Code::warning(
        "fetcher/two-owners",
        "two fetchers of one environment emit one type under one type",
        "Both assert the same objects, or each removes nothing of the other: mostly one of them should `extends`.",
        "# two fetchers, both\nunder: host\nemits: [disk]",
        "extends: [disk]",
    ),
    Code::warning(
        "fetcher/attribute-twice",
        "two fetchers write one attribute",
        "The later one in plan order wins. Say `merge: union` for lists that several sources fill.",
        "# two fetchers write `roles` of the type `host`",
        "attributes:\n  roles: {type: list, merge: union}",
    ),
    Code::error(
        "fetcher/never-under",
        "nothing emits the type under which it runs",
        "In no supported variance that its selector admits does a fetcher emit objects of the type `under`, so it never runs.",
        "under: chassis",
        "# add a fetcher that emits `chassis`, or correct `under`",
    ),
    Code::error(
        "lookup/unknown-attribute",
        "`where` names an attribute that the type lacks",
        "Nothing emits or derives it, so nothing is ever found.",
        "- lookup: disk\n  where: {hots: \"{{ parent.host }}\"}",
        "- lookup: disk\n  where: {host: \"{{ parent.host }}\"}",
    ),
];
