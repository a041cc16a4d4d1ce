//! HTTP replies: judged by status, parsed, and the list in them found.

use std::collections::BTreeMap;

use calipso_model::{Map, Str, Value};
use calipso_transport::{Call, ErrorKind, Reply};

use crate::{
    answer::{Answer, Asked, Details, FailureKind, Outcome, StepError, judge_status},
    connection::{RunContext, max_memory, too_many_values},
    world::HttpAsk,
};

impl RunContext {
    /// Makes a call over HTTP and judges its reply. Also gives how many bytes of memory its values may take.
    pub(crate) async fn receive(&self, call: Call, ask: &HttpAsk<'_>, max_bytes: u64) -> (Asked, u64) {
        let endpoint = call.endpoint();
        let (status, headers, body) = match self.door.ask(call).await {
            Ok(Reply::Http { status, headers, body }) => (status, headers, body),
            Ok(_) => {
                let sentence = format!("{endpoint} gave something other than an HTTP reply");
                return (Asked::nothing(StepError::new(ErrorKind::Protocol, sentence).at_host(&endpoint)), 0);
            }
            Err(error) => return (Asked::nothing(error.into()), 0),
        };
        let answer = |body: Value| Answer {
            body,
            received_at: Some(self.now().to_string().into()),
            details: Details::Http { status, headers: by_name(headers) },
        };
        let text = std::str::from_utf8(&body);
        let memory = match (text, &ask.step.parse) {
            (Ok(text), Some(parser)) => parser.memory(text),
            (Ok(text), None) => calipso_parse::memory::of_json(text),
            (Err(_), _) => 0,
        };
        let is_too_large = memory > max_memory(max_bytes);
        if let Some(outcome) = judge_status(status, &ask.step.accept_status, &endpoint) {
            let body = text.ok().filter(|_| !is_too_large).and_then(|text| Value::from_json(text).ok());
            return (Asked { outcome, answer: answer(body.unwrap_or_default()) }, memory);
        }
        if is_too_large {
            return (Asked::nothing(too_many_values(&endpoint, max_memory(max_bytes), max_bytes)), memory);
        }
        let parsed = match (text, &ask.step.parse) {
            (Err(_), _) => Err("the body is not UTF-8 text".to_owned()),
            (Ok(text), Some(parser)) => parser.parse(text).map_err(|error| error.to_string()),
            (Ok(""), None) => Err("the body is empty, JSON was expected".to_owned()),
            (Ok(text), None) => Value::from_json(text).map_err(|error| format!("the body is not JSON: {error}")),
        };
        let asked = match parsed {
            Ok(body) => Asked { outcome: Outcome::Answer(body.clone()), answer: answer(body) },
            Err(problem) => {
                let sentence = format!("{endpoint} answered {} {}: {problem}", ask.step.method, ask.path);
                let error = StepError::new(FailureKind::Parse, sentence).at_host(&endpoint);
                Asked { outcome: Outcome::Negative(error), answer: answer(Value::Null) }
            }
        };
        (asked, memory)
    }
}

/// Header fields by name; several of one name are one list (RFC 9110, 5.3).
fn by_name(headers: Vec<(String, String)>) -> Map {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        found
            .entry(name.to_ascii_lowercase())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&value);
            })
            .or_insert(value);
    }
    found.into_iter().map(|(name, value)| (Str::from(name), Value::from(value))).collect()
}

/// The list under a key of the body (dots lead deeper), or the body where no key is given.
pub(crate) fn items_of(body: &Value, list: Option<&str>) -> Result<Value, String> {
    let Some(list) = list else { return Ok(body.clone()) };
    let whole = body.as_map().and_then(|map| map.get(list));
    let found =
        whole.or_else(|| list.split('.').try_fold(body, |value, part| value.as_map().and_then(|map| map.get(part))));
    match found {
        Some(Value::List(_)) => found.cloned().ok_or_else(String::new),
        Some(other) => Err(format!("the answer's {list} is {} instead of a list", other.kind())),
        None => Err(format!("the answer has no list {list}")),
    }
}
