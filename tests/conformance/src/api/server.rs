//! A server on a socket of its own, with a store of its own, for one request.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use calipso_api::{
    Access, AccountSettings, Accounts, Catalogues, Environments, Limits, PasswordCost, References, Service, Wanted,
};
use calipso_it::{Answer, Request, send};
use calipso_model::{Clique, Delta, Environment, Link, LinkRef, LinkState, Map, Object, ObjectKey, Str, Value};
use calipso_spec::{Layer, Loaded, Severity, load, read_layer};
use calipso_store::{Backend, Collection, Commit, CommitInfo, Durability, Embedded, Expect, Options};
use calipso_vault::Keys;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::seed::Thing;

/// What all servers share.
pub struct Server {
    runtime: Runtime,
    layer: Layer,
    loaded: Arc<Loaded>,
}

impl Server {
    /// Reads the catalogue.
    pub fn new(specs: &Path) -> Result<Self> {
        let layer = read_layer(specs).with_context(|| format!("no catalogue at `{}`", specs.display()))?;
        let loaded = Arc::new(load(std::slice::from_ref(&layer)));
        Ok(Self { runtime: Runtime::new()?, layer, loaded })
    }

    /// Seeds a store, starts a server on it, and sends it a request.
    pub fn answer(&self, seed: &[Thing], request: &Map) -> Result<Answer> {
        let folder = tempfile::tempdir()?;
        let service = self.service(&folder, seed)?;
        let token = self.login(&service)?;
        let backend = Arc::clone(&service.backend);
        let listener = self.runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        let router = calipso_api::router(service).into_make_service_with_connect_info::<SocketAddr>();
        let running = self.runtime.spawn(async move { axum::serve(listener, router).await });
        let answer = self.plant(&*backend, seed, address, &token).and_then(|()| sent(address, request, &token));
        running.abort();
        answer
    }

    fn service(&self, folder: &TempDir, seed: &[Thing]) -> Result<Arc<Service>> {
        let options = Options { durability: Durability::Process, ..Options::default() };
        let backend: Arc<dyn Backend> = Arc::new(Embedded::open(&folder.path().join("store.db"), options)?);
        let (layers, loaded) = self.catalogue(seed)?;
        let settings = AccountSettings {
            password_cost: PasswordCost { memory_kib: 64, passes: 1, ..PasswordCost::default() },
            ..AccountSettings::default()
        };
        let accounts = Arc::new(Accounts::new(Arc::clone(&backend), settings));
        let references = References { folder: Some("/etc/calipso/keys".into()), ..References::default() };
        let keys = Arc::new(Keys::from_text(&Keys::generate()?)?);
        Ok(Arc::new(Service {
            backend,
            catalogues: Catalogues::new(layers, loaded),
            accounts,
            access: Access::Login,
            environments: Environments { keys: Some(keys), references },
            limits: Limits::default(),
            version: "0.0.0",
            clock: jiff::Timestamp::now,
        }))
    }

    /// The catalogue with the specs of a case, which take the place of all in the folders that the case speaks of.
    fn catalogue(&self, seed: &[Thing]) -> Result<(Vec<Layer>, Arc<Loaded>)> {
        let mut layers = vec![self.layer.clone()];
        let specs = seed.iter().filter(|thing| &*thing.kind == "layer").flat_map(|thing| &thing.value);
        let files: Vec<(Str, Str)> = specs.map(|(path, spec)| (path.clone(), spec.to_json().into())).collect();
        let folders: Vec<&Str> = seed
            .iter()
            .filter(|thing| &*thing.kind == "instead_of")
            .filter_map(|thing| thing.value.text("folder"))
            .collect();
        if files.is_empty() && folders.is_empty() {
            return Ok((layers, Arc::clone(&self.loaded)));
        }
        for folder in folders {
            layers[0].files.retain(|(path, _)| !path.starts_with(&**folder));
        }
        // A distribution of the case may lack what tests of the built-in one name.
        for layer in &mut layers {
            layer.files.retain(|(path, _)| !path.ends_with(".test.yaml"));
        }
        layers.push(Layer { name: "conformance".into(), files: files.into_iter().collect() });
        let loaded = load(&layers);
        let mistakes = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let mistakes: Vec<String> =
            mistakes.map(|found| format!("{}: {}", found.primary.file, found.message)).collect();
        if !mistakes.is_empty() {
            bail!("the specs of the case: {}", mistakes.join("; "));
        }
        Ok((layers, Arc::new(loaded)))
    }

    /// A token of somebody who may do everything.
    fn login(&self, service: &Service) -> Result<String> {
        let now = (service.clock)();
        let accounts = &service.accounts;
        self.runtime
            .block_on(async {
                let first = accounts.first_administrator(now).await?;
                let (name, password) = first.ok_or_else(|| calipso_api::Problem::bug("there are users already"))?;
                let login = accounts.log_in(&name, &password, &Wanted::default(), now).await?;
                Ok(login.secret.reveal().to_owned())
            })
            .map_err(|problem: calipso_api::Problem| anyhow::anyhow!("logging in: {}", problem.detail()))
    }

