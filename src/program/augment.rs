//! What training does to the rows that it gathers: a pass over its programs, so that nothing else is done to other rows.

use serde::{Deserialize, Serialize};

use super::{Element, LossFunction, Op, Program, Rows, TensorId, buffer};

/// What is done to each row of a training step; nothing by default.
///
/// Draws follow from the member's key, the step's number, the row's position in the order and the column: they are the same on
/// any device and in any micro-batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augmentation {
    /// Deviation of the Gaussian noise that is added to each input, 0 for none.
    pub noise: f32,
    /// Probability with which an input is set to 0 instead.
    pub mask: f32,
    /// α of Beta(α, α), which a row's share in its mixture with another row of the batch is drawn from; 0 to mix none. The
    /// caller draws: see [`buffer::PARTNERS`] and [`buffer::SHARES`].
    pub mixup: f32,
    /// What happens to rows that are images.
    pub warp: Option<Warp>,
}

impl Augmentation {
    /// Whether something is drawn on the device, by [`buffer::KEYS`].
    pub fn draws(&self) -> bool {
        self.noise > 0.0 || self.mask > 0.0 || self.warp.is_some()
    }
}

/// How images are moved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warp {
    /// How they lie in a row.
    pub image: Image,
    /// The input that stands for what is outside the image.
    pub background: f32,
    /// Whole pixels by which an image is moved at most, to each side; any number of them is as likely.
    pub shift: u32,
    /// Degrees by which it is turned about its centre at most, either way.
    pub rotate: f32,
    /// Whether left and right are exchanged in half of the images.
    pub flip: bool,
    /// Side of a square that is set to the background, its centre at any pixel; 0 for none (`DeVries` and Taylor 2017).
    pub cutout: u32,
}

impl Warp {
    /// The angle at most, in quarters of a circle.
    pub(crate) fn quarters(&self) -> f32 {
        self.rotate / 90.0
    }
}

/// How an image lies in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its rows of pixels.
    pub height: u32,
    /// Pixels in each.
    pub width: u32,
    /// Values of a pixel.
    pub channels: u32,
    /// Whether a pixel's values lie together; else each channel's pixels do.
    pub channels_last: bool,
}

impl Image {
    /// Its values.
    pub fn values(&self) -> usize {
        self.height as usize * self.width as usize * self.channels as usize
    }

    /// Where a pixel's value lies, if the pixel is inside.
    pub(crate) fn place(&self, channel: u32, x: i64, y: i64) -> Option<usize> {
        let (height, width) = (i64::from(self.height), i64::from(self.width));
        if !(0..width).contains(&x) || !(0..height).contains(&y) {
            return None;
        }
        let (pixel, channel) = ((y * width + x) as usize, channel as usize);
        Some(if self.channels_last {
            pixel * self.channels as usize + channel
        } else {
            channel * self.height as usize * self.width as usize + pixel
        })
    }
}

/// What keeps these draws apart from those of the network's layers, as the number of a layer that no network has.
mod layer {
    /// The mask has the next.
    pub(super) const NOISE: u32 = 1 << 31;
    pub(super) const WARP: u32 = NOISE + 2;
    pub(super) const PARTNER_WARP: u32 = NOISE + 3;
}

impl Program {
    /// A training or gradient program that does this to the rows that it gathers.
    ///
    /// x = warp(x);  x = λ·x + (1 − λ)·warp(x of the partner);  x = 0 where masked, else x + noise. For losses of classes,
    /// loss = λ·loss(t) + (1 − λ)·loss(t of the partner), and so for its gradient; else t = λ·t + (1 − λ)·t of the partner.
    #[must_use]
    pub fn augmented(&self, augmentation: &Augmentation) -> Program {
        let mut program = self.clone();
        let ops = std::mem::take(&mut program.ops);
        let of_classes = ops.iter().any(|op| match op {
            Op::LossGradient { function, .. } => of_classes(*function),
            _ => false,
        });
        let mut pass = Pass {
            program,
            augmentation: *augmentation,
            of_classes,
            partner_targets: None,
            gathers: Vec::new(),
            behind: Vec::new(),
        };
        for op in ops {
            pass.take(op);
        }
        pass.program
    }
}

/// Whether a loss tells classes apart: then there is no target between two.
fn of_classes(function: LossFunction) -> bool {
    function.of_class() || function == LossFunction::BinaryCrossEntropy
}

struct Pass {
    program: Program,
    augmentation: Augmentation,
    of_classes: bool,
    /// The partners' targets, `[batch, columns]`.
    partner_targets: Option<TensorId>,
    /// Those of the partners, which come behind the batch's own, so that each two can be one dispatch.
    gathers: Vec<Op>,
    /// What is done to rows once all are gathered.
    behind: Vec<Op>,
}

