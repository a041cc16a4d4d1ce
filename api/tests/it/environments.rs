//! Configurations of environments: made, shown, changed, removed.

use axum::http::Method;
use calipso_api::Grant;
use calipso_model::{Delta, SecretLocation};
use calipso_store::{
    Commit, CommitInfo, RecordQuery,
    work::{ScanTask, Schedule, row},
};
use serde_json::{Value, json};

use crate::cloud::{PLANTED, configuration, errors, usual};

const CLOUD: &str = "/environment_configs/cloud";

/// Changes one place of the usual configuration.
fn changed(pointer: &str, value: Value) -> Value {
    let mut body = configuration();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[key] = value;
    body
}

#[tokio::test]
async fn what_was_made_is_shown_without_secrets() {
    let server = usual().await;
    let answer = server.post("editor", "/environment_configs", &configuration()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.body["id"], "cloud");
    assert_eq!(answer.headers["location"], "/api/v1/environment_configs/cloud");
    assert!(answer.headers["etag"].to_str().unwrap().starts_with('"'), "{:?}", answer.headers);
    assert_eq!(server.grants("editor").await.get("cloud"), Some(&Grant::Edit), "whoever makes it may edit it");

    let one = server.see("viewer", CLOUD).await;
    assert_eq!(one.status, 200);
    let connections = &one.body["connections"];
    assert_eq!(connections["database"]["password"], "***");
    assert_eq!(connections["hosts"]["private_key"], "***");
    assert_eq!(connections["hosts"]["hosts"]["node-1"], json!({"address": "10.20.0.21", "password": "***"}));
    assert_eq!(connections["openstack"]["spec"], "keystone_v3", "the only spec of the role is filled in");
    assert_eq!((&one.body["environment_type"], &one.body["scanned"]), (&json!("openstack"), &json!(false)));
    assert_eq!((&one.body["user"], one.body.get("auth")), (&json!("editor"), None));
    let edited = server.see("editor", CLOUD).await;
    assert_eq!(edited.body["auth"], json!({"view-env": ["viewer"], "edit-env": ["editor"]}));

    // What is stored is sealed, and opens in its place only.
    let stored = server.service.backend.environment("cloud").await.unwrap();
    let keys = server.service.environments.keys.as_ref().unwrap();
    let fields = &stored.connections["hosts"].fields;
    let nested =
        fields.get("hosts").and_then(|hosts| hosts.as_map()?.get("node-1")?.as_map()?.text("password")).unwrap();
    let place = SecretLocation::role("cloud", "hosts");
    assert_eq!(keys.open(&place.field("hosts.node-1.password"), nested).unwrap().reveal(), format!("{PLANTED}-4"));
    assert!(keys.open(&place.field("password"), nested).is_err());
    for file in std::fs::read_dir(server.folder()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes.windows(PLANTED.len()).any(|part| part == PLANTED.as_bytes());
        assert!(!found, "a secret lies in the store");
    }
}

