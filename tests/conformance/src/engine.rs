//! The specs under test: loads the catalogue and runs what the map names, fetchers and the like through the runner of
//! spec tests.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use calipso_derive::{Changes, Graph, NoDocuments, Rules};
use calipso_model::{Environment, Link, Map, Object, ObjectKey, Str, Value};
use calipso_pipeline::spec_test::{Observed, observe};
use calipso_spec::{Layer, Loaded, Severity, TestCase, TestOf, checked::Distribution, load, read_layer, select};

/// The catalogue.
pub struct Engine {
    layer: Layer,
    loaded: Loaded,
}

impl Engine {
    /// Reads the catalogue beside the map: `../../specs`.
    pub fn new(map: &Path) -> Result<Self> {
        let folder: PathBuf = map.parent().unwrap_or(Path::new(".")).join("../../specs");
        let layer = read_layer(&folder).with_context(|| format!("no catalogue at `{}`", folder.display()))?;
        let loaded = load(std::slice::from_ref(&layer));
        Ok(Self { layer, loaded })
    }

    /// The names of the catalogue's distributions.
    pub fn distributions(&self) -> Value {
        Value::list(self.loaded.specs.distributions.keys().map(|name| Value::from(name.clone())).collect())
    }

    /// Runs one case of a spec test and gives what came out as a value.
    pub fn observe(&self, kind: &str, name: &str, alone: bool, specs: Option<&Map>, test: &Map) -> Result<Value> {
        let own;
        let loaded = match specs {
            None => &self.loaded,
            Some(specs) => {
                own = self.with(alone, specs)?;
                &own
            }
        };
        match kind {
            "selection" => selection(loaded, &environment(test)),
            "parser" => {
                let parser = loaded.parsers.get(name).with_context(|| format!("there is no parser `{name}`"))?;
                let value = parser.parse(test.text("input").context("a parser needs `input`")?)?;
                Ok(Value::Map([(Str::from("value"), value)].into_iter().collect()))
            }
            "clique_type" | "link_type" => graph(loaded, &environment(test), test),
            _ => {
                let name = Str::from(name);
                let of = match kind {
                    "fetcher" => TestOf::Fetcher(name),
                    "object_type" => TestOf::ObjectType(name),
                    "distribution" => TestOf::Distribution(name),
                    _ => bail!("`{kind}` is nothing that can be run"),
                };
                observe(&loaded.specs, &of, &case(test)?).map(|seen| observed(&seen)).map_err(anyhow::Error::msg)
            }
        }
    }

    /// Loads specs that a rule writes, over the catalogue or alone.
    fn with(&self, alone: bool, specs: &Map) -> Result<Loaded> {
        let files = specs.iter().map(|(path, spec)| (path.clone(), spec.to_json().into())).collect();
        let own = Layer { name: "conformance".into(), files };
        let loaded = if alone { load(&[own]) } else { load(&[self.layer.clone(), own]) };
        let mistakes: Vec<String> = loaded
            .diagnostics
            .iter()
            .filter(|found| found.severity == Severity::Error && found.primary.file.starts_with("conformance/"))
            .map(|found| format!("{}: {} ({})", found.primary.file, found.message, found.code))
            .collect();
        if mistakes.is_empty() { Ok(loaded) } else { bail!("{}", mistakes.join("; ")) }
    }
}

/// The clique types that apply, most specific first.
fn selection(loaded: &Loaded, environment: &Environment) -> Result<Value> {
    let none;
    let distribution: &Distribution = match loaded.specs.distributions.get(&environment.distribution) {
        Some(distribution) => distribution,
        None => {
            none = Distribution::none(&environment.distribution);
            &none
        }
    };
    let types = select::clique_types(&loaded.specs, environment, distribution);
    let types: Vec<Value> = types.iter().map(|found| Value::from(found.head.name.clone())).collect();
    Ok(Value::Map([("types", Value::list(types))].into_iter().collect()))
}

