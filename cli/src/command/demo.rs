//! `demo`: a recorded cloud, before and after a change, scanned into a store and shown.

use std::sync::Arc;

use calipso_model::{Object, Str, chain};
use calipso_pipeline::ScanMode;
use calipso_store::{CliqueQuery, Expect, Page};
use calipso_transport::Recording;

use crate::{
    args::{self, DemoArgs, OutputFormat},
    command::{
        diff,
        look::graph_text,
        scan::{ScanOptions, environment_of, perform, summary},
    },
    embedded,
    failure::{Exit, Failure},
    output::marked,
    session::{Session, store_failure},
    show,
};

/// `demo`.
///
/// # Errors
/// A bug of ours, or a place that cannot be written.
pub async fn run(session: &Session, args: &DemoArgs) -> Result<(), Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::new(Exit::Bug, format!("cannot make a temporary folder: {error}")))?;
    embedded::write_demo(folder.path())
        .map_err(|error| Failure::new(Exit::Bug, format!("cannot write the recordings: {error}")))?;
    let store_file = args.keep.clone().unwrap_or_else(|| folder.path().join("store.db"));
    let session = session.with_store(store_file.clone());
    let specs = Arc::new(session.specs()?.specs);
    let store = session.store().await?;
    let title = |text: &str| {
        let (bold, plain) = if session.colour { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
        let rest = "─".repeat(session.width.min(110).saturating_sub(text.chars().count() + 4));
        println!("\n{bold}── {text} {rest}{plain}\n")
    };

    for (recording, text) in [("before", "A scan of a recorded cloud"), ("after", "The same cloud a little later")] {
        let dir = folder.path().join(recording);
        let found = Recording::read(&dir).map_err(|error| Failure::new(Exit::Bug, chain(&error)))?;
        let environment = environment_of(&found, "demo")
            .ok_or_else(|| Failure::new(Exit::Bug, "the demo's recording tells of no environment"))?;
        store.put_environment(&environment, Expect::Anything).await.map_err(store_failure)?;
        let wanted =
            ScanOptions { mode: ScanMode::Full, clear: false, record: None, no_secrets: false, replay: Some(&dir) };
        let report = perform(&session, &specs, store.clone(), &environment, &wanted).await?.report;
        title(text);
        print!("{}", summary(&report, session.table_width, false));
    }

    title("The inventory at the first revision, as a tree");
    let mut objects: Vec<Object> = Vec::new();
    store
        .stream_objects("demo", Some(1), &mut |found| {
            objects.extend(found);
            Ok(())
        })
        .await
        .map_err(store_failure)?;
    print!("{}", show::tree(&objects, &show::StaleSince::new()));

    title("What one instance's packets pass on their way to the wire");
    let query = CliqueQuery { types: vec![Str::from(FOCUS)], ..CliqueQuery::default() };
    let cliques = store.cliques("demo", Some(1), &query, &Page::first(1000)).await.map_err(store_failure)?.items;
    // The one with the most to see.
    let Some(clique) = cliques.iter().max_by_key(|clique| (clique.nodes.len(), std::cmp::Reverse(&clique.focal_point)))
    else {
        return Err(Failure::new(Exit::Bug, "the demo has no clique"));
    };
    let graph = args::GraphArgs {
        environment: "demo".to_owned(),
        object: clique.focal_point.to_string(),
        around: None,
        revision: Some(1),
        format: args::PictureFormat::Text,
    };
    print!("{}", graph_text(&session, store.as_ref(), &graph).await?);

    title("What changed between the two revisions");
    let difference = store.diff("demo", 1, 2).await.map_err(store_failure)?;
    let text = diff::text(&session, store.as_ref(), "demo", &difference, false, OutputFormat::Table).await?;
    print!("{}", marked(&text, session.colour));

    title("Look around");
    match &args.keep {
        Some(file) => {
            println!("export CALIPSO_STORE={}", file.display());
            for line in [
                "get objects demo -o tree",
                "get links demo --limit 20",
                "graph demo alpha-vm1 --format mermaid",
                "search demo 10.101.1.11",
                "diff demo --all",
                "explain plan demo",
            ] {
                println!("calipso {line}");
            }
        }
        None => println!(
            "`calipso demo --keep demo.db` does the same, keeps the store, and lists commands to look around with."
        ),
    }
    Ok(())
}

/// The object type whose clique the demo draws.
const FOCUS: &str = "instance";
