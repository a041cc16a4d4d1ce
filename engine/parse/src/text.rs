//! Lines of a text, after the options that all line parsers share.

use std::borrow::Cow;

use regex::Regex;

use crate::pattern::{Faults, compile_optional};

/// What all parsers that read lines share. Every key is a regular expression tried on one line.
///
/// # Shape
/// The order is: cut (`after`, `before`), join (`continues`), then drop (`keep`, `skip`). Line breaks, also `\r\n`, are
/// no part of a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineOptions {
    /// Reading begins behind the first line that matches; without such a line there is nothing to read.
    pub after: Option<String>,
    /// Reading ends before the first line that matches.
    pub before: Option<String>,
    /// Only lines that match count.
    pub keep: Option<String>,
    /// Lines that match do not count.
    pub skip: Option<String>,
    /// A line that matches is joined to the one before with one space.
    pub continues: Option<String>,
}

/// A line and where it stood.
#[derive(Clone, Debug)]
pub(crate) struct Line<'a> {
    /// 1-based, in the text as received; of joined lines the first.
    pub(crate) number: usize,
    pub(crate) text: Cow<'a, str>,
}

/// Compiled line options.
#[derive(Clone, Debug)]
pub(crate) struct LineReader {
    after: Option<Regex>,
    before: Option<Regex>,
    keep: Option<Regex>,
    skip: Option<Regex>,
    continues: Option<Regex>,
}

impl LineReader {
    pub(crate) fn compile(options: &LineOptions, faults: &mut Faults) -> Self {
        Self {
            after: compile_optional("after", options.after.as_ref(), faults),
            before: compile_optional("before", options.before.as_ref(), faults),
            keep: compile_optional("keep", options.keep.as_ref(), faults),
            skip: compile_optional("skip", options.skip.as_ref(), faults),
            continues: compile_optional("continues", options.continues.as_ref(), faults),
        }
    }

    /// Whether every line is read as it is.
    pub(crate) fn is_plain(&self) -> bool {
        [&self.after, &self.before, &self.keep, &self.skip, &self.continues].iter().all(|option| option.is_none())
    }

    /// The lines that count, in order.
    pub(crate) fn read<'a>(&self, text: &'a str) -> Vec<Line<'a>> {
        let mut lines: Vec<Line<'a>> = Vec::new();
        let mut reading = self.after.is_none();
        for (index, line) in text.lines().enumerate() {
            if !reading {
                reading = matches(self.after.as_ref(), line);
                continue;
            }
            if matches(self.before.as_ref(), line) {
                break;
            }
            match lines.last_mut() {
                Some(last) if matches(self.continues.as_ref(), line) => {
                    let joined = last.text.to_mut();
                    joined.truncate(joined.trim_end().len());
                    joined.push(' ');
                    joined.push_str(line.trim_start());
                }
                _ => lines.push(Line { number: index + 1, text: Cow::Borrowed(line) }),
            }
        }
        if self.keep.is_some() || self.skip.is_some() {
            lines.retain(|line| {
                self.keep.as_ref().is_none_or(|keep| keep.is_match(&line.text))
                    && !matches(self.skip.as_ref(), &line.text)
            });
        }
        lines
    }
}

fn matches(regex: Option<&Regex>, line: &str) -> bool {
    regex.is_some_and(|regex| regex.is_match(line))
}
