//! Training rows that stay in their files: an epoch visits them window by window, in an order of its own, and those of a window in
//! an order of theirs. While a window is trained on, the next is read.

use std::fmt::{Debug, Formatter};
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::mixing::Mixing;
use super::outcome::TrainError;
use super::run::Run;
use crate::backend::Data;
use crate::data::Matrix;
use crate::program::buffer;
use crate::random::{Purpose, shuffle};

/// Inputs and targets of a window's rows.
pub type Encoded = [Matrix; 2];

/// Training rows in windows of like size, of which a run holds one at a time.
#[derive(Clone)]
pub struct Windows {
    rows: usize,
    window: usize,
    read: Arc<Read>,
}

/// Reads and encodes training rows, which are counted from 0 without those held out.
type Read = dyn Fn(Range<usize>) -> Result<Encoded, TrainError> + Send + Sync;

impl Debug for Windows {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} windows of {} rows", self.count(), self.window)
    }
}

impl Windows {
    /// So many rows, a `window` of them at a time: a multiple of a step's, or all.
    pub fn new(rows: usize, window: usize, read: Arc<Read>) -> Self {
        Windows { rows, window, read }
    }

    /// All rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows of a window; the last may have fewer.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Number of windows.
    pub fn count(&self) -> usize {
        self.rows.div_ceil(self.window.max(1))
    }

    fn range(&self, window: usize) -> Range<usize> {
        let first = window * self.window;
        first..self.rows.min(first + self.window)
    }

    /// The inputs of a window's rows.
    #[cfg(test)]
    pub(super) fn rows_of(&self, window: usize) -> Result<Vec<f32>, TrainError> {
        (self.read)(self.range(window)).map(|[inputs, _]| inputs.values)
    }

    /// The windows of an epoch (counted from 0) as it visits them: a function of the seed and the epoch.
    fn visits(&self, shuffled: bool, seed: u64, epoch: u32) -> Vec<u32> {
        let mut windows: Vec<u32> = (0..self.count() as u32).collect();
        if shuffled {
            shuffle(&mut windows, seed, Purpose::Windows, epoch);
        }
        windows
    }

    /// Whether steps of so many rows lie within windows.
    pub(super) fn check(&self, step: usize) -> Result<(), TrainError> {
        let whole = self.window >= self.rows || self.window.is_multiple_of(step);
        if self.rows > 0 && self.window > 0 && whole {
            return Ok(());
        }
        Err(TrainError::Data(format!(
            "windows of {} rows are no multiple of a step's {step}",
            self.window
        )))
    }
}

/// A run's place in the windows.
pub(super) struct Streamed<'a> {
    windows: &'a Windows,
    /// The epoch that the visits are of, and the windows in their order.
    visits: (usize, Vec<u32>),
    /// The window that the device holds.
    held: Option<u32>,
    /// Epoch and visit that the orders on the device are of.
    ordered: Option<(usize, usize)>,
    /// The window that is being read.
    next: Option<(u32, JoinHandle<Result<Encoded, TrainError>>)>,
}

impl<'a> Streamed<'a> {
    pub(super) fn new(windows: &'a Windows) -> Self {
        Streamed {
            windows,
            visits: (0, Vec::new()),
            held: None,
            ordered: None,
            next: None,
        }
    }

    /// The orders on the device are no longer those of a visit.
    pub(super) fn forget(&mut self) {
        self.ordered = None;
    }

    fn begin(&mut self, window: u32) {
        let (read, range) = (
            Arc::clone(&self.windows.read),
            self.windows.range(window as usize),
        );
        self.next = Some((window, std::thread::spawn(move || read(range))));
    }

    /// The rows of a window, which may be read already.
    fn take(&mut self, window: u32) -> Result<Encoded, TrainError> {
        match self.next.take() {
            Some((next, read)) if next == window => read
                .join()
                .unwrap_or_else(|_| Err(TrainError::Data("a window could not be read".into()))),
            _ => (self.windows.read)(self.windows.range(window as usize)),
        }
    }
}

