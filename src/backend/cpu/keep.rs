/// kept`[from + r, :]` = values`[r, :]`
pub(super) fn keep<T: Copy>(values: &[T], columns: usize, from: usize, kept: &mut [T]) {
    let first = from * columns;
    kept[first..first + values.len()].copy_from_slice(values);
}
