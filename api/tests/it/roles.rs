//! Every operation of the document, asked by everybody: rights come before every other outcome.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use calipso_api::{AccountSettings, Grant};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use crate::{
    logins::{PASSWORD, add, token},
    support::{Server, guarded},
};

/// The operations that ask for no login. Another one wants a reason, and then stands here.
const PUBLIC: &[(&str, &str)] =
    &[("get", "/api/v1/health"), ("get", "/api/v1/version"), ("post", "/api/v1/auth/tokens")];

/// The environment that requests name.
const MINE: &str = "mine";

/// One operation, and a request for it.
pub struct Operation {
    pub method: String,
    pub template: String,
    pub path: String,
    pub right: String,
    pub body: Option<Value>,
}

/// Every operation of the document. Parameters are filled with their examples, environments with [`MINE`].
pub fn operations() -> Vec<Operation> {
    let document = calipso_api::document();
    let mut found = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let mut path = template.clone();
            let right = operation["x-right"].as_str().unwrap_or("administer");
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                let value = if name == "env_name" { MINE.to_owned() } else { example(parameter, &document) };
                match parameter["in"].as_str() {
                    Some("path") => path = path.replace(&format!("{{{name}}}"), &value),
                    // What is public is so where no environment is asked for.
                    Some("query") if parameter["required"] == true || (name == "env_name" && right != "public") => {
                        query.append_pair(name, &value);
                    }
                    _ => {}
                }
            }
            let query = query.finish();
            let schema = operation.pointer("/requestBody/content/application~1json/schema");
            let body = schema.map(|schema| {
                let schema = resolved(schema, &document);
                let mut body = Map::new();
                if schema.pointer("/properties/env_name").is_some() {
                    body.insert("env_name".to_owned(), json!(MINE));
                }
                Value::Object(body)
            });
            found.push(Operation {
                method: method.to_uppercase(),
                template: template.clone(),
                path: if query.is_empty() { path } else { format!("{path}?{query}") },
                right: right.to_owned(),
                body,
            });
        }
    }
    assert!(found.len() > 10, "the document has operations");
    found
}

fn resolved<'a>(schema: &'a Value, document: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

fn example(parameter: &Value, document: &Value) -> String {
    let schema = resolved(&parameter["schema"], document);
    let first = |value: &Value| value.as_array().and_then(|values| values.first()).cloned();
    let value = [parameter.get("example"), schema.get("example"), schema.get("default")]
        .into_iter()
        .flatten()
        .next()
        .cloned()
        .or_else(|| first(&schema["examples"]))
        .or_else(|| first(&schema["enum"]));
    match value {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None if schema["type"] == "integer" => "1".to_owned(),
        None if schema["type"] == "boolean" => "true".to_owned(),
        None => "example".to_owned(),
    }
}

/// The status of an answer; what it says may go on for ever.
async fn status(server: &Server, operation: &Operation, token: Option<&str>) -> StatusCode {
    let mut request = Request::builder().method(operation.method.as_str()).uri(&operation.path);
    if let Some(token) = token {
        request = request.header("x-auth-token", token);
    }
    let body = match &operation.body {
        Some(body) => {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    let answer = server.router.clone().oneshot(request.body(body).unwrap());
    tokio::time::timeout(Duration::from_secs(20), answer).await.unwrap().unwrap().status()
}

#[tokio::test]
async fn everybody_may_do_what_the_document_says_and_no_more() {
    let (server, accounts) = guarded(AccountSettings::default());
    let grants = |environment: &'static str, grant: Grant| {
        move |user: &mut calipso_api::User| {
            user.grants.insert(environment.into(), grant);
        }
    };
    add(&accounts, "nothing", |_| {}).await;
    add(&accounts, "stranger", grants("other", Grant::Edit)).await;
    add(&accounts, "viewer", grants(MINE, Grant::View)).await;
    add(&accounts, "editor", grants(MINE, Grant::Edit)).await;
    add(&accounts, "viewer-of-all", grants("*", Grant::View)).await;
    add(&accounts, "editor-of-all", grants("*", Grant::Edit)).await;
    add(&accounts, "root", |user| user.administrator = true).await;
    let mut wrong = Vec::new();
    for operation in operations() {
        let right = operation.right.as_str();
        let name = format!("{} {} ({right})", operation.method, operation.template);
        let nobody = status(&server, &operation, None).await.as_u16();
        let is_closed = nobody == 401;
        if is_closed != (right != "public") {
            wrong.push(format!("{name}: {nobody} without a login"));
        }
        if (right == "public") != PUBLIC.contains(&(&operation.method.to_lowercase(), &operation.template)) {
            wrong.push(format!("{name}: is not among those that may be public"));
        }
        if status(&server, &operation, Some("cal_nonsense")).await != 401 && right != "public" {
            wrong.push(format!("{name}: takes any token"));
        }
        for (user, may) in [
            ("nothing", &["public", "login"][..]),
            ("stranger", &["public", "login"]),
            ("viewer", &["public", "login", "view"]),
            ("editor", &["public", "login", "view", "edit"]),
            ("viewer-of-all", &["public", "login", "view"]),
            ("editor-of-all", &["public", "login", "view", "edit"]),
            ("root", &["public", "login", "view", "edit", "administer"]),
        ] {
            // A login for each, since some of the operations end it.
            let token = token(&server, user).await;
            let status = status(&server, &operation, Some(&token)).await.as_u16();
            // With `login`, what a caller may do with what it found is the handler's to say.
            let is_right = match may.contains(&right) {
                true => status != 401 && (status != 403 || right == "login") && status < 500,
                false => status == 403,
            };
            if !is_right {
                wrong.push(format!("{name}: {status} for {user}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn who_has_no_right_does_not_learn_what_else_is_wrong() {
    let (server, accounts) = guarded(AccountSettings::default());
    add(&accounts, "nothing", |_| {}).await;
    let token = token(&server, "nothing").await;
    for operation in operations().iter().filter(|operation| operation.right != "public") {
        let separator = if operation.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{separator}no_such_parameter=1", operation.path);
        for (body, media) in [("{", "application/json"), ("[]", "application/json"), ("x", "text/plain")] {
            for (token, wanted) in [(None, 401), (Some(&token), 403)] {
                if wanted == 403 && operation.right == "login" {
                    continue;
                }
                let mut request =
                    Request::builder().method(operation.method.as_str()).uri(&path).header("content-type", media);
                if let Some(token) = token {
                    request = request.header("x-auth-token", token);
                }
                let answer = server.send(request.body(Body::from(body)).unwrap()).await;
                assert_eq!(answer.status, wanted, "{} {path}: {}", operation.method, answer.body);
            }
        }
    }
    let login = json!({"username": "nothing", "password": PASSWORD});
    let answer = server.call("POST", "/api/v1/auth/tokens?colour=red", &[], Some(&login)).await;
    assert_eq!(answer.status, 400);
}
