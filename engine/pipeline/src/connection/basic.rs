//! HTTP Basic logins, form bodies and certificates of requests.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use calipso_expr::{EvalError, Frame, Fuel, Tree};
use calipso_model::{Map, Secret, Str, Value};
use calipso_spec::checked::Basic;
use calipso_transport::{ClientCertificate, Tls};

use crate::{
    answer::StepError,
    connection::{Access, http::query_pairs},
    step::fault,
};

/// The value of the header `Authorization` for an account.
///
/// # Errors
/// One of the two is no text, or the account's name has a colon.
pub(crate) fn basic_login(basic: &Basic, frame: &Frame) -> Result<Value, EvalError> {
    let text = |tree: &Tree, what: &str| match tree.eval(frame, &mut Fuel::default())? {
        Value::Str(text) => Ok(text),
        number @ Value::Int(_) => Ok(Str::from(number.to_json())),
        other => Err(fault(format!("`{what}` of `basic` needs text, found {}", other.kind()))),
    };
    let (user, password) = (text(&basic.user, "user")?, text(&basic.password, "password")?);
    if user.contains(':') {
        return Err(fault("`user` of `basic` has a colon, which HTTP Basic cannot send".to_owned()));
    }
    Ok(Value::from(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
}

/// Why the value of a header cannot be a Basic login: sent as it is, it would show a password and be refused.
pub(super) fn unencoded(name: &str, value: &str) -> Option<StepError> {
    let is_login = ["authorization", "proxy-authorization"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let (scheme, token) = value.trim().split_once(' ')?;
    if !is_login || !scheme.eq_ignore_ascii_case("basic") || STANDARD.decode(token.trim()).is_ok() {
        return None;
    }
    let sentence =
        format!("the header {name} is a Basic login that is not encoded; write `basic: {{user: …, password: …}}`");
    Some(StepError::setup(sentence))
}

/// A body in the form of `application/x-www-form-urlencoded`.
pub(super) fn form(body: &Value) -> Result<String, StepError> {
    let pairs = query_pairs(body.as_map().unwrap_or(&Map::new()))?;
    Ok(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

/// How the two sides show who they are: as `connect` says, else by the fields `ca` and `verify_tls`.
pub(super) fn tls(access: &Access, frame: &Frame) -> Result<Tls, StepError> {
    let config = access.config()?;
    let connect = super::database::connect_values(access, &access.spec.connect, frame)?;
    let value = |name: &str| connect.get(name).or_else(|| config.get(name)).cloned().unwrap_or_default();
    let text = |value: Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let own = |name: &str| connect.get(name).cloned().and_then(text);
    let client = match (own("certificates"), own("private_key")) {
        (None, None) => None,
        (Some(certificates), Some(key)) => Some(ClientCertificate { certificates, private_key: Secret::new(key) }),
        (certificates, _) => {
            let missing = if certificates.is_some() { "private_key" } else { "certificates" };
            let sentence = format!("a client certificate of {} needs both parts: `{missing}` is missing", access.role);
            return Err(StepError::setup(sentence).at_host(&access.role));
        }
    };
    Ok(Tls { ca: text(value("ca")), verify: value("verify_tls") != Value::Bool(false), client })
}
