//! The tutorial, word for word: its files are written, its commands run, and what they print must be what it shows.
//! `BLESS=1` writes what they print into it.

use std::{fs, process::Stdio};

use crate::serve::{Home, program, root};

/// One part of the tutorial that is done.
enum Part {
    /// A file to write: path and text.
    File(String, String),
    /// Commands, the exit code that they end with, and what they print.
    Commands(String, i32, String),
}

/// The tutorial, cut at its marks: text that is only read, each with the part behind it.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((_, marked)) = rest.split_once("<!-- ") {
        let (mark, after) = marked.split_once(" -->\n").expect("a mark ends with its line");
        rest = after;
        if let Some(file) = mark.strip_prefix("file ") {
            let (text, after) = block(rest, "yaml");
            parts.push(Part::File(file.to_owned(), text));
            rest = after;
        } else {
            let code = match mark {
                "tutorial" => 0,
                "tutorial: ends with 1" => 1,
                other => panic!("nobody knows the mark `{other}`"),
            };
            let (commands, after) = block(rest, "sh");
            let (printed, after) = block(after, "text");
            parts.push(Part::Commands(commands, code, printed));
            rest = after;
        }
    }
    parts
}

/// The block of code that stands first, and what comes behind it.
fn block<'a>(text: &'a str, language: &str) -> (String, &'a str) {
    let begin = format!("```{language}\n");
    let inside = text.strip_prefix(&begin).unwrap_or_else(|| panic!("no {begin} in front of {text:.60}"));
    let end = if inside.starts_with("```") { 0 } else { inside.find("\n```").expect("a block ends") + 1 };
    (inside[..end].to_owned(), inside[end..].trim_start_matches("```\n"))
}

/// Without how long things took, which is never the same twice, and how many branches the built-in specs have.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.strip_suffix(" ms") {
        Some(counted) => format!("{} ms\n", counted.replace(|letter: char| letter.is_ascii_digit(), "")),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn does_what_it_says() {
    let home = Home::new();
    let folder = home.folder.path();
    std::os::unix::fs::symlink(root().join("tests"), folder.join("tests")).expect("a link to the recordings");
    let path = std::env::var("PATH").unwrap_or_default();
    let programs = program().parent().expect("the program is in a folder").display().to_string();
    let file = root().join("docs/tutorial.md");
    let tutorial = fs::read_to_string(&file).expect("the tutorial can be read");
    let blesses = std::env::var_os("BLESS").is_some();
    let (mut wrong, mut blessed) = (Vec::new(), tutorial.clone());
    let mut n_commands = 0;
    for part in parts(&tutorial) {
        match part {
            Part::File(path, text) => fs::write(folder.join(path), text).expect("`spec new` made the folder"),
            Part::Commands(commands, code, printed) => {
                n_commands += 1;
                let output = home
                    .shell("timeout", &["120", "bash", "-c", &format!("set -e\n{commands}")])
                    .env("PATH", format!("{programs}:{path}"))
                    .env_remove("CALIPSO_STORE")
                    .env("COLUMNS", "120")
                    .stdin(Stdio::null())
                    .output()
                    .expect("bash starts");
                let said =
                    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
                if output.status.code() != Some(code) {
                    wrong.push(format!("{commands}ended with {}:\n{said}", output.status));
                } else if without_times(&said) != without_times(&printed) {
                    wrong.push(format!("{commands}printed\n{said}\nbut the tutorial shows\n{printed}"));
                }
                blessed = blessed.replacen(
                    &format!("```sh\n{commands}```\n```text\n{printed}```\n"),
                    &format!("```sh\n{commands}```\n```text\n{said}```\n"),
                    1,
                );
            }
        }
    }
    assert!(n_commands >= 9, "only {n_commands} blocks of commands");
    if blesses {
        fs::write(&file, blessed).expect("the tutorial can be written");
    }
    assert!(wrong.is_empty() || blesses, "{}", wrong.join("\n\n"));
}
