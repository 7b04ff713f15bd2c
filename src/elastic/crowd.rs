//! How many of the workers help: with more than that, a step takes longer.

use super::crew::Crew;
use super::policy::rate;

/// Finds the number of workers that makes steps fastest: all at first, then half as many as long as that is faster, then in
/// between. It looks again now and then, as what it saw may have been disturbed.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    /// All that there are.
    all: Vec<usize>,
    now: usize,
    best: Option<(usize, f64)>,
    times: Vec<f64>,
    stride: usize,
    /// Steps until it looks again; none while it looks.
    rest: Option<usize>,
    /// Steps that it will rest for once it knows.
    pause: usize,
    /// What it found when it looked last.
    found: Option<usize>,
}

/// Steps after which it looks again for the first time; after twice as many the next time, and so on.
const PAUSE: usize = 64;

/// Steps by whose lower quartile a number of workers is judged.
const STEPS: usize = 16;

/// What fewer workers have to win, as a share, so that noise does not decide.
const MARGIN: f64 = 0.03;

/// Steps after which a number is given up if each of them took so many times as long as the best's.
const GLANCE: (usize, f64) = (4, 1.25);

impl Crowd {
    pub(super) fn new(all: usize) -> Self {
        Crowd {
            all: (0..all).collect(),
            now: all,
            best: None,
            times: Vec::new(),
            stride: all / 2,
            rest: (all < 2).then_some(usize::MAX),
            pause: PAUSE,
            found: None,
        }
    }

    /// Workers that shall work now.
    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// Steps that it wants to see with the number that works now; none once it knows.
    pub(super) fn wants(&self) -> Option<usize> {
        self.rest.is_none().then(|| STEPS - self.times.len())
    }

    /// As many of those who are there work as help, the fastest; one that has run no shard is taken for as fast as its like, and comes behind
    /// those that have. The others stand by, with the same weights.
    pub(super) fn choose(&mut self, there: &[usize], crew: &mut Crew) {
        self.among(there);
        let view = crew.view(0, &[]);
        let known = there.iter().map(|&worker| {
            let is_known = view.workers[worker].stats.rate.is_some();
            (worker, rate(&view, worker), is_known)
        });
        let mut order: Vec<_> = known.collect();
        order.sort_by(|(_, a, a_known), (_, b, b_known)| {
            let faster = b.total_cmp(a);
            faster.then(b_known.cmp(a_known))
        });
        for (place, (worker, ..)) in order.into_iter().enumerate() {
            crew.workers[worker].live = place < self.now();
        }
    }

    /// Begins anew, if these are others than before.
    fn among(&mut self, all: &[usize]) {
        if all != self.all {
            *self = Crowd {
                all: all.to_vec(),
                ..Crowd::new(all.len())
            };
        }
    }

    /// Takes note of what steps took. Returns the number that is best, once that is known and another than before.
    pub(super) fn steps(&mut self, times: &[f64]) -> Option<usize> {
        let (before, mut found) = (self.now, None);
        for &seconds in times {
            found = self.step(seconds).or(found);
            // What is left was made by as many as before.
            if self.now != before {
                break;
            }
        }
        found
    }

    /// Takes note of a step's time. Returns the number that is best, once that is known and another than before.
    fn step(&mut self, seconds: f64) -> Option<usize> {
        if let Some(rest) = &mut self.rest {
            *rest -= 1;
            if *rest == 0 {
                let (pause, found) = (self.pause, self.found);
                *self = Crowd {
                    all: self.all.clone(),
                    pause,
                    found,
                    ..Crowd::new(self.all.len())
                };
            }
            return None;
        }
        self.times.push(seconds);
        let tried = self.times.len();
        let is_slower = |best: f64| self.times.iter().all(|time| *time > best * GLANCE.1);
        let hopeless = tried >= GLANCE.0 && self.best.is_some_and(|(_, best)| is_slower(best));
        if tried < STEPS && !hopeless {
            return None;
        }
        self.times.sort_by(f64::total_cmp);
        // The first steps of a number are slower, as memory is new and rates are unknown; the quartile does not see them.
        let usual = self.times[tried / 4];
        self.times.clear();
        let (best, time) = match self.best {
            Some((best, time)) if usual > time * (1.0 - MARGIN) => (best, time),
            _ => (self.now, usual),
        };
        let fewer_won = best == self.now;
        self.best = Some((best, time));
        if !fewer_won {
            self.stride /= 2;
        }
        self.stride = self.stride.min(best / 2);
        self.now = best - self.stride;
        if self.stride > 0 {
            return None;
        }
        self.rest = Some(self.pause);
        self.pause = self.pause.saturating_mul(2);
        let found = self.found.replace(best);
        (found != Some(best)).then_some(best)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settle(all: usize, seconds: impl Fn(usize) -> f64) -> usize {
        let mut crowd = Crowd::new(all);
        for _ in 0..10_000 {
            if crowd.wants().is_none() {
                return crowd.now();
            }
            crowd.step(seconds(crowd.now()));
        }
        panic!("it does not settle");
    }

    proptest! {
        #[test]
        fn it_settles_on_a_number_that_is_about_as_fast_as_any(all in 1_usize..65, cores in 1_usize..65, overhead in 0.0..0.2_f64) {
            // Workers share cores, and each costs something.
            let seconds = |count: usize| 1.0 / count.min(cores) as f64 + overhead * count as f64;
            let found = settle(all, seconds);
            let best = (1..=all).map(seconds).fold(f64::INFINITY, f64::min);
            prop_assert!(found >= 1 && found <= all);
            prop_assert!(seconds(found) <= seconds(all));
            prop_assert!(seconds(found) < 1.35 * best, "{found} of {all}: {} for {best}", seconds(found));
        }
    }

    #[test]
    fn a_number_that_is_far_slower_is_given_up_early() {
        let mut crowd = Crowd::new(2);
        let times =
            (0..).map_while(|_| crowd.wants().map(|_| crowd.step(1.0 / crowd.now() as f64)));
        // Sixteen with two, and a glance at one.
        assert_eq!((times.count(), crowd.now()), (20, 2));
    }

    #[test]
    fn workers_that_help_are_all_kept() {
        assert_eq!(settle(8, |count| 1.0 / count as f64), 8);
        assert_eq!(settle(8, |count| count as f64), 1);
    }

    #[test]
    fn a_number_that_was_found_in_a_disturbance_is_given_up_again() {
        let (mut crowd, mut clock, mut told) = (Crowd::new(2), 0.0, Vec::new());
        let mut looks = 0;
        for _ in 0..4000 {
            crowd.among(&[3, 5]);
            // At first two are in each other's way, and then they help.
            let seconds = if clock < 30.0 { 1.0 } else { 0.25 };
            let seconds = if crowd.now() == 2 { seconds } else { 0.5 };
            clock += seconds;
            let looked = crowd.wants().is_some();
            told.extend(crowd.step(seconds));
            looks += u32::from(looked && crowd.wants().is_none());
        }
        assert_eq!((&told[..], crowd.now()), (&[1, 2][..], 2));
        // Behind 32 steps at first, and then 64, 128, … later, of 20 or 32 steps each.
        assert_eq!(looks, 6);
    }
}
