//! Means and standard deviations, summed in double precision.

use serde::{Deserialize, Serialize};

use super::table::Matrix;

/// The mean of some numbers and their standard deviation, that of the numbers themselves (divided by n, not n - 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// The mean.
    pub mean: f32,
    /// The standard deviation; 0 if all the numbers are the same.
    pub deviation: f32,
}

impl Moments {
    /// Whether both are numbers.
    pub(crate) fn is_finite(self) -> bool {
        self.mean.is_finite() && self.deviation.is_finite()
    }

    /// How many deviations a number is above the mean.
    pub(super) fn standardise(self, number: f32) -> f32 {
        // The difference of two numbers near the largest is beyond single precision.
        ((f64::from(number) - f64::from(self.mean)) / f64::from(self.deviation)) as f32
    }
}

/// The moments of some numbers; of none, zeros.
pub(super) fn of(numbers: impl Iterator<Item = f32> + Clone) -> Moments {
    let (mut count, mut sum) = (0u64, 0.0);
    let mut all_same = true;
    let first = numbers.clone().next();
    for number in numbers.clone() {
        count += 1;
        sum += f64::from(number);
        all_same &= Some(number) == first;
    }
    // The mean of equal numbers may differ from them by rounding.
    if all_same {
        return Moments {
            mean: first.unwrap_or(0.0),
            deviation: 0.0,
        };
    }
    let mean = sum / count as f64;
    let squares: f64 = numbers
        .map(|number| (f64::from(number) - mean).powi(2))
        .sum();
    Moments {
        mean: mean as f32,
        deviation: (squares / count as f64).sqrt() as f32,
    }
}

/// The moments of each column over some rows of a matrix.
pub(super) fn of_columns(matrix: &Matrix, rows: &[u32]) -> Vec<Moments> {
    // Row by row, as the matrix lies in memory.
    let Some(&first) = rows.first() else {
        return vec![
            Moments {
                mean: 0.0,
                deviation: 0.0
            };
            matrix.columns
        ];
    };
    let first = matrix.row(first as usize);
    let count = rows.len() as f64;
    let mut means = vec![0f64; matrix.columns];
    let mut all_same = vec![true; matrix.columns];
    for &row in rows {
        for (column, &number) in matrix.row(row as usize).iter().enumerate() {
            means[column] += f64::from(number);
            all_same[column] &= number == first[column];
        }
    }
    for sum in &mut means {
        *sum /= count;
    }
    let mut squares = vec![0f64; matrix.columns];
    for &row in rows {
        for (column, &number) in matrix.row(row as usize).iter().enumerate() {
            squares[column] += (f64::from(number) - means[column]).powi(2);
        }
    }
    (0..matrix.columns)
        .map(|column| {
            if all_same[column] {
                Moments {
                    mean: first[column],
                    deviation: 0.0,
                }
            } else {
                Moments {
                    mean: means[column] as f32,
                    deviation: (squares[column] / count).sqrt() as f32,
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_moments_of_their_numbers() {
        let matrix = Matrix {
            rows: 4,
            columns: 3,
            values: vec![1., 0.1, 5., 2., 0.1, 7., 4., 0.1, 100., 9., 0.1, -3.],
        };
        let rows = [0, 1, 3];
        for (column, moments) in of_columns(&matrix, &rows).into_iter().enumerate() {
            let numbers = rows.iter().map(|&row| matrix.row(row as usize)[column]);
            assert_eq!(moments, of(numbers));
        }
        assert_eq!(
            of([0.1; 7].into_iter()),
            Moments {
                mean: 0.1,
                deviation: 0.0
            }
        );
    }
}
