//! Which tile is the fastest for a product on an adapter: tried on first use, and remembered in a folder.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::call::{Call, Factors, calls};
use super::clock::Clock;
use super::device::Device;
use super::kept;
use super::memory::elements;
use super::record::{Dispatch, Memory, binding_elements, encode, record};
use super::shader::{self, Pipelines};
use super::sums::Sums;
use super::tile::{Tile, Tiles, fours};
use crate::backend::BackendError;
use crate::program::{Buffer, Element, Op, Precision, Program, Rows, Step, Transpose};

/// How products are tuned.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Where what was found is remembered, and pipelines are kept, if anywhere.
    pub folder: Option<PathBuf>,
    /// Whether to try anew what is remembered of the products that come up; what is remembered of others stays.
    pub again: bool,
    /// What all tries of a backend may take together; what is not tried by then has the tile that its shape suggests.
    pub limit: Duration,
}

impl Default for Tuning {
    /// Nothing is remembered, and two seconds are not used up.
    fn default() -> Self {
        Tuning {
            folder: None,
            again: false,
            limit: Duration::from_millis(1800),
        }
    }
}

/// A product of fewer floating-point operations has the tile that its shape suggests: there is little to gain.
const WORTH: usize = 4_000_000;

/// Rows, columns and terms of a product that is tried, at most; on software adapters, a quarter of it.
const MOST: usize = 1024;

/// How long one measurement takes, about.
const MEASURED: Duration = Duration::from_millis(4);

/// What is remembered: a file for each adapter.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Remembered {
    adapter: String,
    /// Checksum of all kernels.
    kernels: u32,
    tiles: BTreeMap<String, Tile>,
}

/// Tries tiles, and remembers them.
#[derive(Debug)]
pub(super) struct Tuner {
    file: Option<PathBuf>,
    left: Duration,
    again: bool,
    /// Kinds of products that were tried.
    tried: BTreeSet<String>,
}

/// The device's side of a try.
pub(super) struct Bench<'a> {
    pub(super) device: &'a Device,
    pub(super) pipelines: &'a mut Pipelines,
    pub(super) table: &'a wgpu::Buffer,
    pub(super) step: &'a wgpu::BindGroup,
    /// The device's own, if it has one; else time is taken on the wall.
    pub(super) clock: Option<Clock>,
    /// How long the kernels of one product took to compile, at most.
    pub(super) compiled: Duration,
}

impl Tuner {
    /// With what is remembered of the device, in `tiles`.
    pub(super) fn new(device: &Device, tuning: &Tuning, tiles: &mut Tiles) -> Self {
        let name = format!("tiles-{:08x}.json", crc32fast::hash(device.name.as_bytes()));
        let file = tuning.folder.as_ref().map(|folder| folder.join(name));
        if let Some(file) = &file {
            match remembered(file, device) {
                Ok(known) => tiles.tuned = known,
                Err(notice) => log::warn!("{notice}"),
            }
        }
        Tuner {
            file,
            left: tuning.limit,
            again: tuning.again,
            tried: BTreeSet::new(),
        }
    }

    /// How many kinds of products were tried.
    pub(super) fn tried(&self) -> usize {
        self.tried.len()
    }

    /// Finds the tiles of a program's products, as far as time allows; says so in a line.
    pub(super) fn tune(
        &mut self,
        bench: &mut Bench<'_>,
        program: &Program,
        (sums, tiles): (Sums, &mut Tiles),
    ) -> Result<(), BackendError> {
        let binding = binding_elements(bench.device);
        let mut wanted = BTreeMap::new();
        let ops = program.ops.iter();
        let calls = ops.flat_map(|op| calls(program, op, binding));
        for call in calls.map(|call| sums.cut(call)) {
            if let Some(factors) = call.factors
                && 2 * factors.m * factors.n * factors.k >= WORTH
            {
                let fours = fours(program, &call, &factors);
                let class = class(&factors, fours);
                let again = self.again && !self.tried.contains(&class);
                if again || !tiles.tuned.contains_key(&class) {
                    wanted.entry(class).or_insert((factors, fours));
                }
            }
        }
        let start = Instant::now();
        let mut found = BTreeSet::new();
        // Those first in which there is the most to gain, as time may not suffice for all.
        let mut wanted: Vec<_> = wanted.into_iter().collect();
        wanted.sort_by_key(|(_, (factors, _))| Reverse(factors.m * factors.n * factors.k));
        for (class, (factors, fours)) in wanted {
            let spent = start.elapsed();
            let Some(tile) = fastest(
                bench,
                sums,
                (&factors, fours),
                self.left.saturating_sub(spent),
            )?
            else {
                break;
            };
            tiles.tuned.insert(class.clone(), tile);
            log::debug!("{class}: {tile}");
            found.insert(class);
        }
        if found.is_empty() {
            return Ok(());
        }
        let spent = start.elapsed();
        self.left = self.left.saturating_sub(spent);
        let products = if found.len() == 1 {
            "product"
        } else {
            "products"
        };
        log::info!(
            "tuned {} {products} for {} in {:.1} s",
            found.len(),
            bench.device.name,
            spent.as_secs_f64()
        );
        self.tried.append(&mut found);
        if let Some(file) = &self.file {
            let remembered = Remembered {
                adapter: bench.device.name.clone(),
                kernels: shader::checksum(),
                tiles: tiles.tuned.clone(),
            };
            if let Err(error) = keep(file, &remembered) {
                log::warn!("{} cannot be written: {error}", file.display());
            }
        }
        Ok(())
    }
}

