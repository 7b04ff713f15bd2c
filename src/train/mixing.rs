use rand::RngExt;
use rand_distr::{Beta, Distribution};

use crate::backend::{Backend, BackendError, Data};
use crate::program::buffer;
use crate::random::{Purpose, Stream};

/// What the rows of some epochs are mixed with: of each row, its partner, and the share that it keeps itself.
#[derive(Debug, Default)]
pub(super) struct Mixing {
    partners: Vec<u32>,
    shares: Vec<f32>,
}

impl Mixing {
    pub(super) fn clear(&mut self) {
        self.partners.clear();
        self.shares.clear();
    }

    /// Draws for the batches of an epoch's `order`, the first of which is step `number` of the run: a function of the seed and
    /// the step. All rows of a batch keep the same share λ ~ Beta(α, α), as the paper's own code and `torchvision` have it; partners
    /// are those so many places further in the batch, around its end, so that none is its own.
    pub(super) fn add(
        &mut self,
        alpha: f32,
        (seed, number): (u64, u64),
        order: &[u32],
        batch: usize,
    ) {
        for (number, rows) in (number..).zip(order.chunks(batch)) {
            let mut stream = Stream::new(seed, Purpose::Mixup, number as u32);
            let share = share(alpha, &mut stream);
            let further = if rows.len() > 1 {
                stream.random_range(1..rows.len())
            } else {
                0
            };
            let partners = rows.iter().cycle().skip(further).take(rows.len());
            self.partners.extend(partners);
            self.shares.extend(rows.iter().map(|_| share));
        }
    }

    /// Hands them to a backend, from the order's first row on.
    pub(super) fn write(
        &self,
        backend: &mut dyn Backend,
        member: usize,
    ) -> Result<(), BackendError> {
        backend.write(buffer::PARTNERS, member, 0, Data::U32(&self.partners))?;
        backend.write(buffer::SHARES, member, 0, Data::F32(&self.shares))
    }
}

/// λ ~ Beta(α, α).
fn share(alpha: f32, stream: &mut Stream) -> f32 {
    // Of an α that is no parameter of the distribution nothing is mixed.
    Beta::new(f64::from(alpha), f64::from(alpha)).map_or(1.0, |beta| beta.sample(stream)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_the_moments_of_the_beta_distribution() {
        for alpha in [0.1_f64, 0.2, 0.4, 1.0, 2.0, 8.0] {
            let count = 40_000;
            let shares: Vec<f64> = (0..count)
                .map(|number| {
                    let mut stream = Stream::new(1, Purpose::Mixup, number);
                    f64::from(share(alpha as f32, &mut stream))
                })
                .collect();
            assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
            let count = f64::from(count);
            let mean = shares.iter().sum::<f64>() / count;
            let variance = shares
                .iter()
                .map(|share| (share - 0.5).powi(2))
                .sum::<f64>()
                / count;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!(
                (mean - 0.5).abs() < 5.0 * (expected / count).sqrt(),
                "{alpha}: {mean}"
            );
            // The fourth central moment is 3·variance²·(2α + 1)/(2α + 3).
            let fourth = 3.0 * expected.powi(2) * (2.0 * alpha + 1.0) / (2.0 * alpha + 3.0);
            let far = 5.0 * ((fourth - expected.powi(2)) / count).sqrt();
            assert!(
                (variance - expected).abs() < far,
                "{alpha}: {variance} {expected}"
            );
        }
    }

    fn mixing(alpha: f32, seed: u64, number: u64, order: &[u32], batch: usize) -> Mixing {
        let mut mixing = Mixing::default();
        mixing.add(alpha, (seed, number), order, batch);
        mixing
    }

    #[test]
    fn a_row_is_mixed_with_another_of_its_batch_and_the_step_decides() {
        let order: Vec<u32> = (0..100).rev().collect();
        let mixed = mixing(0.4, 1, 10, &order, 32);
        assert_eq!((mixed.partners.len(), mixed.shares.len()), (100, 100));
        for batch in 0..4 {
            let rows = 32 * batch..(32 * batch + 32).min(100);
            let (own, others) = (&order[rows.clone()], &mixed.partners[rows.clone()]);
            assert!(own.iter().zip(others).all(|(own, other)| own != other));
            let mut sorted = others.to_vec();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            assert_eq!(sorted, own);
            let shares = &mixed.shares[rows];
            assert!(shares.iter().all(|share| share == &shares[0]));
        }
        // The second batch is the first of a run that begins there.
        let later = mixing(0.4, 1, 11, &order[32..], 32);
        assert_eq!(later.partners, mixed.partners[32..]);
        assert_eq!(later.shares, mixed.shares[32..]);
        assert_ne!(mixing(0.4, 2, 10, &order, 32).shares, mixed.shares);
        // One row alone has none to be mixed with.
        assert_eq!(mixing(0.4, 1, 0, &[7], 32).partners, [7]);
    }
}
