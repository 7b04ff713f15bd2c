//! The memory of the kernel of many steps: all buffers that are each member's own, one behind the other.

use super::memory::stride;
use super::record::Memory;
use crate::program::{Element, Program, buffer};

/// Where the buffers of a program lie in its arena, one behind the other, in elements.
pub(super) struct Arena {
    pub(super) offsets: Vec<usize>,
    pub(super) len: usize,
}

impl Arena {
    pub(super) fn new(program: &Program, memory: &Memory<'_>) -> Arena {
        let mut len = 0;
        let offsets = memory.buffers.iter().enumerate().map(|(place, buffer)| {
            let offset = len;
            if used(program, place)
                && buffer.element == Element::F32
                && !buffer.shared
                && buffer.name != buffer::LOG
            {
                len += program.members * stride(buffer);
            }
            offset
        });
        Arena {
            offsets: offsets.collect(),
            len,
        }
    }
}

fn used(program: &Program, place: usize) -> bool {
    let touched = program
        .ops
        .iter()
        .flat_map(|op| [op.reads(), op.writes()].concat());
    touched
        .into_iter()
        .any(|tensor| program.tensors[tensor].buffer == place)
}
