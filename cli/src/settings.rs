//! Settings: one table from which flags, environment variables, keys of the configuration file, `config show` and its page
//! in the reference are made.
//!
//! Of several places that set the same thing, the first counts: a flag, an environment variable, the configuration file, the
//! default.

mod flags;
mod table;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use calipso_model::{Secret, Value};
use calipso_parse::{Parser, ParserSpec};

pub use self::{flags::SettingFlags, table::SETTINGS};
use crate::{failure::Failure, reference};

/// What a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    Text,
    Path,
    /// A whole number from 0.
    Number,
    /// True or false; as a flag it stands alone.
    Switch,
    /// Texts: a list in the file, separated by commas in a variable, a flag that may be given several times.
    List,
    /// Where a secret is: `env:NAME` or `file:PATH`. Never the secret itself.
    Reference,
}

#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in the file, dots between levels. The flag is the same with dashes, the variable in capitals behind `CALIPSO_`.
    pub key: &'static str,
    /// What it holds.
    pub kind: SettingKind,
    /// The default value; empty: none.
    pub default: &'static str,
    /// What it is for, with its unit.
    pub about: &'static str,
}

impl Setting {
    /// `--listen`, without the dashes in front.
    #[must_use]
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    #[must_use]
    pub fn variable(&self) -> String {
        format!("CALIPSO_{}", self.key.replace('.', "_").to_uppercase())
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Flag,
    /// An environment variable.
    Variable(String),
    /// The configuration file.
    File(PathBuf),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => out.write_str("flag"),
            Self::Variable(name) => write!(out, "variable {name}"),
            Self::File(path) => write!(out, "file {}", path.display()),
            Self::Default => out.write_str("default"),
        }
    }
}

/// All settings with their values.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<&'static str, (Vec<String>, Option<Origin>)>,
}

impl Settings {
    /// Puts together what flags, variables and the file say.
    ///
    /// # Errors
    /// The first thing that is wrong: an unknown key, a value of the wrong kind, a file that cannot be read.
    pub fn resolve(
        flags: &BTreeMap<&'static str, Vec<String>>,
        variable: &dyn Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, Failure> {
        let from_file = file.map(read).transpose()?.unwrap_or_default();
        let mut values = BTreeMap::new();
        for setting in SETTINGS {
            let name = setting.variable();
            let (texts, origin) = if let Some(texts) = flags.get(setting.key) {
                (texts.clone(), Origin::Flag)
            } else if let Some(text) = variable(&name).filter(|text| !text.is_empty()) {
                (split(setting.kind, &text), Origin::Variable(name))
            } else if let (Some(texts), Some(file)) = (from_file.get(setting.key), file) {
                (texts.clone(), Origin::File(file.to_owned()))
            } else {
                (split(setting.kind, setting.default), Origin::Default)
            };
            for text in &texts {
                check(setting, text, &origin)?;
            }
            values.insert(setting.key, (texts, Some(origin)));
        }
        Ok(Self { values })
    }

    fn texts(&self, key: &str) -> &[String] {
        debug_assert!(SETTINGS.iter().any(|setting| setting.key == key), "`{key}` is in the table");
        self.values.get(key).map_or(&[], |(texts, _)| texts)
    }

    /// A text; nothing when it is not set.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.texts(key).first().map(String::as_str)
    }

    /// A path; nothing when it is not set. `~/` is the home of the user who runs the program.
    #[must_use]
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(|text| match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
            (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
            _ => PathBuf::from(text),
        })
    }

    /// A number; 0 when it is not set.
    #[must_use]
    pub fn number(&self, key: &str) -> u64 {
        self.text(key).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// A switch; off when it is not set.
    #[must_use]
    pub fn is_on(&self, key: &str) -> bool {
        self.text(key) == Some("true")
    }

    #[must_use]
    pub fn list(&self, key: &str) -> &[String] {
        self.texts(key)
    }

    /// The secret that a reference leads to; nothing when it is not set.
    ///
    /// # Errors
    /// The reference leads nowhere.
    pub fn secret(&self, key: &str) -> Result<Option<Secret>, Failure> {
        let Some(text) = self.text(key) else { return Ok(None) };
        reference::resolve(text)
            .map(Some)
            .map_err(|sentence| Failure::usage(format!("the setting `{key}`: {sentence}")))
    }

    /// Every setting with its value and where that came from, in the order of the table.
    pub fn all(&self) -> impl Iterator<Item = (&'static Setting, &[String], Origin)> {
        SETTINGS.iter().map(|setting| {
            let (texts, origin) =
                self.values.get(setting.key).map_or((&[][..], None), |(texts, origin)| (&texts[..], origin.clone()));
            (setting, texts, origin.unwrap_or(Origin::Default))
        })
    }
}

fn split(kind: SettingKind, text: &str) -> Vec<String> {
    match kind {
        _ if text.is_empty() => Vec::new(),
        SettingKind::List => {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        }
        _ => vec![text.to_owned()],
    }
}

fn check(setting: &Setting, text: &str, origin: &Origin) -> Result<(), Failure> {
    let wanted = match setting.kind {
        SettingKind::Number if text.parse::<u64>().is_err() => "a whole number",
        SettingKind::Switch if !matches!(text, "true" | "false") => "`true` or `false`",
        SettingKind::Reference if !text.starts_with("env:") && !text.starts_with("file:") => {
            // What stands there may be the secret itself: it is not shown.
            return Err(Failure::usage(format!("the setting `{}` ({origin}) is not a reference", setting.key))
                .help("secrets do not stand in settings: write `env:NAME` or `file:PATH`"));
        }
        _ => return Ok(()),
    };
    Err(Failure::usage(format!("the setting `{}` ({origin}) is {wanted}, not `{text}`", setting.key)))
}

