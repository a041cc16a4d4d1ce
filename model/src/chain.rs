//! Errors with their causes, for people.

use std::error::Error;

/// What an error says, followed by what each of its causes says, from the outside in, with colons between.
///
/// # Shape
/// An error prints itself only, and leaves its causes to its reader. Libraries that print their cause as their own last words
/// are not made to say it twice.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let sentence = error.to_string();
        if !sentence.is_empty() && !text.ends_with(&sentence) {
            text.push_str(": ");
            text.push_str(&sentence);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as _)
        }
    }

    #[test]
    fn causes_follow_from_the_outside_in_and_none_is_said_twice() {
        let inner = Layer("connection refused", None);
        let middle = Layer("no connection: connection refused", Some(Box::new(inner)));
        assert_eq!(
            chain(&Layer("the scan failed", Some(Box::new(middle)))),
            "the scan failed: no connection: connection refused"
        );
    }
}
