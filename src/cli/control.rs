//! What may be asked of a run that is training, and `scale`: its folder has a socket that its trainer listens on.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use gpu_mlp::elastic::{Ends, Joined, Remote, Start};
use serde::{Deserialize, Serialize};

use super::error::bad_input;
use super::status::{Standing, Watch};
use super::workers::{Crew, Workers};

/// Add or remove the workers of a run that is training
#[derive(Args)]
pub(super) struct ScaleOptions {
    /// The run's folder
    run: PathBuf,
    /// The workers that it shall have from now on, as train --workers takes them
    #[arg(long, value_name = "LIST")]
    workers: Workers,
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
    Status(Box<Standing>),
    Done,
    Failed(String),
}

const SOCKET: &str = "control";

/// Workers of another version may mean something else by what they say.
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn scale(options: &ScaleOptions) -> Result<ExitCode> {
    let request = Request::Scale(options.workers.to_string());
    ask(&options.run, request).map(|_| ExitCode::SUCCESS)
}

/// Who answers for a run.
pub(super) enum Asked<T> {
    /// Its trainer.
    Answer(T),
    /// Nobody trains it.
    Nobody,
    /// It cannot be asked, for this reason.
    Unreachable(String),
}

/// How far a run is, if it is training.
pub(super) fn standing(run: &Path) -> Result<Asked<Standing>> {
    Ok(match talk(run, Request::Status)? {
        Asked::Answer((Reply::Status(standing), _)) => Asked::Answer(*standing),
        Asked::Answer((Reply::Failed(reason), _)) => return Err(bad_input(reason)),
        Asked::Answer((Reply::Done, _)) | Asked::Nobody => Asked::Nobody,
        Asked::Unreachable(reason) => Asked::Unreachable(reason),
    })
}

/// What may be asked about.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) watch: Watch,
    /// The workers, if the run has some.
    pub(super) crew: Option<Crew>,
}

