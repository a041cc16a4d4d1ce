//! What each operation takes, read from the OpenAPI document: parameters and bodies are checked against it before a handler
//! sees them, so that the document cannot promise what is not enforced.

use std::collections::BTreeMap;

use axum::http::Method;
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
pub(crate) struct Operation {
    /// What it asks of its caller.
    pub(crate) right: Right,
    query: BTreeMap<String, Parameter>,
    query_validator: Validator,
    path_validator: Validator,
    path: BTreeMap<String, Shape>,
    body: Option<Body>,
}

/// All operations, by path template and method.
#[derive(Debug)]
pub(crate) struct Contract {
    operations: BTreeMap<String, Vec<(Method, Operation)>>,
}

impl Contract {
    /// Reads the document.
    ///
    /// # Panics
    /// The document, which is part of the program, is not sound.
    pub(crate) fn new(document: &Value) -> Self {
        let components = Components(document.pointer("/components/schemas").and_then(Value::as_object));
        let mut operations: BTreeMap<String, Vec<(Method, Operation)>> = BTreeMap::new();
        for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
            for (name, operation) in item.as_object().into_iter().flatten() {
                let unsound = |error: String| panic!("the document of {name} {path} is not sound: {error}");
                let operation = Operation::new(operation, &components).unwrap_or_else(unsound);
                let method = name.to_uppercase().parse().expect("a method of the document is one of HTTP");
                operations.entry(path.clone()).or_default().push((method, operation));
            }
        }
        Self { operations }
    }

    /// The operation of a method and a path template.
    pub(crate) fn operation(&self, method: &Method, template: &str) -> Option<&Operation> {
        // HEAD is what GET answers without its body.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.operations.get(template)?.iter().find(|(known, _)| known == method).map(|(_, operation)| operation)
    }
}

/// The schemas that others refer to by name.
struct Components<'d>(Option<&'d Map<String, Value>>);

impl Components<'_> {
    fn get(&self, reference: &str) -> Option<(&String, &Value)> {
        self.0?.get_key_value(reference.strip_prefix("#/components/schemas/")?)
    }

    /// The schema that a schema stands for.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema.get("$ref").and_then(Value::as_str);
        reference.and_then(|reference| self.get(reference)).map_or(schema, |(_, schema)| schema)
    }

    /// Adds the schemas that a schema refers to, and those that these refer to. A validator keeps everything that it is given,
    /// so it is given no more.
    fn gather(&self, schema: &Value, found: &mut Map<String, Value>) {
        match schema {
            Value::Array(items) => items.iter().for_each(|item| self.gather(item, found)),
            Value::Object(fields) => {
                let reference = fields.get("$ref").and_then(Value::as_str);
                if let Some((name, schema)) = reference.and_then(|reference| self.get(reference))
                    && !found.contains_key(name)
                {
                    found.insert(name.clone(), schema.clone());
                    self.gather(schema, found);
                }
                fields.values().for_each(|field| self.gather(field, found));
            }
            _ => {}
        }
    }

    fn validator(&self, schema: &Value) -> Result<Validator, String> {
        let mut schema = schema.clone();
        let mut schemas = Map::new();
        self.gather(&schema, &mut schemas);
        if let Some(schema) = schema.as_object_mut().filter(|_| !schemas.is_empty()) {
            schema.insert("components".to_owned(), json!({ "schemas": schemas }));
        }
        jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&schema)
            .map_err(|error| error.to_string())
    }
}

fn is_type(schema: &Value, wanted: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => name == wanted,
        Some(Value::Array(names)) => names.iter().any(|name| name == wanted),
        _ => false,
    }
}

impl Shape {
    fn of(schema: &Value, components: &Components<'_>) -> Self {
        let schema = components.resolved(schema);
        match () {
            () if is_type(schema, "integer") => Self::Integer,
            () if is_type(schema, "number") => Self::Number,
            () if is_type(schema, "boolean") => Self::Boolean,
            () => Self::Text,
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "`true` or `false`",
        }
    }

    /// The value that a text of this shape means.
    fn value(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(Value::String(text.to_owned())),
            Self::Integer => text.parse::<i64>().ok().map(Value::from),
            Self::Number => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
            Self::Boolean => match text {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                _ => None,
            },
        }
    }
}

