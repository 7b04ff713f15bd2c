//! Plans for data sets that stay in their files, since memory does not suffice or a window was asked for.

use std::sync::Arc;

use super::targets::Targets;
use super::windows::{Encoded, Windows};
use super::{BatchSize, Config, FitError, OptimizerChoice, Plan, Sampling, TrainError, Window};
use crate::data::{
    Matrix, Preprocessing, ReadOptions, Stored, draw, load, memory_needed, memory_there,
};
use crate::model::NamedTensors;

/// What training keeps of a data set that stays in its files.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) stored: Stored,
    /// Rows of the file that are held out, in rising order.
    pub(super) held_out: Vec<usize>,
    /// What the window is to be.
    pub(super) window: Window,
    /// Whether it was asked for.
    pub(super) asked: bool,
}

impl Source {
    /// Rows to train on.
    pub(super) fn rows(&self) -> usize {
        self.stored.len() - self.held_out.len()
    }

    /// Rows of a window: all, or a multiple of the `step` rows of a step.
    pub(super) fn window(&self, step: usize, width: usize) -> Result<usize, FitError> {
        let most = match self.window {
            Window::None => self.rows(),
            Window::Rows(rows) => rows,
            Window::Bytes(bytes) => (bytes / (4 * width as u64)) as usize,
        };
        if most >= self.rows() {
            return Ok(self.rows());
        }
        if most < step && self.asked {
            return Err(FitError::Option(format!(
                "--window {}: a step takes {step} rows, and a window of {most} does not hold them; make it larger, or \
                 --batch-size smaller",
                self.window
            )));
        }
        Ok((most / step * step).max(step))
    }

    /// The windows, whose rows are encoded as the rows drawn are.
    pub(super) fn windows(
        self,
        window: usize,
        config: &Config,
        preprocessing: &Preprocessing,
        targets: &Targets,
    ) -> Windows {
        let rows = self.rows();
        let (config, preprocessing) = (config.clone(), preprocessing.clone());
        let targets = targets.encoder();
        let read = move |rows: std::ops::Range<usize>| -> Result<Encoded, TrainError> {
            let file = place(&self.held_out, rows.start)..place(&self.held_out, rows.end - 1) + 1;
            let columns = [preprocessing.inputs(), targets.learned.columns];
            let mut encoded = columns.map(|columns| Matrix {
                rows: 0,
                columns,
                values: Vec::with_capacity(rows.len() * columns),
            });
            let mut first = file.start;
            self.stored
                .read(file, &preprocessing, &targets.encoding, &mut |table| {
                    let both = [
                        preprocessing.apply(&table)?,
                        targets.encode(&config, &table)?,
                    ];
                    for row in 0..table.len() {
                        if self.held_out.binary_search(&(first + row)).is_err() {
                            for (all, some) in encoded.iter_mut().zip(&both) {
                                all.values.extend(some.row(row));
                                all.rows += 1;
                            }
                        }
                    }
                    first += table.len();
                    Ok::<(), TrainError>(())
                })?;
            Ok(encoded)
        };
        Windows::new(rows, window, Arc::new(read))
    }
}

