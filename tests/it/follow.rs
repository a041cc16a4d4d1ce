//! A scan by command of an environment that a worker is at.

use std::{process::Stdio, sync::Arc, time::Duration};

use calipso_pipeline::{CancellationToken, Doors, LayeredSpecs, NoSecrets, Worker, WorkerSettings, work::Parts};
use calipso_store::{
    Backend, Embedded, Expect, Options,
    work::{self, ScanStatus, ScanTask},
};
use calipso_transport::Once;

use crate::{
    fencing::{eventually, layer, now, replay, shop},
    serve::Home,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_by_command_is_asked_of_the_worker_that_is_at_the_environment() {
    let home = Home::new();
    let path = home.folder.path().join("store.db");
    let store: Arc<dyn Backend> = Arc::new(Embedded::open(&path, Options::default()).expect("the store opens"));
    store.put_environment(&shop(), Expect::Nothing).await.expect("the store takes it");
    // A worker took a request, and does not say any more for an hour.
    let asked = ScanTask { environment: "shop".into(), ..ScanTask::default() };
    work::scan::submit(&*store, asked, now()).await.expect("the store takes it");
    let hour = Duration::from_secs(3600);
    let mut held = work::scan::claim(&*store, "busy", now(), hour).await.expect("it can be taken").expect("it waits");

    let mut command = home.command(&["scan", "shop", "--specs"]);
    command.arg(crate::cloud::root().join("engine/pipeline/tests/specs"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let waiting = || async {
        let all = work::all::<ScanTask>(&*store, &calipso_store::RecordQuery::all()).await.expect("they can be read");
        all.into_iter().find(|task| &*task.row.submitted_by == "calipso scan")
    };
    let request = eventually("the command asks", waiting).await;
    assert_eq!(request.row.status, ScanStatus::Pending);

    // The worker ends what it had, and takes what waits.
    let ended = work::scan::finish(&*store, &mut held, ScanStatus::Aborted, None, None, None, None, now()).await;
    assert_eq!(ended.expect("it can be written"), work::Beat::Go);
    let doors: Doors = Arc::new(|_| Arc::new(Once::new(replay(false))));
    let settings = WorkerSettings {
        name: "next".into(),
        poll: Duration::from_millis(20),
        is_live: false,
        ..WorkerSettings::default()
    };
    let parts = Parts {
        store: Arc::clone(&store),
        specs: Arc::new(LayeredSpecs::new(vec![layer()])),
        secrets: Arc::new(NoSecrets),
        doors,
        clock: Arc::new(jiff::Timestamp::now),
    };
    let stop = CancellationToken::new();
    let worker = tokio::spawn({
        let (worker, stop) = (Worker::new(settings, parts), stop.clone());
        async move { worker.run(stop).await }
    });
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.expect("it is no fault of ours");
    let output = output.expect("the command ends");
    stop.cancel();
    worker.await.expect("the worker ends");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(err.contains("busy is at shop: it is asked for this scan as well"), "{err}");
    assert!(out.starts_with("scan of shop by next: completed, revision 1\n"), "{out}");
    assert_eq!(store.current("shop").await.expect("it can be read"), 1);
}
