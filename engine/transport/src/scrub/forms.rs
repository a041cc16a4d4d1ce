//! Every way in which a known secret may be written, as one pattern.

use std::{collections::BTreeSet, fmt::Write as _};

use base64::{Engine as _, alphabet, engine::general_purpose::STANDARD_NO_PAD};
use regex::bytes::{Regex, RegexBuilder};

/// Letters and digits of longer secrets are looked for as they are only.
const LONG: usize = 64;

/// A pattern that finds any of the secrets in any form that one can read without decoding anything longer than it.
pub(super) fn finder(secrets: &BTreeSet<String>) -> Regex {
    let mut patterns: BTreeSet<String> = BTreeSet::new();
    for secret in secrets {
        patterns.insert(escaped(secret));
        patterns.insert(format!("(?i-u:{})", hex(secret.as_bytes())));
        patterns.extend(base64_cores(secret.as_bytes()).iter().map(|core| escaped_digits(core)));
    }
    // The longest first, so that a secret that begins like another one is hidden whole.
    let mut patterns: Vec<String> = patterns.into_iter().collect();
    patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.len()));
    RegexBuilder::new(&patterns.join("|"))
        .unicode(false)
        .size_limit(1 << 30)
        .dfa_size_limit(1 << 26)
        .build()
        .expect("the pattern is made of escaped characters")
}

/// The secret, each character as it is or in any of the escaped forms.
fn escaped(secret: &str) -> String {
    let is_long = secret.chars().count() > LONG;
    let mut pattern = String::new();
    for char in secret.chars() {
        let literal = bytes_literal(char.encode_utf8(&mut [0; 4]).as_bytes());
        if is_long && char.is_ascii_alphanumeric() {
            pattern += &literal;
            continue;
        }
        let mut forms = vec![literal.clone()];
        let mut buffer = [0; 4];
        let encoded: Vec<String> =
            char.encode_utf8(&mut buffer).bytes().map(|byte| format!("%(?:25)*(?i:{byte:02x})")).collect();
        forms.push(encoded.concat());
        let mut units = [0; 2];
        let unicode: Vec<String> =
            char.encode_utf16(&mut units).iter().map(|unit| format!(r"\\+u(?i:{unit:04x})")).collect();
        forms.push(unicode.concat());
        forms.push(format!("&(?:amp;)*#0*{};", u32::from(char)));
        forms.push(format!("&(?:amp;)*#[xX]0*(?i:{:x});", u32::from(char)));
        match char {
            ' ' => forms.push(r"\+".to_owned()),
            '\'' => forms.extend([r"'\\+''".to_owned(), r#"'"'"'"#.to_owned(), "&(?:amp;)*apos;".to_owned()]),
            '"' => forms.push("&(?:amp;)*quot;".to_owned()),
            '&' => forms.push("&(?:amp;)+".to_owned()),
            '<' => forms.push("&(?:amp;)*lt;".to_owned()),
            '>' => forms.push("&(?:amp;)*gt;".to_owned()),
            '\n' => forms.push(r"\\+n".to_owned()),
            '\r' => forms.push(r"\\+r".to_owned()),
            '\t' => forms.push(r"\\+t".to_owned()),
            _ => {}
        }
        // The longer form first: `'` is the beginning of `'\''`.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        let _ = match char {
            '\\' => write!(pattern, r"(?:\\+|{})", forms.join("|")),
            char if char.is_ascii_punctuation() => write!(pattern, r"\\*(?:{})", forms.join("|")),
            _ => write!(pattern, "(?:{})", forms.join("|")),
        };
    }
    pattern
}

fn bytes_literal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!(r"\x{byte:02x}")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The characters of base64 that the bytes alone decide, for each of the three places where they may begin, in both
/// alphabets.
fn base64_cores(bytes: &[u8]) -> BTreeSet<String> {
    let url = base64::engine::GeneralPurpose::new(&alphabet::URL_SAFE, base64::engine::general_purpose::NO_PAD);
    let mut cores = BTreeSet::new();
    for before in 0..3 {
        let padded = [&[0; 2][..before], bytes].concat();
        let first = (before * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        for text in [STANDARD_NO_PAD.encode(&padded), url.encode(&padded)] {
            if let Some(core) = text.get(first..last).filter(|core| core.len() >= 3) {
                cores.insert(core.to_owned());
            }
        }
    }
    cores
}

/// Base64 digits that may be escaped.
fn escaped_digits(core: &str) -> String {
    let one = |char: char| match char {
        '+' => r"(?:\+|%(?:25)*2[Bb]|\\+u002[Bb])".to_owned(),
        '/' => r"(?:\\*/|%(?:25)*2[Ff])".to_owned(),
        char => char.to_string(),
    };
    core.chars().map(one).collect()
}
