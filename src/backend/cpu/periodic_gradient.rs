use super::Real;
use super::periodic::Waves;
use crate::model::Periodic;

/// The gradients of w, b, V and c of y = V·cos(2πwx + b) + c, summed over the rows, in output or added to it, for the gradient dy:
/// with u = 2πwx + b and g = Vᵀ·dy,  dw = −2πx·sin(u)·g;  db = −sin(u)·g;  dV = dy·cos(u)ᵀ;  dc = dy.
///
/// Shapes: input `[batch, inputs]`; gradient `[batch, columns]`, of each number that of x itself, then dy; parameters and output as
/// [`Periodic::ranges`] has them.
pub(super) fn periodic_gradient<T: Real>(
    shape: &Periodic,
    (inputs, input): (usize, &[T]),
    parameters: &[T],
    (columns, gradient): (usize, &[T]),
    accumulate: bool,
    output: &mut [T],
) {
    if !accumulate {
        output.fill(T::zero());
    }
    let tau = T::of_f64(std::f64::consts::TAU);
    let nothing = || vec![T::zero(); shape.frequencies];
    let (mut cosines, mut sines, mut g) = (nothing(), nothing(), nothing());
    let rows = input
        .chunks_exact(inputs)
        .zip(gradient.chunks_exact(columns));
    for (x, d) in rows {
        let numbers = x[..shape.numbers].iter().zip(d.chunks(shape.width()));
        for (number, (&x, d)) in numbers.enumerate() {
            let waves = Waves::of(shape, parameters, number);
            waves.turns(x, &mut cosines, &mut sines);
            let [frequencies, phases, weights, biases] = shape.ranges(number);
            g.fill(T::zero());
            let of_outputs = waves.weights.chunks_exact(shape.frequencies);
            let by_weights = output[weights].chunks_exact_mut(shape.frequencies);
            for ((weights, by_weights), &dy) in of_outputs.zip(by_weights).zip(&d[1..]) {
                for (g, &weight) in g.iter_mut().zip(weights) {
                    *g += weight * dy;
                }
                for (by_weight, &cosine) in by_weights.iter_mut().zip(&cosines) {
                    *by_weight += dy * cosine;
                }
            }
            for (by_bias, &dy) in output[biases].iter_mut().zip(&d[1..]) {
                *by_bias += dy;
            }
            for (slope, &sine) in g.iter_mut().zip(&sines) {
                *slope = -sine * *slope;
            }
            for (by_phase, &slope) in output[phases].iter_mut().zip(&g) {
                *by_phase += slope;
            }
            for (by_frequency, &slope) in output[frequencies].iter_mut().zip(&g) {
                *by_frequency += tau * x * slope;
            }
        }
    }
}
