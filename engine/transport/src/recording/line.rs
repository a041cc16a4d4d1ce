//! The form of a recording directory: `meta.json`, and one JSON object a line in `http.jsonl`, `sql.jsonl` and
//! `hosts/HOST.jsonl`.
//!
//! A line says who asked (`role`, `stage`, `attempt`), what (`method`, `path`, `query`, `target` and `sent`; or `query`
//! and `params`; or `host` and `words`), what came back (`status`, `headers` and one of `text`, `base64`, `body`; or
//! `rows`; or `exit`, `stdout` and `stderr`; or else `error` and `why`), and how many `millis` it took. Commands that
//! shared one `execution` on their host have the number of that. `***` stands where a secret was; when a request is looked up it stands for any text.
//!
//! ```json
//! {"attempt":0,"exit":0,"host":"node-1","millis":4,"role":"hosts","stage":"work","stderr":"","stdout":"…","words":["uname","-r"]}
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::Engine as _;
use calipso_model::{Map, Str, Value};

use crate::{
    door::Stage,
    error::ErrorKind,
    key::normal_sql,
    recording::{EntryKey, RecordedEntry, Recording, RecordingError},
    reply::Reply,
};

/// What `format` in `meta.json` says.
pub(crate) const FORMAT: &str = "calipso-recording/1";

/// File for what was asked of a host.
fn file_of_host(host: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(host.as_bytes()).collect();
    let name = if name.starts_with('.') { format!("%2E{}", name.get(1..).unwrap_or_default()) } else { name };
    format!("hosts/{name}.jsonl")
}

/// An entry as one line of JSON, and the file that it belongs into.
pub(crate) fn write_line(entry: &RecordedEntry) -> (String, String) {
    let mut line: Vec<(Str, Value)> = Vec::new();
    let mut put = |name: &str, value: Value| line.push((name.into(), value));
    put("attempt", Value::Int(entry.attempt.into()));
    put("millis", Value::Int(i64::try_from(entry.millis).unwrap_or(i64::MAX)));
    if let Some(execution) = entry.execution {
        put("execution", Value::Int(i64::try_from(execution).unwrap_or(i64::MAX)));
    }
    if let Some(role) = &entry.role {
        put("role", Value::Str(role.clone()));
    }
    if let Some(stage) = entry.stage {
        put("stage", Value::text(stage.as_str()));
    }
    let file = match &entry.key {
        EntryKey::Http { target, method, path, query, body } => {
            put("method", Value::Str(method.clone()));
            put("path", Value::text(path));
            if let Some(target) = target {
                let target = target.iter().map(|(name, value)| (name.clone(), Value::Str(value.clone())));
                put("target", Value::Map(target.collect()));
            }
            if let Some(query) = query {
                put("query", pairs(query));
            }
            if let Some(body) = body {
                put("sent", body.clone());
            }
            "http.jsonl".to_owned()
        }
        EntryKey::Sql { text, params } => {
            put("query", Value::text(text));
            if let Some(params) = params {
                put("params", Value::list(params.clone()));
            }
            "sql.jsonl".to_owned()
        }
        EntryKey::Exec { host, words } => {
            if let Some(host) = host {
                put("host", Value::Str(host.clone()));
            }
            put("words", Value::list(words.iter().map(|word| Value::text(word)).collect()));
            file_of_host(host.as_deref().unwrap_or("any"))
        }
    };
    match &entry.outcome {
        Err((kind, why)) => {
            put("error", Value::text(kind.as_str()));
            put("why", Value::text(why));
        }
        Ok(Reply::Http { status, headers, body }) => {
            put("status", Value::Int((*status).into()));
            put("headers", pairs(headers));
            match std::str::from_utf8(body) {
                Ok(text) => put("text", Value::text(text)),
                Err(_) => put("base64", Value::from(base64::engine::general_purpose::STANDARD.encode(body))),
            }
        }
        Ok(Reply::Rows(rows)) => put("rows", Value::list(rows.iter().cloned().map(Value::Map).collect())),
        Ok(Reply::Exec { exit, stdout, stderr }) => {
            put("exit", Value::Int((*exit).into()));
            put("stdout", Value::Str(stdout.clone()));
            put("stderr", Value::Str(stderr.clone()));
        }
    }
    (file, Value::Map(Map::from_pairs(line)).to_json())
}

fn pairs(pairs: &[(String, String)]) -> Value {
    Value::list(pairs.iter().map(|(name, value)| Value::list(vec![Value::text(name), Value::text(value)])).collect())
}

/// Reads a recording directory.
pub(super) fn read_dir(dir: &Path) -> Result<Recording, RecordingError> {
    let meta_file = dir.join("meta.json");
    let fail = |problem: String| RecordingError::RecordedEntry { location: meta_file.display().to_string(), problem };
    let meta = Value::from_json(&text_of(&meta_file)?).map_err(|error| fail(error.to_string()))?;
    let meta = meta.as_map().cloned().ok_or_else(|| fail("a map was expected".to_owned()))?;
    match meta.text("format") {
        Some(format) if format.as_ref() == FORMAT => {}
        other => {
            let found = other.map_or("nothing", |format| format);
            return Err(fail(format!("`format` must be `{FORMAT}`, found {found}; record again with this version")));
        }
    }
    let mut recording = Recording { meta, ..Recording::default() };
    for name in ["http.jsonl", "sql.jsonl"] {
        let file = dir.join(name);
        if file.exists() {
            read_lines(&file, &mut recording)?;
        }
    }
    let hosts = dir.join("hosts");
    if hosts.is_dir() {
        let fail = |source| RecordingError::Read { file: hosts.clone(), source };
        let mut files: Vec<PathBuf> = fs::read_dir(&hosts)
            .map_err(fail)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(fail)?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
        files.sort();
        for file in files {
            read_lines(&file, &mut recording)?;
        }
    }
    Ok(recording)
}

