use std::path::PathBuf;
use std::sync::Arc;

use gpu_mlp::elastic::{Remote, Spec, Start, save_records};

use super::Workers;
use crate::cli::device::faulty;

/// The workers of a run: a way to them, and how more of them come to be.
#[derive(Clone)]
pub(in crate::cli) struct Crew {
    pub(in crate::cli) remote: Remote,
    /// The program that each is a process of, if each is one of its own.
    pub(super) program: Option<String>,
    /// Where the policy `learned` keeps its records.
    pub(super) memory: Option<PathBuf>,
}

impl Crew {
    /// Workers to be, as this run has them.
    pub(super) fn specs(&self, workers: &Workers) -> Vec<Spec> {
        let mut specs = workers.specs();
        for spec in &mut specs {
            failing(spec);
            if let Some(program) = &self.program {
                apart(spec, program);
            }
        }
        specs
    }

    /// Asks for these workers in place of those that are there.
    pub(in crate::cli) fn scale(&self, workers: &Workers) {
        self.remote.scale(self.specs(workers));
    }

    /// Whether there is something to [remember](Crew::remember).
    pub(in crate::cli) fn learns(&self) -> bool {
        self.memory.is_some()
    }

    /// Keeps what the policy has learned from for the next run.
    pub(in crate::cli) fn remember(&self) {
        let records = self.remote.records();
        // Before the first step there is nothing, which is not to take the place of what is kept.
        if let Some(path) = self.memory.as_ref().filter(|_| !records.is_empty())
            && let Err(error) = save_records(path, &records)
        {
            log::warn!(
                "{}: {error}; the next run begins without these",
                path.display()
            );
        }
    }
}

/// Has a worker, and what takes its place, fail as it was asked for.
fn failing(spec: &mut Spec) {
    if let Start::Thread(open) = &spec.start {
        let open = Arc::clone(open);
        spec.start = Start::Thread(Arc::new(move || Ok(faulty(open()?))));
    }
    for spare in &mut spec.spares {
        failing(spare);
    }
}

/// Has a worker, and what takes its place, be a process of its own.
fn apart(spec: &mut Spec, program: &str) {
    let device = format!("--device={}", spec.name);
    let words = [program, "worker", &device];
    spec.start = Start::Process(words.map(str::to_owned).into());
    for spare in &mut spec.spares {
        apart(spare, program);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_of_a_run_of_processes_are_processes_and_so_is_what_takes_their_place() {
        let workers: Workers = "cpu:1,gpu".parse().expect("a list");
        for program in [None, Some("gpu-mlp".to_owned())] {
            let crew = Crew {
                remote: Remote::default(),
                program: program.clone(),
                memory: None,
            };
            let specs = crew.specs(&workers);
            let all = specs
                .iter()
                .flat_map(|spec| spec.spares.iter().chain([spec]));
            for spec in all {
                match &spec.start {
                    Start::Process(words) => {
                        let device = format!("--device={}", spec.name);
                        assert_eq!(words[..], ["gpu-mlp", "worker", &device]);
                        assert!(program.is_some());
                    }
                    _ => assert!(program.is_none()),
                }
            }
        }
    }
}
