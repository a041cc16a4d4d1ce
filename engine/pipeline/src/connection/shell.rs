//! Commands of steps: rewritten for the distribution, wrapped for the connection, run on their host.

use std::sync::Arc;

use calipso_expr::{Frame, Fuel};
use calipso_model::{Map, Secret, Str, Value};
use calipso_spec::environment::form::VERIFY_HOST_KEYS;
use calipso_transport::{Call, ExecKey, KnownHosts, Reply, Request, SshServer, Stage};

use crate::{
    answer::{AnswerView, Asked, FailureKind, Outcome, Why, first_line, judge_exit},
    connection::{
        Access, Sessions,
        database::{connect_values, needed, port},
        max_memory,
        rules::{Rewritten, rewrite, rule_for},
        too_many_values,
    },
    world::RunAsk,
};

/// One command with everything around it.
struct Wrapped {
    words: Vec<String>,
    /// First word of what was put around it, and of the command inside.
    around: Option<(String, String)>,
}

impl Sessions {
    pub(super) async fn ask_run(&self, ask: RunAsk<'_>) -> Asked {
        if self.open {
            return self.run_all(None, ask, self.stage).await;
        }
        match self.access(&ask.step.via) {
            Ok(access) => self.command_on(access, ask, self.stage).await,
            Err(why) => Asked::nothing(why),
        }
    }

    pub(super) async fn command_on(&self, access: &Access, ask: RunAsk<'_>, stage: Stage) -> Asked {
        self.run_all(Some(access), ask, stage).await
    }

    /// Runs what the distribution makes of a command, and joins the outputs.
    async fn run_all(&self, access: Option<&Access>, ask: RunAsk<'_>, stage: Stage) -> Asked {
        let host_object = match &ask.host {
            Some(Value::Map(host)) => host.clone(),
            Some(Value::Str(name)) => Map::from_pairs(vec![("name".into(), Value::Str(name.clone()))]),
            _ => return Asked::nothing(Why::new(FailureKind::Setup, "the step names no host to run its command on")),
        };
        let name = ["name", "host", "id"].iter().find_map(|key| host_object.text(key).filter(|name| !name.is_empty()));
        let Some(host) = name.cloned() else {
            return Asked::nothing(Why::new(FailureKind::Setup, "the host to run a command on has no name"));
        };
        let rule = rule_for(self.rules.iter().flat_map(|rules| rules.iter()), &ask.words);
        if let Some(rule) = rule {
            self.cover(&rule.at, "command rule");
        }
        let runs = match rewrite(rule, &ask.words, &self.values) {
            Ok(runs) => runs,
            Err(error) => {
                let sentence = format!("the command cannot be rewritten for this environment: {error}");
                return Asked::nothing(Why::new(FailureKind::Expression, sentence).of_host(&host));
            }
        };
        let several = runs.len() > 1;
        let place = Place { access, host: &host, object: &host_object, stage };
        let asks = runs.iter().map(|run| async {
            let key = if several { run.words.clone() } else { ask.words.clone() };
            self.run_one(&place, &ask, run, key).await
        });
        let mut parts = Vec::new();
        let mut negative = None;
        for asked in futures::future::join_all(asks).await {
            match asked.outcome {
                Outcome::NoAnswer(_) => return asked,
                Outcome::Negative(_) if negative.is_none() => negative = Some(asked),
                Outcome::Negative(_) | Outcome::Answer(Value::Null) => {}
                Outcome::Answer(_) => parts.push(asked.answer),
            }
        }
        if let Some(asked) = negative {
            return asked;
        }
        let join = |part: fn(&AnswerView) -> &Option<Str>| -> Option<Str> {
            let texts: Vec<&str> = parts.iter().filter_map(|answer| part(answer).as_deref()).collect();
            Some(match texts.as_slice() {
                [] => "".into(),
                [one] => (*one).into(),
                several => several.iter().map(|text| text.trim_end_matches('\n')).collect::<Vec<_>>().join("\n").into(),
            })
        };
        let answer = AnswerView {
            exit_code: Some(parts.last().and_then(|answer| answer.exit_code).unwrap_or(0)),
            stdout: join(|answer| &answer.stdout),
            stderr: join(|answer| &answer.stderr),
            received_at: Some(self.now().to_string().into()),
            ..AnswerView::default()
        };
        let stdout = answer.stdout.clone().unwrap_or_else(|| "".into());
        let Some(parser) = &ask.step.parse else {
            return Asked { outcome: Outcome::Answer(Value::Str(stdout)), answer };
        };
        let max_bytes = access.map_or(u64::MAX, |access| access.spec.limits.max_bytes);
        if parser.memory(&stdout) > max_memory(max_bytes) {
            return Asked::nothing(too_many_values(&host, max_memory(max_bytes), max_bytes));
        }
        match parser.parse(&stdout) {
            Ok(value) => {
                Asked { outcome: Outcome::Answer(value.clone()), answer: AnswerView { body: value, ..answer } }
            }
            Err(error) => {
                let command = ask.words.join(" ");
                let sentence = format!("on {host} the output of `{command}` is not as expected: {error}");
                Asked { outcome: Outcome::Negative(Why::new(FailureKind::Parse, sentence).of_host(&host)), answer }
            }
        }
    }

