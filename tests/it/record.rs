//! Recordings of interfaces that need no login: refused before anything is scanned, written where somebody says that it is meant.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
};

use crate::serve::Home;

/// An interface that answers everybody; its address.
fn open_interface() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let head = BufReader::new(&socket).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let _ = head.count();
            let body = r#"[{"id": "one"}, {"id": "two"}]"#;
            let length = body.len();
            let _ = write!(&socket, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        }
    });
    base
}

const FILES: [(&str, &str); 4] = [
    (
        "distributions/Open.yaml",
        "schema: distribution/v1\nname: Open\ndescription: A platform without logins.\nsource: made up\nplatform: open\nversions: [\"1\"]\nvariances: [{mechanism_drivers: [X], type_drivers: [y]}]\n",
    ),
    (
        "connections/open.yaml",
        "schema: connection/v1\nname: open\ndescription: An interface without login.\nsource: made up\nrole: open\ntransport: http\nfields: {url: {type: url, description: Where.}}\nbase: config.url\ntest:\n  - {http: GET /things, name: it lists things}\n",
    ),
    (
        "object_types/open_thing.yaml",
        "schema: object_type/v1\nname: open_thing\ndescription: A thing.\nsource: made up\nattributes: {id: {type: text, description: Id.}}\nother_attributes: rejected\nforms: [{form: thing, id: \"{{ self.id }}\", name: \"{{ self.id }}\", parent: {type: environment}}]\n",
    ),
    (
        "fetchers/open_things.yaml",
        "schema: fetcher/v1\nname: open_things\ndescription: Things.\nsource: made up\nenvironment: {platform: {any_of: [open]}}\nunder: environment\nemits: [open_thing]\nvia: open\nsteps:\n  - {http: GET /things, as: things}\n  - {emit: open_thing, each: thing in things, set: {id: \"{{ thing.id }}\"}}\n",
    ),
];

#[test]
fn an_interface_without_any_secret_is_recorded_where_that_is_said() {
    let mut home = Home::new();
    for (path, text) in FILES {
        let file = home.folder.path().join("layer").join(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
        fs::write(file, text).expect("the file can be written");
    }
    home.set("CALIPSO_SPECS", "layer");
    let url = format!("open.url={}", open_interface());
    home.good(&[
        "env",
        "add",
        "shop",
        "--distribution",
        "Open",
        "--release",
        "1",
        "--mechanism-driver",
        "X",
        "--type-driver",
        "y",
        "--set",
        &url,
    ]);
    let output = home.run(&["scan", "shop", "--record", "first"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--no-secrets"), "{said}");
    assert!(!home.folder.path().join("first").exists(), "nothing is written");
    let known = home.run(&["get", "objects", "shop", "-o", "json"]);
    assert!(!String::from_utf8_lossy(&known.stdout).contains("open_thing"), "nothing is scanned");

    let output = home.good(&["scan", "shop", "--record", "second", "--no-secrets"]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(report.contains("open_thing 2"), "{report}");
    assert!(home.folder.path().join("second/http.jsonl").is_file());
    let output = home.good(&["scan", "again", "--replay", "second"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("open_thing 2"));

    // A recording that cannot be written takes no report along.
    fs::write(home.folder.path().join("file"), "").expect("a file");
    let output = home.run(&["scan", "shop", "--record", "file/third", "--no-secrets"]);
    let (report, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        !output.status.success() && (report.contains("open_thing 2") || said.contains("cannot write")),
        "{report}{said}"
    );
}
