use std::fmt::Debug;

use num_traits::Float;

use super::matmul::{Factor, Part};
use super::team::Team;
use super::tree_product::TreeProduct;
use super::{blocks, exponential, loops, turn, wide};
use crate::backend::Terms;

/// A number that programs run on: `f32`, or `f64` for finite differences.
pub trait Real:
    Float
    + Debug
    + Default
    + Send
    + Sync
    + bytemuck::Pod
    + std::ops::AddAssign
    + std::ops::MulAssign
    + std::iter::Sum
    + 'static
{
    /// From a literal or a step's `f32`.
    fn of(value: f32) -> Self;
    /// The nearest number to a constant.
    fn of_f64(value: f64) -> Self;
    /// The complementary error function.
    #[must_use]
    fn erfc(self) -> Self;
    /// e^x of an x that is not positive, to a few units in the last place.
    #[must_use]
    fn exponential(self) -> Self;
    /// tanh, to a few units in the last place.
    #[must_use]
    fn hyperbolic_tangent(self) -> Self;
    /// cos and sin of 2π times it.
    fn turn(self) -> (Self, Self);
    /// For reading back.
    fn single(self) -> f32;
    /// The sum of two, or one, as such numbers: where they are not `f32`, it is made as that of those, in the memory.
    fn of_terms<'a>(terms: Terms<'a, f32>, memory: &'a mut [Self]) -> Terms<'a, Self>;
    /// Makes a part of a product, or adds to it.
    fn product(
        a: Factor<'_, Self>,
        b: Factor<'_, Self>,
        accumulate: bool,
        output: &mut Part<'_, Self>,
    );
    /// Makes a product whose rows are in parts. Returns whether it is finite.
    fn tree_product(product: &TreeProduct<'_, Self>, output: &mut [Self], team: &Team) -> bool;
}

impl Real for f32 {
    fn of(value: f32) -> Self {
        value
    }
    fn of_f64(value: f64) -> Self {
        value as f32
    }
    fn erfc(self) -> Self {
        libm::erfcf(self)
    }
    #[inline(always)]
    fn exponential(self) -> Self {
        exponential::exponential(self)
    }
    #[inline(always)]
    fn hyperbolic_tangent(self) -> Self {
        exponential::hyperbolic_tangent(self)
    }
    fn turn(self) -> (Self, Self) {
        turn::turn(self)
    }
    fn single(self) -> f32 {
        self
    }
    fn of_terms<'a>(terms: Terms<'a, f32>, _: &'a mut [Self]) -> Terms<'a, Self> {
        terms
    }
    fn product(
        a: Factor<'_, Self>,
        b: Factor<'_, Self>,
        accumulate: bool,
        output: &mut Part<'_, Self>,
    ) {
        blocks::product(a, b, accumulate, output);
    }
    fn tree_product(product: &TreeProduct<'_, Self>, output: &mut [Self], team: &Team) -> bool {
        product.shared(output, team, TreeProduct::wide)
    }
}

impl Real for f64 {
    fn of(value: f32) -> Self {
        value.into()
    }
    fn of_f64(value: f64) -> Self {
        value
    }
    fn erfc(self) -> Self {
        libm::erfc(self)
    }
    fn exponential(self) -> Self {
        self.exp()
    }
    fn hyperbolic_tangent(self) -> Self {
        self.tanh()
    }
    fn turn(self) -> (Self, Self) {
        let (sine, cosine) = ((self - self.round()) * std::f64::consts::TAU).sin_cos();
        (cosine, sine)
    }
    fn single(self) -> f32 {
        self as f32
    }
    fn of_terms<'a>((one, other): Terms<'a, f32>, memory: &'a mut [Self]) -> Terms<'a, Self> {
        for (i, number) in memory.iter_mut().enumerate() {
            *number = other.map_or(one[i], |other| one[i] + other[i]).into();
        }
        (memory, None)
    }
    fn product(
        a: Factor<'_, Self>,
        b: Factor<'_, Self>,
        accumulate: bool,
        output: &mut Part<'_, Self>,
    ) {
        wide(
            #[inline(always)]
            || loops::plain::<Self, false>(a, b, accumulate, output),
        );
    }
    fn tree_product(product: &TreeProduct<'_, Self>, output: &mut [Self], team: &Team) -> bool {
        product.shared(output, team, TreeProduct::plain)
    }
}
