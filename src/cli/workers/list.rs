//! Workers as a list names them.

use std::fmt::{Display, Formatter};
use std::str::FromStr;
use std::sync::Arc;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, AdapterInfo, adapters};
use gpu_mlp::elastic::policy::DeviceKind;
use gpu_mlp::elastic::{Spec, Start};

use crate::cli::device::{DeviceChoice, another, chosen, open_adapter};

/// Workers, as they are listed.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) enum Workers {
    /// A worker for each graphics card; without one, one for each core.
    Auto,
    These(Vec<Item>),
}

/// Some workers of a kind.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Item {
    device: DeviceChoice,
    /// Of each worker on the processor.
    threads: Option<usize>,
    count: usize,
    weight: f64,
}

/// Workers that one list may have.
const MOST: usize = 256;

impl FromStr for Workers {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Workers::Auto);
        }
        let items: Vec<Item> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let count: usize = items.iter().map(|item| item.count).sum();
        if count > MOST {
            return Err(format!("{count} workers are too many; {MOST} at most"));
        }
        Ok(Workers::These(items))
    }
}

impl FromStr for Item {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{text:?} {what}, as in gpu:0, cpu*2 or cpu:4*2@3");
        let (rest, weight) = match text.rsplit_once('@') {
            None => (text, 1.0),
            Some((rest, weight)) => match weight.parse() {
                Ok(weight) if weight > 0.0 && f64::is_finite(weight) => (rest, weight),
                _ => return Err(wrong("has no weight above 0 behind @")),
            },
        };
        let (device, count) = match rest.rsplit_once('*') {
            None => (rest, 1),
            Some((device, count)) => match count.parse() {
                Ok(count @ 1..=MOST) => (device, count),
                _ => return Err(wrong("has no number of workers behind *")),
            },
        };
        let threads = match device.strip_prefix("cpu:") {
            None => None,
            Some(threads) => match threads.parse() {
                Ok(threads @ 1..=1024) => Some(threads),
                _ => return Err(wrong("has no number of threads behind cpu:")),
            },
        };
        let device = match threads {
            Some(_) => DeviceChoice::Cpu,
            None => device.parse().map_err(|_| wrong("names no device"))?,
        };
        if device == DeviceChoice::Auto {
            return Err(wrong("is no list: auto stands alone"));
        }
        Ok(Item {
            device,
            threads,
            count,
            weight,
        })
    }
}

impl Display for Workers {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Workers::These(items) = self else {
            return f.write_str("auto");
        };
        for (place, item) in items.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{}", item.device)?;
            if let Some(threads) = item.threads {
                write!(f, ":{threads}")?;
            }
            write!(f, "*{}@{}", item.count, item.weight)?;
        }
        Ok(())
    }
}

impl Workers {
    fn items(&self) -> Vec<Item> {
        let item = |device, threads, count| Item {
            device,
            threads,
            count,
            weight: 1.0,
        };
        match self {
            Workers::These(items) => items.clone(),
            Workers::Auto => {
                let usable = adapters().into_iter();
                let usable =
                    usable.filter(|found| found.kind != "software" && found.unusable.is_none());
                let cards: Vec<Item> = usable
                    .map(|found| {
                        item(
                            DeviceChoice::Gpu(AdapterChoice::Index(found.index)),
                            None,
                            1,
                        )
                    })
                    .collect();
                if cards.is_empty() {
                    vec![item(DeviceChoice::Cpu, Some(1), cores())]
                } else {
                    cards
                }
            }
        }
    }

    /// Refuses a list that names an adapter which is not there, or cannot be used.
    pub(in crate::cli) fn check(&self) -> Result<(), String> {
        let known = adapters();
        let Workers::These(items) = self else {
            return Ok(());
        };
        for Item { device, .. } in items {
            let DeviceChoice::Gpu(choice) = device else {
                continue;
            };
            let reason = match chosen(choice, &known) {
                None => "there is no such adapter; see gpu-mlp devices".to_owned(),
                Some(AdapterInfo {
                    unusable: Some(reason),
                    ..
                }) => reason.clone(),
                Some(_) => continue,
            };
            return Err(format!("--workers {device}: {reason}"));
        }
        Ok(())
    }

