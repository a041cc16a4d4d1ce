//! Logins: tokens, Basic, how long they last, and how often they may be tried.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use calipso_api::{AccountSettings, Accounts, Attempts, Source, User};
use calipso_model::Secret;
use serde_json::{Value, json};

use crate::support::{Server, clock, guarded, wait_secs};

pub const TOKENS: &str = "/api/v1/auth/tokens";
pub const PASSWORD: &str = "a long pass:word";

/// Adds a user with [`PASSWORD`].
pub async fn add(accounts: &Accounts, name: &str, change: impl FnOnce(&mut User)) {
    let mut user = User::new(name, Source::Local, clock());
    change(&mut user);
    accounts.add_user(user, Some(Secret::new(PASSWORD))).await.unwrap();
}

/// Logs in with [`PASSWORD`].
pub async fn token(server: &Server, name: &str) -> String {
    let answer = server.call("POST", TOKENS, &[], Some(&json!({"username": name, "password": PASSWORD}))).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["token"].as_str().unwrap().to_owned()
}

pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

pub async fn me(server: &Server, header: (&str, &str)) -> (u16, Value) {
    let answer = server.call("GET", "/api/v1/auth/me", &[header], None).await;
    (answer.status.as_u16(), answer.body)
}

async fn post(server: &Server, body: Value) -> (u16, Value) {
    let answer = server.call("POST", TOKENS, &[], Some(&body)).await;
    (answer.status.as_u16(), answer.body)
}

#[tokio::test]
async fn the_forms_of_the_original_have_its_statuses() {
    let (server, accounts) = guarded(AccountSettings::default());
    add(&accounts, "anna", |_| {}).await;
    let credentials = |password: &str| json!({"username": "Anna", "password": password});
    let (status, made) =
        post(&server, json!({"auth": {"methods": ["credentials"], "credentials": credentials(PASSWORD)}})).await;
    assert_eq!((status, &made["method"], &made["user"]), (201, &json!("credentials"), &json!("anna")), "{made}");
    let first = made["token"].as_str().unwrap();
    assert!(first.starts_with("cal_") && made["issued_at"].is_string() && made["expires_at"].is_string());
    let (status, made) = post(&server, json!({"auth": {"methods": ["token"], "token": first}})).await;
    assert_eq!((status, &made["method"]), (201, &json!("token")), "{made}");
    assert_ne!(made["token"], first);

    for (body, wanted) in [
        (json!({"auth": {"methods": ["credentials"], "credentials": credentials("wrong")}}), 401),
        (
            json!({"auth": {"methods": ["credentials", "token"], "credentials": credentials("wrong"), "token": first}}),
            401,
        ),
        (json!({"auth": {"methods": ["credentials"]}}), 401),
        (json!({"auth": {"methods": ["credentials"], "token": first}}), 401),
        (json!({"auth": {"methods": ["token"], "credentials": credentials(PASSWORD)}}), 401),
        (json!({"auth": {"methods": ["token"], "token": "wrong_token"}}), 401),
        (json!({"auth": {}}), 400),
        (json!({}), 400),
        (json!({"username": "anna"}), 400),
        (json!({"auth": {"methods": ["password"]}}), 422),
        (json!({"auth": {"methods": "token"}}), 422),
        (json!({"username": "anna", "password": PASSWORD, "colour": 1}), 422),
        (json!({"username": "anna", "password": "x".repeat(2_000)}), 422),
        (json!({"username": "", "password": PASSWORD}), 401),
        (json!({"username": "an\u{0}na", "password": PASSWORD}), 401),
        (json!({"username": "anna", "password": ""}), 401),
    ] {
        let (status, answer) = post(&server, body.clone()).await;
        assert_eq!(status, wanted, "{body}: {answer}");
    }

    assert_eq!(server.call("DELETE", TOKENS, &[], None).await.status, 401);
    assert_eq!(server.call("DELETE", TOKENS, &[("x-auth-token", "wrong")], None).await.status, 401);
    let gone = server.call("DELETE", TOKENS, &[("x-auth-token", first)], None).await;
    assert_eq!((gone.status.as_u16(), gone.body), (200, json!("")));
    assert_eq!(me(&server, ("x-auth-token", first)).await.0, 401);
}

