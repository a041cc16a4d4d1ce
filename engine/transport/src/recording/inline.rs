//! Answers written by hand in a spec test.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::{Map, Str, Value};

use crate::{
    error::ErrorKind,
    key::normal_sql,
    recording::{EntryKey, RecordedEntry, Recording, RecordingError, line::scalar_text},
    reply::Reply,
    words,
};

const METHODS: [&str; 6] = ["get", "post", "put", "delete", "head", "patch"];

/// Reads a map with the lists `commands`, `http` and `sql`.
pub(super) fn read(answers: &Value) -> Result<Recording, RecordingError> {
    let mut recording = Recording::new();
    let fail = |location: String, problem: String| RecordingError::RecordedEntry { location, problem };
    if answers.is_null() {
        return Ok(recording);
    }
    let answers = answers
        .as_map()
        .ok_or_else(|| fail("answers".into(), format!("a map was expected, found {}", answers.kind())))?;
    for (kind, list) in answers {
        let read: fn(&Map) -> Result<RecordedEntry, String> = match kind.as_ref() {
            "commands" => command,
            "http" => http,
            "sql" => sql,
            _ => return Err(fail(format!("answers.{kind}"), "unknown key; known: commands, http, sql".into())),
        };
        let list = list
            .as_list()
            .ok_or_else(|| fail(format!("answers.{kind}"), format!("a list was expected, found {}", list.kind())))?;
        for (index, entry) in list.iter().enumerate() {
            let location = format!("answers.{kind}[{index}]");
            let map = entry
                .as_map()
                .ok_or_else(|| fail(location.clone(), format!("a map was expected, found {}", entry.kind())))?;
            recording.push(read(map).map_err(|problem| fail(location, problem))?);
        }
    }
    Ok(recording)
}

fn entry(map: &Map, key: EntryKey, reply: impl FnOnce() -> Result<Reply, String>) -> Result<RecordedEntry, String> {
    let outcome = match map.get("error") {
        None | Some(Value::Null) => Ok(reply()?),
        Some(Value::Str(name)) => {
            let kind = ErrorKind::from_name(name).ok_or_else(|| {
                let known: Vec<&str> = ErrorKind::ALL.into_iter().map(ErrorKind::as_str).collect();
                format!("there is no error `{name}`; known: {}", known.join(", "))
            })?;
            let why = map.text("why").map(|why| why.to_string());
            Err((kind, why.unwrap_or_else(|| "as the test says".to_owned())))
        }
        Some(other) => return Err(format!("`error` must be text, found {}", other.kind())),
    };
    Ok(RecordedEntry {
        role: map.text("via").cloned(),
        stage: None,
        attempt: 0,
        key,
        outcome,
        millis: 0,
        execution: None,
    })
}

fn known_keys(map: &Map, known: &[&str]) -> Result<(), String> {
    match map.keys().find(|key| !known.contains(&key.as_ref())) {
        Some(key) => Err(format!("unknown key `{key}`; known: {}", known.join(", "))),
        None => Ok(()),
    }
}

fn text_or(map: &Map, name: &str) -> Result<Str, String> {
    match map.get(name) {
        None | Some(Value::Null) => Ok("".into()),
        Some(Value::Str(text)) => Ok(text.clone()),
        Some(other) => Err(format!("`{name}` must be text, found {}", other.kind())),
    }
}

fn command(map: &Map) -> Result<RecordedEntry, String> {
    known_keys(map, &["host", "run", "via", "stdout", "stderr", "exit", "error", "why"])?;
    let words = match map.get("run") {
        Some(Value::Str(text)) => words::split(text)?,
        Some(Value::List(words)) => words.iter().map(scalar_text).collect::<Result<_, _>>()?,
        _ => return Err("`run` must be the command".to_owned()),
    };
    entry(map, EntryKey::Exec { host: map.text("host").cloned(), words }, || {
        let exit = map.get("exit").map_or(Some(0), Value::as_int).and_then(|exit| i32::try_from(exit).ok());
        Ok(Reply::Exec {
            exit: exit.ok_or("`exit` must be a whole number")?,
            stdout: text_or(map, "stdout")?,
            stderr: text_or(map, "stderr")?,
        })
    })
}

