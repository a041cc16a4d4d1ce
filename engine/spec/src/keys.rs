//! Every key of every block of the language, said once: type, whether it is required, what it does. The JSON Schemas and the
//! reference pages are made of it, and in debug builds the decoder refuses to take a key that is not listed here.

use crate::checked::TransportName;

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Holds {
    /// Constant text, without `{{ … }}`.
    Text,
    /// A bare expression.
    Expr,
    /// Generators: `a in x; k, v in a.map`.
    Each,
    /// A value: any YAML tree; texts may hold `{{ … }}`.
    Value,
    /// A map of values.
    Values,
    /// Any YAML value, without `{{ … }}`.
    Constant,
    /// true or false.
    Bool,
    /// A whole number.
    Count,
    /// A whole or floating-point number.
    Number,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Counts,
    /// A map with the keys of the block of this name.
    Block(&'static str),
    /// A list of blocks.
    Blocks(&'static str),
    /// A map of names to blocks.
    Named(&'static str),
    /// A map of names to texts.
    NamedTexts,
    /// A map of names to lists of texts.
    NamedTextLists,
    /// A list of steps.
    Steps,
    /// A list of constant maps.
    Maps,
}

/// One key of a block.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As authors write it.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Must be there.
    pub required: bool,
    /// Read, and refused: it comes with a later version of the language.
    pub reserved: bool,
    /// What it does.
    pub doc: &'static str,
}

/// A block: what a map of the language may hold.
#[derive(Clone, Copy, Debug)]
pub struct BlockKeys {
    /// The block's name, as in messages.
    pub name: &'static str,
    /// In the order of the reference.
    pub keys: &'static [Key],
}

const fn must(name: &'static str, holds: Holds, doc: &'static str) -> Key {
    Key { name, holds, required: true, reserved: false, doc }
}

const fn may(name: &'static str, holds: Holds, doc: &'static str) -> Key {
    Key { name, holds, required: false, reserved: false, doc }
}

const fn later(name: &'static str, holds: Holds, doc: &'static str) -> Key {
    Key { name, holds, required: false, reserved: true, doc }
}

use Holds::{
    Block, Blocks, Bool, Constant, Count, Counts, Each, Expr, Maps, Named, NamedTextLists, NamedTexts, Number, Steps,
    Text, Texts, Value, Values, Word,
};

const SCHEMA: Key = must("schema", Text, "Kind and version of the language: `KIND/v1`.");
const NAME: Key = must("name", Text, "Name, equal to the file name without `.yaml`.");
const DESCRIPTION: Key = must("description", Text, "One sentence.");
const SOURCE: Key =
    must("source", Text, "Where the knowledge comes from: a manual page, an API, a table, a recording.");
const OVERRIDES: Key = may(
    "overrides",
    Bool,
    "In a later layer: takes the place of the spec of this name; an error where there is none to replace.",
);
const EXTENDS: Key = may(
    "extends",
    Bool,
    "In a later layer: adds to the spec of this name instead of replacing it; what is required may then be left out.",
);
const ENVIRONMENT: Key = may("environment", Block("`environment`"), "For which environments; absent: for all.");
const VERSIONS: Key =
    may("versions", Block("a version condition"), "For which versions of the distribution; absent: for all.");
const AFTER: Key = may("after", Text, "Regular expression: reading begins behind the first line that matches.");
const BEFORE: Key = may("before", Text, "Regular expression: reading ends before the first line that matches.");
const KEEP: Key = may("keep", Text, "Regular expression: only lines that match count.");
const SKIP: Key = may("skip", Text, "Regular expression: lines that match do not count.");
const CONTINUES: Key =
    may("continues", Text, "Regular expression: a line that matches is joined to the one before with one space.");
const TYPES: Key = may("types", NamedTexts, "Group or column to `integer`, `number`, `bool`, `comma_list` or `words`.");
const TAKE_WORDS: &[&str] = &["first", "last", "one", "all", "distinct"];
const FIELD_WORDS: &[&str] =
    &["text", "url", "host", "port", "path", "integer", "bool", "private_key", "certificates", "map"];
const TYPE_WORDS: &[&str] = &["text", "integer", "number", "bool", "ip", "mac", "timestamp", "list", "map", "any"];
const END: &[Key] = &[
    may("each", Each, "Generators over the end's own object."),
    may("when", Expr, "Filter; sees the end's own object and generators."),
    must("key", Expr, "A list of key parts; a null, undefined or empty part joins nothing."),
];

/// Every block, in the order of the reference. The first of a kind's page is the kind itself.
pub static BLOCKS: &[BlockKeys] = &[
    BlockKeys {
        name: "a distribution",
        keys: &[
            SCHEMA,
            NAME,
            DESCRIPTION,
            SOURCE,
            OVERRIDES,
            EXTENDS,
            must("platform", Text, "The platform that selectors ask for."),
            must("versions", Texts, "All versions, oldest first; `at_least` and `below` compare places in this list."),
            may("variances", Blocks("a variance"), "The supported combinations."),
            may("values", Blocks("values"), "What specs read as `dist.values`; later entries win."),
            may(
                "commands",
                Blocks("a command rule"),
                "How commands of hosts are rewritten; the first rule that matches counts.",
            ),
            may("settings", Maps, "A list of `{versions, FETCHER: {setting: value}}`."),
            may("replaces", Blocks("a replacement"), "Specs that take another's place."),
        ],
    },
    BlockKeys {
        name: "a variance",
        keys: &[
            VERSIONS,
            may("mechanism_drivers", Texts, "Drivers that it covers."),
            may("type_drivers", Texts, "Type drivers that it covers."),
            may(
                "features",
                Constant,
                "Feature name to whether it is supported: `scanning`, `listening`, `monitoring`.",
            ),
        ],
    },
    BlockKeys { name: "values", keys: &[VERSIONS, must("set", Constant, "A map of names to values.")] },
    BlockKeys {
        name: "a command rule",
        keys: &[
            must("name", Text, "Label."),
            VERSIONS,
            ENVIRONMENT,
            must("match_any", Texts, "Patterns of the first words; `*` inside a word stands for any characters."),
            must("run", Blocks("`run`"), "What runs instead; the outputs of several are joined with a line break."),
        ],
    },
    BlockKeys {
        name: "`run`",
        keys: &[
            must("command", Text, "The words; `{{ command }}` stands for the original ones."),
            may("none_if", Expr, "When its negative `answer` means that there is none here."),
        ],
    },
    BlockKeys {
        name: "a replacement",
        keys: &[
            must("kind", Word(&["fetcher", "link_type", "clique_type"]), "Kind of the spec."),
            must("name", Text, "The spec that is replaced."),
            must("with", Text, "The spec that takes its place."),
            VERSIONS,
        ],
    },
    BlockKeys {
        name: "a connection",
        keys: &[
            SCHEMA,
            NAME,
            DESCRIPTION,
            SOURCE,
            OVERRIDES,
            must("role", Text, "What fetchers say after `via`; an environment chooses one connection per role."),
            must("transport", Word(TransportName::WORDS), "What carries it."),
            may("fields", Named("a field"), "The form that an operator fills in."),
            may("require_any", Texts, "One of these fields must be given."),
            may("aliases", Block("`aliases`"), "Names by which configurations of the original call it and its fields."),
            may("target", Named("a target field"), "What a step may choose with `target`."),
            may("login", Steps, "Run once per session."),
            may("refresh", Steps, "Run before `expires_at`; absent: `login` again."),
            may("session", Named("a session value"), "What login leaves behind, read as `session`."),
            may("expires_at", Expr, "When to renew: a time text or seconds since 1970."),
            may("login_again_if", Expr, "When an `answer` means that the session is over: renew once and ask again."),
            may(
                "base",
                Expr,
                "http: the URL that paths are appended to; `unix:///PATH/OF/SOCKET` or `unix:///PATH/OF/SOCKET:/PATH` for a server on a socket file.",
            ),
            may("send", Block("`send`"), "http: what goes with each request."),
            may("pages", Blocks("a page rule"), "http: how a list goes on; the first whose `when` holds."),
            may("own", Expr, "ssh: what differs for `target`, read as `own`."),
            may(
                "connect",
                Values,
                "ssh, sql: address, port, user, password, private_key, known_hosts, verify_host_key, database. http: ca, verify_tls (default: the fields of these names), certificates, private_key.",
            ),
            may("jump", Block("`jump`"), "ssh: the gateway."),
            may("wrap", Blocks("`wrap`"), "ssh: around each command, outermost last."),
            may("identifiers", Values, "sql: the only identifiers in queries, read as `schema.NAME`."),
            may("limits", Block("`limits`"), "The budget."),
            may("test", Steps, "Each named step is a line of the report of `env test`; needed for all but amqp."),
        ],
    },
    BlockKeys {
        name: "a field",
        keys: &[
            must("type", Word(FIELD_WORDS), "Type."),
            may("secret", Bool, "Never shown, logged or recorded."),
            may("optional", Bool, "May be left out."),
            may("default", Constant, "What counts when it is left out."),
            may("one_of", Constant, "A list of the allowed values."),
            may("of", Named("a field"), "type map: the form of each value."),
            may("description", Text, "What it is."),
            may("example", Constant, "An example."),
        ],
    },
    BlockKeys {
        name: "`aliases`",
        keys: &[
            may("sections", Texts, "Names of sections that mean this connection."),
            may("fields", NamedTexts, "Name in such a section to the field that it means."),
            may(
                "values",
                Values,
                "Fields that are made of what a section gives, read as `given`; it must give all that is read.",
            ),
            may("ignore", Texts, "Names in such a section that mean nothing here."),
        ],
    },
    BlockKeys {
        name: "a target field",
        keys: &[
            may("type", Word(&["text", "integer", "host", "bool"]), "Type."),
            may("one_of", Constant, "A list of the allowed values."),
            may("default", Value, "What counts when a step chooses nothing; sees `config`."),
            may("description", Text, "What it is."),
        ],
    },
    BlockKeys {
        name: "a session value",
        keys: &[must("value", Value, "Its value."), may("secret", Bool, "Never shown, logged or recorded.")],
    },
    BlockKeys {
        name: "`send`",
        keys: &[
            may("headers", Values, "Header to value."),
            may("basic", Block("`basic`"), "An HTTP Basic login with each request."),
        ],
    },
    BlockKeys {
        name: "`basic`",
        keys: &[must("user", Value, "The account; without a colon."), must("password", Value, "Its password.")],
    },
    BlockKeys {
        name: "a page rule",
        keys: &[
            must("name", Text, "Label."),
            may("when", Expr, "Applies when; sees `target`, `config`, `session`."),
            may("query", Values, "Added to the first request."),
            must(
                "next",
                Expr,
                "A URL of the same origin, a map of query parameters, or null on the last page; sees `answer`, `items`, `list`, `page_number`.",
            ),
        ],
    },
    BlockKeys {
        name: "`jump`",
        keys: &[
            may("when", Expr, "Used when."),
            may("address", Value, "Address."),
            may("port", Value, "Port."),
            may("user", Value, "Account."),
            may("password", Value, "Password."),
            may("private_key", Value, "Private key."),
            may("known_hosts", Value, "File of known host keys."),
            may("verify_host_key", Value, "false: any host key will do."),
        ],
    },
    BlockKeys {
        name: "`wrap`",
        keys: &[
            may("when", Expr, "Used when."),
            must("command", Text, "The words; `{{ command }}` stands for those inside."),
        ],
    },
    BlockKeys {
        name: "`limits`",
        keys: &[
            may("concurrent", Count, "Requests at a time. Default 8, ssh 64."),
            may("per_second", Number, "Requests per second. Default: no limit."),
            may("channels_per_host", Count, "ssh: channels at a time per host. Default 6."),
            may("timeout_secs", Count, "Seconds per request. Default 30."),
            may(
                "max_bytes",
                Count,
                "Bytes of one answer; its values may take three times as much memory, those of all pages of a list sixteen times. Default 67108864.",
            ),
            may("max_pages", Count, "Pages of one list. Default 10000."),
        ],
    },
    BlockKeys {
        name: "an object type",
        keys: &[
            SCHEMA,
            NAME,
            DESCRIPTION,
            SOURCE,
            OVERRIDES,
            EXTENDS,
            may("attributes", Named("an attribute"), "Declared attributes."),
            may("other_attributes", Word(&["allowed", "rejected"]), "Whether others may be emitted. Default allowed."),
            may(
                "search",
                Texts,
                "Attributes by whose values search finds an object, beside names and ids; dots lead into maps, lists are gone through.",
            ),
            may("newest_by", Expr, "A number that grows with the document; a lower one never overwrites a higher one."),
            must("forms", Blocks("a form"), "How objects get identity, name and place; the first whose `when` holds."),
            may("derive", Blocks("a derived attribute"), "Attributes that follow from other objects."),
        ],
    },
    BlockKeys {
        name: "an attribute",
        keys: &[
            must("type", Word(TYPE_WORDS), "Type."),
            may("of", Word(TYPE_WORDS), "Type of a list's elements."),
            may("unit", Text, "Unit."),
            may("one_of", Texts, "Allowed values: an object that has another is refused."),
            may(
                "other",
                Word(&["allowed", "refused"]),
                "Whether other values than those of `one_of` are taken, with a remark. Default refused.",
            ),
            may("refers_to", Text, "Object type whose ids it holds."),
            may(
                "merge",
                Word(&["union"]),
                "Contributions of several fetchers are united instead of the last one winning.",
            ),
            may("keyed_by", Text, "Key of a list's elements."),
            may("description", Text, "What it is."),
        ],
    },
    BlockKeys {
        name: "a form",
        keys: &[
            must("form", Text, "Label."),
            may("when", Expr, "Holds when; sees `self`."),
            must("id", Value, "Id; sees fetched attributes of `self` only."),
            must("name", Value, "Display name."),
            may("object_name", Value, "Own `object_name`; default: the name."),
            must("parent", Block("`parent`"), "Where it hangs in the tree."),
            may("folders", Blocks("a folder"), "Folders between parent and object, from the outside in."),
        ],
    },
    BlockKeys {
        name: "`parent`",
        keys: &[
            must("type", Text, "Object type, or `environment`."),
            may("id", Value, "Its id; none for the environment."),
        ],
    },
    BlockKeys {
        name: "a folder",
        keys: &[
            must("type", Text, "Type of the folder."),
            must("id", Value, "Id; sees `parent`."),
            must("text", Text, "Display text."),
            may("always", Bool, "There even when empty."),
        ],
    },
    BlockKeys {
        name: "a derived attribute",
        keys: &[
            must(
                "attribute",
                Text,
                "Its name; a further entry of the same name is asked when the earlier ones gave null or [].",
            ),
            may("from", Text, "The other object type; absent: computed from `self` alone."),
            may("own", Block("`own`"), "Keys of `self`."),
            may("other", Block("`other`"), "Keys of `other`."),
            may("when", Expr, "Filter on pairs that met; sees both."),
            must("value", Value, "What each pair yields."),
            may("take", Word(TAKE_WORDS), "What happens to several values. Default first."),
        ],
    },
    BlockKeys { name: "`own`", keys: END },
    BlockKeys { name: "`other`", keys: END },
    BlockKeys {
        name: "a parser",
        keys: &[SCHEMA, NAME, DESCRIPTION, SOURCE, OVERRIDES, must("parse", Block("`parse`"), "Exactly one parser.")],
    },
    BlockKeys {
        name: "`parse`",
        keys: &[
            may("lines", Block("`lines`"), "A list of lines."),
            may("regex", Block("`regex`"), "Named groups."),
            may("table", Block("`table`"), "Columns."),
            may("key_values", Block("`key_values`"), "One map."),
            may("blocks", Block("`blocks`"), "A list of maps; blocks nest."),
            may("json", Block("`json`"), "JSON."),
            may("yaml", Block("`yaml`"), "YAML."),
            may("xml", Block("`xml`"), "XML."),
            may("named", Text, "A parser spec."),
            later("call", Text, "A plugin's function."),
        ],
    },
    BlockKeys { name: "`lines`", keys: &[AFTER, BEFORE, KEEP, SKIP, CONTINUES] },
    BlockKeys {
        name: "`regex`",
        keys: &[
            must("match", Text, "The expression with named groups."),
            may("each_line", Bool, "Each line by itself: a list; default false: one map."),
            may(
                "others",
                Word(&["dropped", "refused"]),
                "With `each_line`: whether a line that does not match is dropped, or makes the input wrong. Default dropped.",
            ),
            TYPES,
            AFTER,
            BEFORE,
            KEEP,
            SKIP,
            CONTINUES,
        ],
    },
    BlockKeys {
        name: "`table`",
        keys: &[
            may("header", Text, "Regular expression of the line that names the columns."),
            may("columns", Texts, "Column names, when no line names them."),
            may("last", Word(&["word", "rest_of_line"]), "What the last column takes. Default word."),
            TYPES,
            AFTER,
            BEFORE,
            KEEP,
            SKIP,
            CONTINUES,
        ],
    },
    BlockKeys {
        name: "`key_values`",
        keys: &[
            must("pair", Text, "Groups `key` and `value`."),
            may("more", Text, "Group `value` of a line that adds to the value before."),
            may("repeat", Word(&["list"]), "A key that comes again makes a list."),
            TYPES,
            AFTER,
            BEFORE,
            KEEP,
            SKIP,
            CONTINUES,
        ],
    },
    BlockKeys { name: "`blocks`", keys: BLOCK_AND_LINES },
    BlockKeys { name: "a block", keys: INNER_BLOCK },
    BlockKeys {
        name: "`json`",
        keys: &[
            may("rows", Text, "Path to the list of rows."),
            may("must_be", Word(&["map", "list", "list_of_maps"]), "Another shape makes the input wrong."),
            may("columns", Text, "Path to the list of column names, when rows are lists."),
            may(
                "tagged",
                NamedTexts,
                "First element of a two-element array to `list`, `map` or `text`: what it becomes.",
            ),
        ],
    },
    BlockKeys { name: "`yaml`", keys: &[] },
    BlockKeys { name: "`xml`", keys: &[] },
    BlockKeys {
        name: "a fetcher",
        keys: &[
            SCHEMA,
            NAME,
            DESCRIPTION,
            SOURCE,
            OVERRIDES,
            ENVIRONMENT,
            must("under", Text, "Type of the objects below which it is asked; `environment` is the root."),
            may("emits", Texts, "Types that it asserts."),
            may("extends", Texts, "Types to which it only adds attributes."),
            may("when", Expr, "About `parent`; false is a complete empty answer."),
            may(
                "narrow_by",
                NamedTextLists,
                "Type to attributes by which it can ask for part of it; read as `narrow`.",
            ),
            may("settings", Named("a setting"), "What distributions may set; read as `settings`."),
            may("at", Expr, "Default host of `run`."),
            may("via", Text, "Default role of `http`."),
            may("target", Values, "Default target of `http`."),
            must("steps", Steps, "What it does."),
        ],
    },
    BlockKeys {
        name: "a setting",
        keys: &[
            must("type", Word(TYPE_WORDS), "Type."),
            must("default", Constant, "Default."),
            may("description", Text, "What it does."),
        ],
    },
    BlockKeys {
        name: "a step",
        keys: &[
            may("name", Text, "Label in reports."),
            may("when", Expr, "Only when; beside `each`: filters elements."),
            may("each", Each, "One run per element."),
            may("key", Expr, "A map instead of a list; without `each` it sees `row`."),
            may("take", Word(TAKE_WORDS), "What happens to several values."),
            may("as", Text, "Names the result."),
            may("none_if", Expr, "When a negative `answer` means that there is none: the result is null."),
            may("retry", Block("`retry`"), "Repeats."),
            may("timeout_secs", Count, "Overrides the connection's limit."),
            may("run", Text, "A command of a host, as words."),
            may("at", Expr, "run: the host object."),
            may("via", Text, "run, http, sql: the role."),
            may("parse", Block("`parse`"), "run, http: the parser."),
            may("ok_exit", Counts, "run: exit statuses that are answers. Default [0]."),
            may("http", Text, "`METHOD /path`."),
            may("target", Values, "http: choices of the connection."),
            may("query", Values, "http: parameters; null leaves one out."),
            may("headers", Values, "http: header fields."),
            may("body", Value, "http: sent as JSON."),
            may(
                "form",
                Values,
                "http: sent as a form (`application/x-www-form-urlencoded`) in place of `body`; null leaves one out, a list repeats one.",
            ),
            may("basic", Block("`basic`"), "http, in connections: an HTTP Basic login."),
            may(
                "items",
                Text,
                "http: key of the list in each page (dots lead deeper); a body that is a list itself needs none.",
            ),
            may(
                "paged",
                Bool,
                "http: false: this answer is whole, whatever the page rules of the connection say. Default true.",
            ),
            may("accept_status", Counts, "http: statuses that are answers. Default 2xx."),
            may("answer_as", Text, "http: names the whole answer."),
            may("base", Expr, "http, in connections: another base."),
            may("sql", Text, "One SELECT; values are bound."),
            later("call", Text, "A plugin's function."),
            later("with", Value, "call: its argument."),
            may("lookup", Text, "Known objects of this type."),
            may("where", Values, "lookup: attribute to value, `{has: v}` or `{any_of: list}`."),
            may("missing", Block("`missing`"), "lookup: what happens when there is none."),
            later("fetch", Text, "workflows: objects of this type, fetched again."),
            later("inside", Expr, "fetch: the parent object."),
            may("let", Text, "Names `value`."),
            may("value", Value, "let, do, first_of: what it yields."),
            may("emit", Text, "An object of this type was found."),
            may("copy", Expr, "emit: a document to start from."),
            may("without", Texts, "emit: keys dropped from the copy."),
            may("set", Values, "emit: attributes written over it."),
            later("patch", Expr, "workflows: a known object is changed."),
            later("unset", Texts, "patch: attributes removed."),
            later("put", Values, "patch: elements added to lists."),
            later("remove", Values, "patch: elements removed from lists."),
            later("delete", Expr, "workflows: a known object is removed."),
            may("stop", Text, "Ends the run: `complete`, `incomplete`; in connection tests `failed`."),
            may("because", Value, "stop: why."),
            may("do", Steps, "A group of steps."),
            may("first_of", Blocks("an alternative"), "The first that works."),
        ],
    },
    BlockKeys {
        name: "an alternative",
        keys: &[
            may("name", Text, "Label."),
            may("when", Expr, "Only when."),
            must("do", Steps, "Steps."),
            may("value", Value, "What it yields."),
        ],
    },
    BlockKeys {
        name: "`retry`",
        keys: &[
            may("times", Count, "How often more. Default 3."),
            may("delay_secs", Number, "Seconds between. Default 1."),
            may("until", Expr, "Until this holds for `result`."),
        ],
    },
    BlockKeys { name: "`missing`", keys: &[must("stop", Text, "Outcome."), may("because", Value, "Why.")] },
    BlockKeys {
        name: "a link type",
        keys: &[
            SCHEMA,
            NAME,
            DESCRIPTION,
            SOURCE,
            OVERRIDES,
            EXTENDS,
            ENVIRONMENT,
            must("from", Text, "Object type of the source."),
            must("to", Text, "Object type of the target."),
            may(
                "take",
                Word(&["all_rules", "first_rule"]),
                "Whether all rules contribute, or per source the first that finds anything. Default all_rules.",
            ),
            may("cardinality", Block("`cardinality`"), "Verified on data; violations are reported."),
            must("rules", Blocks("a rule"), "The joins."),
        ],
    },
    BlockKeys {
        name: "`cardinality`",
        keys: &[
            may("from", Word(&["one", "many"]), "one: at most one link per source."),
            may("to", Word(&["one", "many"]), "one: at most one link per target."),
        ],
    },
    BlockKeys {
        name: "a rule",
        keys: &[
            must("name", Text, "Label; every link says which rule made it."),
            ENVIRONMENT,
            must("from", Block("`from`"), "Keys of the source."),
            must("to", Block("`to`"), "Keys of the target; equal keys meet."),
            may("when", Expr, "Filter on pairs that met; sees both."),
            may("link", Block("`link`"), "What the link says."),
        ],
    },
    BlockKeys { name: "`from`", keys: END },
    BlockKeys { name: "`to`", keys: END },
    BlockKeys {
        name: "`link`",
        keys: &[
            may("name", Value, "Default: `{from.object_name}-{to.object_name}`."),
            may("state", Value, "`up` or `down`. Default up."),
            may("host", Value, "Default: that of the source, else of the target."),
            may("switch", Value, "Switch."),
            may("attributes", Values, "Anything else."),
        ],
    },
    BlockKeys {
        name: "a clique type",
        keys: &[
            SCHEMA,
            NAME,
            DESCRIPTION,
            SOURCE,
            OVERRIDES,
            EXTENDS,
            ENVIRONMENT,
            must("focal_point", Text, "Object type in the middle."),
            must("path", Texts, "Link types in the order they are walked, each in either direction."),
            may("constraints", Texts, "Attributes whose value on a link must agree with the focal point's."),
            may("implicit_links", Bool, "Whether implicit links are walked, too."),
        ],
    },
    BlockKeys {
        name: "`environment`",
        keys: &[
            may("name", Block("a list condition"), "Name of the environment."),
            may("platform", Block("a list condition"), "Platform."),
            may("distribution", Block("a list condition"), "Distribution."),
            may("version", Block("a version condition"), "Version; needs exactly one distribution."),
            may("mechanism_drivers", Block("a list condition"), "Mechanism drivers."),
            may("type_drivers", Block("a list condition"), "Type drivers."),
            may("flags", Block("a list condition"), "Flags."),
        ],
    },
    BlockKeys {
        name: "a list condition",
        keys: &[
            may("any_of", Texts, "At least one of these."),
            may("all_of", Texts, "All of these."),
            may("none_of", Texts, "None of these."),
        ],
    },
    BlockKeys {
        name: "a version condition",
        keys: &[
            may("any_of", Texts, "One of these."),
            may("none_of", Texts, "None of these."),
            may("at_least", Text, "This one or later."),
            may("below", Text, "Earlier than this one."),
        ],
    },
    BlockKeys {
        name: "a test",
        keys: &[
            SCHEMA,
            must("of", Block("`of`"), "The spec that is tested."),
            must("cases", Blocks("a case"), "The cases."),
            may(
                "unnoticed",
                Blocks("an unnoticed change"),
                "Changes that `test --mutate` makes and that no case needs to notice.",
            ),
        ],
    },
    BlockKeys {
        name: "an unnoticed change",
        keys: &[
            must("change", Text, "The change, as `test --mutate` prints it."),
            must("because", Text, "Why no case notices it."),
        ],
    },
    BlockKeys {
        name: "`of`",
        keys: &[
            may("fetcher", Text, "A fetcher."),
            may("link_type", Text, "A link type."),
            may("clique_type", Text, "A clique type."),
            may("object_type", Text, "An object type."),
            may("distribution", Text, "A distribution."),
            may("connection", Text, "A connection."),
            may("parser", Text, "A parser."),
        ],
    },
    BlockKeys {
        name: "a case",
        keys: &[
            must("name", Text, "What is the case, in words."),
            may("environment", Block("a case's environment"), "The environment; without it one of no distribution."),
            may("settings", Constant, "fetcher: settings over what the distribution says."),
            may("parent", Constant, "fetcher: the document of the object that it runs under; absent: the environment."),
            may("narrow", Constant, "fetcher: attributes that are asked for."),
            may(
                "objects",
                Maps,
                "What is known: documents with `type`. An `id` that is given counts; without it, it is made by the type's form.",
            ),
            may("config", Constant, "connection: what an operator fills in; secrets stand here as they are."),
            may("target", Constant, "connection: what the step chose."),
            may("answers", Block("`answers`"), "What is answered. Each must be asked for."),
            may("answers_dir", Text, "A recording's folder, relative to the test file; asked after `answers`."),
            may("commands", Blocks("a test's command"), "distribution: commands as fetchers say them."),
            may(
                "requests",
                Blocks("a test's request"),
                "connection: what is asked after login, instead of its `test`.",
            ),
            may("input", Text, "parser: the text."),
            may("input_file", Text, "parser: the text, from a file."),
            must("expect", Block("`expect`"), "What must come out."),
        ],
    },
    BlockKeys {
        name: "a case's environment",
        keys: &[
            may("name", Text, "Name. Default `test`."),
            may("distribution", Text, "A distribution."),
            may("version", Text, "One of its versions."),
            may("mechanism_drivers", Texts, "Mechanism drivers."),
            may("type_drivers", Texts, "Type drivers."),
            may("flags", Texts, "Flags."),
        ],
    },
    BlockKeys {
        name: "`answers`",
        keys: &[
            may(
                "commands",
                Blocks("an answered command"),
                "Commands as the fetcher says them, before any rewriting; of a rule that runs several commands, as it says them.",
            ),
            may("http", Blocks("an answered request"), "Requests."),
            may("sql", Blocks("an answered query"), "Queries."),
        ],
    },
    BlockKeys {
        name: "an answered command",
        keys: &[
            must("run", Constant, "The command: text that is split into words, or the list of words."),
            may("host", Text, "On which host; absent: on any."),
            may("via", Text, "By which role; absent: by any."),
            may("stdout", Text, "What it prints."),
            may("stdout_file", Text, "The same from a file, relative to the test file."),
            may("stderr", Text, "What it complains of."),
            may("stderr_file", Text, "The same from a file."),
            may("exit", Constant, "Its exit status. Default 0."),
            may("error", Word(ANSWER_ERRORS), "There is no answer, and this is why."),
            may("why", Text, "error: in words."),
        ],
    },
    BlockKeys {
        name: "an answered request",
        keys: &[
            may("get", Text, "The path of a GET, below the connection's base."),
            may("post", Text, "The path of a POST."),
            may("put", Text, "The path of a PUT."),
            may("delete", Text, "The path of a DELETE."),
            may("head", Text, "The path of a HEAD."),
            may("patch", Text, "The path of a PATCH."),
            may("via", Text, "By which role; absent: by any."),
            may("target", Constant, "The whole target; absent: any."),
            may("query", Constant, "All parameters; absent: any."),
            may("sent", Constant, "The body that was sent; absent: any."),
            may("status", Count, "The status. Default 200."),
            may("headers", Constant, "Header fields."),
            may("body", Constant, "What is answered, as JSON."),
            may("body_file", Text, "The same from a file of JSON, relative to the test file."),
            may("text", Text, "What is answered, as text."),
            may("text_file", Text, "The same from a file, relative to the test file."),
            may("error", Word(ANSWER_ERRORS), "There is no answer, and this is why."),
            may("why", Text, "error: in words."),
        ],
    },
    BlockKeys {
        name: "an answered query",
        keys: &[
            must("query", Text, "The statement; white space counts as one space."),
            may("params", Constant, "The bound values; absent: any."),
            may("via", Text, "By which role; absent: by any."),
            may("rows", Maps, "The rows."),
            may("error", Word(ANSWER_ERRORS), "There is no answer, and this is why."),
            may("why", Text, "error: in words."),
        ],
    },
    BlockKeys {
        name: "a test's command",
        keys: &[must("run", Text, "The command as a fetcher says it."), may("host", Text, "On which host.")],
    },
    BlockKeys {
        name: "a test's request",
        keys: &[
            may("get", Text, "Path."),
            may("post", Text, "Path."),
            may("put", Text, "Path."),
            may("delete", Text, "Path."),
            may("head", Text, "Path."),
            may("run", Text, "A command, in place of a path; its target is the host: `{name: …}`."),
            may("query", Constant, "Parameters."),
            may("target", Constant, "Target; default that of the case."),
            may("body", Constant, "Sent as JSON."),
            may("items", Text, "Key of the list in each page."),
        ],
    },
    BlockKeys {
        name: "`expect`",
        keys: &[
            may(
                "objects",
                Maps,
                "fetcher, object_type: each of these is there. Only what is written is compared; null: the attribute is null or absent.",
            ),
            may("objects_exact", Maps, "The same, and there are no others. Folders do not count as others."),
            may("absent", Maps, "No object fits any of these."),
            may("none", Bool, "Nothing comes out."),
            may(
                "search",
                Constant,
                "object_type: text to the ids, in order, of those objects that a search for it finds.",
            ),
            may("links", Blocks("an expected link"), "Each of these links is there."),
            may("links_exact", Blocks("an expected link"), "The same, and there are no others."),
            may("cliques", Blocks("an expected clique"), "Each of these cliques is there."),
            may(
                "commands",
                Constant,
                "distribution: the words that run, a list for each command; fetcher: those that were asked for.",
            ),
            may("sent", Blocks("what was sent"), "fetcher, connection: each of these went out, in any order."),
            may("value", Constant, "parser, connection, distribution: what was read."),
            may("negative", Bool, "parser, distribution: whether the answer is a negative one."),
            may("lines", Blocks("an expected line"), "connection: lines of the report of `env test`."),
            may("values", Constant, "distribution: what specs read as `dist.values`, as far as it is written."),
            may("settings", Constant, "distribution: fetcher to its settings, as far as they are written."),
            may("supported", Bool, "distribution: whether some variance covers the environment."),
            may("applies", Bool, "fetcher, link_type, clique_type: false: the environment does not use it."),
            may(
                "outcome",
                Word(&["complete", "incomplete", "ok", "failed"]),
                "Default: that of a run in which nothing failed (of connections, distributions and parsers: any).",
            ),
            may("failures", Texts, "Each of these texts is part of a failure."),
        ],
    },
    BlockKeys {
        name: "an expected link",
        keys: &[
            may("type", Text, "Its link type."),
            may("source", Text, "Id of the source."),
            may("target", Text, "Id of the target."),
            may("name", Text, "Name."),
            may("state", Word(&["up", "down"]), "State."),
            may("rule", Text, "The rule that made it."),
            may("implicit", Bool, "Whether it is an implicit one."),
            may("host", Text, "Host."),
            may("switch", Text, "Switch."),
            may("attributes", Constant, "Attributes, as far as they are written."),
        ],
    },
    BlockKeys {
        name: "an expected clique",
        keys: &[
            must("focal_point", Constant, "`type` and `id` of the object in the middle."),
            may("type", Text, "The clique type."),
            may("nodes", Maps, "All of its nodes: `type` and `id` of each."),
            may("nodes_include", Maps, "Nodes that are in it."),
            may("nodes_exclude", Maps, "Nodes that are not."),
            may("links", Maps, "All of its links: `type`, `source`, `target` of each."),
            may("constraints", Constant, "All of its constraints."),
        ],
    },
    BlockKeys {
        name: "an expected line",
        keys: &[
            must("name", Text, "Name of the test's step."),
            may("ok", Bool, "Whether it went well. Default true."),
            may("says", Text, "A part of what the line says."),
        ],
    },
    BlockKeys {
        name: "what was sent",
        keys: &[
            may("via", Text, "The role."),
            may("get", Text, "http: path of a GET."),
            may("post", Text, "http: path of a POST."),
            may("put", Text, "http: path of a PUT."),
            may("delete", Text, "http: path of a DELETE."),
            may("head", Text, "http: path of a HEAD."),
            may("patch", Text, "http: path of a PATCH."),
            may("url", Text, "http: the whole URL."),
            may("query", Constant, "http: all parameters."),
            may("headers", Constant, "http: fields as far as they are written, names in lower case."),
            may("body", Constant, "http: the body, as far as its maps are written."),
            may("target", Constant, "http: the target, as far as it is written."),
            may("run", Text, "The command as the fetcher says it."),
            may("host", Text, "The host that it is for."),
            may("words", Texts, "The words that really run, after every rewriting and wrapping."),
            may("address", Constant, "ssh, sql: address."),
            may("port", Constant, "ssh, sql: port."),
            may("user", Constant, "ssh, sql: account."),
            may("password", Constant, "ssh, sql: the test's password."),
            may("private_key", Constant, "ssh: the test's private key."),
            may("jump", Constant, "ssh: the gateway: address, port, user, password; null: there is none."),
            may("verify_host_key", Bool, "ssh: whether the host's key is verified."),
            may("sql", Text, "The statement."),
            may("params", Constant, "sql: the bound values."),
            may("database", Constant, "sql: the database."),
        ],
    },
];

/// Why there may be no answer.
const ANSWER_ERRORS: &[&str] = crate::spec_test::ERRORS;

const INNER_BLOCK: &[Key] = &[
    must("start", Text, "Regular expression of the first line; its groups become keys."),
    may("end", Text, "Regular expression of the line before which the block ends."),
    may("fields", Text, "Groups become keys; the first match counts."),
    may("lists", NamedTexts, "Key to expression: a list of the groups of every line that matches."),
    may("pairs", Text, "Groups `key` and `value`, merged into the block."),
    may("lines", Text, "The key under which the lines are kept."),
    may("blocks", Named("a block"), "Blocks inside this one."),
    TYPES,
];

const BLOCK_AND_LINES: &[Key] = &[
    must("start", Text, "Regular expression of the first line; its groups become keys."),
    may("end", Text, "Regular expression of the line before which the block ends."),
    may("fields", Text, "Groups become keys; the first match counts."),
    may("lists", NamedTexts, "Key to expression: a list of the groups of every line that matches."),
    may("pairs", Text, "Groups `key` and `value`, merged into the block."),
    may("lines", Text, "The key under which the lines are kept."),
    may("blocks", Named("a block"), "Blocks inside this one."),
    TYPES,
    AFTER,
    BEFORE,
    KEEP,
    SKIP,
    CONTINUES,
];

/// The kinds of files, in the order of the reference, and the block that each file is.
pub static KINDS: &[(&str, &str)] = &[
    ("distribution", "a distribution"),
    ("connection", "a connection"),
    ("object_type", "an object type"),
    ("parser", "a parser"),
    ("fetcher", "a fetcher"),
    ("link_type", "a link type"),
    ("clique_type", "a clique type"),
    ("test", "a test"),
];

/// The verbs that a step may have.
pub fn verbs() -> impl Iterator<Item = &'static str> {
    let step = block("a step").map(|block| block.keys).unwrap_or_default();
    let is_reserved = |verb: &str| step.iter().any(|key| key.reserved && key.name == verb);
    crate::lower::step::VERBS.iter().copied().filter(move |verb| !is_reserved(verb))
}

/// The block of that name.
#[must_use]
pub fn block(name: &str) -> Option<&'static BlockKeys> {
    BLOCKS.iter().find(|block| block.name == name)
}
