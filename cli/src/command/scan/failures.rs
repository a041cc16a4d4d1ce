//! What went wrong in a scan: one line for each cause, and each single failure when asked for.

use std::collections::{BTreeMap, BTreeSet};

use calipso_pipeline::{FailureReport, ScanReport};

use crate::{command::changes::line, output::printable, show};

/// Maximum number of lines of one kind that are shown without `--all`.
const LISTED: usize = 10;

/// What failed, what is out of date, what is not in its place, which rules met a fault.
pub fn failures_text(report: &ScanReport, width: usize, all: bool) -> String {
    let mut text = String::new();
    if !report.failures.is_empty() {
        let causes = causes(&report.failures);
        let steps = count(report.failures.iter().map(|failure| failure.times).sum(), "step");
        text.push_str(&format!("\nfailed: {steps}, for {}\n", count(causes.len(), "reason")));
        for cause in &causes {
            cause.tell(&mut text, width);
        }
    }
    if all && !report.failures.is_empty() {
        text.push_str("\nfailed steps:\n");
        for failure in &report.failures {
            single(&mut text, width, failure);
        }
    }
    let stale = report.stale_scopes();
    if !stale.is_empty() {
        let objects = count(stale.iter().map(|scope| scope.n_objects).sum(), "object");
        let oldest = stale.iter().map(|scope| &scope.since).min().map(|since| show::day(since)).unwrap_or_default();
        text.push('\n');
        line(
            &mut text,
            width,
            "out of date: ",
            &format!("{} with {objects} kept from before, the oldest since {oldest}", count(stale.len(), "part")),
        );
        let mut rows: Vec<String> = Vec::new();
        for scope in &stale {
            let kept = count(scope.n_objects, "object");
            let since = show::day(&scope.since);
            rows.push(format!(
                "{} of {} under {} since {since}: {kept} kept",
                scope.object_type, scope.fetcher, scope.parent
            ));
        }
        list(&mut text, width, &rows, if all { usize::MAX } else { 0 });
    }
    let section = |text: &mut String, title: &str, rows: Vec<String>| {
        if !rows.is_empty() {
            text.push_str(&format!("\n{title}:\n"));
            list(text, width, &rows, if all { usize::MAX } else { LISTED });
        }
    };
    let misplaced = report.misplaced.iter().map(|(object, sentence)| format!("{object}: {sentence}"));
    section(&mut text, "without the place or the name that their types say", misplaced.collect());
    let derivation = report.derivation.iter().map(|(at, sentence)| format!("{at}: {sentence}"));
    section(&mut text, "rules that met a fault", derivation.collect());
    if !all && !text.is_empty() {
        text.push_str("\n`--all` shows each of them\n");
    }
    text
}

fn list(text: &mut String, width: usize, rows: &[String], most: usize) {
    for row in rows.iter().take(most) {
        line(text, width, "  ", &printable(row));
    }
    if most > 0 && rows.len() > most {
        text.push_str(&format!("  … and {} more\n", rows.len() - most));
    }
}

fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

fn single(text: &mut String, width: usize, failure: &FailureReport) {
    let host = failure.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
    let times = if failure.times > 1 { format!(" ({} times)", failure.times) } else { String::new() };
    line(text, width, "  ", &printable(&format!("{}{host}{times} at {}", failure.fetcher, failure.at)));
    line(text, width, "    ", &printable(&failure.sentence));
    line(text, width, "    → ", failure.kind.act());
}

/// Failures with the same reason: one action mends all of them.
struct Cause<'r> {
    first: &'r FailureReport,
    hosts: BTreeSet<&'r str>,
    fetchers: BTreeSet<&'r str>,
    sentences: BTreeSet<String>,
    steps: usize,
}

impl Cause<'_> {
    fn tell(&self, text: &mut String, width: usize) {
        let hosts: Vec<&str> = self.hosts.iter().copied().collect();
        let of = count(self.fetchers.len(), "fetcher");
        let place = if hosts.is_empty() { String::new() } else { format!("{}: ", some(&hosts)) };
        let name = self.first.kind.as_str().replace('_', " ");
        let head = format!("{place}{name}, {} of {of}", count(self.steps, "step"));
        line(text, width, "  ", &printable(&head));
        line(text, width, "    ", &printable(&self.first.sentence));
        if self.sentences.len() > 1 {
            text.push_str(&format!("    … and {} more ways to say it\n", self.sentences.len() - 1));
        }
        if self.fetchers.len() == 1 {
            line(text, width, "    ", &printable(&format!("at {}", self.first.at)));
        }
        line(text, width, "    → ", self.first.kind.act());
    }
}

/// Some names, and the number of those left out.
fn some(names: &[&str]) -> String {
    const NAMED: usize = 5;
    let mut text = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}

