//! Counter-based random numbers: every draw is a function of (seed, stream, index) alone.
//!
//! A draw can be made anywhere, in any order, on the host or in a kernel, and is the same number: so both backends start
//! from the same weights and visit the rows in the same order.

use std::convert::Infallible;

use rand::TryRng;
use rand::seq::SliceRandom;

/// What a stream of random numbers is for. Two purposes never share a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial weights; the stream's number is the parameter's position in the network.
    Weights = 0,
    /// The order of the rows in an epoch; the stream's number is the epoch.
    Order = 1,
    /// The division into training, validation and test rows.
    Split = 2,
    /// Values that a check or a test draws.
    Check = 3,
    /// What dropout leaves out, and what rows are augmented by; counted on the device, see [`key`].
    Dropout = 4,
    /// Speeds, failures and all else that the simulation of a scheduler draws; the stream's number is the worker.
    Simulation = 5,
    /// What rows are mixed with; the stream's number is the step.
    Mixup = 6,
    /// Which rows of a file that stays on the disk are held in memory; counted by row.
    Draw = 7,
    /// The order in which an epoch visits windows of rows; the stream's number is the epoch.
    Windows = 8,
}

/// The cipher's key for a purpose under a seed. The upper word keeps purposes apart.
pub fn key(seed: u64, purpose: Purpose) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32 ^ ((purpose as u32) << 24)]
}

/// A stream of random words over Threefry-2x32 with 20 rounds, usable wherever [`rand`] takes a generator.
///
/// The cipher's key is the seed; its counter is (purpose and number of the stream, index of the draw).
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    number: u32,
    index: u32,
    spare: Option<u32>,
}

impl Stream {
    /// The stream `number` of `purpose` under `seed`, at its beginning.
    pub fn new(seed: u64, purpose: Purpose, number: u32) -> Self {
        // 2^32 streams a purpose, 2^33 words a stream.
        Stream {
            key: key(seed, purpose),
            number,
            index: 0,
            spare: None,
        }
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        if let Some(word) = self.spare.take() {
            return Ok(word);
        }
        let [first, second] = threefry2x32(self.key, [self.number, self.index]);
        self.index = self.index.wrapping_add(1);
        self.spare = Some(second);
        Ok(first)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = u64::from(self.try_next_u32()?);
        let high = u64::from(self.try_next_u32()?);
        Ok(high << 32 | low)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.try_next_u32()?.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Puts `rows` into a random order, the same for the same seed, purpose and number.
pub fn shuffle(rows: &mut [u32], seed: u64, purpose: Purpose, number: u32) {
    rows.shuffle(&mut Stream::new(seed, purpose, number));
}

/// Threefry-2x32-20 (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011).
///
/// Without a branch or a loop, so that a loop around it is vectorised.
#[inline]
pub fn threefry2x32(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    let turn = |[x, y]: [u32; 2], by: u32| {
        let sum = x.wrapping_add(y);
        [sum, y.rotate_left(by) ^ sum]
    };
    let turns = |x: [u32; 2], [a, b, c, d]: [u32; 4]| turn(turn(turn(turn(x, a), b), c), d);
    let add = |[x, y]: [u32; 2], a: u32, b: u32| [x.wrapping_add(a), y.wrapping_add(b)];
    let (odd, even) = ([13, 15, 26, 6], [17, 29, 16, 24]);
    let [first, second] = key;
    let third = 0x1BD1_1BDA ^ first ^ second;
    let x = add(counter, first, second);
    let x = add(turns(x, odd), second, third.wrapping_add(1));
    let x = add(turns(x, even), third, first.wrapping_add(2));
    let x = add(turns(x, odd), first, second.wrapping_add(3));
    let x = add(turns(x, even), second, third.wrapping_add(4));
    add(turns(x, odd), third, first.wrapping_add(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threefry_gives_the_published_known_answers() {
        // Random123's kat_vectors: key, counter, result.
        let ones = u32::MAX;
        for (counter, key, expected) in [
            ([0, 0], [0, 0], [0x6b20_0159, 0x99ba_4efe]),
            ([ones, ones], [ones, ones], [0x1cb9_96fc, 0xbb00_2be7]),
            (
                [0x243f_6a88, 0x85a3_08d3],
                [0x1319_8a2e, 0x0370_7344],
                [0xc492_3a9c, 0x483d_f7a0],
            ),
        ] {
            assert_eq!(threefry2x32(key, counter), expected);
        }
    }

    #[test]
    fn a_shuffle_is_a_permutation_that_depends_on_each_of_its_arguments() {
        let order = |seed, purpose, number| {
            let mut rows: Vec<u32> = (0..100).collect();
            shuffle(&mut rows, seed, purpose, number);
            rows
        };
        let first = order(1, Purpose::Order, 0);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_eq!(first, order(1, Purpose::Order, 0));
        assert_ne!(first, order(2, Purpose::Order, 0));
        assert_ne!(first, order(1, Purpose::Split, 0));
        assert_ne!(first, order(1, Purpose::Order, 1));
    }
}
