//! The command line: what a user may type.

mod authors;

use std::path::PathBuf;

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use crate::settings::SettingFlags;

pub use self::authors::{SpecCommand, TryArgs};

/// Discovers how a virtual network is really wired, from YAML specs.
///
/// Exit codes: 0 done; 1 done, with findings (wrong specs, failed tests, a scan with failed steps, failed connection
/// tests, differences, ends of links that should have met something, nothing found); 2 wrong use (unknown option,
/// environment, object, revision; an output that cannot be written); 3 a login was refused; 4 something could
/// not be reached; 5 the store is busy, broken or not ours; 70 a bug of ours.
#[derive(Debug, Parser)]
#[command(name = "calipso", version, max_term_width = 110)]
pub struct Cli {
    /// What is common to all commands.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// A number of rows; none would show nothing.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("a whole number is needed".to_owned()),
    }
}

/// The heading, in helps, of what every command has.
const EVERYWHERE: &str = "Options of every command";

/// Options of every command.
#[derive(Debug, Args)]
pub struct Common {
    /// Where everything is kept: a file, or the address of a MongoDB replica set [env: CALIPSO_STORE]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE|mongodb://…")]
    pub store: Option<String>,
    /// The configuration file; without it, calipso/calipso.yaml in the user's configuration folder or /etc, if there.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE", env = "CALIPSO_CONFIG")]
    pub config: Option<PathBuf>,
    /// A folder of specs that is laid over the built-in ones; may be given several times.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub specs: Vec<String>,
    /// When to use colours.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_enum, default_value_t = ColorWhen::Auto)]
    pub color: ColorWhen,
    /// Log what happens; twice for more. CALIPSO_LOG holds finer filters.
    #[arg(short, long, global = true, help_heading = EVERYWHERE, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Always, never, or on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands, in the order of their help.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Scan a recorded cloud and look around in it; needs no server.
    Demo(DemoArgs),
    /// Find every mistake in specs.
    Check(CheckArgs),
    /// Format specs: indentation, spacing, the order of the first keys; comments, quotes and meaning stay.
    Fmt(FmtArgs),
    /// Run the tests beside the specs, and say what they do not reach.
    Test(TestArgs),
    /// Begin a spec: write an example of its kind, with a test that passes.
    #[command(subcommand)]
    Spec(SpecCommand),
    /// Run one fetcher once under one object, and show what each step asks, binds and emits. Nothing is stored.
    Try(TryArgs),
    /// Explain a diagnostic, a plan, an object, a link or a clique.
    #[command(subcommand_negates_reqs = true)]
    Explain(ExplainArgs),
    /// Add, list, show, test and remove environments.
    #[command(subcommand)]
    Env(EnvCommand),
    /// Scan an environment.
    Scan(ScanArgs),
    /// Show objects, links, cliques, revisions and scan reports.
    #[command(subcommand)]
    Get(GetCommand),
    /// Draw a clique, or what is around an object.
    Graph(GraphArgs),
    /// Find objects by name, id, or another value that their type names: an address, a port, a domain.
    Search(SearchArgs),
    /// Show what changed between two revisions: causes first. Ends with 1 when anything did.
    Diff(DiffArgs),
    /// Serve the REST interface, and run the scans that it is asked for.
    Serve(ServeArgs),
    /// Show the settings, and where each comes from.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Add, list, change and remove users of the REST interface.
    #[command(subcommand)]
    User(UserCommand),
    /// Handle the keys that seal secrets at rest.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Look after the store itself.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Print the JSON Schema of a kind of spec.
    Schema(SchemaArgs),
    /// Write the reference pages that are generated from the language.
    #[command(hide = true)]
    Reference(ReferenceArgs),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the demo's store in this file, to look around with the other commands.
    #[arg(long, value_name = "FILE")]
    pub keep: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Read everything that is stored, and tell what cannot be what was written: damaged pages, indexes and documents.
    ///
    /// Exit code 0 when nothing is wrong, 5 when something is. A store that is in use can be checked, too.
    Check,
}

/// How diagnostics are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiagnosticsFormat {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Folders of specs, laid over the built-in ones, or single files of one; none: the built-in ones with the layers of
    /// --specs.
    pub paths: Vec<PathBuf>,
    /// The folders are a catalogue of their own: nothing is below them.
    #[arg(long)]
    pub alone: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = DiagnosticsFormat::Text)]
    pub format: DiagnosticsFormat,
    /// Warnings count as errors.
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Args)]
pub struct FmtArgs {
    /// Files, or folders of specs; none: the layers of --specs.
    pub paths: Vec<PathBuf>,
    /// Only say which files are not formatted.
    #[arg(long)]
    pub check: bool,
}

