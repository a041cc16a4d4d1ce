//! Secrets planted wherever a secret can come in, and looked for wherever something comes out: answers of the interface, logs
//! of the finest level, metrics, the files of both stores, recordings, and what the command line prints.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use calipso_it::Answer;
use calipso_testbed as testbed;
use serde_json::{Value, json};
use testbed::Mongod;

use crate::{
    plant,
    serve::{Home, ROOT_PASSWORD, Server},
};

/// The session that the identity service gives.
const SESSION: &str = "Session-Sorrel-91c27Kd0";
const IDENTITY: &str = "Identity-Indigo-5sW2pLq8";
const DATABASE: &str = "Database-Damson-7hYt30Zx";
const REFERRED: &str = "Referred-Radish-4kPm18Vc";
const INLINE: &str = "Inline-Ivory-2nBv64Rt";
const USER: &str = "User-Umber-Ukulele-8dSx35";
const WRONG: &str = "Wrong-Walnut-Whistle-6gHj";

/// An identity service, and further services, that repeat in their complaints what they were sent.
fn gossip() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answered(stream, address));
        }
    });
    address
}

fn answered(stream: TcpStream, address: SocketAddr) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body);
    let endpoint = |kind: &str| {
        json!({ "type": kind, "endpoints": [{ "interface": "internal", "region_id": "RegionOne", "region": "RegionOne",
            "url": format!("http://{address}/{kind}") }] })
    };
    let (status, answer) = if head.starts_with("POST") && head.contains("/auth/tokens") {
        let catalog: Vec<Value> = ["identity", "compute", "network"].map(endpoint).into();
        (201, json!({ "token": { "expires_at": "2999-01-01T00:00:00Z", "catalog": catalog } }))
    } else {
        let coded = STANDARD.encode(format!("{head}{body}"));
        (403, json!({ "error": { "message": format!("not with {SESSION}: {head} {body} {coded}") } }))
    };
    let answer = answer.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nX-Subject-Token: {SESSION}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{answer}",
        answer.len()
    )
}

/// What must be nowhere.
struct Secrets(Vec<String>);

impl Secrets {
    /// Looks through a text in which secrets may be in any encoding.
    fn none_in(&self, what: &str, text: &[u8]) {
        for secret in &self.0 {
            assert!(!plant::finds(text, secret, 2), "{what} tells {secret}: {}", String::from_utf8_lossy(text));
        }
    }

    /// Looks through bytes, of which there may be many, for secrets as they are and in Base64 or hexadecimal form.
    fn none_among(&self, what: &str, bytes: &[u8]) {
        for secret in &self.0 {
            for form in forms(secret) {
                let found = bytes.windows(form.len()).position(|window| window == form);
                let around = found.map(|at| &bytes[at.saturating_sub(300)..(at + 100).min(bytes.len())]);
                assert!(
                    found.is_none(),
                    "{what} holds {secret}: {}",
                    String::from_utf8_lossy(around.unwrap_or_default())
                );
            }
        }
    }

    /// Looks through every file below a folder but those with these names, of which there must be enough.
    fn none_below(&self, folder: &Path, except: &[&str], at_least: usize) {
        let patterns = tempfile::NamedTempFile::new().expect("a temporary file");
        let forms: Vec<Vec<u8>> = self.0.iter().flat_map(|secret| forms(secret)).collect();
        fs::write(patterns.path(), forms.join(&b'\n')).expect("it can be written");
        let except: Vec<String> = except.iter().map(|name| format!("--exclude={name}")).collect();
        let found =
            grep(folder, &[&["-F", "-f", &patterns.path().display().to_string()], &texts(&except)[..]].concat());
        assert!(found.is_empty(), "secrets are in {found:?}");
        let n_files = grep(folder, &[&["-e", ""], &texts(&except)[..]].concat()).len();
        assert!(n_files >= at_least, "only {n_files} files");
    }
}

fn texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// The files below a folder that hold something. A program of its own, because there are hundreds of megabytes.
fn grep(folder: &Path, words: &[&str]) -> Vec<String> {
    let output = Command::new("grep").args(["-r", "-a", "-l"]).args(words).arg(folder).output().expect("grep runs");
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// A secret as it is, in hexadecimal form, and the middle of its Base64 form wherever it begins.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![secret.as_bytes().to_vec(), hex.into_bytes()];
    for before in 0..3 {
        for engine in [STANDARD, URL_SAFE] {
            let coded = engine.encode(format!("{}{secret}", "x".repeat(before)));
            // The first and the last digits hold bits of what stands around it.
            forms.push(coded.as_bytes()[4..coded.len() - 4].to_vec());
        }
    }
    forms
}

fn id(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).expect("an answer is JSON");
    body["id"].as_str().unwrap_or_else(|| panic!("it has an id: {body}")).to_owned()
}

/// A client that looks at every answer.
struct Suspicious<'a> {
    server: &'a Server,
    token: String,
    secrets: &'a Secrets,
}

