//! What all calls of one connection may use together.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, SemaphorePermit};

/// How much of a server one connection may use: requests at a time, requests per second, SSH channels per host.
#[derive(Debug)]
pub struct Budget {
    slots: Semaphore,
    interval: Option<Duration>,
    next: Mutex<Option<Instant>>,
    channels_per_host: usize,
}

/// Permission for one request; it ends when it is dropped.
#[derive(Debug)]
pub struct Permit<'a>(#[expect(dead_code, reason = "held for its drop")] SemaphorePermit<'a>);

impl Budget {
    /// Makes a budget. Zero counts as one; no rate means no limit.
    #[must_use]
    pub fn new(concurrent: usize, per_second: Option<f64>, channels_per_host: usize) -> Self {
        let interval =
            per_second.filter(|rate| rate.is_finite() && *rate > 0.0).map(|rate| Duration::from_secs_f64(1.0 / rate));
        Self {
            slots: Semaphore::new(concurrent.clamp(1, Semaphore::MAX_PERMITS)),
            interval,
            next: Mutex::new(None),
            channels_per_host: channels_per_host.max(1),
        }
    }

    /// SSH channels that one host may be asked to hold open at a time.
    #[must_use]
    pub fn channels_per_host(&self) -> usize {
        self.channels_per_host
    }

    /// Waits until one more request may be made.
    pub async fn acquire(&self) -> Permit<'_> {
        let slot = self.slots.acquire().await.expect("the semaphore of a budget is never closed");
        if let Some(at) = self.reserve() {
            tokio::time::sleep_until(at.into()).await;
        }
        Permit(slot)
    }

    /// Reserves the next moment that the rate allows; none when there is no need to wait. Unused time is not saved up.
    fn reserve(&self) -> Option<Instant> {
        let interval = self.interval?;
        let now = Instant::now();
        let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(at + interval);
        (at > now).then_some(at)
    }
}

impl Default for Budget {
    /// 8 at a time, no rate, 6 channels per host.
    fn default() -> Self {
        Self::new(8, None, 6)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    #[test]
    fn places_in_the_rate_are_an_interval_apart() {
        let budget = Budget::new(8, Some(10.0), 6);
        assert_eq!(budget.reserve(), None, "the first need not wait");
        let places: Vec<Instant> = (0..4).map(|_| budget.reserve().unwrap()).collect();
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_millis(100)));
        let unlimited = Budget::new(8, None, 6);
        assert!((0..4).all(|_| unlimited.reserve().is_none()));
        for senseless in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Budget::new(1, Some(senseless), 1).reserve(), None);
        }
    }

    #[tokio::test]
    async fn no_more_at_a_time_than_allowed() {
        let budget = Budget::new(3, None, 6);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        join_all((0..20).map(|_| async {
            let _permit = budget.acquire().await;
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
        }))
        .await;
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }
}
