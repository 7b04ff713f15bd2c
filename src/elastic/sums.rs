//! Sums of gradients, as they are handed over.

use std::sync::Arc;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::tree::{Node, Term, add, add_both};
use crate::backend::Terms;
use crate::backend::cpu::are_finite;

/// Numbers that several may hold without a copy of their own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Values(pub(super) Arc<Vec<f32>>);

impl Values {
    /// Takes numbers over.
    pub(super) fn new(values: Vec<f32>) -> Self {
        Values(Arc::new(values))
    }
}

/// Whether all that sums are of are numbers, and none infinite.
pub(super) fn sound(sums: &[(Node, Values)]) -> bool {
    sums.iter().all(|(_, values)| are_finite(&values.0))
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytemuck::cast_slice(&self.0))
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Values;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("numbers of four bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Values, E> {
                if !bytes.len().is_multiple_of(size_of::<f32>()) {
                    return Err(E::invalid_length(bytes.len(), &self));
                }
                Ok(Values::new(bytemuck::pod_collect_to_vec(bytes)))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

impl Term for Values {
    fn add(&mut self, other: &Self) {
        Arc::make_mut(&mut self.0).add(&other.0);
    }
}

/// A sum that is not made yet: what it consists of, in the order of the tree. Whoever needs it adds up as it reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Total {
    /// These.
    Of(Values),
    /// The sum of two.
    Both(Arc<[Total; 2]>),
}

/// Numbers that are added up at a time, while they are in the nearest cache.
const PIECE: usize = 1024;

impl Total {
    /// Gives the values from `first` on.
    pub(super) fn read(&self, first: usize, out: &mut [f32]) {
        for (n, piece) in out.chunks_mut(PIECE).enumerate() {
            self.read_piece(first + n * PIECE, piece);
        }
    }

    /// Either order of two terms comes to the same bits: so the one that is there is added to the one that is made.
    fn read_piece(&self, first: usize, out: &mut [f32]) {
        match self {
            Total::Of(Values(values)) => out.copy_from_slice(&values[first..first + out.len()]),
            Total::Both(both) => match &**both {
                [Total::Of(Values(one)), Total::Of(Values(other))] => {
                    add_both(out, &one[first..], &other[first..]);
                }
                [made @ Total::Both(_), there] | [there, made] => {
                    made.read_piece(first, out);
                    there.add_piece(first, out);
                }
            },
        }
    }

    fn add_piece(&self, first: usize, out: &mut [f32]) {
        match self {
            Total::Of(Values(values)) => add(out, &values[first..]),
            Total::Both(_) => {
                let (mut rest, len) = ([0.0; PIECE], out.len());
                self.read_piece(first, &mut rest[..len]);
                add(out, &rest);
            }
        }
    }

    /// The values from `first` on, as many as there is memory for: a sum of two is added up where they are read. Others are added up in
    /// the memory, but for the last term.
    pub(super) fn terms<'a>(&'a self, first: usize, memory: &'a mut [f32]) -> Terms<'a, f32> {
        let range = first..first + memory.len();
        match self {
            Total::Of(Values(values)) => (&values[range], None),
            Total::Both(both) => match &**both {
                [Total::Of(Values(one)), Total::Of(Values(other))] => {
                    (&one[range.clone()], Some(&other[range]))
                }
                [made, Total::Of(Values(there))] | [Total::Of(Values(there)), made] => {
                    made.read(first, memory);
                    (memory, Some(&there[range]))
                }
                _ => {
                    self.read(first, memory);
                    (memory, None)
                }
            },
        }
    }

    /// How many values it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Total::Of(values) => values.0.len(),
            Total::Both(both) => both[0].len(),
        }
    }

    /// Makes it.
    pub(super) fn make(&mut self) {
        if let Total::Both(_) = self {
            let mut values = vec![0.0; self.len()];
            self.read(0, &mut values);
            *self = Total::Of(Values::new(values));
        }
    }
}

impl Term for Total {
    fn add(&mut self, other: &Self) {
        *self = Total::Both(Arc::new([self.clone(), other.clone()]));
    }
}

/// What shards are summed up to among peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Summed {
    pub(super) total: Total,
    /// Whether all that it consists of are numbers, none of them infinite.
    pub(super) sound: bool,
}

