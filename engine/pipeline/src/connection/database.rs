//! Queries of steps, with the identifiers that the connection found out.

use std::collections::BTreeMap;

use calipso_expr::{EvalError, Frame, Fuel, Tree};
use calipso_model::{Map, Secret, Str, Value};
use calipso_transport::{Call, ErrorKind, Reply, RequestKey, Route, SqlKey, SqlServer, Stage};

use crate::{
    answer::{Answer, Asked, Details, Outcome, StepError},
    connection::{Access, RunContext, Sessions},
    world::SqlAsk,
};

impl Sessions {
    pub(super) async fn ask_sql(&self, ask: SqlAsk<'_>) -> Result<Asked, EvalError> {
        let access = match self.access(ask.via) {
            Ok(access) => access,
            Err(error) => return Ok(Asked::nothing(error)),
        };
        let session = match self.session(access, &Value::Null).await {
            Ok(session) => session,
            Err(error) => return Ok(Asked::nothing(error)),
        };
        let identifiers = match identifiers(access, &session.frame) {
            Ok(identifiers) => identifiers,
            Err(error) => return Ok(Asked::nothing(error)),
        };
        let (text, params) = ask.text.eval(ask.frame, &mut Fuel::default(), &identifiers)?;
        Ok(self.query(access, &session.frame, self.context.stage, SqlKey { text, params }, &ask).await)
    }

    pub(super) async fn query(
        &self,
        access: &Access,
        frame: &Frame,
        stage: Stage,
        key: SqlKey,
        ask: &SqlAsk<'_>,
    ) -> Asked {
        let server = match server(access, frame) {
            Ok(server) => server,
            Err(error) => return Asked::nothing(error),
        };
        let call = Call {
            role: access.role.clone(),
            stage,
            attempt: ask.attempt,
            key: RequestKey::Sql(key),
            means: Some(access.means(Route::Sql(server), ask.timeout)),
        };
        self.context.receive_rows(call).await
    }
}

impl RunContext {
    /// Makes a call to a database and judges its reply.
    pub(crate) async fn receive_rows(&self, call: Call) -> Asked {
        let endpoint = call.endpoint();
        match self.door.ask(call).await {
            Ok(Reply::Rows(rows)) => {
                let rows = Value::list(rows.into_iter().map(Value::Map).collect());
                let received_at = Some(self.now().to_string().into());
                let answer = Answer { body: rows.clone(), received_at, details: Details::None };
                Asked { outcome: Outcome::Answer(rows), answer }
            }
            Ok(_) => {
                let sentence = format!("{endpoint} gave something other than rows");
                Asked::nothing(StepError::new(ErrorKind::Protocol, sentence).at_host(&endpoint))
            }
            Err(error) => Asked::nothing(error.into()),
        }
    }
}

fn identifiers(access: &Access, frame: &Frame) -> Result<BTreeMap<Str, Str>, StepError> {
    let mut identifiers = BTreeMap::new();
    for (name, tree) in &access.spec.identifiers {
        match tree.eval(frame, &mut Fuel::default()) {
            Ok(Value::Str(text)) => {
                identifiers.insert(name.clone(), text);
            }
            Ok(other) => {
                let sentence = format!("the identifier {name} of {} is {}", access.role, other.kind());
                return Err(StepError::setup(sentence));
            }
            Err(error) => {
                let sentence = format!("the identifier {name} of {} has no value: {error}", access.role);
                return Err(StepError::setup(sentence));
            }
        }
    }
    Ok(identifiers)
}

/// The values of `connect` or `jump`; those that are null are left out.
pub(super) fn connect_values(access: &Access, pairs: &[(Str, Tree)], frame: &Frame) -> Result<Map, StepError> {
    let mut values = Map::new();
    for (name, tree) in pairs {
        match tree.eval(frame, &mut Fuel::default()) {
            Ok(Value::Null) => {}
            Ok(value) => values.insert(name.clone(), value),
            Err(error) => {
                let sentence = format!("{name} of the connection {} has no value: {error}", access.role);
                return Err(StepError::setup(sentence));
            }
        }
    }
    Ok(values)
}

/// A port of a connection.
pub(super) fn port(access: &Access, values: &Map, default: u16) -> Result<u16, StepError> {
    match values.get("port") {
        None => Ok(default),
        Some(value) => value
            .as_int()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
            .and_then(|number| u16::try_from(number).ok())
            .ok_or_else(|| StepError::setup(format!("{} has no usable port: {value}", access.role))),
    }
}

/// A text that a connection must have.
pub(super) fn needed(access: &Access, values: &Map, name: &str) -> Result<Str, StepError> {
    values
        .text(name)
        .cloned()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| StepError::setup(format!("the connection of the role {} lacks {name}", access.role)))
}

fn server(access: &Access, frame: &Frame) -> Result<SqlServer, StepError> {
    let values = connect_values(access, &access.spec.connect, frame)?;
    Ok(SqlServer {
        address: needed(access, &values, "address")?,
        port: port(access, &values, 3306)?,
        user: needed(access, &values, "user")?,
        password: Secret::new(values.text("password").map(ToString::to_string).unwrap_or_default()),
        database: values.text("database").cloned(),
    })
}
