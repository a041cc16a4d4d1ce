//! A writer of a file is killed again and again; what is in the file then.

use std::{path::PathBuf, sync::Arc};

use calipso_store::{Backend, Embedded, Options};

use crate::killed::{N, WRITER, kill_again_and_again, write_for_ever};

/// How often the writer is killed.
const KILLS: u32 = 60;

/// After every one of many kills the file is sound, and each revision it has is whole.
#[test]
fn one_whole_revision_after_every_kill() {
    if let Some(path) = std::env::var_os(WRITER) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let store = Embedded::open(&PathBuf::from(path), Options::default()).unwrap();
        return runtime.block_on(write_for_ever(&store));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed.store");
    kill_again_and_again(KILLS, "kill::one_whole_revision_after_every_kill", &|_| path.display().to_string(), &|| {
        let path = path.clone();
        Box::pin(async move {
            let store = Embedded::open(&path, Options::default()).unwrap();
            store.verify().await.unwrap();
            Arc::new(store) as Arc<dyn Backend>
        })
    });
    // No garbage: with all but the current revision pruned the file holds that one and nothing else.
    let file = rusqlite::Connection::open(&path).unwrap();
    let count = |table: &str| -> u64 {
        let count: i64 = file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        count as u64
    };
    let counts =
        ["object", "link", "clique", "member", "object_past", "link_past", "clique_past", "revision"].map(count);
    assert_eq!(counts, [N + 1, N, N / 4, N, 0, 0, 0, 1]);
    // Things, the guest, and the parent of the scope.
    assert_eq!(count("key"), N + 2);
}