    /// Runs one command. An answer of null: its refusal was declared to mean "none here".
    async fn run_one(&self, place: &Place<'_>, ask: &RunAsk<'_>, run: &Rewritten<'_>, key: Vec<String>) -> Asked {
        let host = place.host;
        let (call, around) = match self.exec_call(place, ask, run, key) {
            Ok(made) => made,
            Err(why) => return Asked::nothing(why),
        };
        let (exit, stdout, stderr) = match self.door.ask(call).await {
            Ok(Reply::Exec { exit, stdout, stderr }) => (exit, stdout, stderr),
            Ok(_) => {
                let sentence = format!("{host} gave something other than a command's output");
                return Asked::nothing(Why::new(FailureKind::Protocol, sentence).of_host(host));
            }
            Err(error) => {
                let mut why = Why::from(error);
                why.host = Some(host.clone());
                return Asked::nothing(why);
            }
        };
        let answer = AnswerView {
            exit_code: Some(i64::from(exit)),
            stdout: Some(stdout),
            stderr: Some(stderr.clone()),
            ..AnswerView::default()
        };
        if exit != 0
            && let Some((wrapper, inside)) = &around
            && let Some(complaint) = refusal(wrapper, inside, &stderr)
        {
            let sentence = format!("on {host} {wrapper} refused to run commands: {complaint}");
            let why = Why::new(FailureKind::Denied, sentence).of_host(host);
            return Asked { outcome: Outcome::NoAnswer(why), answer };
        }
        let Some(outcome) = judge_exit(exit, &ask.step.ok_exit, host, &stderr) else {
            return Asked { outcome: Outcome::Answer(Value::Bool(true)), answer };
        };
        if let (Outcome::Negative(why), Some((none_if, layout))) = (&outcome, run.none_if) {
            let mut frame = Frame::new(layout.len());
            self.values.set(layout, &mut frame);
            frame.bind(layout, "answer", answer.value(true, Some(&why.sentence)));
            match none_if.holds(&frame, &mut Fuel::default()) {
                Ok(true) => return Asked { outcome: Outcome::Answer(Value::Null), answer },
                Ok(false) => {}
                Err(error) => {
                    return Asked::nothing(Why::new(FailureKind::Expression, error.to_string()).of_host(host));
                }
            }
        }
        Asked { outcome, answer }
    }

    fn exec_call(
        &self,
        place: &Place<'_>,
        ask: &RunAsk<'_>,
        run: &Rewritten<'_>,
        key: Vec<String>,
    ) -> Result<(Call, Option<(String, String)>), Why> {
        let key = ExecKey { host: place.host.clone(), words: key };
        let Some(access) = place.access else {
            let server = Box::new(open_server(place.host));
            let request = Request::Exec { key, words: run.words.clone(), server };
            return Ok((self.open_call(&ask.step.via, request, ask.attempt), None));
        };
        let mut frame = access.frame(&self.values, Value::Map(place.object.clone()))?;
        let fault = |what: &str, error: calipso_expr::EvalError| {
            let sentence = format!("{what} of the connection {} has no value: {error}", access.role);
            Why::new(FailureKind::Setup, sentence).of_host(place.host)
        };
        if let (Some(own), Some(slot)) = (&access.spec.own, access.spec.layout.find("own")) {
            let own = own.eval(&frame, &mut Fuel::default()).map_err(|error| fault("own", error))?;
            frame.set(slot, own);
        }
        let server = self.server(access, place, &frame)?;
        let wrapped = wrap(access, &mut frame, run.words.clone()).map_err(|error| fault("wrap", error))?;
        let call = Call {
            role: access.role.clone(),
            connection: access.spec.head.name.clone(),
            stage: place.stage,
            attempt: ask.attempt,
            request: Request::Exec { key, words: wrapped.words, server: Box::new(server) },
            timeout: access.timeout(ask.timeout),
            max_bytes: access.spec.limits.max_bytes,
            budget: Arc::clone(&access.budget),
        };
        Ok((call, wrapped.around))
    }

