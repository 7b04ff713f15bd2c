//! What the program refuses, and how.

use std::fs;

use super::{Place, TABLE, classes, entries};

/// An array of zeros, or the beginning of one.
fn npy(dtype: &str, shape: &str, bytes: usize) -> Vec<u8> {
    let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(format!("{header:117}\n").bytes());
    file.resize(file.len() + bytes, 0);
    file
}

#[test]
fn failures_that_are_none_are_refused() {
    let place = Place::new();
    let train = |faults: &str| {
        let mut command = place.command("train xor --epochs 1 --device cpu");
        let output = command.env("GPU_MLP_FAULTS", faults).output();
        let output = output.expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), told)
    };
    let (code, told) = train("lose@1,burn@3");
    assert!(
        code == Some(2) && told.contains("error: GPU_MLP_FAULTS: burn@3 is no fault"),
        "{told}"
    );
    assert!(!place.path("model.safetensors").exists());
    assert_eq!(train("").0, Some(0));
}

#[test]
fn bad_input_is_one_line_with_exit_code_2_and_nothing_is_written() {
    let place = Place::new();
    let (good, kinds) = (TABLE, classes());
    place.file("good.csv", good).file("kinds.csv", &kinds);
    place.ok("train good.csv --epochs 2 --device cpu --out price.safetensors");
    place.ok("train kinds.csv --epochs 2 --device cpu --out kind.safetensors");
    place.file("tiny.csv", "x,kind\n1e-30,a\n2e-30,b\n3e-30,a\n4e-30,b\n");
    place.ok("train tiny.csv --epochs 2 --device cpu --out tiny.safetensors");
    place
        .file("ragged.csv", "a,b\n1,2\n3\n")
        .file("labels.csv", "x,a,b\n1,0,yes\n2,1,no\n3,0,no\n")
        .file("infinite.csv", "a,b\n1,2\ninf,3\n2,4\n")
        .file("empty.csv", "")
        .file("below.csv", "a,b\n1,2\n2,-1\n3,2.5\n")
        .file("header.csv", "a,b\n")
        .file("word.csv", "size,colour,price\n1,red,10\nbig,red,20\n")
        .file("narrow.csv", "size,price\n1,10\n")
        .file("unseen.csv", "x,y,kind\n1,2,a\n1,2,zebra\n")
        .file("one.csv", "a,b\n1,x\n2,x\n")
        .file("short-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 9, 1])
        .file("cut.csv.gz", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 75, 212])
        .file("text.npy", b"\x93NUMPY\x01\x00\x46\x00{'descr': '<U5', 'fortran_order': False, 'shape': (2, 2), }         \n")
        .file("no.safetensors", "this is no model")
        .file("long.safetensors", [255; 64])
        .file("run.toml", "epochs = 3\nepoch = 5\n")
        .file("zero.toml", "hidden = [0]\n")
        .file("device.toml", "device = \"gpu:x\"\n")
        .file("out.toml", "out = 3\n")
        .file("huge.csv", "x\n1e-30\n3e38\n")
        .file("infinite-row.csv", "x,y\n1,2\n2,inf\n")
        .file("three.npy", npy("<f4", "(2, 3)", 24))
        .file("complex.npy", npy("<c8", "(2, 2)", 32))
        .file("short.npy", npy("<f4", "(2, 2)", 10));
    let images = place.path("images");
    fs::create_dir(&images).expect("a folder");
    fs::write(
        images.join("train-images-idx3-ubyte"),
        [0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 2, 1],
    )
    .expect("written");
    fs::write(
        images.join("train-labels-idx1-ubyte"),
        [0, 0, 8, 1, 0, 0, 0, 9, 1],
    )
    .expect("written");
    let before = entries(place.folder.path());
    for (words, parts) in [
        ("train ragged.csv", &["ragged.csv", "line 3", "1 field"][..]),
        ("train infinite.csv", &["infinite.csv", "line 3", "a"]),
        ("train empty.csv", &["empty.csv", "empty"]),
        ("train header.csv", &["header.csv", "no rows"]),
        ("train missing.csv", &["missing.csv", "no such file"]),
        ("train one.csv", &["one.csv"]),
        ("train images", &["train-", "truncated"]),
        ("train cut.csv.gz", &["cut.csv.gz", "truncated"]),
        ("train text.npy", &["text.npy"]),
        (
            "train good.csv --target prize",
            &["good.csv", "prize", "price"],
        ),
        (
            "train good.csv --loss cross-entropy",
            &["--loss cross-entropy", "mse"],
        ),
        ("train good.csv --epochs 0", &["--epochs", "0"]),
        (
            "train digits --numeric periodic",
            &["--numeric periodic", "images"],
        ),
        (
            "train good.csv --embedding-dim 4",
            &["--embedding-dim", "--one-hot-up-to"],
        ),
        ("train good.csv --embedding-dim 0", &["--embedding-dim"]),
        ("train good.csv --one-hot-up-to -1", &["--one-hot-up-to"]),
        (
            "plan --inputs 4 --outputs 1 --numeric piecewise",
            &["piecewise", "--inputs"],
        ),
        (
            "train digits --numeric piecewise",
            &["--numeric piecewise", "images"],
        ),
        (
            "train good.csv --bins 8",
            &["--bins", "--numeric piecewise"],
        ),
        ("train good.csv --numeric piecewise --bins 1", &["--bins"]),
        (
            "train good.csv --numeric piecewise --preprocess robust",
            &["--numeric piecewise", "--preprocess robust"],
        ),
        ("train good.csv --epochs -3", &["--epochs", "-3"]),
        ("train good.csv --max-steps 0", &["--max-steps", "0"]),
        ("train good.csv --patience -1", &["--patience", "-1"]),
        ("train good.csv --seed -1", &["--seed", "-1"]),
        ("train good.csv --momentum 1", &["--momentum", "below 1"]),
        (
            "train good.csv --weight-decay inf",
            &["--weight-decay", "from 0"],
        ),
        ("train good.csv --test -0.1", &["--test", "fraction"]),
        ("train good.csv --shuffle maybe", &["--shuffle", "maybe"]),
        ("train good.csv --lr -1", &["--lr", "positive"]),
        ("train good.csv --lr=-1", &["--lr", "positive"]),
        ("train good.csv --lr nan", &["--lr", "positive"]),
        ("train good.csv --batch-size 0", &["--batch-size"]),
        ("train good.csv --hidden 0,5", &["--hidden", "widths"]),
        ("train good.csv --hidden 5:swish", &["--hidden", "swish"]),
        (
            "train digits --loss hinge --label-smoothing 0.1",
            &["--label-smoothing", "cross-entropy"],
        ),
        (
            "train digits --focal-gamma 2 --label-smoothing 0.1",
            &["--focal-gamma", "--label-smoothing"],
        ),
        (
            "train digits --label-smoothing 1",
            &["--label-smoothing", "below 1"],
        ),
        (
            "train good.csv --sampling balanced",
            &["--sampling balanced", "classes"],
        ),
        (
            "train digits --sampling balanced --shuffle false",
            &["--sampling balanced", "--shuffle"],
        ),
        (
            "train digits --sampling balanced --class-weight balanced",
            &["--sampling balanced", "--class-weight balanced"],
        ),
        ("train good.csv --noise -1", &["--noise", "from 0"]),
        ("train good.csv --mask 1", &["--mask", "below 1"]),
        ("train good.csv --mixup nan", &["--mixup", "from 0"]),
        ("train good.csv --flip", &["--flip", "images"]),
        ("train good.csv --cutout 2", &["--cutout", "images"]),
        (
            "train digits --preprocess none --rotate 5",
            &["--rotate", "auto or min-max"],
        ),
        ("train digits --rotate 181", &["--rotate", "0 to 180"]),
        (
            "train digits --shift 8",
            &["--shift 8", "8 × 8", "less than 8"],
        ),
        (
            "train good.csv --optimizer lbfgs --noise 0.1",
            &["--noise", "lbfgs"],
        ),
        ("plan --inputs 64 --outputs 10 --shift 1", &["--shift"]),
        ("train good.csv --folds 1", &["--folds", "2..=1000"]),
        ("train good.csv --folds 900", &["--folds", "rows"]),
        (
            "train good.csv --out-of-fold answers.csv",
            &["--out-of-fold", "--folds"],
        ),
        ("train good.csv --ensemble 0", &["--ensemble"]),
        (
            "train digits --sample-weight w",
            &["--sample-weight w", "header"],
        ),
        (
            "train good.csv --sample-weight w",
            &["--sample-weight w", "no such column"],
        ),
        (
            "train good.csv --sample-weight colour",
            &["--sample-weight colour", "line 2", "red"],
        ),
        (
            "train digits --preprocess robust",
            &["--preprocess robust", "min-max"],
        ),
        (
            "train digits --target-transform log",
            &["--target-transform log", "classes"],
        ),
        (
            "train good.csv --task regression --loss poisson --target-transform log",
            &["--target-transform log", "poisson"],
        ),
        (
            "train below.csv --task regression --target-transform log",
            &["--target-transform log", "below.csv", "line 3", "-1"],
        ),
        (
            "train digits --monitor rmse",
            &["--monitor rmse", "classes", "accuracy"],
        ),
        (
            "train digits --monitor r2 --validation 0.1",
            &["--monitor r2", "classes"],
        ),
        (
            "train digits --monitor roc-auc",
            &["--monitor roc-auc", "--validation"],
        ),
        (
            "train digits --monitor log-loss --loss hinge --validation 0.1",
            &["--monitor log-loss", "hinge"],
        ),
        ("train digits --accumulate 0", &["--accumulate"]),
        ("train digits --average 1", &["--average", "below 1"]),
        ("train digits --dropout 1", &["--dropout", "below 1"]),
        (
            "train digits --hidden 0 --dropout 0.5",
            &["--dropout", "hidden layers"],
        ),
        (
            "train digits --alpha-dropout --dropout 0",
            &["--alpha-dropout", "--dropout"],
        ),
        ("train digits --clip-norm 0", &["--clip-norm", "positive"]),
        ("train digits --max-norm -1", &["--max-norm", "positive"]),
        ("train digits --precision f8", &["--precision", "f16"]),
        (
            "train good.csv --target colour --class-weight mauve=2",
            &["--class-weight", "mauve"],
        ),
        (
            "train good.csv --class-weight heavy",
            &["--class-weight", "balanced"],
        ),
        (
            "train digits --task regression --class-weight balanced",
            &["--class-weight", "values"],
        ),
        (
            "train good.csv --optimizer adam --momentum 0.5",
            &["--momentum", "--optimizer adam"],
        ),
        (
            "train good.csv --optimizer lion --nesterov",
            &["--nesterov", "--optimizer lion"],
        ),
        (
            "train good.csv --optimizer sgd --batch-size all --nesterov",
            &["--nesterov", "--momentum"],
        ),
        ("train good.csv --beta2 1", &["--beta2", "below 1"]),
        (
            "train good.csv --optimizer muon --hidden 0",
            &["--optimizer muon", "hidden"],
        ),
        (
            "train good.csv --optimizer muon --l1 0.1",
            &["--l1", "--optimizer muon"],
        ),
        (
            "train good.csv --schedule one-cycle --warmup 5",
            &["--warmup", "one-cycle"],
        ),
        (
            "train good.csv --schedule cosine --schedule-factor 0.5",
            &["--schedule-factor", "cosine"],
        ),
        ("train good.csv --warmup 1.5", &["--warmup", "share"]),
        ("train digits --loss huber", &["--loss huber", "10 classes"]),
        (
            "train digits --task regression --loss mse --huber-delta 2",
            &["--huber-delta", "huber"],
        ),
        ("train good.csv --target price,price", &["price", "twice"]),
        (
            "train good.csv --target size,colour,price",
            &["good.csv", "every column is a target"],
        ),
        (
            "train good.csv --target price,colour",
            &["good.csv", "colour", "text"],
        ),
        (
            "train good.csv --target price,size --loss binary-cross-entropy",
            &["--loss binary-cross-entropy", "values"],
        ),
        (
            "train labels.csv --target a,b --loss cross-entropy",
            &["--loss cross-entropy", "2 labels"],
        ),
        (
            "train labels.csv --target a,b --class-weight balanced",
            &["--class-weight", "--pos-weight"],
        ),
        (
            "train labels.csv --target a,b --sampling balanced",
            &["--sampling balanced", "labels"],
        ),
        (
            "train labels.csv --target a,b --monitor matthews",
            &["--monitor matthews", "labels"],
        ),
        (
            "train labels.csv --target a,b --pos-weight 1,2,3",
            &["--pos-weight", "3 numbers", "2"],
        ),
        (
            "train labels.csv --target a,b --pos-weight heavy",
            &["--pos-weight", "balanced"],
        ),
        (
            "train digits --pos-weight 2",
            &["--pos-weight", "binary-cross-entropy"],
        ),
        (
            "evaluate price.safetensors good.csv --top-k 2",
            &["--top-k"],
        ),
        (
            "evaluate kind.safetensors kinds.csv --top-k 0",
            &["--top-k"],
        ),
        (
            "train good.csv --quantiles 0.1,0.1",
            &["--quantiles", "between 0 and 1"],
        ),
        (
            "train good.csv --loss mse --quantiles 0.5",
            &["--quantiles", "--loss quantile"],
        ),
        (
            "train digits --loss quantile",
            &["--loss quantile", "10 classes"],
        ),
        (
            "train good.csv --loss quantile --monitor r2",
            &["--monitor r2", "--loss quantile"],
        ),
        (
            "train good.csv --loss gaussian --target-transform log",
            &["--target-transform log", "gaussian"],
        ),
        (
            "train below.csv --loss poisson",
            &["below.csv", "line 3", "-1"],
        ),
        (
            "train good.csv --hidden 65536,65536,65536",
            &["--hidden", "memory"],
        ),
        (
            "train good.csv --hidden 99999999999",
            &["--hidden", "widths"],
        ),
        (
            "train good.csv --validation 1.5",
            &["--validation", "fraction"],
        ),
        (
            "train good.csv --validation 0.6 --test 0.6",
            &["--validation", "--test"],
        ),
        (
            "train good.csv --optimizer newton",
            &["--optimizer", "newton", "adam"],
        ),
        (
            "train good.csv --output-activation tanh --loss binary-cross-entropy --target colour",
            &["--loss"],
        ),
        ("train good.csv --config run.toml", &["run.toml", "line 2"]),
        (
            "train good.csv --config zero.toml",
            &["zero.toml", "hidden"],
        ),
        ("train good.csv --config none.toml", &["none.toml"]),
        (
            "train good.csv --config device.toml",
            &["device.toml", "gpu:x"],
        ),
        ("train good.csv --config out.toml", &["out.toml", "text"]),
        (
            "train good.csv --init-from no.safetensors",
            &["no.safetensors"],
        ),
        (
            "train good.csv --init-from price.safetensors --hidden 128,32",
            &["initial weights", "layers.1.weight has 4096 values"],
        ),
        (
            "train good.csv --init-from price.safetensors --hidden 3",
            &["initial weights", "no layers.2.bias"],
        ),
        (
            "train good.csv --out /nowhere/model.safetensors",
            &["/nowhere/model.safetensors"],
        ),
        ("train good.csv --out /dev/full", &["/dev/full"]),
        ("train good.csv --preprocess none", &["good.csv", "colour"]),
        ("train good.csv --norm batch --hidden 0", &["--norm batch"]),
        (
            "train good.csv --norm batch --batch-size 1",
            &["--norm batch", "--batch-size"],
        ),
        (
            "train good.csv --residual --hidden 9,8",
            &["--residual", "--hidden"],
        ),
        ("train good.csv --device gpu:77", &["gpu:77"]),
        ("train good.csv --device nonesuch", &["nonesuch"]),
        (
            "evaluate price.safetensors narrow.csv",
            &["narrow.csv", "colour"],
        ),
        (
            "evaluate kind.safetensors unseen.csv",
            &["unseen.csv", "line 3", "zebra"],
        ),
        (
            "predict price.safetensors word.csv",
            &["word.csv", "line 3", "size", "big"],
        ),
        ("predict price.safetensors missing.csv", &["missing.csv"]),
        (
            "predict tiny.safetensors huge.csv",
            &["huge.csv", "line 3", "no number"],
        ),
        (
            "predict kind.safetensors infinite-row.csv",
            &["infinite-row.csv", "line 3", "y"],
        ),
        (
            "predict kind.safetensors three.npy",
            &["three.npy", "3 features", "2"],
        ),
        (
            "predict kind.safetensors complex.npy",
            &["complex.npy", "<c8"],
        ),
        (
            "predict kind.safetensors short.npy",
            &["short.npy", "truncated"],
        ),
        ("predict price.safetensors good.csv --proba", &["--proba"]),
        (
            "predict price.safetensors good.csv --out a.xlsx",
            &["--out", ".xlsx"],
        ),
        (
            "predict price.safetensors good.csv --out /dev/full",
            &["/dev/full", "space"],
        ),
        ("predict price.safetensors digits", &["digits"]),
        ("predict no.safetensors good.csv", &["no.safetensors"]),
        ("predict long.safetensors good.csv", &["long.safetensors"]),
        ("inspect missing.safetensors", &["missing.safetensors"]),
        ("inspect good.csv", &["good.csv"]),
        ("plan missing.csv", &["missing.csv"]),
        ("plan --inputs 3", &["--outputs"]),
        ("plan --inputs 0 --outputs 1", &["--inputs", "0"]),
        (
            "plan --inputs 65536 --outputs 65536 --members 65535 --batch-size 2000000000",
            &["--batch-size"],
        ),
        ("fly", &["fly"]),
    ] {
        let (code, line) = place.fails(words);
        assert_eq!(code, 2, "{words}: {line}");
        for part in parts {
            assert!(
                line.contains(part),
                "{words}: {line:?} does not say {part:?}"
            );
        }
        assert_eq!(
            entries(place.folder.path()),
            before,
            "{words} left something behind"
        );
    }
}

