//! What a command needs: the specs, the store, and how to print.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use calipso_model::{Environment, Object, ObjectKey, Revision, Secret, Str, chain};
use calipso_spec::{Diagnostic, Layer, Loaded, Severity, diag};
use calipso_store::{Backend, Embedded, Mongo, MongoOptions, Page, Query, Store, StoreError, embedded::Unusable};

use crate::{
    args::{ColorWhen, Common},
    embedded,
    failure::{Exit, Failure},
    folders::{data_folder, make_folder, usual_config},
    settings::{SettingFlags, Settings},
};

/// What a command needs.
pub struct Session {
    /// What flags, variables and the configuration file say.
    pub settings: Settings,
    /// Another file of the embedded store.
    other_store: Option<PathBuf>,
    /// Whether to print colours.
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
    /// Columns that tables may take: where no terminal reads them, as many as they need.
    pub table_width: usize,
    /// Whether progress can be drawn.
    pub terminal: bool,
}

/// Where the store is.
pub enum StoreAddress {
    /// A file of the embedded store.
    File(PathBuf),
    /// The address of a MongoDB replica set.
    Mongo(String),
}

impl Session {
    /// From the options of every command, and the settings of a command that takes them all.
    ///
    /// # Errors
    /// A setting is wrong.
    pub fn new(common: &Common, own: Option<&SettingFlags>) -> Result<Self, Failure> {
        let mut flags = own.map(|flags| flags.0.clone()).unwrap_or_default();
        if let Some(store) = &common.store {
            flags.insert("store", vec![store.clone()]);
        }
        if !common.specs.is_empty() {
            flags.insert("specs", common.specs.clone());
        }
        let file = common.config.clone().or_else(usual_config);
        let settings = Settings::resolve(&flags, &|name| std::env::var(name).ok(), file.as_deref())?;
        let terminal = std::io::stdout().is_terminal();
        let colour = match common.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
        };
        let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let known = told.or_else(|| terminal.then(terminal_width));
        let (width, table_width) = (known.unwrap_or(160), known.unwrap_or(usize::MAX));
        Ok(Self { settings, other_store: None, colour, width, table_width, terminal: std::io::stderr().is_terminal() })
    }

    /// The same with another file of the embedded store.
    #[must_use]
    pub fn with_store(&self, store_file: PathBuf) -> Self {
        Self { settings: self.settings.clone(), other_store: Some(store_file), ..*self }
    }

    /// Where the store is.
    #[must_use]
    pub fn store_address(&self) -> StoreAddress {
        match (&self.other_store, self.settings.text("store")) {
            (Some(file), _) => StoreAddress::File(file.clone()),
            (None, Some(address)) if address.starts_with("mongodb://") || address.starts_with("mongodb+srv://") => {
                StoreAddress::Mongo(address.to_owned())
            }
            (None, Some(_)) => StoreAddress::File(self.settings.path("store").unwrap_or_default()),
            (None, None) => StoreAddress::File(data_folder().join("store.db")),
        }
    }

    /// Opens the store; makes it if it is not there.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn store(&self) -> Result<Arc<dyn Backend>, Failure> {
        let file = match self.store_address() {
            StoreAddress::File(file) => file,
            StoreAddress::Mongo(address) => return self.mongo(&address).await,
        };
        let shown = file.to_string_lossy();
        if shown.is_empty() || shown.contains("://") {
            return Err(Failure::usage(format!("`{shown}` is no place of a store"))
                .help("name a file, or a MongoDB replica set: mongodb://HOST/DATABASE?replicaSet=NAME"));
        }
        if file.is_dir() {
            return Err(Failure::new(Exit::Store, format!("the store cannot be `{shown}`, which is a folder"))
                .help(format!("name a file, such as {}", file.join("store.db").display())));
        }
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_folder(folder)
                .map_err(|failure| failure.help("name another place with `--store FILE` or CALIPSO_STORE"))?;
        }
        let opened = Embedded::open(&file, calipso_store::embedded::Options::default());
        Ok(Arc::new(opened.map_err(|error| unusable(&file, error))?))
    }

    async fn mongo(&self, address: &str) -> Result<Arc<dyn Backend>, Failure> {
        let password = self.settings.secret("store_password")?;
        let (uri, database) = mongo_address(address, password.as_ref(), self.settings.path("store_ca").as_deref())?;
        let store = Mongo::connect(MongoOptions::new(uri, database)).await.map_err(store_failure)?;
        Ok(Arc::new(store))
    }

    /// The built-in specs with the layers over them, whatever is wrong with them.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn load(&self) -> Result<Loaded, Failure> {
        Ok(calipso_spec::load(&self.layers()?))
    }

    /// The built-in specs and the folders over them, in order.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn layers(&self) -> Result<Vec<Layer>, Failure> {
        let mut layers = vec![embedded::specs()];
        for dir in self.settings.list("specs") {
            layers.push(read_layer(Path::new(dir))?);
        }
        Ok(layers)
    }

    /// The specs, without errors; warnings are not shown.
    ///
    /// # Errors
    /// A spec is wrong: all mistakes are printed first.
    pub fn specs(&self) -> Result<Loaded, Failure> {
        self.without_errors(self.load()?)
    }

    /// The specs without their tests, for a program that runs none: tests are most of what lies in memory of specs.
    ///
    /// # Errors
    /// As [`Self::specs`].
    pub fn specs_without_tests(&self) -> Result<Loaded, Failure> {
        let mut layers = self.layers()?;
        for layer in &mut layers {
            layer.files.retain(|(path, _)| !path.ends_with(".test.yaml"));
        }
        self.without_errors(calipso_spec::load(&layers))
    }

    /// The catalogue in force for an environment, without errors: what [`Self::specs`] gives, and the environment's own
    /// specs over it.
    ///
    /// # Errors
    /// As [`Self::specs`], or the store cannot be read.
    pub async fn specs_of(&self, store: &dyn Backend, environment: &str) -> Result<Loaded, Failure> {
        let own = calipso_pipeline::own_specs(store, environment).await.map_err(store_failure)?;
        let loaded = calipso_spec::in_force(&self.layers()?, environment, &own).map_err(|misnamed| {
            let sentences: Vec<String> = misnamed.iter().map(ToString::to_string).collect();
            Failure::new(
                Exit::Findings,
                format!("the specs of `{environment}` cannot be used: {}", sentences.join("; ")),
            )
        })?;
        self.without_errors(loaded)
    }

    fn without_errors(&self, loaded: Loaded) -> Result<Loaded, Failure> {
        let is_error = |found: &&Diagnostic| found.severity == Severity::Error;
        // A mistake in a test does not affect scans or trials.
        let (in_tests, in_specs): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
            loaded.diagnostics.iter().filter(is_error).partition(|found| found.primary.file.ends_with(".test.yaml"));
        if in_specs.is_empty() && !in_tests.is_empty() {
            let mistakes = crate::show::count(in_tests.len(), "mistake", "mistakes");
            eprintln!("calipso: {mistakes} in tests of the specs; `calipso check` shows them");
        }
        if !in_specs.is_empty() {
            let shown: Vec<Diagnostic> = in_specs.into_iter().cloned().collect();
            eprint!("{}", diag::text(&shown, &loaded.files, self.colour));
            return Err(Failure::new(Exit::Findings, "the specs have errors")
                .help("mend what is shown above; `calipso check` shows it again"));
        }
        Ok(loaded)
    }
}

