//! The command line of Calipso: parses, wires, prints, exits.

#[macro_use]
pub mod print;

pub mod args;
pub mod command;
pub mod connections;
pub mod directory;
pub mod embedded;
pub mod environment;
pub mod failure;
pub mod folders;
pub mod metrics;
pub mod output;
pub mod reference;
pub mod secrets;
pub mod session;
pub mod settings;
pub mod show;

use std::process::ExitCode;

use calipso_model::shown;
use clap::{CommandFactory as _, Parser as _};

use crate::{
    args::{Cli, Command},
    failure::{Exit, Failure},
    session::Session,
    settings::Settings,
};

/// Runs the program with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let code = start();
    match print::lost() {
        Some(why) => fail(
            &Failure::usage(format!("cannot write the output: {why}"))
                .help("what the command does is done all the same"),
        ),
        None => code,
    }
}

fn start() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_usage(&error),
    };
    let session = match session(&cli) {
        Ok(session) => session,
        Err(failure) => return fail(&failure),
    };
    // A service without a terminal logs what it does.
    let verbose = cli.common.verbose.saturating_add(u8::from(matches!(cli.command, Command::Serve(_))));
    if let Err(failure) = log(&session.settings, verbose) {
        return fail(&failure);
    }
    // A second provider cannot be there: nothing else installs one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Some(result) = run_at_once(&session, &cli) {
        return match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => fail(&failure),
        };
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::new(Exit::Bug, format!("cannot start: {error}"))),
    };
    match runtime.block_on(run(&session, &cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&with_place(&session, failure)),
    }
}

/// For an unknown environment the help names the store that was read: often another store was meant.
fn with_place(session: &Session, failure: Failure) -> Failure {
    let (Some(help), session::StoreAddress::File(file)) =
        (failure.help.clone().filter(|_| failure.is_unknown_environment), session.store_address())
    else {
        return failure;
    };
    failure.help(format!("{help}; the store is {}", file.display()))
}

/// Prints clap's own output: help, version, or errors in the arguments.
fn print_usage(error: &clap::Error) -> ExitCode {
    let text = error.render();
    if error.use_stderr() {
        // It repeats arguments, which may hold anything; so it has no colours.
        eprint!("{}", shown::lines(&text.to_string()));
    } else if std::io::IsTerminal::is_terminal(&std::io::stdout()) && std::env::var_os("NO_COLOR").is_none() {
        print!("{}", text.ansi());
    } else {
        print!("{text}");
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

fn fail(failure: &Failure) -> ExitCode {
    if !failure.message.is_empty() {
        eprintln!("calipso: {}", shown::lines(&failure.message));
    }
    if let Some(help) = &failure.help {
        eprintln!("help: {}", shown::lines(help));
    }
    ExitCode::from(failure.exit as u8)
}

/// Begins to log to standard error. CALIPSO_LOG and the setting `log.filter` count before -v.
fn log(settings: &Settings, verbose: u8) -> Result<(), Failure> {
    let level = match verbose {
        0 => "warn",
        1 => "calipso=info,warn",
        2 => "calipso=debug,info",
        _ => "trace",
    };
    let from_variable = std::env::var("CALIPSO_LOG").ok().filter(|text| !text.is_empty());
    let wanted = from_variable.as_deref().or_else(|| settings.text("log.filter")).unwrap_or(level);
    let filter = tracing_subscriber::EnvFilter::try_new(wanted)
        .map_err(|error| Failure::usage(format!("`{wanted}` says not what to log: {error}")))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| print::Log)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    match settings.text("log.format") {
        Some("json") => log.json().flatten_event(true).init(),
        Some("text") | None => log.init(),
        Some(other) => {
            return Err(Failure::usage(format!("the setting `log.format` is `text` or `json`, not `{other}`")));
        }
    }
    Ok(())
}

/// The settings of a command, and what else it needs.
fn session(cli: &Cli) -> Result<Session, Failure> {
    let own = match &cli.command {
        Command::Serve(args) => Some(&args.settings),
        Command::Config(args::ConfigCommand::Show { settings, .. }) => Some(&**settings),
        _ => None,
    };
    Session::new(&cli.common, own)
}

/// Runs the commands that need no async runtime; returns nothing for the others.
fn run_at_once(session: &Session, cli: &Cli) -> Option<Result<(), Failure>> {
    Some(match &cli.command {
        Command::Config(args::ConfigCommand::Show { out, .. }) => command::config::show(session, *out),
        Command::Check(args) => command::check::check(session, args),
        Command::Fmt(args) => command::fmt::run(session, args),
        Command::Test(args) if args.from_recording.is_none() => command::test::test(session, args),
        Command::Spec(args::SpecCommand::New { kind, name, dir }) => {
            command::new::new(session, kind, name, dir.as_deref())
        }
        Command::Explain(args) if args.what.is_none() => match &args.code {
            Some(code) => command::specs::explain_code(code, session.table_width),
            None => Err(Failure::usage("say what to explain").help("`calipso explain codes` lists the diagnostics")),
        },
        Command::Schema(args) => command::specs::schema(session, args),
        Command::Reference(args) => command::specs::reference(args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "calipso", &mut script);
            print!("{}", String::from_utf8_lossy(&script));
            Ok(())
        }
        _ => return None,
    })
}

/// Runs one of the commands that ask a store or the world.
async fn run(session: &Session, cli: &Cli) -> Result<(), Failure> {
    match &cli.command {
        Command::Serve(_) => command::serve::run(session).await,
        Command::User(what) => command::user::run(session, what).await,
        Command::Key(what) => command::key::run(session, what).await,
        Command::Store(what) => command::store::run(session, what).await,
        Command::Demo(args) => command::demo::run(session, args).await,
        Command::Explain(args) => match &args.what {
            Some(what) => command::explain::run(session, what).await,
            None => Ok(()),
        },
        Command::Env(what) => command::env::run(session, what).await,
        Command::Scan(args) => command::scan::run(session, args).await,
        Command::Try(args) => command::trial::run(session, args).await,
        Command::Get(what) => command::look::get(session, what).await,
        Command::Graph(args) => command::look::graph(session, args).await,
        Command::Search(args) => command::look::search(session, args).await,
        Command::Diff(args) => command::diff::run(session, args).await,
        Command::Test(args) => command::test::from_recording(session, args).await,
        Command::Check(_)
        | Command::Fmt(_)
        | Command::Spec(_)
        | Command::Config(_)
        | Command::Schema(_)
        | Command::Reference(_)
        | Command::Completions { .. } => Ok(()),
    }
}
