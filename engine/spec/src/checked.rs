//! Checked specs: names resolved, defaults filled, expressions compiled. What planning, fetching and deriving read.
//!
//! Every expression of one spec shares one [`Layout`] (name → slot), so that a frame of that length holds everything
//! the spec can name. Names that a kind always has are bound first, in the order given at each kind.

use std::{collections::BTreeMap, sync::Arc};

use calipso_expr::{Each, Expr, Layout, Slot, SqlText, Tree, UrlPath, Words};
use calipso_model::{Map, Str, Value};
use calipso_parse::Parser;

/// Where something stands: for run-time failures and provenance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// Path of the file as given, relative to its layer's directory (`fetchers/x.yaml`).
    pub file: Str,
    /// Line, counted from 1.
    pub line: u32,
    /// 1-based column in characters.
    pub column: u32,
}

/// Shown as `file:line:column`.
impl std::fmt::Display for At {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What every spec begins with.
#[derive(Clone, Debug)]
pub struct Head {
    /// Name, equal to the file name.
    pub name: Str,
    /// One sentence for people.
    pub description: Str,
    /// Where the knowledge comes from.
    pub source: Str,
    /// Where the spec begins.
    pub at: At,
}

/// The whole catalogue, checked.
#[derive(Clone, Debug, Default)]
pub struct Specs {
    /// Distributions by name.
    pub distributions: BTreeMap<Str, Arc<Distribution>>,
    /// Connections by name.
    pub connections: BTreeMap<Str, Arc<Connection>>,
    /// Object types by name.
    pub object_types: BTreeMap<Str, Arc<ObjectType>>,
    /// Fetchers by name.
    pub fetchers: BTreeMap<Str, Arc<Fetcher>>,
    /// Link types by name.
    pub link_types: BTreeMap<Str, Arc<LinkType>>,
    /// Clique types by name.
    pub clique_types: BTreeMap<Str, Arc<CliqueType>>,
}

// ---------------------------------------------------------------- selectors

/// A list condition: all given parts must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListCondition {
    /// At least one of these.
    pub any_of: Option<Vec<Str>>,
    /// All of these.
    pub all_of: Option<Vec<Str>>,
    /// None of these.
    pub none_of: Option<Vec<Str>>,
}

/// A version condition; `at_least` and `below` compare places in the distribution's ordered list.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionCondition {
    /// One of these.
    pub any_of: Option<Vec<Str>>,
    /// None of these.
    pub none_of: Option<Vec<Str>>,
    /// This one or later.
    pub at_least: Option<Str>,
    /// Earlier than this one.
    pub below: Option<Str>,
}

/// `environment:` of fetchers, rules, link types, clique types, command rules. Absent keys hold always.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// On the name of the environment.
    pub name: Option<ListCondition>,
    /// Platform of the distribution.
    pub platform: Option<ListCondition>,
    /// On the name of its distribution.
    pub distribution: Option<ListCondition>,
    /// Version of the one distribution.
    pub version: Option<VersionCondition>,
    /// On its mechanism drivers.
    pub mechanism_drivers: Option<ListCondition>,
    /// On its type drivers.
    pub type_drivers: Option<ListCondition>,
    /// On its free flags.
    pub flags: Option<ListCondition>,
}

// ---------------------------------------------------------------- distribution

/// A platform distribution.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// Name, description, source, place.
    pub head: Head,
    /// The platform that it is a packaging of.
    pub platform: Str,
    /// Versions, oldest first.
    pub versions: Vec<Str>,
    /// Combinations of version and drivers that specs support.
    pub variances: Vec<Variance>,
    /// What specs read as `dist.values`; later entries win.
    pub values: Vec<(Option<VersionCondition>, Map)>,
    /// Command rules, first match wins.
    pub commands: Vec<CommandRule>,
    /// Settings of fetchers: condition, fetcher, setting, value; later entries win, version-bound ones over unbound.
    pub settings: Vec<(Option<VersionCondition>, Str, Str, Value)>,
    /// Specs replaced for some versions.
    pub replaces: Vec<Replace>,
}

