//! Commands on hosts over SSH: the server and account of the connection, and the wrappers around commands.

use calipso_expr::{EvalError, Frame, Fuel};
use calipso_model::{Map, Secret, Str, Value};
use calipso_spec::environment::form::VERIFY_HOST_KEYS;
use calipso_transport::{Call, ExecKey, KnownHosts, RequestKey, Route, SshRoute, SshServer, Stage};

use crate::{
    answer::{Asked, StepError},
    connection::{
        Access, Sessions,
        command::{Prepared, Wrapper},
        database::{connect_values, needed, port},
    },
    world::RunAsk,
};

impl Sessions {
    /// Runs a command over a connection.
    pub(super) async fn run_over(&self, access: &Access, ask: RunAsk<'_>, stage: Stage) -> Asked {
        let prepare = |object: &Map, words: &[String], key| self.exec_call(access, &ask, stage, object, words, key);
        self.context.run_command(&ask, access.spec.limits.max_bytes, prepare).await
    }

    fn exec_call(
        &self,
        access: &Access,
        ask: &RunAsk<'_>,
        stage: Stage,
        object: &Map,
        words: &[String],
        key: ExecKey,
    ) -> Result<Prepared, StepError> {
        let host = key.host.clone();
        let mut frame = access.frame(&self.context.values, Value::Map(object.clone()))?;
        let no_value = |what: &str, error: EvalError| {
            let sentence = format!("{what} of the connection {} has no value: {error}", access.role);
            StepError::setup(sentence).at_host(&host)
        };
        if let (Some(own), Some(slot)) = (&access.spec.own, access.spec.layout.find("own")) {
            let own = own.eval(&frame, &mut Fuel::default()).map_err(|error| no_value("own", error))?;
            frame.set(slot, own);
        }
        let server = Box::new(self.server(access, &host, &frame)?);
        let (words, wrapper) = wrap(access, &mut frame, words.to_vec()).map_err(|error| no_value("wrap", error))?;
        let call = Call {
            role: access.role.clone(),
            stage,
            attempt: ask.attempt,
            key: RequestKey::Exec(key),
            means: Some(access.means(Route::Ssh(SshRoute { words, server }), ask.timeout)),
        };
        Ok(Prepared { call, wrapper })
    }

    fn server(&self, access: &Access, host: &Str, frame: &Frame) -> Result<SshServer, StepError> {
        let config = access.config()?;
        let known_hosts = if config.get(VERIFY_HOST_KEYS) == Some(&Value::Bool(false)) {
            KnownHosts::Insecure
        } else {
            KnownHosts::File(
                config.text("known_hosts").map_or(self.context.known_hosts.clone(), |file| file.as_ref().into()),
            )
        };
        let server = |host: &Str, values: &Map, jump: Option<Box<SshServer>>| {
            Ok::<_, StepError>(SshServer {
                host: host.clone(),
                address: needed(access, values, "address")?,
                port: port(access, values, 22)?,
                user: needed(access, values, "user")?,
                password: values.text("password").map(|text| Secret::new(text.as_ref())),
                private_key: values.text("private_key").map(|text| Secret::new(text.as_ref())),
                known_hosts: known_hosts.clone(),
                jump,
            })
        };
        let jump = match &access.spec.jump {
            None => None,
            Some(jump) => {
                let used = jump.when.as_ref().map_or(Ok(true), |when| when.holds(frame, &mut Fuel::default()));
                match used {
                    Ok(false) => None,
                    Ok(true) => {
                        let values = connect_values(access, &jump.connect, frame)?;
                        let gateway = needed(access, &values, "address")?;
                        Some(Box::new(server(&gateway, &values, None)?))
                    }
                    Err(error) => {
                        let sentence = format!("jump of the connection {} has no value: {error}", access.role);
                        return Err(StepError::setup(sentence).at_host(host));
                    }
                }
            }
        };
        server(host, &connect_values(access, &access.spec.connect, frame)?, jump)
    }
}

/// Puts the connection's wrappers around a command, the first one innermost. Also gives the outermost one.
fn wrap(
    access: &Access,
    frame: &mut Frame,
    mut words: Vec<String>,
) -> Result<(Vec<String>, Option<Wrapper>), EvalError> {
    let mut wrapper = None;
    for wrap in &access.spec.wrap {
        if !wrap.when.as_ref().map_or(Ok(true), |when| when.holds(frame, &mut Fuel::default()))? {
            continue;
        }
        frame.bind(&access.spec.layout, "command", Value::list(words.iter().map(|word| Value::text(word)).collect()));
        let outer = wrap.command.eval(frame, &mut Fuel::default())?;
        wrapper = outer.first().cloned().map(|program| Wrapper { program, inside: std::mem::take(&mut words) });
        words = outer;
    }
    Ok((words, wrapper))
}
