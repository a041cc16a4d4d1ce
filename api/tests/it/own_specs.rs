//! Specs of single environments, and specs that are only checked.

use axum::http::Method;
use calipso_store::{RecordQuery, work::row, work::spec::SpecRow};
use serde_json::{Value, json};

use crate::cloud::{configuration, errors, usual};

const LINK: &str = "schema: link_type/v1
name: vnic-host
description: A card is on a host.
source: a test
from: vnic
to: host
rules:
  - {name: by host, from: {key: '[from.host]'}, to: {key: '[to.id]'}}
";

fn link(text: &str) -> Value {
    json!({"env_name": "cloud", "kind": "link_type", "text": text})
}

fn clique() -> Value {
    json!({"env_name": "cloud", "name": "my_instances", "focal_point_type": "instance", "link_types": ["instance-vnic", "vnic-host"]})
}

#[tokio::test]
async fn an_environment_has_link_types_of_its_own() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let mut other = configuration();
    other["name"] = json!("other");
    assert_eq!(server.post("root", "/environment_configs", &other).await.status, 201);

    let answer = server.post("editor", "/specs", &link(LINK)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let first = answer.body["version"].as_u64().unwrap();
    assert_eq!(
        (&answer.body["id"], answer.headers["etag"].to_str().unwrap()),
        (&json!("vnic-host"), &*format!("\"{first}\""))
    );
    assert!(answer.body["text"].as_str().unwrap().ends_with("environment: {name: {any_of: [\"cloud\"]}}\n"));
    assert_eq!(server.post("editor", "/specs", &link(LINK)).await.status, 409);

    let has = async |env_name: &str| {
        let answer = server.see("root", &format!("/link_types?env_name={env_name}&name=vnic-host")).await;
        answer.body["link_types"].as_array().unwrap().first().cloned()
    };
    assert_eq!(has("cloud").await.unwrap()["environment"], "cloud");
    assert_eq!(has("other").await, None);

    // The same as an object, changed by version.
    let path = "/specs/link_type/vnic-host?env_name=cloud";
    let spec = json!({
        "schema": "link_type/v1", "name": "vnic-host", "description": "Another.", "source": "a test", "from": "vnic",
        "to": "host", "rules": [{"name": "by host", "from": {"key": "[from.host]"}, "to": {"key": "[to.id]"}}],
    });
    let body = json!({"spec": spec});
    assert_eq!(server.ask_if("editor", Method::PUT, path, Some(&body), Some("\"7000\"")).await.status, 412);
    let answer = server.ask_if("editor", Method::PUT, path, Some(&body), Some(&format!("\"{first}\""))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let second = answer.body["version"].as_u64().unwrap();
    assert!(second > first);
    assert_eq!(has("cloud").await.unwrap()["description"], "Another.", "the catalogue is made anew");
    assert_eq!(server.see("viewer", path).await.headers["etag"], *format!("\"{second}\""));

    // A clique type on top of it; what it needs cannot go.
    let answer = server.post("editor", "/clique_types", &clique()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.body["message"], "created a new clique_type");
    let list = server.see("viewer", "/clique_types?env_name=cloud&focal_point_type=instance").await.body;
    assert_eq!(list["clique_types"][0]["name"], "my_instances", "that of the environment is used first");
    assert_eq!(list["clique_types"][0]["environment"], "cloud");
    let answer = server.ask("editor", Method::DELETE, path, None).await;
    assert_eq!(answer.status, 409, "{}", answer.body);
    let mut second = clique();
    second["name"] = json!("second");
    assert_eq!(server.post("editor", "/clique_types", &second).await.status, 409);
    let specs = server.see("viewer", "/specs?env_name=cloud").await.body;
    assert_eq!(specs["specs"].as_array().unwrap().len(), 2);
    assert_eq!(
        server.see("viewer", "/specs?env_name=cloud&kind=link_type").await.body["specs"].as_array().unwrap().len(),
        1
    );
    let own = "/clique_types/my_instances?env_name=cloud";
    assert_eq!(server.ask("viewer", Method::DELETE, own, None).await.status, 403);
    assert_eq!(server.ask("editor", Method::DELETE, own, None).await.status, 204);
    assert_eq!(server.ask("editor", Method::DELETE, own, None).await.status, 404);
    assert_eq!(server.ask("editor", Method::DELETE, path, None).await.status, 204);
    assert_eq!(server.see("viewer", path).await.status, 404);
    assert_eq!(has("cloud").await, None);
}

#[tokio::test]
async fn mistakes_in_specs_have_their_place() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let answer = server.post("editor", "/specs", &link(&LINK.replace("to: host", "to: hosst"))).await;
    assert_eq!(answer.status, 422);
    let first = &answer.body["errors"][1];
    assert_eq!(
        (&first["path"], &first["line"], &first["column"]),
        (&json!("/text"), &json!(6), &json!(5)),
        "{}",
        answer.body
    );
    assert!(
        first["code"].as_str().unwrap().contains('/') && first["help"].as_str().unwrap().contains("host"),
        "{first}"
    );

    let cases: Vec<(Value, &str, &str)> = vec![
        (link("a: [\n"), "/text", ""),
        (link("[]"), "/text", ""),
        (link(&LINK.replace("name: vnic-host", "name: 'vnic/host'")), "/text", "is named with"),
        (link(&format!("{LINK}environment: {{name: {{any_of: [other]}}}}\n")), "/text", "must select the environment"),
        (link(&format!("{LINK}environment: {{mechanism_drivers: {{any_of: [OVS]}}}}\n")), "/text", "must select"),
        (link(&format!("{LINK}environment: {{name: {{any_of: [cloud, other]}}}}\n")), "/text", "must select"),
        (link(&format!("{LINK}# {}", "x".repeat(64 << 10))), "/text", "at most 65536 bytes"),
        (json!({"env_name": "cloud", "kind": "fetcher", "text": "a: b"}), "/kind", "what is asked of hosts"),
        (json!({"env_name": "cloud", "kind": "connection", "text": "a: b"}), "/kind", "where secrets are sent"),
        (json!({"env_name": "cloud", "kind": "thing", "text": "a: b"}), "/kind", "no kind of spec"),
        (json!({"env_name": "cloud", "kind": "link_type"}), "/text", "one of `text` and `spec`"),
        (json!({"env_name": "cloud", "kind": "link_type", "text": "a", "spec": {}}), "/text", "one of"),
        (json!({"env_name": "cloud", "kind": "link_type", "spec": {"schema": "link_type/v1"}}), "/spec", ""),
    ];
    for (body, path, message) in cases {
        let answer = server.post("editor", "/specs", &body).await;
        assert_eq!(answer.status, 422, "{body}");
        let found = errors(&answer);
        assert!(found.iter().any(|(at, told)| at == path && told.contains(message)), "{body}: {found:?}");
    }
    let cases = [
        ("/name", Value::Null, ""),
        ("/link_types", json!("instance-vnic"), "/link_types"),
        ("/link_types", json!([]), "/link_types"),
        ("/link_types", json!(["instance-vnic", "instance-host"]), "/link_types/1"),
        ("/focal_point_type", json!("instanze"), "/focal_point_type"),
        ("/distribution", json!("Debian"), ""),
        ("/environment", json!("other"), "/environment"),
        ("/env_name", Value::Null, "/env_name"),
        ("/name", json!("a b"), "/spec"),
    ];
    for (pointer, value, path) in cases {
        let mut body = clique();
        body["link_types"] = json!(["instance-vnic", "vnic-vedge"]);
        match value {
            Value::Null => drop(body.as_object_mut().unwrap().remove(&pointer[1..])),
            value => body[&pointer[1..]] = value,
        }
        let answer = server.post("editor", "/clique_types", &body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.body);
        assert!(errors(&answer).iter().any(|(at, _)| at == path), "{body}: {:?}", errors(&answer));
    }
    assert_eq!(server.post("viewer", "/specs", &link(LINK)).await.status, 403);
    assert_eq!(server.post("viewer", "/clique_types", &clique()).await.status, 403);
    assert_eq!(server.see("nobody", "/specs?env_name=cloud").await.status, 403);
    assert_eq!(server.see("editor", "/specs?env_name=nothing").await.status, 404);
    let left = server.service.backend.count(calipso_store::Collection::Specs, &RecordQuery::all()).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn specs_that_became_wrong_do_not_hide_the_others() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let broken = SpecRow {
        environment: "cloud".into(),
        kind: "link_type".into(),
        name: "a-b".into(),
        text: "nonsense".into(),
        ..SpecRow::default()
    };
    row::insert(server.service.backend.as_ref(), "cloud/link_type/a-b", broken).await.unwrap();
    let links = server.see("viewer", "/link_types?env_name=cloud").await;
    assert_eq!(links.status, 200);
    assert!(links.body["link_types"].as_array().unwrap().len() > 5);
}