/// One supported combination. Empty driver lists mean "none given".
#[derive(Clone, Debug)]
pub struct Variance {
    /// Absent: all versions.
    pub versions: Option<VersionCondition>,
    /// Drivers it covers.
    pub mechanism_drivers: Vec<Str>,
    /// Type drivers it covers.
    pub type_drivers: Vec<Str>,
    /// Feature name to whether it is supported.
    pub features: BTreeMap<Str, bool>,
}

/// Rewrites commands of a host. Layout: `env`, `dist`, `command` (list of words), `answer`.
#[derive(Clone, Debug)]
pub struct CommandRule {
    /// Where the rule stands.
    pub at: At,
    /// For messages; unique among the rules of the distribution.
    pub name: Str,
    /// For which versions of the distribution.
    pub versions: Option<VersionCondition>,
    /// For which environments.
    pub environment: Selector,
    /// Patterns: each a list of words, `*` inside a word stands for any characters; matches the first words.
    pub match_any: Vec<Vec<Str>>,
    /// What runs instead.
    pub run: Vec<CommandRun>,
    /// Names to slots.
    pub layout: Arc<Layout>,
}

/// One command of a command rule.
#[derive(Clone, Debug)]
pub struct CommandRun {
    /// The words; `{{ command }}` stands for the original ones.
    pub command: Words,
    /// When its answer means "none here".
    pub none_if: Option<Expr>,
}

/// A spec that takes another's place for some versions.
#[derive(Clone, Debug)]
pub struct Replace {
    /// Where the replacement stands.
    pub at: At,
    /// `fetcher`, `link_type` or `clique_type`.
    pub kind: Str,
    /// Name of the spec that is replaced.
    pub name: Str,
    /// Name of the spec that takes its place.
    pub with: Str,
    /// For which versions.
    pub versions: Option<VersionCondition>,
}

// ---------------------------------------------------------------- connection

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportName {
    /// HTTP or HTTPS requests.
    Http,
    /// Queries in the protocol of MySQL and MariaDB.
    Sql,
    /// Commands over SSH.
    Ssh,
    /// AMQP; only event sources use it.
    Amqp,
}

impl TransportName {
    /// As authors write them, in the order of the reference.
    pub const WORDS: &'static [&'static str] = &["http", "sql", "ssh", "amqp"];

    /// The transport of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Http, Self::Sql, Self::Ssh, Self::Amqp].into_iter().find(|known| known.as_str() == word)
    }

    /// The word, as authors write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sql => "sql",
            Self::Ssh => "ssh",
            Self::Amqp => "amqp",
        }
    }
}

/// A kind of access. Layout begins with: `env`, `dist`, `config`, `target`, `session`, `answer`, `items`, `list`,
/// `page_number`, `own`, `command`, `result`, `row`, `given`, then results and generators of its step lists.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Name, description, source, place.
    pub head: Head,
    /// What fetchers say after `via`.
    pub role: Str,
    /// What carries its requests.
    pub transport: TransportName,
    /// The form an operator fills in.
    pub fields: BTreeMap<Str, Field>,
    /// One of these must be given.
    pub require_any: Vec<Str>,
    /// Names that configurations of the original use.
    pub aliases: Aliases,
    /// What a step may choose.
    pub target: BTreeMap<Str, TargetField>,
    /// Run once per session.
    pub login: Vec<Step>,
    /// Run before `expires_at`.
    pub refresh: Vec<Step>,
    /// What login leaves behind, in file order.
    pub session: Vec<SessionValue>,
    /// Renew before this time (a timestamp text or epoch seconds).
    pub expires_at: Option<Expr>,
    /// Renew once and repeat when this holds for an answer.
    pub login_again_if: Option<Expr>,
    /// http: what paths are appended to.
    pub base: Option<Expr>,
    /// http: headers sent with each request (values may be secret).
    pub send_headers: Vec<(Str, Tree)>,
    /// http: an HTTP Basic login with each request.
    pub send_basic: Option<Basic>,
    /// How answers in several pages are read on; the first that applies counts.
    pub pages: Vec<PageRule>,
    /// ssh: the host's overrides, bound as `own`.
    pub own: Option<Expr>,
    /// sql, ssh: where to; a map of address, port, user, password, private_key … http: ca, verify_tls, certificates, private_key.
    pub connect: Vec<(Str, Tree)>,
    /// ssh: through what.
    pub jump: Option<Jump>,
    /// ssh: around each command, outermost last.
    pub wrap: Vec<Wrap>,
    /// sql: the only identifiers in queries.
    pub identifiers: Vec<(Str, Tree)>,
    /// Bounds on concurrency, time and size.
    pub limits: ConnectionLimits,
    /// Each named step is a line of the report.
    pub test: Vec<Step>,
    /// Names to slots.
    pub layout: Arc<Layout>,
}

