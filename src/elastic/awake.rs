//! Waiting for a message without falling asleep at once: to wake a thread takes whoever sends tens of microseconds, and as many pass
//! until it runs. Meanwhile others may run.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

/// How long one who waits stays awake.
const AWAKE: Duration = Duration::from_micros(200);

/// Waits for a message as `recv_timeout` does, awake at first.
pub(super) fn receive<T>(inbox: &Receiver<T>, wait: Duration) -> Result<T, RecvTimeoutError> {
    let (start, awake) = (Instant::now(), AWAKE.min(wait));
    loop {
        match inbox.try_recv() {
            Ok(message) => return Ok(message),
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) if start.elapsed() < awake => std::thread::yield_now(),
            Err(TryRecvError::Empty) => return inbox.recv_timeout(wait.saturating_sub(awake)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_comes_soon_or_late_or_never_is_told() {
        let (sender, inbox) = channel();
        sender.send(1).expect("it is listened to");
        assert_eq!(receive(&inbox, Duration::ZERO), Ok(1));
        let nothing = receive(&inbox, 2 * AWAKE);
        assert_eq!(nothing, Err(RecvTimeoutError::Timeout));
        let late = std::thread::spawn(move || {
            let start = Instant::now();
            while start.elapsed() < 3 * AWAKE {
                std::thread::yield_now();
            }
            sender.send(2)
        });
        assert_eq!(receive(&inbox, Duration::from_secs(60)), Ok(2));
        assert!(late.join().is_ok_and(|sent| sent.is_ok()));
        let nobody = receive(&inbox, Duration::from_secs(60));
        assert_eq!(nobody, Err(RecvTimeoutError::Disconnected));
    }
}
