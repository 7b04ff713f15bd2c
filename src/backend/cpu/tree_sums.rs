use super::Real;
use super::bias_gradient::bias_gradient;
use super::team::ALONE;
use super::tree_product::TreeProduct;

/// Σ of the columns of each part of the rows, summed up along the tree over them as [`TreeProduct`]s are: output`[c]`, values`[rows, c]`.
pub(super) fn tree_sums<T: Real>(values: &[T], parts: &[usize], output: &mut [T]) {
    let columns = output.len();
    let counted = TreeProduct {
        a: values,
        m: columns,
        b: &[],
        n: 0,
        parts,
    };
    let (mut rest, mut open) = (values, Vec::new());
    for (part, &rows) in parts.iter().enumerate() {
        let (of_part, others) = rest.split_at(rows * columns);
        rest = others;
        let mut sum = vec![T::zero(); columns];
        bias_gradient(of_part, false, &mut sum, &ALONE);
        for _ in 0..counted.merges(part, open.len()) {
            let upper = std::mem::replace(&mut sum, open.pop().unwrap_or_default());
            for (lower, upper) in sum.iter_mut().zip(upper) {
                *lower += upper;
            }
        }
        open.push(sum);
    }
    if let Some(sum) = open.pop() {
        output.copy_from_slice(&sum);
    }
}