/// Names that configurations of the original use for a connection and its fields. `values` see `given`.
#[derive(Clone, Debug, Default)]
pub struct Aliases {
    /// Names of sections.
    pub sections: Vec<Str>,
    /// Name in a section to the field that it means.
    pub fields: BTreeMap<Str, Str>,
    /// Fields that are made of what a section gives.
    pub values: Vec<(Str, Tree)>,
    /// Keys of sections that mean nothing here.
    pub ignore: Vec<Str>,
}

impl Aliases {
    fn keys(tree: &Tree) -> Vec<Str> {
        tree.uses().into_iter().filter_map(|used| used.path.first().cloned()).collect()
    }

    /// Whether some value is made of a key of the section.
    #[must_use]
    pub fn reads(&self, key: &str) -> bool {
        self.values.iter().any(|(_, tree)| Self::keys(tree).iter().any(|read| read.as_ref() == key))
    }

    /// The keys of which a field is made.
    #[must_use]
    pub fn needed(&self, field: &str) -> Vec<Str> {
        let tree = self.values.iter().find(|(name, _)| name.as_ref() == field);
        tree.map(|(_, tree)| Self::keys(tree)).unwrap_or_default()
    }
}

/// Type of a connection field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text of any content.
    Text,
    /// An absolute URL of http or https.
    Url,
    /// Host name or address.
    Host,
    /// 1 to 65535.
    Port,
    /// Path of a file on the machine that scans.
    Path,
    /// A whole number, within 64 bits.
    Integer,
    /// true or false.
    Bool,
    /// PEM or OpenSSH private key.
    PrivateKey,
    /// Certificates as PEM text.
    Certificates,
    /// Map of names to a sub-form.
    Map,
}

/// One field of a connection.
#[derive(Clone, Debug)]
pub struct Field {
    /// What values it takes.
    pub field_type: FieldType,
    /// Never shown, logged or recorded.
    pub secret: bool,
    /// May be absent.
    pub optional: bool,
    /// Its value where none is given.
    pub default: Option<Value>,
    /// Allowed values; empty: any of its type.
    pub one_of: Vec<Value>,
    /// For maps: the form of each value.
    pub of: BTreeMap<Str, Field>,
    /// What it is.
    pub description: Str,
    /// A value as an example, for documentation.
    pub example: Option<Value>,
}

/// One thing a step may choose of a connection.
#[derive(Clone, Debug)]
pub struct TargetField {
    /// Allowed values; empty: any.
    pub one_of: Vec<Value>,
    /// Default; sees `config`.
    pub default: Option<Tree>,
}

/// A value that login leaves behind.
#[derive(Clone, Debug)]
pub struct SessionValue {
    /// Name below `session`.
    pub name: Str,
    /// Computes the value from the configuration.
    pub value: Tree,
    /// Never shown, logged or recorded.
    pub secret: bool,
}

/// How a list goes on.
#[derive(Clone, Debug)]
pub struct PageRule {
    /// Where the rule stands.
    pub at: At,
    /// For messages; unique among the rules of the connection.
    pub name: Str,
    /// Applies when (sees `target`, `config`, `session`).
    pub when: Option<Expr>,
    /// Added to the first request's query.
    pub query: Vec<(Str, Tree)>,
    /// A URL, a map of query parameters, or null = last page.
    pub next: Expr,
}

