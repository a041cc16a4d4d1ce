//! `test --watch`: runs again whenever a file of the specs changes.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{failure::Failure, session::Session};

/// How often the files are looked at. Asking for times of files works on every file system, and needs no library.
const PAUSE: Duration = Duration::from_millis(300);

/// # Errors
/// There is no folder to watch.
pub(super) fn watch(session: &Session, run: impl Fn() -> Result<(), Failure>) -> Result<(), Failure> {
    let folders: Vec<PathBuf> = session.settings.list("specs").iter().map(PathBuf::from).collect();
    if folders.is_empty() {
        return Err(Failure::usage("there is nothing to watch: the built-in specs do not change")
            .help("name a folder with --specs DIR"));
    }
    let mut before = None;
    loop {
        let now = times(&folders);
        if before.as_ref() != Some(&now) {
            if before.is_some() {
                println!();
            }
            if let Err(failure) = run() {
                println!("{failure}");
            }
            println!("watching {}; Ctrl-C ends", names(&folders));
            // What changed while the tests ran is seen the next time.
            before = Some(now);
        }
        std::thread::sleep(PAUSE);
    }
}

fn names(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Time and size of every file.
fn times(folders: &[PathBuf]) -> BTreeMap<PathBuf, (Option<SystemTime>, u64)> {
    fn gather(folder: &Path, found: &mut BTreeMap<PathBuf, (Option<SystemTime>, u64)>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.metadata() {
                Ok(about) if about.is_dir() => gather(&path, found),
                Ok(about) => {
                    found.insert(path, (about.modified().ok(), about.len()));
                }
                Err(_) => {}
            }
        }
    }
    let mut found = BTreeMap::new();
    for folder in folders {
        gather(folder, &mut found);
    }
    found
}
