//! Connections over HTTP against a real server on the loopback address: logins, forms, pages, sizes, and what is refused.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use calipso_model::{ConnectionConfig, Environment, Map, Secret, SecretLocation, Value};
use calipso_pipeline::{SecretSource, TestLine, plan, test_connections};
use calipso_spec::{Layer, Severity, load, read_layer};
use calipso_transport::{Live, Meta, Once, Recorder, Scrubber};

const PASSWORD: &str = "hidden:pass wörd";

struct Secrets;

impl SecretSource for Secrets {
    fn resolve(&self, _reference: &str, _place: &SecretLocation) -> Result<Secret, String> {
        Ok(Secret::new(PASSWORD))
    }

    fn known_hosts(&self) -> PathBuf {
        "known_hosts".into()
    }
}

/// What a server answers: status, further header lines, body.
type Answer = (u16, String, String);

/// A server; gives its base and the requests that came, head and body.
fn serve(answer: impl Fn(&str, &str) -> Answer + Send + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let came: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&came);
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let Some((head, body)) = read(&socket) else { continue };
            kept.lock().expect("nobody fails inside").push(format!("{head}\n{body}"));
            let (status, headers, body) = answer(&head, &body);
            let head =
                format!("HTTP/1.1 {status} X\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
            // The other side may have heard enough.
            let _ = (&socket).write_all(head.as_bytes()).and_then(|()| (&socket).write_all(body.as_bytes()));
        }
    });
    (base, came)
}

