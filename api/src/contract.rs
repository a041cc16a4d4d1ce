//! What each operation takes, read from the OpenAPI document: parameters and bodies are checked against it before a handler
//! sees them, so that the document cannot promise what is not enforced.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::{access::Right, problem::FieldError};

/// At most this many mistakes are listed.
const MOST_ERRORS: usize = 50;

/// Below this, a floating point number holds every whole number: 2 to the 53rd.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// How the text of a parameter becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text,
    Integer,
    Number,
    Boolean,
}

/// One parameter of the query.
#[derive(Debug)]
struct Parameter {
    shape: Shape,
    /// May be given several times.
    list: bool,
    /// `name[key]=value`, or `name:key=value`.
    deep: bool,
}

/// The body of an operation.
#[derive(Debug)]
struct Body {
    required: bool,
    validator: Validator,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// What it asks of its caller.
    pub right: Right,
    query: BTreeMap<String, Parameter>,
    query_validator: Validator,
    path_validator: Validator,
    path: BTreeMap<String, Shape>,
    body: Option<Body>,
}

/// All operations, by method and path template.
#[derive(Debug)]
pub struct Contract {
    operations: BTreeMap<(String, String), Operation>,
}

impl Contract {
    /// Reads the document.
    ///
    /// # Panics
    /// The document, which is part of the program, is not sound.
    #[must_use]
    pub fn new(document: &Value) -> Self {
        let components = document.get("components").cloned().unwrap_or_else(|| json!({}));
        let mut operations = BTreeMap::new();
        for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let operation = Operation::new(operation, &components)
                    .unwrap_or_else(|error| panic!("the document of {method} {path} is not sound: {error}"));
                operations.insert((method.to_uppercase(), path.clone()), operation);
            }
        }
        Self { operations }
    }

    /// The operation of a method and a path template.
    #[must_use]
    pub fn operation(&self, method: &str, template: &str) -> Option<&Operation> {
        // HEAD is what GET answers without its body.
        let method = if method == "HEAD" { "GET" } else { method };
        self.operations.get(&(method.to_owned(), template.to_owned()))
    }
}

fn resolved<'a>(schema: &'a Value, components: &'a Value) -> &'a Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| components.pointer(reference.strip_prefix("#/components")?))
        .unwrap_or(schema)
}

fn shape(schema: &Value, components: &Value) -> Shape {
    let schema = resolved(schema, components);
    let is = |wanted: &str| match schema.get("type") {
        Some(Value::String(name)) => name == wanted,
        Some(Value::Array(names)) => names.iter().any(|name| name == wanted),
        _ => false,
    };
    if is("integer") {
        Shape::Integer
    } else if is("number") {
        Shape::Number
    } else if is("boolean") {
        Shape::Boolean
    } else {
        Shape::Text
    }
}

impl Operation {
    fn new(operation: &Value, components: &Value) -> Result<Self, String> {
        let mut query = BTreeMap::new();
        let mut path = BTreeMap::new();
        let (mut query_schema, mut path_schema) = (Schema::default(), Schema::default());
        for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            let name = parameter.get("name").and_then(Value::as_str).ok_or("a parameter has no name")?;
            let required = parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
            let schema = parameter.get("schema").cloned().unwrap_or_else(|| json!({}));
            match parameter.get("in").and_then(Value::as_str) {
                Some("query") => {
                    let plain = resolved(&schema, components);
                    let is = |wanted: &str| match plain.get("type") {
                        Some(Value::String(name)) => name == wanted,
                        Some(Value::Array(names)) => names.iter().any(|name| name == wanted),
                        _ => false,
                    };
                    let list = is("array");
                    let items = plain.get("items").cloned().unwrap_or_else(|| json!({}));
                    let shape = if list { shape(&items, components) } else { shape(&schema, components) };
                    let deep = parameter.get("style").and_then(Value::as_str) == Some("deepObject");
                    query.insert(name.to_owned(), Parameter { shape, list, deep });
                    query_schema.add(name, schema, required);
                }
                Some("path") => {
                    path.insert(name.to_owned(), shape(&schema, components));
                    path_schema.add(name, schema, true);
                }
                _ => {}
            }
        }
        let body = match operation.pointer("/requestBody/content/application~1json/schema") {
            None => None,
            Some(schema) => Some(Body {
                required: operation.pointer("/requestBody/required").and_then(Value::as_bool).unwrap_or(false),
                validator: validator(schema, components)?,
            }),
        };
        Ok(Self {
            right: Right::named(operation.get("x-right").and_then(Value::as_str)),
            query,
            query_validator: query_schema.validator(components)?,
            path,
            path_validator: path_schema.validator(components)?,
            body,
        })
    }

    /// Whether the operation takes a body.
    #[must_use]
    pub fn takes_body(&self) -> bool {
        self.body.is_some()
    }

    /// The parameters of a query string as values.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn query(&self, text: &str) -> Result<Map<String, Value>, Vec<FieldError>> {
        let mut values = Map::new();
        let mut errors = Vec::new();
        for (name, text) in form_urlencoded(text) {
            let (name, key) = self.split(&name);
            let Some(parameter) = self.query.get(name) else {
                errors.push(unknown(name, self.query.keys()));
                continue;
            };
            let Some(value) = typed(parameter.shape, &text) else {
                errors.push(FieldError::query(name, format!("is not {}", says(parameter.shape))));
                continue;
            };
            match (values.get_mut(name), key) {
                (Some(Value::Object(known)), Some(key)) => {
                    known.insert(key.to_owned(), value);
                }
                (None, Some(key)) => {
                    values.insert(name.to_owned(), json!({ key: value }));
                }
                (Some(Value::Array(known)), None) if parameter.list => known.push(value),
                (None, None) if parameter.list => {
                    values.insert(name.to_owned(), Value::Array(vec![value]));
                }
                (None, None) => {
                    values.insert(name.to_owned(), value);
                }
                _ => errors.push(FieldError::query(name, "is given more than once")),
            }
        }
        let values = Value::Object(values);
        errors.extend(mistakes(&self.query_validator, &values, "query"));
        errors.truncate(MOST_ERRORS);
        match (errors.is_empty(), values) {
            (true, Value::Object(values)) => Ok(values),
            _ => Err(errors),
        }
    }

    /// `attributes[network]` and `attributes:network` are the parameter `attributes` with a key.
    fn split<'n>(&self, name: &'n str) -> (&'n str, Option<&'n str>) {
        let bracketed = name.split_once('[').and_then(|(base, rest)| Some((base, rest.strip_suffix(']')?)));
        match bracketed.or_else(|| name.split_once(':')) {
            Some((base, key)) if self.query.get(base).is_some_and(|parameter| parameter.deep) => (base, Some(key)),
            _ => (name, None),
        }
    }

    /// The parameters of the path as values.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn path<'a>(
        &self,
        given: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Map<String, Value>, Vec<FieldError>> {
        let mut values = Map::new();
        for (name, text) in given {
            let shape = self.path.get(name).copied().unwrap_or(Shape::Text);
            values.insert(name.to_owned(), typed(shape, text).unwrap_or_else(|| Value::String(text.to_owned())));
        }
        let values = Value::Object(values);
        let errors = mistakes(&self.path_validator, &values, "path");
        match (errors.is_empty(), values) {
            (true, Value::Object(values)) => Ok(values),
            _ => Err(errors),
        }
    }

    /// Checks a body; nothing when there is none and none is needed.
    ///
    /// # Errors
    /// The whole list of what is wrong; whether it can be read at all.
    pub fn body(&self, bytes: &[u8]) -> Result<Option<Value>, BodyFault> {
        let Some(body) = &self.body else { return Ok(None) };
        if bytes.is_empty() {
            let missing = || BodyFault::Unreadable(vec![FieldError::body("", "there is no body")]);
            return if body.required { Err(missing()) } else { Ok(None) };
        }
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| BodyFault::Unreadable(vec![FieldError::body("", format!("is not JSON: {error}"))]))?;
        let errors = mistakes(&body.validator, &value, "body");
        if errors.is_empty() { Ok(Some(whole(value))) } else { Err(BodyFault::Wrong(errors)) }
    }
}