/// The place in the file of a training row: of a row that is held out, it has none.
fn place(held_out: &[usize], row: usize) -> usize {
    let (mut first, mut end) = (0, held_out.len());
    while first < end {
        let middle = usize::midpoint(first, end);
        // Of what is held out up to here, all others are trained on.
        if held_out[middle] - middle <= row {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    row + first
}

/// Rows are held in memory up to this share of what there is, in eighths.
const SHARE: u64 = 6;

/// A window that nobody asked for takes this part of memory, and no more than is read in a moment.
const PART: u64 = 16;
const MOST: u64 = 256 << 20;

impl Plan {
    /// Reads a data set and decides what the configuration leaves open, as [`Plan::new`] does. One that does not fit in memory, or
    /// for which `--window` is given, stays in its files.
    pub fn open(
        source: &str,
        config: &Config,
        initial: Option<&NamedTensors>,
    ) -> Result<Self, FitError> {
        let read = ReadOptions {
            target: config.target.clone(),
        };
        let (window, asked) = match config.window {
            Some(Window::None) => (None, true),
            Some(window) => (Some(window), true),
            None if refusal(config).is_some() => (None, false),
            None => (found(source), false),
        };
        let refused = refusal(config);
        let Some(window) = window else {
            return Plan::new(&load(source, &read)?, config, initial);
        };
        if let Some(why) = refused {
            return Err(FitError::Option(format!("--window {window}: {why}")));
        }
        let drawn = draw(source, &read, config.seed.unwrap_or(1))?;
        Plan::build(
            &drawn.loaded,
            config,
            initial,
            Some((&drawn, window, asked)),
        )
    }
}

/// The window that a data set is read in since memory does not suffice for all of it.
fn found(source: &str) -> Option<Window> {
    let there = memory_there()?;
    let needed = memory_needed(source)?;
    if needed <= there / 8 * SHARE {
        return None;
    }
    log::info!(
        "{source}: all rows would take about {} MiB of memory, and there are {}: they stay in the file",
        needed >> 20,
        there >> 20
    );
    Some(Window::Bytes((there / PART).clamp(1 << 20, MOST)))
}

/// What needs all rows at once.
fn refusal(config: &Config) -> Option<&'static str> {
    if config.folds.is_some() {
        Some("--folds needs all rows in memory; leave one of them out")
    } else if config.optimizer == Some(OptimizerChoice::Lbfgs) {
        Some("--optimizer lbfgs looks at all rows in each iteration; leave one of them out")
    } else if config.batch_size == Some(BatchSize::All) {
        Some("--batch-size all needs all rows in memory; leave one of them out")
    } else if config.sampling == Some(Sampling::Balanced) {
        Some("--sampling balanced draws from all rows; use --class-weight balanced")
    } else if config.sample_weight.is_some() {
        Some("--sample-weight is scaled by all rows; leave one of them out")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn opened(table: &str, options: &str) -> Plan {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, table).expect("it is written");
        let config = Config::from_toml(options).expect(options);
        let plan = Plan::open(path.to_str().expect("text"), &config, None).expect(options);
        let windows = plan.windows.as_ref().expect("it is streamed");
        // Rows are read as long as the file is there.
        let read: Vec<f32> = (0..windows.count())
            .flat_map(|window| windows.rows_of(window).expect("they are read"))
            .collect();
        let held = plan.rows[1..].iter().flatten();
        let held = held.flat_map(|&row| plan.inputs.row(row as usize));
        let mut all: Vec<f32> = held.chain(&read).copied().collect();
        all.sort_by(f32::total_cmp);
        let columns = plan.inputs.columns;
        assert_eq!(read.len(), windows.rows() * columns);
        if columns == 1 {
            let expected: Vec<f32> = (0..table.lines().count() as u16 - 1)
                .map(f32::from)
                .collect();
            assert_eq!(all, expected);
            // They come in the file's order.
            assert!(read.is_sorted());
        }
        plan
    }

    #[test]
    fn windows_and_what_is_held_out_are_all_rows_once() {
        let rows: String = (0..2600)
            .map(|row| format!("{row},{}\n", row * 7 % 31))
            .collect();
        let table = format!("x,y\n{rows}");
        for window in ["100", "640", "5000"] {
            let options = format!(
                "window = {window}\npreprocess = \"none\"\nbatch-size = 20\nvalidation = 0.1\ntask = \"regression\""
            );
            let plan = opened(&table, &options);
            assert_eq!(plan.counts(), [1820, 260, 520]);
        }
    }

    #[test]
    fn fewer_rows_are_held_of_texts_that_become_many_inputs() {
        let cells = |row: usize| (1..=20).map(move |column| format!("t{},", row * column % 199));
        let header: String = (0..20).map(|column| format!("c{column},")).collect();
        let rows: String = (0..6000)
            .map(|row| cells(row).collect::<String>() + ["a\n", "b\n"][row % 2])
            .collect();
        let plan = opened(
            &format!("{header}y\n{rows}"),
            "window = 64\nbatch-size = 32\nvalidation = 0.1",
        );
        assert!(plan.inputs.columns > 3900);
        // What was drawn for the test and is not held is trained on.
        let most = (1 << 22) / plan.inputs.columns;
        assert_eq!(plan.counts(), [6000 - 600 - most, 600, most]);
        assert_eq!(plan.rows[0].len(), most);
        assert_eq!(plan.inputs.rows, plan.targets.learned.rows);
        assert!(
            plan.rows
                .iter()
                .flatten()
                .all(|&row| (row as usize) < plan.inputs.rows)
        );
    }

    proptest! {
        #[test]
        fn training_rows_are_those_that_are_not_held_out(held in prop::collection::btree_set(0_usize..60, 0..30)) {
            let held: Vec<usize> = held.into_iter().collect();
            let mut others = (0..).filter(|row| !held.contains(row));
            for row in 0..40 {
                prop_assert_eq!(Some(place(&held, row)), others.next());
            }
        }
    }
}