/// A gateway through which hosts are reached.
#[derive(Clone, Debug)]
pub struct Jump {
    /// Chosen where this holds; absent: always.
    pub when: Option<Expr>,
    /// Parameters of the gateway, as in `connect`.
    pub connect: Vec<(Str, Tree)>,
}

/// A command around each command.
#[derive(Clone, Debug)]
pub struct Wrap {
    /// Chosen where this holds; absent: always.
    pub when: Option<Expr>,
    /// The words; `{{ command }}` stands for those inside.
    pub command: Words,
}

/// Budget of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionLimits {
    /// Requests at once over the whole connection.
    pub concurrent: usize,
    /// Requests per second; none: unlimited.
    pub per_second: Option<f64>,
    /// ssh: channels at once per host.
    pub channels_per_host: usize,
    /// Seconds per request.
    pub timeout_secs: u64,
    /// Bytes of one answer.
    pub max_bytes: u64,
    /// Pages of one list.
    pub max_pages: u64,
}

// ---------------------------------------------------------------- steps

/// What happens to several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// First element or null.
    First,
    /// Last or null.
    Last,
    /// The only one, otherwise negative.
    One,
    /// All of them.
    All,
    /// Without repetition, in order (lists) or sorted (joins).
    Distinct,
}

/// Repeats a step.
#[derive(Clone, Debug)]
pub struct Retry {
    /// How often more.
    pub times: u32,
    /// Pause before the next attempt, in seconds.
    pub delay_secs: f64,
    /// Until this holds for `result`.
    pub until: Option<Expr>,
}

/// One step of a fetcher, a login or a connection test.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where the step stands.
    pub at: At,
    /// Label in reports.
    pub name: Option<Str>,
    /// Skipped where this does not hold; absent: never skipped.
    pub when: Option<Expr>,
    /// One run per element. `when` filters elements if it stands beside `each`.
    pub each: Option<Each>,
    /// A map instead of a list.
    pub key: Option<Expr>,
    /// What happens to several values; defaults are already filled in.
    pub take: Take,
    /// Where the result is bound.
    pub bind: Option<Slot>,
    /// When a negative answer means "none".
    pub none_if: Option<Expr>,
    /// How often a failed step is tried again; absent: never.
    pub retry: Option<Retry>,
    /// Overrides the connection's limit.
    pub timeout_secs: Option<u64>,
    /// What it does.
    pub verb: Verb,
}

/// What a step does: exactly one verb each.
#[derive(Clone, Debug)]
pub enum Verb {
    /// A command on a host.
    Run(RunStep),
    /// Sends a request of HTTP.
    Http(HttpStep),
    /// Runs a query in a database.
    Sql(SqlStep),
    /// Finds objects that are known already.
    Lookup(LookupStep),
    /// Objects fetched again, narrowed.
    Fetch(FetchStep),
    /// A value, bound through `Step::bind`.
    Let(Tree),
    /// An object found.
    Emit(EmitStep),
    /// A known object changed (workflows).
    Patch(PatchStep),
    /// A known object removed (workflows).
    Delete(Expr),
    /// Ends the run of the spec.
    Stop(StopStep),
    /// Runs a group of steps.
    Do(Block),
    /// The first block that works.
    FirstOf(Vec<Block>),
}

/// `run`: a command on a host.
#[derive(Clone, Debug)]
pub struct RunStep {
    /// The command, split into words.
    pub words: Words,
    /// The host object; none: the default of the spec (already filled in when there is one).
    pub at: Option<Expr>,
    /// Role of the connection.
    pub via: Str,
    /// None: the text as it is.
    pub parse: Option<Arc<Parser>>,
    /// Exit statuses that are answers.
    pub ok_exit: Vec<i32>,
}

