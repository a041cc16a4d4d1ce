//! Runs one case of a spec test.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use calipso_derive::{Changes, Graph, NoDocuments, Rules};
use calipso_expr::{Layout, Words};
use calipso_model::{Map, Object, ObjectKey, Str, Value, chain};
use calipso_spec::{
    checked::{At, CommandRule, Distribution, RunStep},
    select,
    spec_test::{TestCase, TestOf},
};
use calipso_transport::{Door, Recording, Scrubber, Stage};

use crate::{
    answer::Outcome,
    connection::{RunContext, rewrite, rule_for},
    fetch::{Asking, fetch},
    identity::{Identities, Placement, place},
    known::Known,
    merge::Contribution,
    scope_values::ScopeValues,
    spec_test::{Bench, Observed, connect, door::Noting, open_world::OpenWorld},
    world::{RunAsk, World},
};

/// Everything around a case.
pub(super) struct Stand {
    pub(super) distribution: Arc<Distribution>,
    pub(super) rules: Arc<Vec<CommandRule>>,
    pub(super) values: ScopeValues,
    pub(super) ids: Identities,
    pub(super) door: Arc<Noting>,
}

impl Stand {
    fn new(bench: &Bench<'_>, case: &TestCase) -> Result<Self, String> {
        let environment = &case.environment;
        let distribution = match bench.specs.distributions.get(&environment.distribution) {
            Some(found) => Arc::clone(found),
            None if environment.distribution.is_empty() => Arc::new(Distribution::none("")),
            None => return Err(format!("there is no distribution {}", environment.distribution)),
        };
        let rules = Arc::new(distribution.rules_for(environment).cloned().collect());
        let values = ScopeValues::new(environment, &distribution);
        let mut ids = Identities::new(bench.specs, values.clone(), &environment.name);
        ids.coverage = Some(Arc::clone(&bench.coverage));
        let mut recording = Recording::new();
        if !case.answers.is_null() {
            recording.append(Recording::from_answers(&case.answers).map_err(|error| error.to_string())?);
        }
        if let Some(dir) = &case.answers_dir {
            let root =
                bench.root.ok_or("the test's recording cannot be found: the folder of the specs is not known")?;
            let file = root.join(&*case.at.file);
            let dir = file.parent().unwrap_or(root).join(&**dir);
            let read =
                Recording::read(&dir).map_err(|error| format!("the recording of `answers_dir`: {}", chain(&error)))?;
            recording.append(read);
        }
        let door = Arc::new(Noting::new(recording));
        Ok(Self { distribution, rules, values, ids, door })
    }

    pub(super) fn context(&self, bench: &Bench<'_>, stage: Stage) -> RunContext {
        RunContext {
            door: Arc::clone(&self.door) as Arc<dyn Door>,
            scrubber: Arc::new(Scrubber::new()),
            values: self.values.clone(),
            rules: Arc::clone(&self.rules),
            stage,
            began: (jiff::Timestamp::UNIX_EPOCH, Instant::now()),
            waits: false,
            known_hosts: "known_hosts".into(),
            coverage: Some(Arc::clone(&bench.coverage)),
        }
    }
}

pub(super) async fn observe(bench: &Bench<'_>, of: &TestOf, case: &TestCase) -> Result<Observed, String> {
    let stand = Stand::new(bench, case)?;
    if let Some(why) = unused(bench, &stand, of, case)? {
        return Ok(Observed { unused: Some(why), ..Observed::default() });
    }
    let mut observed = match of {
        TestOf::Fetcher(name) => fetcher(bench, &stand, name, case).await?,
        TestOf::ObjectType(name) => object_type(bench, &stand, name, case)?,
        TestOf::LinkType(_) | TestOf::CliqueType(_) => joins(bench, &stand, of, case)?,
        TestOf::Distribution(name) => distribution(bench, &stand, name, case).await?,
        TestOf::Connection(name) => connect::connection(bench, &stand, name, case).await?,
        TestOf::Parser(name) => {
            let parser = bench.parsers.get(name).ok_or_else(|| format!("there is no parser {name}"))?;
            let input = case.input.as_deref().ok_or("the case has no input")?;
            let parsed = parser.parse(input);
            let failures = parsed.as_ref().err().map(ToString::to_string).into_iter().collect();
            Observed { complete: parsed.is_ok(), failures, value: parsed.ok(), ..Observed::default() }
        }
    };
    observed.sent = stand.door.sent();
    let unused = stand.door.unused();
    observed.unasked = unasked(case, &unused);
    if case.answers_dir.is_some() {
        observed.recorded = stand.door.used(&unused);
    }
    Ok(observed)
}

