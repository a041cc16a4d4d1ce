//! Taking secrets out of everything that is kept.

mod encoded;
mod forms;
mod names;

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use calipso_model::{Map, Str, Value};
use regex::bytes::Regex;

use crate::{
    recording::{EntryKey, RecordedEntry, STARS},
    reply::Reply,
};

/// A secret shorter than this cannot be distinguished from ordinary text; it is hidden only after a name that says what it is.
const SHORTEST: usize = 3;

/// Knows secrets and replaces them by `***`.
///
/// # Shape
/// What was registered is found wherever it stands and in whatever encoding: as it is, percent-encoded, escaped for
/// JSON, XML or a shell, hexadecimal, base64 (also as a part of something longer, and twice). What was not registered
/// is found by the name that stands before it: `password = …`, `"token": "…"`, `scheme://user:…@host`.
#[derive(Default)]
pub struct Scrubber {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    secrets: BTreeSet<String>,
    any: bool,
    finder: Option<Arc<Regex>>,
}

impl Scrubber {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on this is a secret.
    pub fn register(&self, secret: &str) {
        let mut known = self.known();
        known.any |= !secret.is_empty();
        // The lines of a key file are secrets of their own: they may be indented or joined somewhere.
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= 16 && !line.starts_with("-----"));
        let lines: Vec<&str> = if secret.contains('\n') { lines.collect() } else { Vec::new() };
        for part in std::iter::once(secret.trim()).chain(lines) {
            if part.len() >= SHORTEST && known.secrets.insert(part.to_owned()) {
                known.finder = None;
            }
        }
    }

    /// Whether any secret was registered.
    #[must_use]
    pub fn knows_any(&self) -> bool {
        self.known().any
    }

    /// The text without secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let without = names::hide(text);
        String::from_utf8_lossy(&self.hide(without.as_bytes())).into_owned()
    }

    /// The value with all its texts and keys scrubbed; what stands under a key that names a secret is hidden.
    #[must_use]
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::Str(text) => Value::from(self.text(text)),
            Value::List(items) => Value::list(items.iter().map(|item| self.value(item)).collect()),
            Value::Map(map) => Value::Map(self.map(map)),
            Value::Int(_) | Value::Float(_) => match self.hide(value.to_json().as_bytes()) {
                Cow::Borrowed(_) => value.clone(),
                Cow::Owned(_) => Value::text(STARS),
            },
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }

    /// Whether no registered secret is in the text, in any encoding.
    #[must_use]
    pub fn is_clean(&self, text: &[u8]) -> bool {
        self.finder().is_none_or(|(finder, shortest)| !finder.is_match(text) && !encoded::any(text, &finder, shortest))
    }

    /// The entry without secrets.
    pub(crate) fn entry(&self, entry: &RecordedEntry) -> RecordedEntry {
        let key = match &entry.key {
            EntryKey::Http { target, method, path, query, body } => EntryKey::Http {
                target: target.as_ref().map(|target| {
                    target.iter().map(|(name, value)| (name.clone(), Str::from(self.text(value)))).collect()
                }),
                method: method.clone(),
                path: self.text(path),
                query: query.as_ref().map(|query| self.pairs(query)),
                body: body.as_ref().map(|body| self.value(body)),
            },
            EntryKey::Sql { text, params } => EntryKey::Sql {
                text: self.text(text),
                params: params.as_ref().map(|params| params.iter().map(|param| self.value(param)).collect()),
            },
            EntryKey::Exec { host, words } => {
                EntryKey::Exec { host: host.as_ref().map(|host| Str::from(self.text(host))), words: self.words(words) }
            }
        };
        let outcome = match &entry.outcome {
            Ok(reply) => Ok(self.reply(reply)),
            Err((kind, why)) => Err((*kind, self.text(why))),
        };
        RecordedEntry { role: entry.role.clone(), key, outcome, ..*entry }
    }

    /// One line of a recording, scrubbed again: for secrets that became known after it was made.
    pub(crate) fn line(&self, line: &str) -> String {
        String::from_utf8_lossy(&self.hide(line.as_bytes())).into_owned()
    }

    fn reply(&self, reply: &Reply) -> Reply {
        match reply {
            Reply::Http { status, headers, body } => Reply::Http {
                status: *status,
                headers: self.pairs(headers),
                body: match std::str::from_utf8(body) {
                    Ok(text) => self.text(text).into_bytes().into(),
                    Err(_) => Arc::from(self.hide(body).as_ref()),
                },
            },
            Reply::Rows(rows) => Reply::Rows(rows.iter().map(|row| self.map(row)).collect()),
            Reply::Exec { exit, stdout, stderr } => {
                Reply::Exec { exit: *exit, stdout: self.text(stdout).into(), stderr: self.text(stderr).into() }
            }
        }
    }

    fn map(&self, map: &Map) -> Map {
        let pair = |(name, value): &(Str, Value)| {
            let hidden = matches!(value, Value::Str(text) if !text.is_empty()) && names::is_secret(name);
            let value = if hidden { Value::text(STARS) } else { self.value(value) };
            (Str::from(self.text(name)), value)
        };
        map.iter().map(pair).collect()
    }

    fn pairs(&self, pairs: &[(String, String)]) -> Vec<(String, String)> {
        let pair = |(name, value): &(String, String)| {
            let hidden = !value.is_empty() && (names::is_secret(name) || names::is_secret_header(name));
            let value = if hidden { STARS.to_owned() } else { self.text(value) };
            (self.text(name), value)
        };
        pairs.iter().map(pair).collect()
    }

    /// Words are scrubbed one by one; the word after an option that names a secret is one.
    fn words(&self, words: &[String]) -> Vec<String> {
        let mut after_option = false;
        words
            .iter()
            .map(|word| {
                let hidden = after_option && !word.starts_with('-');
                after_option = word.starts_with("--") && !word.contains('=') && names::is_secret(word);
                if hidden { STARS.to_owned() } else { self.text(word) }
            })
            .collect()
    }

    fn hide<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let Some((finder, shortest)) = self.finder() else { return Cow::Borrowed(text) };
        let mut text = match finder.replace_all(text, STARS.as_bytes()) {
            Cow::Owned(text) => Cow::Owned(text),
            Cow::Borrowed(_) => Cow::Borrowed(text),
        };
        if let Some(changed) = encoded::hide(&text, &finder, shortest) {
            text = Cow::Owned(changed);
        }
        text
    }

    /// What finds the secrets, and the length of the shortest one.
    fn finder(&self) -> Option<(Arc<Regex>, usize)> {
        let mut known = self.known();
        let shortest = known.secrets.iter().map(String::len).min()?;
        if known.finder.is_none() {
            known.finder = Some(Arc::new(forms::finder(&known.secrets)));
        }
        known.finder.clone().map(|finder| (finder, shortest))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_text_stays_as_it_is() {
        let scrubber = Scrubber::new();
        scrubber.register("s3cret pass");
        let text = "{\"id\": \"abc\", \"name\": \"passthrough\"}\n eth0: <UP> link/ether\nuser = reader\n";
        assert_eq!(scrubber.text(text), text);
        assert!(scrubber.is_clean(text.as_bytes()));
    }

    #[test]
    fn registered_secrets_are_found_in_every_encoding() {
        let scrubber = Scrubber::new();
        scrubber.register("p'ä&\"\\ /+x9");
        for form in [
            "p'ä&\"\\ /+x9",
            "p%27%C3%A4%26%22%5C%20%2F%2Bx9",
            "p%27%c3%a4%26%22%5c+%2f%2bx9",
            "p%2527%25C3%25A4%2526%2522%255C%2520%252F%252Bx9",
            r#"p'ä&\"\\ /+x9"#,
            r#"p\u0027\u00e4\u0026\"\\ \/+x9"#,
            r#"p'ä&\\\"\\\\ /+x9"#,
            "p&apos;ä&amp;&quot;\\ /+x9",
            "p&#39;&#228;&#x26;&#34;&#92; /+x9",
            r#"'p'\''ä&"\ /+x9'"#,
            "7027c3a426225c202f2b7839",
            "7027C3A426225C202F2B7839",
        ] {
            let text = format!("before {form} after");
            let scrubbed = scrubber.text(&text);
            assert!(scrubbed.starts_with("before ") && scrubbed.ends_with(" after"), "{scrubbed}");
            assert!(
                scrubbed.contains("***") && !scrubbed.contains("x9") && !scrubbed.contains("7839"),
                "{form}: {scrubbed}"
            );
        }
    }

    #[test]
    fn names_give_secrets_away() {
        let scrubber = Scrubber::new();
        for (text, wanted) in [
            ("password = hunter22\nuser = me", "password = ***\nuser = me"),
            ("connection=mysql+x://n:pa:ss@10.0.0.1/db", "connection=mysql+x://n:***@10.0.0.1/db"),
            (r#"{"adminPass": "abc", "token": {"id": 1}}"#, r#"{"adminPass": "***", "token": {"id": 1}}"#),
            (r#"{\"auth_token\":\"abc\"}"#, r#"{\"auth_token\":\"***\"}"#),
            ("<graphics type='vnc' passwd='abc' port='1'/>", "<graphics type='vnc' passwd='***' port='1'/>"),
            ("<password>abc</password>", "<password>***</password>"),
            ("tool --db-password abc -v --token=xyz", "tool --db-password *** -v --token=***"),
            ("GET /x?limit=5&token=abc&y=1", "GET /x?limit=5&token=***&y=1"),
            ("Authorization: Bearer abcdefghij", "Authorization: ***"),
            (r#"{"nextPageToken": "abc"}"#, r#"{"nextPageToken": "abc"}"#),
            ("metadata_proxy_shared_secret: x1", "metadata_proxy_shared_secret: ***"),
        ] {
            assert_eq!(scrubber.text(text), wanted);
        }
        let key = "a\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef\n-----END OPENSSH PRIVATE KEY-----\nb";
        assert_eq!(scrubber.text(key), "a\n***\nb");
    }
}