/// The same value with every number that is whole written as such: to JSON Schema, `7.0` is an integer.
fn whole(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(whole).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, whole(field))).collect(),
        Value::Number(number) if number.is_f64() => {
            let exact = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT);
            exact.map_or(Value::Number(number), |float| Value::from(float as i64))
        }
        other => other,
    }
}

/// Why a body is refused.
#[derive(Debug)]
pub enum BodyFault {
    /// There is none, or it is not JSON.
    Unreadable(Vec<FieldError>),
    /// It is not what the document describes.
    Wrong(Vec<FieldError>),
}

#[derive(Default)]
struct Schema {
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Schema {
    fn add(&mut self, name: &str, schema: Value, required: bool) {
        self.properties.insert(name.to_owned(), schema);
        if required {
            self.required.push(name.to_owned());
        }
    }

    fn validator(self, components: &Value) -> Result<Validator, String> {
        validator(&json!({"type": "object", "properties": self.properties, "required": self.required}), components)
    }
}

fn validator(schema: &Value, components: &Value) -> Result<Validator, String> {
    let mut schema = schema.clone();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("components".to_owned(), components.clone());
    }
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).map_err(|error| error.to_string())
}

fn mistakes(validator: &Validator, value: &Value, place: &'static str) -> Vec<FieldError> {
    validator
        .iter_errors(value)
        .take(MOST_ERRORS)
        .map(|error| {
            let pointer = error.instance_path().to_string();
            if place == "body" {
                // Bodies hold passwords: what stands in them is not repeated.
                return FieldError::at(place, pointer, error.masked_with("it").to_string());
            }
            FieldError::at(place, pointer.trim_start_matches('/').replace('/', "."), error.to_string())
        })
        .collect()
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> FieldError {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let error = FieldError::query(name, "is not a parameter of this operation");
    if known.is_empty() { error.help("it takes none") } else { error.help(format!("it takes {}", known.join(", "))) }
}

fn says(shape: Shape) -> &'static str {
    match shape {
        Shape::Text => "text",
        Shape::Integer => "a whole number",
        Shape::Number => "a number",
        Shape::Boolean => "`true` or `false`",
    }
}

fn typed(shape: Shape, text: &str) -> Option<Value> {
    match shape {
        Shape::Text => Some(Value::String(text.to_owned())),
        Shape::Integer => text.parse::<i64>().ok().map(Value::from),
        Shape::Number => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
        Shape::Boolean => match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
    }
}

/// Names and values of a query string, decoded.
fn form_urlencoded(text: &str) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::whole;

    #[test]
    fn whole_numbers_are_integers() {
        let sent = json!({ "a": [267.0, -3.0, 2.5], "b": 1e300, "c": 9_007_199_254_740_993_i64, "d": "1.0" });
        let read = whole(sent);
        assert_eq!(read, json!({ "a": [267, -3, 2.5], "b": 1e300, "c": 9_007_199_254_740_993_i64, "d": "1.0" }));
    }
}
