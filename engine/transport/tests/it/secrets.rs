//! Secrets planted everywhere that a recording could keep them, and looked for by other means than the scrubber's.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use calipso_model::{Map, Value};
use calipso_transport::{
    Call, Door, ErrorKind, Exchange, FetchError, HttpKey, Meta, Recorder, Recording, Reply, RequestKey, Scrubber, Stage,
};

use crate::{
    calls::{exec, get, http, sql},
    plant::finds,
};

/// Secrets of many kinds: plain, with every character that some encoding escapes, a token, a key.
fn secrets() -> Vec<String> {
    vec![
        "correct horse".to_owned(),
        "p'a\"s&s<w>o\\r/d+%=;$`!".to_owned(),
        "pässwört-ключ".to_owned(),
        "gAAAAABm".to_owned() + &"k3Y_-9z".repeat(25),
        "0d9f1c".to_owned(),
        include_str!("data/user_ed25519").trim().to_owned(),
    ]
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let number =
            chunk.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let place = number >> (18 - 6 * digit) & 63;
            out.push(if digit <= chunk.len() { char::from(BASE64[place]) } else { '=' });
        }
    }
    out
}

/// The secret in every form that the world may hand it out in.
fn forms(secret: &str) -> Vec<String> {
    let percent = |upper: bool, all: bool| -> String {
        let one = |byte: u8| match byte {
            byte if !all && byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte if upper => format!("%{byte:02X}"),
            byte => format!("%{byte:02x}"),
        };
        secret.bytes().map(one).collect()
    };
    let json = serde_json::to_string(secret).unwrap();
    let ascii_json: String = secret
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() { char.to_string() } else { format!("\\u{:04x}", u32::from(char)) })
        .collect();
    let xml = secret.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&apos;");
    let numeric: String = secret
        .chars()
        .map(|char| if char.is_alphanumeric() { char.to_string() } else { format!("&#{};", u32::from(char)) })
        .collect();
    let hex = |upper: bool| -> String {
        secret.bytes().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
    };
    let url_safe = |text: &str| base64(text.as_bytes()).replace('+', "-").replace('/', "_").replace('=', "");
    let mime = |text: &str| {
        let code = base64(text.as_bytes());
        code.as_bytes().chunks(16).map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>().join("\n")
    };
    let mut forms = vec![
        secret.to_owned(),
        percent(true, false),
        percent(false, false),
        percent(true, false).replace("%20", "+"),
        percent(true, false).replace('%', "%25"),
        json.clone(),
        serde_json::to_string(&json).unwrap(),
        ascii_json,
        xml,
        numeric,
        format!("'{}'", secret.replace('\'', r"'\''")),
        hex(true),
        hex(false),
    ];
    if secret.len() < 64 {
        forms.push(percent(true, true));
    }
    for before in ["", "u:", "us:", "user:"] {
        let text = format!("{before}{secret}");
        forms.extend([base64(text.as_bytes()), url_safe(&text), mime(&text)]);
        forms.push(base64(format!("{text} and more").as_bytes()));
        forms.push(base64(base64(text.as_bytes()).as_bytes()));
        forms.push(base64(format!("x{}", url_safe(&text)).as_bytes()));
    }
    forms.push(base64(json.as_bytes()));
    forms.push(base64(percent(true, false).as_bytes()));
    forms
}

/// Says the planted text in every part of every kind of answer.
struct Parrot(Arc<Mutex<String>>);

#[async_trait]
impl Door for Parrot {
    async fn exchange(&self, call: Call) -> Exchange {
        let planted = self.0.lock().unwrap().clone();
        if call.attempt == 1 {
            let error = FetchError::new(ErrorKind::Protocol, "x", format!("the server said {planted}"));
            return Exchange::from(Err(error));
        }
        Exchange::from(Ok(match call.key {
            RequestKey::Http(_) => Reply::Http {
                status: 200,
                headers: vec![("x-some".into(), planted.clone()), ("location".into(), format!("/x?y={planted}"))],
                body: if call.attempt == 2 {
                    [b"\xff\xfe\x00", planted.as_bytes(), b"\x80"].concat().into()
                } else {
                    format!("before {planted} after").into_bytes().into()
                },
            },
            RequestKey::Sql(_) => Reply::Rows(vec![
                [("plain", planted.clone()), (planted.as_str(), "a key".to_owned())].into_iter().collect::<Map>(),
            ]),
            RequestKey::Exec(_) => {
                Reply::Exec { exit: 0, stdout: format!("a\n{planted}\nb").into(), stderr: planted.into() }
            }
        }))
    }
}

