//! Threads that share the passes of a backend. They do nothing else, and so can wait for the next pass awake for a while: a step's
//! passes take microseconds, and to wake a thread takes tens of them.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Parts that a task is cut into at most: each is a bit.
const PARTS: usize = 64;

/// How long a thread without work stays awake.
const AWAKE: Duration = Duration::from_micros(200);

/// How often a thread looks for what it waits for before it looks at the clock, or lets others run.
const LOOKS: u32 = 64;

/// The thread that calls, and some that help it.
#[derive(Debug)]
pub struct Team {
    threads: usize,
    /// Whether somebody has their help.
    busy: AtomicBool,
    /// The others, once they are needed.
    crew: OnceLock<Crew>,
}

/// Nobody but the thread that calls.
pub(super) static ALONE: Team = Team::new(1);

impl Team {
    /// A team of so many threads.
    pub(super) const fn new(threads: usize) -> Self {
        Team {
            threads,
            busy: AtomicBool::new(false),
            crew: OnceLock::new(),
        }
    }

    /// The one with a thread for each core, which all backends share that have none of their own.
    pub(super) fn of_all_cores() -> Arc<Team> {
        static ALL: OnceLock<Arc<Team>> = OnceLock::new();
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Arc::clone(ALL.get_or_init(|| Arc::new(Team::new(cores()))))
    }

    /// How many threads there are.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `f` for each of so many parts. A part is one thread's; which one's is left open. Whoever calls while the others help
    /// somebody else, or from within a part, does all by itself.
    pub(super) fn run(&self, parts: usize, f: impl Fn(usize) + Sync) {
        if parts < 2 || self.threads < 2 || self.busy.swap(true, Acquire) {
            return (0..parts).for_each(f);
        }
        let held = Held(&self.busy);
        let crew = self.crew.get_or_init(|| Crew::new(self.threads - 1));
        let shared = &*crew.shared;
        let blocks = parts.min(PARTS);
        let block = |n: usize| (parts * n / blocks..parts * (n + 1) / blocks).for_each(&f);
        let open = shared.open(&block, blocks);
        shared.work(0, &block, blocks);
        drop(open);
        let panic = lock(&shared.panic).take();
        drop(held);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Runs `f` on pieces of `values`, each of `piece` but the last, with the number of the piece.
    pub(super) fn pieces<T: Send>(
        &self,
        values: &mut [T],
        piece: usize,
        f: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let (len, start) = (values.len(), Start::of(values));
        self.run(len.div_ceil(piece), |number| {
            let first = number * piece;
            // SAFETY: each number comes once, and the pieces of different numbers have no value in common; they lie inside
            // `values`, which is borrowed mutably until all have come.
            let values = unsafe { start.slice(first, piece.min(len - first)) };
            f(number, values);
        });
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if let Some(crew) = self.crew.take() {
            crew.shared.over.store(true, SeqCst);
            crew.shared.wake();
            for helper in crew.helpers {
                // It has no way to panic: those of parts are caught.
                let _ = helper.join();
            }
        }
    }
}

/// The first of some values that several threads write.
pub(super) struct Start<T>(*mut T);

// SAFETY: threads reach through it for values of their own part alone, as `slice` and `at` demand.
unsafe impl<T: Send> Sync for Start<T> {}

impl<T> Start<T> {
    pub(super) fn of(values: &mut [T]) -> Self {
        Start(values.as_mut_ptr())
    }

    /// Where a value is. To reach through it is for the thread whose part has it, while the values are borrowed.
    pub(super) fn at(&self, offset: usize) -> *mut T {
        self.0.wrapping_add(offset)
    }

