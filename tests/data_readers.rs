//! Reading data through the public interface: every format, what preprocessing makes of it, and what is refused.

#[path = "data/arrays.rs"]
mod arrays;
#[path = "data/files.rs"]
mod files;
#[path = "data/fuzz.rs"]
mod fuzz;
#[path = "data/preprocessing.rs"]
mod preprocessing;

use files::Folder;
use gpu_mlp::data::{
    self, DataError, Features, Loaded, Matrix, Nature, Notice, PreprocessMode, Preprocessing,
    ReadOptions, Table, TargetEncoding, Values,
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
        if !chunk.targets.is_empty() {
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
    assert_eq!(table.targets[0].name, "kind");
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
        assert_eq!(table.targets, expected.targets, "{name}");
        assert_eq!(table.places, expected.places, "{name}");
    }
}

#[test]
fn the_target_is_found_by_name_and_by_number() {
    let folder = Folder::new();
    let named = folder.write("named.csv", "a,b,c\n1,2,3\n4,5,6\n");
    let target =
        |path: &str, target: &str| load_for(path, target).unwrap().train.targets.remove(0).name;
    assert_eq!(target(&named, "b"), "b");
    assert_eq!(target(&named, "1"), "a");
    assert_eq!(target(&named, "-1"), "c");
    let bare = folder.write("bare.csv", "1,2,3\n4,5,6\n");
    assert_eq!(target(&bare, "2"), "2");
    assert_eq!(load(&bare).unwrap().train.targets[0].name, "3");
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
