//! Any bytes at all, under each format's name: an answer or an error, never a panic, and never much memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use gpu_mlp::data::{self, PreprocessMode, Preprocessing, ReadOptions, TargetEncoding};
use proptest::prelude::*;

use crate::files::{self, Folder};

/// The system's allocator, which notes each thread's largest request.
struct Watched;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    // A thread that is ending has no counter any more.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: every request goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Reads these contents in every way there is.
fn read(name: &str, contents: &[u8]) {
    const MOST: usize = 8 << 20;
    let folder = Folder::new();
    folder.write("y.npy", files::npy("|u1", false, "2,", &[0, 1]));
    folder.write("train-labels-idx1-ubyte", files::idx(8, &[2], &[0, 1]));
    let path = folder.write(name, contents);
    LARGEST.set(0);
    if let Ok(loaded) = data::load(&path, &ReadOptions::default()) {
        let table = loaded.train;
        let rows: Vec<u32> = (0..table.len() as u32).collect();
        let target = TargetEncoding::fit(&table, None);
        if let Ok((preprocessing, _)) = Preprocessing::fit(&table, &rows, PreprocessMode::Auto) {
            let inputs = preprocessing.apply(&table).unwrap();
            assert_eq!(
                (inputs.rows, inputs.columns),
                (table.len(), preprocessing.inputs())
            );
            assert!(inputs.values.iter().all(|value| value.is_finite()));
            stream(&path, &preprocessing, target.as_ref().ok());
        }
    }
    let xor = data::load("xor", &ReadOptions::default()).unwrap().train;
    let (preprocessing, _) = Preprocessing::fit(&xor, &[0, 1, 2, 3], PreprocessMode::Auto).unwrap();
    stream(
        &path,
        &preprocessing,
        TargetEncoding::fit(&xor, None).ok().as_ref(),
    );
    assert!(
        LARGEST.get() < MOST,
        "{} bytes at once for {}",
        LARGEST.get(),
        contents.len()
    );
}

fn stream(path: &str, preprocessing: &Preprocessing, target: Option<&TargetEncoding>) {
    let Ok(chunks) = data::stream(path, preprocessing, target, 3) else {
        return;
    };
    for chunk in chunks.flatten() {
        let _ = preprocessing.apply(&chunk);
        let _ = target.map(|target| target.apply(&chunk));
    }
}

/// A valid file and what may become of it on the way: bytes changed, its end cut off.
fn damaged(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = valid.len();
    let changes = prop::collection::vec((0..length, any::<u8>()), 0..6);
    (changes, 0..=length).prop_map(move |(changes, end)| {
        let mut bytes = valid.clone();
        for (position, byte) in changes {
            bytes[position] = byte;
        }
        // Half of the files stay whole.
        bytes.truncate(if end % 2 == 0 { length } else { end });
        bytes
    })
}

fn array() -> Vec<u8> {
    files::npy("<f4", true, "2, 3", &[7; 24])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_table_or_an_error(text in "[a-c0-9,;\t\"?\r\n .\\-einf\u{e9}]{0,80}") {
        read("any.csv", text.as_bytes());
    }

    #[test]
    fn any_bytes_are_data_or_an_error(
        name in prop::sample::select(vec!["any", "X.npy", "any.npz", "train-images-idx3-ubyte"]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        read(name, &bytes);
    }

    #[test]
    fn a_damaged_table_is_a_table_or_an_error(bytes in damaged(b"a,b,c\n1,x,0\n2,\"y\",1\n3,,0\n4,z,1\n".to_vec())) {
        read("any.csv", &bytes);
        read("any.csv.gz", &files::gzip(&bytes));
    }

    #[test]
    fn a_damaged_compressed_table_is_a_table_or_an_error(bytes in damaged(files::gzip(b"a,b\n1,2\n3,4\n5,2\n"))) {
        read("any.csv.gz", &bytes);
    }

    #[test]
    fn a_damaged_array_is_an_array_or_an_error(bytes in damaged(array())) {
        read("X.npy", &bytes);
        read("X.npy", &files::gzip(&bytes));
    }

    #[test]
    fn any_header_is_an_array_or_an_error(
        header in "[{}()'\",: 0-9<>=|fiubOdescrshapfortran_orderTrueFalse\\[\\]]{0,120}",
    ) {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        read("X.npy", &bytes);
    }

    #[test]
    fn any_shape_is_an_array_or_an_error(
        shape in prop::collection::vec(prop_oneof![0u64..5, any::<u64>()], 0..5),
        fortran: bool,
        compressed: bool,
        dtype in prop::sample::select(vec!["<f4", ">f8", "|u1", "<i8", "<f2", "|b1", "|S4"]),
    ) {
        let sides: Vec<String> = shape.iter().map(u64::to_string).collect();
        let bytes = files::npy(dtype, fortran, &sides.join(", "), &[1; 64]);
        read("X.npy", &if compressed { files::gzip(&bytes) } else { bytes });
    }

    #[test]
    fn a_damaged_archive_is_an_archive_or_an_error(
        bytes in damaged(files::npz(&[("X", &array()), ("y", &files::npy("|u1", false, "2,", &[0, 1]))], true)),
    ) {
        read("any.npz", &bytes);
    }

    #[test]
    fn damaged_images_are_images_or_an_error(bytes in damaged(files::idx(8, &[2, 1, 2], &[1, 2, 3, 4]))) {
        read("train-images-idx3-ubyte", &bytes);
        read("train-images-idx3-ubyte.gz", &files::gzip(&bytes));
    }
}