impl Summed {
    /// Of shards that were run together.
    pub(super) fn new(values: Values, sound: bool) -> Self {
        Summed {
            total: Total::Of(values),
            sound,
        }
    }
}

impl Term for Summed {
    /// Where nobody else holds the one, the other is added to it.
    fn add(&mut self, other: &Self) {
        self.sound &= other.sound;
        if let Total::Of(Values(values)) = &mut self.total
            && let Some(values) = Arc::get_mut(values)
        {
            for (n, piece) in values.chunks_mut(PIECE).enumerate() {
                other.total.add_piece(n * PIECE, piece);
            }
        } else {
            self.total.add(&other.total);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sum_has_the_same_bits_made_at_once_or_as_it_is_read() {
        const LEN: usize = 3000;
        let leaf = |n: usize| {
            let values = (0..LEN).map(|i| ((i * 7 + n * 13) as f32).sin() * 10_f32.powi(n as i32));
            Summed::new(Values::new(values.collect()), true)
        };
        // (0 + 1) + ((2 + 3) + 4)
        let sum = |held: bool| {
            let mut terms: Vec<Summed> = (0..5).map(leaf).collect();
            let holders = held.then(|| terms.clone());
            let [zero, one, two, three, four] = &mut terms[..] else {
                panic!("five terms");
            };
            zero.add(one);
            two.add(three);
            two.add(four);
            zero.add(two);
            drop(holders);
            terms.swap_remove(0)
        };
        let (mut now, mut later) = (sum(false), sum(true));
        assert!(matches!(now.total, Total::Of(_)) && matches!(later.total, Total::Both(_)));
        let mut read = vec![0.0; LEN - 5];
        later.total.read(5, &mut read);
        for total in [&now.total, &later.total] {
            let mut memory = vec![f32::NAN; LEN - 5];
            let (one, other) = total.terms(5, &mut memory);
            let zeros = vec![-0.0; LEN - 5];
            let both = one.iter().zip(other.unwrap_or(&zeros));
            assert!(
                both.map(|(one, other)| one + other)
                    .eq(read.iter().copied())
            );
        }
        now.total.make();
        later.total.make();
        assert_eq!(now, later);
        let Total::Of(Values(values)) = &now.total else {
            panic!("it is made");
        };
        assert_eq!(values[5..], read);
    }

    proptest! {
        #[test]
        fn a_sum_is_read_as_it_is_nested(
            merges in proptest::collection::vec(0_usize..100, 0..7), first in 0_usize..50, len in 1_usize..2000,
        ) {
            // Neighbours become one, until one is left.
            let leaf = |n: usize| (0..first + len).map(move |i| ((i * 7 + n * 13) as f32).sin() * 10_f32.powi(n as i32));
            let mut plain: Vec<Vec<f32>> = (0..=merges.len()).map(|n| leaf(n).collect()).collect();
            let mut totals: Vec<Total> = plain.iter().map(|values| Total::Of(Values::new(values.clone()))).collect();
            for merge in merges {
                let place = merge % (plain.len() - 1);
                let (other, term) = (plain.remove(place + 1), totals.remove(place + 1));
                plain[place].iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
                totals[place].add(&term);
            }
            let expected = &plain[0][first..];
            let mut read = vec![f32::NAN; len];
            totals[0].read(first, &mut read);
            prop_assert_eq!(&read, expected);
            let mut memory = vec![f32::NAN; len];
            let (one, other) = totals[0].terms(first, &mut memory);
            let zeros = vec![-0.0; len];
            let sums = one.iter().zip(other.unwrap_or(&zeros)).map(|(one, other)| one + other);
            prop_assert_eq!(&sums.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_sum_of_one_that_is_no_number_is_none() {
        let of = |value: f32| Summed::new(Values::new(vec![1.0, value]), value.is_finite());
        let (mut sum, nan) = (of(2.0), of(f32::NAN));
        assert!(sum.sound && !nan.sound);
        sum.add(&of(3.0));
        assert!(sum.sound);
        sum.add(&nan);
        sum.add(&of(1.0));
        assert!(!sum.sound);
    }
}