/// Reads a folder of specs.
///
/// # Errors
/// It cannot be read.
pub fn read_layer(dir: &Path) -> Result<Layer, Failure> {
    calipso_spec::read_layer(dir).map_err(|error| {
        let failure = Failure::usage(format!("cannot read the specs in `{}`: {error}", dir.display()));
        if dir.is_file() { failure.help("name the folder around fetchers/, object_types/, …") } else { failure }
    })
}

/// An address with its password and certificates put in, and the database that it names.
fn mongo_address(address: &str, password: Option<&Secret>, ca: Option<&Path>) -> Result<(Secret, String), Failure> {
    let wrong = |what: &str| {
        Failure::usage(format!("the setting `store` is no address of a MongoDB replica set: {what}"))
            .help("write for example mongodb://calipso@db1:27017,db2:27017/calipso?replicaSet=rs0")
    };
    let (scheme, rest) = address.split_once("://").ok_or_else(|| wrong("it has no `://`"))?;
    let (authority, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, database) = authority.split_once('/').ok_or_else(|| wrong("it names no database"))?;
    if database.is_empty() {
        return Err(wrong("it names no database"));
    }
    let hosts = match (password, hosts.rsplit_once('@')) {
        (None, _) => hosts.to_owned(),
        (Some(_), None) => return Err(wrong("`store_password` is set, but it names no user")),
        (Some(_), Some((user, _))) if user.contains(':') => {
            return Err(wrong("`store_password` is set, and there is another password in it"));
        }
        (Some(password), Some((user, hosts))) => {
            let encoded: String = url::form_urlencoded::byte_serialize(password.reveal().as_bytes()).collect();
            // A plus is a space in forms only.
            format!("{user}:{}@{hosts}", encoded.replace('+', "%20"))
        }
    };
    let mut options = options.to_owned();
    if let Some(ca) = ca {
        let encoded: String = url::form_urlencoded::byte_serialize(ca.to_string_lossy().as_bytes()).collect();
        let and = if options.is_empty() { "" } else { "&" };
        options.push_str(&format!("{and}tls=true&tlsCAFile={}", encoded.replace('+', "%20")));
    }
    let mark = if options.is_empty() { "" } else { "?" };
    Ok((Secret::new(format!("{scheme}://{hosts}/{database}{mark}{options}")), database.to_owned()))
}

