//! What becomes of columns and targets.

use gpu_mlp::data::{
    DataError, Features, Matrix, Nature, Numeric, PreprocessMode, PreprocessOptions, Preprocessing,
    Table, TargetEncoding, Task,
};

use crate::files::Folder;
use crate::{FLOWERS, all_rows, csv, fit, load, load_for};

#[test]
fn numbers_are_standardised() {
    // The mean of these eight is 5 and their deviation 2, as every textbook has it.
    let table = csv("x,y\n2,0\n4,1\n4,0\n4,1\n5,0\n5,1\n7,0\n9,1\n");
    let (preprocessing, notices) = fit(&table);
    assert!(notices.is_empty());
    let inputs = preprocessing.apply(&table).unwrap();
    assert_eq!(inputs.values, [-1.5, -0.5, -0.5, -0.5, 0.0, 0.0, 1.0, 2.0]);
}

/// Two bins a column.
fn piecewise() -> PreprocessOptions {
    PreprocessOptions {
        numeric: Numeric::Piecewise,
        bins: 2,
        ..PreprocessMode::Auto.into()
    }
}

#[test]
fn numbers_fill_bins_and_text_keeps_its_place() {
    let table = csv("x,c,same,y\n0,a,3,0\n1,b,3,1\n3,a,3,0\n,b,3,1\n");
    let (preprocessing, notices) =
        Preprocessing::fit(&table, &all_rows(&table), piecewise()).unwrap();
    let messages: Vec<String> = notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "column 'x': 1 missing cell filled in with the median, 1",
            "1 column is left out because the value never changes: same"
        ]
    );
    let inputs = preprocessing.apply(&table).unwrap();
    assert_eq!((preprocessing.inputs(), inputs.columns), (5, 5));
    assert_eq!(inputs.row(0), [0.0, 0.0, 1.0, 0.0, 0.0]);
    assert_eq!(inputs.row(2), [1.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(inputs.row(3), [1.0, 0.0, 0.0, 1.0, 0.0]);
    let json = serde_json::to_string(&preprocessing).unwrap();
    let read: Preprocessing = serde_json::from_str(&json).unwrap();
    assert_eq!(read, preprocessing);
}

#[test]
fn an_arrays_numbers_fill_bins_each_column_for_itself() {
    let matrix = Matrix {
        rows: 3,
        columns: 3,
        values: vec![0.0, 7.0, 10.0, 1.0, 7.0, 30.0, 3.0, 7.0, 20.0],
    };
    for nature in [Nature::Measurements, Nature::Exact] {
        let table = Table::new(Features::numbers(matrix.clone(), nature), None, "array");
        let (preprocessing, _) = Preprocessing::fit(&table, &[0, 1, 2], piecewise()).unwrap();
        let inputs = preprocessing.apply(&table).unwrap();
        assert_eq!(inputs.columns, 4);
        assert_eq!(
            inputs.values,
            [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]
        );
    }
}

#[test]
fn numbers_come_first_and_texts_of_a_table_last_where_they_are_embedded() {
    let table = csv(
        "town,colour,x,street,y\nrome,red,1,a,0\noslo,blue,2,b,1\nlima,red,3,c,0\n,blue,,d,1\n",
    );
    let options = PreprocessOptions {
        numeric: Numeric::Periodic,
        one_hot_up_to: 2,
        ..PreprocessMode::Auto.into()
    };
    let rows = [0, 1, 2];
    let (preprocessing, _) = Preprocessing::fit(&table, &rows, options).unwrap();
    assert_eq!((preprocessing.inputs(), preprocessing.numbers()), (6, 1));
    // lima, oslo, rome and any other; a, b, c and any other.
    assert_eq!(preprocessing.table_rows(), [4, 4]);
    let inputs = preprocessing.apply(&table).unwrap();
    assert_eq!(inputs.row(0)[1..], [0.0, 1.0, 0.0, 2.0, 4.0]);
    assert_eq!(inputs.row(1), [0.0, 1.0, 0.0, 0.0, 1.0, 5.0]);
    // Missing counts as the first of the most frequent, lima; street d is none of those that were seen.
    assert_eq!(inputs.row(3), [0.0, 1.0, 0.0, 0.0, 0.0, 7.0]);
    let lines = preprocessing.describe();
    assert_eq!(
        lines[0].encoding,
        "embedded: lima, oslo, rome, or unknown; missing counts as lima"
    );
    // Numbers stay where they are if nothing is made of them.
    let options = PreprocessOptions {
        numeric: Numeric::Plain,
        ..options
    };
    let (preprocessing, _) = Preprocessing::fit(&table, &rows, options).unwrap();
    let inputs = preprocessing.apply(&table).unwrap();
    assert_eq!(inputs.row(1), [1.0, 0.0, 0.0, 0.0, 1.0, 5.0]);
    assert_eq!(preprocessing.numbers(), 0);
}

#[test]
fn texts_beyond_ten_thousand_are_unknown() {
    // Two rows of each of the first, one of each of the others.
    let rows = (0..10_000)
        .chain(0..10_003)
        .map(|text| format!("t{text:05},{}\n", text % 2));
    let table = csv(&("text,y\n".to_owned() + &rows.collect::<String>()));
    let (preprocessing, notices) = fit(&table);
    assert_eq!(preprocessing.table_rows(), [10_001]);
    assert!(
        notices[0]
            .to_string()
            .contains("the 10000 most frequent of 10003")
    );
    let inputs = preprocessing.apply(&table).unwrap();
    assert_eq!(
        (inputs.values[9_999], inputs.values[20_002]),
        (9_999.0, 10_000.0)
    );
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
    assert_eq!(classes.classes(), ["0", "9", "10"]);
    assert_eq!(encoding("x,y\n1,b\n2,a\n3,b\n").classes(), ["a", "b"]);
    assert_eq!(encoding("x,y\n1,0.5\n2,1\n3,2\n").task(), Task::Regression);
    assert_eq!(
        encoding("x,y\n1,1\n2,2\n3,3\n4,4\n").task(),
        Task::Regression
    );
    let many: Vec<String> = (0..100).map(|row| format!("{row},{}", row % 30)).collect();
    let many = many.join("\n");
    assert_eq!(encoding(&many).task(), Task::Regression);
    let forced = TargetEncoding::fit(&csv(&many), Some(Task::Classification)).unwrap();
    assert_eq!(forced.classes().len(), 30);
    let forced = TargetEncoding::fit(&csv("x,y\n1,0\n2,1\n"), Some(Task::Regression)).unwrap();
    assert_eq!(
        (forced.task(), forced.names()),
        (Task::Regression, vec!["y"])
    );
}

/// A table whose last columns are targets.
fn several(text: &str, targets: &str) -> Result<Table, DataError> {
    let folder = Folder::new();
    load_for(&folder.write("rows.csv", text), targets).map(|loaded| loaded.train)
}

#[test]
fn several_targets_are_labels_or_values() {
    let labels = "x,a,b,c\n1,0,yes,2\n2,1,no,7\n3,0,no,7\n";
    let table = several(labels, "c,a, b").unwrap();
    assert_eq!(table.target_positions, [3, 1, 2]);
    let target = TargetEncoding::fit(&table, None).unwrap();
    assert_eq!(
        (target.task(), target.names()),
        (Task::Classification, vec!["c", "a", "b"])
    );
    assert_eq!(target.labels()[2].values, ["no", "yes"]);
    let found = target.apply(&table).unwrap();
    assert_eq!(
        (found.columns, found.row(0), found.row(1)),
        (3, &[0., 0., 1.][..], &[1., 1., 0.][..])
    );
    // Of 0 and 1, one is enough, as long as another label has both.
    let table = several("x,a,b\n1,0,1\n2,0,0\n", "a,b").unwrap();
    assert_eq!(
        TargetEncoding::fit(&table, None).unwrap().labels()[0].values,
        ["0", "1"]
    );
    let values = several("x,a,b\n1,0,1.5\n2,1,2\n3,1,3\n", "-1,a").unwrap();
    let target = TargetEncoding::fit(&values, None).unwrap();
    assert_eq!(
        (target.task(), target.names()),
        (Task::Regression, vec!["b", "a"])
    );
    assert_eq!(
        target.apply(&values).unwrap().values,
        [1.5, 0., 2., 1., 3., 1.]
    );
    let forced = TargetEncoding::fit(&table, Some(Task::Regression)).unwrap();
    assert_eq!(forced.task(), Task::Regression);

    let refused = |table: &Table, task| TargetEncoding::fit(table, task).unwrap_err().to_string();
    let classes = Some(Task::Classification);
    assert!(
        refused(&values, classes).contains("column 'b', one of several targets, has more than two")
    );
    let texts = several("x,a,b\n1,p,1\n2,q,2\n3,r,3\n", "a,b").unwrap();
    assert!(refused(&texts, None).contains("column 'a', one of several targets, holds text"));
    let missing = several("x,a,b\n1,1,1\n2,,2\n3,2,3\n", "a,b").unwrap();
    assert!(refused(&missing, None).contains("line 3: the target, column 'a', is missing"));
    let error = |targets| several(labels, targets).unwrap_err().to_string();
    assert!(error("a,a").contains("'a' is named twice"));
    assert!(error("a,d").contains("no target column 'd'"));
    assert!(error("x,a,b,c").contains("every column is a target"));
    let other = TargetEncoding::fit(&several(labels, "a,b").unwrap(), None).unwrap();
    let error = other.apply(&several(labels, "a,b,c").unwrap()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("3 targets, but the model answers 2"),
        "{error}"
    );
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
    let texts: Vec<String> = (0..40).map(|row| format!("{row},text {row}")).collect();
    assert!(refused(&texts.join("\n"), None).contains("40 different texts in 40 rows"));
    let large = "x,y\n1,16777217\n2,16777216\n";
    assert!(refused(large, Some(Task::Classification)).contains("line 2: the label 16777216"));
}