#[derive(Debug, Args)]
pub struct TestArgs {
    /// Only tests whose file or case contains this; the file of a spec or of a test.
    pub filter: Option<String>,
    /// Do not ask for coverage of every rule and branch.
    #[arg(long)]
    pub no_coverage: bool,
    /// Change the specs, one place at a time, and list the changes that no test notices.
    #[arg(long)]
    pub mutate: bool,
    /// mutate: which changes are chosen where --count is given.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "mutate")]
    pub seed: u64,
    /// mutate: how many changes are tried; without it all of them.
    #[arg(long, value_name = "N", requires = "mutate")]
    pub count: Option<usize>,
    /// mutate: begin no further change after this number of seconds.
    #[arg(long, value_name = "S", requires = "mutate")]
    pub seconds: Option<u64>,
    /// mutate: how many of a hundred changes must be noticed.
    #[arg(long, value_name = "PERCENT", default_value_t = 90, value_parser = clap::value_parser!(u8).range(0..=100), requires = "mutate")]
    pub at_least: u8,
    /// How to print.
    #[arg(short, long, value_parser = flat(), default_value = "table")]
    pub output: OutputFormat,
    /// The same as `--output json`.
    #[arg(long)]
    pub json: bool,
    /// Where failures are shown: `github` prints annotations for GitHub Actions instead.
    #[arg(long, value_enum, default_value_t = TestFormat::Text)]
    pub format: TestFormat,
    /// Also write the results to this file as JUnit's XML.
    #[arg(long, value_name = "FILE", conflicts_with = "mutate")]
    pub junit: Option<PathBuf>,
    /// Rewrite what failing cases expect to what was found; everything else of the files stays, comments too.
    #[arg(long, conflicts_with_all = ["mutate", "junit"])]
    pub update: bool,
    /// Run again whenever a file of the specs changes.
    #[arg(long, conflicts_with_all = ["mutate", "update"])]
    pub watch: bool,
    /// Print a test made of a recording: what the fetcher of --of asks for there, and what comes out.
    #[arg(long, value_name = "DIR", requires = "of", conflicts_with_all = ["mutate", "update", "watch", "junit"])]
    pub from_recording: Option<PathBuf>,
    /// from-recording: the fetcher.
    #[arg(long, value_name = "FETCHER", requires = "from_recording")]
    pub of: Option<String>,
    /// from-recording: the object that it runs under, as TYPE/ID; without it the first one.
    #[arg(long, value_name = "TYPE/ID", requires = "from_recording")]
    pub parent: Option<String>,
}

/// Where failures of tests are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// For people, or as --output says.
    Text,
    /// Annotations of GitHub Actions.
    Github,
}

impl TestArgs {
    /// How to print.
    #[must_use]
    pub fn shape(&self) -> OutputFormat {
        if self.json { OutputFormat::Json } else { self.output }
    }
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A code such as `link/bad-name`; `codes` lists all of them.
    #[arg(required = true)]
    pub code: Option<String>,
    /// What else to explain.
    #[command(subcommand)]
    pub what: Option<ExplainCommand>,
}