/// What follows from the objects that a test names: links and cliques.
fn graph(loaded: &Loaded, environment: &Environment, test: &Map) -> Result<Value> {
    let rules = Rules::new(&loaded.specs, environment)?;
    let object = |doc: &Value| {
        let doc = doc.as_map()?.clone();
        let key = ObjectKey::new(doc.text("type")?.clone(), doc.text("id")?.clone());
        Some(Object { key, doc })
    };
    let objects = test.get("objects").and_then(Value::as_list).unwrap_or_default();
    let upsert = objects.iter().map(object).collect::<Option<_>>().context("an object has `type` and `id`")?;
    let outcome = Graph::new(Arc::new(rules)).apply(Changes { upsert, ..Changes::default() }, &NoDocuments)?;
    let links = outcome.delta.links.iter().map(link).collect::<Vec<_>>();
    Ok(Value::Map([("links", Value::list(links))].into_iter().collect()))
}

/// The case of a spec test, from its keys.
fn case(test: &Map) -> Result<TestCase> {
    let mut case = TestCase { name: "conformance".into(), environment: environment(test), ..TestCase::default() };
    let map = |value: &Value| value.as_map().cloned();
    let maps = |value: &Value| -> Option<Vec<Map>> { value.as_list()?.iter().map(map).collect() };
    for (key, value) in test {
        let understood = match &**key {
            "environment" => Some(()),
            "settings" => map(value).map(|map| case.settings = map),
            "parent" => map(value).map(|map| case.parent = Some(map)),
            "narrow" => map(value).map(|map| case.narrow = map),
            "objects" => maps(value).map(|maps| case.objects = maps),
            "commands" => maps(value).map(|maps| case.commands = maps),
            "answers" => map(value).map(|map| case.answers = map.into()),
            _ => None,
        };
        understood.with_context(|| format!("`{key}` of `test` is not known or of a wrong type"))?;
    }
    Ok(case)
}

/// What came out, in the words of spec tests.
fn observed(seen: &Observed) -> Value {
    let (folders, objects): (Vec<&Object>, Vec<&Object>) =
        seen.objects.iter().partition(|object| seen.folder_types.contains(&object.key.object_type));
    let docs = |objects: &[&Object]| objects.iter().map(|object| Value::from(object.doc.clone())).collect::<Vec<_>>();
    let texts = |texts: &[String]| Value::list(texts.iter().map(|text| Value::text(text)).collect());
    let commands = seen.commands.iter().map(|words| texts(words)).collect::<Vec<_>>();
    let map: Map = [
        ("objects", Value::list(docs(&objects))),
        ("folders", Value::list(docs(&folders))),
        ("links", Value::list(seen.links.iter().map(link).collect())),
        ("complete", Value::from(seen.complete)),
        ("failures", texts(&seen.failures)),
        ("commands", Value::list(commands)),
        ("value", Value::from(seen.value.clone())),
    ]
    .into_iter()
    .collect();
    map.into()
}

/// A link in the words of spec tests.
fn link(link: &Link) -> Value {
    let mut map: Map = [
        ("type", Value::from(link.link_type.clone())),
        ("source", Value::from(link.source.id.clone())),
        ("target", Value::from(link.target.id.clone())),
        ("name", Value::from(link.name.clone())),
        ("state", Value::from(link.state.as_str())),
        ("implicit", Value::from(link.implicit)),
        ("attributes", Value::from(link.attributes.clone())),
    ]
    .into_iter()
    .collect();
    for (key, text) in [("host", &link.host), ("switch", &link.switch)] {
        if let Some(text) = text {
            map.insert(key, text.clone());
        }
    }
    map.into()
}

/// The environment that a test names.
fn environment(test: &Map) -> Environment {
    let written = test.get("environment").and_then(Value::as_map).cloned().unwrap_or_default();
    let text = |key: &str| written.text(key).cloned().unwrap_or_else(|| Str::from(""));
    let list = |key: &str| -> Vec<Str> {
        let items = written.get(key).and_then(Value::as_list).unwrap_or_default();
        items.iter().filter_map(|item| item.as_str().map(Str::from)).collect()
    };
    Environment {
        name: text("name"),
        distribution: text("distribution"),
        version: text("version"),
        mechanism_drivers: list("mechanism_drivers"),
        type_drivers: list("type_drivers"),
        flags: list("flags"),
        ..Environment::default()
    }
}