#[test]
fn a_damaged_model_is_refused_or_used_but_never_a_panic() {
    let place = Place::new();
    place.file("kinds.csv", classes());
    place.ok("train kinds.csv --hidden 3 --epochs 1 --device cpu");
    let bytes = fs::read(place.path("model.safetensors")).expect("it is there");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    for (good, bad) in [
        (r#"\"units\":3"#, r#"\"units\":0"#),
        (r#"\"inputs\":2"#, r#"\"inputs\":9"#),
        (r#"\"version\":1"#, r#"\"version\":7"#),
        ("cross-entropy", "cross-entropi"),
        (r#"\"c\""#, r#"\"\"\""#),
        ("layers.0.weight", "layers.9.weight"),
    ] {
        assert!(text.contains(good), "{good} is in the file");
        let at = bytes
            .windows(good.len())
            .position(|window| window == good.as_bytes())
            .expect("it is there");
        let mut damaged = bytes.clone();
        damaged[at..at + bad.len()].copy_from_slice(bad.as_bytes());
        place.file("bad.safetensors", &damaged);
        let (code, line) = place.fails("predict bad.safetensors kinds.csv");
        assert_eq!(code, 2, "{bad}: {line}");
        assert!(line.contains("bad.safetensors"), "{bad}: {line}");
    }
}

#[test]
fn a_diverging_run_exits_1_with_advice_and_keeps_the_last_good_weights() {
    let place = Place::new();
    place.file("good.csv", TABLE);
    for words in [
        "train digits --lr 1e30 --epochs 3 --device cpu",
        // What the last step has done is seen behind it.
        "train xor --lr 1e38 --max-steps 1",
        "train xor --lr 1e38 --epochs 5",
    ] {
        let (code, line) = place.fails(words);
        assert_eq!(code, 1, "{words}: {line}");
        assert!(line.contains("learning rate"), "{words}: {line}");
        assert!(!place.path("model.safetensors").exists(), "{words}");
    }
    // Gradient descent on a linear model swings further with every step: the first are good, the last are not.
    let (code, line) = place.fails(
        "train good.csv --hidden 0 --optimizer sgd --lr 3 --epochs 9999 --patience 9999 --device cpu",
    );
    assert_eq!(code, 1, "{line}");
    assert!(
        line.contains("learning rate") && line.contains("model.safetensors"),
        "{line}"
    );
    let kept = place.json("evaluate model.safetensors good.csv --json");
    assert!(kept["loss"].as_f64() < Some(100.0), "{kept}");
}
