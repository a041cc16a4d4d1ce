//! Mistakes as authors make them: the built-in specs with one seeded change each, and where `check` must point.
//!
//! `cargo test -p calipso-spec --test mistakes -- --nocapture` prints what was caught at the right line, elsewhere, or not
//! at all. A change is a mistake only if the spec means something else, or nothing, afterwards: misspelt names of the
//! author's own that nothing refers to, prose, and attributes of documents that only the asked interface knows are not
//! among them (see the conditions at each kind). "The right line" is the line of the change, or the line that the kind
//! names (what is missing is missed where its map begins; of two ends that no longer fit, either will do). A folded
//! expression is one place: pointing at the whole of it is right.

mod kinds;
mod more_kinds;
mod text;
mod variations;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use calipso_model::Str;
use calipso_spec::{Layer, Loaded, diag::Lines, load};
use text::{Chance, File};

/// So many of each kind, where there are as many places.
const OF_A_KIND: usize = 15;
/// Each kind has at least so many.
const LEAST_OF_A_KIND: usize = 15;

/// One change, and the lines (from 1) at which it may be reported.
pub struct Mistake {
    /// Which kind.
    pub kind: &'static str,
    /// The file.
    pub path: String,
    /// Its text with the change.
    pub text: String,
    /// Where it may be reported.
    pub lines: Vec<usize>,
    /// In words.
    pub what: String,
}

impl Mistake {
    /// A line of a file written anew.
    pub fn line(kind: &'static str, file: &File, number: usize, new: &str) -> Self {
        let mut lines: Vec<&str> = file.lines();
        let what = format!("{}  ->  {}", lines[number].trim(), new.trim());
        lines[number] = new;
        let text = lines.join("\n") + "\n";
        Self { kind, path: file.path.clone(), text, lines: vec![number + 1], what }
    }

    /// A line put in behind another.
    pub fn behind(kind: &'static str, file: &File, number: usize, new: &str) -> Self {
        let mut lines: Vec<&str> = file.lines();
        lines.insert(number + 1, new);
        let text = lines.join("\n") + "\n";
        Self { kind, path: file.path.clone(), text, lines: vec![number + 2], what: format!("+ {}", new.trim()) }
    }

    /// Also right at other lines.
    pub fn or_at(mut self, lines: impl IntoIterator<Item = usize>) -> Self {
        self.lines.extend(lines);
        self
    }
}

fn catalogue() -> Vec<File> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs"));
    let layer = calipso_spec::read_layer(root).expect("the built-in specs are there");
    layer
        .files
        .into_iter()
        .filter(|(path, _)| path.ends_with(".yaml") && !path.ends_with(".test.yaml"))
        .map(|(path, text)| File { path: path.to_string(), text: text.to_string() })
        .collect()
}

fn loaded(files: &[File], changed: Option<(&str, &str)>) -> Loaded {
    let files = files
        .iter()
        .map(|file| {
            let text = match changed {
                Some((path, text)) if path == file.path => text,
                _ => &file.text,
            };
            (Str::from(file.path.as_str()), Arc::from(text))
        })
        .collect();
    load(&[Layer { name: "built-in".into(), files }])
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Here,
    Elsewhere,
    Missed,
}

fn outcome(files: &[File], mistake: &Mistake) -> (Outcome, String) {
    let loaded = loaded(files, Some((&mistake.path, &mistake.text)));
    let lines = Lines::new(&mistake.text);
    let here = loaded.diagnostics.iter().any(|found| {
        let range = &found.primary.range;
        let first = lines.line_column(&mistake.text, range.start).0 as usize;
        let last = lines.line_column(&mistake.text, range.end.saturating_sub(1).max(range.start)).0 as usize;
        // One place may be a folded text of several lines.
        let whole = last - first < 8;
        found.primary.file.as_ref() == mistake.path
            && mistake.lines.iter().any(|line| first == *line || whole && (first..=last).contains(line))
    });
    let says = loaded
        .diagnostics
        .first()
        .map(|found| {
            let text = loaded.files.get(&found.primary.file).map(|text| text.to_string()).unwrap_or_default();
            let (line, _) = Lines::new(&text).line_column(&text, found.primary.range.start);
            format!("{}:{line} [{}] {}", found.primary.file, found.code, found.message)
        })
        .unwrap_or_default();
    let outcome = match (here, loaded.diagnostics.is_empty()) {
        (true, _) => Outcome::Here,
        (false, true) => Outcome::Missed,
        (false, false) => Outcome::Elsewhere,
    };
    (outcome, says)
}

