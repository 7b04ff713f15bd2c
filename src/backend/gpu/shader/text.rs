//! A kernel's text as it is handed to wgpu.

use std::collections::BTreeSet;

use super::{KERNELS, SNIPPETS};

/// A kernel's whole source with its `override` constants filled in, as it is handed to wgpu.
///
/// They are filled in as text: naga 30 cannot size workgroup arrays by an expression of several overrides. Three more things
/// are done to the text:
/// - `#import NAME` stands for a snippet, and is nothing where that is there already; with `if CONSTANT` or
///   `unless CONSTANT …` behind it, it depends on constants, which are 0 unless they are given;
/// - `#each NAME TEXT` stands for a line of text for each constant of that name, in their order, with its position for `{i}` and its
///   value for `{value}`;
/// - `#repeat i COUNT`, up to its `#end`, stands for so many copies of what is between, with the copy's number for `{i}`: what
///   drivers keep in registers has no index but a constant one. COUNT is a number or a constant.
pub fn specialized(kernel: &str, constants: &[(&str, u32)]) -> Option<String> {
    let (_, text) = KERNELS.iter().find(|(name, _)| *name == kernel)?;
    let mut lines = Vec::new();
    expand(text, constants, &mut BTreeSet::new(), &mut lines);
    for line in &mut lines {
        if let Some((wanted, text)) = line
            .strip_prefix("#each ")
            .and_then(|rest| rest.split_once(' '))
        {
            let values = constants.iter().filter(|(name, _)| *name == wanted);
            let lines = values.enumerate().map(|(i, (_, value))| {
                text.replace("{i}", &i.to_string())
                    .replace("{value}", &value.to_string())
            });
            *line = lines.collect::<Vec<_>>().join("\n");
            continue;
        }
        let Some((name, kind)) = line
            .strip_prefix("override ")
            .and_then(|rest| rest.split_once(": "))
        else {
            continue;
        };
        if let Some((_, value)) = constants.iter().find(|(constant, _)| *constant == name) {
            *line = if kind.starts_with("bool") {
                format!("const {name}: bool = {};", *value != 0)
            } else {
                format!("const {name}: u32 = {value}u;")
            };
        }
    }
    lines = lines
        .iter()
        .flat_map(|line| line.lines())
        .map(str::to_owned)
        .collect();
    let mut whole = String::new();
    let borrowed: Vec<&str> = lines.iter().map(String::as_str).collect();
    repeat(&borrowed, &borrowed, &mut whole);
    Some(whole)
}

fn expand(
    text: &str,
    constants: &[(&str, u32)],
    seen: &mut BTreeSet<String>,
    whole: &mut Vec<String>,
) {
    let set = |name: &str| {
        constants
            .iter()
            .any(|(known, value)| *known == name && *value != 0)
    };
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let import = match words[..] {
            ["#import", import] => Some((import, true)),
            ["#import", import, "if", constant] => Some((import, set(constant))),
            ["#import", import, "unless", ref constants @ ..] => {
                Some((import, !constants.iter().any(|constant| set(constant))))
            }
            _ => None,
        };
        let snippet = import.and_then(|(import, wanted)| {
            let (name, snippet) = SNIPPETS.iter().find(|(name, _)| *name == import)?;
            Some((name, snippet, wanted))
        });
        match snippet {
            Some((name, snippet, wanted)) => {
                if wanted && seen.insert((*name).to_owned()) {
                    expand(snippet, constants, seen, whole);
                }
            }
            // An import of nothing stays in the text, where the parser points at it.
            None => whole.push(line.to_owned()),
        }
    }
}

/// Copies out what is between `#repeat` and `#end`; counts are looked up in all of the text. One without an end, or with a count
/// that is none, stays in the text, where the parser points at it.
fn repeat(lines: &[&str], all: &[&str], whole: &mut String) {
    let mut rest = lines;
    while let Some((line, behind)) = rest.split_first() {
        rest = behind;
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["#repeat", name, count] = words[..]
            && let Some(count) = count_of(count, all)
            && let Some(end) = end(behind)
        {
            for copy in 0..count {
                let number = copy.to_string();
                let numbered: Vec<String> = behind[..end]
                    .iter()
                    .map(|line| line.replace(&format!("{{{name}}}"), &number))
                    .collect();
                let borrowed: Vec<&str> = numbered.iter().map(String::as_str).collect();
                repeat(&borrowed, all, whole);
            }
            rest = &behind[end + 1..];
        } else {
            whole.push_str(line);
            whole.push('\n');
        }
    }
}

/// Where the `#end` is of the `#repeat` before these lines.
fn end(lines: &[&str]) -> Option<usize> {
    let mut open = 1;
    lines.iter().position(|line| {
        match line.split_whitespace().next() {
            Some("#repeat") => open += 1,
            Some("#end") => open -= 1,
            _ => {}
        }
        open == 0
    })
}

/// A number as it is written, or that of a constant of the text.
fn count_of(count: &str, all: &[&str]) -> Option<u32> {
    let value = |line: &&str| {
        let rest = line
            .strip_prefix("const ")
            .or_else(|| line.strip_prefix("override "))?;
        let rest = rest.strip_prefix(count)?.strip_prefix(": u32 = ")?;
        rest.split_once("u;")?.0.parse().ok()
    };
    count.parse().ok().or_else(|| all.iter().find_map(value))
}

#[cfg(test)]
mod tests {
    use super::repeat;

    #[test]
    fn what_is_repeated_is_numbered_and_what_has_no_count_stays() {
        let text = "const ROWS: u32 = 2u;\n#repeat i ROWS\n#repeat j 2\na{i}b{j}\n#end\n#end\n#repeat k NONE\n#end";
        let lines: Vec<&str> = text.lines().collect();
        let mut whole = String::new();
        repeat(&lines, &lines, &mut whole);
        assert_eq!(
            whole,
            "const ROWS: u32 = 2u;\na0b0\na0b1\na1b0\na1b1\n#repeat k NONE\n#end\n"
        );
    }
}