fn calls(planted: &str) -> Vec<Call> {
    let nested = Value::list(vec![Value::Map([("deep", planted), (planted, "x")].into_iter().collect())]);
    let key = HttpKey {
        target: [("service".into(), planted.into())].into(),
        method: "POST".into(),
        path: format!("/p/{planted}"),
        query: vec![("q".into(), planted.into()), (planted.into(), "v".into())],
        body: Some(nested),
    };
    let mut calls = vec![
        http("http://h/x", key),
        get("http://h/plain"),
        sql(&format!("SELECT '{planted}'"), vec![planted.into()]),
        exec(planted, "uname"),
        exec("host", &format!("echo {planted} --option={planted}")),
    ];
    let again = |attempt: u32, stage: Stage| {
        move |call: &Call| {
            let mut call = call.clone();
            (call.attempt, call.stage) = (attempt, stage);
            call
        }
    };
    let more: Vec<Call> = calls
        .iter()
        .map(again(1, Stage::Work))
        .chain(calls.iter().map(again(2, Stage::Test)))
        .chain(calls.iter().map(again(0, Stage::Login)))
        .collect();
    calls.extend(more);
    calls
}

fn all_texts(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(all_texts(&path));
        } else {
            texts.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
        texts.push((path.display().to_string(), path.file_name().unwrap().as_encoded_bytes().to_vec()));
    }
    texts
}

/// Records all calls with all these texts and returns what was written.
async fn record(registered: &str, planted: &[String], dir: &Path) -> Vec<(String, Vec<u8>)> {
    let said = Arc::new(Mutex::default());
    let scrubber = Arc::new(Scrubber::new());
    scrubber.register(registered);
    let about =
        planted.iter().flat_map(|text| [("note".to_owned() + text, text.clone()), (text.clone(), "x".to_owned())]);
    let meta =
        Meta { tool: planted.concat(), started_at: "2026-11-22T10:00:00Z".into(), about: about.collect::<Map>() };
    let recorder = Recorder::new(Parrot(Arc::clone(&said)), dir, meta, scrubber).unwrap();
    let mut n_calls = 0;
    for text in planted {
        said.lock().unwrap().clone_from(text);
        for call in calls(text) {
            let _ = recorder.ask(call).await;
            n_calls += 1;
        }
    }
    recorder.finish().unwrap();
    // Scrubbing leaves a recording that can be read, with all that was asked.
    assert_eq!(Recording::read(dir).unwrap().entries().count(), n_calls);
    all_texts(dir)
}

#[tokio::test]
async fn no_planted_secret_reaches_a_file_in_any_encoding() {
    for secret in secrets() {
        let planted = forms(&secret);
        for (number, form) in planted.iter().enumerate() {
            assert!(finds(form.as_bytes(), &secret, 3), "the finder cannot see form {number}: {form}");
        }
        let dir = tempfile::tempdir().unwrap();
        let texts = record(&secret, &planted, &dir.path().join("recording")).await;
        assert!(texts.len() > 6);
        for (file, text) in &texts {
            for line in text.split(|byte| *byte == b'\n') {
                let shown = String::from_utf8_lossy(line);
                assert!(!finds(line, &secret, 2), "{secret} is in {file}: {shown}");
            }
        }
    }
}

#[tokio::test]
async fn the_finder_finds_what_is_not_scrubbed() {
    // The control: with another secret registered the same recording is full of it.
    let dir = tempfile::tempdir().unwrap();
    let planted = base64(base64(b"user:correct horse").as_bytes());
    let texts = record("something else", &[planted], &dir.path().join("recording")).await;
    let found = texts.iter().filter(|(_, text)| finds(text, "correct horse", 3)).count();
    assert!(found >= 4, "{found}");
}
