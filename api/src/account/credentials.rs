//! What a request says of who sends it: headers, and the address it came from.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine as _, alphabet, engine::DecodePaddingMode, engine::GeneralPurpose, engine::GeneralPurposeConfig};
use calipso_model::{Secret, Str};

use crate::{
    account::{settings::AccountSettings, token::digest},
    problem::Problem,
};

/// What came with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    None,
    Token(Secret),
    Basic { user: String, password: Secret },
}

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads `Authorization` (Basic or Bearer), else `X-Auth-Token`.
///
/// # Errors
/// 401 for what cannot be read. No text of the header is repeated.
/// # Source
/// RFC 7617, RFC 6750; the original takes a token in `X-Auth-Token`.
pub(crate) fn of(headers: &HeaderMap) -> Result<Credentials, Problem> {
    let refused = |detail: &str| Err(Problem::unauthenticated(detail));
    let token = only(headers, "x-auth-token")?.filter(|token| !token.is_empty());
    let Some(authorization) = only(headers, header::AUTHORIZATION.as_str())? else {
        return Ok(token.map_or(Credentials::None, |token| Credentials::Token(Secret::new(token))));
    };
    let (scheme, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("basic") {
        return match basic(rest) {
            Some((user, password)) => Ok(Credentials::Basic { user, password }),
            None => refused("the header Authorization does not hold base64 of NAME:PASSWORD"),
        };
    }
    if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
        return Ok(Credentials::Token(Secret::new(rest)));
    }
    match token {
        Some(token) => Ok(Credentials::Token(Secret::new(token))),
        None => refused("the header Authorization is neither Basic nor Bearer"),
    }
}

/// The only header of a name; two of them could be read differently by others on the way.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .map(|text| Some(text.trim()))
            .map_err(|_| Problem::unauthenticated(format!("the header {name} is not plain text"))),
        _ => Err(Problem::unauthenticated(format!("the header {name} is there more than once"))),
    }
}

/// The password begins after the first colon and may hold others.
fn basic(text: &str) -> Option<(String, Secret)> {
    let text = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    let is_sound = !user.is_empty() && !text.chars().any(char::is_control);
    is_sound.then(|| (user.to_owned(), Secret::new(password)))
}

/// The id of the token in `X-Auth-Token`, whatever else came with a request.
pub(crate) fn token_in(headers: &HeaderMap) -> Option<Str> {
    only(headers, "x-auth-token").ok().flatten().map(|token| digest(&Secret::new(token)))
}

/// The address a request came from: that of the connection, or what a trusted proxy says.
#[must_use]
pub fn address(request: &Parts, settings: &AccountSettings) -> Option<IpAddr> {
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
    let is_trusted = |address: &IpAddr| settings.trusted_proxies.contains(address);
    if !is_trusted(&peer) {
        return Some(peer);
    }
    let told: Vec<&str> =
        request.headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    // The nearest proxy wrote the last one. What stands before the first address that is no proxy of ours is hearsay.
    let chain = told.iter().flat_map(|line| line.split(',')).map(str::trim).collect::<Vec<_>>();
    for text in chain.into_iter().rev() {
        match text.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(address) if is_trusted(&address) => {}
            Ok(address) => return Some(address),
            Err(_) => break,
        }
    }
    Some(peer)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::{
        extract::ConnectInfo,
        http::{HeaderMap, HeaderValue, Request},
    };
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use calipso_model::Secret;

    use super::{Credentials, address, of};
    use crate::account::settings::AccountSettings;

    fn read(pairs: &[(&'static str, &[u8])]) -> Result<Credentials, u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        of(&headers).map_err(|problem| problem.status())
    }

    fn basic(user: &str, password: &str) -> Result<Credentials, u16> {
        Ok(Credentials::Basic { user: user.to_owned(), password: Secret::new(password) })
    }

    #[test]
    fn every_form_of_credentials_is_read_or_refused() {
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text)).into_bytes();
        assert_eq!(read(&[]), Ok(Credentials::None));
        assert_eq!(read(&[("authorization", &header("anna:pass:with:colons"))]), basic("anna", "pass:with:colons"));
        assert_eq!(read(&[("authorization", &header("cisaB:Basic"))]), basic("cisaB", "Basic"));
        assert_eq!(read(&[("authorization", &header("anna:"))]), basic("anna", ""));
        let unpadded: Vec<u8> = header("anna:four").into_iter().filter(|byte| *byte != b'=').collect();
        assert_eq!(read(&[("authorization", &unpadded)]), basic("anna", "four"));
        assert_eq!(read(&[("authorization", b"bAsIc YTpi")]), basic("a", "b"));
        for garbage in [
            &b"Basic"[..],
            b"Basic ",
            b"Basic !!!!",
            b"Basic YQ==",
            b"Basic /w==",
            b"Basic OmI=",
            b"Digest x",
            b"Bearer",
            b"\xff",
        ] {
            assert_eq!(read(&[("authorization", garbage)]), Err(401), "{garbage:?}");
        }
        assert_eq!(read(&[("authorization", &header("a\n:b"))]), Err(401));
        let token = |text: &str| Ok(Credentials::Token(Secret::new(text)));
        assert_eq!(read(&[("authorization", b"Bearer cal_x")]), token("cal_x"));
        assert_eq!(read(&[("x-auth-token", b"cal_y")]), token("cal_y"));
        assert_eq!(read(&[("authorization", b"Bearer cal_x"), ("x-auth-token", b"cal_y")]), token("cal_x"));
        assert_eq!(read(&[("authorization", b"Negotiate z"), ("x-auth-token", b"cal_y")]), token("cal_y"));
        assert_eq!(read(&[("x-auth-token", b"a"), ("x-auth-token", b"b")]), Err(401));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let settings =
            AccountSettings { trusted_proxies: vec!["10.0.0.1".parse().unwrap()], ..AccountSettings::default() };
        let from = |peer: &str, told: &[&str]| {
            let mut request = Request::builder();
            for told in told {
                request = request.header("x-forwarded-for", *told);
            }
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            parts.extensions.insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
            address(&parts, &settings).unwrap().to_string()
        };
        assert_eq!(from("192.0.2.9:1", &["198.51.100.7"]), "192.0.2.9");
        assert_eq!(from("10.0.0.1:1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(from("[::ffff:10.0.0.1]:1", &["203.0.113.5, 198.51.100.7, 10.0.0.1"]), "198.51.100.7");
        assert_eq!(from("10.0.0.1:1", &["nonsense"]), "10.0.0.1");
        assert_eq!(from("10.0.0.1:1", &[]), "10.0.0.1");
    }
}
