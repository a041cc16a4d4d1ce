//! Who may see and change what of the data.

use axum::http::Method;
use calipso_api::{AccountSettings, Grant};
use calipso_store::work::{self, ScanTask, Schedule};
use serde_json::json;

use crate::{
    logins::{add, token},
    seed::{cloud, commit, environment},
    support::{Server, guarded},
};

async fn ask(server: &Server, method: Method, path: &str, token: Option<&str>) -> u16 {
    let mut request = axum::http::Request::builder().method(method).uri(format!("/api/v1/{path}"));
    if let Some(token) = token {
        request = request.header("x-auth-token", token);
    }
    let request = request
        .header("content-type", "application/json")
        .body(axum::body::Body::from(json!({"env_name": "lab", "recurrence": "DAILY"}).to_string()));
    server.send(request.unwrap()).await.status.as_u16()
}

/// A server, and a token of somebody who views `lab` and edits `own`.
async fn seeded() -> (Server, String) {
    let (server, accounts) = guarded(AccountSettings::default());
    add(&accounts, "somebody", |user| {
        user.grants = [("lab".into(), Grant::View), ("own".into(), Grant::Edit)].into_iter().collect();
    })
    .await;
    let token = token(&server, "somebody").await;
    for name in ["lab", "own", "secret"] {
        environment(&server, name).await;
        commit(&server, name, &cloud(), &Default::default()).await;
    }
    (server, token)
}

#[tokio::test]
async fn every_reading_route_stops_at_a_foreign_environment() {
    let (server, token) = seeded().await;
    let somebody = Some(token.as_str());
    for path in [
        "inventory?env_name=secret",
        "inventory/secret/host/h1",
        "links?env_name=secret",
        "cliques?env_name=secret",
        "search?env_name=secret&query=h1",
        "aggregates?type=environment&env_name=secret",
        "aggregates?type=message&env_name=secret",
        "revisions?env_name=secret",
        "diff?env_name=secret",
        "graph?env_name=secret&type=children_tree",
        "health?env_name=secret",
        "timezone?env_name=secret",
        "messages?env_name=secret",
        "scans?env_name=secret",
        "scheduled_scans?env_name=secret",
        "events?env_name=secret",
    ] {
        assert_eq!(ask(&server, Method::GET, path, somebody).await, 403, "{path}");
        assert_eq!(ask(&server, Method::GET, path, None).await, 401, "{path}");
        assert_eq!(ask(&server, Method::GET, path, Some("x")).await, 401, "{path}");
        // The same of an environment that is not there: nobody learns which ones are.
        let nowhere = path.replace("secret", "nowhere");
        assert_eq!(ask(&server, Method::GET, &nowhere, somebody).await, 403, "{nowhere}");
        if !path.starts_with("events") {
            let own = path.replace("secret", "lab");
            assert_eq!(ask(&server, Method::GET, &own, somebody).await, 200, "{own}");
        }
    }
    assert_eq!(ask(&server, Method::GET, "health", None).await, 200);
    let health = server.get("/api/v1/health").await;
    assert_eq!(health.body["environments"], json!({}), "without a login no environment is named");
}

#[tokio::test]
async fn who_may_view_may_not_change() {
    let (server, token) = seeded().await;
    let somebody = Some(token.as_str());
    let backend = &server.service.backend;
    let mut ids = std::collections::BTreeMap::new();
    for name in ["lab", "own", "secret"] {
        let scan = ScanTask { environment: name.into(), clear: true, ..ScanTask::default() };
        let scan = work::scan::submit(&**backend, scan, 0).await.unwrap();
        let schedule =
            Schedule { environment: name.into(), recurrence: work::Recurrence::Daily, ..Schedule::default() };
        let schedule = work::schedule::create(&**backend, schedule, server.service.now_millis()).await.unwrap();
        ids.insert(name, (scan.id, schedule.id));
    }
    for (name, view, edit) in [("secret", 404, 404), ("lab", 200, 403), ("own", 200, 200)] {
        let (scan, schedule) = &ids[name];
        assert_eq!(ask(&server, Method::GET, &format!("scans/{scan}"), somebody).await, view, "{name}");
        assert_eq!(ask(&server, Method::GET, &format!("scheduled_scans/{schedule}"), somebody).await, view, "{name}");
        assert_eq!(ask(&server, Method::GET, &format!("scans/{scan}/report"), somebody).await, 404, "{name}");
        assert_eq!(ask(&server, Method::POST, &format!("scans/{scan}/cancel"), somebody).await, edit, "{name}");
        let deleted = ask(&server, Method::DELETE, &format!("scheduled_scans/{schedule}"), somebody).await;
        assert_eq!(deleted, if edit == 200 { 204 } else { edit }, "{name}");
        let refused = if name == "own" { 200 } else { 403 };
        for path in ["messages", "scheduled_scans"] {
            let path = format!("{path}?env_name={name}&all=true");
            assert_eq!(ask(&server, Method::DELETE, &path, somebody).await, refused, "{path}");
        }
        for path in ["scans", "scheduled_scans"] {
            let body = if path == "scans" {
                json!({"env_name": name})
            } else {
                json!({"env_name": name, "recurrence": "DAILY"})
            };
            let request = axum::http::Request::post(format!("/api/v1/{path}"))
                .header("x-auth-token", token.as_str())
                .header("content-type", "application/json")
                .body(axum::body::Body::from(body.to_string()));
            let status = server.send(request.unwrap()).await.status.as_u16();
            assert_eq!(status, if name == "own" { 201 } else { 403 }, "{path} {name}");
        }
    }
}