/// Columns according to the shell's `stty`; 100 if it fails.
fn terminal_width() -> usize {
    std::process::Command::new("stty")
        .arg("size")
        .stdin(std::process::Stdio::inherit())
        .stderr(std::process::Stdio::null())
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| text.split_whitespace().nth(1)?.parse().ok())
        .filter(|columns| *columns >= 20)
        .unwrap_or(100)
}

/// A store's error as a failure of a command.
#[must_use]
pub fn store_failure(error: StoreError) -> Failure {
    let help = match &error {
        StoreError::NotFound { what: "environment", .. } => {
            Some("`calipso env list` shows those that are known; `calipso env add` adds one")
        }
        StoreError::Corrupt { .. } => Some("`calipso store check` tells what is damaged"),
        StoreError::NoRevision { .. } => Some("`calipso get revisions` lists those that can be read"),
        _ => None,
    };
    let exit = match &error {
        StoreError::NotFound { .. } | StoreError::NoRevision { .. } => Exit::Usage,
        _ => Exit::Store,
    };
    let mut failure = Failure::new(exit, chain(&error));
    failure.is_unknown_environment = matches!(error, StoreError::NotFound { what: "environment", .. });
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// Why a file cannot be the store: what is not ours must not be taken for one of ours that is damaged.
fn unusable(file: &Path, error: StoreError) -> Failure {
    let found = Unusable::of(&error);
    let failure = store_failure(error);
    match found {
        Some(Unusable::NotAStore) => Failure::new(
            Exit::Store,
            format!("`{}` is no store of Calipso, or nothing is left of it: it holds something else", file.display()),
        )
        .help("name another file with `--store FILE` or CALIPSO_STORE; what is in this one stays as it is"),
        Some(Unusable::NotWritable) => Failure::new(failure.exit, failure.message)
            .help("a store is written to when it is read, too: run as the user that it belongs to, or copy it"),
        None => failure,
    }
}

/// The environment of that name.
///
/// # Errors
/// There is none.
pub async fn environment(store: &dyn Store, name: &str) -> Result<Environment, Failure> {
    store.environment(name).await.map_err(store_failure)
}

/// The one object that a user means: `TYPE/ID`, an id, or a name.
///
/// # Errors
/// No or several objects fit; several are listed.
pub async fn find_object(
    store: &dyn Store,
    environment: &str,
    at: Option<Revision>,
    text: &str,
) -> Result<Object, Failure> {
    if let Some((object_type, id)) = text.split_once('/') {
        let key = ObjectKey::new(object_type, id);
        if let Some(object) = store.object(environment, at, &key).await.map_err(store_failure)? {
            return Ok(object);
        }
    }
    let mut found: Vec<Object> = Vec::new();
    for field in ["id", "name", "object_name"] {
        let query = Query { equals: vec![(Str::from(field), text.into())], ..Query::default() };
        let page = store.objects(environment, at, &query, &Page::first(50)).await.map_err(store_failure)?;
        found.extend(page.items.into_iter().filter(|object| !object.key.object_type.ends_with("_folder")));
        if !found.is_empty() {
            break;
        }
    }
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 if store.current(environment).await.map_err(store_failure)? == 0 => {
            Err(Failure::usage(format!("nothing is known of `{environment}` yet"))
                .help(format!("look at it first: `calipso scan {environment}`")))
        }
        0 => Err(Failure::usage(format!("environment `{environment}` has no object `{text}`"))
            .help(format!("look for it: `calipso search {environment} {text}`"))),
        _ => {
            let listed: Vec<String> = found.iter().take(10).map(|object| object.key.to_string()).collect();
            Err(Failure::usage(format!("several objects are called `{text}`"))
                .help(format!("say which: {}", listed.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use calipso_model::Secret;

    use super::mongo_address;

    #[test]
    fn password_and_certificates_are_put_into_the_address() {
        let password = Secret::new("a b@c/+");
        let (uri, database) =
            mongo_address("mongodb://u@h:1,i:2/d?replicaSet=r", Some(&password), Some(Path::new("/c a.pem"))).unwrap();
        let wanted = "mongodb://u:a%20b%40c%2F%2B@h:1,i:2/d?replicaSet=r&tls=true&tlsCAFile=%2Fc%20a.pem";
        assert_eq!((uri.reveal(), database.as_str()), (wanted, "d"));
        for (address, wanted) in
            [("mongodb://h:1", "no database"), ("mongodb://h/", "no database"), ("mongodb://h/d", "no user")]
        {
            let failure = mongo_address(address, Some(&password), None).unwrap_err();
            assert!(failure.message.contains(wanted), "{}", failure.message);
        }
    }
}
