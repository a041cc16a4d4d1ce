//! The text form of logical request keys: equal requests give equal text.

use calipso_model::Value;

use crate::door::{HttpKey, Request, SqlKey};

impl Request {
    /// The logical key as one line of text, for comparing and sorting. It may hold secrets of a login body.
    #[must_use]
    pub fn key_text(&self) -> String {
        match self {
            Self::Http { key, .. } => {
                let (path, query) = key.path_and_query();
                let query: Vec<Value> = query
                    .into_iter()
                    .map(|(name, value)| Value::list(vec![Value::from(name), Value::from(value)]))
                    .collect();
                let target = key.target.iter().map(|(name, value)| (name.clone(), Value::Str(value.clone())));
                let target = Value::Map(target.collect());
                let body = key.body.clone().unwrap_or_default();
                format!("http {} {path} {} {target} {body}", key.method, Value::list(query))
            }
            Self::Sql { key, .. } => {
                format!("sql {} {}", key.normal_text(), Value::list(key.params.clone()))
            }
            Self::Exec { key, .. } => {
                let words = key.words.iter().map(|word| Value::text(word)).collect();
                format!("exec {} {}", Value::text(&key.host), Value::list(words))
            }
        }
    }
}

impl HttpKey {
    /// The path without its query, and all query parameters, sorted.
    #[must_use]
    pub fn path_and_query(&self) -> (String, Vec<(String, String)>) {
        let (path, inline) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let mut query: Vec<(String, String)> =
            url::form_urlencoded::parse(inline.as_bytes()).into_owned().chain(self.query.iter().cloned()).collect();
        query.sort();
        (path.to_owned(), query)
    }
}

impl SqlKey {
    /// The statement as it is compared: every run of white space as one blank, without back-quotes.
    #[must_use]
    pub fn normal_text(&self) -> String {
        normal_sql(&self.text)
    }
}

/// A statement as it is compared.
pub(crate) fn normal_sql(text: &str) -> String {
    text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ")
}