impl Operation {
    fn new(operation: &Value, components: &Components<'_>) -> Result<Self, String> {
        let mut query = BTreeMap::new();
        let mut path = BTreeMap::new();
        let (mut query_schema, mut path_schema) = (Schema::default(), Schema::default());
        for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            let name = parameter.get("name").and_then(Value::as_str).ok_or("a parameter has no name")?;
            let required = parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
            let schema = parameter.get("schema").cloned().unwrap_or_else(|| json!({}));
            match parameter.get("in").and_then(Value::as_str) {
                Some("query") => {
                    let plain = components.resolved(&schema);
                    let list = is_type(plain, "array");
                    let item = if list { plain.get("items").unwrap_or(&Value::Null) } else { plain };
                    let shape = Shape::of(item, components);
                    let deep = parameter.get("style").and_then(Value::as_str) == Some("deepObject");
                    query.insert(name.to_owned(), Parameter { shape, list, deep });
                    query_schema.add(name, schema, required);
                }
                Some("path") => {
                    path.insert(name.to_owned(), Shape::of(&schema, components));
                    path_schema.add(name, schema, true);
                }
                _ => {}
            }
        }
        let body = match operation.pointer("/requestBody/content/application~1json/schema") {
            None => None,
            Some(schema) => Some(Body {
                required: operation.pointer("/requestBody/required").and_then(Value::as_bool).unwrap_or(false),
                validator: components.validator(schema)?,
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
    pub(crate) fn takes_body(&self) -> bool {
        self.body.is_some()
    }

    /// The parameters of a query string as values, as far as they can be read; and everything that is wrong with them.
    pub(crate) fn query(&self, text: &str) -> (Map<String, Value>, Vec<FieldError>) {
        let mut values = Map::new();
        let mut errors = Vec::new();
        for (name, text) in url::form_urlencoded::parse(text.as_bytes()) {
            let (name, key) = self.split(&name);
            let Some(parameter) = self.query.get(name) else {
                errors.push(unknown(name, self.query.keys()));
                continue;
            };
            let Some(value) = parameter.shape.value(&text) else {
                errors.push(FieldError::query(name, format!("is not {}", parameter.shape.description())));
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
        let (values, found) = judged(&self.query_validator, values, "query");
        errors.extend(found);
        errors.truncate(MOST_ERRORS);
        (values, errors)
    }

    /// `attributes[network]` and `attributes:network` are the parameter `attributes` with a key.
    fn split<'n>(&self, name: &'n str) -> (&'n str, Option<&'n str>) {
        let bracketed = name.split_once('[').and_then(|(base, rest)| Some((base, rest.strip_suffix(']')?)));
        match bracketed.or_else(|| name.split_once(':')) {
            Some((base, key)) if self.query.get(base).is_some_and(|parameter| parameter.deep) => (base, Some(key)),
            _ => (name, None),
        }
    }

    /// The parameters of the path as values; and everything that is wrong with them.
    pub(crate) fn path<'a>(
        &self,
        given: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> (Map<String, Value>, Vec<FieldError>) {
        let mut values = Map::new();
        for (name, text) in given {
            let shape = self.path.get(name).copied().unwrap_or(Shape::Text);
            values.insert(name.to_owned(), shape.value(text).unwrap_or_else(|| Value::String(text.to_owned())));
        }
        judged(&self.path_validator, values, "path")
    }

    /// A body as a value, where it can be read, and what is wrong with it. No value where there is no body and none is needed.
    pub(crate) fn body(&self, bytes: &[u8]) -> (Option<Value>, Result<(), BodyFault>) {
        let Some(body) = &self.body else { return (None, Ok(())) };
        let unreadable = |message: String| Err(BodyFault::Unreadable(Box::new(FieldError::body("", message))));
        if bytes.is_empty() {
            let missing = if body.required { unreadable("there is no body".to_owned()) } else { Ok(()) };
            return (None, missing);
        }
        let value: Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => return (None, unreadable(format!("is not JSON: {error}"))),
        };
        let errors = mistakes(&body.validator, &value, "body");
        if errors.is_empty() { (Some(whole(value)), Ok(())) } else { (Some(value), Err(BodyFault::Wrong(errors))) }
    }
}

/// Parameters with what is wrong with them.
fn judged(
    validator: &Validator,
    values: Map<String, Value>,
    part: &'static str,
) -> (Map<String, Value>, Vec<FieldError>) {
    let values = Value::Object(values);
    let errors = mistakes(validator, &values, part);
    let Value::Object(values) = values else { return (Map::new(), errors) };
    (values, errors)
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
pub(crate) enum BodyFault {
    /// There is none, or it is not JSON.
    Unreadable(Box<FieldError>),
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

    fn validator(self, components: &Components<'_>) -> Result<Validator, String> {
        let schema = json!({"type": "object", "properties": self.properties, "required": self.required});
        components.validator(&schema)
    }
}

fn mistakes(validator: &Validator, value: &Value, part: &'static str) -> Vec<FieldError> {
    validator
        .iter_errors(value)
        .take(MOST_ERRORS)
        .map(|error| {
            let pointer = error.instance_path().to_string();
            if part == "body" {
                // Bodies hold passwords: what stands in them is not repeated.
                return FieldError::at(part, pointer, error.masked_with("it").to_string());
            }
            FieldError::at(part, pointer.trim_start_matches('/').replace('/', "."), error.to_string())
        })
        .collect()
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> FieldError {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let error = FieldError::query(name, "is not a parameter of this operation");
    if known.is_empty() { error.help("it takes none") } else { error.help(format!("it takes {}", known.join(", "))) }
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
