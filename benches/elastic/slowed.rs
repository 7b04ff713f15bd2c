//! What policies win where a worker becomes slower.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gpu_mlp::backend::BackendError;
use gpu_mlp::elastic::policy::PolicyName;
use gpu_mlp::elastic::simulate::Scheduling;

use crate::case::Case;
use crate::workers::pool;
use crate::{Workload, median};

/// How long each half of a run lasts: before a worker is slowed, and from then on.
const HALF: Duration = Duration::from_secs(4);

/// Steps that there are from then on at least: so many that what the first ones take, of which nobody knows yet, is not all.
const SLOW_STEPS: usize = 40;

/// Runs with each policy in which one of two workers is slowed in the middle.
const SLOWED_ROUNDS: usize = 3;

/// Policies that are compared.
const POLICIES: [PolicyName; 3] = [
    PolicyName::RoundRobin,
    PolicyName::Throughput,
    PolicyName::Learned,
];

/// What became of a run: seconds and samples of its steps, and the moment of the slowdown.
pub(crate) struct Course {
    /// When some steps ended, and how many.
    ends: Vec<(f64, usize)>,
    slowed: f64,
}

impl Course {
    /// Steps a second in an interval.
    fn rate(&self, from: f64, to: f64) -> f64 {
        let inside = |end: f64| from < end && end <= to;
        let mut ends = self.ends.iter().filter(|(end, _)| inside(*end));
        let Some((first, _)) = ends.next() else {
            return 0.0;
        };
        let (steps, last) = ends.fold((0, *first), |(steps, _), (end, some)| (steps + some, *end));
        steps as f64 / (last - first).max(1e-9)
    }

    /// Steps a second from the slowdown on, the step that it fell into included.
    fn slow(&self) -> f64 {
        let steps: usize = self
            .ends
            .iter()
            .filter(|(end, _)| *end > self.slowed)
            .map(|(_, some)| some)
            .sum();
        let last = self.ends.last().map_or(0.0, |(end, _)| *end);
        steps as f64 / (last - self.slowed).max(1e-9)
    }
}

fn course(work: &Workload, policy: PolicyName) -> Result<Course, BackendError> {
    let slow = Arc::new(AtomicBool::new(false));
    let mut case = Case::new(
        pool(2, 1, (policy, Scheduling::Central), work.batch, &slow)?,
        work,
    )?;
    let (start, mut ends) = (Instant::now(), Vec::new());
    let (mut slowed, mut slow_steps) = (None, 0);
    while slow_steps < SLOW_STEPS
        || slowed.is_none_or(|slowed: Duration| start.elapsed() < slowed + HALF)
    {
        let done = case.some()?;
        ends.push((start.elapsed().as_secs_f64(), done));
        if slowed.is_some() {
            slow_steps += done;
        }
        if slowed.is_none() && start.elapsed() > HALF {
            slow.store(true, Ordering::Relaxed);
            slowed = Some(start.elapsed());
        }
    }
    Ok(Course {
        ends,
        slowed: slowed.unwrap_or_default().as_secs_f64(),
    })
}

/// One of two workers becomes four times slower in the middle. Ideal is what both can do then, 5/8 of what they did.
pub(crate) fn slowed(work: &Workload) -> Result<Vec<(PolicyName, Course)>, BackendError> {
    let mut courses = Vec::new();
    for _ in 0..SLOWED_ROUNDS {
        for policy in POLICIES {
            courses.push((policy, course(work, policy)?));
        }
    }
    let before = courses
        .iter()
        .map(|(_, course)| course.rate(0.0, course.slowed));
    let ideal = median(before.collect()) * 5.0 / 8.0;
    for policy in POLICIES {
        let of_policy = courses.iter().filter(|(other, _)| *other == policy);
        let after = median(of_policy.map(|(_, course)| course.slow()).collect());
        println!(
            "{:31} {policy:24} {:10.0} samples/s of {:.0} ideal ones {:6.1} %",
            work.name,
            after * work.batch as f64,
            ideal * work.batch as f64,
            100.0 * after / ideal,
        );
    }
    courses.truncate(POLICIES.len());
    Ok(courses)
}

pub(crate) fn plot(courses: &[(PolicyName, Course)], work: &Workload) -> String {
    const COLOURS: [&str; 3] = ["#000000", "#d55e00", "#009e73"];
    let (left, top, width, height) = (70.0, 40.0, 640.0, 260.0);
    let end = 2.0 * HALF.as_secs_f64();
    // Samples a second in tenths of a second, or in as few steps as there are.
    let bin = 0.25;
    let lines: Vec<Vec<(f64, f64)>> = courses
        .iter()
        .map(|(_, course)| {
            let bins = (0..(end / bin) as usize).map(|n| {
                let from = course.slowed - end / 2.0 + n as f64 * bin;
                let rate = course.rate(from - bin / 2.0, from + 1.5 * bin);
                (n as f64 * bin, rate * work.batch as f64)
            });
            bins.filter(|(_, rate)| *rate > 0.0).collect()
        })
        .collect();
    let most = lines
        .iter()
        .flatten()
        .map(|(_, rate)| *rate)
        .fold(1.0, f64::max)
        * 1.05;
    let x = |time: f64| left + width * time / end;
    let y = |rate: f64| top + height * (1.0 - rate / most);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{left}\" y=\"{}\" font-weight=\"bold\">samples/s of two workers, one of them four times slower from the middle on ({})</text>\n",
        left + width + 30.0,
        top + height + 80.0,
        top - 16.0,
        work.name
    );
    for tick in 0..=4 {
        let rate = most * f64::from(tick) / 4.0;
        svg += &format!(
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{at}\" y2=\"{at}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{rate:.0}</text>\n",
            left + width,
            left - 6.0,
            y(rate) + 4.0,
            at = y(rate),
        );
    }
    for second in 0..=end as u32 {
        svg += &format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{second} s</text>\n",
            x(f64::from(second)),
            top + height + 18.0,
        );
    }
    for (place, ((policy, _), line)) in courses.iter().zip(&lines).enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let points: Vec<String> = line
            .iter()
            .map(|&(time, rate)| format!("{:.1},{:.1}", x(time), y(rate)))
            .collect();
        let from = left + 150.0 * place as f64;
        let at = top + height + 48.0;
        svg += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <line x1=\"{from}\" x2=\"{}\" y1=\"{at}\" y2=\"{at}\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <text x=\"{}\" y=\"{}\">{policy}</text>\n",
            points.join(" "),
            from + 22.0,
            from + 27.0,
            at + 4.0,
        );
    }
    svg + "</svg>\n"
}
