//! Reading data through the public interface: every format, what preprocessing makes of it, and what is refused.

#[path = "data/files.rs"]
mod files;
#[path = "data/fuzz.rs"]
mod fuzz;

use files::Folder;
use gpu_mlp::data::{
    self, DataError, Features, Loaded, Matrix, Nature, Notice, PreprocessMode, Preprocessing,
    ReadOptions, Table, TargetEncoding, Task, Values,
};

fn load(path: &str) -> Result<Loaded, DataError> {
    data::load(path, &ReadOptions::default())
}

fn load_for(path: &str, target: &str) -> Result<Loaded, DataError> {
    let options = ReadOptions {
        target: Some(target.to_owned()),
    };
    data::load(path, &options)
}

fn csv(text: &str) -> Table {
    let folder = Folder::new();
    load(&folder.write("table.csv", text)).unwrap().train
}

/// What is wrong with a file of this name and these contents.
fn error(name: &str, contents: impl AsRef<[u8]>) -> String {
    let folder = Folder::new();
    let path = folder.write(name, contents);
    let message = load(&path).unwrap_err().to_string();
    assert!(message.contains(name), "{message}");
    message.replace(&path, name)
}

fn names(table: &Table) -> Vec<&str> {
    match &table.features {
        Features::Columns(columns) => columns.iter().map(|column| column.name.as_str()).collect(),
        Features::Numbers { .. } => panic!("the table is dense"),
    }
}

fn column<'a>(table: &'a Table, name: &str) -> &'a Values {
    match &table.features {
        Features::Columns(columns) => {
            &columns
                .iter()
                .find(|column| column.name == name)
                .unwrap()
                .values
        }
        Features::Numbers { .. } => panic!("the table is dense"),
    }
}

fn matrix(table: &Table) -> &Matrix {
    match &table.features {
        Features::Numbers { matrix, .. } => matrix,
        Features::Columns(_) => panic!("the table has columns"),
    }
}

fn nature(table: &Table) -> Nature {
    match &table.features {
        Features::Numbers { nature, .. } => *nature,
        Features::Columns(_) => panic!("the table has columns"),
    }
}

fn all_rows(table: &Table) -> Vec<u32> {
    (0..table.len() as u32).collect()
}

fn fit(table: &Table) -> (Preprocessing, Vec<Notice>) {
    Preprocessing::fit(table, &all_rows(table), PreprocessMode::Auto).unwrap()
}

/// The inputs and targets that a model trained on `table` sees in the file at `path`.
fn streamed(path: &str, table: &Table, rows: usize) -> Result<(Matrix, Vec<f32>), DataError> {
    let (preprocessing, _) = fit(table);
    let target = TargetEncoding::fit(table, None)?;
    let mut inputs = Matrix::default();
    let mut targets = Vec::new();
    for chunk in data::stream(path, &preprocessing, Some(&target), rows)? {
        let chunk = chunk?;
        assert!(chunk.len() <= rows);
        let part = preprocessing.apply(&chunk)?;
        inputs.rows += part.rows;
        inputs.columns = part.columns;
        inputs.values.extend(part.values);
        if chunk.target.is_some() {
            targets.extend(target.apply(&chunk)?.values);
        }
    }
    Ok((inputs, targets))
}

const FLOWERS: &str = "length,colour,note,kind\n1,red,x,a\n2,blue,x,b\n,red,x,a\n4,,x,b\n";

#[test]
fn a_table_with_a_header_has_named_columns() {
    let table = csv(FLOWERS);
    assert!(table.header);
    assert_eq!(names(&table), ["length", "colour", "note"]);
    assert_eq!(table.target.as_ref().unwrap().name, "kind");
    let Values::Numbers(lengths) = column(&table, "length") else {
        panic!("length is text")
    };
    assert_eq!(lengths[..2], [1.0, 2.0]);
    assert!(lengths[2].is_nan());
    let Values::Text(colours) = column(&table, "colour") else {
        panic!("colour is numbers")
    };
    let cells: Vec<Option<&str>> = (0..4).map(|row| colours.get(row)).collect();
    assert_eq!(cells, [Some("red"), Some("blue"), Some("red"), None]);
}

