//! Arrays, images and built-in data sets.

use gpu_mlp::data::{Nature, Preprocessing, TargetEncoding, Task};

use crate::files::{self, Folder};
use crate::{error, fit, load, matrix, nature, streamed};

#[test]
fn arrays_are_read_in_every_type_and_order() {
    let folder = Folder::new();
    folder.write("y.npy", files::npy("|u1", false, "2,", &[0, 1]));
    let floats: Vec<u8> = [1f32, 2., 3., 4., 5., 6.]
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect();
    let wide: Vec<u8> = [1i64, 4, 2, 5, 3, 6]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let halves = [0x3c00u16, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600];
    let halves: Vec<u8> = halves.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let arrays = [
        files::npy("|u1", false, "2, 3", &[1, 2, 3, 4, 5, 6]),
        files::npy(">f4", false, "2, 3", &floats),
        files::npy("<i8", true, "2, 3", &wide),
        files::npy("<f2", false, "2, 3", &halves),
    ];
    for array in arrays {
        let table = load(&folder.write("X.npy", array)).unwrap().train;
        assert_eq!(matrix(&table).values, [1., 2., 3., 4., 5., 6.]);
        assert_eq!(nature(&table), Nature::Measurements);
        let (inputs, targets) = streamed(&folder.path("X.npy"), &table, 1).unwrap();
        assert_eq!(inputs.values, [-1., -1., -1., 1., 1., 1.]);
        assert_eq!(targets, [0.0, 1.0]);
    }
    let images = files::npy("|u1", false, "2, 1, 3", &[1, 2, 3, 4, 5, 255]);
    let table = load(&folder.write("X.npy", images)).unwrap().train;
    assert_eq!(nature(&table), Nature::Pixels(255.0));
}

fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

#[test]
fn broken_arrays_are_refused() {
    let refused = |dtype, shape, bytes: usize| {
        error("X.npy", files::npy(dtype, false, shape, &vec![0; bytes]))
    };
    assert!(
        refused("<U3", "2,", 24)
            .contains("arrays of type '<U3' cannot be read, only numbers: number the texts")
    );
    assert!(refused("|O", "2,", 24).contains("astype('float32')"));
    assert!(refused("<c8", "2,", 24).contains("'<c8'"));
    assert!(refused("<f4", "2, 3", 20).contains("promises 24 bytes of values, but it holds 20"));
    assert!(refused("<f4", "1000000000000, 3", 20).contains("truncated"));
    assert!(refused("<f4", "99999999999, 99999999999", 20).contains("more than any memory"));
    assert!(refused("<f4", "0, 3", 0).contains("no rows"));
    assert!(refused("|u1", "2, 3", 6).contains("no target to learn"));
    assert!(error("X.npy", "a,b\n1,2\n").contains("does not begin with"));

    let folder = Folder::new();
    folder.write("y.npy", files::npy("|u1", false, "2,", &[0, 1]));
    let refused = |fortran, shape, numbers: &[f32]| {
        let path = folder.write("X.npy", files::npy("<f4", fortran, shape, &floats(numbers)));
        load(&path).unwrap_err().to_string()
    };
    assert!(
        refused(false, "2, 1", &[1.0, f32::NAN]).contains("row 2, column 1: NaN is not a finite")
    );
    assert!(
        refused(true, "2, 2", &[1.0, f32::INFINITY, 3.0, 4.0])
            .contains("row 2, column 1: inf is not")
    );
    assert!(refused(false, "3, 1", &[1.0, 2.0, 3.0]).contains("holds 3 rows, but"));
}