/// `http`: one request.
#[derive(Clone, Debug)]
pub struct HttpStep {
    /// The method, in capitals.
    pub method: Str,
    /// Path below the base.
    pub path: UrlPath,
    /// Role of the connection.
    pub via: Str,
    /// Target fields, defaults of the spec merged in.
    pub target: Vec<(Str, Tree)>,
    /// Query parameters, in order.
    pub query: Vec<(Str, Tree)>,
    /// Headers of the request, in order.
    pub headers: Vec<(Str, Tree)>,
    /// The body, sent as JSON.
    pub body: Option<Tree>,
    /// Form body, in place of the other.
    pub form: Vec<(Str, Tree)>,
    /// connections only: an HTTP Basic login.
    pub basic: Option<Basic>,
    /// Whether page rules apply.
    pub paged: bool,
    /// Key of the list in each page (dotted path allowed).
    pub items: Option<Str>,
    /// How the body is parsed; absent: as JSON.
    pub parse: Option<Arc<Parser>>,
    /// Accepted statuses; empty: 2xx.
    pub accept_status: Vec<u16>,
    /// Where the whole answer is bound.
    pub answer_as: Option<Slot>,
    /// connections only: another base.
    pub base: Option<Expr>,
}

/// An HTTP Basic login.
#[derive(Clone, Debug)]
pub struct Basic {
    /// Name of the account.
    pub user: Tree,
    /// Its password; never shown.
    pub password: Tree,
}

/// `sql`: one query.
#[derive(Clone, Debug)]
pub struct SqlStep {
    /// The query; `{{ schema.NAME }}` are identifiers, every other value a parameter.
    pub text: SqlText,
    /// Role of the connection.
    pub via: Str,
}

/// A condition of `where`.
#[derive(Clone, Debug)]
pub enum Condition {
    /// The attribute equals this value.
    Is(Tree),
    /// The list attribute has this element.
    Has(Tree),
    /// One of the list.
    AnyOf(Tree),
}

/// `lookup`: objects that are known already.
#[derive(Clone, Debug)]
pub struct LookupStep {
    /// Type of the objects that are looked for.
    pub object_type: Str,
    /// Attribute to condition; all must hold.
    pub filter: Vec<(Str, Condition)>,
    /// What happens when there is none.
    pub missing: Option<StopStep>,
}

/// `fetch`: runs the fetchers of a type.
#[derive(Clone, Debug)]
pub struct FetchStep {
    /// Type of the objects that are fetched.
    pub object_type: Str,
    /// The parent object.
    pub inside: Expr,
    /// Attribute to value, by which fetchers narrow what they ask for.
    pub filter: Vec<(Str, Tree)>,
}

/// `emit`: asserts an object.
#[derive(Clone, Debug)]
pub struct EmitStep {
    /// Type of the object.
    pub object_type: Str,
    /// Document to start from.
    pub copy: Option<Expr>,
    /// Top-level keys dropped from the copy.
    pub without: Vec<Str>,
    /// Written over it.
    pub set: Vec<(Str, Tree)>,
}

/// `patch`: changes attributes of a known object.
#[derive(Clone, Debug)]
pub struct PatchStep {
    /// Yields the object to change.
    pub object: Expr,
    /// As in `emit`.
    pub copy: Option<Expr>,
    /// As in `emit`.
    pub without: Vec<Str>,
    /// As in `emit`.
    pub set: Vec<(Str, Tree)>,
    /// Names of attributes that are removed.
    pub unset: Vec<Str>,
    /// Elements added to lists.
    pub put: Vec<(Str, Tree)>,
    /// Elements removed from lists.
    pub remove: Vec<(Str, Tree)>,
}

/// `stop`: ends the run early.
#[derive(Clone, Debug)]
pub struct StopStep {
    /// `complete`, `incomplete`, `ok`, `drop`, `retry`, `failed`.
    pub outcome: Str,
    /// The reason, for reports.
    pub because: Option<Tree>,
}

/// A list of steps with a value.
#[derive(Clone, Debug)]
pub struct Block {
    /// Name of an alternative.
    pub name: Option<Str>,
    /// Skipped where this does not hold; absent: never skipped.
    pub when: Option<Expr>,
    /// Run in order.
    pub steps: Vec<Step>,
    /// What the block yields.
    pub value: Option<Tree>,
}

// ---------------------------------------------------------------- object types