    /// Some neighbouring values.
    ///
    /// # Safety
    ///
    /// They lie inside the values, which are borrowed mutably for as long, and nobody else has any of them meanwhile.
    pub(super) unsafe fn slice<'a>(&self, first: usize, len: usize) -> &'a mut [T] {
        // SAFETY: as the caller sees to it.
        unsafe { std::slice::from_raw_parts_mut(self.at(first), len) }
    }
}

/// Threads that help.
#[derive(Debug)]
struct Crew {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
}

impl Crew {
    fn new(count: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let start = |number: usize| {
            let shared = Arc::clone(&shared);
            let name = format!("cpu {number}");
            let thread = std::thread::Builder::new().name(name);
            // Where the system gives no thread, those that there are do the work.
            thread.spawn(move || shared.help(number)).ok()
        };
        let helpers = (1..=count).filter_map(start).collect();
        Crew { shared, helpers }
    }
}

type Task<'a> = dyn Fn(usize) + Sync + 'a;

/// What the threads of a team see.
#[derive(Debug, Default)]
struct Shared {
    /// Counts tasks: odd while there is one to help with.
    turn: AtomicU64,
    /// What is to be done for each of so many parts.
    task: UnsafeCell<Option<(*const Task<'static>, usize)>>,
    /// Parts that somebody has taken.
    taken: AtomicU64,
    /// Threads that may be at the task.
    inside: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    over: AtomicBool,
    asleep: AtomicUsize,
    sleep: Mutex<()>,
    alarm: Condvar,
}

// SAFETY: `task` is written by the one thread that holds `busy`, in `open`, when no thread is inside and the turn is even; it is
// read by those inside after they have seen, being inside, that the turn is odd. What it points to is Sync.
unsafe impl Sync for Shared {}
// SAFETY: the same: no thread reaches through the pointer but while its task is open.
unsafe impl Send for Shared {}

/// The help of the others, until it is dropped.
struct Held<'a>(&'a AtomicBool);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

/// A task that others may help with, until it is dropped.
struct Open<'a>(&'a Shared);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // In one order with what `help` does: either it sees that the task is over, or it is seen to be inside.
        self.0.turn.fetch_add(1, SeqCst);
        let mut looks = 0;
        while self.0.inside.load(SeqCst) > 0 {
            looks += 1;
            if looks < 16 * LOOKS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

impl Shared {
    /// Lets the others help with a task. Whoever calls holds the team's `busy`.
    fn open<'a>(&'a self, task: &'a Task<'a>, blocks: usize) -> Open<'a> {
        *lock(&self.panic) = None;
        // SAFETY: of the type only the lifetime changes. The task outlives what is returned, whose end waits until nobody is inside
        // and nobody can come in; it is held as a pointer until then.
        let task = unsafe { std::mem::transmute::<&Task<'a>, &Task<'static>>(task) };
        // SAFETY: the turn is even and nobody is inside, so that no thread reads it; the caller holds `busy`, so that no other
        // writes it.
        unsafe { *self.task.get() = Some((task, blocks)) };
        self.taken.store(0, Relaxed);
        self.turn.fetch_add(1, SeqCst);
        let open = Open(self);
        if self.asleep.load(SeqCst) > 0 {
            self.wake();
        }
        open
    }

    fn wake(&self) {
        // Who is about to sleep has looked before this, and hears it, or looks after it.
        drop(lock(&self.sleep));
        self.alarm.notify_all();
    }

    /// Takes parts of a task until none is left: first the one of the thread's number, whose values its cache may have.
    fn work(&self, number: usize, task: &Task<'_>, blocks: usize) {
        let take = |part: usize| self.taken.fetch_or(1 << part, Relaxed) & 1 << part == 0;
        if number < blocks && take(number) {
            task(number);
        }
        let all = u64::MAX >> (PARTS - blocks);
        loop {
            let free = all & !self.taken.load(Relaxed);
            if free == 0 {
                return;
            }
            let part = free.trailing_zeros() as usize;
            if take(part) {
                task(part);
            }
        }
    }

    /// What a thread does until the team is no more.
    fn help(&self, number: usize) {
        let mut last = 0;
        while let Some(turn) = self.next(last) {
            last = turn;
            self.inside.fetch_add(1, SeqCst);
            if self.turn.load(SeqCst) == turn {
                // SAFETY: this thread is inside, and has seen since that the task is open: whoever opened it waits for it to leave.
                let task = unsafe { (*self.task.get()).map(|(task, blocks)| (&*task, blocks)) };
                if let Some((task, blocks)) = task {
                    let work = AssertUnwindSafe(|| self.work(number, task, blocks));
                    if let Err(panic) = catch_unwind(work) {
                        *lock(&self.panic) = Some(panic);
                    }
                }
            }
            self.inside.fetch_sub(1, SeqCst);
        }
    }

    /// The turn of the next task, or none if there will be no more.
    fn next(&self, last: u64) -> Option<u64> {
        let seen = || {
            let turn = self.turn.load(SeqCst);
            (turn % 2 == 1 && turn != last).then_some(turn)
        };
        let over = || self.over.load(SeqCst);
        let start = Instant::now();
        while start.elapsed() < AWAKE && !over() {
            for _ in 0..LOOKS {
                if let Some(turn) = seen() {
                    return Some(turn);
                }
                std::hint::spin_loop();
            }
        }
        let mut held = lock(&self.sleep);
        self.asleep.fetch_add(1, SeqCst);
        while seen().is_none() && !over() {
            held = self
                .alarm
                .wait(held)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, SeqCst);
        seen()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// How often each of so many parts was run, over several tasks.
    fn counts(team: &Team, parts: usize, tasks: usize) -> Vec<u32> {
        let counts: Vec<AtomicU32> = (0..parts).map(|_| AtomicU32::new(0)).collect();
        for _ in 0..tasks {
            team.run(parts, |part| {
                counts[part].fetch_add(1, Relaxed);
            });
        }
        counts.into_iter().map(AtomicU32::into_inner).collect()
    }

    #[test]
    fn each_part_is_run_once() {
        for threads in [1, 2, 3, 7] {
            let team = Team::new(threads);
            for parts in [0, 1, 2, 3, 63, 64, 65, 1000] {
                assert_eq!(counts(&team, parts, 50), vec![50; parts], "{threads}");
            }
        }
    }

    #[test]
    fn threads_that_have_fallen_asleep_are_woken() {
        let team = Team::new(2);
        counts(&team, 2, 1);
        let Some(crew) = team.crew.get() else {
            panic!("a task was shared");
        };
        for _ in 0..20 {
            while crew.shared.asleep.load(SeqCst) == 0 {
                std::thread::yield_now();
            }
            // Neither part can end without the other: both threads are awake.
            let barrier = std::sync::Barrier::new(2);
            team.run(2, |_| {
                barrier.wait();
            });
        }
    }

    #[test]
    fn several_callers_and_those_within_a_part_come_to_an_end() {
        let team = Team::new(3);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(counts(&team, 9, 500), [500; 9]));
            }
        });
        let inner = AtomicU32::new(0);
        team.run(8, |_| {
            team.run(8, |_| {
                inner.fetch_add(1, Relaxed);
            });
        });
        assert_eq!(inner.into_inner(), 64);
    }

    #[test]
    fn a_panic_of_any_part_is_the_callers_and_the_team_goes_on() {
        let team = Team::new(3);
        for bad in 0..6 {
            let failed = catch_unwind(AssertUnwindSafe(|| {
                team.run(6, |part| assert!(part != bad, "part {part}"));
            }));
            assert!(failed.is_err());
            assert_eq!(counts(&team, 6, 3), [3; 6]);
        }
    }

    #[test]
    fn pieces_are_the_values_in_order() {
        let team = Team::new(2);
        for (len, piece) in [(0, 3), (1, 3), (10, 3), (1000, 1), (999, 500)] {
            let mut values = vec![0; len];
            team.pieces(&mut values, piece, |number, values| {
                for (i, value) in values.iter_mut().enumerate() {
                    *value += 1 + number * piece + i;
                }
            });
            assert!(values.iter().copied().eq(1..=len));
        }
    }
}
