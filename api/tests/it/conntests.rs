//! Connection tests: asked for here, answered by workers.

use calipso_model::{SecretLocation, Value as Data};
use calipso_store::work::{
    ConnectionTest, TestStatus,
    row::{self, Versioned},
};
use serde_json::json;

use crate::cloud::{PLANTED, errors, usual};

#[tokio::test]
async fn a_test_is_a_request_to_a_worker() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let backend = server.service.backend.as_ref();
    let answer = server.post("editor", "/connection_tests", &json!({"env_name": "cloud"})).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.body["message"], "created a new connection test for environment cloud");
    let first = answer.body["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.headers["location"], format!("/api/v1/connection_tests/{first}"));

    let body = json!({
        "env_name": "cloud", "test_targets": ["mysql", "hosts", "CLI"],
        "targets_configuration": [{"name": "mysql", "host": "10.20.0.12", "user": "reader", "pwd": format!("{PLANTED}-9")}],
    });
    let answer = server.post("editor", "/connection_tests", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let second = answer.body["id"].as_str().unwrap().to_owned();
    let mut task: Versioned<ConnectionTest> = row::get(backend, &second).await.unwrap().unwrap();
    assert_eq!(task.row.status, TestStatus::Request);
    assert_eq!(task.row.test_targets, ["database".into(), "hosts".into()]);
    let database = task.row.targets_configuration.as_ref().unwrap().get("database").unwrap().as_map().unwrap().clone();
    assert_eq!(database.text("spec").unwrap().as_ref(), "mysql");
    let sealed = database.get("fields").unwrap().as_map().unwrap().text("password").unwrap();
    let keys = server.service.environments.keys.as_ref().unwrap();
    let opened = keys.open(&SecretLocation::role("cloud", "database").field("password"), sealed).unwrap();
    assert_eq!(opened.reveal(), format!("{PLANTED}-9"));

    // As a worker answers.
    task.row.status = TestStatus::Response;
    task.row.test_results.insert("database", true);
    task.row.test_results.insert("hosts", false);
    task.row.errors.insert("hosts", "unreachable");
    task.row.lines.insert("database", Data::list(vec![Data::text("line")]));
    task.save(backend).await.unwrap();
    let path = format!("/connection_tests/{second}");
    let one = server.see("viewer", &path).await.body;
    assert_eq!(one["test_results"], json!({"database": true, "hosts": false}));
    assert_eq!((&one["errors"]["hosts"], one.get("targets_configuration")), (&json!("unreachable"), None));
    assert_eq!(server.see("nobody", &path).await.status, 404, "who may not view it learns nothing");
    assert_eq!(server.see("root", "/connection_tests/nothing").await.status, 404);

    let ids = async |query: &str| {
        let answer = server.see("viewer", &format!("/connection_tests?env_name=cloud{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        let list = answer.body["connection_tests"].as_array().unwrap().clone();
        let mut ids: Vec<String> = list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let mut both = vec![first.clone(), second.clone()];
    both.sort();
    assert_eq!(ids("").await, both);
    assert_eq!(ids("&status=request").await, std::slice::from_ref(&first));
    assert_eq!(ids("&status=response").await, std::slice::from_ref(&second));
    assert_eq!(ids("&test_results=false").await, std::slice::from_ref(&second));
    assert_eq!(ids("&test_results=true").await, [""; 0]);
    assert_eq!(ids("&test_targets=database&test_targets=openstack").await, std::slice::from_ref(&first));
    let narrowed =
        server.see("viewer", &format!("/connection_tests?env_name=cloud&id={second}&test_results=true")).await;
    assert_eq!(narrowed.body["test_results"], json!({"database": true}));
    let narrowed =
        server.see("viewer", &format!("/connection_tests?env_name=cloud&id={second}&test_targets=CLI")).await;
    assert_eq!(narrowed.body["test_results"], json!({"hosts": false}));
    assert_eq!(server.see("viewer", "/connection_tests?env_name=cloud&status=x").await.status, 400);
    assert_eq!(server.see("root", "/connection_tests").await.status, 400);
}

#[tokio::test]
async fn what_cannot_be_tried_is_refused() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let cases = [
        (json!({"test_targets": ["nothing"]}), "/test_targets/0", "nothing is reached"),
        (
            json!({"targets_configuration": {"hosts": {"user": "x"}}}),
            "/targets_configuration/hosts/private_key",
            "given again",
        ),
        (
            json!({"targets_configuration": {"database": {"host": "h", "user": "u", "password": 7}}}),
            "/targets_configuration/database/password",
            "text",
        ),
        (
            json!({"targets_configuration": [{"name": "mysql", "host": "a b", "user": "u", "pwd": "x"}]}),
            "/targets_configuration/0/host",
            "a host name",
        ),
        (
            json!({"targets_configuration": [{"name": "mysql", "host": "evil.example", "user": "reader"}]}),
            "/targets_configuration/0/password",
            "given again",
        ),
        (
            json!({"targets_configuration": [{"name": "mysql", "host": "evil.example", "user": "reader", "pwd": "***"}]}),
            "/targets_configuration/0/pwd",
            "given again",
        ),
        (json!({"targets_configuration": [{"host": "h"}]}), "/targets_configuration/0/name", "says with `name`"),
        (json!({"targets_configuration": {"disks": {}}}), "/targets_configuration/disks", "no connection has the role"),
        (
            json!({"targets_configuration": {"database": {"host": "h", "user": "u", "password": "file:/etc/shadow"}}}),
            "/targets_configuration/database/password",
            "must lie inside",
        ),
    ];
    for (mut body, path, message) in cases {
        body["env_name"] = json!("cloud");
        let answer = server.post("editor", "/connection_tests", &body).await;
        assert_eq!(answer.status, 422, "{body}");
        let found = errors(&answer);
        assert!(found.iter().any(|(at, told)| at == path && told.contains(message)), "{body}: {found:?}");
    }
    assert_eq!(server.post("viewer", "/connection_tests", &json!({"env_name": "cloud"})).await.status, 403);
    assert_eq!(server.post("editor", "/connection_tests", &json!({"env_name": "nothing"})).await.status, 404);
    assert_eq!(server.post("editor", "/connection_tests", &json!({})).await.status, 422);
    // What the environment has needs no secret again.
    let same =
        json!({"env_name": "cloud", "targets_configuration": {"database": {"host": "10.20.0.11", "user": "reader"}}});
    assert_eq!(server.post("editor", "/connection_tests", &same).await.status, 201);
}