/// Type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeType {
    /// Text of any content.
    Text,
    /// A whole number, within 64 bits.
    Integer,
    /// A whole or floating-point number.
    Number,
    /// true or false.
    Bool,
    /// An address of IPv4 or IPv6.
    Ip,
    /// A MAC address: six pairs of hexadecimal digits with colons.
    Mac,
    /// A time of RFC 3339.
    Timestamp,
    /// A list of any values.
    List,
    /// A map of any values.
    Map,
    /// A value of any type.
    Any,
}

/// A declared attribute.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Where the attribute is declared.
    pub at: At,
    /// What values it takes.
    pub attribute_type: AttributeType,
    /// Type of the elements of a list.
    pub of: Option<AttributeType>,
    /// Unit of its numbers, such as `bytes`.
    pub unit: Option<Str>,
    /// Allowed values; empty: any of its type.
    pub one_of: Vec<Str>,
    /// Whether values outside `one_of` are taken.
    pub other_values: bool,
    /// Object type whose ids it holds.
    pub refers_to: Option<Str>,
    /// `merge: union`: contributions are united.
    pub merge_union: bool,
    /// Key of list elements.
    pub keyed_by: Option<Str>,
    /// What it is.
    pub description: Option<Str>,
}

/// An object type. Layout: `env`, `dist`, `self`, `parent`, `other`, then generators.
#[derive(Clone, Debug)]
pub struct ObjectType {
    /// Name, description, source, place.
    pub head: Head,
    /// Declared attributes by name.
    pub attributes: BTreeMap<Str, Attribute>,
    /// Whether undeclared attributes may be emitted.
    pub other_attributes: bool,
    /// Attributes, or paths into them, by whose values search finds an object.
    pub search: Vec<Str>,
    /// Version of the document, from `self`.
    pub newest_by: Option<Expr>,
    /// Forms, first that holds.
    pub forms: Vec<Form>,
    /// Derived attributes in file order; the order of evaluation is [`Specs`]-wide, see `order`.
    pub derive: Vec<DeriveRule>,
    /// Names to slots.
    pub layout: Arc<Layout>,
}

/// One way in which objects of a type get identity, name and place.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where the form stands.
    pub at: At,
    /// For messages; unique among the forms of the type.
    pub name: Str,
    /// Holds when (sees `self`, `env`).
    pub when: Option<Expr>,
    /// The id, unique within the type.
    pub id: Tree,
    /// What people see as `name`.
    pub display_name: Tree,
    /// Own `object_name`, when a form says so.
    pub object_name: Option<Tree>,
    /// Type of the parent; `environment` is the root.
    pub parent_type: Str,
    /// Id of the parent; none for the environment.
    pub parent_id: Option<Tree>,
    /// Folders between parent and object, from the outside in.
    pub folders: Vec<Folder>,
}

/// A folder between parent and object.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Type of the folder object.
    pub folder_type: Str,
    /// Id; sees `parent` (the real parent, not the folder around).
    pub id: Tree,
    /// What people see as its name.
    pub text: Str,
    /// There even when empty.
    pub always: bool,
}

/// Keys of one end of a join: for each generated element one key, when it holds.
#[derive(Clone, Debug, Default)]
pub struct JoinEnd {
    /// Generators over the end's own object.
    pub each: Option<Each>,
    /// Skips an end where this does not hold.
    pub when: Option<Expr>,
    /// A list of key parts. None only where a rule is computed from self alone.
    pub key: Option<Expr>,
}

/// One rule of a derived attribute.
#[derive(Clone, Debug)]
pub struct DeriveRule {
    /// Where the rule stands.
    pub at: At,
    /// Name of the attribute that it derives.
    pub attribute: Str,
    /// The other object type; none: computed from `self` alone.
    pub from: Option<Str>,
    /// Keys of `self`.
    pub own: JoinEnd,
    /// Keys of `other`.
    pub other: JoinEnd,
    /// On pairs that met.
    pub when: Option<Expr>,
    /// What each pair yields.
    pub value: Tree,
    /// What happens to several.
    pub take: Take,
}

