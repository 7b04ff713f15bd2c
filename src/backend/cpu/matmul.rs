use gemm::Parallelism;

use super::Real;

/// An operand of a product, in row- or column-major order.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a, T> {
    pub(super) values: &'a [T],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<T> Factor<'_, T> {
    pub(super) fn transposed(self) -> Self {
        Factor {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    fn fits(&self) -> bool {
        let last = |count: usize, stride: usize| count.saturating_sub(1) * stride;
        self.rows * self.columns == 0
            || last(self.rows, self.row_stride) + last(self.columns, self.column_stride)
                < self.values.len()
    }
}

/// Below this many multiply-adds, handing work to another thread costs more than it saves.
const PARALLEL_FROM: usize = 1 << 19;

/// output`[m, n]` = a`[m, k]`·b`[k, n]`, or output += a·b.
pub(super) fn matmul<T: Real>(
    a: Factor<T>,
    b: Factor<T>,
    accumulate: bool,
    output: &mut [T],
    parallelism: Parallelism,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(
        a.fits() && b.fits() && b.rows == k && output.len() == m * n,
        "the shapes of a product"
    );
    if m * n == 0 {
        return;
    }
    let parallelism = if m * n * k < PARALLEL_FROM {
        Parallelism::None
    } else {
        parallelism
    };
    // SAFETY: `fits` holds every element that the strides reach inside a's and b's slices, and the output is row-major
    // with exactly m·n elements, borrowed mutably, so it overlaps neither operand. T is f32 or f64, which gemm takes.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            output.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            T::one(),
            T::one(),
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(a: Factor<f64>, b: Factor<f64>) -> Vec<f64> {
        let at =
            |f: &Factor<f64>, r: usize, c: usize| f.values[r * f.row_stride + c * f.column_stride];
        (0..a.rows * b.columns)
            .map(|i| {
                (0..a.columns)
                    .map(|k| at(&a, i / b.columns, k) * at(&b, k, i % b.columns))
                    .sum()
            })
            .collect()
    }

    proptest! {
        #[test]
        fn agrees_with_three_plain_loops(m in 1_usize..40, n in 1_usize..40, k in 0_usize..40, ta: bool, tb: bool, accumulate: bool) {
            let values = |len: usize, seed: usize| (0..len).map(|i| ((i * 37 + seed) % 19) as f64 - 9.0).collect::<Vec<_>>();
            let (va, vb) = (values(m * k, 1), values(k * n, 2));
            let stored = |values, rows, columns, transposed: bool| {
                let (height, width) = if transposed { (columns, rows) } else { (rows, columns) };
                let factor = Factor { values, rows: height, columns: width, row_stride: width, column_stride: 1 };
                if transposed { factor.transposed() } else { factor }
            };
            let (a, b) = (stored(&va[..], m, k, ta), stored(&vb[..], k, n, tb));
            let before = values(m * n, 3);
            let mut output = before.clone();
            matmul(a, b, accumulate, &mut output, Parallelism::Rayon(0));
            // Small integers: every order of summation is exact.
            for (i, (found, product)) in output.iter().zip(plain(a, b)).enumerate() {
                prop_assert_eq!(*found, if accumulate { before[i] + product } else { product });
            }
        }
    }

    #[test]
    #[should_panic(expected = "the shapes of a product")]
    fn an_operand_shorter_than_its_shape_is_refused_before_any_pointer_is_read() {
        let values = [1.0_f32; 5];
        let a = Factor {
            values: &values,
            rows: 2,
            columns: 3,
            row_stride: 3,
            column_stride: 1,
        };
        let b = Factor {
            values: &values[..3],
            rows: 3,
            columns: 1,
            row_stride: 1,
            column_stride: 1,
        };
        matmul(a, b, false, &mut [0.0; 2], Parallelism::None);
    }
}