/// Which explanations there are, besides that of a code.
#[derive(Debug, Subcommand)]
pub enum ExplainCommand {
    /// Which specs an environment uses, which not, and why.
    Plan {
        /// Environment.
        environment: String,
    },
    /// Which fetchers and spec lines made an object.
    Object {
        /// Environment.
        environment: String,
        /// `TYPE/ID`, or an id or name that only one object has.
        object: String,
    },
    /// Why a link exists: its rule and the keys that met.
    Link {
        /// Environment.
        environment: String,
        /// Link type.
        link_type: String,
        /// Source object.
        source: String,
        /// Target object.
        target: String,
    },
    /// Why an object has the clique that it has.
    Clique {
        /// Environment.
        environment: String,
        /// The focal point.
        object: String,
    },
    /// Ends of links that met no partner, and should have. Ends with 1 when there are any.
    Dangling {
        /// Environment.
        environment: String,
        /// Only ends of this object (`TYPE/ID`, id or name).
        object: Option<String>,
        /// Only this link type.
        #[arg(long)]
        link_type: Option<String>,
        /// Only ends of objects of this host.
        #[arg(long)]
        host: Option<String>,
        /// Those too that are usual: linked otherwise, or like most of their kind.
        #[arg(short, long)]
        all: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum EnvCommand {
    /// Add or replace an environment.
    Add(EnvAddArgs),
    /// List environments.
    List(OutputArgs),
    /// Show one, secrets hidden.
    Show {
        /// Environment.
        environment: String,
        /// How to print.
        #[command(flatten)]
        out: OutputArgs,
    },
    /// Try the connections.
    Test {
        /// Environment.
        environment: String,
        /// Only this role.
        #[arg(long)]
        role: Option<String>,
    },
    /// Remove an environment with all its revisions.
    Remove {
        /// Environment.
        environment: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct EnvAddArgs {
    /// Name of the environment.
    pub environment: String,
    /// A YAML or JSON file with `distribution`, `version`, `mechanism_drivers`, `type_drivers`, `connections`.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Distribution spec.
    #[arg(long)]
    pub distribution: Option<String>,
    /// Its version.
    #[arg(long = "release", visible_alias = "version", value_name = "VERSION")]
    pub release: Option<String>,
    /// Mechanism driver; may be given several times.
    #[arg(long = "mechanism-driver", value_name = "DRIVER")]
    pub mechanism_drivers: Vec<String>,
    /// Type driver; may be given several times.
    #[arg(long = "type-driver", value_name = "DRIVER")]
    pub type_drivers: Vec<String>,
    /// A switch that specs may ask for; may be given several times.
    #[arg(long = "flag", value_name = "FLAG")]
    pub flags: Vec<String>,
    /// ROLE=SPEC: which connection spec serves a role (needed only where several do).
    #[arg(long = "connection", value_name = "ROLE=SPEC")]
    pub connections: Vec<String>,
    /// ROLE.FIELD=VALUE: a field of a connection. Secrets are `env:NAME` or `file:PATH`.
    #[arg(long = "set", value_name = "ROLE.FIELD=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ScanArgs {
    /// Environment.
    pub environment: String,
    /// Write everything that is answered into this folder, without secrets.
    #[arg(long, value_name = "DIR", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
    /// For `--record`: no interface of this environment needs a login, so that nothing has to be scrubbed.
    #[arg(long, requires = "record")]
    pub no_secrets: bool,
    /// Take the answers from a recording; the environment is added from it when it is not known.
    #[arg(long, value_name = "DIR")]
    pub replay: Option<PathBuf>,
    /// Only this object (`TYPE/ID`, id or name) and what is under it.
    #[arg(long, value_name = "OBJECT", conflicts_with_all = ["links_only", "cliques_only"])]
    pub object: Option<String>,
    /// Only fetch objects.
    #[arg(long, group = "only")]
    pub inventory_only: bool,
    /// Only derive links from what is stored.
    #[arg(long, group = "only")]
    pub links_only: bool,
    /// Only derive cliques from what is stored.
    #[arg(long, group = "only")]
    pub cliques_only: bool,
    /// Forget what earlier scans knew; replaced in one step by what this scan finds.
    #[arg(long)]
    pub clear: bool,
    /// Show each failed step and each part that is out of date, not only their causes.
    #[arg(short, long)]
    pub all: bool,
    /// How to print the report.
    #[arg(short, long, value_parser = flat(), default_value = "table")]
    pub output: OutputFormat,
}

/// How data are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Lined up for people.
    Table,
    /// A tree by parents.
    Tree,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// The shapes of what has no parents.
fn flat() -> impl TypedValueParser<Value = OutputFormat> {
    PossibleValuesParser::new([
        PossibleValue::new("table").help("Lined up for people"),
        PossibleValue::new("json").help("JSON"),
        PossibleValue::new("yaml").help("YAML"),
    ])
    .map(|text| match text.as_str() {
        "json" => OutputFormat::Json,
        "yaml" => OutputFormat::Yaml,
        _ => OutputFormat::Table,
    })
}

/// How objects are printed, as an option: they have parents.
#[derive(Clone, Copy, Debug, Args)]
pub struct ObjectOutputArgs {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}

/// How data are printed, as an option.
#[derive(Clone, Copy, Debug, Args)]
pub struct OutputArgs {
    /// How to print.
    #[arg(short, long, value_parser = flat(), default_value = "table")]
    pub output: OutputFormat,
}

#[derive(Debug, Subcommand)]
pub enum GetCommand {
    /// Objects.
    #[command(visible_alias = "object")]
    Objects(GetObjectsArgs),
    /// Links.
    #[command(visible_alias = "link")]
    Links(GetLinksArgs),
    /// Cliques.
    #[command(visible_alias = "clique")]
    Cliques(GetCliquesArgs),
    /// Revisions of an environment.
    Revisions {
        /// Environment.
        environment: String,
        /// How to print.
        #[command(flatten)]
        out: OutputArgs,
    },
    /// Scan reports of an environment, newest first.
    Reports {
        /// Environment.
        environment: String,
        /// How many.
        #[arg(long, default_value_t = 10, value_parser = at_least_one)]
        limit: usize,
        /// How to print.
        #[command(flatten)]
        out: OutputArgs,
    },
}

#[derive(Debug, Args)]
pub struct GetObjectsArgs {
    /// Environment.
    pub environment: String,
    /// `TYPE/ID`, id or name of one object; none: all of them.
    pub object: Option<String>,
    /// Only this type; may be given several times.
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Only objects of this host.
    #[arg(long)]
    pub host: Option<String>,
    /// Only objects whose attribute has this value, as ATTRIBUTE=VALUE; may be given several times.
    #[arg(long = "where", value_name = "ATTRIBUTE=VALUE")]
    pub filters: Vec<String>,
    /// At this revision instead of the current one.
    #[arg(long)]
    pub revision: Option<u64>,
    /// Maximum number of objects; a tree shows all.
    #[arg(long, default_value_t = 1000, value_parser = at_least_one)]
    pub limit: usize,
    /// How to print.
    #[command(flatten)]
    pub out: ObjectOutputArgs,
}

#[derive(Debug, Args)]
pub struct GetLinksArgs {
    /// Environment.
    pub environment: String,
    /// Only links of this object (`TYPE/ID`, id or name).
    pub object: Option<String>,
    /// Only this link type; may be given several times.
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Only links of this host.
    #[arg(long)]
    pub host: Option<String>,
    /// At this revision instead of the current one.
    #[arg(long)]
    pub revision: Option<u64>,
    /// Maximum number of rows.
    #[arg(long, default_value_t = 1000, value_parser = at_least_one)]
    pub limit: usize,
    /// How to print.
    #[command(flatten)]
    pub out: OutputArgs,
}

#[derive(Debug, Args)]
pub struct GetCliquesArgs {
    /// Environment.
    pub environment: String,
    /// Focal point (`TYPE/ID`, id or name); none: all of them.
    pub object: Option<String>,
    /// Only focal points of this type; may be given several times.
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// At this revision instead of the current one.
    #[arg(long)]
    pub revision: Option<u64>,
    /// Maximum number of rows.
    #[arg(long, default_value_t = 1000, value_parser = at_least_one)]
    pub limit: usize,
    /// How to print.
    #[command(flatten)]
    pub out: OutputArgs,
}

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PictureFormat {
    /// Boxes and lines for a terminal.
    Text,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
    /// Nodes and links as JSON.
    Json,
}

#[derive(Debug, Args)]
pub struct GraphArgs {
    /// Environment.
    pub environment: String,
    /// The object in the middle (`TYPE/ID`, id or name).
    pub object: String,
    /// Everything within this number of links, instead of the clique.
    #[arg(long, value_name = "LINKS")]
    pub around: Option<usize>,
    /// At this revision instead of the current one.
    #[arg(long)]
    pub revision: Option<u64>,
    /// How to draw.
    #[arg(short, long, value_enum, default_value_t = PictureFormat::Text)]
    pub format: PictureFormat,
}

#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Environment.
    pub environment: String,
    /// A part of a name or of another value that is searched, or the beginning of an id.
    pub text: String,
    /// Maximum number of rows.
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    pub limit: usize,
    /// How to print.
    #[command(flatten)]
    pub out: OutputArgs,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Environment.
    pub environment: String,
    /// Earlier revision; none: the one before the current.
    pub from: Option<u64>,
    /// Later revision; none: the current one.
    pub to: Option<u64>,
    /// Each object, link and clique that differs, not only causes.
    #[arg(short, long)]
    pub all: bool,
    /// How to print.
    #[command(flatten)]
    pub out: OutputArgs,
}

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Settings.
    #[command(flatten)]
    pub settings: SettingFlags,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show every setting with its value and where that comes from; secrets stay references.
    Show {
        /// Settings.
        #[command(flatten)]
        settings: Box<SettingFlags>,
        /// How to print.
        #[command(flatten)]
        out: OutputArgs,
    },
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// List users and what they may do.
    List(OutputArgs),
    /// Add a user; prints a random password once unless one is given.
    Add {
        /// Name.
        name: String,
        /// May do everything.
        #[arg(long)]
        administrator: bool,
        /// ENVIRONMENT=view|edit; `*` stands for every environment. May be given several times.
        #[arg(long = "grant", value_name = "ENVIRONMENT=RIGHT")]
        grants: Vec<String>,
        /// Where the password is: env:NAME or file:PATH.
        #[arg(long, value_name = "env:NAME|file:PATH")]
        password: Option<String>,
    },
    /// Set a new password; prints a random one once unless one is given. All tokens of the user end.
    Password {
        /// Name.
        name: String,
        /// Where the password is: env:NAME or file:PATH.
        #[arg(long, value_name = "env:NAME|file:PATH")]
        password: Option<String>,
    },
    /// Remove a user with all tokens.
    Remove {
        /// Name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new key, and seal every secret in the store again with it.
    Rotate,
    /// Show which keys there are, and how many secrets each seals.
    List(OutputArgs),
}

#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Kind of spec; none: all of them into --out.
    pub kind: Option<String>,
    /// Write one file per kind into this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ReferenceArgs {
    /// Where the pages are.
    pub dir: PathBuf,
    /// Write nothing; fail when a page differs.
    #[arg(long)]
    pub check: bool,
}
