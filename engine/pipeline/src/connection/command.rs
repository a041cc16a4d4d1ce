//! Commands of steps: rewritten for the distribution, run, their outputs joined and parsed.

use calipso_expr::{Frame, Fuel};
use calipso_model::{Map, Str, Value};
use calipso_transport::{Call, ErrorKind, ExecKey, Reply};

use crate::{
    answer::{Answer, Asked, Details, FailureKind, Outcome, StepError, first_line, judge_exit},
    connection::{
        RunContext, max_memory,
        rules::{Rewritten, rewrite, rule_for},
        too_many_values,
    },
    world::RunAsk,
};

/// A command that is ready to be sent.
pub(crate) struct Prepared {
    pub(crate) call: Call,
    /// What was put around the command, if anything.
    pub(crate) wrapper: Option<Wrapper>,
}

/// A program that runs another one, and the words of that one.
pub(crate) struct Wrapper {
    pub(crate) program: String,
    pub(crate) inside: Vec<String>,
}

/// The host that a step names.
struct HostOf {
    name: Str,
    object: Map,
}

/// The outcome of one command.
enum Part {
    Output(Output),
    /// Its refusal was declared to mean "none here".
    None,
    Failed(Asked),
}

/// The output of one command.
struct Output {
    exit: i32,
    stdout: Str,
    stderr: Str,
}

impl RunContext {
    /// Runs the commands into which the distribution rewrites a command, and joins their outputs. `prepare` makes a call from the
    /// host's object, the words that run and the key of the call.
    pub(crate) async fn run_command(
        &self,
        ask: &RunAsk<'_>,
        max_bytes: u64,
        prepare: impl Fn(&Map, &[String], ExecKey) -> Result<Prepared, StepError> + Sync,
    ) -> Asked {
        let HostOf { name: host, object } = match host_of(ask) {
            Ok(host) => host,
            Err(error) => return Asked::nothing(error),
        };
        let rule = rule_for(self.rules.iter(), &ask.words);
        if let Some(rule) = rule {
            self.cover(&rule.at, "command rule");
        }
        let runs = match rewrite(rule, &ask.words, &self.values) {
            Ok(runs) => runs,
            Err(error) => {
                let sentence = format!("the command cannot be rewritten for this environment: {error}");
                return Asked::nothing(StepError::new(FailureKind::Expression, sentence).at_host(&host));
            }
        };
        let is_one = runs.len() == 1;
        let parts = runs.iter().map(|run| async {
            let words = if is_one { ask.words.clone() } else { run.words.clone() };
            match prepare(&object, &run.words, ExecKey { host: host.clone(), words }) {
                Ok(prepared) => self.run_one(&host, ask, run, prepared).await,
                Err(error) => Part::Failed(Asked::nothing(error)),
            }
        });
        let mut outputs = Vec::new();
        let mut negative = None;
        for part in futures::future::join_all(parts).await {
            match part {
                Part::Output(output) => outputs.push(output),
                Part::None => {}
                Part::Failed(asked) if matches!(asked.outcome, Outcome::NoAnswer(_)) => return asked,
                Part::Failed(asked) => negative = negative.or(Some(asked)),
            }
        }
        match negative {
            Some(asked) => asked,
            None => self.parsed(&host, ask, joined(outputs), max_bytes),
        }
    }

    async fn run_one(&self, host: &Str, ask: &RunAsk<'_>, run: &Rewritten<'_>, prepared: Prepared) -> Part {
        let Prepared { call, wrapper } = prepared;
        let output = match self.door.ask(call).await {
            Ok(Reply::Exec { exit, stdout, stderr }) => Output { exit, stdout, stderr },
            Ok(_) => {
                let sentence = format!("{host} gave something other than a command's output");
                return Part::Failed(Asked::nothing(StepError::new(ErrorKind::Protocol, sentence).at_host(host)));
            }
            Err(error) => return Part::Failed(Asked::nothing(StepError::from(error).at_host(host))),
        };
        if output.exit != 0
            && let Some(wrapper) = &wrapper
            && let Some(complaint) = refusal(wrapper, &output.stderr)
        {
            let Wrapper { program, inside } = wrapper;
            let command = inside.first().map(String::as_str).unwrap_or_default();
            let sentence = format!(
                "on {host} {program} refused to run commands: {complaint}; let the account run `{command}` through {program} without being asked for anything"
            );
            let outcome = Outcome::NoAnswer(StepError::new(ErrorKind::Denied, sentence).at_host(host));
            return Part::Failed(Asked { outcome, answer: self.answer(output, Value::Null) });
        }
        let Some(outcome) = judge_exit(output.exit, &ask.step.ok_exit, host, &output.stderr) else {
            return Part::Output(output);
        };
        let answer = self.answer(output, Value::Null);
        if let (Outcome::Negative(error), Some((none_if, layout))) = (&outcome, run.none_if) {
            let mut frame = Frame::new(layout.len());
            self.values.set(layout, &mut frame);
            if let Some(slot) = layout.find("answer") {
                frame.set(slot, answer.value(true, Some(&error.sentence)));
            }
            match none_if.holds(&frame, &mut Fuel::default()) {
                Ok(true) => return Part::None,
                Ok(false) => {}
                Err(error) => {
                    let error = StepError::new(FailureKind::Expression, error.to_string()).at_host(host);
                    return Part::Failed(Asked::nothing(error));
                }
            }
        }
        Part::Failed(Asked { outcome, answer })
    }

