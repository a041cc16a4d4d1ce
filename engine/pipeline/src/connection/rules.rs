//! Rewrites the commands of hosts as the distribution says.

use calipso_expr::{EvalError, Expr, Fuel, Layout};
use calipso_model::Value;
use calipso_spec::checked::CommandRule;

use crate::scope_values::ScopeValues;

/// One command that really runs, and when its refusal means "none here".
pub(crate) struct Rewritten<'a> {
    pub(crate) words: Vec<String>,
    pub(crate) none_if: Option<(&'a Expr, &'a Layout)>,
}

/// The rule that a command meets: the first whose pattern fits its first words.
pub(crate) fn rule_for<'a>(
    rules: impl IntoIterator<Item = &'a CommandRule>,
    words: &[String],
) -> Option<&'a CommandRule> {
    rules.into_iter().find(|rule| rule.match_any.iter().any(|pattern| fits(pattern, words)))
}

/// What a command becomes.
///
/// # Errors
/// A value that the rule's command needs is not there.
pub(crate) fn rewrite<'a>(
    rule: Option<&'a CommandRule>,
    words: &[String],
    values: &ScopeValues,
) -> Result<Vec<Rewritten<'a>>, EvalError> {
    let Some(rule) = rule else { return Ok(vec![Rewritten { words: words.to_vec(), none_if: None }]) };
    let mut frame = calipso_expr::Frame::new(rule.layout.len());
    values.set(&rule.layout, &mut frame);
    frame.bind(&rule.layout, "command", Value::list(words.iter().map(|word| Value::text(word)).collect()));
    let runs = rule.run.iter().map(|run| {
        let words = run.command.eval(&frame, &mut Fuel::default())?;
        Ok(Rewritten { words, none_if: run.none_if.as_ref().map(|none_if| (none_if, &*rule.layout)) })
    });
    runs.collect()
}

/// Whether the pattern's words are the first words of the command.
fn fits(pattern: &[calipso_model::Str], words: &[String]) -> bool {
    pattern.len() <= words.len() && pattern.iter().zip(words).all(|(pattern, word)| glob(pattern, word))
}

/// `*` stands for any characters, none included.
fn glob(pattern: &str, word: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| word.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(found) = rest.find(part) else { return false };
        rest = rest.get(found + part.len()..).unwrap_or_default();
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, word, fits) in [
            ("tool", "tool", true),
            ("tool", "tools", false),
            ("t*", "t", true),
            ("ns-*", "ns-17", true),
            ("ns-*", "other", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(glob(pattern, word), fits, "{pattern} {word}");
        }
    }

    #[test]
    fn patterns_match_the_first_words() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let pattern: Vec<calipso_model::Str> = vec!["show".into(), "net*".into()];
        assert!(fits(&pattern, &words("show networks all")));
        assert!(!fits(&pattern, &words("show")));
        assert!(!fits(&pattern, &words("show all networks")));
    }
}