#[tokio::test]
async fn files_are_checked_and_not_kept() {
    let server = usual().await;
    let check = async |files: Value| server.post("nobody", "/specs/check", &json!({"files": files})).await;
    let answer = check(json!([{"path": "link_types/vnic-host.yaml", "text": LINK}])).await;
    assert_eq!((answer.status.as_u16(), &answer.body["errors"]), (200, &json!(0)), "{}", answer.body);
    let text = LINK.replace("to: host", "to: hosst");
    let answer = check(json!([{"path": "mine/link_types/vnic-host.yaml", "text": text}])).await;
    let first = &answer.body["diagnostics"][1];
    assert_eq!(
        (&first["file"], &first["line"]),
        (&json!("mine/link_types/vnic-host.yaml"), &json!(6)),
        "{}",
        answer.body
    );

    // As the command line prints it.
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("link_types")).unwrap();
    std::fs::write(folder.path().join("link_types/vnic-host.yaml"), &text).unwrap();
    let built_in = calipso_spec::read_layer(std::path::Path::new("../specs")).unwrap();
    let layers = [built_in, calipso_spec::read_layer(folder.path()).unwrap()];
    let loaded = calipso_spec::load(&layers);
    let printed = calipso_spec::diag::json(&loaded.diagnostics, &loaded.files);
    let printed: Value = serde_json::from_str(&printed.replace(&format!("{}/", folder.path().display()), "")).unwrap();
    assert_eq!(check(json!([{"path": "link_types/vnic-host.yaml", "text": text}])).await.body, printed);

    for (files, status) in [
        (json!([]), 422),
        (json!([{"path": "../link_types/a.yaml", "text": ""}]), 422),
        (json!([{"path": "/link_types/a.yaml", "text": ""}]), 422),
        (json!([{"path": "a.yaml", "text": ""}]), 422),
        (json!([{"path": "things/a.yaml", "text": ""}]), 422),
        (json!(vec![json!({"path": "link_types/a.yaml", "text": ""}); 201]), 422),
        (json!([{"path": "link_types/a.yaml", "text": "x".repeat(2 << 20)}]), 413),
    ] {
        assert_eq!(check(files).await.status, status);
    }
    let catalogues = &server.service.catalogues;
    let busy = (catalogues.check_permit().unwrap(), catalogues.check_permit().unwrap());
    let answer = check(json!([{"path": "link_types/a.yaml", "text": ""}])).await;
    assert_eq!((answer.status.as_u16(), answer.headers["retry-after"].to_str().unwrap()), (429, "2"));
    drop(busy);
}

