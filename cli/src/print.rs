//! The way out: everything that this crate prints goes through here, so that no text of others steers a terminal, and nobody
//! who stops reading makes a command panic.

use std::{
    fmt,
    io::{ErrorKind, Write},
    sync::OnceLock,
};

use calipso_model::shown;

/// Why standard output could not be written; nothing when its reader only closed it early.
static LOST: OnceLock<String> = OnceLock::new();

/// As the macro of the standard library, without what steers a terminal.
macro_rules! print {
    ($($part:tt)*) => { $crate::print::out(format_args!($($part)*), "") };
}

/// As the macro of the standard library, without what steers a terminal.
macro_rules! println {
    () => { $crate::print::out(format_args!(""), "\n") };
    ($($part:tt)*) => { $crate::print::out(format_args!($($part)*), "\n") };
}

/// As the macro of the standard library, without what steers a terminal.
macro_rules! eprint {
    ($($part:tt)*) => { $crate::print::error(format_args!($($part)*), "") };
}

/// As the macro of the standard library, without what steers a terminal.
macro_rules! eprintln {
    ($($part:tt)*) => { $crate::print::error(format_args!($($part)*), "\n") };
}

/// Writes to standard output.
pub fn out(text: fmt::Arguments<'_>, end: &str) {
    let mut text = text.to_string();
    text.push_str(end);
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(shown::coloured(&text).as_bytes()).and_then(|()| stdout.flush());
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // Only the first reason is told.
        let _ = LOST.set(error.to_string());
    }
}

/// Writes to standard error. A failure to do so cannot be reported.
pub fn error(text: fmt::Arguments<'_>, end: &str) {
    let mut text = text.to_string();
    text.push_str(end);
    let _ = std::io::stderr().lock().write_all(shown::coloured(&text).as_bytes());
}

/// Why some of the output is lost, if it is.
#[must_use]
pub fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// Standard error for the log.
#[derive(Clone, Copy, Debug)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // The log is written an event at a time.
        let text = String::from_utf8_lossy(bytes);
        std::io::stderr().lock().write_all(shown::coloured(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}
