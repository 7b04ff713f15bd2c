use crate::program::{Element, Op, Program, Rows, TensorId, buffer};

/// Takes a program's name, and what makes its op.
pub(super) type Add<'a> = dyn FnMut(&str, &dyn Fn(&mut Small) -> Op) + 'a;

/// A program of one op, as it grows.
pub(super) struct Small {
    pub(super) program: Program,
    pub(super) suffix: String,
}

impl Small {
    pub(super) fn tensor(&mut self, name: &str, rows: Rows, columns: usize) -> TensorId {
        let name = format!("{name} {}", self.suffix);
        self.program.add_own(&name, rows, columns)
    }

    /// Tensors of a buffer of their own, one behind the other.
    pub(super) fn flat<const N: usize>(
        &mut self,
        name: &str,
        shapes: [[usize; 2]; N],
    ) -> [TensorId; N] {
        let name = format!("{name} {}", self.suffix);
        let len = shapes.iter().map(|[rows, columns]| rows * columns).sum();
        let place = self.program.add_buffer(&name, Element::F32, len, false);
        let mut offset = 0;
        shapes.map(|[rows, columns]| {
            let at = offset;
            offset += rows * columns;
            let rows = Rows::Fixed(rows);
            self.program.add_tensor(&name, place, at, rows, columns)
        })
    }

    pub(super) fn shared(&mut self, name: &str, rows: usize, columns: usize) -> TensorId {
        let name = format!("{name} {}", self.suffix);
        let place = self
            .program
            .add_buffer(&name, Element::F32, rows * columns, true);
        self.program
            .add_tensor(&name, place, 0, Rows::Fixed(rows), columns)
    }

    pub(super) fn order(&mut self, len: usize) -> TensorId {
        self.indices(buffer::ORDER, len)
    }

    pub(super) fn keys(&mut self) -> TensorId {
        self.indices(buffer::KEYS, 2)
    }

    pub(super) fn indices(&mut self, name: &str, len: usize) -> TensorId {
        let name = format!("{name} {}", self.suffix);
        let place = self.program.add_buffer(&name, Element::U32, len, false);
        self.program
            .add_tensor(&name, place, 0, Rows::Fixed(1), len)
    }
}
