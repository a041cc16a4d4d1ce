//! Bounds of lists of mistakes: a maximum per file and in all, and the number of those left out.

use std::{collections::BTreeMap, sync::Arc};

use super::{Diagnostic, Label};

/// Mistakes of one file that are listed.
pub(crate) const MOST_OF_A_FILE: usize = 100;
/// Mistakes of all files that are listed.
const MOST_OF_ALL: usize = 2_000;

/// Says that there are more mistakes than are listed.
pub(crate) fn more(last: &Label, n_more: usize) -> Diagnostic {
    let label = Label { file: Arc::clone(&last.file), range: last.range.clone(), text: "the first of them".to_owned() };
    Diagnostic::new("spec/more", label, format!("and {} more", grouped(n_more)))
        .help("mend what is listed, and check again")
}

/// Writes a number with separators: `59,900`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// For how many a diagnostic stands.
fn counted(diagnostic: &Diagnostic) -> usize {
    if diagnostic.code != "spec/more" {
        return 1;
    }
    diagnostic.message.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(1)
}

/// Cuts a sorted list: each file's, then the whole.
pub(crate) fn bound(diagnostics: &mut Vec<Diagnostic>) {
    let mut n_of: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    let mut left_out: BTreeMap<Arc<str>, (Label, usize)> = BTreeMap::new();
    let mut n_listed = 0;
    diagnostics.retain(|diagnostic| {
        let n_here = n_of.entry(Arc::clone(&diagnostic.primary.file)).or_default();
        if diagnostic.code != "spec/more" && *n_here < MOST_OF_A_FILE && n_listed < MOST_OF_ALL {
            *n_here += 1;
            n_listed += 1;
            return true;
        }
        left_out.entry(Arc::clone(&diagnostic.primary.file)).or_insert_with(|| (diagnostic.primary.clone(), 0)).1 +=
            counted(diagnostic);
        false
    });
    // Files of which nothing is listed are counted together.
    let mut rest: Option<(Label, usize)> = None;
    for (file, (label, n_more)) in left_out {
        if n_of.get(&file).is_some_and(|n_here| *n_here > 0) {
            diagnostics.push(more(&label, n_more));
        } else {
            rest.get_or_insert((label, 0)).1 += n_more;
        }
    }
    diagnostics.extend(rest.map(|(label, n_more)| more(&label, n_more)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, n: usize) -> Vec<Diagnostic> {
        let label = |start| Label { file: Arc::from(file), range: start..start + 1, text: String::new() };
        (0..n).map(|start| Diagnostic::new("spec/unknown-key", label(start), "x")).collect()
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut all = found("a", 60_000);
        all.extend(found("b", 3));
        let mut counted_before = more(&all[0].primary, 5);
        counted_before.primary.range = 70_000..70_001;
        all.insert(60_000, counted_before);
        bound(&mut all);
        assert_eq!(all.len(), MOST_OF_A_FILE + 3 + 1);
        assert_eq!(all.last().expect("there are some").message, "and 59,905 more");
    }

    #[test]
    fn the_whole_is_bounded_as_well() {
        let mut all: Vec<Diagnostic> = (0..100).flat_map(|file| found(&format!("{file:03}"), 90)).collect();
        bound(&mut all);
        assert!(all.len() <= MOST_OF_ALL + 30, "{}", all.len());
        assert_eq!(all.iter().map(counted).sum::<usize>(), 9_000);
    }
}
