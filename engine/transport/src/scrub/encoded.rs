//! Secrets within base64: text that looks like base64 is decoded and searched.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::recording::STARS;

/// How often something may be encoded in something encoded.
const DEPTH: u32 = 3;

/// Digits of base64 in either alphabet, on one line.
static ONE_LINE: LazyLock<Regex> = LazyLock::new(|| compile(&format!("{DIGIT}{{6,}}=*")));

/// The same, broken into lines.
static LINES: LazyLock<Regex> =
    LazyLock::new(|| compile(&format!(r"{DIGIT}{{4,}}(?:(?:\r?\n|(?:\\+r)?\\+n){DIGIT}+)+=*")));

const DIGIT: &str = r"(?:[A-Za-z0-9+/_-]|%2[BbFf]|\\+/)";

fn compile(pattern: &str) -> Regex {
    Regex::new(&format!("(?-u){pattern}")).expect("the patterns above are regular")
}

/// The text with every run of base64 replaced that holds what `finder` finds, or nothing when there is none.
///
/// # Units
/// `shortest` is the length of the shortest secret in bytes: what is too short to hold it is not looked into.
pub(super) fn hide(text: &[u8], finder: &Regex, shortest: usize) -> Option<Vec<u8>> {
    let mut changed: Option<Vec<u8>> = None;
    for runs in [&*ONE_LINE, &*LINES] {
        let text = changed.as_deref().unwrap_or(text);
        let mut out = Vec::new();
        let mut done = 0;
        for run in runs.find_iter(text) {
            if holds(run.as_bytes(), finder, shortest, DEPTH) {
                out.extend_from_slice(text.get(done..run.start()).unwrap_or_default());
                out.extend_from_slice(STARS.as_bytes());
                done = run.end();
            }
        }
        if done > 0 {
            out.extend_from_slice(text.get(done..).unwrap_or_default());
            changed = Some(out);
        }
    }
    changed
}

/// Whether any run of base64 in the text holds what `finder` finds.
pub(super) fn any(text: &[u8], finder: &Regex, shortest: usize) -> bool {
    any_to(text, finder, shortest, DEPTH)
}

fn any_to(text: &[u8], finder: &Regex, shortest: usize, depth: u32) -> bool {
    [&*ONE_LINE, &*LINES]
        .iter()
        .any(|runs| runs.find_iter(text).any(|run| holds(run.as_bytes(), finder, shortest, depth)))
}

/// The run may begin anywhere within a group of four digits: earlier text may touch it.
fn holds(run: &[u8], finder: &Regex, shortest: usize, depth: u32) -> bool {
    if run.len() < shortest {
        return false;
    }
    let digits = digits(run);
    (0..4).any(|start| {
        let Some(digits) = digits.get(start..) else { return false };
        let bytes = bytes(digits);
        bytes.len() >= shortest && (finder.is_match(&bytes) || depth > 1 && any_to(&bytes, finder, shortest, depth - 1))
    })
}

/// The values of the digits.
fn digits(run: &[u8]) -> Vec<u8> {
    let mut values = Vec::with_capacity(run.len());
    let mut rest = run.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b'A'..=b'Z' => values.push(byte - b'A'),
            b'a'..=b'z' => values.push(byte - b'a' + 26),
            b'0'..=b'9' => values.push(byte - b'0' + 52),
            b'+' | b'-' => values.push(62),
            b'/' | b'_' => values.push(63),
            // %2B and %2F
            b'%' => values.push(if rest.nth(1).is_some_and(|last| last.eq_ignore_ascii_case(&b'b')) { 62 } else { 63 }),
            // An escaped line break or slash: what follows the backslashes.
            b'\\' => {
                let after = rest.find(|byte| *byte != b'\\');
                if after == Some(b'/') {
                    values.push(63);
                }
            }
            _ => {}
        }
    }
    values
}

fn bytes(digits: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4 + 3);
    for group in digits.chunks(4) {
        let number =
            group.iter().fold(0_u32, |number, digit| number << 6 | u32::from(*digit)) << (6 * (4 - group.len()));
        let [_, first, second, third] = number.to_be_bytes();
        bytes.extend([first, second, third].into_iter().take(group.len() * 6 / 8));
    }
    bytes
}
