//! The page at `/`, for people who open the address of the server in a browser.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::guard;

/// What is here, and where to go on. It says nothing that the document does not say to everybody.
const PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Calipso</title>
<style>body{font:1rem/1.5 sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}code{background:#eee;padding:0 .2em}</style>
</head>
<body>
<h1>Calipso</h1>
<p>Inventory, links and cliques of virtual networks. This is the server of its REST interface; programs talk to it, and the
command line does.</p>
<ul>
<li><a href="/api/v1/openapi.json">The OpenAPI document</a>: every operation, what it takes, and whom it is for.</li>
<li><a href="/api/v1/health">Health</a> and <a href="/api/v1/version">version</a> of this server.</li>
</ul>
<p>To begin, get a token for a name and a password with <code>POST /api/v1/auth/tokens</code>, and send it as
<code>Authorization: Bearer TOKEN</code>. On the server, <code>calipso --help</code> tells what else there is; README.md and
docs/ beside the program's source tell the rest.</p>
</body>
</html>
"#;

/// The page for clients that accept HTML; others are told that no operation has this path.
pub(super) async fn page(headers: HeaderMap) -> Response {
    if !takes_html(&headers) {
        return guard::nowhere().await;
    }
    let mut response = PAGE.into_response();
    let told = response.headers_mut();
    told.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    told.insert(header::VARY, HeaderValue::from_static("Accept"));
    // Nothing is loaded, run or framed.
    told.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    );
    told.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Whether HTML is asked for by its name: what takes anything, as command-line tools say, is told in the language of programs.
fn takes_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let names_it = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
        names_it && !parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32)))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::takes_html;

    #[test]
    fn browsers_ask_for_html() {
        for (accept, html) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("application/json, Text/HTML;q=0.5", true),
            ("*/*", false),
            ("application/json", false),
            ("text/html;q=0", false),
            ("text/html-x", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(takes_html(&headers), html, "{accept}");
        }
        assert!(!takes_html(&HeaderMap::new()));
    }
}