#[test]
fn an_array_of_several_columns_is_a_target_each() {
    let folder = Folder::new();
    let features = files::npy("|u1", false, "3, 2", &[1, 2, 3, 5, 8, 6]);
    let targets = files::npy("|u1", false, "3, 2", &[10, 1, 20, 0, 30, 1]);
    let archive = files::npz(&[("X", &features), ("y", &targets)], true);
    let loaded = load(&folder.write("data.npz", &archive)).unwrap().train;
    let target = TargetEncoding::fit(&loaded, Some(Task::Regression)).unwrap();
    assert_eq!(target.names(), ["y1", "y2"]);
    assert_eq!(target.apply(&loaded).unwrap().row(2), [30.0, 1.0]);
    folder.write("X.npy", &features);
    folder.write("y.npy", &targets);
    let (_, targets) = streamed(&folder.path("X.npy"), &loaded, 2).unwrap();
    assert_eq!(targets, [10.0, 1.0, 20.0, 0.0, 30.0, 1.0]);
    folder.write("y.npy", files::npy("|u1", false, "3, 1, 2", &[0; 6]));
    let error = load(&folder.path("X.npy")).unwrap_err().to_string();
    assert!(error.contains("a row for each row"), "{error}");
}

#[test]
fn archives_hold_features_and_targets_and_their_test_rows() {
    let folder = Folder::new();
    let features = files::npy("<f4", false, "2, 1", &floats(&[1.0, 3.0]));
    let targets = files::npy("|b1", false, "2,", &[0, 1]);
    let test = files::npy("<f4", false, "1, 1", &floats(&[5.0]));
    let test_targets = files::npy("|b1", false, "1,", &[1]);
    for deflated in [false, true] {
        let arrays = [
            ("x_train", &features),
            ("y_train", &targets),
            ("X_test", &test),
            ("y_test", &test_targets),
        ];
        let path = folder.write("data.npz", files::npz(&arrays, deflated));
        let loaded = load(&path).unwrap();
        assert_eq!(matrix(&loaded.train).values, [1.0, 3.0]);
        assert_eq!(matrix(loaded.test.as_ref().unwrap()).values, [5.0]);
        assert_eq!(streamed(&path, &loaded.train, 10).unwrap().0.values, [3.0]);
    }
    let refused = |arrays: &[(&str, &Vec<u8>)]| error("a.npz", files::npz(arrays, true));
    assert!(refused(&[("z", &features)]).contains("no array X (or x_train, data) in it, only z"));
    assert!(refused(&[("X", &features)]).contains("no array y"));
    assert!(refused(&[("X", &features), ("y", &test_targets)]).contains("holds 2 rows, but"));
    assert!(error("d.npz", "no zip").contains("no sound NPZ file"));
}

#[test]
fn a_folder_of_idx_files_is_a_data_set() {
    for (suffix, compress) in [
        ("-idx3-ubyte", false),
        (".idx3-ubyte", false),
        ("-idx3-ubyte.gz", true),
    ] {
        let folder = Folder::new();
        let write = |kind: &str, shape: &[u32], bytes: &[u8]| {
            let contents = files::idx(8, shape, bytes);
            let contents = if compress {
                files::gzip(&contents)
            } else {
                contents
            };
            let suffix = suffix.replace("idx3", &format!("idx{}", shape.len()));
            folder.write(&format!("{kind}{suffix}"), contents);
        };
        write("train-images", &[2, 1, 2], &[0, 255, 0, 0]);
        write("train-labels", &[2], &[3, 7]);
        write("t10k-images", &[1, 1, 2], &[255, 255]);
        write("t10k-labels", &[1], &[7]);
        let loaded = load(&folder.path("")).unwrap();
        assert_eq!(matrix(&loaded.train).values, [0.0, 255.0, 0.0, 0.0]);
        assert_eq!(nature(&loaded.train), Nature::Pixels(255.0));
        assert_eq!(
            TargetEncoding::fit(&loaded.train, None).unwrap().classes(),
            ["3", "7"]
        );
        assert_eq!(loaded.test.as_ref().unwrap().len(), 1);
        // A quarter of the pixels are 1: mean 0.25, deviation √(3/16).
        let images = folder.path(&format!("train-images{suffix}"));
        let (inputs, targets) = streamed(&images, &loaded.train, 1).unwrap();
        let low = -0.25 / 0.1875f32.sqrt();
        for (value, expected) in inputs.values.iter().zip([low, -3.0 * low, low, low]) {
            assert!((value - expected).abs() < 1e-6);
        }
        assert_eq!(targets, [0.0, 1.0]);
        assert_eq!(
            streamed(&folder.path(""), &loaded.train, 1).unwrap().1,
            [1.0]
        );
    }
}

