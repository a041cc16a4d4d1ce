//! `test --from-recording`: a test of a fetcher, made of what it asked for in a recorded scan.

use std::{path::Path, sync::Arc};

use calipso_model::{Environment, Map, Object, ObjectKey, Str, Value};
use calipso_pipeline::{
    ScanMode,
    spec_test::{Observed, as_expected, observe},
};
use calipso_spec::{Loaded, TestCase, TestOf, checked::Fetcher};
use calipso_store::{Backend, Expect};
use calipso_transport::{EntryKey, RecordedEntry, Reply};

use crate::{
    args,
    command::scan::{ScanOptions, environment_of, perform, recording},
    failure::{Exit, Failure},
    output,
    session::{Session, store_failure},
};

/// `test --from-recording DIR --of FETCHER`.
///
/// # Errors
/// The recording cannot be replayed, or has no such parent.
pub async fn from_recording(session: &Session, args: &args::TestArgs) -> Result<(), Failure> {
    let (Some(dir), Some(name)) = (args.from_recording.as_deref(), args.of.as_deref()) else { return Ok(()) };
    let loaded = session.specs()?;
    let Some(fetcher) = loaded.specs.fetchers.get(name).cloned() else {
        let near = calipso_expr::nearest(name, loaded.specs.fetchers.keys().map(AsRef::as_ref));
        let failure = Failure::usage(format!("there is no fetcher `{name}`"));
        return Err(match near {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure.help("a fetcher of your own is named with --specs DIR"),
        });
    };
    let recorded = recording(dir)?;
    let environment = environment_of(&recorded, "test")
        .ok_or_else(|| Failure::usage("the recording tells of no environment").help("record it again"))?;
    let objects = replayed(session, &loaded, &environment, dir).await?;
    let parent = parent(&fetcher, args.parent.as_deref(), &objects)?;
    let case = TestCase {
        environment: environment.clone(),
        parent: parent.map(document),
        objects: lookup_objects(&fetcher, parent, &objects),
        answers_dir: Some(dir.to_string_lossy().into()),
        ..TestCase::default()
    };
    let of = TestOf::Fetcher(fetcher.head.name.clone());
    let specs = loaded.specs;
    let asked = case.clone();
    // Running a case makes a run-time of its own.
    let observed = std::thread::spawn(move || observe(&specs, &of, &asked)).join();
    let observed = observed
        .map_err(|_| Failure::new(Exit::Bug, "running the fetcher broke off"))?
        .map_err(|problem| Failure::new(Exit::Findings, problem))?;
    print!("{}", test_text(&fetcher, &case, &observed));
    Ok(())
}

/// Every object that a scan of the recording finds.
async fn replayed(
    session: &Session,
    loaded: &Loaded,
    environment: &Environment,
    dir: &Path,
) -> Result<Vec<Object>, Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::new(Exit::Bug, format!("cannot make a temporary folder: {error}")))?;
    let session = session.with_store(folder.path().join("store.db"));
    let store: Arc<dyn Backend> = session.store().await?;
    store.put_environment(environment, Expect::Anything).await.map_err(store_failure)?;
    let wanted = ScanOptions { mode: ScanMode::Full, clear: false, record: None, replay: Some(dir), no_secrets: false };
    let specs = Arc::new(loaded.specs.clone());
    perform(&session, &specs, Arc::clone(&store), environment, &wanted).await?;
    let mut objects = Vec::new();
    store
        .stream_objects(&environment.name, None, &mut |found| {
            objects.extend(found);
            Ok(())
        })
        .await
        .map_err(store_failure)?;
    Ok(objects)
}

fn parent<'o>(fetcher: &Fetcher, wanted: Option<&str>, objects: &'o [Object]) -> Result<Option<&'o Object>, Failure> {
    if fetcher.under.as_ref() == "environment" {
        return Ok(None);
    }
    let of_type: Vec<&Object> = objects.iter().filter(|object| object.key.object_type == fetcher.under).collect();
    let found = match wanted {
        None => of_type.first(),
        Some(wanted) => {
            let (object_type, id) = wanted.split_once('/').unwrap_or((fetcher.under.as_ref(), wanted));
            let key = ObjectKey::new(object_type, id);
            of_type.iter().find(|object| object.key == key)
        }
    };
    found.map(|object| Some(*object)).ok_or_else(|| {
        let lookup_objects: Vec<String> = of_type.iter().take(10).map(|object| object.key.to_string()).collect();
        let failure = Failure::usage(format!("the recording has no such {}", fetcher.under));
        failure.help(format!(
            "it has {}",
            if lookup_objects.is_empty() { "none".to_owned() } else { lookup_objects.join(", ") }
        ))
    })
}

/// An object as a test gives it: without derived paths.
fn document(object: &Object) -> Map {
    as_expected(object)
}

/// What the fetcher may look up; of what belongs to hosts only that of the parent's.
fn lookup_objects(fetcher: &Fetcher, parent: Option<&Object>, objects: &[Object]) -> Vec<Map> {
    let host = parent.and_then(|parent| parent.doc.text("host"));
    objects
        .iter()
        .filter(|object| fetcher.reads.contains(&object.key.object_type))
        .filter(|object| match (host, object.doc.text("host")) {
            (Some(host), Some(other)) => host == other,
            _ => true,
        })
        .map(document)
        .collect()
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().collect::<Map>())
}

