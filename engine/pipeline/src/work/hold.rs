//! Keeps a request while its scan runs: says how far it is, and hears that it must end.

use std::sync::Arc;

use calipso_store::work::{
    Beat, ScanTask, Versioned,
    scan::{self},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::work::{Shared, progress::Board};

/// Why a scan has to end before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It does not have to.
    No,
    /// Somebody wants it to.
    Cancelled,
    /// The request is another worker's, or gone.
    Lost,
    /// The worker stops.
    Stopping,
    /// It took longer than a scan may.
    TooLong,
}

/// A request that is kept.
pub(super) struct Hold {
    beating: JoinHandle<(Versioned<ScanTask>, Why)>,
    done: CancellationToken,
}

impl Hold {
    /// Begins; `cancel` is cancelled when the scan has to end.
    pub(super) fn begin(
        shared: Arc<Shared>,
        task: Versioned<ScanTask>,
        board: Arc<Board>,
        cancel: CancellationToken,
        hurry: CancellationToken,
    ) -> Self {
        let done = CancellationToken::new();
        let beating = tokio::spawn(beats(shared, task, board, cancel, hurry, done.clone()));
        Self { beating, done }
    }

    /// Ends; the request as it was written last, and whether the scan had to end. Nothing when keeping it met a fault of ours.
    pub(super) async fn end(self) -> Option<(Versioned<ScanTask>, Why)> {
        self.done.cancel();
        self.beating.await.ok()
    }
}

async fn beats(
    shared: Arc<Shared>,
    mut task: Versioned<ScanTask>,
    board: Arc<Board>,
    cancel: CancellationToken,
    hurry: CancellationToken,
    done: CancellationToken,
) -> (Versioned<ScanTask>, Why) {
    let limit = shared.settings.scan_timeout;
    let too_long = async move {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(too_long);
    let every = (shared.settings.lease / 3).min(shared.settings.beat);
    let mut why = Why::No;
    loop {
        tokio::select! {
            biased;
            () = done.cancelled() => return (task, why),
            () = hurry.cancelled(), if why == Why::No => {
                why = Why::Stopping;
                cancel.cancel();
                continue;
            }
            () = &mut too_long, if why == Why::No => {
                why = Why::TooLong;
                cancel.cancel();
                continue;
            }
            () = tokio::time::sleep(every) => {}
        }
        match scan::beat(shared.store(), &mut task, board.read(), shared.now(), shared.settings.lease).await {
            Ok(Beat::Go) => {}
            Ok(Beat::Cancel) => {
                if why == Why::No {
                    why = Why::Cancelled;
                    cancel.cancel();
                }
            }
            Ok(Beat::Lost) => {
                cancel.cancel();
                done.cancelled().await;
                return (task, Why::Lost);
            }
            // Whether it is still ours is found out by the next one; until then the environment's lease guards what is written.
            Err(error) => tracing::warn!(%error, scan = %task.id, "The store did not take how far a scan is."),
        }
    }
}
