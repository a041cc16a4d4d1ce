//! Tasks on a few threads; the results keep the order of the tasks.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

/// Below this many objects a second thread costs more than it brings.
const WORTH_A_THREAD: usize = 2_000;

/// How many threads `work` objects deserve.
pub(crate) fn threads_for(allowed: usize, work: usize) -> usize {
    if work < WORTH_A_THREAD { 1 } else { allowed.max(1) }
}

/// How many of `len` things are one piece for `threads` threads.
pub(crate) fn step(threads: usize, len: usize) -> usize {
    let pieces = if threads <= 1 { 1 } else { threads * 8 };
    len.div_ceil(pieces).max(256)
}

/// Splits `len` things into ranges for `threads` threads, several for each so that uneven ones even out.
pub(crate) fn ranges(threads: usize, len: usize) -> Vec<std::ops::Range<usize>> {
    let step = step(threads, len);
    (0..len).step_by(step).map(|start| start..(start + step).min(len)).collect()
}

/// Runs every task; `state` is made once per thread.
pub(crate) fn run<T: Send, S, R: Send>(
    threads: usize,
    tasks: Vec<T>,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> R + Sync,
) -> Vec<R> {
    if threads <= 1 || tasks.len() <= 1 {
        let mut own = state();
        return tasks.into_iter().map(|task| work(&mut own, task)).collect();
    }
    let results: Vec<Mutex<Option<R>>> = tasks.iter().map(|_| Mutex::new(None)).collect();
    let queue: Vec<Mutex<Option<T>>> = tasks.into_iter().map(|task| Mutex::new(Some(task))).collect();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut own = state();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let (Some(task), Some(result)) = (queue.get(index), results.get(index)) else {
                return;
            };
            let task = task.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(task) = task {
                let done = work(&mut own, task);
                *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(queue.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    results
        .into_iter()
        .map(|result| {
            result.into_inner().unwrap_or_else(PoisonError::into_inner).expect("every task left its result behind")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_tasks() {
        let tasks: Vec<u32> = (0..1000).collect();
        let doubled = run(3, tasks, || 0_u32, |_, number| number * 2);
        assert_eq!(doubled, (0..1000).map(|number| number * 2).collect::<Vec<_>>());
    }

    #[test]
    fn ranges_cover_everything_once() {
        for len in [0, 1, 255, 256, 257, 100_000] {
            let mut seen = 0;
            for range in ranges(2, len) {
                assert_eq!(range.start, seen);
                seen = range.end;
            }
            assert_eq!(seen, len);
        }
    }
}