fn http(map: &Map) -> Result<RecordedEntry, String> {
    let keys = ["via", "target", "query", "sent", "status", "headers", "body", "text", "error", "why"];
    known_keys(map, &[&METHODS[..], &keys].concat())?;
    let mut methods = METHODS.iter().filter_map(|method| Some((method, map.get(method)?)));
    let (Some((method, path)), None) = (methods.next(), methods.next()) else {
        return Err(format!("exactly one method with its path is needed: {}", METHODS.join(", ")));
    };
    let path = path.as_str().ok_or_else(|| format!("`{method}` must be a path"))?;
    let (path, inline) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut query: Option<Vec<(String, String)>> =
        inline.map(|inline| url::form_urlencoded::parse(inline.as_bytes()).into_owned().collect());
    if let Some(given) = map.get("query").filter(|given| !given.is_null()) {
        let given = given.as_map().ok_or("`query` must be a map")?;
        let query = query.get_or_insert_default();
        for (name, value) in given {
            match value {
                Value::List(values) => {
                    for value in values.iter() {
                        query.push((name.to_string(), scalar_text(value)?));
                    }
                }
                value => query.push((name.to_string(), scalar_text(value)?)),
            }
        }
    }
    if let Some(query) = &mut query {
        query.sort();
    }
    let target = match map.get("target") {
        None | Some(Value::Null) => None,
        Some(target) => {
            let target = target.as_map().ok_or("`target` must be a map")?;
            let pairs = target.iter().map(|(name, value)| Ok((name.clone(), scalar_text(value)?.into())));
            Some(pairs.collect::<Result<BTreeMap<Str, Str>, String>>()?)
        }
    };
    let method = method.to_uppercase().into();
    entry(map, EntryKey::Http { target, method, path: path.to_owned(), query, body: map.get("sent").cloned() }, || {
        http_reply(map)
    })
}

fn http_reply(map: &Map) -> Result<Reply, String> {
    let status = map.get("status").map_or(Some(200), Value::as_int).and_then(|status| u16::try_from(status).ok());
    let mut headers = Vec::new();
    if let Some(given) = map.get("headers").filter(|given| !given.is_null()) {
        for (name, value) in given.as_map().ok_or("`headers` must be a map")? {
            headers.push((name.to_lowercase(), scalar_text(value)?));
        }
    }
    let body: Arc<[u8]> = match (map.get("body"), map.get("text")) {
        (Some(_), Some(_)) => return Err("`body` and `text` cannot both be given".to_owned()),
        (Some(body), None) => {
            if !headers.iter().any(|(name, _)| name == "content-type") {
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
            }
            body.to_json().into_bytes().into()
        }
        (None, _) => text_or(map, "text")?.as_bytes().into(),
    };
    Ok(Reply::Http { status: status.ok_or("`status` must be an HTTP status")?, headers, body })
}

fn sql(map: &Map) -> Result<RecordedEntry, String> {
    known_keys(map, &["query", "params", "via", "rows", "error", "why"])?;
    let text = map.text("query").ok_or("`query` must be the statement")?;
    let text = normal_sql(text);
    let params = match map.get("params") {
        None | Some(Value::Null) => None,
        Some(params) => Some(params.as_list().ok_or("`params` must be a list")?.to_vec()),
    };
    entry(map, EntryKey::Sql { text, params }, || {
        let rows = match map.get("rows") {
            None | Some(Value::Null) => &[],
            Some(rows) => rows.as_list().ok_or("`rows` must be a list")?,
        };
        let row = |row: &Value| row.as_map().cloned().ok_or_else(|| "each of `rows` must be a map".to_owned());
        Ok(Reply::Rows(rows.iter().map(row).collect::<Result<_, _>>()?))
    })
}