/// Reads a configuration file: YAML with the keys of the table.
fn read(file: &Path) -> Result<BTreeMap<&'static str, Vec<String>>, Failure> {
    let shown = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|error| Failure::usage(format!("cannot read `{shown}`: {error}")))?;
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(BTreeMap::new());
    }
    let parser = Parser::new(&ParserSpec::Yaml).expect("the YAML parser has nothing to configure");
    let value = parser.parse(&text).map_err(|error| Failure::usage(format!("`{shown}` is not YAML: {error}")))?;
    let mut found = BTreeMap::new();
    flatten(&value, "", &mut found, file)?;
    Ok(found)
}

fn flatten(
    value: &Value,
    prefix: &str,
    found: &mut BTreeMap<&'static str, Vec<String>>,
    file: &Path,
) -> Result<(), Failure> {
    let shown = file.display();
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == prefix) {
        let plain = |value: &Value| match value {
            Value::List(_) | Value::Map(_) | Value::Null => None,
            Value::Str(text) => Some(text.to_string()),
            other => Some(other.to_json()),
        };
        let texts = match (setting.kind, value) {
            (_, Value::Null) => Some(Vec::new()),
            (SettingKind::List, Value::List(items)) => items.iter().map(plain).collect::<Option<Vec<String>>>(),
            _ => plain(value).map(|text| vec![text]),
        };
        let texts = texts.ok_or_else(|| {
            Failure::usage(format!("`{shown}`: `{prefix}` is {}, found {}", expectation(setting.kind), value.kind()))
        })?;
        found.insert(setting.key, texts);
        return Ok(());
    }
    match value {
        Value::Null if prefix.is_empty() => Ok(()),
        Value::Map(map)
            if prefix.is_empty() || SETTINGS.iter().any(|known| known.key.starts_with(&format!("{prefix}."))) =>
        {
            for (key, inner) in map {
                let path = if prefix.is_empty() { key.to_string() } else { format!("{prefix}.{key}") };
                flatten(inner, &path, found, file)?;
            }
            Ok(())
        }
        _ => {
            let failure = Failure::usage(format!("`{shown}`: there is no setting `{prefix}`"));
            Err(match nearest(prefix) {
                Some(known) => failure.help(format!("did you mean `{known}`? `calipso config show` lists all of them")),
                None => failure.help("`calipso config show` lists the settings"),
            })
        }
    }
}

fn expectation(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Text | SettingKind::Path => "text",
        SettingKind::Number => "a whole number",
        SettingKind::Switch => "`true` or `false`",
        SettingKind::List => "a list of texts",
        SettingKind::Reference => "`env:NAME` or `file:PATH`",
    }
}

/// The setting whose key is most like another; nothing when none is alike.
fn nearest(key: &str) -> Option<&'static str> {
    let alike = |setting: &Setting| (strsim::damerau_levenshtein(setting.key, key), setting.key);
    SETTINGS.iter().map(alike).min().filter(|(distance, _)| *distance <= 3).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Origin, SETTINGS, Settings};

    fn resolve(flags: &[(&'static str, &str)], variables: &[(&str, &str)], file: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calipso.yaml");
        std::fs::write(&path, file).unwrap();
        let flags: BTreeMap<_, _> = flags.iter().map(|(key, text)| (*key, vec![(*text).to_owned()])).collect();
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        Settings::resolve(&flags, &variable, Some(&path))
            .map_err(|failure| format!("{} / {}", failure.message, failure.help.unwrap_or_default()))
    }

    #[test]
    fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
        let file = "listen: 127.0.0.1:1\nlog: {format: json}\n";
        let settings = resolve(&[], &[], file).unwrap();
        assert_eq!(settings.text("listen"), Some("127.0.0.1:1"));
        assert_eq!(settings.text("log.format"), Some("json"));
        assert_eq!(settings.number("workers"), 2);
        let settings = resolve(&[], &[("CALIPSO_LISTEN", "127.0.0.1:2")], file).unwrap();
        assert_eq!(settings.text("listen"), Some("127.0.0.1:2"));
        let settings = resolve(&[("listen", "127.0.0.1:3")], &[("CALIPSO_LISTEN", "127.0.0.1:2")], file).unwrap();
        assert_eq!(settings.text("listen"), Some("127.0.0.1:3"));
        let (_, _, origin) = settings.all().find(|(setting, _, _)| setting.key == "listen").unwrap();
        assert_eq!(origin, Origin::Flag);
    }

    #[test]
    fn mistakes_are_told_with_what_to_do_and_without_secrets() {
        for (file, wanted) in [
            ("lisen: x\n", "did you mean `listen`"),
            ("listen: [a]\n", "`listen` is text, found list"),
            ("workers: many\n", "`workers` (file"),
            ("log: 3\n", "no setting `log`"),
            ("listen: {a: 1}\n", "`listen` is text, found map"),
            ("a: b: c\n", "is not YAML"),
        ] {
            let error = resolve(&[], &[], file).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        let error = resolve(&[], &[], "store_password: hunter2hunter2\n").unwrap_err();
        assert!(error.contains("not a reference") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn keys_are_unique_and_so_are_their_flags() {
        let mut flags: Vec<String> = SETTINGS.iter().map(super::Setting::flag).collect();
        flags.sort();
        flags.dedup();
        assert_eq!(flags.len(), SETTINGS.len());
        let settings = resolve(&[], &[], "").unwrap();
        assert_eq!(settings.all().count(), SETTINGS.len());
    }
}