impl Run<'_> {
    /// Visits of the epoch under way: the window, and its rows.
    fn visits(&mut self) -> Vec<(u32, usize)> {
        let (epoch, options) = (self.state.epoch, self.options);
        let seed = self.members[0].seed;
        let Some(streamed) = &mut self.streamed else {
            return Vec::new();
        };
        let windows = streamed.windows;
        if streamed.visits.0 != epoch {
            let visits = windows.visits(options.shuffle, seed, epoch as u32 - 1);
            streamed.visits = (epoch, visits);
        }
        let rows = |&window: &u32| (window, windows.range(window as usize).len());
        streamed.visits.1.iter().map(rows).collect()
    }

    /// Where each stretch of a round of so many epochs, which batches do not reach across, has its rows in the order.
    pub(super) fn stretches(&mut self, epochs: usize) -> Vec<Range<usize>> {
        if self.streamed.is_some() {
            return self.visits().into_iter().map(|(_, rows)| 0..rows).collect();
        }
        let rows = self.rows.counts()[0];
        (0..epochs)
            .map(|epoch| epoch * rows..(epoch + 1) * rows)
            .collect()
    }

    /// Has the device hold the window of the epoch's step `done`. Returns how many steps are left in it.
    pub(super) fn bring(&mut self, done: usize) -> Result<usize, TrainError> {
        let visits = self.visits();
        let epoch = self.state.epoch;
        let mut first = 0;
        let ends = visits.iter().map(|(_, rows)| {
            first += rows.div_ceil(self.layout.batch);
            first
        });
        let ends: Vec<usize> = ends.collect();
        let visit = ends.partition_point(|&end| end <= done);
        let (Some(&(window, rows)), Some(&end)) = (visits.get(visit), ends.get(visit)) else {
            return Ok(usize::MAX);
        };
        let before = visit.checked_sub(1).map_or(0, |visit| ends[visit]);
        let Some(streamed) = &mut self.streamed else {
            return Ok(usize::MAX);
        };
        if streamed.ordered == Some((epoch, visit)) {
            return Ok(end - done);
        }
        let resident = self.rows.inputs.rows;
        if streamed.held != Some(window) {
            streamed.held = None;
            let encoded = streamed.take(window)?;
            let fits = |(read, held): (&Matrix, &Matrix)| {
                read.rows == rows && read.columns == held.columns
            };
            let known = [self.rows.inputs, self.rows.targets];
            if !encoded.iter().zip(known).all(fits) {
                let text = format!("a window of {rows} rows came as {}", encoded[0].rows);
                return Err(TrainError::Data(text));
            }
            for (name, matrix) in [buffer::INPUTS, buffer::TARGETS].into_iter().zip(&encoded) {
                let offset = resident * matrix.columns;
                self.backend
                    .write(name, 0, offset, Data::F32(&matrix.values))?;
            }
            streamed.held = Some(window);
        }
        // What comes behind it, of this epoch or the next.
        let further = match visits.get(visit + 1) {
            Some(&(next, _)) => Some(next),
            None if epoch < self.options.epochs => {
                let seed = self.members[0].seed;
                let next = streamed
                    .windows
                    .visits(self.options.shuffle, seed, epoch as u32);
                next.first().copied()
            }
            None => None,
        };
        if let Some(next) = further.filter(|&next| next != window) {
            streamed.begin(next);
        }
        streamed.ordered = Some((epoch, visit));
        let number = (epoch - 1)
            .wrapping_mul(visits.len())
            .wrapping_add(window as usize);
        self.write_window_orders(number as u32, rows, before)?;
        Ok(end - done)
    }

    /// Each member's order of a window's rows, which lie behind those that stay; its first batch is step `before` of the epoch.
    fn write_window_orders(
        &mut self,
        number: u32,
        rows: usize,
        before: usize,
    ) -> Result<(), TrainError> {
        let resident = self.rows.inputs.rows as u32;
        let alpha = self.options.augmentation.mixup;
        let step = (self.state.epoch - 1) * self.layout.steps_per_epoch() + before;
        for (index, member) in self.members.iter().enumerate() {
            let mut order: Vec<u32> = (resident..resident + rows as u32).collect();
            if self.options.shuffle {
                shuffle(&mut order, member.seed, Purpose::Order, number);
            }
            if alpha > 0.0 {
                let mut mixing = Mixing::default();
                mixing.add(alpha, (member.seed, step as u64), &order, self.layout.batch);
                mixing.write(self.backend, index)?;
            }
            self.backend
                .write(buffer::ORDER, index, 0, Data::U32(&order))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Mutex;

    use super::*;
    use crate::backend::cpu::CpuBackend;
    use crate::model::{Activation, Initializer, Network, initialize};
    use crate::program::{Hyper, Loss, LossFunction, Optimizer, Reduction};
    use crate::train::training::attempt;
    use crate::train::{Guard, Member, Options, Outcome, Parts, Rows, Training};

    #[test]
    fn windows_cover_all_rows_and_are_visited_once_an_epoch() {
        let windows = Windows::new(1000, 96, Arc::new(|_| unreachable!("none is read")));
        assert_eq!(windows.count(), 11);
        assert_eq!(windows.range(10), 960..1000);
        let visits = windows.visits(true, 1, 0);
        let mut sorted = visits.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..11).collect::<Vec<_>>());
        assert_eq!(visits, windows.visits(true, 1, 0));
        assert_ne!(visits, windows.visits(true, 1, 1));
        assert_ne!(visits, windows.visits(true, 2, 0));
        assert_eq!(sorted, windows.visits(false, 1, 0));
        assert!(windows.check(32).is_ok() && windows.check(64).is_err());
    }

    /// Where windows were read: in this thread, or ahead in another.
    type Reads = Arc<Mutex<Vec<(Range<usize>, bool)>>>;

    fn train(rows: usize, window: usize, epochs: usize) -> (Outcome, Vec<(Range<usize>, bool)>) {
        let network = Network::new(2, &[3], Activation::Tanh, 1, Activation::Identity);
        let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
        let options = Options::plain(loss, Optimizer::ADAM, 8, epochs);
        let matrix = |rows: Range<usize>, columns: usize| Matrix {
            rows: rows.len(),
            columns,
            values: rows
                .flat_map(|row| {
                    (0..columns).map(move |column| ((row * 7 + column * 3) % 11) as f32 / 11.0)
                })
                .collect(),
        };
        let reads = Reads::default();
        let (seen, here) = (Arc::clone(&reads), std::thread::current().id());
        let read = move |rows: Range<usize>| {
            let ahead = std::thread::current().id() != here;
            seen.lock()
                .expect("nobody failed")
                .push((rows.clone(), ahead));
            Ok([matrix(rows.clone(), 2), matrix(rows, 1)])
        };
        let windows = Windows::new(rows, window, Arc::new(read));
        let (inputs, targets) = (matrix(0..5, 2), matrix(0..5, 1));
        let parts = [Parts {
            train: &[0, 1, 2],
            validation: &[3],
            test: &[4],
        }];
        let member = Member {
            weights: initialize(&network, Initializer::Auto, 1),
            hyper: Hyper {
                learning_rate: 0.01,
                ..Hyper::default()
            },
            seed: 1,
        };
        let training = Training {
            network: &network,
            members: &[member],
            rows: Rows {
                inputs: &inputs,
                targets: &targets,
                parts: &parts,
            },
            options: &options,
            judge: None,
            windows: Some(&windows),
        };
        let mut backend = CpuBackend::<f32>::new();
        let outcome = attempt(&mut backend, training, &mut Guard::default(), &mut |_| {
            ControlFlow::Continue(())
        });
        let reads = reads.lock().expect("nobody failed").clone();
        (outcome.expect("it trains"), reads)
    }

    #[test]
    fn each_window_is_read_once_an_epoch_while_another_is_trained_on() {
        let (outcome, reads) = train(100, 16, 3);
        assert_eq!((outcome.steps, outcome.samples), (3 * 13, 300));
        let ahead: Vec<bool> = reads.iter().map(|(_, ahead)| *ahead).collect();
        assert!(!ahead[0] && ahead[1..].iter().all(|ahead| *ahead));
        // One that ends an epoch and begins the next is not read again.
        let mut counts = [0; 7];
        for (rows, _) in &reads {
            assert_eq!(rows.end, 100.min(rows.start + 16));
            counts[rows.start / 16] += 1;
        }
        assert!(
            counts.iter().all(|count| (1..=3).contains(count)),
            "{counts:?}"
        );
        assert!((19..=21).contains(&reads.len()), "{}", reads.len());
        // One window stays where it is.
        assert_eq!(train(30, 30, 4).1.len(), 1);
    }

    #[test]
    fn windows_that_cut_a_step_are_refused() {
        let windows = Windows::new(100, 20, Arc::new(|_| unreachable!("none is read")));
        let error = windows.check(8).expect_err("20 are no multiple of 8");
        assert!(error.to_string().contains("no multiple of a step's 8"));
    }
}
