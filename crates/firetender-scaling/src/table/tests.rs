use super::*;
use crate::Scale;

const HEADER: &str = "family,size,task,n,value,stderr\n";

fn fails(text: &str) -> String {
    let rows = match read_results(text, "t.csv") {
        Ok(rows) => rows,
        Err(error) => return error.to_string(),
    };
    curves(&rows, &Scale::Parameters, false, "t.csv")
        .unwrap_err()
        .to_string()
}

#[test]
fn rows_become_curves_in_order_of_size() {
    let text = format!(
        "{HEADER}a,1b,x,10,0.5,\na,70m,x,10,0.4,0.1\nb,1b,x,20,0.1,0.2\nb,2b,x,20,0.1,0.2\n"
    );
    let rows = read_results(&text, "t.csv").unwrap();
    let curves = curves(&rows, &Scale::Parameters, false, "t.csv").unwrap();
    assert_eq!(curves.len(), 2);
    assert_eq!(curves[0].points[0].scale, 70e6);
    // √(0.5 · 0.5 / 9)
    assert!((curves[0].points[1].stderr - 1.0 / 6.0).abs() < 1e-12);
    assert_eq!(curves[0].metric, "accuracy");
}

#[test]
fn a_second_metric_is_a_companion() {
    let text = "size,task,metric,value,stderr\n1,x,loss,2.0,0.1\n1,x,accuracy,0.5,0.1\n2,x,accuracy,0.6,0.1\n2,x,loss,1.0,0.1\n";
    let rows = read_results(text, "t.csv").unwrap();
    let curve = &curves(&rows, &Scale::Parameters, false, "t.csv").unwrap()[0];
    assert_eq!(curve.metric, "accuracy");
    let companion = curve.companion.as_ref().unwrap();
    assert!(companion.lower_is_better && companion.metric == "loss");
}

#[test]
fn tabs_and_other_orders_of_columns_are_taken() {
    let rows = read_results("task\tsize\taccuracy\tn\nx\t1e6\t0.5\t10\n", "t.tsv").unwrap();
    assert_eq!((rows[0].value, rows[0].metric.as_str()), (0.5, "accuracy"));
}

