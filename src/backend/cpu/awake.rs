//! Threads that stay awake while steps run: to wake one that fell asleep between two ops takes longer than many an op.

use std::sync::atomic::{AtomicBool, Ordering};

/// Looks for work before a thread lets others have the core.
const LOOKS: usize = 64;

/// Runs `f` on a thread of the pool, whose others look for work that it shares until it is done. Without `stay` they sleep when
/// they find none.
pub(super) fn awake<R: Send>(stay: bool, f: impl FnOnce() -> R + Send) -> R {
    let busy = &AtomicBool::new(stay);
    rayon::scope(|scope| {
        let caller = rayon::current_thread_index();
        if stay {
            scope.spawn_broadcast(move |_, thread| {
                if Some(thread.index()) != caller {
                    look(busy);
                }
            });
        }
        let _until = Until(busy);
        f()
    })
}

/// Takes work as long as it is told to.
fn look(busy: &AtomicBool) {
    let mut in_vain = 0;
    while busy.load(Ordering::Acquire) {
        if rayon::yield_now() == Some(rayon::Yield::Executed) {
            in_vain = 0;
        } else if in_vain < LOOKS {
            in_vain += 1;
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// Lets the others sleep when it goes, also by a panic.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rayon::prelude::*;

    use super::*;

    fn shared(stay: bool) -> u64 {
        awake(stay, || {
            (0..50_u64)
                .map(|n| (0..64_u64).into_par_iter().map(|k| k * n).sum::<u64>())
                .sum()
        })
    }

    #[test]
    fn work_is_done_once_whoever_stays_awake() {
        let expected = 49 * 25 * 63 * 32;
        assert_eq!((shared(false), shared(true)), (expected, expected));
    }

    #[test]
    fn several_callers_and_those_within_the_pool_come_to_an_end() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(shared(true), shared(false)));
            }
        });
        let inside: Vec<u64> = (0..8)
            .into_par_iter()
            .map(|_| awake(true, || shared(true)))
            .collect();
        assert!(inside.iter().all(|&sum| sum == inside[0]));
    }

    #[test]
    fn a_panic_lets_the_others_go() {
        let failed = catch_unwind(AssertUnwindSafe(|| {
            awake(true, || panic!("a kernel failed"))
        }));
        assert!(failed.is_err());
        assert_eq!(shared(true), shared(false));
    }
}