fn read(socket: &TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(socket);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(found) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = found.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

fn ok(body: impl Into<String>) -> Answer {
    (200, String::new(), body.into())
}

/// A connection with these keys, filled in with the base.
fn layer(keys: &str) -> Layer {
    let mut layer =
        read_layer(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specs")).expect("the specs are there");
    layer.files.retain(|(path, _)| path.starts_with("distributions/"));
    let text = format!(
        "schema: connection/v1\nname: api\ndescription: An API.\nsource: made up\nrole: api\ntransport: http\nfields:\n  url: {{type: url, description: Where.}}\n  user: {{type: text, default: reader, description: Who.}}\n  password: {{type: text, secret: true, description: Its password.}}\nbase: config.url\n{keys}"
    );
    layer.files.push(("connections/api.yaml".into(), Arc::from(text)));
    layer
}

/// What a test of the connection says, and what is recorded of it.
fn tried(keys: &str, base: &str) -> (Vec<TestLine>, String) {
    let loaded = load(&[layer(keys)]);
    let wrong: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .map(|found| format!("{}: {}", found.code, found.message))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let fields: Map = [("url", Value::text(base)), ("password", Value::text("env:P"))].into_iter().collect();
    let environment = Environment {
        name: "shop".into(),
        distribution: "Plain".into(),
        version: "2".into(),
        mechanism_drivers: vec!["A".into()],
        type_drivers: vec!["t".into()],
        connections: [("api".into(), ConnectionConfig { spec: "api".into(), fields })].into_iter().collect(),
        ..Environment::default()
    };
    let plan = plan(&Arc::new(loaded.specs), &environment).expect("a plan");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a run-time");
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("recording");
    let scrubber = Arc::new(Scrubber::new());
    let recorder =
        Recorder::new(Arc::new(Live::new()), &dir, Meta::default(), Arc::clone(&scrubber)).expect("a recorder");
    let recorder = Arc::new(recorder);
    let door = Arc::new(Once::new(Arc::clone(&recorder)));
    let lines = runtime.block_on(test_connections(&plan, None, door, &Secrets, scrubber, jiff::Timestamp::UNIX_EPOCH));
    recorder.finish().expect("the recording is clean");
    let recorded = std::fs::read_to_string(dir.join("http.jsonl")).unwrap_or_default();
    (lines, recorded)
}

fn problems(lines: &[TestLine]) -> Vec<String> {
    lines.iter().filter(|line| !line.ok).map(|line| format!("{}: {}", line.name, line.sentence)).collect()
}

fn all_ok(lines: &[TestLine]) {
    assert!(!lines.is_empty() && lines.iter().all(|line| line.ok), "{:#?}", problems(lines));
}

/// `reader:hidden:pass wörd` as HTTP Basic sends it.
const LOGIN: &str = "authorization: Basic cmVhZGVyOmhpZGRlbjpwYXNzIHfDtnJk";

#[test]
fn a_basic_login_is_sent_encoded_and_recorded_nowhere() {
    let (base, came) = serve(|head, _| {
        let welcome = head.lines().any(|line| line.eq_ignore_ascii_case(LOGIN));
        // Some servers show what was sent to them.
        if welcome { ok(format!("{{\"you\": {:?}}}", head)) } else { (401, String::new(), "{}".to_owned()) }
    });
    let login = "basic: {user: \"{{ config.user }}\", password: \"{{ config.password }}\"}";
    for keys in [
        format!("send: {{{login}}}\ntest:\n  - {{http: GET /status, name: it answers}}\n"),
        format!(
            "login:\n  - {{http: POST /token, {login}, answer_as: reply}}\nsession: {{you: {{value: \"{{{{ reply.body.you }}}}\", secret: true}}}}\nsend: {{{login}}}\ntest:\n  - {{http: GET /status, name: it answers}}\n"
        ),
        "send: {headers: {Authorization: \"Basic {{ (config.user ~ ':' ~ config.password) | base64_encode }}\"}}\ntest:\n  - {http: GET /status, name: it answers}\n".to_owned(),
    ] {
        let (lines, recorded) = tried(&keys, &base);
        all_ok(&lines);
        assert!(recorded.contains("/status"), "{recorded}");
        for secret in ["hidden", "cmVhZGVy", "w\u{f6}rd"] {
            assert!(!recorded.contains(secret), "{secret} is in {recorded}");
        }
    }
    assert!(came.lock().expect("nobody fails inside").len() >= 4);
}

#[test]
fn a_basic_login_that_is_not_encoded_is_never_sent() {
    let (base, came) = serve(|_, _| ok("{}"));
    // `check` cannot see through a session value; the door can.
    let keys = "login:\n  - {http: GET /first, as: nothing}\nsession: {raw: {value: \"{{ config.user ~ ':' ~ config.password }}\", secret: true}}\nsend: {headers: {Authorization: \"Basic {{ session.raw }}\"}}\ntest:\n  - {http: GET /status, name: it answers}\n";
    let (lines, _) = tried(keys, &base);
    let told = problems(&lines).join("\n");
    assert!(told.contains("not encoded") && told.contains("basic: {user") && !told.contains("hidden"), "{told}");
    assert!(!came.lock().expect("nobody fails inside").iter().any(|request| request.contains("/status")));
}

#[test]
fn check_finds_basic_logins_that_are_not_encoded() {
    for (written, wrong) in [
        ("{Authorization: \"Basic {{ config.user ~ ':' ~ config.password }}\"}", true),
        ("{authorization: \"basic {{ config.user }}:{{ config.password }}\"}", true),
        ("{Proxy-Authorization: \"{{ 'Basic ' ~ config.password }}\"}", true),
        ("{Authorization: \"Basic user:password\"}", true),
        ("{Authorization: \"Basic {{ (config.user ~ ':' ~ config.password) | base64_encode }}\"}", false),
        ("{Authorization: \"Bearer {{ config.password }}\"}", false),
        ("{X-Basic: \"Basic {{ config.user ~ ':' }}\"}", false),
    ] {
        let loaded = load(&[layer(&format!(
            "send: {{headers: {written}}}\ntest:\n  - {{http: GET /status, name: it answers}}\n"
        ))]);
        let found = loaded.diagnostics.iter().any(|found| found.code == "http/plain-basic");
        assert_eq!(found, wrong, "{written}: {:?}", loaded.diagnostics);
    }
}

#[test]
fn forms_fetch_tokens_as_oauth_2_wants_them() {
    let (base, _) = serve(|head, body| {
        let head = head.to_ascii_lowercase();
        if head.starts_with("post /token") {
            let wanted = "client_id=reader&client_secret=hidden%3Apass+w%C3%B6rd&grant_type=client_credentials&scope=a&scope=b+c";
            let typed = head.contains("content-type: application/x-www-form-urlencoded");
            return if typed && body == wanted {
                ok("{\"access_token\": \"t0ken-of-the-test\", \"expires_in\": 300}")
            } else {
                (400, String::new(), "{}".to_owned())
            };
        }
        let welcome = head.contains("authorization: bearer t0ken-of-the-test");
        (if welcome { 200 } else { 401 }, String::new(), "{}".to_owned())
    });
    let keys = "login:\n  - http: POST /token\n    form: {grant_type: client_credentials, client_id: \"{{ config.user }}\", client_secret: \"{{ config.password }}\", scope: [a, b c], nothing: null}\n    as: token\nsession: {token: {value: \"{{ token.access_token }}\", secret: true}}\nsend: {headers: {Authorization: \"Bearer {{ session.token }}\"}}\ntest:\n  - {http: GET /status, name: it answers}\n";
    let (lines, recorded) = tried(keys, &base);
    all_ok(&lines);
    assert!(recorded.contains("client_credentials") && recorded.contains("***"), "{recorded}");
    assert!(!recorded.contains("hidden") && !recorded.contains("t0ken"), "{recorded}");
}

/// A server of three pages of a list.
fn pages(wrap: fn(&str) -> String, link: bool) -> String {
    let holder: Arc<Mutex<String>> = Arc::default();
    let known = Arc::clone(&holder);
    let (base, _) = serve(move |head, _| {
        let base = known.lock().expect("nobody fails inside").clone();
        let path = head.split_whitespace().nth(1).unwrap_or_default();
        let page = path.split("page=").nth(1).and_then(|page| page.split('&').next()?.parse().ok()).unwrap_or(1);
        let body = wrap(&format!("[{{\"id\": {page}}}]"));
        // Two header lines are one list.
        let next = format!(
            "Link: <{base}/things?page=1>; rel=\"first\"\r\nLink: <{base}/things?page={}>; rel=next\r\n",
            page + 1
        );
        (200, if link && page < 3 { next } else { String::new() }, if page > 3 { wrap("[]") } else { body })
    });
    holder.lock().expect("nobody fails inside").clone_from(&base);
    base
}

const BY_LINK: &str =
    "pages: [{name: links, next: \"(answer.headers.link | default | link_relations).next | default\"}]\n";
const BY_NUMBER: &str =
    "pages: [{name: numbers, query: {per_page: '1'}, next: \"{'page': page_number + 1} if items else none\"}]\n";

fn asks(step: &str) -> String {
    format!(
        "test:\n  - {{http: GET /things, {step}name: it lists, as: things}}\n  - {{stop: failed, when: \"things | map(attribute='id') | list != [1, 2, 3]\", because: \"{{{{ things }}}}\", name: all of them}}\n"
    )
}

#[test]
fn a_list_without_a_name_comes_with_all_its_pages() {
    for rule in [BY_LINK, BY_NUMBER] {
        let base = pages(str::to_owned, true);
        all_ok(&tried(&format!("{rule}{}", asks("")), &base).0);
    }
}

#[test]
fn a_list_deeper_in_the_answer_comes_with_all_its_pages() {
    for rule in [BY_LINK, BY_NUMBER] {
        let base = pages(|list| format!("{{\"result\": {{\"things\": {list}}}}}"), true);
        all_ok(&tried(&format!("{rule}{}", asks("items: result.things, ")), &base).0);
    }
}

#[test]
fn the_first_page_of_a_list_that_nobody_named_is_no_answer() {
    let base = pages(|list| format!("{{\"things\": {list}, \"total\": 3}}"), true);
    let step = "test:\n  - {http: GET /things, name: it lists}\n";
    let (lines, _) = tried(&format!("{BY_LINK}{step}"), &base);
    let told = problems(&lines).join("\n");
    assert!(told.contains("only the first page of `things`") && told.contains("items: things"), "{told}");
    // One page is enough where the step says so.
    let step = "test:\n  - {http: GET /things, paged: false, name: it lists}\n";
    all_ok(&tried(&format!("{BY_LINK}{step}"), &base).0);
    // A map whose lists do not go on is whole.
    let base = pages(|list| format!("{{\"things\": {list}}}"), false);
    all_ok(&tried(&format!("{BY_LINK}test:\n  - {{http: GET /things, name: it lists}}\n"), &base).0);
}

#[test]
fn pages_that_go_wrong_are_no_answer() {
    let circle =
        |next: &'static str| serve(move |_, _| (200, format!("Link: <{next}>; rel=\"next\"\r\n"), "[1]".to_owned())).0;
    for (next, says) in [("/things", "again"), ("http://192.0.2.1/things", "another server"), ("http://[", "no URL")] {
        let (lines, _) = tried(&format!("{BY_LINK}test:\n  - {{http: GET /things, name: it lists}}\n"), &circle(next));
        let told = problems(&lines).join("\n");
        assert!(told.contains(says), "{next}: {told}");
    }
    // A rule that has no value for this list.
    let (base, _) = serve(|_, _| ok("[1, 2]"));
    let rule = "pages: [{name: marker, next: \"{'marker': (items | last).id}\"}]\n";
    let told =
        problems(&tried(&format!("{rule}test:\n  - {{http: GET /things, name: it lists}}\n"), &base).0).join("\n");
    assert!(told.contains("page rule marker"), "{told}");
}

#[test]
fn answers_of_too_many_values_are_no_answer_before_memory_is_taken() {
    let list = |n: usize| format!("[{}]", vec!["[]"; n].join(","));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, says) in [
        (list(1_000_000), "max_bytes"),
        (format!("{{\"a\": {}}}", list(1_000_000)), "max_bytes"),
        (format!("[{}]", vec!["{\"k\":0}"; 500_000].join(",")), "max_bytes"),
        (deep, "not JSON"),
        ("<html>down for maintenance</html>".to_owned(), "not JSON"),
        ("[1, 2".to_owned(), "not JSON"),
    ] {
        let (base, _) = serve(move |_, _| ok(body.clone()));
        let keys = "limits: {max_bytes: 8000000}\ntest:\n  - {http: GET /things, name: it lists}\n";
        let told = problems(&tried(keys, &base).0).join("\n");
        assert!(told.contains(says) && told.len() < 2_000, "{says}: {told}");
    }
    let (base, _) = serve(move |_, _| ok(list(10_000)));
    all_ok(&tried("limits: {max_bytes: 8000000}\ntest:\n  - {http: GET /things, name: it lists}\n", &base).0);
}

#[test]
fn all_pages_of_a_list_together_have_a_bound() {
    let (base, came) = serve(|head, _| {
        let page: u32 =
            head.split("page=").nth(1).and_then(|page| page.split_whitespace().next()?.parse().ok()).unwrap_or(1);
        ok(format!("[{page}, {}]", vec!["{\"k\":0}"; 1_000].join(",")))
    });
    let rule = "pages: [{name: numbers, next: \"{'page': page_number + 1}\"}]\nlimits: {max_bytes: 1000000}\n";
    let told =
        problems(&tried(&format!("{rule}test:\n  - {{http: GET /things, name: it lists}}\n"), &base).0).join("\n");
    assert!(told.contains("max_bytes"), "{told}");
    assert!(came.lock().expect("nobody fails inside").len() < 100);
}