    /// The output as the step's parser gives it; as it is where the step has none.
    fn parsed(&self, host: &Str, ask: &RunAsk<'_>, output: Output, max_bytes: u64) -> Asked {
        let Some(parser) = &ask.step.parse else {
            let outcome = Outcome::Answer(Value::Str(output.stdout.clone()));
            return Asked { outcome, answer: self.answer(output, Value::Null) };
        };
        if parser.memory(&output.stdout) > max_memory(max_bytes) {
            return Asked::nothing(too_many_values(host, max_memory(max_bytes), max_bytes));
        }
        match parser.parse(&output.stdout) {
            Ok(value) => Asked { outcome: Outcome::Answer(value.clone()), answer: self.answer(output, value) },
            Err(error) => {
                let command = ask.words.join(" ");
                let sentence = format!("on {host} the output of `{command}` is not as expected: {error}");
                let outcome = Outcome::Negative(StepError::new(FailureKind::Parse, sentence).at_host(host));
                Asked { outcome, answer: self.answer(output, Value::Null) }
            }
        }
    }

    fn answer(&self, output: Output, body: Value) -> Answer {
        let Output { exit, stdout, stderr } = output;
        Answer {
            body,
            received_at: Some(self.now().to_string().into()),
            details: Details::Command { exit, stdout, stderr },
        }
    }
}

/// The host that a step names: an object, or a name.
fn host_of(ask: &RunAsk<'_>) -> Result<HostOf, StepError> {
    let object = match &ask.host {
        Some(Value::Map(host)) => host.clone(),
        Some(Value::Str(name)) => Map::from_pairs(vec![("name".into(), Value::Str(name.clone()))]),
        _ => return Err(StepError::setup("the step names no host to run its command on")),
    };
    let name = ["name", "host", "id"].iter().find_map(|key| object.text(key).filter(|name| !name.is_empty())).cloned();
    match name {
        Some(name) => Ok(HostOf { name, object }),
        None => Err(StepError::setup("the host to run a command on has no name")),
    }
}

/// The outputs of several commands one after the other; that of a single one as it is.
fn joined(mut outputs: Vec<Output>) -> Output {
    match outputs.pop() {
        None => Output { exit: 0, stdout: "".into(), stderr: "".into() },
        Some(last) if outputs.is_empty() => last,
        Some(last) => {
            let exit = last.exit;
            outputs.push(last);
            let join = |part: fn(&Output) -> &Str| -> Str {
                let texts: Vec<&str> = outputs.iter().map(|output| part(output).trim_end_matches('\n')).collect();
                texts.join("\n").into()
            };
            Output { exit, stdout: join(|output| &output.stdout), stderr: join(|output| &output.stderr) }
        }
    }
}

/// The first line of what a wrapper itself complained of, if it did, about something else than that the command inside is not
/// there.
///
/// # Shape
/// Wrappers begin with their name, name themselves somewhere, or quote the whole command that they do not run. Where this is
/// wrong, a refusal of the command itself counts as no answer, which removes nothing.
fn refusal(wrapper: &Wrapper, stderr: &str) -> Option<String> {
    let Wrapper { program, inside } = wrapper;
    // A warning that stops nothing.
    let warning = format!("{program}: unable to resolve host");
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.starts_with(&warning)).collect();
    let first = first_line(&lines.join("\n"));
    let command = inside.first().map(String::as_str).unwrap_or_default();
    let by_command = |text: &str| text.strip_prefix(command).is_some_and(|rest| rest.starts_with(':'));
    let is_refusal = match first.strip_prefix(program.as_str()).and_then(|rest| rest.strip_prefix(": ")) {
        Some(complaint) => !by_command(complaint),
        None => {
            !by_command(&first)
                && (first.contains(program.as_str()) || first.contains(&format!("/{}'", inside.join(" "))))
        }
    };
    is_refusal.then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapper_that_refuses_is_told_from_the_command_inside() {
        let refuses = |inside: &str, stderr: &str| {
            let inside = inside.split(' ').map(str::to_owned).collect();
            refusal(&Wrapper { program: "sudo".to_owned(), inside }, stderr).is_some()
        };
        for refused in [
            "sudo: a password is required\n",
            "sudo: a terminal is required to read the password; either use the -S option or configure an askpass helper\n",
            "sudo: sorry, you must have a tty to run sudo\n",
            "me is not in the sudoers file.  This incident will be reported.\n",
            "Sorry, user me may not run sudo on host-1.\n",
            "Sorry, user me is not allowed to execute '/usr/sbin/tool eth0' as root on host-1.\n",
        ] {
            assert!(refuses("tool eth0", refused), "{refused}");
            let warning = "sudo: unable to resolve host node-1: Name or service not known\n";
            assert!(refuses("tool eth0", &format!("{warning}{refused}")), "{refused}");
        }
        for own in [
            "sudo: tool: command not found\n",
            "Cannot find device\n",
            "tool: cannot read /etc/sudoers: it is not allowed to\n",
            "sudo: unable to resolve host node-1: Name or service not known\ntool: no such device\n",
            "",
        ] {
            assert!(!refuses("tool eth0", own), "{own}");
        }
    }

    #[test]
    fn the_output_of_one_command_is_left_as_it_is() {
        let output = |text: &str| Output { exit: 0, stdout: text.into(), stderr: "".into() };
        assert_eq!(&*joined(vec![output("a\n\n")]).stdout, "a\n\n");
        assert_eq!(&*joined(vec![output("a\n"), output("b\n")]).stdout, "a\nb");
        assert_eq!(&*joined(Vec::new()).stdout, "");
    }
}
