//! The text that a remote shell is fed to run many commands one after the other, and the frames that its output has.
//!
//! A frame begins and ends with a line that holds a random number, made for one shell alone. The number reaches the
//! shell through its standard input only, so no command can see or print it.

use std::time::Duration;

use crate::words;

/// What runs on the other side: a POSIX shell that reads commands from its standard input.
pub(super) const SHELL: &str = "sh";

/// Random text that cannot be guessed.
pub(super) fn nonce() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| "the system has no random numbers".to_owned())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The first lines that the shell gets: the locale, where to find system tools, and how to run one command in frames.
///
/// # Shape
/// `env` or `timeout` starts each command, so that it is always a program and never a word of the shell. The first
/// frame, number 0, tells whether `timeout` is there.
pub(super) fn preamble(nonce: &str) -> String {
    format!(
        r#"LC_ALL=C; export LC_ALL; unset LANGUAGE; PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"; export PATH
n={nonce}; t=
if timeout -k 1 5 true </dev/null >/dev/null 2>&1; then t=1; fi
x() {{
i=$1; s=$2; shift 2
printf '\n%s b %s\n' "$n" "$i"; printf '\n%s b %s\n' "$n" "$i" >&2
if [ -n "$t" ]; then timeout -k 2 "$s" "$@" </dev/null; else env "$@" </dev/null; fi
r=$?
printf '\n%s e %s %s\n' "$n" "$i" "$r"; printf '\n%s e %s %s\n' "$n" "$i" "$r" >&2
}}
printf '\n%s b 0\n' "$n"; printf '\n%s b 0\n' "$n" >&2
printf '\n%s e 0 %s\n' "$n" "${{t:-0}}"; printf '\n%s e 0 0\n' "$n" >&2
"#
    )
}

/// The line that runs one command.
///
/// # Errors
/// The words are not a command that can be run this way.
pub(super) fn line(number: u64, timeout: Duration, command: &[String]) -> Result<String, String> {
    let first = command.first().ok_or("the command is empty")?;
    if first.is_empty() || first.starts_with('-') || first.contains('=') {
        return Err(format!("`{first}` is not the name of a program"));
    }
    if command.iter().any(|word| word.contains('\0')) {
        return Err("a command cannot hold a zero byte".to_owned());
    }
    let seconds = timeout.as_secs_f64().ceil().max(1.0);
    Ok(format!("x {number} {seconds} {}\n", words::join(command)))
}

/// The next event in a stream of framed output.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The command of that number began.
    Begin(u64),
    /// It ended with that exit status.
    End(u64, i32),
}

/// Takes one stream (standard output or error) apart.
#[derive(Debug)]
pub(super) struct Frames {
    mark: Vec<u8>,
    /// Bytes not yet understood; what is before `clean` holds no mark.
    pending: Vec<u8>,
    clean: usize,
    inside: Option<u64>,
    /// What the current command wrote, as far as it is known to be no frame.
    pub(super) output: Vec<u8>,
    /// What was written outside all frames: greetings, complaints of the shell.
    pub(super) noise: Vec<u8>,
}

impl Frames {
    /// Nothing read yet.
    pub(super) fn new(nonce: &str) -> Self {
        Self {
            mark: format!("\n{nonce} ").into_bytes(),
            pending: Vec::new(),
            clean: 0,
            inside: None,
            output: Vec::new(),
            noise: Vec::new(),
        }
    }

    /// Adds what arrived.
    pub(super) fn push(&mut self, data: &[u8]) {
        self.pending.extend_from_slice(data);
    }

    /// The number of bytes held.
    pub(super) fn len(&self) -> usize {
        self.output.len() + self.pending.len()
    }

    /// The next event, if it is complete. After an end, `output` is what the command wrote: take it.
    pub(super) fn next(&mut self) -> Option<Event> {
        loop {
            let found = find(&self.pending, &self.mark, self.clean);
            let Some(at) = found else {
                // A mark may have begun in the last bytes; everything before is output.
                let keep = self.pending.len().min(self.mark.len() - 1);
                let settled = self.pending.len() - keep;
                self.settle(settled);
                self.clean = 0;
                return None;
            };
            let rest = at + self.mark.len();
            let Some(end) = self.pending.iter().skip(rest).position(|byte| *byte == b'\n') else {
                self.clean = at;
                return None;
            };
            let text = self.pending.get(rest..rest + end).unwrap_or_default().to_vec();
            self.settle(at);
            self.pending.drain(..self.mark.len() + end + 1);
            self.clean = 0;
            if let Some(event) = event(&text) {
                match event {
                    Event::Begin(number) => {
                        self.inside = Some(number);
                        self.output.clear();
                    }
                    Event::End(..) => self.inside = None,
                }
                return Some(event);
            }
        }
    }

    /// Moves the first bytes to where they belong.
    fn settle(&mut self, n_bytes: usize) {
        let bytes = self.pending.drain(..n_bytes);
        if self.inside.is_some() {
            self.output.extend(bytes);
        } else {
            let room = 4096_usize.saturating_sub(self.noise.len());
            self.noise.extend(bytes.take(room));
        }
    }
}

fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    haystack.get(from..)?.windows(needle.len()).position(|window| window == needle).map(|place| from + place)
}

fn event(text: &[u8]) -> Option<Event> {
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.split(' ');
    match (parts.next()?, parts.next()?.parse().ok()?, parts.next()) {
        ("b", number, None) => Some(Event::Begin(number)),
        ("e", number, Some(exit)) => Some(Event::End(number, exit.parse().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    use proptest::prelude::*;

    use super::*;

    /// Events, each end with the output before it.
    type Events = Vec<(Event, Vec<u8>)>;

    fn all(frames: &mut Frames) -> Events {
        let mut events = Vec::new();
        while let Some(event) = frames.next() {
            let output = if matches!(event, Event::End(..)) { std::mem::take(&mut frames.output) } else { Vec::new() };
            events.push((event, output));
        }
        events
    }

    fn run(commands: &[&[&str]]) -> (Events, Events) {
        let nonce = nonce().unwrap();
        let mut script = preamble(&nonce);
        for (number, command) in commands.iter().enumerate() {
            let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
            script += &line(number as u64 + 1, Duration::from_secs(1), &command).unwrap();
        }
        let mut shell =
            Command::new(SHELL).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = shell.wait_with_output().unwrap();
        let parse = |bytes: &[u8]| {
            let mut frames = Frames::new(&nonce);
            frames.push(bytes);
            all(&mut frames)
        };
        (parse(&output.stdout), parse(&output.stderr))
    }

    #[test]
    fn a_real_shell_frames_output_errors_and_status() {
        let hostile = "a'b\"c$HOME`id`\n\\ ;&|";
        let (stdout, stderr) = run(&[
            &["printf", "%s", hostile],
            &["sh", "-c", "echo out; echo err >&2; exit 3"],
            &["cat"],
            &["no-such-program-anywhere"],
            &["sh", "-c", "kill -9 $$"],
            &["printf", "%s", "\n"],
            &["exit", "0"],
            &["true"],
        ]);
        let ends: Vec<(u64, i32, String)> = stdout
            .iter()
            .filter_map(|(event, output)| match event {
                Event::End(number, exit) => Some((*number, *exit, String::from_utf8_lossy(output).into_owned())),
                Event::Begin(_) => None,
            })
            .skip(1)
            .collect();
        let texts: Vec<(u64, i32, &str)> =
            ends.iter().map(|(number, exit, text)| (*number, *exit, text.as_str())).collect();
        assert_eq!(
            texts,
            [
                (1, 0, hostile),
                (2, 3, "out\n"),
                (3, 0, ""),
                (4, 127, ""),
                (5, 137, ""),
                (6, 0, "\n"),
                (7, 127, ""),
                (8, 0, "")
            ]
        );
        let errors: Vec<String> = stderr
            .iter()
            .filter(|(event, _)| matches!(event, Event::End(..)))
            .map(|(_, output)| String::from_utf8_lossy(output).into_owned())
            .collect();
        assert_eq!(errors[2], "err\n");
        assert!(errors[4].contains("no-such-program-anywhere"));
        assert_eq!(errors[1], "");
    }

    #[test]
    fn no_command_can_see_the_number_of_its_frame() {
        let (stdout, _) =
            run(&[&["sh", "-c", "env; cat /proc/$PPID/cmdline /proc/*/cmdline 2>/dev/null | tr '\\0' ' '"]]);
        // A mark in the output would have ended the frame early or made an unknown event.
        assert_eq!(stdout.len(), 4);
        assert!(String::from_utf8_lossy(&stdout[3].1).contains("LC_ALL=C"));
    }

    #[test]
    fn words_that_are_no_program_are_refused() {
        for command in [vec![], vec![""], vec!["-k"], vec!["A=b", "c"], vec!["echo", "a\0b"]] {
            let command: Vec<String> = command.into_iter().map(str::to_owned).collect();
            assert!(line(1, Duration::from_secs(1), &command).is_err(), "{command:?}");
        }
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting(
            outputs in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..5),
            cuts in proptest::collection::vec(1_usize..9, 1..40),
        ) {
            let mut stream = b"noise".to_vec();
            for (number, output) in outputs.iter().enumerate() {
                stream.extend(format!("\nabc b {number}\n").bytes());
                stream.extend(output);
                stream.extend(format!("\nabc e {number} 7\n").bytes());
            }
            let mut frames = Frames::new("abc");
            let mut seen = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                frames.push(head);
                seen.extend(all(&mut frames).into_iter().filter(|(event, _)| matches!(event, Event::End(..))));
                rest = tail;
                if rest.is_empty() { break; }
            }
            let wanted: Vec<_> = outputs.into_iter().enumerate().map(|(number, output)| (Event::End(number as u64, 7), output)).collect();
            prop_assert_eq!(seen, wanted);
        }
    }
}