#[test]
fn examples_join_their_curves_in_any_order() {
    let text = format!("{HEADER}a,1m,x,2,0.5,0.5\na,2m,x,2,1.0,0\n");
    let make = || {
        let rows = read_results(&text, "t.csv").unwrap();
        curves(&rows, &Scale::Parameters, false, "t.csv").unwrap()
    };
    let head = "family,size,task,example,value\n";
    let mut found = make();
    attach_examples(
        &mut found,
        &format!("{head}a,2m,x,q1,1\na,1m,x,q2,1\na,2m,x,q2,1\na,1m,x,q1,0\n"),
        "e.csv",
    )
    .unwrap();
    assert_eq!(
        found[0].examples,
        Some(vec![vec![0.0, 1.0], vec![1.0, 1.0]])
    );
    for (rows, expected) in [
        ("a,1m,x,q1,0\na,1m,x,q2,1\n", "no scores of 2m"),
        (
            "a,1m,x,q1,0\na,1m,x,q2,1\na,2m,x,q1,1\na,2m,x,q3,1\n",
            "different examples",
        ),
        ("a,1m,x,q1,0\na,1m,x,q1,1\n", "occurs twice"),
        (
            "a,1m,x,q1,0\na,1m,x,q2,0\na,2m,x,q1,1\na,2m,x,q2,1\n",
            "have the mean 0",
        ),
    ] {
        let error = attach_examples(&mut make(), &format!("{head}{rows}"), "e.csv").unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn scores_say_whose_they_are() {
    let text =
        format!("{HEADER}a,1m,x,2,0.5,0.5\na,2m,x,2,1.0,0\nb,1m,y,2,0.5,0.5\nb,2m,y,2,0.5,0.5\n");
    let make = |text: &str| {
        let rows = read_results(text, "t.csv").unwrap();
        curves(&rows, &Scale::Parameters, false, "t.csv").unwrap()
    };
    // A task of one family needs no name of it; the other task keeps its means.
    let mut found = make(&text);
    let rows = "size,task,example,correct\n1m,x,q1,1\n1m,x,q2,0\n2m,x,q1,1\n2m,x,q2,1\n";
    attach_examples(&mut found, rows, "e.csv").unwrap();
    assert!(found[0].examples.is_some() && found[1].examples.is_none());
    // Nothing that fits is an error, not silence; nor are scores of the second model only.
    for (rows, expected) in [
        (
            "size,task,example,correct\n1m,z,q1,1\n",
            "e.csv: no scores of any task",
        ),
        (
            "size,task,example,correct\n2m,x,q1,1\n2m,x,q2,1\n",
            "e.csv: x: no scores of 1m",
        ),
        (
            "size,task,example,correct\n1m,x,q1,1\n1m,x,q2,0\n2m,x,q1,1\n2m,x,q3,1\n",
            "e.csv, line 5, column 3",
        ),
    ] {
        let error = attach_examples(&mut make(&text), rows, "e.csv").unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    // Two metrics.
    let text = "size,task,metric,value,n,stderr\n1m,x,acc,0.5,2,0.5\n2m,x,acc,1,2,0\n1m,x,loss,2,2,1\n2m,x,loss,1,2,0\n";
    let mut found = make(text);
    let rows = "size,task,metric,example,value\n1m,x,acc,a,0\n1m,x,acc,b,1\n2m,x,acc,a,1\n2m,x,acc,b,1\n1m,x,loss,a,1\n1m,x,loss,b,3\n2m,x,loss,a,1\n2m,x,loss,b,1\n";
    attach_examples(&mut found, rows, "e.csv").unwrap();
    assert_eq!(found[0].examples.as_ref().unwrap()[0], [0.0, 1.0]);
    assert_eq!(
        found[0]
            .companion
            .as_ref()
            .unwrap()
            .examples
            .as_ref()
            .unwrap()[1],
        [3.0, 1.0]
    );
}

#[test]
fn columns_of_numbers_with_and_without_names() {
    let found = read_columns("x,y\n1,2\n\n3,4\n", "t").unwrap();
    assert_eq!((found.names.join(","), found.rows.len()), ("x,y".into(), 2));
    assert_eq!(found.lines, [2, 4]);
    let found = read_columns("1,2\n3,4\n", "t").unwrap();
    assert_eq!((found.names.len(), found.lines), (0, vec![1, 2]));
    for (text, expected) in [
        ("x,y\n1,b\n", "line 2, column 2"),
        ("1,2x\n3,4\n", "line 1, column 2"),
        ("x,y\n", "no rows"),
    ] {
        let error = read_columns(text, "t").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        (
            "family,task,n,value,stderr\na,x,10,0.5,0.1\n",
            "no column `size`",
        ),
        (
            &format!("{HEADER}a,1b,x,10,zero,0.1\n")[..],
            "line 2, column 5: `zero`",
        ),
        (
            &format!("{HEADER}a,huge,x,10,0.5,0.1\n")[..],
            "line 2, column 2",
        ),
        (
            &format!("{HEADER}a,1b,x,10.5,0.5,0.1\n")[..],
            "whole number",
        ),
        (&format!("{HEADER}a,1b,x,10,0.5,-0.1\n")[..], "column 6"),
        (&format!("{HEADER}a,1b,x,10,nan,0.1\n")[..], "`nan`"),
        (&format!("{HEADER}a,1b,x,10\n")[..], "line 2"),
        (HEADER, "no rows"),
        (
            &format!("{HEADER}a,1b,x,10,0.5,0.1\n")[..],
            "t.csv, line 2, column 2: x (a): 1b is the only model",
        ),
        ("", "empty"),
        (
            &format!("{HEADER}a,1b,x,10,0.5,0.1\na,2b,x,11,0.5,0.1\n")[..],
            "t.csv, line 3, column 4: x (a): 1b has n = 10 (line 2) and 2b has n = 11",
        ),
        (
            &format!("{HEADER}a,1b,x,10,0.5,0.1\na,1b,x,10,0.6,0.1\n")[..],
            "t.csv, line 3, column 2: x (a): size 1000000000 occurs twice, in lines 2 and 3",
        ),
        (
            &format!("{HEADER}a,1b,x,10,7.5,\na,2b,x,10,7.5,\n")[..],
            "no standard error",
        ),
    ];
    for (text, expected) in cases {
        let error = fails(text);
        assert!(error.contains(expected), "{error} / {expected}");
    }
}
