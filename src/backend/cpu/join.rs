use super::{Real, Values};
use crate::program::{Op, Program, Step};

/// The answers of several networks as one: the mean of `answers[member]`, `[rows, columns]` each, or where every second column is
/// a deviation, that of their normal distributions together.
pub(super) fn join<T: Real>(normal: bool, answers: &[&[T]], output: &mut [T]) {
    let share = T::one() / T::of(answers.len() as f32);
    let mean = |place: usize| answers.iter().map(|of_member| of_member[place]).sum::<T>() * share;
    for (place, output) in output.iter_mut().enumerate() {
        *output = if normal && place % 2 == 1 {
            let centre = mean(place - 1);
            let squares = answers.iter().map(|of_member| {
                let away = of_member[place - 1] - centre;
                away * away + of_member[place] * of_member[place]
            });
            (squares.sum::<T>() * share).sqrt()
        } else {
            mean(place)
        };
    }
}

/// Joins what the members have answered, if that is what the op does.
pub(super) fn across<T: Real>(
    program: &Program,
    op: &Op,
    step: &Step,
    members: &mut [Vec<Values<T>>],
) {
    let Op::Join {
        members: group,
        normal,
        answers,
        output,
    } = *op
    else {
        return;
    };
    let range = |tensor: usize| {
        let tensor = &program.tensors[tensor];
        (
            tensor.buffer,
            tensor.offset..tensor.offset + step.rows as usize * tensor.columns,
        )
    };
    let ((from, read), (to, written)) = (range(answers), range(output));
    for group in members.chunks_mut(group) {
        let mut joined = vec![T::zero(); written.len()];
        let answers: Vec<&[T]> = group
            .iter()
            .map(|own| &own[from].numbers()[read.clone()])
            .collect();
        join(normal, &answers, &mut joined);
        for own in group {
            if let Values::Numbers(values) = &mut own[to] {
                values[written.clone()].copy_from_slice(&joined);
            }
        }
    }
}
