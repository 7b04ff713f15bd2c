//! Workers that come by themselves.

use std::io::pipe;
use std::thread::{JoinHandle, spawn};

use super::*;
use crate::elastic::{Ends, Joined, serve};

/// One that comes over pipes, and what its process has to say at its end.
fn comes(faults: BTreeMap<usize, Fault>) -> (Spec, JoinHandle<Option<String>>) {
    let spec = spec(faults);
    let Start::Thread(open) = spec.start.clone() else {
        panic!("it is a thread");
    };
    let [(input, orders), (answers, output)] = [(); 2].map(|()| pipe().expect("a pipe"));
    let ends = Ends {
        input: Box::new(input),
        output: Box::new(output),
    };
    let end = spawn(move || serve(|| open(), ends).expect("it is read from"));
    let start = Start::Joined(Joined::new(Ends {
        input: Box::new(answers),
        output: Box::new(orders),
    }));
    (Spec { start, ..spec }, end)
}

#[test]
fn a_worker_that_comes_knows_at_its_end_what_was_wrong_with_it() {
    let cases = [
        (None, None),
        (Some(Fault::Kills), Some("a test failed: it was killed")),
        (Some(Fault::Corrupts), Some("disagrees on shard ")),
    ];
    for scheduling in Scheduling::ALL {
        for (fault, wanted) in cases {
            let faults = fault.map(|fault| (5, fault)).into_iter().collect();
            let (one, end) = comes(faults);
            let options = PoolOptions {
                verify: 1.0,
                ..patient(options(PolicyName::RoundRobin, scheduling))
            };
            let specs = vec![spec(BTreeMap::new()), one, spec(BTreeMap::new())];
            assert_eq!(outcome(specs, options).0, reference(), "{scheduling:?}");
            let told = end.join().expect("it ends");
            match (&told, wanted) {
                (Some(told), Some(wanted)) => assert!(told.starts_with(wanted), "{told}"),
                _ => assert_eq!(told.as_deref(), wanted),
            }
        }
    }
}
