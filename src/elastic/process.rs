//! Workers in processes of their own: the same worker behind the same messages, over its standard input and output, or over a socket
//! that it came by. A driver that crashes takes its process along, and not the run.

use std::io::{BufReader, BufWriter, Error, ErrorKind, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::link::{Channel, Ends};
use super::message::{Answer, Order};
use super::worker::{Closed, Outbox, fail, work};
use crate::backend::{Backend, BackendError};

/// What a process says: an answer for the pool, or an order for a peer.
#[derive(serde::Serialize, serde::Deserialize)]
enum Said {
    Answer(Answer),
    ToPeer(usize, Order),
}

/// What each message begins with; nothing else that a process writes there does.
const MARK: [u8; 8] = *b"gpu-mlp\0";

/// Bytes of a message whose memory is there before they are.
const AT_ONCE: u64 = 64 << 20;

/// A message is the mark, its length, of eight bytes, and its contents.
fn put(out: &mut impl Write, message: &impl Serialize) -> std::io::Result<()> {
    let bytes = postcard::to_allocvec(message).map_err(Error::other)?;
    out.write_all(&MARK)?;
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(&bytes)?;
    out.flush()
}

/// The next message. What is no message is an error of the kind `InvalidData`.
fn get<T: DeserializeOwned>(input: &mut impl Read) -> std::io::Result<T> {
    let mut eight = [0; 8];
    input.read_exact(&mut eight)?;
    if eight != MARK {
        let said = format!(
            "what came ({:?} and more) is no message; a driver may have printed it",
            String::from_utf8_lossy(&eight)
        );
        return Err(Error::new(ErrorKind::InvalidData, said));
    }
    input.read_exact(&mut eight)?;
    let length = u64::from_le_bytes(eight);
    let mut bytes = Vec::with_capacity(length.min(AT_ONCE) as usize);
    input.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(&bytes).map_err(|error| {
        let said = format!("a message cannot be read: {error}");
        Error::new(ErrorKind::InvalidData, said)
    })
}

/// Works as a process of a pool, until what it reads from ends. Returns why it has ended, where it is not that the pool has.
pub fn serve(
    open: impl FnOnce() -> Result<Box<dyn Backend>, BackendError>,
    Ends { input, output }: Ends,
) -> std::io::Result<Option<String>> {
    let (orders, inbox) = channel();
    let out = Arc::new(Mutex::new(BufWriter::new(output)));
    let reading = Arc::clone(&out);
    thread::Builder::new()
        .name("orders".into())
        .spawn(move || read_orders(input, &orders, &reading))?;
    let mut outbox = Pipe { out };
    Ok(match open() {
        Ok(backend) => work(backend, &inbox, &mut outbox),
        Err(error) => Some(fail(error, &mut outbox)),
    })
}

type Out = Arc<Mutex<BufWriter<Box<dyn Write + Send>>>>;

/// Hands on what comes in; what is no order is why the worker leaves. A slice's peers are behind the same pipe.
fn read_orders(input: Box<dyn Read + Send>, orders: &Sender<Order>, out: &Out) {
    let mut input = BufReader::new(input);
    loop {
        let mut order = match get(&mut input) {
            Ok(order) => order,
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Order::Leave(Some(error.to_string()))
            }
            Err(_) => break,
        };
        if let Order::Slice(slice) = &mut order {
            let count = slice.members.ids.len();
            slice.peers = (0..count).map(|rank| peer(rank, out)).collect();
        }
        if orders.send(order).is_err() {
            break;
        }
    }
}

/// A way to a peer, for as long as somebody holds it.
fn peer(rank: usize, out: &Out) -> Sender<Order> {
    let (sender, letters) = channel::<Order>();
    let out = Arc::clone(out);
    let run = move || {
        for letter in letters {
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            if put(&mut *out, &Said::ToPeer(rank, letter.made())).is_err() {
                break;
            }
        }
    };
    // Without the thread the peer cannot be reached, and is taken to be gone.
    drop(thread::Builder::new().name("letters".into()).spawn(run));
    sender
}

struct Pipe {
    out: Out,
}

impl Outbox for Pipe {
    fn send(&mut self, answer: Answer) -> Result<(), Closed> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        put(&mut *out, &Said::Answer(answer)).map_err(|_| Closed)
    }
}

/// Where a worker's process is, as long as there is one.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Mutex<Option<Child>>>);

impl Slot {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it, if it has not ended by itself.
    pub(super) fn kill(&self) {
        if let Some(child) = &mut *self.child() {
            // One that has ended cannot be ended.
            let _ = child.kill();
        }
    }
}

/// Starts a process and passes messages on, until it ends or has to. `command` is the program and its words.
pub(super) fn attend(
    command: &[String],
    orders: Receiver<Order>,
    mut outbox: Channel,
    slot: &Slot,
) {
    let mut failed = |reason: String| {
        // If nobody hears of it, nobody waits.
        let _ = outbox.send(Answer::Failed(reason.into()));
    };
    let Some((program, words)) = command.split_first() else {
        return failed("there is no program to start".into());
    };
    let mut command = Command::new(program);
    command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    // Ctrl-C is for the trainer, which ends its workers by itself.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return failed(format!("{program} does not start: {error}")),
    };
    let (Some(output), Some(input)) = (child.stdin.take(), child.stdout.take()) else {
        return failed("the process has no pipes".into());
    };
    let ends = Ends {
        input: Box::new(input),
        output: Box::new(output),
    };
    *slot.child() = Some(child);
    let slot = slot.clone();
    exchange(ends, orders, outbox, move || {
        // It has ended, or its pipe has: in either case nothing is to be had of it any more.
        slot.kill();
        let Some(mut child) = slot.child().take() else {
            return "its process is gone".into();
        };
        let status = child.wait();
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        format!("its process ended: {how}")
    });
}

