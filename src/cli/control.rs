//! `scale`, `status` and `worker --join`: a run's folder has a socket that its trainer listens on.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpu_mlp::elastic::{Ends, Joined, PoolReport, Remote, Start};
use serde::{Deserialize, Serialize};

use super::error::bad_input;
use super::workers::{Crew, Workers};
use super::{output, report};

/// Add or remove the workers of a run that is training
#[derive(Args)]
pub(super) struct ScaleOptions {
    /// The run's folder
    run: PathBuf,
    /// The workers that it shall have from now on, as train --workers takes them
    #[arg(long, value_name = "LIST")]
    workers: Workers,
}

/// Show the workers of a run that is training
#[derive(Args)]
pub(super) struct StatusOptions {
    /// The run's folder
    run: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is asked of a trainer: a line of JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Request {
    Status,
    Scale(String),
    /// Who asks is a worker from here on, of this version of the program.
    Join {
        device: String,
        version: String,
    },
}

/// What it answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    Status(PoolReport),
    Done,
    Failed(String),
}

const SOCKET: &str = "control";

/// Workers of another version may mean something else by what they say.
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn scale(options: &ScaleOptions) -> Result<ExitCode> {
    match ask(&options.run, &Request::Scale(options.workers.to_string()))? {
        Reply::Failed(reason) => Err(bad_input(reason)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

pub(super) fn status(options: &StatusOptions) -> Result<ExitCode> {
    match ask(&options.run, &Request::Status)? {
        Reply::Status(pool) if options.json => output::json(&pool)?,
        Reply::Status(pool) => {
            let lines = report::workers(&pool).into_iter();
            output::text(&lines.map(|line| line + "\n").collect::<String>())?;
        }
        Reply::Done => {}
        Reply::Failed(reason) => return Err(bad_input(reason)),
    }
    Ok(ExitCode::SUCCESS)
}

/// What a trainer does with a request.
fn answer(request: &Request, crew: &Crew) -> Reply {
    match request {
        Request::Status => crew.remote.report().map_or_else(
            || Reply::Failed("the first step is not made yet".into()),
            Reply::Status,
        ),
        Request::Scale(list) => {
            let workers = list.parse::<Workers>();
            match workers.and_then(|workers| workers.check().map(|()| workers)) {
                Ok(workers) => {
                    crew.scale(&workers);
                    Reply::Done
                }
                Err(reason) => Reply::Failed(reason),
            }
        }
        Request::Join { version, .. } if version != VERSION => Reply::Failed(format!(
            "gpu-mlp {VERSION} is training the run, and this is {version}; a worker has to be of the same version"
        )),
        Request::Join { device, .. } => match device.parse() {
            Ok(Workers::These(_)) => Reply::Done,
            _ => Reply::Failed(format!("{device} is no device")),
        },
    }
}

/// Has a worker that came by such a way take part.
fn take_in(list: &str, ends: Ends, remote: &Remote) {
    let Ok(workers) = list.parse::<Workers>() else {
        return;
    };
    if let Some(mut spec) = workers.specs().into_iter().next() {
        (spec.start, spec.spares) = (Start::Joined(Joined::new(ends)), Vec::new());
        remote.join(spec);
    }
}

/// Becomes a worker of a run: what is read and written from here on is its trainer's.
pub(super) fn join(run: &Path, device: &Workers) -> Result<Ends> {
    let request = Request::Join {
        device: device.to_string(),
        version: VERSION.to_owned(),
    };
    let (reply, ends) = socket::talk_on(run, &request)?;
    match reply {
        Reply::Failed(reason) => Err(bad_input(reason)),
        _ => Ok(ends),
    }
}

/// A socket that is listened on, as long as this is there.
pub(super) struct Listening {
    path: PathBuf,
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It is of no use to anybody any more, and the next trainer replaces it.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(unix)]
mod socket {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::time::Duration;

    use super::{
        Crew, Ends, Listening, Path, Reply, Request, Result, SOCKET, answer, bad_input, take_in,
    };

    /// Listens in a run's folder, until the process ends.
    pub(in super::super) fn listen(folder: &Path, crew: Crew) -> std::io::Result<Listening> {
        let path = folder.join(SOCKET);
        // The folder is locked by this process: a socket that is there is of one that ended.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        let serve = move || {
            for stream in listener.incoming().flatten() {
                // Who asks and goes away has no answer.
                let _ = talk(stream, &crew);
            }
        };
        std::thread::Builder::new()
            .name("control".into())
            .spawn(serve)?;
        Ok(Listening { path })
    }

    fn talk(mut stream: UnixStream, crew: &Crew) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        let request: Result<Request, _> = serde_json::from_str(&line);
        let reply = match &request {
            Ok(request) => answer(request, crew),
            Err(error) => Reply::Failed(error.to_string()),
        };
        serde_json::to_writer(&mut stream, &reply)?;
        stream.write_all(b"\n")?;
        if let (Ok(Request::Join { device, .. }), Reply::Done) = (request, reply) {
            stream.set_read_timeout(None)?;
            let ends = Ends {
                input: Box::new(stream.try_clone()?),
                output: Box::new(stream),
            };
            take_in(&device, ends, &crew.remote);
        }
        Ok(())
    }

    pub(super) fn ask(run: &Path, request: &Request) -> Result<Reply> {
        Ok(talk_on(run, request)?.0)
    }

    /// Asks, and leaves the way open.
    pub(super) fn talk_on(run: &Path, request: &Request) -> Result<(Reply, Ends)> {
        let path = run.join(SOCKET);
        let mut stream = UnixStream::connect(&path).map_err(|_| {
            bad_input(format!(
                "{} is not training with --workers; begin it with train --workers LIST --run {}",
                run.display(),
                run.display()
            ))
        })?;
        serde_json::to_writer(&mut stream, request)?;
        stream.write_all(b"\n")?;
        let mut line = String::new();
        let mut input = BufReader::new(stream.try_clone()?);
        input.read_line(&mut line)?;
        let ends = Ends {
            // What has come behind the line is in there.
            input: Box::new(input),
            output: Box::new(stream),
        };
        Ok((serde_json::from_str(&line)?, ends))
    }
}

#[cfg(not(unix))]
mod socket {
    use super::{Crew, Ends, Listening, Path, Reply, Request, Result, bad_input};

    pub(in super::super) fn listen(_: &Path, _: Crew) -> std::io::Result<Listening> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub(super) fn ask(run: &Path, request: &Request) -> Result<Reply> {
        Ok(talk_on(run, request)?.0)
    }

    pub(super) fn talk_on(_: &Path, _: &Request) -> Result<(Reply, Ends)> {
        Err(bad_input(
            "this needs Unix sockets, which this system has not",
        ))
    }
}

use socket::ask;
pub(super) use socket::listen;
