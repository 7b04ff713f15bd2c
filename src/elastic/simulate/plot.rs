use std::fmt::Write;

use super::{Outcome, Scheduling};
use crate::elastic::policy::PolicyName;

/// Colours of the policies, in the order of [`PolicyName::ALL`]: apart for the colour-blind too (Okabe and Ito).
const COLOURS: [&str; 5] = ["#000000", "#e69f00", "#56b4e9", "#d55e00", "#009e73"];

/// A panel's place and size in the picture.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
const GAP: f64 = 70.0;

/// What a panel shows of a run.
type Value = fn(&Outcome) -> f64;

/// An SVG of goodput and of lost work by the number of workers: a line a policy, dashed without a coordinator.
pub fn plot(outcomes: &[Outcome]) -> String {
    let sizes = outcomes
        .iter()
        .map(|outcome| (outcome.workers as f64).max(1.0).log10());
    let least = sizes.clone().fold(f64::INFINITY, f64::min);
    let most = sizes.fold(f64::NEG_INFINITY, f64::max);
    let span = (most - least).max(0.1);
    let largest = outcomes
        .iter()
        .map(|outcome| outcome.lost)
        .fold(0.01, f64::max);
    let mut svg = String::new();
    let (width, height) = (LEFT + 2.0 * WIDTH + GAP + 30.0, TOP + HEIGHT + 110.0);
    // Writing to a string does not fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let panels: [(&str, f64, Value); 2] = [
        ("goodput", 1.0, |outcome| outcome.goodput),
        ("work lost", largest, |outcome| outcome.lost),
    ];
    for (index, (title, top, value)) in panels.into_iter().enumerate() {
        let left = LEFT + index as f64 * (WIDTH + GAP);
        let x = |workers: usize| left + WIDTH * ((workers as f64).max(1.0).log10() - least) / span;
        let y = |value: f64| TOP + HEIGHT * (1.0 - value / top);
        let _ = writeln!(
            svg,
            "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{title}</text>",
            TOP - 12.0
        );
        for tick in 0..=4 {
            let value = top * f64::from(tick) / 4.0;
            let (at, end) = (y(value), left + WIDTH);
            let _ = write!(
                svg,
                "<line x1=\"{left}\" x2=\"{end}\" y1=\"{at}\" y2=\"{at}\" stroke=\"#dddddd\"/>\n\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{:.1} %</text>\n",
                left - 6.0,
                at + 4.0,
                100.0 * value,
            );
        }
        let mut sizes: Vec<usize> = outcomes.iter().map(|outcome| outcome.workers).collect();
        sizes.sort_unstable();
        sizes.dedup();
        for size in sizes {
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{size}</text>",
                x(size),
                TOP + HEIGHT + 18.0
            );
        }
        for (policy, colour) in PolicyName::ALL.into_iter().zip(COLOURS) {
            for scheduling in Scheduling::ALL {
                let line = outcomes
                    .iter()
                    .filter(|outcome| (outcome.policy, outcome.scheduling) == (policy, scheduling));
                let points: Vec<String> = line
                    .map(|outcome| format!("{:.1},{:.1}", x(outcome.workers), y(value(outcome))))
                    .collect();
                if !points.is_empty() {
                    let dash = dash(scheduling);
                    let _ = writeln!(
                        svg,
                        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>",
                        points.join(" ")
                    );
                }
            }
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">workers</text>",
            left + WIDTH / 2.0,
            TOP + HEIGHT + 36.0
        );
    }
    let shown = |policy: &PolicyName| outcomes.iter().any(|outcome| outcome.policy == *policy);
    let legend = PolicyName::ALL
        .into_iter()
        .zip(COLOURS)
        .filter(|(policy, _)| shown(policy));
    let policies = legend.map(|(policy, colour)| (policy.to_string(), colour, ""));
    let kinds = Scheduling::ALL.map(|kind| (kind.to_string(), "#777777", dash(kind)));
    for (index, (name, colour, dash)) in policies.chain(kinds).enumerate() {
        let (left, at) = (LEFT + 128.0 * index as f64, TOP + HEIGHT + 72.0);
        let _ = write!(
            svg,
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{at}\" y2=\"{at}\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>\n\
             <text x=\"{}\" y=\"{}\" font-size=\"11\">{name}</text>\n",
            left + 22.0,
            left + 27.0,
            at + 4.0,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn dash(scheduling: Scheduling) -> &'static str {
    match scheduling {
        Scheduling::Central => "",
        Scheduling::Distributed => " stroke-dasharray=\"5 4\"",
    }
}