#[tokio::test]
async fn types_and_fields_are_judged_by_the_catalogue_of_the_environment() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let mut other = configuration();
    other["name"] = json!("other");
    assert_eq!(server.post("root", "/environment_configs", &other).await.status, 201);
    assert_eq!(server.post("editor", "/specs", &link(LINK)).await.status, 201);
    let room = "schema: object_type/v1\nname: room\ndescription: Of racks.\nsource: a test\nattributes: {colour: {type: text}}\n\
                forms: [{form: room, id: \"{{ self.name }}\", name: \"{{ self.name }}\", parent: {type: environment}}]\n";
    let row = SpecRow {
        environment: "cloud".into(),
        kind: "object_type".into(),
        name: "room".into(),
        text: room.into(),
        ..SpecRow::default()
    };
    row::insert(server.service.backend.as_ref(), "cloud/object_type/room", row).await.unwrap();
    for (path, here, there) in [
        ("/links?link_type=vnic-host", 200, 400),
        ("/inventory?type=room", 200, 400),
        ("/inventory?type=room&projection=name,colour", 200, 400),
        ("/inventory?projection=name,colour", 200, 400),
        ("/inventory?projection=colours", 400, 400),
    ] {
        for (environment, status) in [("cloud", here), ("other", there)] {
            let answer = server.see("root", &format!("{path}&env_name={environment}")).await;
            assert_eq!(answer.status, status, "{path} of {environment}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_spec_made_again_under_its_name_is_the_one_that_counts() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let path = "/specs/link_type/vnic-host?env_name=cloud";
    for description in ["First.", "Second."] {
        let text = LINK.replace("A card is on a host.", description);
        assert_eq!(server.post("editor", "/specs", &link(&text)).await.status, 201);
        let seen = server.see("viewer", "/link_types?env_name=cloud&name=vnic-host").await.body;
        assert_eq!(seen["link_types"][0]["description"], description, "{seen}");
        assert_eq!(server.ask("editor", Method::DELETE, path, None).await.status, 204);
    }
}

#[tokio::test]
async fn an_environment_may_extend_what_is_there() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let more = "schema: link_type/v1\nname: instance-vnic\ndescription: One rule more.\nsource: a test\nextends: true\n\
                rules:\n  - {name: of our own, from: {key: '[from.id]'}, to: {key: '[to.id]'}}\n";
    let answer = server.post("editor", "/specs", &link(more)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.body["text"], more, "it counts for this environment only, without a selector");
    let rules = async |path: &str| server.see("root", path).await.body.to_string().contains("of our own");
    assert!(rules("/link_types?env_name=cloud&name=instance-vnic").await);
    assert!(!rules("/link_types?name=instance-vnic").await, "nobody else has it");
    let tag = answer.headers["etag"].to_str().unwrap().to_owned();
    let wrong = json!({"text": more.replace("extends: true", "extends: true\nfrom: host")});
    let path = "/specs/link_type/instance-vnic?env_name=cloud";
    let answer = server.ask_if("editor", Method::PUT, path, Some(&wrong), Some(&tag)).await;
    let code = &answer.body["errors"][0]["code"];
    assert_eq!((answer.status.as_u16(), code), (422, &json!("spec/extends-conflict")), "{}", answer.body);
}
