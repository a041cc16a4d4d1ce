//! Runs one request to try connections.

use std::sync::Arc;

use calipso_model::{ConnectionConfig, Environment, Map, Str, Value, chain};
use calipso_store::{
    StoreError,
    work::{Beat, ConnectionTest, Level, TestAnswer, Versioned, conntest},
};
use calipso_transport::{Door, Once, Scrubber};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    conntest::{TestLine, test_connections},
    plan::{Plan, plan},
    work::{
        Shared,
        meter::{self, Metered},
        say::Voice,
    },
};

/// Runs a request that was just taken.
pub(super) async fn run(shared: Arc<Shared>, mut task: Versioned<ConnectionTest>, hurry: CancellationToken) {
    let scrubber = Arc::new(Scrubber::new());
    let answer = tokio::select! {
        biased;
        () = hurry.cancelled() => None,
        answer = answer(&shared, &task.row, &scrubber) => Some(answer),
    };
    let outcome = match answer {
        None => conntest::hand_back(shared.store(), &mut task).await,
        Some(answer) => told(&shared, &mut task, answer, &scrubber).await,
    };
    match outcome {
        Ok(Beat::Go | Beat::Cancel) => {}
        Ok(Beat::Lost) => tracing::warn!(test = %task.id, "A connection test was taken over by another worker."),
        Err(error) => tracing::warn!(%error, test = %task.id, "The answer of a connection test could not be kept."),
    }
}

/// Keeps an answer and says so.
async fn told(
    shared: &Shared,
    task: &mut Versioned<ConnectionTest>,
    answer: TestAnswer,
    scrubber: &Scrubber,
) -> Result<Beat, StoreError> {
    let written = conntest::finish(shared.store(), task, answer, shared.now()).await?;
    if written == Beat::Lost {
        return Ok(written);
    }
    meter::test_ended();
    let row = &task.row;
    let voice = Voice {
        shared,
        scrubber,
        environment: row.environment.clone(),
        least: Level::Info,
        origin_id: task.id.clone(),
        origin_type: "connection test",
    };
    let failed: Vec<&str> = row.errors.keys().map(AsRef::as_ref).filter(|role: &&str| !role.is_empty()).collect();
    let (level, sentence) = if row.errors.is_empty() {
        (Level::Info, format!("The connections of {} work", row.environment))
    } else if failed.is_empty() {
        (Level::Warning, format!("The connections of {} could not be tried", row.environment))
    } else {
        (Level::Warning, format!("Connections of {} do not work: {}", row.environment, failed.join(", ")))
    };
    voice.say(level, &sentence, None, row.errors.clone()).await;
    Ok(written)
}

/// Tries the connections.
async fn answer(shared: &Shared, wanted: &ConnectionTest, scrubber: &Arc<Scrubber>) -> TestAnswer {
    let (plan, door) = match planned(shared, wanted).await {
        Ok(planned) => planned,
        Err(sentence) => {
            let errors = Map::from_pairs(vec![("".into(), scrubber.text(&sentence).into())]);
            let none = |role: &Str| (role.clone(), Value::Bool(false));
            let test_results = wanted.test_targets.iter().map(none).collect();
            return TestAnswer { test_results, errors, ..TestAnswer::default() };
        }
    };
    let roles: Vec<Str> = match wanted.test_targets.as_slice() {
        [] => plan.connections.keys().cloned().collect(),
        some => some.to_vec(),
    };
    let mut answer = TestAnswer::default();
    let mut tries = JoinSet::new();
    for role in roles {
        if !plan.connections.contains_key(&role) {
            let known: Vec<&str> = plan.connections.keys().map(AsRef::as_ref).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let sentence = format!("there is no connection for the role {role}; there are {known}");
            answer.test_results.insert(role.clone(), false);
            answer.errors.insert(role, sentence);
            continue;
        }
        let (plan, door, scrubber) = (Arc::clone(&plan), Arc::clone(&door), Arc::clone(scrubber));
        let (secrets, now) = (Arc::clone(&shared.parts.secrets), (shared.parts.clock)());
        let limit = shared.settings.test_timeout;
        tries.spawn(async move {
            let only = [role.clone()];
            let tested = test_connections(&plan, Some(&only), door, &*secrets, scrubber, now);
            (role, tokio::time::timeout(limit, tested).await.ok())
        });
    }
    while let Some(tried) = tries.join_next().await {
        match tried {
            Ok((role, Some(lines))) => add(&mut answer, scrubber, role, &lines),
            Ok((role, None)) => {
                let sentence = format!(
                    "the test did not end within {} s; see whether the host is reachable and not overloaded",
                    shared.settings.test_timeout.as_secs_f64()
                );
                answer.test_results.insert(role.clone(), false);
                answer.errors.insert(role, sentence);
            }
            Err(error) => answer.errors.insert("", format!("the test met a fault of its own: {error}")),
        }
    }
    door.close().await;
    answer
}

/// What one role came to.
fn add(answer: &mut TestAnswer, scrubber: &Scrubber, role: Str, lines: &[TestLine]) {
    let values = lines.iter().map(|line| {
        Value::Map(Map::from_pairs(vec![
            ("name".into(), Value::Str(line.name.clone())),
            ("ok".into(), Value::Bool(line.ok)),
            ("sentence".into(), Value::text(&scrubber.text(&line.sentence))),
            ("kind".into(), line.kind.map_or(Value::Null, |kind| Value::text(kind.as_str()))),
        ]))
    });
    answer.lines.insert(role.clone(), Value::list(values.collect()));
    let wrong: Vec<String> = lines
        .iter()
        .filter(|line| !line.ok)
        .map(|line| scrubber.text(&format!("{}: {}", line.name, line.sentence)))
        .collect();
    answer.test_results.insert(role.clone(), wrong.is_empty());
    if !wrong.is_empty() {
        answer.errors.insert(role, wrong.join("; "));
    }
}

/// The plan of the environment with what the request lays over its connections, and who is asked.
async fn planned(shared: &Shared, wanted: &ConnectionTest) -> Result<(Arc<Plan>, Arc<dyn Door>), String> {
    let store = &shared.parts.store;
    let mut environment = store.environment(&wanted.environment).await.map_err(|error| chain(&error))?;
    if let Some(configuration) = &wanted.targets_configuration {
        overlay(&mut environment, configuration)?;
    }
    let specs = shared.parts.specs.specs(shared.store(), &wanted.environment).await.map_err(|error| chain(&error))?;
    let plan = plan(&specs, &environment).map_err(|error| chain(&error))?;
    let door = Once::new(Metered((shared.parts.doors)(&environment)));
    Ok((Arc::new(plan), Arc::new(door)))
}

/// Connections that a request names instead of the environment's own.
fn overlay(environment: &mut Environment, configuration: &Map) -> Result<(), String> {
    for (role, config) in configuration.iter() {
        let Some(config) = config.as_map() else {
            return Err(format!("the configuration of the role {role} is no map of `spec` and `fields`"));
        };
        let former = environment.connections.get(role).map(|former| former.spec.clone());
        let Some(spec) = config.text("spec").cloned().or(former) else {
            return Err(format!("the configuration of the role {role} does not say by which `spec` it connects"));
        };
        let fields = config.get("fields").and_then(Value::as_map).cloned().unwrap_or_default();
        environment.connections.insert(role.clone(), ConnectionConfig { spec, fields });
    }
    Ok(())
}
