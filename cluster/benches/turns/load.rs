//! Callers, each of which calls again when it has its reply.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};

use crate::{figures, machine};

/// What so many callers reached together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// Calls per second.
    pub(crate) calls: f64,
    /// Processor time of a call, everything counted, in microseconds: on a busy machine it says more than the rate.
    pub(crate) processor: f64,
}

/// Lets so many callers call for a while. The call is told who calls, and how often it did before.
pub(crate) async fn rate<F>(
    callers: usize,
    span: Duration,
    call: impl Fn(usize, u64) -> F + Clone + Send + 'static,
) -> Rate
where
    F: Future<Output = ()> + Send,
{
    let calls = Arc::new(AtomicU64::new(0));
    let (begin, busy) = (Instant::now(), machine::processor_time());
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (call, calls) = (call.clone(), Arc::clone(&calls));
            tokio::spawn(async move {
                let mut n = 0;
                while begin.elapsed() < span {
                    // The clock is not read for each call: it would cost more than a part of some.
                    for _ in 0..8 {
                        call(caller, n).await;
                        n += 1;
                    }
                }
                calls.fetch_add(n, Ordering::Relaxed);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a caller does not panic");
    }
    let calls = precise(calls.load(Ordering::Relaxed));
    Rate {
        calls: calls / begin.elapsed().as_secs_f64(),
        processor: (machine::processor_time() - busy) * 1e6 / calls,
    }
}

/// Median time of a call by one caller, in microseconds.
pub(crate) async fn latency<F>(span: Duration, call: impl Fn(usize, u64) -> F + Send + 'static) -> f64
where
    F: Future<Output = ()> + Send,
{
    // On a worker, as every caller of a server is.
    let caller = tokio::spawn(async move {
        let (begin, mut times) = (Instant::now(), Vec::new());
        while begin.elapsed() < span {
            let called = Instant::now();
            call(0, times.len() as u64).await;
            times.push(called.elapsed().as_secs_f64() * 1e6);
        }
        times
    });
    let mut times = caller.await.expect("a caller does not panic");
    times.sort_by(f64::total_cmp);
    figures::median(&times).expect("there was time for one call")
}

/// A place for caller `caller` to call the `n`th time: all are visited alike, in an order that no cache likes.
pub(crate) fn place(caller: usize, n: u64, places: usize) -> usize {
    let spread = (caller as u64)
        .wrapping_mul(0x9E37_79B9)
        .wrapping_add(n.wrapping_mul(7919));
    usize::try_from(spread % places as u64).expect("below a count of places")
}

#[expect(clippy::cast_precision_loss, reason = "counts of one second")]
pub(crate) fn precise(count: u64) -> f64 {
    count as f64
}

pub(crate) fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .expect("a runtime can be made")
}