impl Pass {
    fn push(&mut self, op: Op) {
        self.program.ops.push(op);
    }

    fn take(&mut self, op: Op) {
        let mixes = self.augmentation.mixup > 0.0;
        let Op::Gather {
            source,
            order,
            output,
        } = op
        else {
            for op in [&mut self.gathers, &mut self.behind]
                .into_iter()
                .flat_map(std::mem::take)
            {
                self.program.ops.push(op);
            }
            self.push(op.clone());
            if let (Op::LossGradient { gradient, rows, .. }, Some(targets)) =
                (&op, self.partner_targets)
            {
                self.second_loss(&op, targets, *gradient, *rows);
            }
            return;
        };
        match self.program.tensors[source].name.as_str() {
            buffer::INPUTS => {
                let gather = self.images(source, order, output, layer::WARP);
                self.push(gather);
                if mixes {
                    let partners = self.partners(order);
                    let other = self.like("partner x", output);
                    let gather = self.images(source, partners, other, layer::PARTNER_WARP);
                    self.gathers.push(gather);
                    let mix = self.mix(order, other, output);
                    self.behind.push(mix);
                }
                self.perturb(output);
            }
            buffer::TARGETS if mixes => {
                self.push(op);
                let partners = self.partners(order);
                let other = self.like("partner t", output);
                self.gathers.push(Op::Gather {
                    source,
                    order: partners,
                    output: other,
                });
                if self.of_classes {
                    self.partner_targets = Some(other);
                } else {
                    let mix = self.mix(order, other, output);
                    self.behind.push(mix);
                }
            }
            _ => self.push(op),
        }
    }

    /// The gather of a batch's rows; if they are images, what happens to them comes behind.
    fn images(&mut self, source: TensorId, order: TensorId, output: TensorId, layer: u32) -> Op {
        let mut gathered = output;
        if let Some(warp) = self.augmentation.warp {
            let name = format!("plain {}", self.program.tensors[output].name);
            gathered = self.like(&name, output);
            let keys = self.keys();
            self.behind.push(Op::Warp {
                warp,
                layer,
                keys,
                input: gathered,
                output,
            });
        }
        Op::Gather {
            source,
            order,
            output: gathered,
        }
    }

    fn perturb(&mut self, values: TensorId) {
        let Augmentation { noise, mask, .. } = self.augmentation;
        if noise > 0.0 || mask > 0.0 {
            let keys = self.keys();
            self.behind.push(Op::Perturb {
                deviation: noise,
                mask,
                layer: layer::NOISE,
                keys,
                values,
            });
        }
    }

    fn mix(&mut self, order: TensorId, other: TensorId, values: TensorId) -> Op {
        let len = self.program.tensors[order].columns;
        let shares = self.fixed(buffer::SHARES, Element::F32, len);
        Op::Mix {
            shares,
            other,
            values,
        }
    }

    /// The loss against the partners' targets, and what the two come to.
    fn second_loss(&mut self, loss: &Op, other: TensorId, first: TensorId, records: TensorId) {
        let Op::LossGradient {
            function,
            weights,
            logits,
            ..
        } = *loss
        else {
            return;
        };
        let gradient = self.like("partner d output", first);
        let rows = self.like("partner records", records);
        self.push(Op::LossGradient {
            function,
            weights,
            logits,
            targets: other,
            gradient,
            rows,
        });
        let order = self.fixed(buffer::ORDER, Element::U32, 0);
        for (other, values) in [(gradient, first), (rows, records)] {
            let mix = self.mix(order, other, values);
            self.push(mix);
        }
    }

    fn partners(&mut self, order: TensorId) -> TensorId {
        let len = self.program.tensors[order].columns;
        self.fixed(buffer::PARTNERS, Element::U32, len)
    }

    fn keys(&mut self) -> TensorId {
        self.fixed(buffer::KEYS, Element::U32, 2)
    }

    /// The tensor of this name with a buffer of its own, `[1, len]`, made if it is not there.
    fn fixed(&mut self, name: &str, element: Element, len: usize) -> TensorId {
        let tensors = &self.program.tensors;
        let known = tensors.iter().position(|tensor| tensor.name == name);
        known.unwrap_or_else(|| {
            let buffer = self.program.add_buffer(name, element, len, false);
            self.program
                .add_tensor(name, buffer, 0, Rows::Fixed(1), len)
        })
    }

    /// A new tensor of the same shape.
    fn like(&mut self, name: &str, tensor: TensorId) -> TensorId {
        let columns = self.program.tensors[tensor].columns;
        self.program.add_own(name, Rows::Batch, columns)
    }
}