/// What a trainer does with a request.
fn answer(request: &Request, desk: &Desk) -> Reply {
    let alone = "the run trains without workers, and would come to other bits with them";
    match (request, &desk.crew) {
        (Request::Status, crew) => {
            let mut standing = desk.watch.standing();
            standing.pool = crew.as_ref().and_then(|crew| crew.remote.report());
            Reply::Status(Box::new(standing))
        }
        (_, None) => Reply::Failed(alone.into()),
        (Request::Scale(list), Some(crew)) => {
            let workers = list.parse::<Workers>();
            match workers.and_then(|workers| workers.check().map(|()| workers)) {
                Ok(workers) => {
                    crew.scale(&workers);
                    Reply::Done
                }
                Err(reason) => Reply::Failed(reason),
            }
        }
        (Request::Join { version, .. }, _) if version != VERSION => Reply::Failed(format!(
            "gpu-mlp {VERSION} is training the run, and this is {version}; a worker has to be of the same version"
        )),
        (Request::Join { device, .. }, _) => match device.parse() {
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
    ask(run, request)
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

/// How long a trainer has for its answer. It looks for adapters before that, at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the trainer of a run, and leaves the way open.
fn talk(run: &Path, request: Request) -> Result<Asked<(Reply, Ends)>> {
    let path = run.join(SOCKET);
    let (sender, answer) = channel();
    let socket = path.clone();
    // A trainer that is stopped may keep us waiting wherever we are.
    thread::spawn(move || sender.send(socket::talk(&socket, &request)));
    let run = run.display();
    let Ok(answer) = answer.recv_timeout(PATIENCE) else {
        return Err(anyhow!(
            "{run}: its trainer does not answer; it may be stopped, or its machine overloaded"
        ));
    };
    match answer.map_err(|error| (error.kind(), error)) {
        Ok((line, ends)) => {
            let reply = serde_json::from_str(&line);
            let reply = reply.with_context(|| {
                format!("{run}: its trainer, of another version perhaps, answers something else")
            });
            Ok(Asked::Answer((reply?, ends)))
        }
        Err((
            ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof,
            _,
        )) => Ok(Asked::Nobody),
        Err((_, error)) => Ok(Asked::Unreachable(format!("{}: {error}", path.display()))),
    }
}

/// Asks for something that only a trainer with workers can do.
fn ask(run: &Path, request: Request) -> Result<Ends> {
    match talk(run, request)? {
        Asked::Answer((Reply::Failed(reason), _)) | Asked::Unreachable(reason) => {
            Err(bad_input(reason))
        }
        Asked::Answer((_, ends)) => Ok(ends),
        Asked::Nobody => {
            let run = run.display();
            Err(bad_input(format!(
                "{run} is not training with --workers; begin it with train --workers LIST --run {run}"
            )))
        }
    }
}

#[cfg(unix)]
mod socket {
    use std::io::{BufRead, BufReader, Error, ErrorKind, Result, Write};
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
    use std::time::Duration;

    use super::{Desk, Ends, Listening, Path, Reply, Request, SOCKET, answer, take_in};

    /// Refuses a path that no socket can have.
    fn check(path: &Path) -> Result<()> {
        SocketAddr::from_pathname(path).map(drop).map_err(|_| {
            let length = path.as_os_str().len();
            let reason = format!(
                "a socket's path may not be as long as {length} bytes; name the run's folder from nearby, or train in one of a shorter path"
            );
            Error::new(ErrorKind::InvalidInput, reason)
        })
    }

    /// Listens in a run's folder, until the process ends.
    pub(in super::super) fn listen(folder: &Path, desk: Desk) -> Result<Listening> {
        let path = folder.join(SOCKET);
        check(&path)?;
        // The folder is locked by this process: a socket that is there is of one that ended.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        let serve = move || {
            for stream in listener.incoming().flatten() {
                // Who asks and goes away has no answer.
                let _ = serve(stream, &desk);
            }
        };
        std::thread::Builder::new()
            .name("control".into())
            .spawn(serve)?;
        Ok(Listening { path })
    }

    fn serve(mut stream: UnixStream, desk: &Desk) -> Result<()> {
        // Others wait meanwhile.
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        let request: serde_json::Result<Request> = serde_json::from_str(&line);
        let reply = match &request {
            Ok(request) => answer(request, desk),
            Err(error) => Reply::Failed(error.to_string()),
        };
        serde_json::to_writer(&mut stream, &reply)?;
        stream.write_all(b"\n")?;
        if let (Ok(Request::Join { device, .. }), Reply::Done, Some(crew)) =
            (request, reply, &desk.crew)
        {
            stream.set_read_timeout(None)?;
            let ends = Ends {
                input: Box::new(stream.try_clone()?),
                output: Box::new(stream),
            };
            take_in(&device, ends, &crew.remote);
        }
        Ok(())
    }

    /// Sends a request. Returns the line that answers it, and leaves the way open.
    pub(super) fn talk(path: &Path, request: &Request) -> Result<(String, Ends)> {
        check(path)?;
        let mut stream = UnixStream::connect(path)?;
        serde_json::to_writer(&mut stream, request)?;
        stream.write_all(b"\n")?;
        let mut line = String::new();
        let mut input = BufReader::new(stream.try_clone()?);
        input.read_line(&mut line)?;
        if !line.ends_with('\n') {
            // It has ended in the middle.
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let ends = Ends {
            // What has come behind the line is in there.
            input: Box::new(input),
            output: Box::new(stream),
        };
        Ok((line, ends))
    }
}

#[cfg(not(unix))]
mod socket {
    use std::io::{Error, ErrorKind, Result};

    use super::{Desk, Ends, Listening, Path, Request};

    fn missing() -> Error {
        let reason = "this needs Unix sockets, which this system has not";
        Error::new(ErrorKind::Unsupported, reason)
    }

    pub(in super::super) fn listen(_: &Path, _: Desk) -> Result<Listening> {
        Err(missing())
    }

    pub(super) fn talk(_: &Path, _: &Request) -> Result<(String, Ends)> {
        Err(missing())
    }
}

pub(super) use socket::listen;
