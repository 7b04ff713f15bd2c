//! What it costs to sum up the gradients of a step's shards: along the tree that is used, whose order is fixed, and in two ways that
//! come to the same bits in any order, or nearly always.

use std::time::Instant;

/// Parameters of 784-512-512-10, and shards.
const PARAMETERS: usize = 669_706;
const SHARDS: usize = 16;

/// A fixed-point number of so many digits of 32 bits, which holds any sum of a few billion f32 exactly (Kulisch's accumulator).
const DIGITS: usize = 10;

/// Binary tree over the shards in f32: the lower half is added to.
fn tree(terms: &mut [Vec<f32>]) -> &[f32] {
    let mut distance = 1;
    while distance < terms.len() {
        for first in (0..terms.len() - distance).step_by(2 * distance) {
            let (lower, upper) = terms.split_at_mut(first + distance);
            for (value, other) in lower[first].iter_mut().zip(&upper[0]) {
                *value += other;
            }
        }
        distance *= 2;
    }
    &terms[0]
}

/// Pairs of f64 (Knuth's two-sum): any order comes to the same f32, but for ties that only a sum of 107 bits could tell.
fn pairs(terms: &[Vec<f32>], pair: &mut [[f64; 2]], sum: &mut [f32]) {
    pair.fill([0.0; 2]);
    for term in terms {
        for ([high, low], &value) in pair.iter_mut().zip(term) {
            let value = f64::from(value);
            let total = *high + value;
            let part = total - *high;
            *low += (*high - (total - part)) + (value - part);
            *high = total;
        }
    }
    for (sum, [high, low]) in sum.iter_mut().zip(pair) {
        *sum = (*high + *low) as f32;
    }
}

/// Exact sums, in fixed point.
fn exact(terms: &[Vec<f32>], digits: &mut [[i64; DIGITS]], sum: &mut [f32]) {
    digits.fill([0; DIGITS]);
    for term in terms {
        for (digits, &value) in digits.iter_mut().zip(term) {
            let bits = value.to_bits();
            let exponent = (bits >> 23 & 0xff) as usize;
            let hidden = if exponent > 0 { 1 << 23 } else { 0 };
            let mantissa = i64::from(bits & 0x7f_ffff | hidden);
            let signed = if bits >> 31 == 1 { -mantissa } else { mantissa };
            let place = exponent.max(1) - 1;
            let shifted = signed << (place % 32);
            digits[place / 32] += shifted & 0xffff_ffff;
            digits[place / 32 + 1] += shifted >> 32;
        }
    }
    for (sum, digits) in sum.iter_mut().zip(digits) {
        let mut carry = 0;
        for digit in digits.iter_mut() {
            let value = *digit + carry;
            (*digit, carry) = (value & 0xffff_ffff, value >> 32);
        }
        let mut value = carry as f64;
        for digit in digits.iter().rev() {
            value = value * 4_294_967_296.0 + *digit as f64;
        }
        *sum = (value * 2_f64.powi(-149)) as f32;
    }
}

/// The fastest of some runs, in milliseconds.
fn fastest(mut run: impl FnMut()) -> f64 {
    let times = (0..9).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    1e3 * times.fold(f64::INFINITY, f64::min)
}

fn main() {
    let value = |i: usize| ((i * 7919) % 2003) as f32 / 1e9 - 1e-6;
    let mut terms: Vec<Vec<f32>> = (0..SHARDS)
        .map(|shard| (0..PARAMETERS).map(|i| value(i + 31 * shard)).collect())
        .collect();
    let mut sum = vec![0.0; PARAMETERS];
    let mut pair = vec![[0.0; 2]; PARAMETERS];
    let mut digits = vec![[0; DIGITS]; PARAMETERS];
    let by_pairs = fastest(|| pairs(&terms, &mut pair, &mut sum));
    let one = sum.clone();
    let exactly = fastest(|| exact(&terms, &mut digits, &mut sum));
    assert!(one == sum, "both are the sum");
    let along = fastest(|| {
        std::hint::black_box(tree(&mut terms));
    });
    println!("{SHARDS} gradients of {PARAMETERS} parameters, a thread:");
    for (name, time, bytes) in [
        ("binary tree of f32", along, 4),
        ("pairs of f64", by_pairs, 16),
        ("fixed point, exact", exactly, 8 * DIGITS),
    ] {
        println!(
            "{name:20} {time:8.2} ms {:6.1} ×  {bytes:3} bytes a parameter",
            time / along
        );
    }
}
