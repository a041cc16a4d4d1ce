//! The catalogue as answers.

use serde_json::{Value, json};

use crate::cloud::usual;

fn names<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list[key].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn constants_are_computed() {
    let server = usual().await;
    let server = server.with_cloud().await;
    for (name, word) in [
        ("configuration_targets", "hosts"),
        ("connection_types", "ssh"),
        ("constraints", "network"),
        ("distribution_versions", "zed"),
        ("distributions", "Debian"),
        ("environment_operational_status", "running"),
        ("environment_types", "openstack"),
        ("link_states", "up"),
        ("link_types", "vnic-vconnector"),
        ("log_levels", "warning"),
        ("mechanism_drivers", "OVS"),
        ("messages_severity", "error"),
        ("object_types", "vnic"),
        ("object_types_for_links", "vedge"),
        ("scan_object_types", "host"),
        ("scans_statuses", "completed_with_errors"),
        ("schedule_recurrences", "ONCE"),
        ("type_drivers", "vxlan"),
    ] {
        let answer = server.see("nobody", &format!("/constants?name={name}")).await;
        assert_eq!((answer.status.as_u16(), &answer.body["id"]), (200, &json!(name)), "{name}");
        let data = answer.body["data"].as_array().unwrap();
        assert!(data.contains(&json!({"label": word, "value": word})), "{name}: {data:?}");
    }
    let of = async |query: &str| server.see("viewer", &format!("/constants?name=distributions{query}")).await;
    assert_eq!(of("&env_type=OpenStack").await.body, of("&env_name=cloud").await.body);
    assert_eq!(of("&env_type=OpenStack&env_name=cloud").await.status, 400);
    assert_eq!(of("&env_type=nothing").await.status, 400);
    assert_eq!(of("&env_name=other").await.status, 403);
    assert_eq!(server.see("nobody", "/constants").await.status, 400);
    let unknown = server.see("nobody", "/constants?name=unknown").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.body["detail"].as_str().unwrap().contains("distributions"));
}

#[tokio::test]
async fn forms_tell_types_and_secrets() {
    let server = usual().await;
    let answer = server.see("nobody", "/connection_types?role=hosts").await;
    assert_eq!(names(&answer.body, "connection_types"), ["ssh"]);
    let form = &answer.body["connection_types"][0];
    let field =
        |name: &str| form["fields"].as_array().unwrap().iter().find(|field| field["name"] == name).cloned().unwrap();
    assert_eq!((&field("port")["default"], &field("port")["type"]), (&json!(22), &json!("port")));
    assert_eq!((&field("password")["secret"], &field("password")["required"]), (&json!(true), &json!(false)));
    assert_eq!(field("user")["required"], true);
    assert_eq!(field("hosts")["of"].as_array().unwrap().len(), 6);
    assert_eq!(field("known_hosts")["type"], "path");
    assert_eq!(form["aliases"]["sections"], json!(["CLI"]));
    assert_eq!(server.see("nobody", "/connection_types?role=nothing").await.body["connection_types"], json!([]));
}