/// Failures grouped by reason: by the host that did not answer, else by the text of the answer.
fn causes(failures: &[FailureReport]) -> Vec<Cause<'_>> {
    let mut by_sentence: BTreeMap<(&str, String), Cause<'_>> = BTreeMap::new();
    for failure in failures {
        let host = failure.host.as_deref().unwrap_or_default();
        let said = if host.is_empty() { failure.sentence.clone() } else { failure.sentence.replace(host, "…") };
        let cause = by_sentence.entry((failure.kind.as_str(), said.clone())).or_insert_with(|| Cause {
            first: failure,
            hosts: BTreeSet::new(),
            fetchers: BTreeSet::new(),
            sentences: BTreeSet::new(),
            steps: 0,
        });
        cause.hosts.extend(failure.host.as_deref());
        cause.fetchers.insert(&failure.fetcher);
        cause.sentences.insert(said);
        cause.steps += failure.times;
    }
    // One host that does not answer fails in as many words as there are ways to ask it.
    let mut causes: BTreeMap<(&str, BTreeSet<&str>, String), Cause<'_>> = BTreeMap::new();
    for ((kind, said), cause) in by_sentence {
        let is_silence =
            ["unreachable", "denied", "timeout", "busy", "host_key", "tls", "not_recorded"].contains(&kind);
        let key = (kind, cause.hosts.clone(), if is_silence { String::new() } else { said });
        match causes.get_mut(&key) {
            Some(known) => {
                known.fetchers.extend(cause.fetchers);
                known.sentences.extend(cause.sentences);
                known.steps += cause.steps;
            }
            None => {
                causes.insert(key, cause);
            }
        }
    }
    let mut causes: Vec<Cause<'_>> = causes.into_values().collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.steps));
    causes
}

#[cfg(test)]
mod tests {
    use calipso_pipeline::{FailureReport, ScanReport, answer::FailureKind};
    use calipso_transport::ErrorKind;

    use super::failures_text;

    fn failure(fetcher: &str, kind: FailureKind, host: Option<&str>, sentence: &str) -> FailureReport {
        FailureReport {
            fetcher: fetcher.into(),
            step: None,
            at: format!("fetchers/{fetcher}.yaml:9:3").into(),
            kind,
            host: host.map(Into::into),
            sentence: sentence.to_owned(),
            parent: calipso_model::ObjectKey::new("host", host.unwrap_or("e")),
            times: 3,
        }
    }

    #[test]
    fn a_host_that_is_not_recorded_is_one_reason() {
        let mut report = ScanReport::default();
        for (fetcher, command) in [("cards", "ip link"), ("bridges", "brctl show"), ("rooms", "cat /rooms")] {
            for host in ["h1", "h2"] {
                let sentence = format!("{host} has no such answer in the recording: `{command}` on {host}");
                report.failures.push(failure(
                    fetcher,
                    FailureKind::Fetch(ErrorKind::NotRecorded),
                    Some(host),
                    &sentence,
                ));
            }
        }
        let text = failures_text(&report, 80, false);
        assert!(text.starts_with("\nfailed: 18 steps, for 1 reason\n"), "{text}");
        assert!(text.contains("  h1, h2: not recorded, 18 steps of 3 fetchers\n"), "{text}");
    }

    #[test]
    fn one_reason_is_one_line() {
        let mut report = ScanReport::default();
        for fetcher in ["cards", "bridges", "rooms"] {
            let sentence = format!("host `h2` did not answer `{fetcher}`");
            report.failures.push(failure(fetcher, FailureKind::Fetch(ErrorKind::Unreachable), Some("h2"), &sentence));
            for host in ["h1", "h3"] {
                let sentence = format!("host `{host}` refused the credentials");
                report.failures.push(failure(fetcher, FailureKind::Fetch(ErrorKind::Denied), Some(host), &sentence));
            }
        }
        report.failures.push(failure("odd", FailureKind::Parse, Some("h1"), "line 3 is no pair"));
        let text = failures_text(&report, 80, false);
        assert!(text.starts_with("\nfailed: 30 steps, for 3 reasons\n"), "{text}");
        assert!(text.contains("  h1, h3: denied, 18 steps of 3 fetchers\n"), "{text}");
        assert!(text.contains("  h2: unreachable, 9 steps of 3 fetchers\n"), "{text}");
        assert!(text.contains("    … and 2 more ways to say it\n"), "{text}");
        assert!(text.contains("at fetchers/odd.yaml:9:3\n"), "{text}");
        assert!(text.lines().count() < 20 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(failures_text(&report, 80, true).matches(" at fetchers/").count() >= 10, "all of them when asked for");
        assert_eq!(failures_text(&ScanReport::default(), 80, false), "");
    }
}