// ---------------------------------------------------------------- links and cliques

/// How the rules of a link type combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeRules {
    /// All contribute; one link per pair, the first rule's attributes.
    All,
    /// Per `from` object the first rule that finds anything.
    First,
}

/// A link type. Layout of its rules: `env`, `dist`, `from`, `to`, then generators.
#[derive(Clone, Debug)]
pub struct LinkType {
    /// Head; the name is `FROM-TO`.
    pub head: Head,
    /// Object type of the source.
    pub from: Str,
    /// Object type of the target.
    pub to: Str,
    /// For which environments.
    pub environment: Selector,
    /// How rules combine.
    pub take: TakeRules,
    /// At most one link per `from` object.
    pub from_one: bool,
    /// At most one link per `to` object.
    pub to_one: bool,
    /// Rules, each of which makes links.
    pub rules: Vec<LinkRule>,
    /// Names to slots.
    pub layout: Arc<Layout>,
}

/// One join of a link type.
#[derive(Clone, Debug)]
pub struct LinkRule {
    /// Where the rule stands.
    pub at: At,
    /// For messages and for the provenance of links.
    pub name: Str,
    /// For which environments.
    pub environment: Selector,
    /// Keys of the source.
    pub from: JoinEnd,
    /// Keys of the target.
    pub to: JoinEnd,
    /// On pairs that met.
    pub when: Option<Expr>,
    /// Display name; none: `{from.object_name}-{to.object_name}`.
    pub link_name: Option<Tree>,
    /// `up` or `down`; none: up.
    pub state: Option<Tree>,
    /// Host; none: that of `from`, else of `to`.
    pub host: Option<Tree>,
    /// Name of the switch that the link belongs to.
    pub switch: Option<Tree>,
    /// Further attributes of the link, in order.
    pub attributes: Vec<(Str, Tree)>,
}

/// A clique type.
#[derive(Clone, Debug)]
pub struct CliqueType {
    /// Name, description, source, place.
    pub head: Head,
    /// Object type in the middle.
    pub focal_point: Str,
    /// For which environments.
    pub environment: Selector,
    /// Link types in order; each as written, and how it is stored.
    pub path: Vec<PathStep>,
    /// Attributes whose values on links must agree with the focal point.
    pub constraints: Vec<Str>,
    /// Whether implicit links are also walked.
    pub implicit_links: bool,
}

/// One entry of a clique path.
#[derive(Clone, Debug, PartialEq)]
pub struct PathStep {
    /// The name as the path says it, which may be the reverse of a declared one.
    pub written: Str,
    /// Name of the declared link type.
    pub link_type: Str,
    /// Whether it is walked from target to source.
    pub backwards: bool,
}

// ---------------------------------------------------------------- fetchers

/// A setting of a fetcher.
#[derive(Clone, Debug)]
pub struct FetcherSetting {
    /// `text`, `integer`, `bool` …
    pub setting_type: AttributeType,
    /// The value where a distribution sets none.
    pub default: Value,
    /// What it does.
    pub description: Str,
}

/// A fetcher. Layout begins with: `env`, `dist`, `parent`, `narrow`, `settings`, `answer`, `result`, `row`, then
/// results and generators.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// Name, description, source, place.
    pub head: Head,
    /// For which environments.
    pub environment: Selector,
    /// Type of the parent (`environment` is the root).
    pub under: Str,
    /// Types it asserts.
    pub emits: Vec<Str>,
    /// Types it only adds attributes to.
    pub extends: Vec<Str>,
    /// About `parent`; false is a complete empty answer.
    pub when: Option<Expr>,
    /// Attributes by which it can ask for part of a type.
    pub narrow_by: BTreeMap<Str, Vec<Str>>,
    /// Settings of the fetcher by name.
    pub settings: BTreeMap<Str, FetcherSetting>,
    /// Run in order under each parent.
    pub steps: Vec<Step>,
    /// Types whose objects it looks up.
    pub reads: Vec<Str>,
    /// Names to slots.
    pub layout: Arc<Layout>,
}
