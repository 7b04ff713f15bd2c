use super::message::{Contents, Order};
use super::sums::Values;
use std::sync::Arc;

/// What the host has written into buffers, for workers that come later.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    pieces: Vec<(String, usize, usize, Contents)>,
}

impl Mirror {
    /// Takes note of a write. Pieces that it covers are forgotten.
    pub(super) fn write(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        contents: Contents,
    ) -> Order {
        let covered = offset..offset + len(&contents);
        self.pieces.retain(|(name, of, first, old)| {
            let inside = covered.start <= *first && first + len(old) <= covered.end;
            !(name == buffer && *of == member && inside)
        });
        self.pieces
            .push((buffer.to_owned(), member, offset, contents.clone()));
        Order::Write {
            buffer: buffer.to_owned(),
            member,
            offset,
            contents,
        }
    }

    /// All of it, in the order in which it was written.
    pub(super) fn orders(&self) -> impl Iterator<Item = Order> + '_ {
        self.pieces
            .iter()
            .map(|(buffer, member, offset, contents)| Order::Write {
                buffer: buffer.clone(),
                member: *member,
                offset: *offset,
                contents: contents.clone(),
            })
    }
}

fn len(contents: &Contents) -> usize {
    match contents {
        Contents::Numbers(Values(values)) => values.len(),
        Contents::Indices(values) => values.len(),
    }
}

impl From<crate::backend::Data<'_>> for Contents {
    fn from(data: crate::backend::Data<'_>) -> Self {
        match data {
            crate::backend::Data::F32(values) => Contents::Numbers(Values::new(values.to_vec())),
            crate::backend::Data::U32(values) => Contents::Indices(Arc::new(values.to_vec())),
        }
    }
}