/// The test as text, its keys in the order in which one reads them.
fn test_text(fetcher: &Fetcher, case: &TestCase, observed: &Observed) -> String {
    let environment = &case.environment;
    let texts = |texts: &[Str]| Value::list(texts.iter().cloned().map(Value::Str).collect());
    let mut test_text = Map::new();
    test_text.insert(
        "environment",
        map([
            ("name", Value::text("test")),
            ("distribution", Value::Str(environment.distribution.clone())),
            ("version", Value::Str(environment.version.clone())),
            ("mechanism_drivers", texts(&environment.mechanism_drivers)),
            ("type_drivers", texts(&environment.type_drivers)),
        ]),
    );
    if let Some(parent) = &case.parent {
        test_text.insert("parent", Value::Map(parent.clone()));
    }
    if !case.objects.is_empty() {
        test_text.insert("objects", Value::list(case.objects.iter().cloned().map(Value::Map).collect()));
    }
    let mut answers = Map::new();
    for list in ["commands", "http", "sql"] {
        let of_list: Vec<Value> = observed
            .recorded
            .iter()
            .filter_map(|entry| answer(entry).filter(|(kind, _)| *kind == list))
            .map(|(_, map)| Value::Map(map))
            .collect();
        if !of_list.is_empty() {
            answers.insert(list, Value::list(of_list));
        }
    }
    test_text.insert("answers", Value::Map(answers));
    let folder = |object: &&Object| observed.folder_types.contains(&object.key.object_type);
    let objects = observed.objects.iter().filter(|object| !folder(object));
    let mut expect = Map::new();
    expect.insert("objects_exact", Value::list(objects.map(|object| Value::Map(as_expected(object))).collect()));
    if !observed.complete {
        expect.insert("outcome", "incomplete");
    }
    test_text.insert("expect", Value::Map(expect));
    let of = output::yaml_flow(&Value::Str(fetcher.head.name.clone()));
    let mut text = format!("schema: test/v1\nof: {{fetcher: {of}}}\ncases:\n  - name: as it was recorded\n");
    for key in ["environment", "parent", "objects", "answers", "expect"] {
        if let Some(value) = test_text.get(key) {
            text.push_str(&output::yaml_entry(key, value, 4));
        }
    }
    text
}

/// A recorded answer as a test gives it.
fn answer(entry: &RecordedEntry) -> Option<(&'static str, Map)> {
    let mut map = Map::new();
    let list = match &entry.key {
        EntryKey::Exec { words, .. } => {
            let is_plain = words.iter().all(|word| !word.is_empty() && !word.contains([' ', '\'', '"', '\\', '#']));
            let list = || Value::list(words.iter().map(|word| Value::text(word)).collect());
            map.insert("run", if is_plain { Value::text(&words.join(" ")) } else { list() });
            "commands"
        }
        EntryKey::Http { method, path, query, .. } => {
            map.insert(method.to_lowercase(), path.as_str());
            if let Some(query) = query.as_ref().filter(|query| !query.is_empty()) {
                let mut parameters = Map::new();
                for (name, value) in query {
                    let value = match parameters.get(name) {
                        None => Value::text(value),
                        Some(Value::List(lookup_objects)) => {
                            Value::list(lookup_objects.iter().cloned().chain([Value::text(value)]).collect())
                        }
                        Some(lookup_objects) => Value::list(vec![lookup_objects.clone(), Value::text(value)]),
                    };
                    parameters.insert(name.as_str(), value);
                }
                map.insert("query", Value::Map(parameters));
            }
            "http"
        }
        EntryKey::Sql { text, params } => {
            map.insert("query", text.as_str());
            if let Some(params) = params.as_ref().filter(|params| !params.is_empty()) {
                map.insert("params", Value::list(params.clone()));
            }
            "sql"
        }
    };
    match &entry.outcome {
        Err((kind, _)) => {
            map.insert("error", kind.as_str());
        }
        Ok(Reply::Exec { exit, stdout, stderr }) => {
            map.insert("stdout", stdout.clone());
            if *exit != 0 {
                map.insert("exit", i64::from(*exit));
                map.insert("stderr", stderr.clone());
            }
        }
        Ok(Reply::Http { status, headers, body }) => {
            if *status != 200 {
                map.insert("status", i64::from(*status));
            }
            if let Some((_, link)) = headers.iter().find(|(name, _)| name == "link") {
                map.insert("headers", self::map([("link", Value::text(link))]));
            }
            let text = String::from_utf8_lossy(body);
            match Value::from_json(&text) {
                Ok(value) => map.insert("body", value),
                Err(_) => map.insert("text", &*text),
            };
        }
        Ok(Reply::Rows(rows)) => {
            map.insert("rows", Value::list(rows.iter().cloned().map(Value::Map).collect()));
        }
    }
    Some((list, map))
}
