//! Which recorded entry answers a call.

use std::collections::BTreeMap;

use calipso_model::{Str, Value};

use crate::{
    door::{Call, Stage},
    key::RequestKey,
    recording::{EntryKey, RecordedEntry, Recording},
    words,
};

/// What stands where a secret was.
pub(crate) const STARS: &str = "***";

/// Whether a call was recorded.
pub(crate) enum Found<'a> {
    /// The recorded answer to it.
    RecordedEntry(&'a RecordedEntry),
    /// No; the text of the most similar request that was, if there is any.
    Nothing { nearest: Option<String> },
}

impl EntryKey {
    /// A key that all requests share that this entry could answer.
    pub(super) fn coarse(&self) -> String {
        let (kind, rest) = match self {
            Self::Http { method, path, .. } => ("http", format!("{method} {path}")),
            Self::Sql { text, .. } => ("sql", text.clone()),
            Self::Exec { words, .. } => ("exec", words::join(words)),
        };
        if rest.contains(STARS) { kind.to_owned() } else { format!("{kind} {rest}") }
    }

    /// How much of a request it names.
    fn weight(&self) -> usize {
        match self {
            Self::Http { target, query, body, .. } => {
                usize::from(target.is_some()) + usize::from(query.is_some()) + usize::from(body.is_some())
            }
            Self::Sql { params, .. } => usize::from(params.is_some()),
            Self::Exec { host, .. } => usize::from(host.is_some()),
        }
    }

    fn matches(&self, request: &RequestKey, of_any_target: bool) -> bool {
        match (self, request) {
            (Self::Http { target, method, path, query, body }, RequestKey::Http(key)) => {
                let (asked_path, asked_query) = key.path_and_query();
                method == &key.method
                    && text_matches(path, &asked_path)
                    && (of_any_target || target.as_ref().is_none_or(|target| target_matches(target, &key.target)))
                    && query.as_ref().is_none_or(|query| query_matches(query, &asked_query))
                    && body.as_ref().is_none_or(|body| value_matches(body, key.body.as_ref().unwrap_or(&Value::Null)))
            }
            (Self::Sql { text, params }, RequestKey::Sql(key)) => {
                let all = |params: &Vec<Value>| {
                    params.len() == key.params.len()
                        && params.iter().zip(&key.params).all(|(known, asked)| value_matches(known, asked))
                };
                text_matches(text, &key.normal_text()) && params.as_ref().is_none_or(all)
            }
            (Self::Exec { host, words }, RequestKey::Exec(key)) => {
                host.as_ref().is_none_or(|host| host == &key.host)
                    && words.len() == key.words.len()
                    && words.iter().zip(&key.words).all(|(known, asked)| text_matches(known, asked))
            }
            _ => false,
        }
    }

    /// The key in words.
    fn describe(&self) -> String {
        match self {
            Self::Http { target, method, path, query, .. } => {
                describe_http(method, path, query.as_deref(), target.as_ref())
            }
            Self::Sql { text, params } => describe_sql(text, params.as_deref()),
            Self::Exec { host, words } => {
                let host = host.as_deref().map(|host| format!(" on {host}")).unwrap_or_default();
                format!("`{}`{host}", words::join(words))
            }
        }
    }
}

/// A request in words.
pub(crate) fn describe(request: &RequestKey) -> String {
    match request {
        RequestKey::Http(key) => {
            let (path, query) = key.path_and_query();
            describe_http(&key.method, &path, Some(&query), Some(&key.target))
        }
        RequestKey::Sql(key) => describe_sql(&key.normal_text(), Some(&key.params)),
        RequestKey::Exec(key) => format!("`{}` on {}", words::join(&key.words), key.host),
    }
}

fn describe_http(
    method: &str,
    path: &str,
    query: Option<&[(String, String)]>,
    target: Option<&BTreeMap<Str, Str>>,
) -> String {
    let mut text = format!("{method} {path}");
    for (index, (name, value)) in query.unwrap_or_default().iter().enumerate() {
        text += &format!("{}{name}={value}", if index == 0 { '?' } else { '&' });
    }
    let target: Vec<String> = target.into_iter().flatten().map(|(name, value)| format!("{name}: {value}")).collect();
    if target.is_empty() { text } else { format!("{text} with target {{{}}}", target.join(", ")) }
}

fn describe_sql(text: &str, params: Option<&[Value]>) -> String {
    match params {
        Some(params) if !params.is_empty() => format!("`{text}` with {}", Value::list(params.to_vec())),
        _ => format!("`{text}`"),
    }
}

/// The entry that answers a call: of those that match, the ones that name most of it (and were asked in the same
/// stage) count; the call's attempt says which of them in recorded order, the last one standing for all later ones.
pub(super) fn find<'a>(recording: &'a Recording, call: &Call) -> Found<'a> {
    let mut at = Some(recording);
    while let Some(here) = at {
        if let Some(entry) = find_here(here, call) {
            return Found::RecordedEntry(entry);
        }
        at = here.next.as_deref();
    }
    Found::Nothing { nearest: nearest(recording, &call.key) }
}

