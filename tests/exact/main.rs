//! Properties that hold to the bit or to rounding, whatever the network: what is added that counts nothing, a batch in pieces, a seed
//! used twice; with everything on that training does to its rows.

mod bits;
mod mixup;
mod padding;
mod pieces;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend};
use gpu_mlp::backend::{Backend, Data, read_weights, run_all, write_weights};
use gpu_mlp::model::{Network, Weights};
use gpu_mlp::program::{
    Augmentation, Capacity, Hyper, Image, Loss, Program, Step, Warp, buffer, record,
};

fn gpu() -> GpuBackend {
    GpuBackend::open(&AdapterChoice::Best).expect("a Vulkan adapter: see scripts/test.sh")
}

/// The backends, each with how far its numbers may be from another order of the same sums, relative to the largest.
fn backends() -> [(Box<dyn Backend>, f32); 3] {
    [
        (Box::new(CpuBackend::<f64>::new()), 3e-7),
        (Box::new(CpuBackend::<f32>::new()), 1e-5),
        (Box::new(gpu()), 2e-5),
    ]
}

/// Noise, masks, mixtures, and images of 5 × 6 pixels moved, turned, flipped and cut.
fn everything() -> Augmentation {
    Augmentation {
        noise: 0.1,
        mask: 0.1,
        mixup: 0.4,
        warp: Some(Warp {
            image: Image {
                height: 5,
                width: 6,
                channels: 1,
                channels_last: true,
            },
            background: -0.5,
            shift: 1,
            rotate: 20.0,
            flip: true,
            cutout: 2,
        }),
    }
}

/// Numbers between −1 and 1.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count)
        .map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0)
        .collect()
}

/// A batch and all that is drawn for it.
struct Batch {
    rows: usize,
    inputs: Vec<f32>,
    targets: Vec<f32>,
    order: Vec<u32>,
    partners: Vec<u32>,
    shares: Vec<f32>,
}

impl Batch {
    fn new(rows: usize, inputs: Vec<f32>, targets: Vec<f32>) -> Self {
        let order: Vec<u32> = (0..rows as u32).rev().collect();
        let partners = order.iter().cycle().skip(3).take(rows);
        Batch {
            rows,
            inputs,
            targets,
            partners: partners.copied().collect(),
            shares: (0..rows).map(|row| (row % 5) as f32 / 5.0).collect(),
            order,
        }
    }

    fn capacity(&self, batch: usize) -> Capacity {
        Capacity {
            members: 1,
            batch,
            rows: self.rows,
            order: self.rows,
            records: self.rows,
        }
    }

    /// The loss and its gradient, from pieces of `piece` rows at most.
    fn gradient(
        &self,
        backend: &mut dyn Backend,
        (network, weights): (&Network, &Weights),
        loss: &Loss,
        augmentation: &Augmentation,
        piece: usize,
    ) -> (f32, Weights) {
        let program = Program::gradients(network, loss, self.capacity(piece));
        let program = program.augmented(augmentation).fused();
        let compiled = backend.compile(&program).expect("it compiles");
        let hyper = Hyper {
            dropout: 0.3,
            ..Hyper::default()
        };
        let hyper: [f32; Hyper::WIDTH] = bytemuck::cast(hyper);
        for (name, data) in [
            (buffer::INPUTS, Data::F32(&self.inputs)),
            (buffer::TARGETS, Data::F32(&self.targets)),
            (buffer::ORDER, Data::U32(&self.order)),
            (buffer::PARTNERS, Data::U32(&self.partners)),
            (buffer::SHARES, Data::F32(&self.shares)),
            (buffer::KEYS, Data::U32(&[17, 4])),
            (buffer::HYPER, Data::F32(&hyper)),
        ] {
            if program.buffer(name).is_some() {
                backend.write(name, 0, 0, data).expect("it fits");
            }
        }
        write_weights(backend, network, buffer::PARAMETERS, 0, weights).expect("they fit");
        let zeros = Weights(weights.0.iter().map(|w| vec![0.0; w.len()]).collect());
        write_weights(backend, network, buffer::GRADIENTS, 0, &zeros).expect("they fit");
        let scale = loss.scale(self.rows, network.outputs()) as f32;
        let steps: Vec<Step> = (0..self.rows)
            .step_by(piece)
            .enumerate()
            .map(|(record, first)| Step {
                first: first as u32,
                rows: piece.min(self.rows - first) as u32,
                record: record as u32,
                loss_scale: scale,
                number: 11,
                ..Step::default()
            })
            .collect();
        run_all(backend, compiled, &steps).expect("it runs");
        let log = backend
            .read(buffer::LOG, 0, 0, steps.len() * record::WIDTH)
            .expect("it is there");
        let losses = log.chunks(record::WIDTH).map(|sums| sums[record::LOSS]);
        let loss = (losses.map(f64::from).sum::<f64>() * f64::from(scale)) as f32;
        let gradient = read_weights(backend, network, buffer::GRADIENTS, 0);
        (loss, gradient.expect("they are there"))
    }
}

/// Whether numbers differ by so much at most, relative to the largest.
fn near(found: &[f32], expected: &[f32], far: f32) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1e-3_f32, |most, x| most.max(x.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= far * largest,
            "{found} is not {expected}, of up to {largest}"
        );
    }
}
