//! Secrets that were not registered, recognised by the name before them.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};

use crate::recording::STARS;

/// A name whose value is a secret.
const NAME: &str = r"[\w.-]*(?:passw(?:or)?d|passphrase|_pass|adminpass|secret|token|private[_-]?key|api[_-]?key|auth[_-]?key|credential)[\w.-]*|pwd|pass|rootpw";

/// Where a name and its secret may stand: what is before the secret, the secret, what is after it.
static PLACES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let patterns = [
        // "password": "…", also escaped within another text
        format!(r#"(?P<before>\\*"(?P<name>{NAME})\\*"\s*:\s*\\*")(?P<secret>(?:[^"\\]|\\[^"])+)(?P<after>\\*")"#),
        // password='…' and password="…"
        format!(r#"(?P<before>\b(?P<name>{NAME})\s*=\s*\\*")(?P<secret>[^"\\]+)(?P<after>\\*")"#),
        format!(r"(?P<before>\b(?P<name>{NAME})\s*=\s*')(?P<secret>[^']+)(?P<after>')"),
        // <password>…</password>
        format!(r"(?P<before><(?P<name>{NAME})>)(?P<secret>[^<]+)(?P<after><)"),
        // --password …
        format!(r#"(?P<before>--(?P<name>{NAME})[= ])(?P<secret>[^\s"'-]\S*)(?P<after>)"#),
        // ?password=…&
        format!(r#"(?P<before>[?&;](?P<name>{NAME})=)(?P<secret>[^&\s"'<>]+)(?P<after>)"#),
        // password = … and password: … on a line of its own
        format!(r#"(?m)(?P<before>^[ \t#;]*(?:export +)?(?P<name>{NAME})[ \t]*[=:][ \t]*)(?P<secret>[^\s"'{{\[][^\n]*?)(?P<after>[ \t\r]*$)"#),
        // scheme://user:…@host
        r#"(?P<before>[a-z][\w+.-]*://[^\s/:@"'<>]*:)(?P<secret>[^\s/"'<>]+)(?P<after>@)"#.to_owned(),
        // header: …
        r"(?m)(?P<before>\b(?:proxy-)?authorization:[ \t]*|\bset-cookie:[ \t]*|\bcookie:[ \t]*|\bx-[\w-]*-token:[ \t]*)(?P<secret>[^\n\r'\x22]+)(?P<after>)".to_owned(),
        // Basic … and Bearer …
        r"(?P<before>\b(?:Basic|Bearer) +)(?P<secret>[A-Za-z0-9+/=._~-]{8,})(?P<after>)".to_owned(),
        // a private key
        r"(?s)(?P<before>)(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----)(?P<after>)".to_owned(),
    ];
    let compile = |pattern: &String| Regex::new(&format!("(?i){pattern}")).expect("the patterns above are regular");
    patterns.iter().map(compile).collect()
});

static WHOLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("(?i)^-*(?:{NAME})$")).expect("the pattern above is regular"));

/// Words of which at least one stands in every text that a pattern could match: most texts hold none.
static HINT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("(?i)pass|pwd|secret|token|key|credential|rootpw|://|cookie|authorization|basic|bearer")
        .expect("the words above are regular")
});

/// Whether what stands under this name is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    WHOLE.is_match(name) && !is_page_mark(name)
}

/// Whether the value of this header is a secret.
pub(super) fn is_secret_header(name: &str) -> bool {
    ["authorization", "proxy-authorization", "set-cookie", "cookie"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Paging asks for the next page by what the last one said; that is no secret, and a replay needs it.
fn is_page_mark(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("page") || name.contains("next") || name.contains("continu")
}

/// The text with every such secret replaced.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    if !HINT.is_match(text) {
        return Cow::Borrowed(text);
    }
    let mut text = Cow::Borrowed(text);
    for place in PLACES.iter() {
        let replaced = place.replace_all(&text, |found: &Captures<'_>| {
            let part = |name: &str| found.name(name).map(|part| part.as_str());
            let whole = found.get(0).map_or("", |whole| whole.as_str());
            if part("name").is_some_and(is_page_mark) || part("secret") == Some(STARS) {
                return whole.to_owned();
            }
            format!("{}{STARS}{}", part("before").unwrap_or_default(), part("after").unwrap_or_default())
        });
        if let Cow::Owned(changed) = replaced {
            text = Cow::Owned(changed);
        }
    }
    text
}
