//! Tests the connections of an environment: each named step of a connection spec is a line.

use std::sync::Arc;

use calipso_model::{Str, Value};
use calipso_spec::checked::{Step, Verb};
use calipso_transport::{Door, ErrorKind, Scrubber, Stage};

use crate::{
    SecretSource,
    answer::FailureKind,
    connection::{Access, Asker, Sessions},
    known::Known,
    plan::Plan,
    step::{Done, Effort, Machine},
};

/// One line of a connection's test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestLine {
    pub role: Str,
    /// The connection spec.
    pub connection: Str,
    /// What was tried.
    pub name: Str,
    /// Whether it worked.
    pub ok: bool,
    /// That it worked, or what failed and what to do.
    pub sentence: String,
    /// Which kind of failure, where one is known.
    pub kind: Option<FailureKind>,
}

/// Tests every connection of an environment, or only those of some roles.
pub async fn test_connections(
    plan: &Plan,
    roles: Option<&[Str]>,
    door: Arc<dyn Door>,
    secrets: &dyn SecretSource,
    scrubber: Arc<Scrubber>,
    now: jiff::Timestamp,
) -> Vec<TestLine> {
    let sessions = Sessions::for_plan(plan, secrets, Asker { door, scrubber, stage: Stage::Test, now, waits: true });
    let mut lines = Vec::new();
    for role in plan.connections.keys() {
        if roles.is_some_and(|roles| !roles.contains(role)) {
            continue;
        }
        let Ok(access) = sessions.access(role) else { continue };
        if access.problems().is_empty() {
            lines.extend(lines_of(&sessions, access).await);
        }
        lines.extend(access.problems().iter().map(|problem| TestLine {
            role: role.clone(),
            connection: access.spec.head.name.clone(),
            name: format!("the field {} is usable", problem.field).into(),
            ok: false,
            sentence: problem.sentence.clone(),
            kind: Some(ErrorKind::Setup.into()),
        }));
    }
    lines
}

/// Runs the test steps of one connection.
pub(crate) async fn lines_of(sessions: &Sessions, access: &Access) -> Vec<TestLine> {
    let spec = &access.spec;
    let line = |name: &Str, problem: Option<String>, kind: Option<FailureKind>| TestLine {
        role: access.role.clone(),
        connection: spec.head.name.clone(),
        name: name.clone(),
        ok: problem.is_none(),
        sentence: problem.unwrap_or_else(|| "it works".to_owned()),
        kind,
    };
    if spec.login.is_empty() && spec.test.is_empty() {
        // Nothing was asked, so nothing works as far as anybody knows.
        let sentence = format!("nothing tries the connection {}; it is kept as it was given", spec.head.name);
        return vec![line(&"the connection can be tried".into(), Some(sentence), None)];
    }
    let mut lines = Vec::new();
    // A login that looks at its target, or a connection to hosts, opens with the first step instead.
    if !spec.login.is_empty() {
        match sessions.session(access, &Value::Null).await {
            Ok(_) => lines.push(line(&"login".into(), None, None)),
            Err(why) => {
                let sentence = format!("{}; {}", why.sentence, why.kind.act());
                lines.push(line(&"login".into(), Some(sentence), Some(why.kind)));
                return lines;
            }
        }
    }
    let mut frame = match access.frame(&sessions.context.values, Value::Null) {
        Ok(frame) => frame,
        Err(why) => return vec![line(&"login".into(), Some(why.sentence), Some(why.kind))],
    };
    let known = Known::default();
    let machine = Machine {
        layout: &spec.layout,
        world: sessions,
        known: &known,
        coverage: sessions.context.coverage.as_deref(),
        trace: None,
        effort: Effort::new(sessions),
        waits: sessions.context.waits,
    };
    for (place, step) in spec.test.iter().enumerate() {
        let Done { binds, run, .. } = machine.step(step, frame.clone()).await;
        let ran = !run.failures.is_empty() || run.stopped.is_some() || reached(&machine, step, &frame);
        for (slot, value) in binds {
            frame.set(slot, value);
        }
        let mut problems: Vec<String> = run
            .failures
            .iter()
            .map(|failure| format!("{}; {}", failure.why.sentence, failure.why.kind.act()))
            .collect();
        if let Some(stopped) = &run.stopped
            && stopped.outcome.as_ref() == "failed"
        {
            problems.push(stopped.because.clone().unwrap_or_else(|| "the test says that it failed".to_owned()));
        }
        if run.spoiled && problems.is_empty() {
            continue;
        }
        let name = match (&step.name, &step.verb) {
            (Some(name), _) => name.clone(),
            (None, _) if problems.is_empty() => continue,
            (None, _) => format!("step {}", place + 1).into(),
        };
        // A verdict that did not fall was passed, and is a line like any other.
        let is_passed = matches!(step.verb, Verb::Stop(_)) && run.stopped.is_none();
        if ran || is_passed {
            let kind = run.failures.first().map(|failure| failure.why.kind);
            lines.push(line(&name, (!problems.is_empty()).then(|| problems.join("; ")), kind));
        }
        if run.stopped.is_some() {
            break;
        }
    }
    lines
}

/// Whether a step did anything: its `when` holds, or its `each` ranges over something.
fn reached(machine: &Machine<'_>, step: &Step, frame: &calipso_expr::Frame) -> bool {
    if let Some(each) = &step.each {
        let mut n_elements = 0;
        let walked = machine.walk(step, each, &mut frame.clone(), &mut |_, _| n_elements += 1);
        return walked.is_err() || n_elements > 0;
    }
    step.when.as_ref().is_none_or(|when| when.holds(frame, &mut calipso_expr::Fuel::default()).unwrap_or(false))
}
