//! An op as `shaders/steps.wgsl` reads it: a row of its table.

use bytemuck::{Pod, Zeroable};

/// Ops that the table holds: OPS in the shader.
pub(super) const OPS: usize = 128;

/// An op as the shader reads it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct Entry {
    pub(super) kind: u32,
    pub(super) function: u32,
    pub(super) epilogue: u32,
    pub(super) m: u32,
    pub(super) n: u32,
    pub(super) k: u32,
    pub(super) a: [u32; 2],
    pub(super) b: [u32; 2],
    pub(super) c: [u32; 2],
    pub(super) d: [u32; 2],
    pub(super) e: [u32; 2],
    pub(super) f: [u32; 2],
    pub(super) a_strides: [u32; 2],
    pub(super) b_strides: [u32; 2],
    pub(super) rates: [f32; 3],
    /// Of a loss, or the limit of a clipping.
    pub(super) parameter: f32,
    /// Of a product: whether it is made in tiles.
    pub(super) tiled: u32,
    pub(super) padding: u32,
}

/// What ops are to the shader, and what products do with their sums: the constants of `shaders/steps.wgsl`.
pub(super) mod kind {
    pub(crate) const GATHER: u32 = 0;
    pub(crate) const MATMUL: u32 = 1;
    pub(crate) const BIAS_ADD: u32 = 2;
    pub(crate) const ACTIVATION: u32 = 3;
    pub(crate) const ACTIVATION_GRADIENT: u32 = 4;
    pub(crate) const LOSS_GRADIENT: u32 = 5;
    pub(crate) const METRICS: u32 = 6;
    pub(crate) const BIAS_GRADIENT: u32 = 7;
    pub(crate) const UPDATE: u32 = 8;
    pub(crate) const CLEAR: u32 = 9;
    pub(crate) const SOFTMAX: u32 = 10;
    pub(crate) const CLIP_VALUE: u32 = 11;
    pub(crate) const SQUARE_SUMS: u32 = 12;
    pub(crate) const CLIP_NORM: u32 = 13;
    pub(crate) const DROPOUT: u32 = 14;
    pub(crate) const DROPOUT_GRADIENT: u32 = 15;
    pub(crate) const AVERAGE: u32 = 16;
    pub(crate) const MAX_NORM: u32 = 17;
    pub(crate) const PERTURB: u32 = 18;

    pub(crate) const ACCUMULATE: u32 = 1;
    pub(crate) const BIAS_ACTIVATE: u32 = 2;
    pub(crate) const TIMES_DERIVATIVE: u32 = 3;

    /// Of an optimizer: SGD looks ahead.
    pub(crate) const NESTEROV: u32 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Levels;

    #[test]
    fn the_table_fits_the_smallest_uniform_binding() {
        assert_eq!(size_of::<Entry>(), 112);
        assert!(16 + 4 * Levels::MOST + OPS * size_of::<Entry>() <= 16_384);
    }
}