    fn server(&self, access: &Access, place: &Place<'_>, frame: &Frame) -> Result<SshServer, Why> {
        let config = access.config()?;
        let known_hosts = if config.get(VERIFY_HOST_KEYS) == Some(&Value::Bool(false)) {
            KnownHosts::Insecure
        } else {
            KnownHosts::File(config.text("known_hosts").map_or(self.known_hosts.clone(), |file| file.as_ref().into()))
        };
        let server = |host: &Str, values: &Map, jump: Option<Box<SshServer>>| {
            Ok::<_, Why>(SshServer {
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
                        return Err(Why::new(FailureKind::Setup, sentence).of_host(place.host));
                    }
                }
            }
        };
        server(place.host, &connect_values(access, &access.spec.connect, frame)?, jump)
    }

    /// A call without any connection.
    pub(super) fn open_call(&self, role: &Str, request: Request, attempt: u32) -> Call {
        Call {
            role: role.clone(),
            connection: role.clone(),
            stage: self.stage,
            attempt,
            request,
            timeout: std::time::Duration::from_secs(60),
            max_bytes: u64::MAX,
            budget: Arc::new(calipso_transport::Budget::new(64, None, 6)),
        }
    }
}

/// Where a command runs.
struct Place<'a> {
    access: Option<&'a Access>,
    host: &'a Str,
    object: &'a Map,
    stage: Stage,
}

/// Puts the connection's wrappers around a command, the first one innermost.
fn wrap(access: &Access, frame: &mut Frame, mut words: Vec<String>) -> Result<Wrapped, calipso_expr::EvalError> {
    let mut around = None;
    for wrap in &access.spec.wrap {
        if !wrap.when.as_ref().map_or(Ok(true), |when| when.holds(frame, &mut Fuel::default()))? {
            continue;
        }
        frame.bind(&access.spec.layout, "command", Value::list(words.iter().map(|word| Value::text(word)).collect()));
        let outer = wrap.command.eval(frame, &mut Fuel::default())?;
        around = outer.first().cloned().zip(words.first().cloned());
        words = outer;
    }
    Ok(Wrapped { words, around })
}

/// What the wrapper itself complained of, if it did, about something else than that the command inside is not there.
fn refusal(wrapper: &str, inside: &str, stderr: &str) -> Option<String> {
    // A warning that stops nothing.
    let warning = format!("{wrapper}: unable to resolve host");
    let said: Vec<&str> = stderr.lines().filter(|line| !line.starts_with(&warning)).collect();
    let first = first_line(&said.join("\n"));
    let complaint = first.strip_prefix(wrapper)?.strip_prefix(": ")?;
    (!complaint.starts_with(&format!("{inside}: "))).then_some(first)
}

fn open_server(host: &Str) -> SshServer {
    SshServer {
        host: host.clone(),
        address: host.clone(),
        port: 22,
        user: "".into(),
        password: None,
        private_key: None,
        known_hosts: KnownHosts::Insecure,
        jump: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapper_that_refuses_is_told_from_a_missing_command() {
        let is_some = |wrapper, inside, stderr: &str| refusal(wrapper, inside, stderr).is_some();
        assert!(is_some("sudo", "ip", "sudo: a password is required\n"));
        assert!(!is_some("sudo", "ethtool", "sudo: ethtool: command not found\n"));
        assert!(!is_some("sudo", "ip", "Cannot find device\n"));
        let warning = "sudo: unable to resolve host node-1: Name or service not known\n";
        assert!(!is_some("sudo", "ls", &format!("{warning}ls: cannot access '/x': No such file or directory\n")));
        assert!(is_some("sudo", "ls", &format!("{warning}sudo: a password is required\n")));
    }
}
