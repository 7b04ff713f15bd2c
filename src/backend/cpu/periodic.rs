use super::Real;
use crate::model::Periodic;

/// A number's w, b, V and c among all numbers'.
pub(super) struct Waves<'a, T> {
    pub(super) frequencies: &'a [T],
    pub(super) phases: &'a [T],
    /// `[outputs, frequencies]`
    pub(super) weights: &'a [T],
    pub(super) biases: &'a [T],
}

impl<'a, T: Real> Waves<'a, T> {
    pub(super) fn of(shape: &Periodic, parameters: &'a [T], number: usize) -> Self {
        let [frequencies, phases, weights, biases] = shape.ranges(number);
        Waves {
            frequencies: &parameters[frequencies],
            phases: &parameters[phases],
            weights: &parameters[weights],
            biases: &parameters[biases],
        }
    }

    /// cos and sin of 2πwx + b for each frequency.
    pub(super) fn turns(&self, x: T, cosines: &mut [T], sines: &mut [T]) {
        let part = T::of_f64(1.0 / std::f64::consts::TAU);
        let values = self.frequencies.iter().zip(self.phases);
        for ((&w, &b), (cosine, sine)) in values.zip(cosines.iter_mut().zip(sines)) {
            (*cosine, *sine) = (w * x + b * part).turn();
        }
    }
}

/// Of each of the first numbers x of a row: x, then V·cos(2πwx + b) + c; all else as it is.
///
/// Shapes: input `[batch, inputs]`; parameters as [`Periodic::ranges`] has them; output `[batch, numbers·(1 + outputs) + rest]`.
pub(super) fn periodic<T: Real>(
    shape: &Periodic,
    inputs: usize,
    input: &[T],
    parameters: &[T],
    output: &mut [T],
) {
    let columns = inputs + shape.numbers * shape.outputs;
    let (mut cosines, mut sines) = (
        vec![T::zero(); shape.frequencies],
        vec![T::zero(); shape.frequencies],
    );
    let rows = input
        .chunks_exact(inputs)
        .zip(output.chunks_exact_mut(columns));
    for (x, y) in rows {
        let (numbers, rest) = x.split_at(shape.numbers);
        let (embedded, passed) = y.split_at_mut(shape.numbers * shape.width());
        passed.copy_from_slice(rest);
        for (number, (&x, y)) in numbers
            .iter()
            .zip(embedded.chunks_exact_mut(shape.width()))
            .enumerate()
        {
            let waves = Waves::of(shape, parameters, number);
            waves.turns(x, &mut cosines, &mut sines);
            y[0] = x;
            let weights = waves.weights.chunks_exact(shape.frequencies);
            for ((y, weights), &bias) in y[1..].iter_mut().zip(weights).zip(waves.biases) {
                let products = weights.iter().zip(&cosines);
                *y = products.fold(bias, |sum, (&weight, &cosine)| sum + weight * cosine);
            }
        }
    }
}