#[tokio::test]
async fn every_way_to_say_who_one_is() {
    let (server, accounts) = guarded(AccountSettings::default());
    add(&accounts, "anna", |_| {}).await;
    let token = token(&server, "anna").await;
    let bearer = format!("Bearer {token}");
    for header in [("authorization", bearer.as_str()), ("x-auth-token", &token)] {
        let (status, body) = me(&server, header).await;
        assert_eq!((status, &body["user"]), (200, &json!("anna")), "{body}");
        assert_eq!(body["token_id"].as_str().unwrap().len(), 64);
    }
    let (status, body) = me(&server, ("authorization", &basic("ANNA", PASSWORD))).await;
    assert_eq!((status, &body["user"], &body["token_id"]), (200, &json!("anna"), &Value::Null), "{body}");
    for wrong in [
        "Basic",
        "Basic !",
        "Basic YQ==",
        "Bearer cal_x",
        "Digest x",
        &basic("anna", "wrong"),
        &basic("nobody", PASSWORD),
    ] {
        let answer = server.call("GET", "/api/v1/auth/me", &[("authorization", wrong)], None).await;
        assert_eq!(answer.status, 401, "{wrong}: {}", answer.body);
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    // Basic credentials come first, and the token beside them can still be revoked.
    let both = [("authorization", &*basic("anna", PASSWORD)), ("x-auth-token", &token)];
    assert_eq!(server.call("DELETE", TOKENS, &both, None).await.status, 200);
    assert_eq!(me(&server, ("x-auth-token", &token)).await.0, 401);
    assert_eq!(server.call("DELETE", TOKENS, &both[..1], None).await.status, 401, "there is no token");
}

#[tokio::test]
async fn no_answer_repeats_a_secret() {
    let attempts = Attempts { burst: 1_000, ..Attempts::default() };
    let (server, accounts) = guarded(AccountSettings { attempts, ..AccountSettings::default() });
    add(&accounts, "anna", |_| {}).await;
    add(&accounts, "root", |user| user.administrator = true).await;
    let plants = ["PlantedPassword1", "cal_PlantedToken1", "PlantedName1"];
    let mut told = String::new();
    let planted = basic("PlantedName1", "PlantedPassword1");
    for (name, value) in [
        ("authorization", planted.as_str()),
        ("authorization", "Bearer cal_PlantedToken1"),
        ("authorization", "PlantedPassword1 x"),
        ("x-auth-token", "cal_PlantedToken1"),
    ] {
        for method in ["GET", "DELETE"] {
            let answer = server.call(method, TOKENS, &[(name, value)], None).await;
            told.push_str(&format!("{:?} {}", answer.headers, answer.body));
        }
    }
    for body in [
        json!({"username": "PlantedName1", "password": "PlantedPassword1"}),
        json!({"auth": {"methods": ["token"], "token": "cal_PlantedToken1"}}),
        json!({"auth": {"methods": ["token"], "token": ["cal_PlantedToken1"]}}),
        json!({"auth": {"methods": 7, "credentials": {"username": "PlantedName1", "password": "PlantedPassword1"}}}),
        json!({"auth": {"methods": ["credentials"], "credentials": {"username": 1, "password": "PlantedPassword1"}}}),
        json!({"auth": "PlantedPassword1"}),
        json!({"username": "PlantedName1", "password": {"x": "PlantedPassword1"}}),
        json!({"username": "PlantedName1", "password": "PlantedPassword1".repeat(100)}),
        json!(["PlantedPassword1"]),
    ] {
        told.push_str(&post(&server, body).await.1.to_string());
    }
    let root = token(&server, "root").await;
    for (path, body) in [
        ("/api/v1/users", json!({"name": "b", "password": ["PlantedPassword1"]})),
        ("/api/v1/users", json!({"name": "b", "password": "PlantedPassword1".repeat(100)})),
        ("/api/v1/users", json!({"name": "PlantedName1", "password": "PlantedName1"})),
        ("/api/v1/users/root/password", json!({"old": "PlantedPassword1", "new": "PlantedPassword1 and more"})),
        ("/api/v1/users/anna/password", json!({"new": {"x": "PlantedPassword1"}})),
    ] {
        let answer = server.call("POST", path, &[("x-auth-token", &root)], Some(&body)).await;
        assert!(answer.status.is_client_error(), "{}", answer.body);
        told.push_str(&answer.body.to_string());
    }
    for plant in plants {
        assert!(!told.contains(plant), "{plant} in {told}");
    }
    // Nor does the trail hold passwords or tokens, and the store holds no token.
    let token = token(&server, "anna").await;
    let mut stored = String::new();
    for collection in
        [calipso_store::Collection::Audit, calipso_store::Collection::ApiTokens, calipso_store::Collection::Users]
    {
        let page = calipso_store::Page::first(1000);
        let found =
            server.service.backend.records(collection, &calipso_store::RecordQuery::all(), &page).await.unwrap();
        stored.push_str(&format!("{:?}", found.items));
    }
    assert!(!stored.contains("PlantedPassword1") && !stored.contains("PlantedToken1") && !stored.contains(PASSWORD));
    assert!(!stored.contains(&token) && stored.contains("argon2id"));
}

#[tokio::test]
async fn tokens_end_and_renewals_do_not_go_on_for_ever() {
    let settings = AccountSettings {
        token_lifetime: Duration::from_secs(3600),
        login_lifetime: Duration::from_secs(2 * 3600),
        ..AccountSettings::default()
    };
    let (server, accounts) = guarded(settings);
    add(&accounts, "anna", |_| {}).await;
    let first = token(&server, "anna").await;
    wait_secs(3500);
    let renew = async |token: &str| post(&server, json!({"auth": {"methods": ["token"], "token": token}})).await;
    let (status, second) = renew(&first).await;
    assert_eq!(status, 201);
    let second = second["token"].as_str().unwrap();
    wait_secs(200);
    assert_eq!(me(&server, ("x-auth-token", &first)).await.0, 401, "its hour is over");
    assert_eq!(me(&server, ("x-auth-token", second)).await.0, 200);
    let (_, third) = renew(second).await;
    let third = third["token"].as_str().unwrap();
    wait_secs(3600);
    // 7300 seconds after the login nothing that descends from it is good any more.
    assert_eq!(me(&server, ("x-auth-token", third)).await.0, 401);
    assert_eq!(renew(third).await.0, 401);
    let (_, long) =
        post(&server, json!({"username": "anna", "password": PASSWORD, "expires_in_secs": 99_999_999})).await;
    let issued: jiff::Timestamp = long["issued_at"].as_str().unwrap().parse().unwrap();
    let expires: jiff::Timestamp = long["expires_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(expires.duration_since(issued).as_secs(), 7200, "no wish goes beyond the login's life");
    assert_eq!(accounts.purge(clock()).await.unwrap(), 3);
    assert_eq!(accounts.purge(clock()).await.unwrap(), 0);
}

#[tokio::test]
async fn tokens_are_listed_and_revoked_one_by_one_or_all() {
    let (server, accounts) = guarded(AccountSettings::default());
    add(&accounts, "anna", |_| {}).await;
    add(&accounts, "root", |user| user.administrator = true).await;
    let named = json!({"username": "anna", "password": PASSWORD, "name": "backup"});
    let (_, made) = post(&server, named).await;
    let (token, id) = (made["token"].as_str().unwrap(), made["id"].as_str().unwrap());
    let other = self::token(&server, "anna").await;
    let root = self::token(&server, "root").await;
    let list = server.call("GET", TOKENS, &[("x-auth-token", token)], None).await.body;
    let tokens = list["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 2, "{list}");
    let mine = tokens.iter().find(|entry| entry["id"] == id).unwrap();
    assert_eq!(
        (&mine["name"], &mine["current"], &mine["method"]),
        (&json!("backup"), &json!(true), &json!("credentials"))
    );
    assert!(!list.to_string().contains("cal_"));
    let page = server.call("GET", &format!("{TOKENS}?page_size=1"), &[("x-auth-token", token)], None).await.body;
    let next = format!("{TOKENS}?page_size=1&cursor={}", page["next"].as_str().unwrap());
    let rest = server.call("GET", &next, &[("x-auth-token", token)], None).await.body;
    assert_ne!(page["tokens"][0]["id"], rest["tokens"][0]["id"]);
    assert_eq!(server.call("GET", &format!("{TOKENS}?cursor=!"), &[("x-auth-token", token)], None).await.status, 400);

    let of_anna = format!("{TOKENS}?user=anna");
    assert_eq!(
        server.call("GET", &of_anna, &[("x-auth-token", &root)], None).await.body["tokens"].as_array().unwrap().len(),
        2
    );
    assert_eq!(server.call("GET", &format!("{TOKENS}?user=root"), &[("x-auth-token", token)], None).await.status, 403);
    let roots = server.call("GET", TOKENS, &[("x-auth-token", &root)], None).await.body["tokens"][0]["id"].clone();
    let foreign = format!("{TOKENS}/{}", roots.as_str().unwrap());
    assert_eq!(server.call("DELETE", &foreign, &[("x-auth-token", token)], None).await.status, 404);
    assert_eq!(server.call("DELETE", &format!("{TOKENS}/{id}"), &[("x-auth-token", &other)], None).await.status, 204);
    assert_eq!(me(&server, ("x-auth-token", token)).await.0, 401, "at once");
    assert_eq!(
        server.call("DELETE", &format!("{TOKENS}?all=true"), &[("x-auth-token", &other)], None).await.status,
        200
    );
    assert_eq!(me(&server, ("x-auth-token", &other)).await.0, 401);
    assert_eq!(me(&server, ("x-auth-token", &root)).await.0, 200);
    let again = self::token(&server, "anna").await;
    let all = "/api/v1/users/anna/tokens";
    assert_eq!(server.call("DELETE", all, &[("x-auth-token", &again)], None).await.status, 403);
    assert_eq!(server.call("DELETE", all, &[("x-auth-token", &root)], None).await.status, 204);
    assert_eq!(me(&server, ("x-auth-token", &again)).await.0, 401);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let attempts = Attempts { burst: 3, seconds_each: 10.0, address_factor: 100, user_factor: 1 };
    let (server, accounts) = guarded(AccountSettings { attempts, ..AccountSettings::default() });
    add(&accounts, "anna", |_| {}).await;
    let guess = async |password: &str| {
        let body = json!({"username": "anna", "password": password});
        server.call("POST", TOKENS, &[], Some(&body)).await
    };
    for _ in 0..10 {
        assert_eq!(guess(PASSWORD).await.status, 201, "right passwords cost nothing");
    }
    for _ in 0..3 {
        assert_eq!(guess("wrong").await.status, 401);
    }
    let refused = guess(PASSWORD).await;
    assert_eq!((refused.status.as_u16(), &refused.body["type"]), (429, &json!("/problems/too-many-requests")));
    let wait: i64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait));
    assert_eq!(me(&server, ("authorization", &basic("anna", "wrong"))).await.0, 429, "the same for Basic");
    wait_secs(wait);
    assert_eq!(guess(PASSWORD).await.status, 201);
}

#[tokio::test]
async fn wrong_passwords_from_elsewhere_keep_nobody_out() {
    use std::net::SocketAddr;

    use axum::{body::Body, extract::ConnectInfo, http::Request};

    // Nothing comes back while this runs, however long it takes.
    let attempts = Attempts { seconds_each: 1e6, ..Attempts::default() };
    let (server, accounts) = guarded(AccountSettings { attempts, ..AccountSettings::default() });
    add(&accounts, "admin", |_| {}).await;
    let from = async |address: &str, password: &str| {
        let body = json!({"username": "admin", "password": password}).to_string();
        let mut request =
            Request::post(TOKENS).header("content-type", "application/json").body(Body::from(body)).unwrap();
        request.extensions_mut().insert(ConnectInfo(format!("{address}:4000").parse::<SocketAddr>().unwrap()));
        server.send(request).await.status.as_u16()
    };
    assert_eq!(from("198.51.100.7", PASSWORD).await, 201);
    let mut told = Vec::new();
    for _ in 0..12 {
        told.push(from("192.0.2.1", "wrong").await);
    }
    assert_eq!((told[9], told[10], told[11]), (401, 429, 429), "the place is shut out");
    assert_eq!(from("192.0.2.1", PASSWORD).await, 429, "also with the right one");
    assert_eq!(from("198.51.100.8", PASSWORD).await, 201, "the user is not");
    // From ever so many places.
    for n in 0..250 {
        from(&format!("203.0.113.{n}"), "wrong").await;
    }
    assert_eq!(from("198.51.100.9", PASSWORD).await, 429, "in the end only the ways in that are known are left");
    for known in ["198.51.100.7", "198.51.100.8", "127.0.0.1", "[::1]"] {
        assert_eq!(from(known, PASSWORD).await, 201, "{known}");
    }
}

#[tokio::test]
async fn what_is_remembered_spares_the_store_and_argon2() {
    let (server, accounts) = guarded(AccountSettings::default());
    add(&accounts, "anna", |_| {}).await;
    let header = basic("anna", PASSWORD);
    let token = token(&server, "anna").await;
    let both =
        async || (me(&server, ("authorization", &header)).await.0, me(&server, ("x-auth-token", &token)).await.0);
    assert_eq!(both().await, (200, 200));
    // A process next door takes everything away: this one asks the store again after two seconds, and not before.
    let backend = &server.service.backend;
    for collection in [calipso_store::Collection::Users, calipso_store::Collection::ApiTokens] {
        backend.remove_all(collection, &calipso_store::RecordQuery::all()).await.unwrap();
    }
    assert_eq!(both().await, (200, 200));
    wait_secs(2);
    assert_eq!(both().await, (401, 401));
}