impl Suspicious<'_> {
    fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> Answer {
        let text = body.map(Value::to_string);
        let answer = self.server.send(method, target, &[("x-auth-token", &self.token)], text.as_deref());
        self.secrets.none_in(&format!("{method} {target}"), answer.whole().as_bytes());
        answer
    }

    fn done(&self, method: &str, target: &str, body: &Value) -> Answer {
        let answer = self.ask(method, target, Some(body));
        assert!(answer.status < 300, "{method} {target}: {}", answer.text());
        answer
    }

    /// Asks until the answer is the last one.
    fn until(&self, target: &str, last: &[&str]) -> Value {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let body: Value = serde_json::from_slice(&self.ask("GET", target, None).body).expect("an answer is JSON");
            if body["status"].as_str().is_some_and(|status| last.contains(&status)) {
                return body;
            }
            assert!(Instant::now() < deadline, "{target}: {body}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks everything that can be asked without knowing a name; returns how much that is.
    fn ask_everything(&self) -> usize {
        let document = self.ask("GET", "/api/v1/openapi.json", None);
        let document: Value = serde_json::from_slice(&document.body).expect("the document is JSON");
        let mut n_answers = 0;
        for (path, item) in document["paths"].as_object().expect("it has paths") {
            if item.get("get").is_none() || path.contains('{') || path.ends_with("/events") {
                continue;
            }
            let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
            let takes_name = parameters.iter().any(|parameter| parameter["name"] == "env_name");
            let target = if takes_name { format!("{path}?env_name=lab") } else { path.clone() };
            n_answers += usize::from(self.ask("GET", &target, None).status == 200);
        }
        n_answers
    }

    /// What the stream of events says at once.
    fn listen(&self) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.server.address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a time limit can be set");
        let head =
            format!("GET /api/v1/events?env_name=lab HTTP/1.1\r\nhost: x\r\nx-auth-token: {}\r\n\r\n", self.token);
        stream.write_all(head.as_bytes()).expect("the server listens");
        let mut said = Vec::new();
        // It goes on for ever, so that it ends with the time limit.
        let _ = stream.read_to_end(&mut said);
        said
    }
}

