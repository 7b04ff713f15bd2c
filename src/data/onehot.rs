//! Text as inputs: one for each known text and one for all others, or the row of a table that stands for the text.

use super::error::Notice;
use super::preprocess::ColumnEncoding;
use super::table::{Text, Values, number_label};

/// Texts beyond this many are too rare to learn from.
const MOST_LEVELS: usize = 10_000;

/// Fits the encoding to the texts of the training rows.
pub(super) fn fit(
    name: &str,
    text: &Text,
    rows: &[u32],
    one_hot_up_to: usize,
    notices: &mut Vec<Notice>,
) -> ColumnEncoding {
    let mut counts = vec![0usize; text.levels.len()];
    let mut missing = 0;
    for &row in rows {
        match counts.get_mut(text.codes[row as usize] as usize) {
            Some(count) => *count += 1,
            None => missing += 1,
        }
    }
    let mut seen: Vec<(usize, &str)> = counts
        .into_iter()
        .zip(text.levels.iter().map(String::as_str))
        .filter(|(count, _)| *count > 0)
        .collect();
    if seen.len() < 2 {
        return ColumnEncoding::Constant;
    }
    // The most frequent first; among equals the alphabet decides, so that the order of the rows does not.
    seen.sort_by(|(count, text), (other_count, other)| {
        other_count.cmp(count).then(text.cmp(other))
    });
    let one_hot = seen.len() <= one_hot_up_to;
    if seen.len() > MOST_LEVELS && !one_hot {
        notices.push(Notice::RareTexts {
            column: name.to_owned(),
            kept: MOST_LEVELS,
            texts: seen.len(),
        });
        seen.truncate(MOST_LEVELS);
    }
    let most_frequent = seen[0].1;
    if missing > 0 {
        notices.push(Notice::MissingImputed {
            column: name.to_owned(),
            cells: missing,
            by: format!("the most frequent text, '{most_frequent}'"),
        });
    }
    let mut levels: Vec<String> = seen.iter().map(|(_, text)| (*text).to_owned()).collect();
    levels.sort();
    let mode = levels
        .iter()
        .position(|level| level == most_frequent)
        .unwrap_or(0);
    if one_hot {
        ColumnEncoding::OneHot { levels, mode }
    } else {
        ColumnEncoding::Embedded { levels, mode }
    }
}

/// For each cell the index of its level, or the number of levels for a text that is none of them.
pub(super) fn slots(cells: &Values, levels: &[String], mode: usize) -> Vec<usize> {
    let slot = |text: &str| {
        levels
            .binary_search_by(|level| level.as_str().cmp(text))
            .unwrap_or(levels.len())
    };
    let mode = mode.min(levels.len());
    match cells {
        Values::Text(text) => {
            let known: Vec<usize> = text.levels.iter().map(|level| slot(level)).collect();
            text.codes
                .iter()
                .map(|&code| known.get(code as usize).copied().unwrap_or(mode))
                .collect()
        }
        Values::Numbers(numbers) => numbers
            .iter()
            .map(|number| {
                if number.is_nan() {
                    mode
                } else {
                    slot(&number_label(*number))
                }
            })
            .collect(),
    }
}