fn text_of(file: &Path) -> Result<String, RecordingError> {
    fs::read_to_string(file).map_err(|source| RecordingError::Read { file: file.to_owned(), source })
}

fn read_lines(file: &Path, recording: &mut Recording) -> Result<(), RecordingError> {
    for (index, line) in text_of(file)?.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let location = || format!("{}:{}", file.display(), index + 1);
        let fail = |problem: String| RecordingError::RecordedEntry { location: location(), problem };
        let line = Value::from_json(line).map_err(|error| fail(error.to_string()))?;
        let line = line.as_map().ok_or_else(|| fail("a map was expected".to_owned()))?;
        recording.push(entry(line).map_err(fail)?);
    }
    Ok(())
}

fn entry(line: &Map) -> Result<RecordedEntry, String> {
    let stage = match line.text("stage") {
        Some(name) => Some(Stage::from_name(name).ok_or_else(|| format!("there is no stage `{name}`"))?),
        None => None,
    };
    let key = key(line)?;
    let outcome = match line.text("error") {
        Some(name) => {
            let kind = ErrorKind::from_name(name).ok_or_else(|| format!("there is no error `{name}`"))?;
            Err((kind, line.text("why").map(|why| why.to_string()).unwrap_or_default()))
        }
        None => Ok(reply(&key, line)?),
    };
    Ok(RecordedEntry {
        role: line.text("role").cloned(),
        stage,
        attempt: number(line, "attempt")?.unwrap_or(0),
        key,
        outcome,
        millis: number(line, "millis")?.unwrap_or(0),
        execution: number(line, "execution")?,
    })
}

fn key(line: &Map) -> Result<EntryKey, String> {
    if let Some(method) = line.text("method") {
        let target = line
            .get("target")
            .map(|target| {
                let target = target.as_map().ok_or("`target` must be a map")?;
                target.iter().map(|(name, value)| Ok((name.clone(), scalar_text(value)?.into()))).collect()
            })
            .transpose()
            .map_err(|problem: String| problem)?;
        let mut query = line.get("query").map(read_pairs).transpose()?;
        if let Some(query) = &mut query {
            query.sort();
        }
        return Ok(EntryKey::Http {
            target,
            method: method.clone(),
            path: text(line, "path")?.to_string(),
            query,
            body: line.get("sent").cloned(),
        });
    }
    if let Some(words) = line.get("words") {
        let words = words.as_list().ok_or("`words` must be a list")?;
        let words = words.iter().map(scalar_text).collect::<Result<_, _>>()?;
        return Ok(EntryKey::Exec { host: line.text("host").cloned(), words });
    }
    let text = normal_sql(text(line, "query")?);
    let params = line.get("params").map(|params| params.as_list().map(<[Value]>::to_vec));
    Ok(EntryKey::Sql { text, params: params.flatten() })
}

fn reply(key: &EntryKey, line: &Map) -> Result<Reply, String> {
    Ok(match key {
        EntryKey::Http { .. } => {
            let body: Arc<[u8]> = match (line.text("base64"), line.get("body")) {
                (Some(encoded), _) => base64::engine::general_purpose::STANDARD
                    .decode(encoded.as_bytes())
                    .map_err(|error| format!("`base64`: {error}"))?
                    .into(),
                (None, Some(body)) => body.to_json().into_bytes().into(),
                (None, None) => text(line, "text")?.as_bytes().into(),
            };
            let headers = line.get("headers").map(read_pairs).transpose()?.unwrap_or_default();
            Reply::Http { status: number(line, "status")?.ok_or("`status` is missing")?, headers, body }
        }
        EntryKey::Sql { .. } => {
            let rows = line.get("rows").and_then(Value::as_list).ok_or("`rows` must be a list of maps")?;
            let row = |row: &Value| row.as_map().cloned().ok_or_else(|| "`rows` must be a list of maps".to_owned());
            Reply::Rows(rows.iter().map(row).collect::<Result<_, _>>()?)
        }
        EntryKey::Exec { .. } => Reply::Exec {
            exit: number(line, "exit")?.ok_or("`exit` is missing")?,
            stdout: text(line, "stdout")?.clone(),
            stderr: text(line, "stderr")?.clone(),
        },
    })
}

fn text<'a>(line: &'a Map, name: &str) -> Result<&'a Str, String> {
    line.text(name).ok_or_else(|| format!("`{name}` must be text"))
}

fn number<N: TryFrom<i64>>(line: &Map, name: &str) -> Result<Option<N>, String> {
    match line.get(name) {
        None => Ok(None),
        Some(value) => {
            let number = value.as_int().and_then(|number| N::try_from(number).ok());
            number.map(Some).ok_or_else(|| format!("`{name}` must be a whole number"))
        }
    }
}

fn read_pairs(value: &Value) -> Result<Vec<(String, String)>, String> {
    let pair = |pair: &Value| match pair.as_list() {
        Some([name, value]) => Ok((scalar_text(name)?, scalar_text(value)?)),
        _ => Err("a list of pairs was expected".to_owned()),
    };
    value.as_list().ok_or("a list of pairs was expected")?.iter().map(pair).collect()
}

/// A scalar as the text that a URL or a command line shows.
pub(super) fn scalar_text(value: &Value) -> Result<String, String> {
    match value {
        Value::Str(text) => Ok(text.to_string()),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => Ok(value.to_json()),
        other => Err(format!("text was expected, found {}", other.kind())),
    }
}