/// Uses everything that takes or uses secrets; `store` looks at the store's files when the server has stopped.
fn stay_where_they_are(mut home: Home, look_into: impl Fn(&Secrets, &Home)) {
    let (gossip, database, hosts) = (gossip(), testbed::mariadb(DATABASE), testbed::sshd());
    let key = fs::read_to_string(hosts.dir.path().join("id")).expect("the key was made");
    let keys = home.folder.path().join("keys");
    fs::create_dir(&keys).expect("the folder can be written");
    let known_hosts = keys.join("known_hosts");
    fs::write(&known_hosts, hosts.known_hosts()).expect("the folder can be written");
    home.set("CALIPSO_LOG", "trace")
        .set("CALIPSO_WORKERS", "2")
        .set("CALIPSO_METRICS", "open")
        .set("CALIPSO_SECRETS_FOLDER", keys.display().to_string())
        .set("CALIPSO_SECRET_OTHER__DB", REFERRED);
    home.add_root();
    let mut server = home.serve();
    let sealing = fs::read_to_string(home.folder.path().join("secrets.key")).expect("the key is made at first start");
    let token = server.login("root", ROOT_PASSWORD);
    let line = key.lines().nth(2).expect("a key has lines").to_owned();
    let mut planted: Vec<String> =
        [SESSION, IDENTITY, DATABASE, REFERRED, INLINE, USER, WRONG, ROOT_PASSWORD].map(str::to_owned).into();
    planted.extend([line, token.clone()]);
    planted.extend(sealing.split_whitespace().filter(|word| word.len() >= 32).map(str::to_owned));
    assert!(planted.len() > 10, "the key file has a key");
    let secrets = Secrets(planted);
    let client = Suspicious { server: &server, token, secrets: &secrets };

    let openstack = json!({ "auth_url": format!("http://{gossip}/v3"), "password": IDENTITY });
    let sql = json!({ "host": "127.0.0.1", "port": database.port, "user": "reader", "password": DATABASE });
    let ssh = json!({ "host": "127.0.0.1", "port": hosts.port, "user": testbed::user(), "private_key": key,
        "known_hosts": known_hosts.display().to_string(), "sudo": false });
    let lab = json!({ "name": "lab", "distribution": "Debian", "distribution_version": "zed", "mechanism_drivers": ["OVS"],
        "type_drivers": ["vxlan"], "connections": { "openstack": openstack, "database": sql, "hosts": ssh } });
    client.done("POST", "/api/v1/environment_configs", &lab);
    let mut other = lab.clone();
    other["name"] = json!("other");
    other["connections"]["database"]["password"] = json!("env:CALIPSO_SECRET_OTHER__DB");
    client.done("POST", "/api/v1/environment_configs", &other);

    // Mistakes beside secrets, a secret where none belongs, a wrong login, a body that is no JSON.
    let mut wrong = lab.clone();
    wrong["name"] = json!("wrong");
    wrong["connections"]["database"]["port"] = json!("many");
    wrong["connections"]["openstack"]["auth_url"] = json!(format!("http://admin:{IDENTITY}@127.0.0.1/v3"));
    wrong["connections"]["hosts"]["passwort"] = json!(INLINE);
    assert_eq!(client.ask("POST", "/api/v1/environment_configs", Some(&wrong)).status, 422);
    let people = json!({ "name": "alice", "password": USER });
    client.done("POST", "/api/v1/users", &people);
    let bad = json!({ "username": "alice", "password": WRONG });
    assert_eq!(client.ask("POST", "/api/v1/auth/tokens", Some(&bad)).status, 401);
    let cut = server.send("POST", "/api/v1/auth/tokens", &[], Some(&format!("{{\"password\": \"{WRONG}\"")));
    secrets.none_in("a broken login", cut.whole().as_bytes());

    for (environment, target) in [("lab", None), ("other", None), ("lab", Some(INLINE))] {
        let mut asked = json!({ "env_name": environment });
        if let Some(password) = target {
            asked["targets_configuration"] = json!({ "database": { "host": "127.0.0.1", "port": database.port,
                "user": "reader", "password": password } });
        }
        let test = id(&client.done("POST", "/api/v1/connection_tests", &asked));
        let result = client.until(&format!("/api/v1/connection_tests/{test}"), &["response"]);
        // What was planted was used: the identity service knows the password, and the database knows the right one only.
        assert_eq!(
            result["errors"]["database"].as_str().is_some_and(|why| why.contains("refused") || why.contains("denied")),
            environment == "other" || target.is_some(),
            "{result}"
        );
    }
    for environment in ["lab", "other"] {
        let scan = id(&client.done("POST", "/api/v1/scans", &json!({ "env_name": environment })));
        client.until(&format!("/api/v1/scans/{scan}"), &["completed", "completed_with_errors", "failed"]);
        client.ask("GET", &format!("/api/v1/scans/{scan}/report"), None);
        client.ask("GET", &format!("/api/v1/environment_configs/{environment}"), None);
        client.ask("GET", &format!("/api/v1/messages?env_name={environment}"), None);
    }
    secrets.none_in("the stream of events", &client.listen());
    let n_answers = client.ask_everything();
    assert!(n_answers >= 20, "only {n_answers} answers");
    let metrics = server.send("GET", "/metrics", &[], None);
    assert_eq!(metrics.status, 200);
    secrets.none_in("/metrics", metrics.whole().as_bytes());
    drop(client);
    server.stop();
    let log = server.said();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is a fine one");
    drop(server);

    for words in [
        &["env", "show", "lab", "-o", "json"][..],
        &["env", "test", "lab"],
        &["-vv", "scan", "lab", "--record", "recording"],
        &["config", "show"],
        &["user", "list"],
    ] {
        let output = home.run(words);
        let said = [output.stdout, output.stderr].concat();
        secrets.none_among(&format!("calipso {}", words.join(" ")), &said);
    }
    assert!(home.folder.path().join("recording").is_dir(), "it was recorded");
    secrets.none_below(home.folder.path(), &["secrets.key"], 4);
    look_into(&secrets, &home);
}

#[test]
fn on_the_embedded_store() {
    stay_where_they_are(Home::new(), |_, home| {
        assert!(home.folder.path().join("store.db").is_file(), "the store is among the files");
    });
}

#[test]
fn in_mongodb() {
    let mongod = Mongod::uncompressed();
    let mut home = Home::new();
    home.set("CALIPSO_STORE", mongod.uri().replacen("/?", "/calipso?", 1));
    stay_where_they_are(home, |secrets, _| {
        mongod.write_down();
        secrets.none_below(&mongod.folder, &[], 20);
        for there in ["alice", "sealed:v1:"] {
            assert!(!grep(&mongod.folder, &["-F", "-e", there]).is_empty(), "{there} can be read in the files");
        }
    });
}

#[test]
fn the_search_finds_what_is_there() {
    let secrets = Secrets(vec![IDENTITY.to_owned()]);
    let fails = |text: &str| {
        let (found, among) = (text.to_owned(), text.as_bytes().to_vec());
        let searched = std::panic::AssertUnwindSafe(|| secrets.none_among("a text", &among));
        assert!(std::panic::catch_unwind(searched).is_err(), "{found}");
    };
    fails(&format!("x{IDENTITY}y"));
    let folder = tempfile::tempdir().expect("a temporary directory");
    fs::write(folder.path().join("a"), format!("\0\u{1}{IDENTITY}\0")).expect("it can be written");
    let below = std::panic::AssertUnwindSafe(|| secrets.none_below(folder.path(), &[], 1));
    assert!(std::panic::catch_unwind(below).is_err(), "it is in a file");
    secrets.none_below(folder.path(), &["a"], 0);
    for before in 0..4 {
        fails(&STANDARD.encode(format!("{}{IDENTITY} and more", "q".repeat(before))));
    }
    secrets.none_among("a text", b"nothing of it");
}
