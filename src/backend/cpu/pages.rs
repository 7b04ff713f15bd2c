//! Memory in pages that suit its size.

use std::mem::MaybeUninit;

/// Bytes of a page that many processors have beside the small one, of a few KB.
const LARGE_PAGE: usize = 2 << 20;

/// Asks for large pages for memory that is not in use yet, if it would fill one: rows are read from all over a dataset, and to find
/// where so many small pages are takes as long as to read them. It is as good without.
pub(super) fn advise<T>(memory: &mut [MaybeUninit<T>]) {
    if size_of_val(memory) >= LARGE_PAGE {
        ask(memory);
    }
}

#[cfg(target_os = "linux")]
fn ask<T>(memory: &mut [MaybeUninit<T>]) {
    use rustix::mm::{Advice, madvise};

    // The system takes whole small pages.
    let start = memory.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(rustix::param::page_size());
    let Some(len) = size_of_val(memory).checked_sub(skipped) else {
        return;
    };
    // SAFETY: the pages lie inside `memory` or, the last one, begin there; this advice changes no contents, whose ever they are.
    let asked = unsafe {
        madvise(
            start.wrapping_add(skipped).cast(),
            len,
            Advice::LinuxHugepage,
        )
    };
    if let Err(error) = asked {
        log::debug!("no large pages: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
fn ask<T>(_: &mut [MaybeUninit<T>]) {}
