//! A door that records the calls that pass through it, without secrets.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use calipso_model::{Map, Value};

use crate::{
    door::{Call, Door, Exchange, Execution, Stage},
    key::RequestKey,
    recording::{EntryKey, FORMAT, RecordedEntry, write_line},
    scrub::Scrubber,
};

/// What a recording tells about itself.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// Name and version of the program.
    pub tool: String,
    /// When the recording began, RFC 3339.
    pub started_at: String,
    /// Anything else worth knowing: the environment's document, its distribution, … Scrubbed like the rest.
    pub about: Map,
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The directory holds something already.
    #[error("{} is not empty; name a new directory for the recording", .dir.display())]
    NotEmpty {
        /// The directory as it was named.
        dir: PathBuf,
    },
    /// The directory cannot be written.
    #[error("cannot write the recording to {}", .dir.display())]
    Write {
        /// The directory as it was named.
        dir: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// No secret was registered, so nothing shows that scrubbing works.
    #[error(
        "no recording is written, because no login used a secret: nothing shows that scrubbing would work; where no interface needs a login, say so (`--no-secrets`)"
    )]
    NoSecret,
    /// A secret is left in the text to be written.
    #[error("no recording is written, because a secret was still found in {file} after scrubbing")]
    SecretLeft {
        /// The file of the recording.
        file: String,
    },
}

/// Passes calls on and records them.
///
/// # Shape
/// Nothing is on disk before [`Recorder::finish`]. The calls of logins are scrubbed only then, because their replies hold secrets
/// that are registered later.
pub struct Recorder<D> {
    inner: D,
    dir: PathBuf,
    meta: Meta,
    scrubber: Arc<Scrubber>,
    has_secrets: bool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    logins: Vec<(String, RecordedEntry)>,
    /// Lines by file; each with what it is sorted by.
    lines: BTreeMap<String, Vec<(String, u32, String)>>,
}

impl<D: Door> Recorder<D> {
    /// Starts a recording that will be written to `dir`, which must not exist or be empty.
    ///
    /// # Errors
    /// The directory is not empty, or is no directory.
    pub fn new(inner: D, dir: &Path, meta: Meta, scrubber: Arc<Scrubber>) -> Result<Self, RecordError> {
        check_empty(dir)?;
        Ok(Self { inner, dir: dir.to_owned(), meta, scrubber, has_secrets: true, kept: Mutex::default() })
    }

    /// The same for interfaces without any secret. Secrets that are registered nevertheless are scrubbed.
    #[must_use]
    pub fn without_secrets(self) -> Self {
        Self { has_secrets: false, ..self }
    }

    /// Writes the recording, or refuses to.
    ///
    /// # Errors
    /// It cannot be written, no secret was known, or one is left in it. In every such case nothing stays on disk.
    pub fn finish(&self) -> Result<(), RecordError> {
        if self.has_secrets && !self.scrubber.knows_any() {
            return Err(RecordError::NoSecret);
        }
        check_empty(&self.dir)?;
        let files = self.files();
        for (name, text) in &files {
            if !self.scrubber.is_clean(text.as_bytes()) || !self.scrubber.is_clean(name.as_bytes()) {
                // The name of a file that holds a secret would tell it.
                let file = if self.scrubber.is_clean(name.as_bytes()) { name.clone() } else { "hosts/".to_owned() };
                return Err(RecordError::SecretLeft { file });
            }
        }
        write(&self.dir, &files).map_err(|source| RecordError::Write { dir: self.dir.clone(), source })
    }

    /// The files of the recording: their names and texts.
    fn files(&self) -> BTreeMap<String, String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = kept.lines.clone();
        for (key, entry) in &kept.logins {
            let (file, line) = write_line(&self.scrubber.entry(entry));
            lines.entry(file).or_default().push((key.clone(), entry.attempt, line));
        }
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for (name, mut lines) in lines {
            lines.sort();
            let text: String = lines.iter().map(|(.., line)| self.scrubber.line(line) + "\n").collect();
            *files.entry(name).or_default() += &text;
        }
        let mut meta: Map = match self.scrubber.value(&Value::Map(self.meta.about.clone())) {
            Value::Map(about) => about,
            _ => Map::new(),
        };
        meta.insert("format", FORMAT);
        meta.insert("tool", self.scrubber.text(&self.meta.tool));
        meta.insert("started_at", self.meta.started_at.clone());
        let meta = serde_json::to_string_pretty(&meta).expect("a map has text keys and finite numbers only");
        files.insert("meta.json".to_owned(), self.scrubber.line(&meta) + "\n");
        files
    }
}

fn check_empty(dir: &Path) -> Result<(), RecordError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(RecordError::NotEmpty { dir: dir.to_owned() }),
            None => Ok(()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(RecordError::Write { dir: dir.to_owned(), source }),
    }
}

/// Writes all files or none: beside the directory first, then moved there.
fn write(dir: &Path, files: &BTreeMap<String, String>) -> std::io::Result<()> {
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent)?;
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let partial = parent.join(format!(".{name}.partial-{}", std::process::id()));
    let written = write_into(&partial, files).and_then(|()| {
        if dir.exists() {
            fs::remove_dir(dir)?;
        }
        fs::rename(&partial, dir)
    });
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&partial);
    }
    written
}

fn write_into(dir: &Path, files: &BTreeMap<String, String>) -> std::io::Result<()> {
    fs::create_dir(dir)?;
    for (name, text) in files {
        let file = dir.join(name);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = fs::File::create(file)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
    }
    Ok(())
}

fn entry(call: &Call, exchange: &Exchange) -> RecordedEntry {
    let key = match &call.key {
        RequestKey::Http(key) => {
            let (path, query) = key.path_and_query();
            EntryKey::Http {
                target: Some(key.target.clone()),
                method: key.method.clone(),
                path,
                query: Some(query),
                body: key.body.clone(),
            }
        }
        RequestKey::Sql(key) => EntryKey::Sql { text: key.normal_text(), params: Some(key.params.clone()) },
        RequestKey::Exec(key) => EntryKey::Exec { host: Some(key.host.clone()), words: key.words.clone() },
    };
    let outcome = match &exchange.reply {
        Ok(reply) => Ok(reply.clone()),
        Err(error) => Err((error.kind, error.why())),
    };
    RecordedEntry {
        role: Some(call.role.clone()),
        stage: Some(call.stage),
        attempt: call.attempt,
        key,
        outcome,
        millis: u64::try_from(exchange.took.as_millis()).unwrap_or(u64::MAX),
        execution: match exchange.execution {
            Execution::Shared(number) => Some(number),
            Execution::None | Execution::Own => None,
        },
    }
}

#[async_trait]
impl<D: Door> Door for Recorder<D> {
    async fn exchange(&self, call: Call) -> Exchange {
        let exchange = self.inner.exchange(call.clone()).await;
        let entry = entry(&call, &exchange);
        let sort_by = format!("{} {} {}", call.stage.as_str(), call.role, call.key.text());
        if call.stage == Stage::Login {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).logins.push((sort_by, entry));
        } else {
            let (file, line) = write_line(&self.scrubber.entry(&entry));
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.lines.entry(file).or_default().push((sort_by, call.attempt, line));
        }
        exchange
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