#[tokio::test]
async fn types_are_listed() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let links = server.see("nobody", "/link_types?object_type=vnic").await.body;
    assert!(
        names(&links, "link_types").contains(&"vnic-vconnector")
            && !names(&links, "link_types").contains(&"vedge-otep")
    );
    assert_eq!(server.see("nobody", "/link_types?object_type=x").await.status, 400);
    let here = server.see("viewer", "/link_types?env_name=cloud").await.body;
    assert!(!names(&here, "link_types").is_empty());

    let types = server.see("nobody", "/object_types?name=vnic").await.body;
    let vnic = &types["object_types"][0];
    assert_eq!(vnic["parents"], json!(["instance", "vservice"]));
    let attribute =
        |name: &str| vnic["attributes"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned().unwrap();
    assert_eq!((&attribute("mtu")["unit"], &attribute("mtu")["derived"]), (&json!("bytes"), &json!(false)));
    assert_eq!(attribute("network")["derived"], true);

    let schema = server.see("nobody", "/schema?type=vnic").await.body;
    assert_eq!(schema["properties"]["mtu"]["anyOf"][0], json!({"type": "integer"}));
    assert_eq!(server.see("nobody", "/schema?type=nothing").await.status, 404);
    assert_eq!(server.see("nobody", "/schema").await.status, 400);

    let constraints =
        server.see("nobody", "/clique_constraints?constraint=network&focal_point_type=instance").await.body;
    let constraints = constraints["clique_constraints"].as_array().unwrap();
    assert!(constraints.iter().all(|one| one["constraints"] == json!(["network"])) && constraints.len() == 2);
    assert_eq!(server.see("nobody", "/clique_constraints?focal_point_type=x").await.status, 400);
    assert_eq!(server.see("nobody", "/clique_constraints?id=x").await.status, 404);
    assert_eq!(server.see("nobody", "/clique_constraints?id=instance_ovs").await.body["focal_point_type"], "instance");
    assert_eq!(server.see("nobody", "/clique_constraints?page_size=2.4").await.status, 400);

    let supported =
        server.see("nobody", "/supported_environments?distribution=Mirantis&distribution_version=8.0").await.body;
    assert_eq!(supported["supported_environments"][0]["environment"]["type_drivers"], json!(["vlan", "vxlan"]));
    assert_eq!(supported["supported_environments"][0]["features"]["scanning"], true);
    let none = server.see("nobody", "/supported_environments?mechanism_drivers=OVS&mechanism_drivers=X").await.body;
    assert_eq!(none["supported_environments"], json!([]));
}

#[tokio::test]
async fn every_document_of_a_type_fits_its_schema() {
    let server = usual().await;
    let specs = &server.service.catalogues.server().specs;
    for name in specs.object_types.keys() {
        let schema = server.see("nobody", &format!("/schema?type={name}")).await.body;
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        let good = json!({
            "environment": "cloud", "type": name, "id": "a", "name": "a", "object_name": "a", "parent_type": "b",
            "parent_id": "b", "id_path": "/a", "name_path": "/a", "show_in_tree": true, "whatever": [1],
        });
        assert!(validator.is_valid(&good), "{name}");
        let mut bad = good.clone();
        bad["type"] = json!("other");
        assert!(!validator.is_valid(&bad), "{name}");
    }
}

#[tokio::test]
async fn clique_types_are_found() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let of = async |query: &str| {
        let answer = server.see("viewer", &format!("/clique_types{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        names(&answer.body, "clique_types").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of("").await.len(), 6);
    assert_eq!(of("?env_name=cloud&focal_point_type=instance").await, ["instance_ovs"]);
    assert_eq!(of("?mechanism_drivers=LXB&focal_point_type=instance").await, ["instance_lxb"]);
    assert_eq!(of("?link_type=instance-vnic&link_type=vnic-vedge&focal_point_type=instance").await, ["instance_ovs"]);
    assert_eq!(of("?distribution=Debian&distribution_version=zed&focal_point_type=vservice").await.len(), 2);
    assert_eq!(of("?page=1&page_size=4").await.len(), 2);
    let one = server.see("viewer", "/clique_types?id=instance_ovs").await.body;
    assert_eq!(one["link_types"][0], "instance-vnic");
    assert_eq!(one["selector"], json!({"mechanism_drivers": {"any_of": ["OVS"]}}));
    for (query, status) in [
        ("?distribution_version=zed", 400),
        ("?distribution=x", 400),
        ("?focal_point_type=x", 400),
        ("?mechanism_drivers=x", 400),
        ("?id=x", 404),
        ("?env_name=other", 403),
        ("?page=1.4", 400),
    ] {
        assert_eq!(server.see("viewer", &format!("/clique_types{query}")).await.status, status, "{query}");
    }
    assert_eq!(server.see("root", "/clique_types?env_name=other").await.status, 404);
}
