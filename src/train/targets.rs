//! What the network shall answer for each row: the target's encoding, its loss, its scale and its weights.

use super::sample_weight::row_weights;
use super::{Config, FitError, Monitor, TrainError};
use crate::data::{Matrix, Moments, Table, TargetEncoding, TargetTransform, Task};
use crate::program::{Link, Loss, LossFunction, LossWeights};

/// The targets of all rows, those of a dataset's own test set last.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    pub(super) encoding: TargetEncoding,
    pub(super) loss: Loss,
    /// As they are: `[rows, targets]`.
    pub(super) wanted: Matrix,
    /// As the network learns them, with their weights behind them.
    pub(super) learned: Matrix,
    /// What a regression's targets were standardised by, each; none where they were not.
    pub(super) moments: Vec<Moments>,
    /// The same as they were found, mean and deviation.
    scales: Vec<[f64; 2]>,
    /// What training rows of each class count, where they do not count alike.
    of_classes: Option<Vec<f32>>,
    /// What labels that are there count.
    of_labels: Option<Vec<f32>>,
}

impl Targets {
    /// Encodes the targets and finds the loss that suits them, or the one asked for.
    pub(super) fn new(
        config: &Config,
        table: &Table,
        test: Option<&Table>,
    ) -> Result<Self, FitError> {
        let encoding = TargetEncoding::fit(table, config.task)?;
        let loss = loss(config, &encoding)?;
        let mut wanted = encoding.apply(table)?;
        check(config, loss, table, &wanted).map_err(FitError::Option)?;
        if let Some(test) = test {
            let more = encoding.apply(test)?;
            check(config, loss, test, &more).map_err(FitError::Option)?;
            wanted.rows += more.rows;
            wanted.values.extend(more.values);
        }
        Ok(Targets {
            encoding,
            loss,
            learned: wanted.clone(),
            wanted,
            moments: Vec::new(),
            scales: Vec::new(),
            of_classes: None,
            of_labels: None,
        })
    }

    /// Keeps these rows alone.
    pub(super) fn keep(&mut self, rows: &[u32]) {
        for matrix in [&mut self.wanted, &mut self.learned] {
            let values = rows.iter().flat_map(|&row| matrix.row(row as usize));
            matrix.values = values.copied().collect();
            matrix.rows = rows.len();
        }
    }

    /// What encodes further training rows, without those that are here.
    pub(super) fn encoder(&self) -> Targets {
        let empty = |matrix: &Matrix| Matrix {
            columns: matrix.columns,
            ..Matrix::default()
        };
        Targets {
            encoding: self.encoding.clone(),
            loss: self.loss,
            wanted: empty(&self.wanted),
            learned: empty(&self.learned),
            moments: self.moments.clone(),
            scales: self.scales.clone(),
            of_classes: self.of_classes.clone(),
            of_labels: self.of_labels.clone(),
        }
    }

    /// What is learned of further training rows: as [`Targets::scale`] and [`Targets::weigh`] made it of those here.
    pub(super) fn encode(&self, config: &Config, table: &Table) -> Result<Matrix, TrainError> {
        let wanted = self.encoding.apply(table)?;
        check(config, self.loss, table, &wanted).map_err(TrainError::Data)?;
        let mut learned = wanted.clone();
        transformed(config, &mut learned);
        for (column, &scale) in self.scales.iter().enumerate() {
            standardise(&mut learned, column, scale);
        }
        let width = self.learned.columns - wanted.columns;
        if width > 0 {
            let of_class = |row: usize| {
                let of_classes = self.of_classes.as_ref();
                of_classes.map_or(1.0, |weights| weights[wanted.row(row)[0] as usize])
            };
            let mut weights = vec![1.0; wanted.rows * width];
            for (row, places) in weights.chunks_mut(width).enumerate() {
                places.fill(of_class(row));
                count_labels(places, wanted.row(row), self.of_labels.as_deref());
            }
            join(&mut learned, &weights, width);
        }
        Ok(learned)
    }

    /// Each row's class; one for all where a row has not one of several.
    pub(super) fn classes(&self) -> Vec<u32> {
        match &self.encoding {
            TargetEncoding::Classes { .. } => {
                let classes = self.wanted.values.iter();
                classes.map(|&class| class as u32).collect()
            }
            TargetEncoding::Values { .. } | TargetEncoding::Labels { .. } => {
                vec![0; self.wanted.rows]
            }
        }
    }