    fn plant(&self, backend: &dyn Backend, seed: &[Thing], address: SocketAddr, token: &str) -> Result<()> {
        let mut deltas: BTreeMap<Str, Delta> = BTreeMap::new();
        for Thing { kind, value } in seed {
            let text = |key: &str| value.text(key).cloned().with_context(|| format!("a seeded {kind} needs `{key}`"));
            match &**kind {
                "layer" | "instead_of" => {}
                "environment" => {
                    self.runtime.block_on(backend.put_environment(&environment(value)?, Expect::Anything))?;
                }
                "record" => {
                    let name = text("collection")?;
                    let collection = Collection::ALL.iter().find(|collection| collection.name() == &*name);
                    let collection = *collection.with_context(|| format!("there is no collection `{name}`"))?;
                    let doc = value.get("doc").and_then(Value::as_map).context("a seeded record needs `doc`")?;
                    self.runtime.block_on(backend.insert(collection, &text("id")?, doc))?;
                }
                "object" => {
                    let object = Object { key: ObjectKey::new(text("type")?, text("id")?), doc: value.clone() };
                    deltas.entry(text("environment")?).or_default().objects.push(object);
                }
                "link" => deltas.entry(text("environment")?).or_default().links.push(link(value)?),
                "clique" => deltas.entry(text("environment")?).or_default().cliques.push(clique(value)?),
                "request" => {
                    let answer = sent(address, value, token)?;
                    if answer.status >= 300 {
                        bail!("preparing the store: {} {}", answer.status, answer.text());
                    }
                }
                other => bail!("`{other}` is nothing that can be put in a store"),
            }
        }
        for (environment, mut delta) in deltas {
            delta.objects.sort_by(|a, b| a.key.cmp(&b.key));
            delta.objects.dedup_by(|a, b| a.key == b.key);
            delta.cliques.dedup_by(|a, b| a.focal_point == b.focal_point);
            let info = CommitInfo { at: "2026-01-01T00:00:00.000Z".into(), note: "conformance".into() };
            self.runtime.block_on(async {
                let lease = backend.acquire(&environment, "conformance", 0, Duration::from_secs(60)).await?;
                backend.commit(&Commit::new(0, &lease, &delta, &info)).await?;
                backend.release(&lease).await
            })?;
        }
        Ok(())
    }
}

fn key(value: Option<&Value>) -> Result<ObjectKey> {
    let map = value.and_then(Value::as_map).context("an end has `type` and `id`")?;
    let text = |key: &str| map.text(key).cloned().with_context(|| format!("an end needs `{key}`"));
    Ok(ObjectKey::new(text("type")?, text("id")?))
}

fn link_ref(map: &Map) -> Result<LinkRef> {
    let link_type = map.text("type").cloned().context("a link needs `type`")?;
    Ok(LinkRef { link_type, source: key(map.get("source"))?, target: key(map.get("target"))? })
}

fn link(map: &Map) -> Result<Link> {
    let LinkRef { link_type, source, target } = link_ref(map)?;
    let text = |key: &str| map.text(key).cloned();
    Ok(Link {
        link_type,
        source,
        target,
        name: text("name").unwrap_or_else(|| "".into()),
        state: if text("state").as_deref() == Some("down") { LinkState::Down } else { LinkState::Up },
        host: text("host"),
        switch: text("switch"),
        attributes: map.get("attributes").and_then(Value::as_map).cloned().unwrap_or_default(),
        implicit: false,
        rule: "conformance".into(),
    })
}

fn clique(map: &Map) -> Result<Clique> {
    let list = |key: &str| map.get(key).and_then(Value::as_list).unwrap_or_default();
    let links = list("links").iter().filter_map(Value::as_map).map(link_ref).collect::<Result<Vec<_>>>()?;
    let focal_point = key(map.get("focal_point"))?;
    let mut nodes: Vec<ObjectKey> =
        links.iter().flat_map(|link| [link.source.clone(), link.target.clone()]).chain([focal_point.clone()]).collect();
    nodes.sort();
    nodes.dedup();
    let clique_type = map.text("clique_type").cloned().context("a clique needs `clique_type`")?;
    Ok(Clique { focal_point, clique_type, constraints: Map::new(), nodes, links })
}

fn environment(map: &Map) -> Result<Environment> {
    let text = |key: &str| map.text(key).cloned().unwrap_or_else(|| "".into());
    let list = |key: &str| -> Vec<Str> {
        let items = map.get(key).and_then(Value::as_list).unwrap_or_default();
        items.iter().filter_map(|item| item.as_str().map(Str::from)).collect()
    };
    Ok(Environment {
        name: map.text("name").cloned().context("an environment needs `name`")?,
        distribution: text("distribution"),
        version: text("version"),
        mechanism_drivers: list("mechanism_drivers"),
        type_drivers: list("type_drivers"),
        settings: map.get("settings").and_then(Value::as_map).cloned().unwrap_or_default(),
        ..Environment::default()
    })
}

/// What stands for the token of the caller in headers and bodies: only the server can make one that is good.
const TOKEN: &str = "correct_token";

/// Sends a request in our words.
fn sent(address: SocketAddr, request: &Map, token: &str) -> Result<Answer> {
    let method = request.text("method").context("a request has a method")?;
    let path = request.text("path").context("a request has a path")?;
    let mut target = path.to_string();
    let mut sign = '?';
    for (name, value) in request.get("query").and_then(Value::as_map).into_iter().flatten() {
        let values = value.as_list().map_or_else(|| vec![value.clone()], <[Value]>::to_vec);
        for value in values {
            let text = value.as_str().map_or_else(|| value.to_json(), str::to_owned);
            target.push_str(&format!("{sign}{}={}", encoded(name), encoded(&text)));
            sign = '&';
        }
    }
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in request.get("headers").and_then(Value::as_map).into_iter().flatten() {
        headers.push((name.to_string(), value.as_str().unwrap_or_default().replace(TOKEN, token)));
    }
    let body = match (request.text("raw_body"), request.get("body")) {
        (Some(raw), _) => Some(raw.as_bytes().to_vec()),
        (None, Some(body)) if !body.is_null() => Some(body.to_json().replace(TOKEN, token).into_bytes()),
        _ => None,
    };
    if body.is_some() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    send(address, &Request { method, target: &target, headers, body }).context("the server does not answer")
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