/// Why the environment of a case does not use the spec, if it does not. A fetcher's case that names no distribution
/// asks for none.
fn unused(bench: &Bench<'_>, stand: &Stand, of: &TestOf, case: &TestCase) -> Result<Option<String>, String> {
    let (specs, environment) = (bench.specs, &case.environment);
    let missing = |what: &str, name: &Str| format!("there is no {what} {name}");
    let (selector, used, name) = match of {
        TestOf::Fetcher(name) => {
            let known = specs.fetchers.get(name).ok_or_else(|| missing("fetcher", name))?;
            let used = select::fetchers(specs, environment, &stand.distribution);
            (&known.environment, used.iter().any(|used| used.head.name == *name), name)
        }
        TestOf::LinkType(name) => {
            let known = specs.link_types.get(name).ok_or_else(|| missing("link type", name))?;
            let used = select::link_types(specs, environment, &stand.distribution);
            (&known.environment, used.iter().any(|used| used.head.name == *name), name)
        }
        TestOf::CliqueType(name) => {
            let known = specs.clique_types.get(name).ok_or_else(|| missing("clique type", name))?;
            let used = select::clique_types(specs, environment, &stand.distribution);
            (&known.environment, used.iter().any(|used| used.head.name == *name), name)
        }
        _ => return Ok(None),
    };
    if used || (matches!(of, TestOf::Fetcher(_)) && environment.distribution.is_empty()) {
        return Ok(None);
    }
    let why = selector
        .reason_against(environment, &stand.distribution)
        .unwrap_or_else(|| "another one takes its place, or it stands in for nothing here".to_owned());
    Ok(Some(format!("the environment of the case does not use {name}: {why}")))
}

/// The inline answers by list and number, of those that come first in the recording.
fn unasked(case: &TestCase, unused: &[usize]) -> Vec<(String, usize)> {
    let lists = case.answers.as_map().into_iter().flatten();
    let all: Vec<(String, usize)> = lists
        .flat_map(|(list, answers)| {
            let n_answers = answers.as_list().map_or(0, <[Value]>::len);
            (0..n_answers).map(|number| (list.to_string(), number))
        })
        .collect();
    unused.iter().filter_map(|number| all.get(*number).cloned()).collect()
}