#[test]
fn every_spelling_of_a_table_reads_the_same() {
    let folder = Folder::new();
    let plain = "a,b,c\n1,x,0\n2,\"y\",1\n3,x,0\n4,z,1\n";
    let expected = load(&folder.write("plain.csv", plain)).unwrap().train;
    let spellings = [
        ("crlf.csv", plain.replace('\n', "\r\n").into_bytes()),
        ("cr.csv", plain.replace('\n', "\r").into_bytes()),
        ("bom.csv", format!("\u{feff}{plain}").into_bytes()),
        ("semicolons.csv", plain.replace(',', ";").into_bytes()),
        ("tabs.tsv", plain.replace(',', "\t").into_bytes()),
        (
            "spaces.csv",
            plain.replace(',', " , ").replace('"', "").into_bytes(),
        ),
        ("compressed.csv.gz", files::gzip(plain.as_bytes())),
        (
            "compressed-without-its-ending.csv",
            files::gzip(plain.as_bytes()),
        ),
        ("no-last-newline.csv", plain.trim_end().as_bytes().to_vec()),
    ];
    for (name, contents) in spellings {
        let table = load(&folder.write(name, contents)).unwrap().train;
        assert_eq!(table.features, expected.features, "{name}");
        assert_eq!(table.target, expected.target, "{name}");
        assert_eq!(table.places, expected.places, "{name}");
    }
}

#[test]
fn the_target_is_found_by_name_and_by_number() {
    let folder = Folder::new();
    let named = folder.write("named.csv", "a,b,c\n1,2,3\n4,5,6\n");
    let target =
        |path: &str, target: &str| load_for(path, target).unwrap().train.target.unwrap().name;
    assert_eq!(target(&named, "b"), "b");
    assert_eq!(target(&named, "1"), "a");
    assert_eq!(target(&named, "-1"), "c");
    let bare = folder.write("bare.csv", "1,2,3\n4,5,6\n");
    assert_eq!(target(&bare, "2"), "2");
    assert_eq!(load(&bare).unwrap().train.target.unwrap().name, "3");
    for wrong in ["0", "4", "-4", "d"] {
        assert!(
            matches!(
                load_for(&named, wrong),
                Err(DataError::TargetNotFound { .. })
            ),
            "{wrong}"
        );
    }
    let path = folder.write("iris.csv", "petal,sepal,species\n1,2,a\n2,3,b\n");
    let message = load_for(&path, "specie").unwrap_err().to_string();
    assert!(
        message.ends_with(
            "no target column 'specie' (did you mean 'species'?); the columns are petal, sepal, species"
        ),
        "{message}"
    );
}

#[test]
fn numbers_keep_their_text_in_a_column_that_turns_out_to_be_text() {
    let folder = Folder::new();
    let loaded = load(&folder.write("codes.csv", "code,y\n007,1\n10,0\nA1,1\n007,0\n")).unwrap();
    let Values::Text(codes) = column(&loaded.train, "code") else {
        panic!("code is numbers")
    };
    assert_eq!(codes.levels, ["007", "10", "A1"]);
    let notice = loaded.notices[0].to_string();
    assert!(
        notice.contains("column 'code' is read as text, since line 4 holds 'A1'"),
        "{notice}"
    );
}

#[test]
fn numbers_are_standardised() {
    // The mean of these eight is 5 and their deviation 2, as every textbook has it.
    let table = csv("x,y\n2,0\n4,1\n4,0\n4,1\n5,0\n5,1\n7,0\n9,1\n");
    let (preprocessing, notices) = fit(&table);
    assert!(notices.is_empty());
    let inputs = preprocessing.apply(&table).unwrap();
    assert_eq!(inputs.values, [-1.5, -0.5, -0.5, -0.5, 0.0, 0.0, 1.0, 2.0]);
}

