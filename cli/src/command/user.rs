//! `user`: who may use the REST interface.

use std::collections::BTreeMap;

use calipso_api::{Accounts, Grant, Source, User as Account, random_password};
use calipso_model::{Map, Secret, Str, Value};
use calipso_store::Page;

use crate::{
    args::{OutputArgs, OutputFormat, UserCommand},
    command::serve::{account_settings, problem_failure},
    failure::Failure,
    output::{printable, table},
    reference,
    session::{Session, store_failure},
    show,
};

/// `user`.
///
/// # Errors
/// The store cannot be used, there is no such user, or the password will not do.
pub async fn run(session: &Session, what: &UserCommand) -> Result<(), Failure> {
    let backend = session.store().await?;
    let accounts = Accounts::new(backend, account_settings(&session.settings)?);
    let now = jiff::Timestamp::now();
    match what {
        UserCommand::List(out) => list(&accounts, *out).await,
        UserCommand::Add { name, administrator, grants, password } => {
            let mut account = Account::new(name, Source::Local, now);
            account.administrator = *administrator;
            account.grants = read_grants(grants)?;
            let (password, made) = password_of(password.as_deref())?;
            accounts.add_user(account, Some(password.clone())).await.map_err(problem_failure)?;
            println!("added {name}");
            say(&password, made);
            Ok(())
        }
        UserCommand::Password { name, password } => {
            let (password, made) = password_of(password.as_deref())?;
            accounts.set_password(name, password.clone(), now).await.map_err(problem_failure)?;
            accounts.revoke_all(name).await.map_err(problem_failure)?;
            println!("the password of {name} is set; its tokens have ended");
            say(&password, made);
            Ok(())
        }
        UserCommand::Remove { name } => {
            accounts.remove_user(name, None).await.map_err(problem_failure)?;
            println!("removed {name}");
            Ok(())
        }
    }
}

/// The password that was given, or a random one; and whether it was made here.
fn password_of(reference: Option<&str>) -> Result<(Secret, bool), Failure> {
    match reference {
        Some(text) => reference::resolve(text).map(|password| (password, false)).map_err(Failure::usage),
        None => random_password().map(|password| (password, true)).map_err(problem_failure),
    }
}

fn say(password: &Secret, made: bool) {
    if made {
        println!("password (shown this once): {}", password.reveal());
    }
}

fn read_grants(texts: &[String]) -> Result<BTreeMap<Str, Grant>, Failure> {
    let read = |text: &String| {
        let (environment, right) = text.split_once('=').unwrap_or((text, ""));
        let grant = match right {
            "view" => Grant::View,
            "edit" => Grant::Edit,
            _ => {
                return Err(Failure::usage(format!("`--grant {text}` is not ENVIRONMENT=view or ENVIRONMENT=edit"))
                    .help("write for example `--grant lab=view`, or `--grant '*=edit'` for every environment"));
            }
        };
        Ok((environment.into(), grant))
    };
    texts.iter().map(read).collect()
}

async fn list(accounts: &Accounts, out: OutputArgs) -> Result<(), Failure> {
    let mut users: Vec<Account> = Vec::new();
    let mut page = Page::first(1_000);
    loop {
        let found = accounts.users(&page).await.map_err(problem_failure)?;
        for record in &found.items {
            users.push(calipso_store::work::Row::from_record(record).map_err(store_failure)?);
        }
        match found.next {
            Some(next) => page = Page::after(next, 1_000),
            None => break,
        }
    }
    let grants = |user: &Account| {
        let one = |(environment, grant): (&Str, &Grant)| {
            format!("{environment}={}", if *grant == Grant::Edit { "edit" } else { "view" })
        };
        user.grants.iter().map(one).collect::<Vec<String>>()
    };
    let source = |user: &Account| if user.source == Source::Local { "local" } else { "directory" };
    match out.output {
        OutputFormat::Table | OutputFormat::Tree => {
            let rows: Vec<Vec<String>> = users
                .iter()
                .map(|user| {
                    let state = if user.disabled { "disabled" } else { "" };
                    let may = if user.administrator { "administers".to_owned() } else { grants(user).join(", ") };
                    vec![printable(&user.name), source(user).to_owned(), printable(&may), state.to_owned()]
                })
                .collect();
            print!("{}", table(&["USER", "PASSWORD IN", "MAY", "STATE"], &rows));
        }
        shape => {
            let shown = users.iter().map(|user| {
                let pairs: Map = [
                    ("name", Value::Str(user.name.clone())),
                    ("source", Value::text(source(user))),
                    ("administrator", Value::Bool(user.administrator)),
                    ("disabled", Value::Bool(user.disabled)),
                    ("grants", Value::list(grants(user).into_iter().map(Value::from).collect())),
                ]
                .into_iter()
                .collect();
                Value::Map(pairs)
            });
            print!("{}", show::value(shape, &Value::list(shown.collect())));
        }
    }
    Ok(())
}