async fn fetcher(bench: &Bench<'_>, stand: &Stand, name: &Str, case: &TestCase) -> Result<Observed, String> {
    let fetcher = bench.specs.fetchers.get(name).ok_or_else(|| format!("there is no fetcher {name}"))?;
    let mut settings = select::settings(bench.specs, &case.environment, fetcher);
    for (setting, value) in &case.settings {
        if !fetcher.settings.contains_key(setting) {
            return Err(format!("the fetcher has no setting {setting}"));
        }
        settings.insert(setting.clone(), value.clone());
    }
    let root = stand.ids.root();
    let parent = match &case.parent {
        Some(document) => completed(&stand.ids, document, &case.environment.name)?,
        None => {
            let mut document = Map::new();
            document.insert("type", root.object_type.clone());
            document.insert("id", root.id.clone());
            completed(&stand.ids, &document, &case.environment.name)?
        }
    };
    if parent.0.object_type != fetcher.under {
        return Err(format!("the parent is a {}, but the fetcher runs under {}", parent.0.object_type, fetcher.under));
    }
    let mut given = given(&stand.ids, case)?;
    let known = known(&given);
    let world = OpenWorld::new(stand.context(bench, Stage::Work), Arc::clone(&stand.door));
    let asking = Asking {
        fetcher,
        settings: &settings,
        document: &Value::Map(parent.1.clone()),
        narrow: &case.narrow,
        values: &stand.values,
        world: &world,
        known: &known,
        ids: &stand.ids,
        coverage: Some(&bench.coverage),
        trace: None,
        waits: false,
    };
    let fetched = fetch(&asking).await;
    if parent.0 != root {
        given.insert(parent.0, parent.1);
    }
    let members: BTreeMap<ObjectKey, Contribution> = fetched.members.into_values().flatten().collect();
    let mut objects = BTreeMap::new();
    let mut merged = BTreeMap::new();
    for (key, contribution) in members {
        match given.get(&key) {
            // What is only added to an object that is there already stays where it is.
            Some(document) => {
                let mut doc = document.clone();
                for (name, value) in &contribution.attributes {
                    doc.insert(name.clone(), value.clone());
                }
                objects.insert(key.clone(), Object { key, doc });
            }
            // Nor is there anything of an object that nobody knows.
            None if !contribution.asserts && stand.ids.identity(&key, &contribution.attributes).is_err() => {}
            None => {
                merged.insert(key, contribution.attributes);
            }
        }
    }
    assume_parents(&stand.ids, &merged, &mut given, &case.environment.name);
    let emitted: BTreeSet<Str> = fetcher.emits.iter().cloned().collect();
    let placement = place(&stand.ids, merged, &emitted, &given);
    let mut failures: Vec<String> = fetched.failures.iter().map(|failure| failure.why.sentence.clone()).collect();
    failures.extend(placement.misplaced.iter().map(|misplaced| format!("{}: {}", misplaced.key, misplaced.sentence)));
    let types: BTreeSet<&Str> = fetcher.emits.iter().chain(&fetcher.extends).collect();
    objects.extend(placement.objects);
    let folder_types: BTreeSet<Str> =
        objects.keys().map(|key| &key.object_type).filter(|name| !types.contains(name)).cloned().collect();
    Ok(Observed {
        objects: objects.into_values().collect(),
        folder_types: folder_types.into_iter().collect(),
        complete: fetched.problem.is_none(),
        failures,
        commands: stand.door.commands(),
        ..Observed::default()
    })
}

fn object_type(bench: &Bench<'_>, stand: &Stand, name: &Str, case: &TestCase) -> Result<Observed, String> {
    let known = bench.specs.object_types.get(name).ok_or_else(|| format!("there is no object type {name}"))?;
    let mut merged = BTreeMap::new();
    let mut others = BTreeMap::new();
    let mut failures = Vec::new();
    for document in &case.objects {
        let type_name = document.text("type").ok_or("an object of the test has no type")?;
        if type_name != name {
            let (key, document) = completed(&stand.ids, document, &case.environment.name)?;
            others.insert(key, document);
            continue;
        }
        let mut attributes = document.clone();
        attributes.remove("type");
        if let Err(refusal) = crate::identity::checked(known, &attributes) {
            failures.push(refusal.why.sentence);
            continue;
        }
        match stand.ids.key(name, &attributes) {
            Ok(key) => {
                // The later document is the newer answer, unless the type can tell that it is not.
                let is_older =
                    merged.get(&key).is_some_and(|former| stand.ids.is_older(&key.object_type, &attributes, former));
                if !is_older {
                    merged.insert(key, attributes);
                }
            }
            Err(why) => failures.push(why.sentence),
        }
    }
    let own: BTreeSet<ObjectKey> = merged.keys().cloned().collect();
    assume_parents(&stand.ids, &merged, &mut others, &case.environment.name);
    let Placement { objects, misplaced } = place(&stand.ids, merged, &BTreeSet::from([name.clone()]), &others);
    failures.extend(misplaced.iter().map(|misplaced| format!("{}: {}", misplaced.key, misplaced.sentence)));
    let folder_types: BTreeSet<Str> =
        objects.keys().filter(|key| !own.contains(*key)).map(|key| key.object_type.clone()).collect();
    let placed: BTreeSet<ObjectKey> = objects.keys().cloned().collect();
    let all = objects.into_values().chain(others.into_iter().map(|(key, doc)| Object { key, doc })).collect();
    let observed = derived(bench, case, all, &known.head.at)?;
    Ok(Observed {
        objects: observed.objects.into_iter().filter(|object| placed.contains(&object.key)).collect(),
        searched: [(name.clone(), known.search.clone())].into(),
        folder_types: folder_types.into_iter().collect(),
        complete: failures.is_empty() && observed.failures.is_empty(),
        failures: failures.into_iter().chain(observed.failures).collect(),
        ..Observed::default()
    })
}

