//! Objects and links for measuring, the same with each run.

use calipso_model::{Link, LinkState, Object, ObjectKey, Value};

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
