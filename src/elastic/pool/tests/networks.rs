//! Networks with layers of which every shard has something of its own.

use super::*;
use crate::model::Normalization;

#[test]
fn batch_normalisation_and_dropout_have_the_same_bits_for_any_number_of_workers() {
    for (normalization, dropout) in [
        (Normalization::Batch, Dropout::Plain),
        (Normalization::Batch, Dropout::Alpha),
        (Normalization::Layer, Dropout::Plain),
    ] {
        let network = || Network {
            dropout,
            normalization,
            ..network()
        };
        let trained = |workers: usize, scheduling| {
            let specs = (0..workers).map(|_| spec(BTreeMap::new())).collect();
            let options = patient(options(PolicyName::Throughput, scheduling));
            let mut pool = Pool::open(specs, options).expect("it opens");
            let mut outcome = run_of(&mut pool, &network()).expect("it trains");
            outcome.measured = Default::default();
            outcome
        };
        let one = trained(1, Scheduling::Central);
        for scheduling in Scheduling::ALL {
            for workers in [1, 2, 3, 7] {
                let same = trained(workers, scheduling) == one;
                assert!(
                    same,
                    "{workers} {scheduling:?} {normalization:?} {dropout:?}"
                );
            }
        }
    }
}