/// Passes messages on between the pool and a worker elsewhere, until it ends or has to. `end` sees to its end, and says how it was.
pub(super) fn exchange(
    Ends { input, output }: Ends,
    orders: Receiver<Order>,
    outbox: Channel,
    end: impl FnOnce() -> String + Send + 'static,
) {
    let peers = Arc::new(Mutex::new(Vec::new()));
    let known = Arc::clone(&peers);
    let reading = thread::Builder::new()
        .name("answers".into())
        .spawn(move || read_answers(input, &known, outbox, end));
    let mut out = BufWriter::new(output);
    for mut order in orders {
        let leaves = matches!(order, Order::Leave(_));
        if let Order::Slice(slice) = &mut order {
            *peers.lock().unwrap_or_else(PoisonError::into_inner) =
                std::mem::take(&mut slice.peers);
        }
        if put(&mut out, &order.made()).is_err() || leaves {
            break;
        }
    }
    drop(out);
    drop(reading);
}

fn read_answers(
    input: Box<dyn Read + Send>,
    peers: &Mutex<Vec<Sender<Order>>>,
    mut outbox: Channel,
    end: impl FnOnce() -> String,
) {
    let mut input = BufReader::new(input);
    let mut told = false;
    let wrong = loop {
        match get::<Said>(&mut input) {
            Err(error) => break Some(error).filter(|of| of.kind() == ErrorKind::InvalidData),
            Ok(Said::Answer(said)) => {
                told |= matches!(said, Answer::Failed(_));
                if outbox.send(said).is_err() {
                    break None;
                }
            }
            Ok(Said::ToPeer(rank, letter)) => {
                let peers = peers.lock().unwrap_or_else(PoisonError::into_inner);
                let sent = peers.get(rank).map(|peer| peer.send(letter));
                if let Some(Err(SendError(Order::Letter { first, from, .. }))) = sent
                    && let Some(sender) = peers.get(from)
                {
                    // If it is gone itself, nobody waits.
                    let _ = sender.send(Order::Gone { first, rank });
                }
            }
        }
    };
    peers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let ended = end();
    let reason = wrong.map_or(ended, |wrong| wrong.to_string());
    if !told {
        // If nobody hears of it, nobody waits.
        let _ = outbox.send(Answer::Failed(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, sink};

    use super::*;
    use crate::backend::cpu::CpuBackend;
    use crate::elastic::policy::DeviceKind;
    use crate::elastic::{Joined, Pool, PoolOptions, Spec, Start};

    fn message() -> Order {
        Order::Read {
            number: 7,
            buffer: "parameters".into(),
            member: 1,
            offset: 2,
            len: 3,
        }
    }

    /// By such a way come these bytes, and then the end.
    fn ends(bytes: &[u8]) -> Ends {
        Ends {
            input: Box::new(Cursor::new(bytes.to_vec())),
            output: Box::new(sink()),
        }
    }

    #[test]
    fn a_message_is_read_as_it_is_written_one_behind_the_other() {
        let mut bytes = Vec::new();
        for order in [message(), Order::Examine, message()] {
            put(&mut bytes, &order).expect("it is written");
        }
        let mut input = Cursor::new(bytes);
        for written in [message(), Order::Examine, message()] {
            let read: Order = get(&mut input).expect("it is read");
            assert_eq!(format!("{read:?}"), format!("{written:?}"));
        }
        let error = get::<Order>(&mut input).expect_err("it ends");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_message_that_ends_before_its_length_takes_no_memory_for_it() {
        for length in [100, 1 << 40, u64::MAX] {
            let mut bytes = MARK.to_vec();
            bytes.extend(length.to_le_bytes());
            bytes.extend([1; 99]);
            let error = get::<Order>(&mut Cursor::new(bytes)).expect_err("it ends");
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{length}");
        }
    }

    #[test]
    fn a_worker_that_hears_what_is_no_order_says_so_at_its_end() {
        let mut order = Vec::new();
        put(&mut order, &Order::Examine).expect("it is written");
        let last = order.len() - 1;
        let mut broken = order.clone();
        broken[last] = 0xff;
        for (bytes, wanted) in [
            (&order[..], None),
            (&order[..last], None),
            (&broken, Some("a message cannot be read: ")),
            (
                b"nonsense",
                Some("what came (\"nonsense\" and more) is no message"),
            ),
        ] {
            let open = || -> Result<Box<dyn Backend>, BackendError> {
                Ok(Box::new(CpuBackend::<f32>::with_threads(1)))
            };
            let told = serve(open, ends(bytes)).expect("it is read from");
            let told = told.as_deref();
            assert_eq!(told.is_some(), wanted.is_some(), "{told:?}");
            assert!(
                told.is_none_or(|told| told.starts_with(wanted.unwrap_or_default())),
                "{told:?}"
            );
        }
    }

    #[test]
    fn what_a_driver_prints_is_no_message_and_is_told() {
        let line = b"WARNING: lavapipe is not a conformant Vulkan implementation\n";
        let part = "(\"WARNING:\" and more) is no message";
        let joined = Spec {
            name: "cpu:1".into(),
            kind: DeviceKind::Cpu { threads: 1 },
            weight: 1.0,
            start: Start::Joined(Joined::new(ends(line))),
            spares: Vec::new(),
        };
        let error = Pool::open(vec![joined], PoolOptions::default()).err();
        let error = error.expect("it says nothing sensible").to_string();
        assert!(error.contains(part), "{error}");
    }
}
