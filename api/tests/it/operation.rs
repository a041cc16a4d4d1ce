//! Messages, scans, schedules: what operators do.

use axum::{
    body::Body,
    http::{Method, Request},
};
use calipso_store::work::{self, Level, Message, ScanStatus, ScanTask};
use serde_json::{Value, json};

use crate::{
    seed::{environment, lab},
    support::{Answer, Server},
};

async fn say(server: &Server, environment: &str, level: Level, time: &str) -> String {
    let message = Message {
        environment: environment.into(),
        level,
        message: "something".into(),
        timestamp: time.into(),
        related_object: Some("h1".into()),
        related_object_type: Some("host".into()),
        ..Message::default()
    };
    work::message::say(&*server.service.backend, message, 0).await.unwrap().to_string()
}

async fn delete(server: &Server, path: &str) -> Answer {
    server.send(Request::delete(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn messages_are_listed_and_removed() {
    let server = lab().await;
    environment(&server, "other").await;
    let first = say(&server, "lab", Level::Error, "2026-01-01T00:00:00.000Z").await;
    let second = say(&server, "lab", Level::Info, "2026-01-02T00:00:00.000Z").await;
    let foreign = say(&server, "other", Level::Info, "2026-01-02T00:00:00.000Z").await;
    for (query, found) in [
        ("", vec![&second, &first]),
        ("&level=warn", vec![&first]),
        ("&level=info", vec![&second, &first]),
        ("&start_time=2026-01-01T12:00:00.000%2B0000", vec![&second]),
        ("&start_time=2026-01-01T12:00:00+00:00", vec![&second]),
        ("&end_time=2026-01-01T12:00:00.000Z", vec![&first]),
        ("&end_time=2026-01-01T00:00:00.000Z", vec![&first]),
        ("&end_time=2025-12-31T23:59:59.999Z", vec![]),
        ("&start_time=2026-01-02T00:00:00.000Z&end_time=2026-01-02T00:00:00.000Z", vec![&second]),
        ("&related_object=h1&related_object_type=host", vec![&second, &first]),
        ("&related_object=h2", vec![]),
        ("&source_system=Calipso", vec![&second, &first]),
        ("&source_system=Other", vec![]),
        ("&page=1&page_size=1", vec![&first]),
    ] {
        let answer = server.get(&format!("/api/v1/messages?env_name=lab{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        let ids: Vec<&str> =
            answer.body["messages"].as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap()).collect();
        assert_eq!(ids, found, "{query}");
    }
    for query in [
        "env_name=lab&level=loud",
        "env_name=lab&start_time=yesterday",
        "env_name=lab&related_object_type=hsot",
        "env_name=lab&invalid=x",
        "",
    ] {
        assert_eq!(server.get(&format!("/api/v1/messages?{query}")).await.status, 400, "{query}");
    }
    assert_eq!(server.get("/api/v1/messages?env_name=elsewhere").await.status, 404);
    let one = server.get(&format!("/api/v1/messages?env_name=lab&id={first}")).await;
    assert_eq!((&one.body["level"], &one.body["message"]), (&json!("error"), &json!("something")));
    assert_eq!(server.get(&format!("/api/v1/messages?env_name=lab&id={foreign}")).await.status, 404);
    let answer = server.get("/api/v1/aggregates?type=message").await;
    assert_eq!(
        answer.body["aggregates"],
        json!({"levels": {"error": 1, "info": 2}, "environments": {"lab": 2, "other": 1}})
    );

    for query in ["", "&ids=x&all=true", "&all=false"] {
        assert_eq!(delete(&server, &format!("/api/v1/messages?env_name=lab{query}")).await.status, 400, "{query}");
    }
    let answer = delete(&server, &format!("/api/v1/messages?env_name=lab&ids={first},{foreign},nobody")).await;
    assert_eq!(answer.body, json!({"count": 1}), "those of another environment stay");
    let answer = delete(&server, "/api/v1/messages?env_name=lab&all=true").await;
    assert_eq!(answer.body, json!({"count": 1}));
    assert_eq!(server.get(&format!("/api/v1/messages?env_name=other&id={foreign}")).await.status, 200);
}

async fn post(server: &Server, path: &str, body: &Value) -> Answer {
    server.json(Method::POST, &format!("/api/v1/{path}"), body).await
}

#[tokio::test]
async fn scans_are_asked_for_once() {
    let server = lab().await;
    let answer = post(&server, "scans", &json!({"env_name": "lab", "log_level": "warning", "clear": true})).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.body["message"], "Created a new scan for environment lab");
    let id = answer.body["id"].as_str().unwrap().to_owned();
    let again = post(&server, "scans", &json!({"env_name": "lab", "clear": true})).await;
    assert_eq!((again.status.as_u16(), &again.body["errors"][0]["id"]), (409, &json!(id)), "{}", again.body);
    let other = post(&server, "scans", &json!({"env_name": "lab", "object_id": "h1"})).await;
    assert_eq!(other.status, 201, "another scan is no conflict: {}", other.body);
    let body = json!({"env_name": "lab", "object_id": "h1", "scan_only_inventory": true});
    let other = post(&server, "scans", &body).await;
    assert_eq!(other.status, 201, "{}", other.body);
    let cancelled = format!("/api/v1/scans/{}/cancel", other.body["id"].as_str().unwrap());
    assert_eq!(server.send(Request::post(cancelled).body(Body::empty()).unwrap()).await.status, 200);
    for (body, status, path) in [
        (json!({"env_name": "lab", "scan_only_links": true, "scan_only_cliques": true}), 422, "/scan_only_links"),
        (json!({"env_name": "lab", "scan_only_links": "perhaps"}), 422, "/scan_only_links"),
        (json!({"env_name": "lab", "object_id": "nobody"}), 422, "/object_id"),
        (json!({"env_name": "lab", "object_id": "vm1"}), 422, "/object_type"),
        (json!({"env_name": "lab", "object_type": "host"}), 422, "/object_type"),
        (json!({"env_name": "lab", "object_id": "h1", "scan_only_links": true}), 422, "/object_id"),
        (json!({"env_name": "lab", "status": "pending"}), 422, ""),
        (json!({"env_name": "lab", "log_level": "loud"}), 422, "/log_level"),
        (json!({"log_level": "info"}), 422, ""),
        (json!("lab"), 422, ""),
    ] {
        let answer = post(&server, "scans", &body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["errors"][0]["path"]),
            (status, &json!(path)),
            "{body}: {}",
            answer.body
        );
    }
    assert_eq!(post(&server, "scans", &json!({"env_name": "elsewhere"})).await.status, 404);

    let list = server.get("/api/v1/scans?env_name=lab&status=pending").await;
    assert_eq!(list.body["scans"].as_array().unwrap().len(), 2, "{}", list.body);
    let list = server.get("/api/v1/scans?env_name=lab&base_object=h1").await;
    assert_eq!(list.body["scans"].as_array().unwrap().len(), 2, "{}", list.body);
    let latest = server.get("/api/v1/scans?env_name=lab&latest=true").await;
    assert_eq!(latest.body["scans"][0]["progress"]["steps_done"], 0, "{}", latest.body);
    for (query, status) in [
        ("env_name=lab&status=draft", 400),
        ("", 400),
        ("env_name=lab&invalid=1", 400),
        ("env_name=elsewhere", 404),
        ("env_name=lab&id=nobody", 404),
    ] {
        assert_eq!(server.get(&format!("/api/v1/scans?{query}")).await.status, status, "{query}");
    }
    let one = server.get(&format!("/api/v1/scans/{id}")).await;
    assert_eq!((&one.body["status"], &one.body["clear"]), (&json!("pending"), &json!(true)));
    assert_eq!((&one.body["scan_only_links"], one.body.get("lease_until_millis")), (&json!(false), None));
    assert!(one.headers.contains_key("etag"));
    assert_eq!(server.get(&format!("/api/v1/scans?env_name=lab&id={id}")).await.body, one.body);

    assert_eq!(server.get(&format!("/api/v1/scans/{id}/report")).await.status, 404);
    let backend = &server.service.backend;
    let report = calipso_model::Value::text("what was asked");
    let number = backend.put_report("lab", "2026-01-01T00:00:00Z", 1, &report, 5).await.unwrap();
    let mut task = work::get::<ScanTask>(&**backend, &id).await.unwrap().unwrap();
    task.row.report_id = Some(number);
    task.save(&**backend).await.unwrap();
    assert_eq!(server.get(&format!("/api/v1/scans/{id}/report")).await.body, "what was asked");

    let answer = post(&server, &format!("scans/{id}/cancel"), &json!({})).await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &json!("aborted")), "{}", answer.body);
    assert_eq!(post(&server, &format!("scans/{id}/cancel"), &json!({})).await.status, 409);
    assert_eq!(post(&server, "scans/nobody/cancel", &json!({})).await.status, 404);
    let again = post(&server, "scans", &json!({"env_name": "lab", "clear": true})).await;
    assert_eq!(again.status, 201, "the first one waits no more: {}", again.body);
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_is_heard() {
    let server = lab().await;
    let body = json!({"env_name": "lab"});
    let answers = futures::future::join_all((0..8).map(|_| post(&server, "scans", &body))).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((created, refused), (1, 7));
    let open = work::all::<ScanTask>(&*server.service.backend, &calipso_store::RecordQuery::all()).await.unwrap();
    assert_eq!(open.iter().filter(|task| task.row.status == ScanStatus::Pending).count(), 1);
}

#[tokio::test]
async fn schedules_are_kept_changed_and_removed() {
    let server = lab().await;
    let body = json!({"env_name": "lab", "recurrence": "DAILY", "scheduled_timestamp": "2099-01-01T03:00", "scan_only_links": true});
    let answer = post(&server, "scheduled_scans", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = answer.body["id"].as_str().unwrap().to_owned();
    let cron = json!({"env_name": "lab", "recurrence": "CRON", "cron": "0 3 * * *"});
    let answer = post(&server, "scheduled_scans", &cron).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    for (body, path) in [
        (json!({"env_name": "lab", "recurrence": "SOMETIMES"}), "/recurrence"),
        (json!({"env_name": "lab", "recurrence": "CRON"}), "/cron"),
        (json!({"env_name": "lab", "recurrence": "CRON", "cron": "every day"}), "/cron"),
        (
            json!({"env_name": "lab", "recurrence": "ONCE", "scheduled_timestamp": "2001-01-01T00:00:00Z"}),
            "/scheduled_timestamp",
        ),
        (json!({"env_name": "lab", "recurrence": "DAILY", "scheduled_timestamp": "soon"}), "/scheduled_timestamp"),
        (json!({"env_name": "lab", "recurrence": "DAILY", "time_zone": "Moon/Sea"}), "/time_zone"),
        (json!({"env_name": "lab", "recurrence": "DAILY", "clear": "yes"}), "/clear"),
        (json!({"env_name": "lab", "recurrence": "DAILY", "log_level": 7}), "/log_level"),
    ] {
        let answer = post(&server, "scheduled_scans", &body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["errors"][0]["path"]),
            (422, &json!(path)),
            "{body}: {}",
            answer.body
        );
    }
    assert_eq!(
        post(&server, "scheduled_scans", &json!({"env_name": "elsewhere", "recurrence": "DAILY"})).await.status,
        404
    );

    let list = server.get("/api/v1/scheduled_scans?env_name=lab&recurrence=DAILY").await;
    assert_eq!(list.body["scheduled_scans"][0]["scheduled_timestamp"], "2099-01-01T03:00:00.000Z", "{}", list.body);
    assert_eq!(list.body["scheduled_scans"].as_array().unwrap().len(), 1);
    let list = server.get("/api/v1/scheduled_scans?env_name=lab").await;
    assert_eq!(list.body["scheduled_scans"].as_array().unwrap().len(), 2);
    for (query, status) in
        [("env_name=elsewhere", 404), ("", 400), ("env_name=lab&id=nobody", 404), ("env_name=lab&freq=x", 400)]
    {
        assert_eq!(server.get(&format!("/api/v1/scheduled_scans?{query}")).await.status, status, "{query}");
    }
    let path = format!("/api/v1/scheduled_scans/{id}");
    let one = server.get(&path).await;
    assert_eq!((&one.body["only"], &one.body["status"]), (&json!("links"), &json!("upcoming")), "{}", one.body);
    let tag = one.headers["etag"].to_str().unwrap();
    let put = async |tag: &str, body: &Value| {
        let request = Request::put(&path).header("content-type", "application/json").header("if-match", tag);
        server.send(request.body(Body::from(body.to_string())).unwrap()).await
    };
    let weekly = json!({"env_name": "lab", "recurrence": "WEEKLY", "scheduled_timestamp": "2099-01-01T03:00:00Z"});
    let answer = put(tag, &weekly).await;
    assert_eq!((answer.status.as_u16(), &answer.body["recurrence"]), (200, &json!("WEEKLY")), "{}", answer.body);
    assert_eq!(put(tag, &weekly).await.status, 412);
    assert_eq!(put("*", &json!({"env_name": "elsewhere", "recurrence": "DAILY"})).await.status, 422);
    let remove = Request::delete(&path).header("if-match", tag);
    assert_eq!(server.send(remove.body(Body::empty()).unwrap()).await.status, 412);
    assert_eq!(delete(&server, &path).await.status, 204);
    assert_eq!(delete(&server, &path).await.status, 404);
    let answer = delete(&server, "/api/v1/scheduled_scans?env_name=lab&all=true").await;
    assert_eq!(answer.body, json!({"count": 1}));
    assert_eq!(delete(&server, "/api/v1/scheduled_scans?env_name=lab&ids=x").await.body, json!({"count": 0}));
}

#[tokio::test]
async fn queues_are_measured() {
    let server = lab().await;
    calipso_api::set_gauges(&*server.service.backend).await.unwrap();
}
