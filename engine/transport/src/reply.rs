//! What comes back from the outside world.

use std::sync::Arc;

use calipso_model::{Map, Str, Value};

/// What the other side answered, whatever it says.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Of an HTTP request, whatever its status.
    Http {
        /// The status code of HTTP, 100 to 599.
        status: u16,
        /// Header fields; names in lower case.
        headers: Vec<(String, String)>,
        /// The whole body.
        body: Arc<[u8]>,
    },
    /// Of a query.
    Rows(Vec<Map>),
    /// Of a command, whatever its exit status.
    Exec {
        /// Exit status; 128 + n when signal n ended it.
        exit: i32,
        /// Its standard output.
        stdout: Str,
        /// Its standard error.
        stderr: Str,
    },
}

impl Reply {
    /// The size of its content.
    ///
    /// # Units
    /// Bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        fn of(value: &Value) -> usize {
            match value {
                Value::Str(text) => text.len(),
                Value::List(items) => items.iter().map(of).sum(),
                Value::Map(map) => map.iter().map(|(key, value)| key.len() + of(value)).sum(),
                _ => 8,
            }
        }
        let n_bytes = match self {
            Self::Http { body, .. } => body.len(),
            Self::Rows(rows) => rows.iter().flat_map(Map::iter).map(|(_, value)| of(value)).sum(),
            Self::Exec { stdout, stderr, .. } => stdout.len() + stderr.len(),
        };
        n_bytes as u64
    }
}