/// Products that have one tile: the operands' forms, and sizes up to a power of two.
pub(super) fn class(factors: &Factors, fours: bool) -> String {
    let form = match factors.transpose {
        Transpose::Neither => "ab",
        Transpose::A => "a'b",
        Transpose::B => "ab'",
    };
    let [m, n, k] = [factors.m, factors.n, factors.k].map(usize::next_power_of_two);
    format!(
        "{form} {m}x{n}x{k} by {}{}",
        if fours { "fours" } else { "ones" },
        if factors.half { " in halves" } else { "" }
    )
}

/// The tiles of a file; none if there is no file. An error is a notice: the file is of no use.
fn remembered(file: &Path, device: &Device) -> Result<BTreeMap<String, Tile>, String> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(format!("{} cannot be read: {error}", file.display())),
    };
    read(&text, &device.name, shader::checksum(), &Tiles::of(device))
        .map_err(|reason| format!("{} is ignored, and made anew: {reason}", file.display()))
}

fn read(
    text: &[u8],
    adapter: &str,
    kernels: u32,
    possible: &[Tile],
) -> Result<BTreeMap<String, Tile>, String> {
    let found: Remembered =
        serde_json::from_slice(text).map_err(|error| format!("it is damaged ({error})"))?;
    if found.adapter != adapter {
        return Err(format!("it is of {}", found.adapter));
    }
    if found.kernels != kernels {
        return Err("it is of other kernels".to_owned());
    }
    match found.tiles.values().find(|tile| !possible.contains(tile)) {
        Some(tile) => Err(format!("the adapter has no tile {tile}")),
        None => Ok(found.tiles),
    }
}

fn keep(file: &Path, remembered: &Remembered) -> std::io::Result<()> {
    kept::write(file, &serde_json::to_vec_pretty(remembered)?)
}

/// The fastest tile of a product; `None` if there is no time to tell.
fn fastest(
    bench: &mut Bench<'_>,
    sums: Sums,
    (factors, fours): (&Factors, bool),
    left: Duration,
) -> Result<Option<Tile>, BackendError> {
    if bench.compiled >= left {
        return Ok(None);
    }
    // Far ahead wherever they are worth their copies, which count for more in a product as small as those that are tried.
    if let images @ Tile::Image { .. } = Tiles::usual(bench.device, factors) {
        return Ok(Some(images));
    }
    let most = if bench.device.software {
        MOST / 4
    } else {
        MOST
    };
    let factors = Factors {
        m: factors.m.min(most),
        n: factors.n.min(most),
        k: factors.k.min(most),
        ..*factors
    };
    let tiles = Tiles::worth_a_try(bench.device, &factors);
    let start = Instant::now();
    compile(bench, sums, (&factors, fours), &tiles)?;
    bench.compiled = bench.compiled.max(start.elapsed());
    let mut longest = Duration::ZERO;
    let mut best: Option<(Duration, Tile)> = None;
    for tile in tiles {
        let begun = Instant::now();
        if start.elapsed() + longest >= left {
            return Ok(None);
        }
        let taken = time(bench, (&factors, fours), (sums, tile))?;
        longest = longest.max(begun.elapsed());
        if best.is_none_or(|(least, _)| taken < least) {
            best = Some((taken, tile));
        }
    }
    Ok(best.map(|(_, tile)| tile))
}

/// Compiles a product's kernels for all of these tiles at once.
fn compile(
    bench: &mut Bench<'_>,
    sums: Sums,
    (factors, fours): (&Factors, bool),
    tiles: &[Tile],
) -> Result<(), BackendError> {
    let device = bench.device;
    let program = product(factors, fours);
    let whole = calls(&program, &program.ops[0], binding_elements(device));
    let kernels = tiles.iter().flat_map(|&tile| {
        let only = Tiles {
            only: Some(tile),
            ..Tiles::default()
        };
        let cut = |call: &Call| only.cut(device, &program, sums.cut(call.clone()));
        let calls: Vec<Call> = whole.iter().map(cut).collect();
        calls.into_iter().map(|call| (call.kernel, call.constants))
    });
    bench.pipelines.make(device, kernels)
}