fn find_here<'a>(recording: &'a Recording, call: &Call) -> Option<&'a RecordedEntry> {
    // A session is one for all targets: its login was recorded with the target of whatever was asked first.
    find_among(recording, call, false).or_else(|| {
        let is_login = matches!(call.stage, Stage::Login);
        is_login.then(|| find_among(recording, call, true)).flatten()
    })
}

fn find_among<'a>(recording: &'a Recording, call: &Call, of_any_target: bool) -> Option<&'a RecordedEntry> {
    let (kind, exact) = match &call.key {
        RequestKey::Http(key) => ("http", format!("http {} {}", key.method, key.path_and_query().0)),
        RequestKey::Sql(key) => ("sql", format!("sql {}", key.normal_text())),
        RequestKey::Exec(key) => ("exec", format!("exec {}", words::join(&key.words))),
    };
    let mut rated: Vec<(usize, &RecordedEntry)> = [exact.as_str(), kind]
        .iter()
        .filter_map(|coarse| recording.index.get(*coarse))
        .flatten()
        .filter_map(|index| recording.entries.get(*index))
        .filter(|entry| entry.role.as_ref().is_none_or(|role| *role == call.role))
        .filter(|entry| entry.key.matches(&call.key, of_any_target))
        .map(|entry| {
            let named = entry.key.weight() + usize::from(entry.role.is_some());
            (2 * named + usize::from(entry.stage == Some(call.stage)), entry)
        })
        .collect();
    let best = rated.iter().map(|(weight, _)| *weight).max()?;
    rated.retain(|(weight, _)| *weight == best);
    rated.sort_by_key(|(_, entry)| entry.attempt);
    let wanted = usize::try_from(call.attempt).unwrap_or(usize::MAX).min(rated.len() - 1);
    rated.get(wanted).map(|(_, entry)| *entry)
}

fn nearest(recording: &Recording, request: &RequestKey) -> Option<String> {
    let wanted = describe(request);
    let alike = |text: &str| {
        let prefix = text.chars().zip(wanted.chars()).take_while(|(left, right)| left == right).count();
        let suffix = text.chars().rev().zip(wanted.chars().rev()).take_while(|(left, right)| left == right).count();
        prefix + suffix
    };
    recording
        .entries()
        .filter(|entry| match (&entry.key, request) {
            (EntryKey::Http { .. }, RequestKey::Http(_)) | (EntryKey::Sql { .. }, RequestKey::Sql(_)) => true,
            // Another program says nothing of this one.
            (EntryKey::Exec { words, .. }, RequestKey::Exec(key)) => {
                key.words.first().is_some_and(|program| words.contains(program))
            }
            _ => false,
        })
        .map(|entry| entry.key.describe())
        .max_by(|left, right| alike(left).cmp(&alike(right)).then_with(|| right.cmp(left)))
}

fn target_matches(known: &BTreeMap<Str, Str>, asked: &BTreeMap<Str, Str>) -> bool {
    known.len() == asked.len()
        && known
            .iter()
            .zip(asked)
            .all(|((known_name, known), (name, asked))| known_name == name && text_matches(known, asked))
}

fn query_matches(known: &[(String, String)], asked: &[(String, String)]) -> bool {
    known.len() == asked.len()
        && known
            .iter()
            .zip(asked)
            .all(|((known_name, known), (name, asked))| known_name == name && text_matches(known, asked))
}

/// Whether a recorded value stands for the one that is asked.
fn value_matches(known: &Value, asked: &Value) -> bool {
    match (known, asked) {
        (Value::Str(known), _) if known.as_ref() == STARS => true,
        (Value::Str(known), Value::Str(asked)) => text_matches(known, asked),
        (Value::List(known), Value::List(asked)) => {
            known.len() == asked.len()
                && known.iter().zip(asked.iter()).all(|(known, asked)| value_matches(known, asked))
        }
        (Value::Map(known), Value::Map(asked)) => {
            known.len() == asked.len()
                && known
                    .iter()
                    .zip(asked.iter())
                    .all(|((known_name, known), (name, asked))| known_name == name && value_matches(known, asked))
        }
        _ => known == asked,
    }
}

/// Whether a recorded text stands for the one that is asked: `***` stands for any text.
fn text_matches(known: &str, asked: &str) -> bool {
    let Some((head, rest)) = known.split_once(STARS) else { return known == asked };
    let Some(mut asked) = asked.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split(STARS).collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match asked.find(part) {
            Some(start) => asked = asked.get(start + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    asked.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::text_matches;

    #[test]
    fn stars_stand_for_anything() {
        assert!(text_matches("a", "a"));
        assert!(!text_matches("a", "ab"));
        assert!(text_matches("***", ""));
        assert!(text_matches("a***c", "a c"));
        assert!(text_matches("a***b***c", "a1b2c"));
        assert!(!text_matches("a***b***c", "a1c"));
        assert!(!text_matches("ab***b", "ab"));
    }
}