#[tokio::test]
async fn who_may_what() {
    let server = usual().await;
    assert_eq!(server.post("viewer", "/environment_configs", &configuration()).await.status, 403);
    let server = server.with_cloud().await;
    let mut other = configuration();
    other["name"] = json!("other");
    assert_eq!(server.post("root", "/environment_configs", &other).await.status, 201);

    let names = async |user: &str| -> Vec<String> {
        let answer = server.see(user, "/environment_configs").await;
        let list = answer.body["environment_configs"].as_array().cloned().unwrap();
        list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("editor").await, ["cloud", "other"]);
    assert_eq!(names("viewer").await, ["cloud"]);
    assert_eq!(names("nobody").await, [""; 0]);
    for path in ["/environment_configs/other", "/environment_configs?name=other", "/environment_configs/nothing"] {
        assert_eq!(server.see("viewer", path).await.status, 403, "{path}");
    }
    assert_eq!(server.see("editor", "/environment_configs?name=nothing").await.status, 404);
    assert_eq!(server.see("viewer", "/environment_configs?name=cloud").await.body["name"], "cloud");
    for method in [Method::PUT, Method::PATCH] {
        assert_eq!(server.ask("viewer", method, CLOUD, Some(&json!({}))).await.status, 403);
    }
    let path = format!("{CLOUD}?inventory=delete");
    assert_eq!(server.ask("viewer", Method::DELETE, &path, None).await.status, 403);

    // Rights that are given with a configuration.
    let body = json!({"auth": {"view-env": ["nobody"], "edit-env": ["viewer"]}});
    let answer = server.ask("editor", Method::PATCH, CLOUD, Some(&body)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["auth"], json!({"view-env": ["nobody"], "edit-env": ["viewer"]}));
    assert_eq!(server.grants("viewer").await.get("cloud"), Some(&Grant::Edit));
    // What a patch does not name stays; names of users are told apart whatever their case.
    let body = json!({"auth": {"edit-env": ["Viewer", "EDITOR"]}});
    for _ in 0..2 {
        let answer = server.ask("viewer", Method::PATCH, CLOUD, Some(&body)).await;
        assert_eq!(answer.body["auth"], json!({"view-env": ["nobody"], "edit-env": ["editor", "viewer"]}));
    }
    let answer = server.ask("viewer", Method::PATCH, CLOUD, Some(&json!({"auth": {}}))).await;
    assert_eq!(answer.body["auth"], json!({"view-env": ["nobody"], "edit-env": ["editor", "viewer"]}));
    let body = json!({"auth": {"view-env": ["ghost"]}});
    let answer = server.ask("editor", Method::PATCH, CLOUD, Some(&body)).await;
    assert_eq!(errors(&answer), [("/auth/view-env/0".to_owned(), "there is no user `ghost`".to_owned())]);
}