fn joins(bench: &Bench<'_>, stand: &Stand, of: &TestOf, case: &TestCase) -> Result<Observed, String> {
    let name = of.parts().1;
    let all = given(&stand.ids, case)?.into_iter().map(|(key, doc)| Object { key, doc }).collect();
    let under_test = match of {
        TestOf::LinkType(_) => bench.specs.link_types.get(name).map(|spec| spec.head.at.clone()),
        _ => bench.specs.clique_types.get(name).map(|spec| spec.head.at.clone()),
    };
    let mut observed = derived(bench, case, all, &under_test.unwrap_or_default())?;
    if let TestOf::LinkType(name) = of {
        observed.links.retain(|link| link.link_type == *name);
    }
    if let TestOf::CliqueType(name) = of {
        observed.cliques.retain(|clique| clique.clique_type == *name);
    }
    Ok(observed)
}

/// Everything that follows from documents. Of the faults only those of the spec under test decide: documents of a test
/// rarely have what every other rule of the catalogue reads.
fn derived(bench: &Bench<'_>, case: &TestCase, objects: Vec<Object>, under_test: &At) -> Result<Observed, String> {
    let rules = Rules::new(bench.specs, &case.environment).map_err(|error| error.to_string())?;
    let mut graph = Graph::with_threads(Arc::new(rules), 1);
    let every = Changes { upsert: objects, remove: Vec::new() };
    let outcome = graph.apply(every, &NoDocuments).map_err(|error| error.to_string())?;
    super::cover::reach_derived(bench, &outcome.delta);
    let mut failures: Vec<String> = graph
        .faults()
        .into_iter()
        .filter(|fault| fault.at.file == under_test.file)
        .map(|fault| format!("{} at {}: {}: {}", fault.rule, fault.at, fault.object, fault.message))
        .collect();
    // More links than the type allows are reported by a scan, so a test has to see them, too.
    failures.extend(graph.cardinality().into_iter().filter(|many| many.at.file == under_test.file).map(|many| {
        let candidates: Vec<String> = many.candidates.iter().map(ToString::to_string).collect();
        format!("{} at {}: {} is linked to {}", many.link_type, many.at, many.object, candidates.join(" and "))
    }));
    Ok(Observed {
        objects: outcome.delta.objects,
        links: outcome.delta.links,
        cliques: outcome.delta.cliques,
        complete: failures.is_empty(),
        failures,
        ..Observed::default()
    })
}

