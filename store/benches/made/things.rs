//! Objects and links for measuring, the same with each run.

use calipso_model::{Link, LinkState, Object, ObjectKey, Value};
use calipso_store::{Member, ScopeChanges, ScopeKey, ScopeRecord, ScopeUpdate};

/// Children of one parent, and objects of one type on one host.
pub const GROUP: usize = 25;

/// The key of the `n`-th object.
pub fn key(n: usize) -> ObjectKey {
    ObjectKey::new(["instance", "nic", "port", "service"][n % 4], format!("host-{:04}-{n:08x}", n / GROUP % 2_000))
}

/// An object of about 800 bytes.
pub fn object(n: usize, turn: i64) -> Object {
    let key = key(n);
    let parent = ObjectKey::new("folder", format!("folder-{:06}", n / GROUP));
    let host = format!("host-{:04}", n / GROUP % 2_000);
    let mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let name = format!("{}-{mixed:016x}", key.object_type);
    let doc = [
        ("environment", Value::text("bench")),
        ("type", Value::Str(key.object_type.clone())),
        ("id", Value::Str(key.id.clone())),
        ("name", Value::text(&name)),
        ("object_name", Value::text(&name)),
        ("parent_type", Value::Str(parent.object_type)),
        ("parent_id", Value::Str(parent.id.clone())),
        ("id_path", Value::text(&format!("/bench/regions/one/{}/{host}/{}", parent.id, key.id))),
        ("name_path", Value::text(&format!("/bench/Regions/one/{}/{host}/{name}", parent.id))),
        ("host", Value::text(&host)),
        ("show_in_tree", Value::Bool(true)),
        ("mac_address", Value::text(&format!("fa:16:3e:{:02x}:{:02x}:{:02x}", n >> 16 & 255, n >> 8 & 255, n & 255))),
        ("status", Value::text("ACTIVE")),
        ("turn", Value::Int(turn)),
        ("description", Value::text(&format!("{mixed:016x}").repeat(14))),
    ];
    Object { key, doc: doc.into_iter().collect() }
}

/// Two links of an object: to a neighbour, and across.
pub fn links(n: usize, size: usize) -> [Link; 2] {
    [(n + 1) % size, n.wrapping_mul(7_919) % size].map(|target| Link {
        link_type: if target == (n + 1) % size { "neighbour".into() } else { "across".into() },
        source: key(n),
        target: key(target),
        name: format!("net-{:05}", n % 5_000).into(),
        state: LinkState::Up,
        host: Some(format!("host-{:04}", n / GROUP % 2_000).into()),
        switch: None,
        attributes: [("source_label", Value::text("eth0")), ("target_label", Value::text("port 1"))]
            .into_iter()
            .collect(),
        implicit: false,
        rule: "link_types/neighbour.yaml:12:3".into(),
    })
}

/// What a scan found below each parent; of `most` objects each, in whole scopes or as updates of them.
pub fn scopes(size: usize, at: &str, most: usize, whole: bool) -> ScopeChanges {
    let member = |n: usize| Member {
        key: key(n),
        contribution: object(n, 0).doc,
        asserts: true,
        order: 0,
        at: "fetchers/things.yaml:12:3".into(),
    };
    let record = |group: usize| ScopeRecord {
        key: ScopeKey {
            fetcher: "things".into(),
            object_type: "instance".into(),
            parent: ObjectKey::new("folder", format!("folder-{group:06}")),
            narrowing: Value::Null,
        },
        complete: true,
        scanned_at: at.into(),
        tried_at: at.into(),
        stale_since: None,
        problem: None,
        members: (group * GROUP..size.min(group * GROUP + most)).map(member).collect(),
    };
    let records = (0..size / GROUP).map(record);
    if whole {
        return ScopeChanges { put: records.collect(), ..ScopeChanges::default() };
    }
    let update = records.map(|record| ScopeUpdate { record, remove: Vec::new() });
    ScopeChanges { update: update.collect(), ..ScopeChanges::default() }
}

/// What is measured of scopes, in this order.
pub const SCOPES: [(&str, &str, usize, bool); 4] = [
    ("scopes of 25 members, new", "2026-01-01T00:00:00Z", GROUP, true),
    ("the same scopes, asked again, whole", "2026-01-02T00:00:00Z", GROUP, true),
    ("the same, as updates: the heads alone", "2026-01-03T00:00:00Z", 0, false),
    ("the same, as updates: one member of each", "2026-01-04T00:00:00Z", 1, false),
];