/// How long a product of these sizes takes, alone, on zeros.
fn time(
    bench: &mut Bench<'_>,
    (factors, fours): (&Factors, bool),
    (sums, tile): (Sums, Tile),
) -> Result<Duration, BackendError> {
    let program = product(factors, fours);
    let create = |buffer: &Buffer| {
        bench.device.handle.create_buffer(&wgpu::BufferDescriptor {
            label: Some("tried"),
            size: 4 * elements(buffer, 1) as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        })
    };
    let allocated: Vec<wgpu::Buffer> = program.buffers.iter().map(create).collect();
    let memory = Memory {
        buffers: &program.buffers,
        allocated: &allocated,
    };
    let only = Tiles {
        only: Some(tile),
        ..Tiles::default()
    };
    let dispatches = record(
        bench.device,
        bench.pipelines,
        &program,
        &memory,
        (sums, &only),
    )?;
    let step = Step {
        rows: program.batch as u32,
        loss_scale: 1.0,
        ..Step::default()
    };
    // The first run compiles the kernel.
    run(bench, &dispatches, &[step])?;
    let once = run(bench, &dispatches, &[step])?.max(Duration::from_micros(1));
    let times = (MEASURED.as_nanos() / once.as_nanos()).clamp(1, 64) as usize;
    let all = run(bench, &dispatches, &vec![step; times])?;
    Ok(once.min(all / times as u32))
}

fn run(
    bench: &mut Bench<'_>,
    dispatches: &[Dispatch],
    steps: &[Step],
) -> Result<Duration, BackendError> {
    const LIMIT: Duration = Duration::from_secs(60);
    let device = bench.device;
    let mut encoder = device
        .handle
        .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encode(
        device,
        &mut encoder,
        bench.table,
        bench.step,
        (dispatches, steps),
        bench.clock.as_ref().map(Clock::writes).as_ref(),
    );
    if let Some(clock) = &mut bench.clock {
        return clock.time(device, encoder, LIMIT);
    }
    let start = Instant::now();
    let index = device.queue.submit([encoder.finish()]);
    device.wait(Some(index), LIMIT)?;
    Ok(start.elapsed())
}

/// A program of nothing but the product, of which operands begin where they can be read by fours, or cannot.
fn product(factors: &Factors, fours: bool) -> Program {
    let mut program = Program {
        members: 1,
        batch: match factors.transpose {
            Transpose::A => factors.k,
            _ => factors.m,
        },
        precision: if factors.half {
            Precision::F16
        } else {
            Precision::F32
        },
        buffers: Vec::new(),
        tensors: Vec::new(),
        ops: Vec::new(),
    };
    let mut add = |name: &str, rows: Rows, columns: usize| {
        let offset = usize::from(!fours);
        let height = match rows {
            Rows::Batch => program.batch,
            Rows::Fixed(rows) => rows,
        };
        let place = program.add_buffer(name, Element::F32, offset + height * columns, false);
        program.add_tensor(name, place, offset, rows, columns)
    };
    let Factors { m, n, k, .. } = *factors;
    let a = match factors.transpose {
        Transpose::A => add("a", Rows::Batch, m),
        _ => add("a", Rows::Batch, k),
    };
    let b = match factors.transpose {
        Transpose::A => add("b", Rows::Batch, n),
        Transpose::B => add("b", Rows::Fixed(n), k),
        Transpose::Neither => add("b", Rows::Fixed(k), n),
    };
    let output = match factors.transpose {
        Transpose::A => add("output", Rows::Fixed(m), n),
        _ => add("output", Rows::Batch, n),
    };
    program.ops.push(Op::Matmul {
        a,
        b,
        transpose: factors.transpose,
        accumulate: false,
        output,
    });
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    const TILE: Tile = Tile::Workgroup { x: 16, y: 16 };

    #[test]
    fn what_is_remembered_is_read_again_unless_it_is_damaged_or_of_something_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("deep").join("tiles.json");
        let tiles = BTreeMap::from([("ab 64x64x64 by fours".to_owned(), TILE)]);
        let remembered = Remembered {
            adapter: "this".into(),
            kernels: 7,
            tiles: tiles.clone(),
        };
        keep(&file, &remembered).expect("it is written");
        let text = std::fs::read(&file).expect("it is there");
        assert_eq!(read(&text, "this", 7, &[TILE]), Ok(tiles));
        for (adapter, kernels, possible) in [
            ("that", 7, vec![TILE]),
            ("this", 8, vec![TILE]),
            ("this", 7, vec![]),
        ] {
            assert!(read(&text, adapter, kernels, &possible).is_err());
        }
        for len in 0..text.len() {
            assert!(read(&text[..len], "this", 7, &[TILE]).is_err(), "{len}");
        }
        let names = std::fs::read_dir(folder.path().join("deep")).expect("a folder");
        assert_eq!(names.count(), 1);
    }
}