#[test]
fn broken_images_are_refused() {
    let labels = files::idx(8, &[2], &[0, 1]);
    let images = files::idx(8, &[2, 1, 2], &[1, 2, 3, 4]);
    let refused = |images: &[u8], labels: &[u8]| {
        let folder = Folder::new();
        folder.write("train-labels-idx1-ubyte", labels);
        let path = folder.write("train-images-idx3-ubyte", images);
        load(&path).unwrap_err().to_string()
    };
    assert!(refused(&images[..17], &labels).contains("promises 4 bytes of values, but it holds 1"));
    assert!(refused(&images[..9], &labels).contains("ends within its header"));
    assert!(refused(&files::gzip(&images[..19]), &labels).contains("ends in row 2"));
    assert!(refused(&images, &files::idx(8, &[1], &[0])).contains("holds 2 rows, but"));
    assert!(
        refused(b"\x01\x02\x03\x04....", &labels)
            .contains("no IDX file: it begins with 0x01020304")
    );
    let absurd = files::idx(8, &[u32::MAX; 3], &[0; 9]);
    assert!(refused(&absurd, &labels).contains("more than any memory"));
    assert!(error("lone-images-idx3-ubyte", &images).contains("put the labels beside it"));
}

#[test]
fn digits_are_images_and_xor_is_itself() {
    let digits = load("digits").unwrap().train;
    assert_eq!((digits.len(), digits.features.width()), (1797, 64));
    assert_eq!(nature(&digits), Nature::Pixels(16.0));
    assert_eq!(
        matrix(&digits).row(0)[..8],
        [0., 0., 5., 13., 9., 1., 0., 0.]
    );
    assert_eq!(
        TargetEncoding::fit(&digits, None).unwrap().classes().len(),
        10
    );
    // Over all pixels the mean is 4.884164579855314 and the deviation 6.0167875486751905.
    let (preprocessing, _) = fit(&digits);
    let Preprocessing::Image {
        mean, deviation, ..
    } = &preprocessing
    else {
        panic!("{preprocessing:?}")
    };
    assert!((mean * 16.0 - 4.884_165).abs() < 1e-5, "{mean}");
    assert!((deviation * 16.0 - 6.016_788).abs() < 1e-5, "{deviation}");

    let xor = load("xor").unwrap().train;
    let (preprocessing, _) = fit(&xor);
    let inputs = preprocessing.apply(&xor).unwrap();
    assert_eq!(inputs.values, [0., 0., 0., 1., 1., 0., 1., 1.]);
    let target = TargetEncoding::fit(&xor, None).unwrap();
    assert_eq!(target.task(), Task::Classification);
    assert_eq!(target.apply(&xor).unwrap().values, [0., 1., 1., 0.]);
}

#[test]
fn a_model_of_an_array_takes_a_table_too() {
    let folder = Folder::new();
    let xor = load("xor").unwrap().train;
    let refused = |text: &str| {
        let path = folder.write("new.csv", text);
        streamed(&path, &xor, 10).unwrap_err().to_string()
    };
    let with_target = folder.write("0.csv", "0,1,1.0\n1,1,0\n");
    assert_eq!(streamed(&with_target, &xor, 10).unwrap().1, [1.0, 0.0]);
    let with_header = folder.write("1.csv", "left,right\n0,1\n1,1\n");
    let (inputs, _) = streamed(&with_header, &xor, 1).unwrap();
    assert_eq!(inputs.values, [0.0, 1.0, 1.0, 1.0]);
    assert!(refused("0,1\n1,\n").contains("line 2, column 2: the cell is missing"));
    assert!(refused("0,1\n1,x\n").contains("line 2, column 2: 'x' is not a number"));
    assert!(refused("0\n1\n").contains("have 1 feature, but the model takes 2"));
    let array = folder.write("new.npy", files::npy("|u1", false, "2, 3", &[0; 6]));
    let message = streamed(&array, &xor, 10).unwrap_err().to_string();
    assert!(
        message.ends_with("have 3 features, but the model takes 2"),
        "{message}"
    );
}
