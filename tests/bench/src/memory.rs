//! What an environment costs in memory between two scans: bytes an object of each part, and how long each takes to make.
//!
//! `cargo run --release -p calipso-bench --bin memory -- OBJECTS`
//!
//! The cloud is that of the derive bench, as the scopes of the catalogue's fetchers: two of them for hosts, instances and
//! switches, real parents, folders where the types have them. Bytes are those asked of the allocator and not given back.

#[path = "../../../engine/derive/benches/derive/cloud.rs"]
mod cloud;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Instant};

use anyhow::{Context, Result, bail};
use calipso_model::{Environment, Map, Object, ObjectKey, Str, Value};
use calipso_pipeline::{parts, plan};
use calipso_store::{Member, ScopeKey, ScopeRecord};
use cap::Cap;

/// The same as in the program, counted.
#[global_allocator]
static ALLOCATOR: Cap<mimalloc::MiMalloc> = Cap::new(mimalloc::MiMalloc, usize::MAX);

const SEED: u64 = 7;

/// What the fetchers of the catalogue look up.
const LOOK_UPS: [(&str, &str); 5] = [
    ("instance", "host"),
    ("port", "binding:host_id"),
    ("host", "region_id"),
    ("host_pnic", "host"),
    ("vconnector", "host"),
];

/// Fields of every document, which a fetcher does not bring.
const COMMON: [&str; 8] =
    ["environment", "type", "object_name", "parent_type", "parent_id", "id_path", "name_path", "show_in_tree"];

fn main() -> Result<()> {
    let size: usize = std::env::args().nth(1).context("how many objects?")?.parse()?;
    let layer = calipso_spec::read_layer(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs"))?;
    let specs = Arc::new(calipso_spec::load(&[layer]).specs);
    let environment = Environment {
        name: "bench".into(),
        distribution: "Debian".into(),
        version: "zed".into(),
        mechanism_drivers: vec!["OVS".into()],
        type_drivers: vec!["vxlan".into()],
        ..Environment::default()
    };
    let plan = plan(&specs, &environment)?;
    let before = ALLOCATOR.allocated();
    let records = records(size)?;
    println!("{size} objects asked for; stored scopes as read {} MB", (ALLOCATOR.allocated() - before) >> 20);
    let (mut last, mut began) = (before, Instant::now());
    let mut total = 0.0;
    parts(&plan, records, &LOOK_UPS, &mut |part, n_objects| {
        let now = ALLOCATOR.allocated();
        let per_object = (now as f64 - last as f64) / n_objects.max(size) as f64;
        total += per_object;
        println!("  {part}: {per_object:.0} bytes an object, {:.2} s", began.elapsed().as_secs_f64());
        (last, began) = (now, Instant::now());
    })?;
    println!("  together {total:.0} bytes an object; the process has {}", resident()?);
    Ok(())
}

/// What the kernel says of this process.
fn resident() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    Ok(lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", "))
}

