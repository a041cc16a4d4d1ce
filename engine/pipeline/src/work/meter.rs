//! Figures for whoever watches the worker. The queues, which all workers share, are counted where figures are read (`api`).

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use calipso_store::work::ScanStatus;
use calipso_transport::{Call, Door, Exchange};
use metrics::{counter, describe_counter, describe_histogram, histogram};

/// Says what each figure means, to the exporter that is installed.
pub fn describe_metrics() {
    describe_counter!("calipso_scans_total", "Requests for scans that ended, by status.");
    describe_counter!("calipso_connection_tests_total", "Connection tests that were answered.");
    describe_counter!("calipso_calls_total", "Calls to sources, by role and by whether there was an answer.");
    describe_histogram!("calipso_call_seconds", metrics::Unit::Seconds, "How long calls to sources took, by role.");
    describe_histogram!("calipso_scan_seconds", metrics::Unit::Seconds, "How long scans took that were kept.");
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
