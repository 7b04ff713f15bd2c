//! What stands before the first layer: forward and backward pass, next to each other.

use super::build::{Builder, prefix};
use super::{Element, Op, Rows, TensorId, Transpose, buffer};
use crate::model::Periodic;

impl Builder<'_> {
    /// e = what the inputs x become: the numbers by waves, then the columns of many texts by the table's rows; x itself if
    /// nothing is embedded.
    pub(super) fn embed(&mut self, input: TensorId) -> TensorId {
        let mut e = input;
        if let Some(shape) = self.network.embeddings.periodic {
            let parameters = self.waves(&shape, self.parameters);
            let columns = self.program.tensors[e].columns + shape.numbers * shape.outputs;
            let output = self.program.add_own("waves", Rows::Batch, columns);
            self.push(Op::Periodic {
                shape,
                input: e,
                parameters,
                output,
            });
            e = output;
        }
        if let Some(lookup) = &self.network.embeddings.lookup {
            let lookups = lookup.rows.len();
            let columns = self.network.fan_in(0);
            let table = self.parameter("embedding.weight", self.parameters);
            let output = self.program.add_own("embedded", Rows::Batch, columns);
            self.push(Op::Lookup {
                lookups,
                input: e,
                table,
                output,
            });
            e = output;
        }
        e
    }

    /// From the inputs x and dz of the first layer:  de = dz·W;  dw, db, dV, dc of the waves and the table's gradient. There is no
    /// gradient by x, which is data.
    pub(super) fn embed_gradient(&mut self, input: TensorId, dz: TensorId, accumulate: bool) {
        let embeddings = &self.network.embeddings;
        if embeddings.periodic.is_none() && embeddings.lookup.is_none() {
            return;
        }
        let w = self.weight(0, buffer::PARAMETERS);
        let columns = self.network.fan_in(0);
        let gradient = self.program.add_own("d embedded", Rows::Batch, columns);
        self.push(Op::Matmul {
            a: dz,
            b: w,
            transpose: Transpose::Neither,
            accumulate: false,
            output: gradient,
        });
        if let Some(shape) = embeddings.periodic {
            let parameters = self.waves(&shape, buffer::PARAMETERS);
            let output = self.waves(&shape, buffer::GRADIENTS);
            self.push(Op::PeriodicGradient {
                shape,
                input,
                parameters,
                gradient,
                accumulate,
                output,
            });
        }
        if let Some(lookup) = &embeddings.lookup {
            let output = self.parameter("embedding.weight", buffer::GRADIENTS);
            self.push(Op::LookupGradient {
                lookups: lookup.rows.len(),
                input,
                gradient,
                accumulate,
                output,
            });
        }
    }

    /// w, b, V and c of all numbers in the flat buffer of this name, one behind the other, or their gradients.
    fn waves(&mut self, shape: &Periodic, flat: &str) -> TensorId {
        let first = self.places.of("periodic.frequency");
        let offset = first.map_or(0, |place| place.offset);
        let len = self.places.len;
        let buffer = self.buffer(flat, Element::F32, len, false);
        let name = format!("{}periodic", prefix(flat));
        self.tensor(&name, buffer, offset, 1, shape.values())
    }
}
