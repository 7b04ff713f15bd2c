use std::process::ExitCode;

use anyhow::Error;
use gpu_mlp::backend::BackendError;
use gpu_mlp::data::DataError;
use gpu_mlp::model::ModelFileError;
use gpu_mlp::predictor::PredictError;
use gpu_mlp::runs::RunError;
use gpu_mlp::train::{FitError, TrainError};

use super::output;

/// Input that the user can mend: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadInput(pub(crate) String);

/// Bad input, as an error.
pub(crate) fn bad_input(sentence: impl Into<String>) -> Error {
    BadInput(sentence.into()).into()
}

/// An error of the command line's words in one line.
pub(super) fn usage(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim);
    let told = lines.take_while(|line| {
        !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    let line = told
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let line = line.replace(" tip: ", "; ");
    bad_input(line.strip_prefix("error: ").unwrap_or(&line))
}

/// Prints an error in one line and gives its exit code: 2 for what the user can mend, 1 for the rest.
pub(crate) fn fail(error: &Error) -> ExitCode {
    if error.chain().any(unread) {
        return ExitCode::SUCCESS;
    }
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    let mut line = causes[0].clone();
    for cause in &causes[1..] {
        if !line.contains(cause.as_str()) {
            line = format!("{line}: {cause}");
        }
    }
    output::tell(&format!(
        "error: {}",
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    ));
    ExitCode::from(if error.chain().any(mendable) { 2 } else { 1 })
}

/// Whether the reader of our answer has seen enough, as `head` does: that is no error.
fn unread(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn mendable(cause: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = cause.downcast_ref::<BackendError>() {
        return !error.is_failure() && !matches!(error, BackendError::Misuse(_));
    }
    if let Some(error) = cause.downcast_ref::<FitError>() {
        return match error {
            FitError::Train(error, _) => mendable(error),
            _ => true,
        };
    }
    if let Some(error) = cause.downcast_ref::<TrainError>() {
        return match error {
            TrainError::Backend(error) => mendable(error),
            TrainError::Diverged { .. } => false,
            TrainError::Weights(_) | TrainError::Data(_) | TrainError::Read(_) => true,
        };
    }
    if let Some(error) = cause.downcast_ref::<PredictError>() {
        return match error {
            PredictError::Backend(error) => mendable(error),
            PredictError::Data(_)
            | PredictError::NotFinite { .. }
            | PredictError::Target { .. } => true,
        };
    }
    cause.is::<BadInput>()
        || cause.is::<DataError>()
        || cause.is::<ModelFileError>()
        || cause.is::<RunError>()
        || cause.is::<std::io::Error>()
}