    /// Outputs of the network.
    pub(super) fn outputs(&self) -> usize {
        let classes = self.encoding.classes().len();
        self.loss.outputs(classes) * self.wanted.columns
    }

    /// Transforms and standardises what is learned of values, by the training rows.
    pub(super) fn scale(
        &mut self,
        config: &Config,
        as_they_are: bool,
        train: &[u32],
    ) -> Result<(), FitError> {
        transform(config, self)?;
        let counts = self.loss.link() == Link::Exponential;
        if self.encoding.task() == Task::Classification || counts || as_they_are {
            return Ok(());
        }
        let columns = self.learned.columns;
        for column in 0..columns {
            let of_row = |&row: &u32| f64::from(self.learned.row(row as usize)[column]);
            let (mean, variance) = mean_and_variance(train.iter().map(of_row));
            let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
            standardise(&mut self.learned, column, [mean, deviation]);
            self.scales.push([mean, deviation]);
            self.moments.push(Moments {
                mean: mean as f32,
                deviation: deviation as f32,
            });
        }
        Ok(())
    }

    /// Puts weights behind what is learned: those of the training rows, 1 for all others, so that what is validated is what
    /// counts.
    pub(super) fn weigh(
        &mut self,
        config: &Config,
        of_column: Option<&[f32]>,
        train: &[u32],
    ) -> Result<(), FitError> {
        let classes = self.classes();
        let of_rows = row_weights(config, &self.encoding, &classes, of_column, train);
        let of_rows = of_rows.map_err(FitError::Option)?;
        let of_labels = self.positive(config, train)?;
        let width = match (&of_rows, &of_labels) {
            (None, None) => return Ok(()),
            (_, Some(labels)) => labels.len(),
            (Some(_), None) => 1,
        };
        self.loss.weights = match of_labels {
            Some(_) => LossWeights::Outputs,
            None => LossWeights::Rows,
        };
        let mut weights = vec![1.0; self.learned.rows * width];
        for &row in train {
            let row = row as usize;
            let places = &mut weights[row * width..(row + 1) * width];
            if let Some(of_rows) = &of_rows {
                places.fill(of_rows[row]);
            }
            count_labels(places, self.wanted.row(row), of_labels.as_deref());
        }
        join(&mut self.learned, &weights, width);
        self.of_labels = of_labels;
        if let Some(weight) = &config.class_weight {
            let of_classes = weight.of_classes(self.encoding.classes(), &classes, train);
            self.of_classes = Some(of_classes.map_err(FitError::Option)?);
        }
        Ok(())
    }

    fn positive(&self, config: &Config, train: &[u32]) -> Result<Option<Vec<f32>>, FitError> {
        let Some(weight) = &config.pos_weight else {
            return Ok(None);
        };
        if self.loss.function != LossFunction::BinaryCrossEntropy {
            return Err(FitError::Option(format!(
                "--pos-weight goes with --loss binary-cross-entropy, for two classes or labels; the loss is {}",
                self.loss.function
            )));
        }
        let weights = weight.of_labels(&self.wanted, train);
        weights.map(Some).map_err(FitError::Option)
    }

    /// What early stopping looks at, if the target and its loss have it.
    pub(super) fn monitor(&self, config: &Config) -> Result<Monitor, FitError> {
        let monitor = config.monitor.unwrap_or_default();
        let (task, link) = (self.encoding.task(), self.loss.link());
        let probable = ![Monitor::LogLoss, Monitor::RocAuc].contains(&monitor);
        let of_one_class = [Monitor::BalancedAccuracy, Monitor::Matthews];
        let refused = if !monitor.suits(task) {
            match task {
                Task::Regression => "is for classes; the target has values: use loss, mae or r2",
                Task::Classification => {
                    "is for values; the target has classes: use loss or accuracy"
                }
            }
        } else if link == Link::Margin && !probable {
            "needs probabilities; --loss hinge gives none"
        } else if link == Link::Ordered && monitor != Monitor::Loss {
            "is of single values; --loss quantile answers several: use loss"
        } else if !self.encoding.labels().is_empty() && of_one_class.contains(&monitor) {
            "is of one class a row; there are several labels: use loss, accuracy, f1, log-loss or roc-auc"
        } else {
            return Ok(monitor);
        };
        Err(FitError::Option(format!("--monitor {monitor} {refused}")))
    }
}