/// A made-up cloud as a store gives it: every document with texts of its own.
fn records(size: usize) -> Result<Vec<ScopeRecord>> {
    let mut scopes = Scopes::default();
    let region = ObjectKey::new("region", "region|one");
    scopes.add("keystone_regions", &root(), &region, &[("name", Value::text("one"))].into_iter().collect(), true)?;
    for Object { key, doc } in cloud::Cloud::new(size, SEED).documents() {
        let mut brought = doc;
        for field in COMMON {
            brought.remove(field);
        }
        let host = brought.text("host").map(|host| ObjectKey::new("host", host.clone()));
        let of_host = || host.clone().context("it has no host");
        let more: [(&str, Value); 2] = match &*key.object_type {
            "host" => [("region_id", Value::text("region|one")), ("zone", Value::text("one"))],
            "network_agent" => [("binary", Value::text("agent")), ("agent_id", Value::Str(key.id.clone()))],
            "vservice" => [("service_name", Value::Str(key.id.clone())), ("service_id", Value::Str(key.id.clone()))],
            _ => [("left_over", Value::Bool(false)), ("revision_number", Value::Int(7))],
        };
        for (name, value) in more {
            brought.insert(name, value);
        }
        if !matches!(&*key.object_type, "project" | "network" | "port" | "instance") {
            brought.remove("id");
            brought.remove("name");
        }
        let os = |fields: &[(&str, &str)]| -> Map {
            fields.iter().map(|(name, value)| (*name, Value::text(value))).collect()
        };
        match &*key.object_type {
            "project" => scopes.add("keystone_projects", &root(), &key, &brought, true)?,
            "network" => scopes.add("neutron_networks", &region, &key, &brought, true)?,
            "port" => scopes.add("neutron_ports", &region, &key, &brought, true)?,
            "host" => {
                scopes.add("nova_hosts", &region, &key, &brought, true)?;
                let added = os(&[("os", "Debian GNU/Linux 12"), ("kernel", "6.1.0-18-amd64"), ("cpu", "x86_64")]);
                scopes.add("linux_host_os", &key, &key, &added, false)?;
            }
            "instance" => {
                scopes.add("nova_instances", &region, &key, &brought, true)?;
                scopes.add("libvirt_vnics", &of_host()?, &key, &os(&[("domain_state", "running")]), false)?;
            }
            "network_agent" => scopes.add("neutron_agents", &of_host()?, &key, &brought, true)?,
            "vedge" => {
                scopes.add("ovs_vedge", &of_host()?, &key, &brought, true)?;
                scopes.add("neutron_agent_states", &region, &key, &os(&[("agent_state", "up")]), false)?;
            }
            "otep" => {
                let switch = brought.text("vedge_id").context("it has no switch")?.clone();
                scopes.add("neutron_oteps", &ObjectKey::new("vedge", switch), &key, &brought, true)?;
            }
            "host_pnic" => scopes.add("linux_host_pnics", &of_host()?, &key, &brought, true)?,
            "vconnector" => scopes.add("linux_bridges", &of_host()?, &key, &brought, true)?,
            "vservice" => scopes.add("neutron_vservices", &of_host()?, &key, &brought, true)?,
            "vnic" => scopes.add("libvirt_vnics", &of_host()?, &key, &brought, true)?,
            other => bail!("no fetcher brings {other}"),
        }
    }
    Ok(scopes.records.into_values().collect())
}

fn root() -> ObjectKey {
    ObjectKey::new("environment", "bench")
}

#[derive(Default)]
struct Scopes {
    records: BTreeMap<(Str, Str, ObjectKey), ScopeRecord>,
    words: BTreeMap<&'static str, Str>,
}

impl Scopes {
    fn word(&mut self, word: &'static str) -> Str {
        self.words.entry(word).or_insert_with(|| word.into()).clone()
    }

    fn add(
        &mut self,
        fetcher: &'static str,
        parent: &ObjectKey,
        key: &ObjectKey,
        brought: &Map,
        asserts: bool,
    ) -> Result<()> {
        let fetcher = self.word(fetcher);
        let order = fetcher.bytes().map(u32::from).sum();
        let of = (fetcher.clone(), key.object_type.clone(), parent.clone());
        let record = self.records.entry(of).or_insert_with(|| ScopeRecord {
            key: ScopeKey {
                fetcher: fetcher.clone(),
                object_type: key.object_type.clone(),
                parent: parent.clone(),
                narrowing: Value::Null,
            },
            complete: true,
            scanned_at: "2026-01-01T00:00:00Z".into(),
            tried_at: "2026-01-01T00:00:00Z".into(),
            stale_since: None,
            problem: None,
            members: Vec::new(),
        });
        let Value::Map(contribution) = Value::from_json(&Value::Map(brought.clone()).to_json())? else {
            bail!("a document is a map");
        };
        let key = ObjectKey { object_type: key.object_type.clone(), id: (&*key.id).into() };
        let at = record
            .members
            .first()
            .map_or_else(|| format!("fetchers/{fetcher}.yaml:12:3").into(), |first| first.at.clone());
        record.members.push(Member { key, contribution, asserts, order, at });
        Ok(())
    }
}
