//! `env`: environments and the test of their connections.

use std::{io::Write as _, sync::Arc};

use calipso_model::{SecretLocation, Str};
use calipso_pipeline::{connection::filled_in, test_connections};
use calipso_spec::environment::to_value;
use calipso_store::Expect;
use calipso_transport::{Live, Once, Scrubber};

use crate::{
    args::{self, EnvCommand},
    command::scan::plan_of,
    environment::{from_args, may_be_made},
    failure::{Exit, Failure},
    output::{fitted, printable},
    secrets::SecretReferences,
    session::{Session, environment, store_failure},
    show,
};

/// `env`.
///
/// # Errors
/// What is wrong with the environment, or its connections.
pub async fn run(session: &Session, what: &EnvCommand) -> Result<(), Failure> {
    match what {
        EnvCommand::Add(args) => add(session, args).await,
        EnvCommand::List(out) => {
            let specs = session.load()?.specs;
            let store = session.store().await?;
            let environments = store.environments().await.map_err(store_failure)?;
            let mut rows = Vec::new();
            for found in environments {
                let revision = store.current(&found.name).await.map_err(store_failure)?;
                rows.push((found, revision));
            }
            print!(
                "{}",
                show::list(
                    out.output,
                    &rows,
                    &["ENVIRONMENT", "DISTRIBUTION", "VERSION", "DRIVERS", "REVISION"],
                    |(found, revision)| {
                        let drivers: Vec<&str> =
                            found.mechanism_drivers.iter().chain(&found.type_drivers).map(AsRef::as_ref).collect();
                        vec![
                            found.name.to_string(),
                            found.distribution.to_string(),
                            found.version.to_string(),
                            drivers.join(" "),
                            revision.to_string(),
                        ]
                    },
                    |(found, _)| to_value(found, &specs),
                )
            );
            Ok(())
        }
        EnvCommand::Show { environment: name, out } => {
            let specs = session.load()?.specs;
            let store = session.store().await?;
            let found = environment(store.as_ref(), name).await?;
            print!("{}", show::value(out.output, &to_value(&found, &specs)));
            Ok(())
        }
        EnvCommand::Test { environment: name, role } => test(session, name, role.as_deref()).await,
        EnvCommand::Remove { environment: name, yes } => {
            let store = session.store().await?;
            environment(store.as_ref(), name).await?;
            if !yes {
                eprint!("remove `{name}` with all its revisions? Type its name to do so: ");
                let _ = std::io::stderr().flush();
                let mut line = String::new();
                std::io::stdin()
                    .read_line(&mut line)
                    .map_err(|error| Failure::usage(format!("cannot read the answer: {error}")))?;
                if line.is_empty() {
                    eprint!("\n");
                }
                if line.trim() != name {
                    return Err(Failure::usage("nothing was removed").help("`--yes` does not ask"));
                }
            }
            store.remove_environment(name, jiff::Timestamp::now().as_millisecond()).await.map_err(store_failure)?;
            println!("removed {name}");
            Ok(())
        }
    }
}

async fn add(session: &Session, args: &args::EnvAddArgs) -> Result<(), Failure> {
    let loaded = session.specs()?;
    let specs = Arc::new(loaded.specs);
    let found = from_args(args, &specs)?;
    let plan = plan_of(&specs, &found)?;
    let mut problems = Vec::new();
    for (role, connection) in &plan.connections {
        let scrubber = Scrubber::new();
        let location = SecretLocation::role(found.name.clone(), role.clone());
        let secrets = SecretReferences::new(&session.settings);
        if let Err(wrong) = filled_in(&connection.spec, &connection.config, &location, &secrets, &scrubber) {
            problems.extend(wrong.into_iter().map(|problem| {
                // The sentence may begin with the field itself.
                let sentence =
                    problem.sentence.strip_prefix(&format!("{}: ", problem.field)).unwrap_or(&problem.sentence);
                format!("{role}.{}: {sentence}", problem.field)
            }));
        }
    }
    if !problems.is_empty() {
        return Err(Failure::usage(format!("the connections cannot be used:\n  {}", problems.join("\n  ")))
            .help("a field is given with `--set ROLE.FIELD=VALUE`; the variable of an `env:NAME` has to be set, the file of a `file:PATH` to be there"));
    }
    let store = session.store().await?;
    may_be_made(store.as_ref(), &found.name).await?;
    let was_there = store.environment(&found.name).await.is_ok();
    store.put_environment(&found, Expect::Anything).await.map_err(store_failure)?;
    println!("{} {}", if was_there { "replaced" } else { "added" }, found.name);
    for warning in &plan.warnings {
        println!("warning: {}", printable(warning));
    }
    Ok(())
}

async fn test(session: &Session, name: &str, role: Option<&str>) -> Result<(), Failure> {
    let store = session.store().await?;
    let found = environment(store.as_ref(), name).await?;
    let loaded = session.specs_of(store.as_ref(), name).await?;
    let plan = plan_of(&Arc::new(loaded.specs), &found)?;
    if let Some(role) = role
        && !plan.connections.contains_key(role)
    {
        let known: Vec<&str> = plan.connections.keys().map(AsRef::as_ref).collect();
        return Err(Failure::usage(format!("environment `{name}` has no connection `{role}`"))
            .help(format!("it has {}", known.join(", "))));
    }
    let roles = role.map(|role| vec![Str::from(role)]);
    let live = Arc::new(Live::new());
    let door = Arc::new(Once::new(Arc::clone(&live)));
    let results = test_connections(
        &plan,
        roles.as_deref(),
        door,
        &SecretReferences::new(&session.settings),
        Arc::new(Scrubber::new()),
        jiff::Timestamp::now(),
    )
    .await;
    live.close().await;
    let rows: Vec<Vec<String>> = results
        .iter()
        .map(|line| {
            vec![
                line.role.to_string(),
                if line.ok { "ok" } else { "FAILED" }.to_owned(),
                printable(&line.name),
                printable(&line.sentence),
            ]
        })
        .collect();
    print!("{}", fitted(&["ROLE", "RESULT", "TEST", "WHAT IT SAYS"], &rows, session.table_width));
    let failed: Vec<_> = results.iter().filter(|line| !line.ok).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let all = |kind: &str| failed.iter().all(|line| line.kind.is_some_and(|known| known.as_str() == kind));
    let exit = if all("denied") {
        Exit::Denied
    } else if all("unreachable") || all("timeout") {
        Exit::Unreachable
    } else {
        Exit::Findings
    };
    Err(Failure::new(exit, format!("{} of {} tests failed", failed.len(), results.len())))
}
