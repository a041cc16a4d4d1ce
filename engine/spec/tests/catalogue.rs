//! The built-in catalogue: without mistakes, fast to check, and in an order for every supported environment.

use std::{path::Path, time::Instant};

use calipso_model::Environment;
use calipso_spec::{Layer, Severity, diag, load, read_layer, schedule, select};

fn layer() -> Layer {
    read_layer(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs"))).expect("the catalogue can be read")
}

#[test]
fn the_catalogue_has_no_mistake() {
    let loaded = load(&[layer()]);
    assert!(loaded.n_specs > 50, "only {} specs were found", loaded.n_specs);
    let errors: Vec<_> = loaded.diagnostics.iter().filter(|known| known.severity == Severity::Error).cloned().collect();
    assert!(errors.is_empty(), "{}", diag::text(&errors, &loaded.files, false));
}

#[test]
fn checking_takes_no_noticeable_time() {
    let layer = layer();
    let start = Instant::now();
    let loaded = load(&[layer]);
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} specs and {} tests in {:.0} ms, without optimization",
        loaded.n_specs,
        loaded.tests.len(),
        seconds * 1e3
    );
    // Without optimization and on a busy machine; the aim for the released program is 0.15 s.
    assert!(seconds < 10.0, "{seconds} s");
}

#[test]
fn fetchers_run_behind_what_they_need() {
    let loaded = load(&[layer()]);
    let mut n_environments = 0;
    for distribution in loaded.specs.distributions.values() {
        for variance in &distribution.variances {
            for driver in &variance.mechanism_drivers {
                let environment = Environment {
                    distribution: distribution.head.name.clone(),
                    version: distribution.versions.first().expect("a distribution has versions").clone(),
                    mechanism_drivers: vec![driver.clone()],
                    type_drivers: variance.type_drivers.clone(),
                    ..Environment::default()
                };
                let fetchers = select::fetchers(&loaded.specs, &environment, distribution);
                let schedule = schedule::schedule(&fetchers).expect("there is no circle");
                let stage = |name: &str| {
                    schedule.stages.iter().position(|stage| stage.iter().any(|known| known.as_ref() == name))
                };
                for fetcher in &fetchers {
                    let own = stage(&fetcher.head.name).expect("every fetcher has a stage");
                    for other in fetchers.iter().filter(|other| other.head.name != fetcher.head.name) {
                        let needed = other.emits.contains(&fetcher.under)
                            || fetcher.reads.iter().any(|read| other.emits.contains(read));
                        if needed {
                            let before = stage(&other.head.name).expect("every fetcher has a stage");
                            assert!(before < own, "{} runs before {}", fetcher.head.name, other.head.name);
                        }
                    }
                }
                n_environments += 1;
            }
        }
    }
    assert!(n_environments > 3, "only {n_environments} environments were looked at");
}

#[test]
fn a_second_reading_says_the_same() {
    let layer = layer();
    let (first, second) = (load(std::slice::from_ref(&layer)), load(std::slice::from_ref(&layer)));
    assert_eq!(first.diagnostics, second.diagnostics);
}
