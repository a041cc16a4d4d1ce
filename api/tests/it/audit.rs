//! The audit trail: every change leaves an entry, and so does every login.

use calipso_api::AccountSettings;
use serde_json::{Value, json};

use crate::{
    logins::{PASSWORD, TOKENS, add, basic, me, token},
    roles::operations,
    support::{Server, clock, guarded, wait_secs},
};

async fn entries(server: &Server, query: &str) -> Vec<Value> {
    let header = basic("root", PASSWORD);
    let answer = server.call("GET", &format!("/api/v1/audit{query}"), &[("authorization", &header)], None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["entries"].as_array().unwrap().clone()
}

async fn server() -> Server {
    let (server, accounts) = guarded(AccountSettings::default());
    add(&accounts, "root", |user| user.administrator = true).await;
    add(&accounts, "anna", |_| {}).await;
    server
}

#[tokio::test]
async fn every_operation_that_may_change_something_leaves_an_entry() {
    let server = server().await;
    let mut seen = 0;
    for operation in operations().into_iter().filter(|operation| operation.method != "GET") {
        let token = token(&server, "root").await;
        let login = json!({"username": "root", "password": PASSWORD});
        let body = if operation.right == "public" { Some(&login) } else { operation.body.as_ref() };
        let answer = server.call(&operation.method, &operation.path, &[("x-auth-token", &token)], body).await;
        let id = answer.headers["x-request-id"].to_str().unwrap();
        let entries = entries(&server, "?page_size=20").await;
        let entry = entries.iter().find(|entry| entry["request_id"] == id);
        let name = format!("{} {}", operation.method, operation.template);
        let entry = entry.unwrap_or_else(|| panic!("{name} ({}) left no entry", answer.status));
        assert_eq!((&entry["action"], &entry["user"]), (&json!(name), &json!("root")), "{entry}");
        assert_eq!(entry["status"], answer.status.as_u16(), "{entry}");
        seen += 1;
    }
    assert!(seen > 5);
}

#[tokio::test]
async fn entries_say_who_what_and_how_it_ended() {
    let server = server().await;
    let anna = token(&server, "anna").await;
    let root = token(&server, "root").await;
    let grant = json!({"grant": "view"});
    let path = "/api/v1/users/anna/grants/cloud";
    assert_eq!(server.call("PUT", path, &[("x-auth-token", &anna)], Some(&grant)).await.status, 403);
    assert_eq!(server.call("PUT", path, &[("x-auth-token", &root)], Some(&grant)).await.status, 200);
    let found = entries(&server, "?environment=cloud").await;
    assert_eq!(found.len(), 1, "who may not do it does not fill the environment's trail: {found:#?}");
    let entry = &found[0];
    assert_eq!((&entry["user"], &entry["outcome"], &entry["target"]), (&json!("root"), &json!("done"), &json!(path)));
    assert_eq!(entry["token_id"].as_str().unwrap().len(), 64);
    let refused = entries(&server, "?user=Anna").await;
    assert_eq!((&refused[0]["outcome"], &refused[0]["status"]), (&json!("refused"), &json!(403)));

    let times = refused[0]["timestamp"].as_str().unwrap();
    assert!(
        entries(&server, &format!("?user=anna&until={times}"))
            .await
            .iter()
            .all(|entry| entry["timestamp"].as_str().unwrap() < times)
    );
    assert!(!entries(&server, &format!("?user=anna&since={times}")).await.is_empty());
    let header = basic("root", PASSWORD);
    let answer = server.call("GET", "/api/v1/audit?since=yesterday", &[("authorization", &header)], None).await;
    assert_eq!(answer.status, 400);
    let page = server.call("GET", "/api/v1/audit?page_size=1", &[("authorization", &header)], None).await.body;
    let next = format!("/api/v1/audit?page_size=1&cursor={}", page["next"].as_str().unwrap());
    let rest = server.call("GET", &next, &[("authorization", &header)], None).await.body;
    assert_ne!(page["entries"][0]["id"], rest["entries"][0]["id"]);
    assert_eq!(server.call("GET", "/api/v1/audit", &[("x-auth-token", &anna)], None).await.status, 403);
}

#[tokio::test]
async fn logins_leave_entries_and_strangers_do_not() {
    let server = server().await;
    let _ = token(&server, "anna").await;
    let wrong = json!({"username": "Anna", "password": "PlantedPassword1"});
    assert_eq!(server.call("POST", TOKENS, &[], Some(&wrong)).await.status, 401);
    assert_eq!(me(&server, ("authorization", &basic("anna", "PlantedPassword2"))).await.0, 401);
    let found = entries(&server, "?user=anna").await;
    let told: Vec<(&str, u64)> =
        found.iter().map(|entry| (entry["action"].as_str().unwrap(), entry["status"].as_u64().unwrap())).collect();
    assert_eq!(told.len(), 3, "{found:#?}");
    assert!(told.contains(&("login", 401)) && told.contains(&("POST /api/v1/auth/tokens", 401)), "{told:?}");
    assert!(told.contains(&("POST /api/v1/auth/tokens", 201)), "{told:?}");
    assert!(!format!("{found:?}").contains("Planted"));
    let before = entries(&server, "").await.len();
    for _ in 0..5 {
        assert_eq!(server.call("POST", "/api/v1/users", &[], Some(&json!({}))).await.status, 401);
        assert_eq!(server.call("DELETE", TOKENS, &[("x-auth-token", "cal_x")], None).await.status, 401);
        assert_eq!(server.call("POST", TOKENS, &[], Some(&json!({}))).await.status, 400);
    }
    assert_eq!(entries(&server, "").await.len(), before);
}

#[tokio::test]
async fn old_entries_go() {
    let server = server().await;
    let _ = token(&server, "anna").await;
    wait_secs(100);
    let _ = token(&server, "anna").await;
    let since = clock() - jiff::SignedDuration::from_secs(50);
    let removed = calipso_api::retain_audit_entries(server.service.backend.as_ref(), since).await.unwrap();
    assert_eq!(removed, 1);
    assert_eq!(entries(&server, "?user=anna").await.len(), 1);
}