    pub(in crate::cli) fn specs(&self) -> Vec<Spec> {
        let items = self.items();
        let sharing = items
            .iter()
            .filter(|item| item.device == DeviceChoice::Cpu && item.threads.is_none());
        let sharing: usize = sharing.map(|item| item.count).sum();
        let each = (cores() / sharing.max(1)).max(1);
        let known = adapters();
        items
            .iter()
            .flat_map(|item| {
                let spec = match &item.device {
                    DeviceChoice::Gpu(adapter) => card(adapter, &known, item.weight),
                    DeviceChoice::Cpu | DeviceChoice::Auto => {
                        processor(item.threads.unwrap_or(each), item.weight)
                    }
                };
                std::iter::repeat_n(spec, item.count)
            })
            .collect()
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn processor(threads: usize, weight: f64) -> Spec {
    Spec {
        name: format!("cpu:{threads}"),
        kind: DeviceKind::Cpu {
            threads: threads as u32,
        },
        weight,
        start: Start::Thread(Arc::new(move || {
            Ok(Box::new(CpuBackend::<f32>::with_threads(threads)))
        })),
        spares: Vec::new(),
    }
}

/// Devices that take a worker's place in turn, at most.
pub(super) const SPARES: usize = 2;

/// Another graphics card than this one, if there is one, and the processor.
fn in_place_of(choice: &AdapterChoice, known: &[AdapterInfo], weight: f64) -> Vec<Spec> {
    let other = another(choice, known).map(|other| {
        let choice = AdapterChoice::Index(other.index);
        let name = DeviceChoice::Gpu(choice.clone()).to_string();
        adapter(name, &choice, DeviceKind::Gpu, weight)
    });
    other
        .into_iter()
        .chain([processor(cores(), weight)])
        .collect()
}

fn card(choice: &AdapterChoice, known: &[AdapterInfo], weight: f64) -> Spec {
    let software = chosen(choice, known).is_some_and(|found| found.kind == "software");
    let kind = if software {
        DeviceKind::SoftwareGpu
    } else {
        DeviceKind::Gpu
    };
    let name = DeviceChoice::Gpu(choice.clone()).to_string();
    Spec {
        spares: in_place_of(choice, known, weight),
        ..adapter(name, choice, kind, weight)
    }
}

fn adapter(name: String, choice: &AdapterChoice, kind: DeviceKind, weight: f64) -> Spec {
    let choice = choice.clone();
    Spec {
        name,
        kind,
        weight,
        start: Start::Thread(Arc::new(move || Ok(Box::new(open_adapter(&choice)?)))),
        spares: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::device::tests::listed;

    fn names(list: &str) -> Vec<String> {
        let workers: Workers = list.parse().expect(list);
        let specs = workers.specs().into_iter();
        specs.map(|spec| spec.name).collect()
    }

    #[test]
    fn cores_are_divided_among_workers_that_have_no_number_of_threads() {
        let each = (cores() / 2).max(1);
        let named = [3, each, each].map(|threads| format!("cpu:{threads}"));
        assert_eq!(names("cpu:3,cpu*2"), named);
        let workers: Workers = "cpu:1@3,cpu:1".parse().expect("a list");
        let weights = workers.specs().into_iter().map(|spec| spec.weight);
        assert_eq!(weights.collect::<Vec<_>>(), [3.0, 1.0]);
    }

    #[test]
    fn auto_is_every_graphics_card_or_every_core() {
        let found = names("auto");
        let cards = adapters().into_iter();
        let cards =
            cards.filter(|adapter| adapter.kind != "software" && adapter.unusable.is_none());
        let cards: Vec<String> = cards.map(|card| format!("gpu:{}", card.index)).collect();
        if cards.is_empty() {
            assert_eq!(found, vec!["cpu:1"; cores()]);
        } else {
            assert_eq!(found, cards);
        }
    }

    #[test]
    fn what_a_card_is_and_what_takes_its_place_is_of_the_adapter_that_is_named() {
        let known = listed(&[
            ("Old", ""),
            ("Card", "discrete"),
            ("Card", "discrete"),
            ("llvmpipe", "software"),
        ]);
        let processor = format!("cpu:{}", cores());
        for (choice, kind, other) in [
            ("gpu", DeviceKind::Gpu, "gpu:2"),
            ("gpu:1", DeviceKind::Gpu, "gpu:2"),
            ("gpu:2", DeviceKind::Gpu, "gpu:1"),
            ("card", DeviceKind::Gpu, "gpu:2"),
            ("llvm", DeviceKind::SoftwareGpu, "gpu:1"),
        ] {
            let Ok(DeviceChoice::Gpu(adapter)) = choice.parse() else {
                panic!("{choice} is an adapter");
            };
            let spec = card(&adapter, &known, 1.0);
            let spares: Vec<_> = spec.spares.iter().map(|spare| &*spare.name).collect();
            assert_eq!(spares.len(), SPARES);
            assert_eq!(
                (spec.kind, spares),
                (kind, vec![other, &*processor]),
                "{choice}"
            );
        }
    }

    #[test]
    fn a_list_is_read_as_it_is_written() {
        for text in [
            "auto",
            "cpu*2@1",
            "gpu:0*1@1,cpu*2@1",
            "cpu:4*2@3",
            "gpu*4@0.5",
        ] {
            let workers: Workers = text.parse().expect(text);
            assert_eq!(workers.to_string(), text);
        }
        let short: Workers = "gpu:0,cpu*2".parse().expect("a list");
        assert_eq!(short.to_string(), "gpu:0*1@1,cpu*2@1");
        for text in [
            "",
            "cpu*",
            "cpu*0",
            "cpu:0",
            "cpu:x*2",
            "cpu@0",
            "cpu@-1",
            "auto,cpu",
            "gpu:x",
            "cpu*200,cpu*200",
        ] {
            text.parse::<Workers>().expect_err(text);
        }
    }
}