/// The loss that suits the target, or the one asked for.
fn loss(config: &Config, target: &TargetEncoding) -> Result<Loss, FitError> {
    let several = !target.labels().is_empty();
    let classes = if several { 2 } else { target.classes().len() };
    let function = config.loss_function(classes).map_err(FitError::Option)?;
    let suits = if several {
        function == LossFunction::BinaryCrossEntropy
    } else {
        function.suits(classes)
    };
    if !suits {
        let what = match classes {
            _ if several => format!("{} labels", target.labels().len()),
            0 => "values".to_owned(),
            _ => format!("{classes} classes"),
        };
        return Err(FitError::Option(format!(
            "--loss {function} does not suit a target of {what}; leave it out for {}",
            LossFunction::suiting(classes)
        )));
    }
    Ok(Loss::new(function, config.reduction.unwrap_or_default()))
}

/// What labels count that are there.
fn count_labels(weights: &mut [f32], wanted: &[f32], of_labels: Option<&[f32]>) {
    let there = wanted.iter().zip(of_labels.into_iter().flatten());
    for (place, (&there, weight)) in weights.iter_mut().zip(there) {
        *place *= if there > 0.0 { *weight } else { 1.0 };
    }
}

/// Puts each row's weights behind its targets.
fn join(learned: &mut Matrix, weights: &[f32], width: usize) {
    let rows = learned.values.chunks(learned.columns);
    learned.values = rows
        .zip(weights.chunks(width))
        .flat_map(|(target, weights)| [target, weights].concat())
        .collect();
    learned.columns += width;
}

fn standardise(learned: &mut Matrix, column: usize, [mean, deviation]: [f64; 2]) {
    let columns = learned.columns;
    for value in learned.values.iter_mut().skip(column).step_by(columns) {
        *value = ((f64::from(*value) - mean) / deviation) as f32;
    }
}

/// Refuses targets that counts cannot have, or that the transformation asked for has nothing for, in a sentence.
fn check(config: &Config, loss: Loss, table: &Table, targets: &Matrix) -> Result<(), String> {
    let refuse = |place: usize, what: &str| {
        Err(format!(
            "{what}; {}: {} has {}",
            table.origin,
            table.place(place / targets.columns),
            targets.values[place]
        ))
    };
    let negative = targets.values.iter().position(|&count| count < 0.0);
    if let Some(place) = negative.filter(|_| loss.link() == Link::Exponential) {
        return refuse(place, "--loss poisson needs counts from 0 on");
    }
    let transform = config.target_transform.unwrap_or_default();
    transform.refused(&targets.values).map_or(Ok(()), |place| {
        let what = format!("--target-transform {transform} needs values above -1");
        refuse(place, &what)
    })
}

/// Makes of a regression's targets what the network learns.
fn transform(config: &Config, targets: &mut Targets) -> Result<(), FitError> {
    let transform = config.target_transform.unwrap_or_default();
    if transform == TargetTransform::None {
        return Ok(());
    }
    let refused = match targets.loss.link() {
        Link::Exponential => Some("--loss poisson, which has a logarithm of its own"),
        Link::Normal => {
            Some("--loss gaussian, whose answer is a deviation in the target's own units")
        }
        _ if targets.encoding.task() == Task::Classification => Some("classes"),
        _ => None,
    };
    if let Some(what) = refused {
        return Err(FitError::Option(format!(
            "--target-transform {transform} does not go with {what}; leave it out"
        )));
    }
    transformed(config, &mut targets.learned);
    Ok(())
}

fn transformed(config: &Config, learned: &mut Matrix) {
    let transform = config.target_transform.unwrap_or_default();
    if transform != TargetTransform::None {
        for value in &mut learned.values {
            *value = transform.forward(f64::from(*value)) as f32;
        }
    }
}

pub(super) fn mean_and_variance(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    (
        mean,
        values.map(|value| (value - mean).powi(2)).sum::<f64>() / count,
    )
}
