//! Queries of steps, with the identifiers that the connection found out.

use std::{collections::BTreeMap, sync::Arc};

use calipso_expr::{EvalError, Frame, Fuel, Tree};
use calipso_model::{Map, Secret, Str, Value};
use calipso_transport::{Call, Reply, Request, SqlKey, SqlServer, Stage};

use crate::{
    answer::{AnswerView, Asked, FailureKind, Outcome, Why},
    connection::{Access, Sessions},
    world::{Identifiers, SqlAsk},
};

impl Sessions {
    pub(super) async fn ask_sql(&self, ask: SqlAsk<'_>) -> Result<Asked, EvalError> {
        if self.open {
            // An identifier stands for itself where no connection says otherwise.
            let identifiers = ask.text.identifiers().into_iter().map(|(name, ..)| (name.clone(), name)).collect();
            let (text, params) = ask.text.eval(ask.frame, &mut Fuel::default(), &identifiers)?;
            let request = Request::Sql { key: SqlKey { text, params }, server: open_server() };
            return Ok(self.judge_sql(self.open_call(ask.via, request, ask.attempt)).await);
        }
        let access = match self.access(ask.via) {
            Ok(access) => access,
            Err(why) => return Ok(Asked::nothing(why)),
        };
        let session = match self.session(access, &Value::Null).await {
            Ok(session) => session,
            Err(why) => return Ok(Asked::nothing(why)),
        };
        let identifiers = match identifiers(access, &session.frame) {
            Ok(identifiers) => identifiers,
            Err(why) => return Ok(Asked::nothing(why)),
        };
        let (text, params) = ask.text.eval(ask.frame, &mut Fuel::default(), &identifiers)?;
        Ok(self.query(access, &session.frame, self.stage, text, params, &ask).await)
    }

    pub(super) async fn query(
        &self,
        access: &Access,
        frame: &Frame,
        stage: Stage,
        text: String,
        params: Vec<Value>,
        ask: &SqlAsk<'_>,
    ) -> Asked {
        let server = match server(access, frame) {
            Ok(server) => server,
            Err(why) => return Asked::nothing(why),
        };
        self.judge_sql(Call {
            role: access.role.clone(),
            connection: access.spec.head.name.clone(),
            stage,
            attempt: ask.attempt,
            request: Request::Sql { key: SqlKey { text, params }, server },
            timeout: access.timeout(ask.timeout),
            max_bytes: access.spec.limits.max_bytes,
            budget: Arc::clone(&access.budget),
        })
        .await
    }

    async fn judge_sql(&self, call: Call) -> Asked {
        let place = call.place();
        match self.door.ask(call).await {
            Ok(Reply::Rows(rows)) => {
                let rows = Value::list(rows.into_iter().map(Value::Map).collect());
                let received_at = Some(self.now().to_string().into());
                let answer = AnswerView { body: rows.clone(), received_at, ..AnswerView::default() };
                Asked { outcome: Outcome::Answer(rows), answer }
            }
            Ok(_) => {
                let sentence = format!("{place} gave something other than rows");
                Asked::nothing(Why::new(FailureKind::Protocol, sentence).of_host(&place))
            }
            Err(error) => Asked::nothing(error.into()),
        }
    }
}

fn identifiers(access: &Access, frame: &Frame) -> Identifiers {
    let mut identifiers = BTreeMap::new();
    for (name, tree) in &access.spec.identifiers {
        match tree.eval(frame, &mut Fuel::default()) {
            Ok(Value::Str(text)) => {
                identifiers.insert(name.clone(), text);
            }
            Ok(other) => {
                let sentence = format!("the identifier {name} of {} is {}", access.role, other.kind());
                return Err(Why::new(FailureKind::Setup, sentence));
            }
            Err(error) => {
                let sentence = format!("the identifier {name} of {} has no value: {error}", access.role);
                return Err(Why::new(FailureKind::Setup, sentence));
            }
        }
    }
    Ok(identifiers)
}

/// The values of `connect` or `jump`; those that are null are left out.
pub(super) fn connect_values(access: &Access, pairs: &[(Str, Tree)], frame: &Frame) -> Result<Map, Why> {
    let mut values = Map::new();
    for (name, tree) in pairs {
        match tree.eval(frame, &mut Fuel::default()) {
            Ok(Value::Null) => {}
            Ok(value) => values.insert(name.clone(), value),
            Err(error) => {
                let sentence = format!("{name} of the connection {} has no value: {error}", access.role);
                return Err(Why::new(FailureKind::Setup, sentence));
            }
        }
    }
    Ok(values)
}

/// A port of a connection.
pub(super) fn port(access: &Access, values: &Map, default: u16) -> Result<u16, Why> {
    match values.get("port") {
        None => Ok(default),
        Some(value) => value
            .as_int()
            .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
            .and_then(|number| u16::try_from(number).ok())
            .ok_or_else(|| Why::new(FailureKind::Setup, format!("{} has no usable port: {value}", access.role))),
    }
}

/// A text of a connection that has to be there.
pub(super) fn needed(access: &Access, values: &Map, name: &str) -> Result<Str, Why> {
    values
        .text(name)
        .cloned()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Why::new(FailureKind::Setup, format!("the connection of the role {} lacks {name}", access.role)))
}

fn server(access: &Access, frame: &Frame) -> Result<SqlServer, Why> {
    let values = connect_values(access, &access.spec.connect, frame)?;
    Ok(SqlServer {
        address: needed(access, &values, "address")?,
        port: port(access, &values, 3306)?,
        user: needed(access, &values, "user")?,
        password: Secret::new(values.text("password").map(ToString::to_string).unwrap_or_default()),
        database: values.text("database").cloned(),
    })
}

fn open_server() -> SqlServer {
    SqlServer { address: "open.invalid".into(), port: 0, user: "".into(), password: Secret::default(), database: None }
}