#[test]
fn only_the_given_rows_are_fitted() {
    let table = csv("x,c,y\n2,a,0\n4,b,1\n4,a,0\n4,b,1\n5,a,0\n5,b,1\n7,a,0\n9,b,1\n1000,z,0\n");
    let rows = [0, 1, 2, 3, 4, 5, 6, 7];
    let (preprocessing, _) = Preprocessing::fit(&table, &rows, PreprocessMode::Auto).unwrap();
    let inputs = preprocessing.apply(&table).unwrap();
    assert_eq!(inputs.row(7), [2.0, 0.0, 1.0, 0.0]);
    // The last row is 497.5 deviations away, and its text is unknown.
    assert_eq!(inputs.row(8), [497.5, 0.0, 0.0, 1.0]);
}

#[test]
fn text_is_one_hot_missing_is_filled_in_and_constants_are_left_out() {
    let table = csv(FLOWERS);
    let (preprocessing, notices) = fit(&table);
    let inputs = preprocessing.apply(&table).unwrap();
    assert_eq!(preprocessing.inputs(), 4);
    assert_eq!(inputs.row(2), [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(inputs.row(3)[1..], [0.0, 1.0, 0.0]);
    let messages: Vec<String> = notices.iter().map(ToString::to_string).collect();
    // The known lengths are 1, 2 and 4; red is more frequent than blue.
    assert!(
        messages[0].starts_with("column 'length': 1 missing cell filled in with the mean, 2.33"),
        "{messages:?}"
    );
    assert_eq!(
        messages[1],
        "column 'colour': 1 missing cell filled in with the most frequent text, 'red'"
    );
    assert_eq!(
        messages[2],
        "1 column is left out because the value never changes: note"
    );
    let lines = preprocessing.describe();
    assert_eq!(
        lines.iter().map(|line| line.inputs).collect::<Vec<_>>(),
        [1, 3, 0]
    );
    assert_eq!(
        lines[1].encoding,
        "one-hot: blue, red, or unknown; missing counts as red"
    );
}

#[test]
fn preprocessing_survives_its_file() {
    for table in [
        csv(FLOWERS),
        load("digits").unwrap().train,
        load("xor").unwrap().train,
    ] {
        let (preprocessing, _) = fit(&table);
        let target = TargetEncoding::fit(&table, None).unwrap();
        let json = serde_json::to_string(&(&preprocessing, &target)).unwrap();
        let read: (Preprocessing, TargetEncoding) = serde_json::from_str(&json).unwrap();
        assert_eq!(read, (preprocessing, target));
    }
}

#[test]
fn without_preprocessing_numbers_stay_and_the_rest_is_refused() {
    let raw = |table: &Table| Preprocessing::fit(table, &all_rows(table), PreprocessMode::None);
    let table = csv("a,b,y\n1,2,0\n3,4,1\n5,6,0\n7,8,1\n");
    let (preprocessing, _) = raw(&table).unwrap();
    let inputs = preprocessing.apply(&table).unwrap();
    assert_eq!(inputs.values, [1., 2., 3., 4., 5., 6., 7., 8.]);
    let refused = raw(&csv("a,b,y\n1,x,0\n3,z,1\n")).unwrap_err().to_string();
    assert!(refused.contains("column 'b' holds text ('x')"), "{refused}");
    let missing = csv("a,b,y\n1,,0\n3,4,1\n");
    let (preprocessing, _) = raw(&missing).unwrap();
    let refused = preprocessing.apply(&missing).unwrap_err().to_string();
    assert!(
        refused.contains("line 2, column 'b': the cell is missing"),
        "{refused}"
    );
}

#[test]
fn the_kind_of_problem_is_seen_from_the_target() {
    let encoding = |text: &str| TargetEncoding::fit(&csv(text), None).unwrap();
    let classes = encoding("x,y\n1,10.0\n2,9\n3,10\n4,-0\n5,0\n6,9\n");
    assert_eq!(classes.labels(), ["0", "9", "10"]);
    assert_eq!(encoding("x,y\n1,b\n2,a\n3,b\n").labels(), ["a", "b"]);
    assert_eq!(encoding("x,y\n1,0.5\n2,1\n3,2\n").task(), Task::Regression);
    assert_eq!(
        encoding("x,y\n1,1\n2,2\n3,3\n4,4\n").task(),
        Task::Regression
    );
    let many: String = (0..100)
        .map(|row| format!("{row},{}\n", row % 30))
        .collect();
    assert_eq!(encoding(&many).task(), Task::Regression);
    let forced = TargetEncoding::fit(&csv(&many), Some(Task::Classification)).unwrap();
    assert_eq!(forced.outputs(), 30);
    let forced = TargetEncoding::fit(&csv("x,y\n1,0\n2,1\n"), Some(Task::Regression)).unwrap();
    assert_eq!((forced.outputs(), forced.name()), (1, "y"));
}

#[test]
fn bad_targets_are_refused() {
    let refused = |text: &str, task| {
        TargetEncoding::fit(&csv(text), task)
            .unwrap_err()
            .to_string()
    };
    assert!(refused("x,y\n1,a\n2,a\n", None).contains("column 'y', has only one class, 'a'"));
    assert!(
        refused("x,y\n1,a\n2,\n3,b\n", None).contains("line 3: the target, column 'y', is missing")
    );
    let regression = Some(Task::Regression);
    assert!(
        refused("x,y\n1,1\n2,b\n", regression).contains("line 3, column 'y': 'b' is not a number")
    );
    let texts: String = (0..40).map(|row| format!("{row},text {row}\n")).collect();
    assert!(refused(&texts, None).contains("40 different texts in 40 rows"));
    let large = "x,y\n1,16777217\n2,16777216\n";
    assert!(refused(large, Some(Task::Classification)).contains("line 2: the label 16777216"));
}

#[test]
fn a_model_finds_its_columns_by_name() {
    let folder = Folder::new();
    let table = csv("a,b,y\n1,10,n\n2,20,p\n3,30,n\n4,40,p\n");
    let same = folder.write("same.csv", "a,b,y\n1,10,n\n4,40,p\n");
    let (expected, targets) = streamed(&same, &table, 1).unwrap();
    assert_eq!(targets, [0.0, 1.0]);
    let reordered = folder.write("reordered.csv", "other,y,b,a\n?,n,10,1\n?,p,40,4\n");
    assert_eq!(
        streamed(&reordered, &table, 100).unwrap(),
        (expected.clone(), targets)
    );
    let bare = folder.write("bare.csv", "1,10\n4,40\n");
    assert_eq!(
        streamed(&bare, &table, 100).unwrap(),
        (expected.clone(), vec![])
    );
    let without = folder.write("without.csv", "b,a\n10,1\n40,4\n");
    assert_eq!(streamed(&without, &table, 100).unwrap(), (expected, vec![]));
    let missing = folder.write("missing.csv", "a,c\n10,1\n40,4\n");
    let message = streamed(&missing, &table, 100).unwrap_err().to_string();
    assert!(
        message.ends_with("the model needs column 'b', which is not among the columns a, c"),
        "{message}"
    );
}

#[test]
fn a_model_without_names_finds_its_columns_by_position() {
    let folder = Folder::new();
    let path = folder.write("train.csv", "n,1,10\np,2,20\nn,3,30\np,4,40\n");
    let table = load_for(&path, "1").unwrap().train;
    let same = folder.write("same.csv", "n,1,10\np,4,40\n");
    let (expected, targets) = streamed(&same, &table, 100).unwrap();
    assert_eq!(targets, [0.0, 1.0]);
    let without = folder.write("without.csv", "1,10\n4,40\n");
    assert_eq!(streamed(&without, &table, 1).unwrap(), (expected, vec![]));
    let wide = folder.write("wide.csv", "1,10,2,3\n4,40,2,3\n");
    let message = streamed(&wide, &table, 1).unwrap_err().to_string();
    assert!(
        message.ends_with("the rows have 4 features, but the model takes 2"),
        "{message}"
    );
}

#[test]
fn what_a_model_cannot_take_is_named_by_line_and_column() {
    let folder = Folder::new();
    let table = csv("a,b,y\n1,10,n\n2,20,p\n3,30,n\n4,40,p\n");
    let cases = [
        (
            "a,b\n1,2\n\n3,many\n",
            "line 4, column 'b': 'many' is not a number",
        ),
        (
            "a,b\n1,2\n3,inf\n",
            "line 3, column 'b': inf is not a finite",
        ),
        (
            "a,b,y\r\n1,2,n\r\n3,4,q\r\n",
            "line 3, column 'y': the model knows no class 'q', only n, p",
        ),
        (
            "a,b,y\n1,2,n\n3,4,\n",
            "line 3: the target, column 'y', is missing",
        ),
        ("a,b\n", "no rows"),
        ("", "empty"),
        ("a,b\n1,2\n3\n", "line 3 has 1 field where 2 are expected"),
    ];
    for (text, expected) in cases {
        let message = streamed(&folder.write("new.csv", text), &table, 100)
            .unwrap_err()
            .to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn broken_tables_are_refused() {
    assert_eq!(
        error("ragged.csv", "a,b\n1,2\n\"3\n3\",4\n5,6,7\n"),
        "ragged.csv: line 5 has 3 fields where 2 are expected; correct the line, or quote a field that holds the delimiter"
    );
    assert!(
        error("infinite.csv", "a,b\n1,2\n-inf,2\n")
            .contains("line 3, column 'a': -inf is not a finite")
    );
    assert!(error("huge.csv", "a,b\n1,2\n1e39,2\n").contains("1e39"));
    assert!(error("empty.csv", "").contains("the file is empty"));
    assert!(error("blank.csv", "\n\n").contains("the file is empty"));
    assert!(error("header.csv", "a,b\n").contains("no rows, only a header"));
    assert!(error("latin.csv", b"a,b\n1,2\n\xe9t\xe9,1\n").contains("line 3 is not UTF-8"));
    assert!(error("single.csv", "a\n1\n2\n").contains("single column"));
    let mut cut = files::gzip(b"a,b\n1,2\n3,4\n");
    cut.truncate(cut.len() - 12);
    assert!(error("cut.csv.gz", cut).contains("truncated"));
}

#[test]
fn paths_that_lead_nowhere_are_refused() {
    let message = load("/no/such/file.csv").unwrap_err().to_string();
    assert!(
        message.starts_with("/no/such/file.csv: no such file"),
        "{message}"
    );
    let folder = Folder::new();
    assert!(matches!(
        load(&folder.path("")),
        Err(DataError::NoDataset { .. })
    ));
    assert!(matches!(
        load_for("digits", "3"),
        Err(DataError::TargetFixed { .. })
    ));
}

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
            TargetEncoding::fit(&loaded.train, None).unwrap().labels(),
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
    assert_eq!(TargetEncoding::fit(&digits, None).unwrap().outputs(), 10);
    // Over all pixels the mean is 4.884164579855314 and the deviation 6.0167875486751905.
    let (preprocessing, _) = fit(&digits);
    let Preprocessing::Image {
        mean, deviation, ..
    } = &preprocessing
    else {
        panic!("{preprocessing:?}")
    };
    assert!((mean * 16.0 - 4.884_164_6).abs() < 1e-5, "{mean}");
    assert!((deviation * 16.0 - 6.016_787_5).abs() < 1e-5, "{deviation}");

    let xor = load("xor").unwrap().train;
    let (preprocessing, _) = fit(&xor);
    let inputs = preprocessing.apply(&xor).unwrap();
    assert_eq!(inputs.values, [0., 0., 0., 1., 1., 0., 1., 1.]);
    let target = TargetEncoding::fit(&xor, None).unwrap();
    assert_eq!(target.task(), Task::Classification);
    assert_eq!(target.apply(&xor).unwrap().values, [0., 1., 1., 0.]);
}