/// Chosen by chance, each change once.
fn chosen(files: &[File], seed: u64, of_a_kind: usize) -> Vec<Mistake> {
    let mut chance = Chance(seed);
    let mut all: Vec<Mistake> = Vec::new();
    let mut kinds: BTreeMap<&'static str, Vec<Mistake>> = BTreeMap::new();
    for mistake in kinds::all(files, &mut chance).into_iter().chain(more_kinds::all(files, &mut chance)) {
        kinds.entry(mistake.kind).or_default().push(mistake);
    }
    for (_, mut candidates) in kinds {
        let mut seen = std::collections::BTreeSet::new();
        candidates.retain(|mistake| {
            let new = files.iter().all(|file| file.path != mistake.path || file.text != mistake.text);
            new && seen.insert((mistake.path.clone(), mistake.text.clone()))
        });
        for _ in 0..of_a_kind.min(candidates.len()) {
            let place = chance.below(candidates.len());
            all.push(candidates.swap_remove(place));
        }
    }
    all
}

#[test]
fn mistakes_are_found_where_they_are_made() {
    let files = catalogue();
    assert!(loaded(&files, None).diagnostics.is_empty(), "the built-in specs have no mistake");
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("MISTAKES_SEED").unwrap_or(1);
    let of_a_kind = number("MISTAKES_OF_A_KIND").map_or(OF_A_KIND, |n| usize::try_from(n).unwrap_or(OF_A_KIND));
    let mistakes = chosen(&files, seed, of_a_kind);
    let n_workers = std::thread::available_parallelism().map_or(2, usize::from);
    let results: Vec<(usize, (Outcome, String))> = std::thread::scope(|scope| {
        let (files, mistakes) = (&files, &mistakes);
        let workers: Vec<_> = (0..n_workers)
            .map(|first| {
                scope.spawn(move || {
                    let mine = mistakes.iter().enumerate().skip(first).step_by(n_workers);
                    mine.map(|(place, mistake)| (place, outcome(files, mistake))).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a check ends")).collect()
    });
    let mut of_kind: BTreeMap<&str, BTreeMap<Outcome, usize>> = BTreeMap::new();
    let mut listed = Vec::new();
    for (place, (outcome, says)) in results {
        let mistake = &mistakes[place];
        *of_kind.entry(mistake.kind).or_default().entry(outcome).or_default() += 1;
        match outcome {
            Outcome::Here => {}
            Outcome::Elsewhere => listed.push(format!(
                "elsewhere  {}: {}:{}  {}\n           {says}",
                mistake.kind, mistake.path, mistake.lines[0], mistake.what
            )),
            Outcome::Missed => listed
                .push(format!("missed     {}: {}:{}  {}", mistake.kind, mistake.path, mistake.lines[0], mistake.what)),
        }
    }
    let count = |counts: &BTreeMap<Outcome, usize>, outcome| counts.get(&outcome).copied().unwrap_or_default();
    let mut total = [0usize; 3];
    println!("{:>6} {:>9} {:>6}  kind", "here", "elsewhere", "missed");
    for (kind, counts) in &of_kind {
        let row = [Outcome::Here, Outcome::Elsewhere, Outcome::Missed].map(|outcome| count(counts, outcome));
        println!("{:>6} {:>9} {:>6}  {kind}", row[0], row[1], row[2]);
        total = [total[0] + row[0], total[1] + row[1], total[2] + row[2]];
    }
    listed.sort();
    println!("{}", listed.join("\n"));
    let n: usize = total.iter().sum();
    let share = 100.0 * total[0] as f64 / n as f64;
    println!(
        "{n} mistakes: {} caught at the right line ({share:.1} %), {} elsewhere, {} missed",
        total[0], total[1], total[2]
    );
    let few: Vec<&&str> = of_kind
        .iter()
        .filter(|(_, counts)| counts.values().sum::<usize>() < LEAST_OF_A_KIND.min(of_a_kind))
        .map(|(kind, _)| kind)
        .collect();
    assert!(few.is_empty(), "kinds with fewer than {LEAST_OF_A_KIND} mistakes: {few:?}");
    assert!(n >= 400.min(of_a_kind * of_kind.len()), "only {n} mistakes");
    assert!(
        share >= 99.0,
        "{share:.1} % of the mistakes are caught at the right line; 99 % are wanted\n{}",
        listed.join("\n")
    );
}

#[test]
fn what_means_the_same_gives_no_finding() {
    let files = catalogue();
    for (name, changed) in variations::all(&files) {
        let loaded = loaded(&changed, None);
        let report = calipso_spec::diag::text(&loaded.diagnostics, &loaded.files, false);
        assert!(report.is_empty(), "{name}:\n{report}");
        let before: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
        assert!(changed.iter().any(|file| !before.contains(&file.text.as_str())), "{name} changes nothing");
    }
}

#[test]
fn the_seed_gives_the_same_mistakes() {
    let files = catalogue();
    let texts = |seed| chosen(&files, seed, 2).into_iter().map(|mistake| mistake.text).collect::<Vec<_>>();
    assert_eq!(texts(7), texts(7));
    assert_ne!(texts(7), texts(8));
}