#[tokio::test]
async fn every_mistake_has_its_place() {
    let server = usual().await;
    let secret = || json!(format!("{PLANTED}-x"));
    let cases: Vec<(&str, Value, &str, &str)> = vec![
        ("/name", json!(""), "/name", "not empty"),
        ("/name", json!("a/b"), "/name", "is of letters"),
        ("/name", json!("*"), "/name", "stands for all"),
        ("/name", json!("a\u{202e}b"), "/name", "U+202E"),
        ("/name", json!("-rf"), "/name", "begins with"),
        ("/name", json!("x".repeat(101)), "/name", "at most 100"),
        ("/distribution", json!("Debain"), "/distribution", "no spec describes"),
        ("/distribution_version", json!("zedd"), "/distribution_version", "has no version"),
        ("/mechanism_drivers", json!([]), "/mechanism_drivers", "at least one"),
        ("/mechanism_drivers", json!(["OVS", "OVSS"]), "/mechanism_drivers/1", "has no `OVSS`"),
        ("/mechanism_drivers", json!(["OVS", "OVS"]), "/mechanism_drivers/1", "stands twice"),
        ("/type_drivers", json!("vxlann"), "/type_drivers/0", "has no `vxlann`"),
        ("/environment_type", json!("Kubernetes"), "/environment_type", "is of the type openstack"),
        ("/type", json!("host"), "/type", "the type of an environment"),
        ("/listen", json!(true), "/listen", "does not support listening"),
        ("/enable_monitoring", json!(true), "/enable_monitoring", "does not support monitoring"),
        ("/last_scanned", json!("yesterday"), "/last_scanned", "RFC 3339"),
        ("/operational", json!("idle"), "/operational", "one of stopped"),
        ("/colour", json!("red"), "/colour", "an environment has no `colour`"),
        ("/auth", json!({"view": []}), "/auth/view", "`auth` has no"),
        ("/connections/hosts", json!("x"), "/connections/hosts", "is a map of fields"),
        ("/connections/disks", json!({}), "/connections/disks", "no connection has the role"),
        ("/connections/hosts/spec", json!("mysql"), "/connections/hosts/spec", "does not have the role"),
        ("/connections/hosts/colour", json!("red"), "/connections/hosts/colour", "there is no field colour"),
        ("/connections/hosts/port", json!(0), "/connections/hosts/port", "a port from 1 to 65535"),
        ("/connections/hosts/port", json!("ssh"), "/connections/hosts/port", "a port from 1 to 65535"),
        ("/connections/hosts/host", json!("10.0.0.256"), "/connections/hosts/host", "a host name or address"),
        ("/connections/hosts/sudo", json!("maybe"), "/connections/hosts/sudo", "true or false"),
        ("/connections/hosts/private_key", secret(), "/connections/hosts/private_key", "PEM or OpenSSH"),
        ("/connections/hosts/hosts", json!([]), "/connections/hosts/hosts", "needs a map"),
        ("/connections/hosts/hosts/node-1", json!(7), "/connections/hosts/hosts/node-1", "needs a map"),
        ("/connections/hosts/hosts/node-1/port", json!("x"), "/connections/hosts/hosts/node-1/port", "a port"),
        ("/connections/hosts/known_hosts", json!("/etc/passwd"), "/connections/hosts/known_hosts", "must lie inside"),
        ("/connections/database/user", Value::Null, "/connections/database/user", "has to be given"),
        ("/connections/database/password", json!(""), "/connections/database/password", "is empty"),
        ("/connections/database/password", json!(12345), "/connections/database/password", "it must be text"),
        ("/connections/database/password", json!("***"), "/connections/database/password", "no secret is kept"),
        ("/connections/database/password", json!("env:PATH"), "/connections/database/password", "must begin with"),
        (
            "/connections/database/password",
            json!("env:CALIPSO_SECRET_CLOUD__"),
            "/connections/database/password",
            "must begin",
        ),
        (
            "/connections/database/password",
            json!("env:CALIPSO_SECRET_OTHER__DB"),
            "/connections/database/password",
            "must begin with CALIPSO_SECRET_CLOUD__",
        ),
        (
            "/connections/database/password",
            json!("file:/run/secrets/other/db"),
            "/connections/database/password",
            "must lie inside of /run/secrets/cloud",
        ),
        (
            "/connections/database/password",
            json!("file:/etc/passwd"),
            "/connections/database/password",
            "must lie inside",
        ),
        (
            "/connections/database/password",
            json!("file:/run/secrets/../x"),
            "/connections/database/password",
            "must lie",
        ),
        ("/connections/database/password", json!("sealed:v1:aa:bb"), "/connections/database/password", "is sealed"),
        ("/connections/openstack/ca", json!("file:/etc/passwd"), "/connections/openstack/ca", "must lie inside"),
        ("/connections/openstack/interface", json!("secret"), "/connections/openstack/interface", "has to be one of"),
        ("/connections/openstack/auth_url", json!("ftp://h/"), "/connections/openstack/auth_url", "absolute http"),
        (
            "/connections/openstack/auth_url",
            json!(format!("http://admin:{PLANTED}@h/v3")),
            "/connections/openstack/auth_url",
            "without query or credentials",
        ),
    ];
    for (pointer, value, path, message) in cases {
        let answer = server.post("editor", "/environment_configs", &changed(pointer, value.clone())).await;
        assert_eq!(answer.status, 422, "{pointer} = {value}: {}", answer.body);
        let found = errors(&answer);
        let told = found.iter().any(|(at, told)| at == path && told.contains(message));
        assert!(told, "{pointer} = {value}: {found:?}");
    }
    // Form of the whole, before any rule: nothing that was sent is repeated.
    for body in
        [json!({"connections": PLANTED}), json!({"configuration": [PLANTED]}), json!({"type_drivers": {"a": PLANTED}})]
    {
        assert_eq!(server.post("editor", "/environment_configs", &body).await.status, 422);
    }
    // What is left out.
    for (key, path) in [
        ("name", "/name"),
        ("distribution", "/distribution"),
        ("distribution_version", "/distribution_version"),
        ("mechanism_drivers", "/mechanism_drivers"),
        ("type_drivers", "/type_drivers"),
        ("connections", "/connections"),
    ] {
        let mut body = configuration();
        body.as_object_mut().unwrap().remove(key);
        let answer = server.post("editor", "/environment_configs", &body).await;
        assert!(errors(&answer).iter().any(|(at, _)| at == path), "{key}: {}", answer.body);
    }
    // All at once.
    let mut body = changed("/connections/hosts/port", json!(0));
    body["listen"] = json!(7);
    body["connections"]["database"]["host"] = json!("a b");
    body["connections"].as_object_mut().unwrap().remove("openstack");
    let answer = server.post("editor", "/environment_configs", &body).await;
    assert_eq!(answer.status, 422);
    let paths: Vec<String> = errors(&answer).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/listen"], "the form of the body comes first");
    body["listen"] = json!(false);
    let answer = server.post("editor", "/environment_configs", &body).await;
    let paths: Vec<String> = errors(&answer).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/connections", "/connections/database/host", "/connections/hosts/port"]);
    assert!(errors(&answer)[0].1.contains("role openstack"), "{}", answer.body);
    assert!(server.service.backend.environments().await.unwrap().is_empty());
}

