//! Shell words: splitting a command as written, and quoting words so that a shell gives them back unchanged.

/// Splits text into words as a POSIX shell would: blanks separate, quotes and backslashes keep together.
///
/// # Errors
/// A quote that is not closed, or a backslash at the end.
pub(crate) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(char) => word.push(char),
                        None => return Err("a single quote is not closed".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(char @ ('"' | '\\' | '$' | '`')) => word.push(char),
                            Some('\n') => {}
                            Some(char) => word.extend(['\\', char]),
                            None => return Err("a double quote is not closed".to_owned()),
                        },
                        Some(char) => word.push(char),
                        None => return Err("a double quote is not closed".to_owned()),
                    }
                }
            }
            '\\' => match chars.next() {
                Some(char) => word.get_or_insert_default().push(char),
                None => return Err("a backslash ends the command".to_owned()),
            },
            char => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    Ok(words)
}

/// One word for a POSIX shell, whatever it holds (a zero byte aside, which no command line can carry).
pub(crate) fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The words of a command as one line that a person can read and copy.
pub(crate) fn join(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn splits_like_a_shell() {
        let split = |text| split(text).unwrap();
        assert_eq!(split("ip -j  link show"), ["ip", "-j", "link", "show"]);
        assert_eq!(split(r#"a 'b c' "d \"e\" \n" f\ g '' h"i"'j'"#), ["a", "b c", r#"d "e" \n"#, "f g", "", "hij"]);
        assert_eq!(split("  "), Vec::<String>::new());
        assert!(super::split("a 'b").is_err());
        assert!(super::split("a \"b").is_err());
        assert!(super::split("a \\").is_err());
    }

    proptest! {
        #[test]
        fn quoted_words_split_into_themselves(words in proptest::collection::vec("[^\0]{0,12}", 0..6)) {
            prop_assert_eq!(split(&join(&words)).unwrap(), words);
        }
    }
}
