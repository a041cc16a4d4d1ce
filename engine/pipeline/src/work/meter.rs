//! Figures for whoever watches the worker.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use calipso_store::{
    Backend, Collection, RecordQuery, StoreError,
    work::{ScanStatus, TestStatus},
};
use calipso_transport::{Call, Door, Exchange};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// Says what each figure means, to the exporter that is installed.
pub fn describe_metrics() {
    describe_counter!("calipso_scans_total", "Requests for scans that ended, by status.");
    describe_counter!("calipso_connection_tests_total", "Connection tests that were answered.");
    describe_counter!("calipso_calls_total", "Calls to sources, by role and by whether there was an answer.");
    describe_histogram!("calipso_call_seconds", metrics::Unit::Seconds, "How long calls to sources took, by role.");
    describe_histogram!("calipso_scan_seconds", metrics::Unit::Seconds, "How long scans took that were kept.");
    describe_gauge!("calipso_scans_pending", "Requests for scans that wait.");
    describe_gauge!("calipso_scans_running", "Requests for scans that a worker has.");
    describe_gauge!("calipso_connection_tests_pending", "Requests for connection tests that wait.");
}

/// A request for a scan ended.
pub(super) fn scan_ended(status: ScanStatus) {
    counter!("calipso_scans_total", "status" => status.as_str()).increment(1);
}

/// A scan was kept.
pub(super) fn scan_took(seconds: f64) {
    histogram!("calipso_scan_seconds").record(seconds);
}

/// A connection test was answered.
pub(super) fn test_ended() {
    counter!("calipso_connection_tests_total").increment(1);
}

/// How long the queues are.
pub(super) async fn queues(store: &dyn Backend) -> Result<(), StoreError> {
    let of = |status: &'static str| RecordQuery::all().equals("status", status);
    let figures = [
        ("calipso_scans_pending", Collection::Scans, ScanStatus::Pending.as_str()),
        ("calipso_scans_running", Collection::Scans, ScanStatus::Running.as_str()),
        ("calipso_connection_tests_pending", Collection::ConnectionTests, TestStatus::Request.as_str()),
    ];
    for (name, collection, status) in figures {
        // A queue is never so long that a float could not count it.
        gauge!(name).set(store.count(collection, &of(status)).await? as f64);
    }
    Ok(())
}

/// A door that counts what goes through it.
pub(super) struct Metered(pub(super) Arc<dyn Door>);

#[async_trait]
impl Door for Metered {
    async fn exchange(&self, call: Call) -> Exchange {
        let role = call.role.to_string();
        let began = Instant::now();
        let exchange = self.0.exchange(call).await;
        let answered = if exchange.reply.is_ok() { "yes" } else { "no" };
        counter!("calipso_calls_total", "role" => role.clone(), "answered" => answered).increment(1);
        histogram!("calipso_call_seconds", "role" => role).record(began.elapsed().as_secs_f64());
        exchange
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