#[tokio::test]
async fn sections_of_the_original_are_understood() {
    let server = usual().await;
    let mut body = json!({
        "app_path": "/home/scan/app", "type": "environment", "environment_type": "OpenStack", "operational": "stopped",
        "scanned": false, "last_scanned": "2017-03-16T11:14:54Z", "listen": false, "user": "editor",
        "name": "old", "distribution": "Mirantis", "distribution_version": "8.0", "mechanism_drivers": ["OVS"],
        "type_drivers": "vxlan",
        "configuration": [
            {"name": "mysql", "host": "10.56.20.239", "pwd": format!("{PLANTED}-1"), "port": "3307", "user": "root"},
            {"name": "OpenStack", "host": "2001:db8::1", "admin_token": "x", "port": "5000", "user": "admin", "pwd": format!("{PLANTED}-2")},
            {"name": "CLI", "host": "10.56.20.239", "key": "/run/secrets/old/id_rsa", "user": "root"},
            {"name": "AMQP", "host": "10.56.20.239", "pwd": format!("{PLANTED}-3"), "port": "5673", "user": "nova"},
        ],
    });
    let answer = server.post("editor", "/environment_configs", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let one = server.see("editor", "/environment_configs/old").await.body;
    assert_eq!(one["connections"]["openstack"]["auth_url"], "http://[2001:db8::1]:5000/v3");
    assert_eq!(one["connections"]["hosts"]["private_key"], "file:/run/secrets/old/id_rsa");
    assert_eq!(one["connections"]["database"]["password"], "***");
    assert_eq!(one["connections"]["amqp"]["port"], "5673");
    assert_eq!(one["connections"]["amqp"]["password"], "***");
    assert_eq!(one["type_drivers"], json!(["vxlan"]));

    body["name"] = json!("old2");
    body["configuration"][0]["port"] = json!("x");
    body["configuration"][1].as_object_mut().unwrap().remove("host");
    body["configuration"][2] = json!({"name": "CLI", "user": "root", "pwd": 7, "sudoo": true});
    body["configuration"].as_array_mut().unwrap().push(json!({"name": "Monitoring", "pwd": PLANTED}));
    body["configuration"].as_array_mut().unwrap().push(json!({"name": "mysql", "host": "h"}));
    body["configuration"].as_array_mut().unwrap().push(json!({"host": "h"}));
    let answer = server.post("editor", "/environment_configs", &body).await;
    let paths: Vec<String> = errors(&answer).into_iter().map(|(path, _)| path).collect();
    let wanted = [
        "/configuration/0/port",
        "/configuration/1/host",
        "/configuration/2/pwd",
        "/configuration/2/sudoo",
        "/configuration/4/name",
        "/configuration/5",
        "/configuration/6/name",
    ];
    assert_eq!(paths, wanted, "{}", answer.body);
}

#[tokio::test]
async fn a_secret_is_kept_only_while_its_connection_stays() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let stored = async || server.service.backend.environment("cloud").await.unwrap().connections;
    let first = stored().await;
    let put = async |body: &Value| server.ask("editor", Method::PUT, CLOUD, Some(body)).await;

    // What was read can be sent again, with or without the stars, and with defaults written out.
    let mut shown = server.see("editor", CLOUD).await.body;
    let answer = put(&shown).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(stored().await, first);
    shown["connections"]["database"].as_object_mut().unwrap().remove("password");
    shown["connections"]["database"]["port"] = json!("3306");
    shown["description"] = json!("Another.");
    let answer = put(&shown).await;
    assert_eq!((answer.status.as_u16(), &answer.body["description"]), (200, &json!("Another.")), "{}", answer.body);
    assert_eq!(stored().await["database"].fields.get("password"), first["database"].fields.get("password"));

    // Another server would get the secret.
    for (role, field, value) in [
        ("database", "host", json!("evil.example")),
        ("openstack", "auth_url", json!("http://evil.example/v3")),
        ("openstack", "verify_tls", json!(false)),
        ("hosts", "hosts", json!({"node-1": {"address": "evil.example", "password": "***"}})),
        ("hosts", "verify_host_keys", json!(false)),
    ] {
        let mut body = shown.clone();
        body["connections"][role][field] = value;
        let answer = put(&body).await;
        assert_eq!(answer.status, 422, "{role}.{field}");
        let found = errors(&answer);
        assert!(
            found
                .iter()
                .all(|(path, told)| path.starts_with(&format!("/connections/{role}/")) && told.contains("given again")),
            "{found:?}"
        );
        let patch = json!({"connections": {role: {field: body["connections"][role][field]}}});
        assert_eq!(server.ask("editor", Method::PATCH, CLOUD, Some(&patch)).await.status, 422, "{role}.{field}");
    }
    // A new secret beside it is enough.
    let patch = json!({"connections": {"database": {"host": "10.20.0.12", "password": format!("{PLANTED}-5")}}});
    let answer = server.ask("editor", Method::PATCH, CLOUD, Some(&patch)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["connections"]["database"]["host"], "10.20.0.12");
    // A null removes one; the others are asked for again, as the connection changes.
    let patch = json!({"connections": {"hosts": {"private_key": null, "password": format!("{PLANTED}-6")}}});
    let answer = server.ask("editor", Method::PATCH, CLOUD, Some(&patch)).await;
    assert_eq!(errors(&answer)[0].0, "/connections/hosts/hosts/node-1/password", "{}", answer.body);
    let patch = json!({"connections": {"hosts": {"private_key": null, "password": format!("{PLANTED}-6"), "hosts": {"node-1": {"password": null}}}}});
    let answer = server.ask("editor", Method::PATCH, CLOUD, Some(&patch)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["connections"]["hosts"].get("private_key"), None);
    assert_eq!(answer.body["connections"]["hosts"]["password"], "***");
    // A connection that goes takes its secret with it.
    let patch = json!({"connections": {"database": null}});
    let answer = server.ask("editor", Method::PATCH, CLOUD, Some(&patch)).await;
    assert_eq!(errors(&answer)[0].0, "/connections", "the role is needed: {}", answer.body);
}