async fn distribution(bench: &Bench<'_>, stand: &Stand, name: &Str, case: &TestCase) -> Result<Observed, String> {
    if !bench.specs.distributions.contains_key(name) {
        return Err(format!("there is no distribution {name}"));
    }
    if case.environment.distribution != *name {
        return Err(format!("the environment of the case is no {name}"));
    }
    let world = OpenWorld::new(stand.context(bench, Stage::Work), Arc::clone(&stand.door));
    let words_of = |text: &str| {
        let words = Words::parse(text, &Layout::default()).map_err(|errors| {
            errors.first().map_or_else(|| "not a command".to_owned(), |error| error.message.clone())
        })?;
        Ok::<_, String>(words)
    };
    let settings =
        bench.specs.fetchers.iter().map(|(name, fetcher)| {
            (name.clone(), Value::Map(select::settings(bench.specs, &case.environment, fetcher)))
        });
    let mut observed = Observed {
        complete: true,
        values: Some(Value::Map(stand.distribution.values_for(&case.environment.version))),
        settings: Some(Value::Map(settings.collect())),
        supported: Some(stand.distribution.supports(&case.environment, "scanning")),
        ..Observed::default()
    };
    let mut outputs: Vec<String> = Vec::new();
    let mut negative = false;
    for command in &case.commands {
        let text = command.text("run").ok_or("a command of the test has no `run`")?;
        let parsed = words_of(text)?;
        let words = parsed
            .eval(&calipso_expr::Frame::new(0), &mut calipso_expr::Fuel::default())
            .map_err(|error| error.to_string())?;
        let rule = rule_for(stand.rules.iter(), &words);
        if let Some(rule) = rule {
            bench.coverage.reach(&rule.at, "command rule");
        }
        let runs = rewrite(rule, &words, &stand.values).map_err(|error| error.to_string())?;
        observed.commands.extend(runs.into_iter().map(|run| run.words));
        if case.answers.is_null() && case.answers_dir.is_none() {
            continue;
        }
        let step = RunStep { words: parsed, at: None, via: "hosts".into(), parse: None, ok_exit: vec![0] };
        let host = command.get("host").cloned().unwrap_or_else(|| Value::text("any"));
        let asked = world.run(RunAsk { step: &step, host: Some(host), words, timeout: None, attempt: 0 }).await;
        match asked.outcome {
            Outcome::Answer(value) => outputs.push(value.as_str().unwrap_or_default().to_owned()),
            Outcome::Negative(why) => {
                negative = true;
                observed.failures.push(why.sentence);
            }
            Outcome::NoAnswer(why) => observed.failures.push(why.sentence),
        }
    }
    observed.complete = observed.failures.is_empty();
    if !negative && observed.complete && !outputs.is_empty() {
        observed.value = Some(Value::from(outputs.join("\n")));
    }
    Ok(observed)
}

/// A document of a case with the common fields that it leaves out. An id that it gives counts; one that it does not give is
/// made by the form of its type.
fn completed(ids: &Identities, document: &Map, environment: &Str) -> Result<(ObjectKey, Map), String> {
    let need = |name: &str| match document.get(name) {
        Some(Value::Str(text)) => Ok(text.clone()),
        Some(Value::Int(number)) => Ok(number.to_string().into()),
        _ => Err(format!("an object of the test has no {name}: {}", Value::Map(document.clone()))),
    };
    let object_type = need("type")?;
    let id = match need("id") {
        Ok(id) => id,
        Err(missing) if !ids.types.contains_key(&object_type) => return Err(missing),
        Err(_) => ids.key(&object_type, document).map_err(|why| why.sentence)?.id,
    };
    let key = ObjectKey { object_type, id };
    let mut doc = document.clone();
    doc.insert("id", key.id.clone());
    let name = document.text("name").unwrap_or(&key.id).clone();
    for (field, value) in [("name", name.clone()), ("object_name", name), ("environment", environment.clone())] {
        if !doc.contains_key(field) {
            doc.insert(field, value);
        }
    }
    Ok((key, doc))
}

/// The objects of a case by key.
fn given(ids: &Identities, case: &TestCase) -> Result<BTreeMap<ObjectKey, Map>, String> {
    case.objects.iter().map(|document| completed(ids, document, &case.environment.name)).collect()
}

fn known(given: &BTreeMap<ObjectKey, Map>) -> Known {
    let mut known = Known::default();
    for (key, document) in given {
        known.give(key, document);
    }
    known
}

/// Lets the parents of what was emitted exist, where the case says nothing of them.
fn assume_parents(
    ids: &Identities,
    merged: &BTreeMap<ObjectKey, Map>,
    given: &mut BTreeMap<ObjectKey, Map>,
    environment: &Str,
) {
    for (key, attributes) in merged {
        let Ok(identity) = ids.identity(key, attributes) else { continue };
        let parent = identity.parent;
        if parent == ids.root() || merged.contains_key(&parent) || given.contains_key(&parent) {
            continue;
        }
        let mut document = Map::new();
        document.insert("type", parent.object_type.clone());
        document.insert("id", parent.id.clone());
        if let Ok((parent, document)) = completed(ids, &document, environment) {
            given.insert(parent, document);
        }
    }
}