#[tokio::test]
async fn where_any_host_key_will_do_secrets_go_only_where_they_went() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let patch = async |body: Value| server.ask("editor", Method::PATCH, CLOUD, Some(&body)).await;
    let elsewhere = json!({"auth_url": "http://elsewhere.example/v3", "password": format!("{PLANTED}-5")});
    let trusting = json!({"verify_host_keys": false, "password": format!("{PLANTED}-6"), "private_key": null,
        "hosts": {"node-1": {"password": null}}});

    // Both at once, or one after the other: what the APIs answer would lead the scan to any host.
    let both = json!({"connections": {"openstack": elsewhere, "hosts": {"verify_host_keys": false}}});
    assert_eq!(patch(both).await.status, 422);
    let answer = patch(json!({"connections": {"openstack": elsewhere}})).await;
    assert_eq!(answer.status, 200, "hosts prove who they are: {}", answer.body);
    let answer = patch(json!({"connections": {"hosts": trusting}})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let back = json!({"auth_url": "http://back.example/v3", "password": format!("{PLANTED}-7")});
    let answer = patch(json!({"connections": {"openstack": back}})).await;
    let found = errors(&answer);
    assert_eq!((answer.status.as_u16(), found[0].0.as_str()), (422, "/connections/hosts/password"), "{found:?}");
    assert!(found[0].1.contains("because the connection openstack changes"), "{found:?}");
    // Nor does a test of the connections.
    let test = |targets: &[&str]| json!({"env_name": "cloud", "test_targets": targets, "targets_configuration": {"openstack": back}});
    let answer = server.post("editor", "/connection_tests", &test(&[])).await;
    let found = errors(&answer);
    assert_eq!((answer.status.as_u16(), found.len()), (422, 1), "{found:?}");
    assert_eq!(found[0].0, "/targets_configuration/hosts/password");
    assert_eq!(server.post("editor", "/connection_tests", &test(&["openstack"])).await.status, 201);

    // The secret beside it is enough, and another password of the same server leads nowhere else.
    let secret = json!({"password": format!("{PLANTED}-6")});
    let answer = patch(json!({"connections": {"openstack": back, "hosts": secret}})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = patch(json!({"connections": {"openstack": {"password": format!("{PLANTED}-8")}}})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn references_of_others_stay_where_they_are() {
    let server = usual().await;
    let server = server.with_cloud().await;
    // As the command line stores it, which may use any reference.
    let mut environment = server.service.backend.environment("cloud").await.unwrap();
    environment.connections.get_mut("database").unwrap().fields.insert("password", "env:ANY");
    server.service.backend.put_environment(&environment, calipso_store::Expect::Anything).await.unwrap();
    let mut shown = server.see("editor", CLOUD).await.body;
    assert_eq!(shown["connections"]["database"]["password"], "env:ANY");
    shown["description"] = json!("x");
    assert_eq!(server.ask("editor", Method::PUT, CLOUD, Some(&shown)).await.status, 200);
    shown["connections"]["database"]["host"] = json!("evil.example");
    let answer = server.ask("editor", Method::PUT, CLOUD, Some(&shown)).await;
    assert_eq!(errors(&answer)[0].0, "/connections/database/password");
    for good in ["env:CALIPSO_SECRET_CLOUD__DB", "file:/run/secrets/cloud/db"] {
        shown["connections"]["database"]["password"] = json!(good);
        let answer = server.ask("editor", Method::PUT, CLOUD, Some(&shown)).await;
        assert_eq!(answer.body["connections"]["database"]["password"], good, "{}", answer.body);
    }
}

#[tokio::test]
async fn versions_are_asked_for_and_win() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let patch = |text: &str| json!({"description": text});
    let first = server.see("editor", CLOUD).await.headers["etag"].to_str().unwrap().to_owned();
    let answer = server.ask_if("editor", Method::PATCH, CLOUD, Some(&patch("a")), Some(&first)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let second = answer.headers["etag"].to_str().unwrap();
    assert_ne!(second, first);
    for (tag, status) in [
        (first.clone(), 412),
        (format!("W/{second}"), 412),
        ("nonsense".to_owned(), 400),
        (format!("{first}, {second}"), 200),
        ("*".to_owned(), 200),
    ] {
        let answer = server.ask_if("editor", Method::PATCH, CLOUD, Some(&patch(&tag)), Some(&tag)).await;
        assert_eq!(answer.status.as_u16(), status, "{tag}: {}", answer.body);
    }
    let path = format!("{CLOUD}?inventory=delete");
    assert_eq!(server.ask_if("editor", Method::DELETE, &path, None, Some(&first)).await.status, 412);
    // Of many that begin with the same version, one wins.
    let version = server.see("editor", CLOUD).await.headers["etag"].to_str().unwrap().to_owned();
    let races: Vec<_> = (0..8)
        .map(|place| {
            let (server, version) = (&server, version.as_str());
            async move {
                let body = json!({"description": format!("race {place}")});
                server.ask_if("editor", Method::PATCH, CLOUD, Some(&body), Some(version)).await.status.as_u16()
            }
        })
        .collect();
    let mut statuses = futures::future::join_all(races).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    // A name is taken once.
    let mut body = configuration();
    body["name"] = json!("raced");
    let races: Vec<_> = (0..4).map(|_| server.post("editor", "/environment_configs", &body)).collect();
    let mut statuses: Vec<u16> =
        futures::future::join_all(races).await.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    let answer = server.ask("editor", Method::PUT, CLOUD, Some(&body)).await;
    assert_eq!(errors(&answer)[0].0, "/name");
}

#[tokio::test]
async fn lists_are_filtered() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let mut body = configuration();
    body["name"] = json!("second");
    body["mechanism_drivers"] = json!(["OVS", "LXB"]);
    assert_eq!(server.post("root", "/environment_configs", &body).await.status, 201);
    let cases = [
        ("", vec!["cloud", "second"]),
        ("?listen=false", vec!["cloud", "second"]),
        ("?listen=true", vec![]),
        ("?scanned=false", vec!["cloud", "second"]),
        ("?scanned=true", vec![]),
        ("?mechanism_drivers=OVS", vec!["cloud", "second"]),
        ("?mechanism_drivers=OVS&mechanism_drivers=LXB", vec!["second"]),
        ("?type_drivers=vxlan&distribution=Debian&distribution_version=zed", vec!["cloud", "second"]),
        ("?type_drivers=flat", vec![]),
        ("?environment_type=OpenStack", vec!["cloud", "second"]),
        ("?user=root", vec!["second"]),
        ("?operational=running", vec![]),
        ("?archived=true", vec![]),
        ("?page=1&page_size=1", vec!["second"]),
        ("?page=9&page_size=1", vec![]),
    ];
    for (query, names) in cases {
        let answer = server.see("root", &format!("/environment_configs{query}")).await;
        let found: Vec<&str> = answer.body["environment_configs"]
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {}", answer.body))
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(found, names, "{query}");
    }
    for query in [
        "?distribution=Debain",
        "?distribution_version=x",
        "?mechanism_drivers=x",
        "?type_drivers=x",
        "?listen=yes",
        "?scanned=falses",
        "?operational=idle",
        "?environment_type=x",
        "?page=-1",
        "?page=1.4",
        "?page_size=2.4",
        "?unknown=x",
    ] {
        assert_eq!(server.see("root", &format!("/environment_configs{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn an_environment_goes_with_all_that_is_its_own() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let backend = &server.service.backend;
    let now = server.service.now_millis();
    let lease = backend.acquire("cloud", "a scan", now, std::time::Duration::from_secs(60)).await.unwrap();
    let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "x".into() };
    let key = calipso_model::ObjectKey::new("host", "h");
    let doc = [("id", "h"), ("type", "host"), ("name", "h")]
        .into_iter()
        .map(|(k, v)| (k, calipso_model::Value::from(v)))
        .collect();
    let delta = Delta { objects: vec![calipso_model::Object { key, doc }], ..Delta::default() };
    backend.commit(&Commit::new(0, &lease, &delta, &info)).await.unwrap();
    let scan = || ScanTask { environment: "cloud".into(), ..ScanTask::default() };
    row::insert(backend.as_ref(), "s1", scan()).await.unwrap();
    row::insert(backend.as_ref(), "p1", Schedule { environment: "cloud".into(), ..Schedule::default() }).await.unwrap();
    let test = json!({"env_name": "cloud"});
    let answer = server.post("editor", "/connection_tests", &test).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(server.see("root", CLOUD).await.body["last_scanned"], "2026-01-01T00:00:00Z");

    for how in ["delete", "keep"] {
        let answer = server.ask("editor", Method::DELETE, &format!("{CLOUD}?inventory={how}"), None).await;
        assert_eq!(answer.status, 409, "a scan holds the lease");
    }
    assert_eq!(
        server.ask("editor", Method::DELETE, CLOUD, None).await.status,
        400,
        "what becomes of the inventory is said"
    );
    let of = RecordQuery::all().equals("environment", "cloud");
    let count = async |collection| backend.count(collection, &of).await.unwrap();
    assert_eq!(count(calipso_store::Collection::ScheduledScans).await, 1, "a refusal leaves all as it was");
    backend.release(&lease).await.unwrap();

    // The inventory stays.
    let answer = server.ask("editor", Method::DELETE, &format!("{CLOUD}?inventory=keep"), None).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(backend.current("cloud").await.unwrap(), 1);
    let left = server.see("viewer", CLOUD).await.body;
    assert_eq!((&left["archived"], &left["connections"], &left["scanned"]), (&json!(true), &json!({}), &json!(true)));
    assert_eq!(server.see("root", "/environment_configs").await.body["environment_configs"], json!([]));
    assert_eq!(count(calipso_store::Collection::ScheduledScans).await, 0);
    assert_eq!(server.ask("editor", Method::PATCH, CLOUD, Some(&json!({"description": "x"}))).await.status, 409);
    assert_eq!(server.post("editor", "/connection_tests", &test).await.status, 409);
    assert_eq!(server.post("editor", "/scans", &json!({"env_name": "cloud"})).await.status, 409);
    // The name can be used again, and the lease is free.
    assert_eq!(server.post("editor", "/environment_configs", &configuration()).await.status, 201);
    assert_eq!(server.see("root", CLOUD).await.body["archived"], json!(false));

    row::insert(backend.as_ref(), "s2", scan()).await.unwrap();
    let answer = server.ask("editor", Method::DELETE, &format!("{CLOUD}?inventory=delete"), None).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    use calipso_store::Collection;
    for collection in Collection::ALL.iter().filter(|one| one.fields().contains(&"environment")) {
        let left = count(*collection).await;
        assert_eq!(left > 0, *collection == Collection::Audit, "{collection:?}: {left}");
    }
    assert_eq!(server.see("root", CLOUD).await.status, 404);
    assert!(server.grants("viewer").await.is_empty() && server.grants("editor").await.len() == 1);
    assert_eq!(server.post("editor", "/environment_configs", &configuration()).await.status, 201);
}

#[tokio::test]
async fn without_a_key_only_references_are_taken() {
    let server = crate::support::open();
    let answer = server.json(Method::POST, "/api/v1/environment_configs", &configuration()).await;
    assert_eq!(answer.status, 422);
    assert!(errors(&answer).iter().all(|(_, told)| told.contains("no key")), "{}", answer.body);
    assert_eq!(errors(&answer).len(), 4);
    assert!(!answer.body.to_string().contains(PLANTED));
}

#[tokio::test]
async fn rights_are_kept_with_the_users() {
    use calipso_api::{AccountSettings, Source, User};
    let (server, accounts) = crate::support::guarded(AccountSettings::default());
    for name in ["anna", "boris", "clara"] {
        accounts.add_user(User::new(name, Source::Directory, jiff::Timestamp::now()), None).await.unwrap();
    }
    let now = server.service.clock;
    assert_eq!(accounts.unknown_users(&["Anna".into(), "ghost".into()]).await.unwrap(), ["ghost".into()]);
    accounts.set_grant("Anna", "cloud", Some(Grant::View), now()).await.unwrap();
    accounts.set_grant("anna", "other", Some(Grant::Edit), now()).await.unwrap();
    accounts.set_grant("clara", "*", Some(Grant::Edit), now()).await.unwrap();
    accounts.set_grant("ghost", "cloud", Some(Grant::Edit), now()).await.unwrap();
    assert_eq!(accounts.grants_of("cloud").await.unwrap(), [("anna".into(), Grant::View)].into_iter().collect());
    let wanted = [("boris".into(), Grant::Edit)].into_iter().collect();
    accounts.settle_grants("cloud", &wanted, now()).await.unwrap();
    assert_eq!(accounts.grants_of("cloud").await.unwrap(), wanted);
    assert_eq!(accounts.grants_of("other").await.unwrap().len(), 1, "rights to others stay");
    // Many at once lose nothing.
    let names: Vec<String> = (0..4).map(|place| format!("env-{place}")).collect();
    futures::future::join_all(names.iter().map(|name| accounts.set_grant("boris", name, Some(Grant::View), now())))
        .await
        .into_iter()
        .for_each(|set| set.unwrap());
    assert_eq!(accounts.read_user("boris").await.unwrap().user.grants.len(), 5);
}
