//! What cannot be drawn is refused with an error that names the place, and strings cannot break out of theirs.
#![allow(
    clippy::unwrap_used,
    reason = "a test's panic is its report; the helpers stand outside of test functions"
)]

use firetender_report::{
    Axis, BarChart, HeatMap, LineChart, Points, Report, ReportError, Scatter, Section, Series,
};

fn chart() -> LineChart {
    LineChart::new("Chart", Axis::linear("x"), Axis::linear("y"))
}

fn message<T: std::fmt::Debug>(result: Result<T, ReportError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn nothing_to_draw() {
    assert_eq!(
        message(chart().build()),
        "Chart: no series, expected at least one"
    );
    assert_eq!(
        message(chart().series(Series::new("a", &[], &[])).build()),
        "Chart / a: no points, expected at least one"
    );
    let none: [&str; 0] = [];
    assert!(
        BarChart::new("B", "y", &none)
            .series("a", &[])
            .build()
            .is_err()
    );
    assert!(BarChart::new("B", "y", &["g"]).build().is_err());
    assert!(HeatMap::new("H", &none, &["c"], &[]).build().is_err());
    assert!(
        Scatter::new("S", Axis::linear("x"), Axis::linear("y"))
            .build()
            .is_err()
    );
}

#[test]
fn lengths_that_differ() {
    assert_eq!(
        message(
            chart()
                .series(Series::new("a", &[1.0, 2.0], &[1.0]))
                .build()
        ),
        "Chart / a: expected 2 values of y, found 1"
    );
    let band = Series::new("a", &[1.0], &[1.0]).band(&[0.0], &[]);
    assert_eq!(
        message(chart().series(band).build()),
        "Chart / a: expected 1 upper ends of the band, found 0"
    );
    assert_eq!(
        message(HeatMap::new("H", &["r"], &["a", "b"], &[1.0]).build()),
        "H: expected 2 values, found 1"
    );
    let labels = Points::new("p", &[1.0], &[1.0]).labels(&["a", "b"]);
    let scatter = Scatter::new("S", Axis::linear("x"), Axis::linear("y")).points(labels);
    assert!(matches!(
        scatter.build(),
        Err(ReportError::Length {
            expected: 1,
            found: 2,
            ..
        })
    ));
}

#[test]
fn values_that_cannot_be_placed() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(
            chart()
                .series(Series::new("a", &[bad], &[0.0]))
                .build()
                .is_err()
        );
        assert!(
            chart()
                .series(Series::new("a", &[0.0], &[bad]))
                .build()
                .is_err()
        );
        assert!(
            chart()
                .series(Series::new("a", &[0.0], &[0.0]).band(&[bad], &[1.0]))
                .build()
                .is_err()
        );
        assert!(
            chart()
                .series(Series::new("a", &[0.0], &[0.0]))
                .reference("r", bad)
                .build()
                .is_err()
        );
        assert!(
            BarChart::new("B", "y", &["g"])
                .series("a", &[bad])
                .build()
                .is_err()
        );
        assert!(HeatMap::new("H", &["r"], &["c"], &[bad]).build().is_err());
    }
    let log = || LineChart::new("Log", Axis::log("x"), Axis::linear("y"));
    assert_eq!(
        message(
            log()
                .series(Series::new("a", &[1.0, 0.0], &[0.0, 0.0]))
                .build()
        ),
        "Log / a / x: value 1 is 0, expected a number above zero on a logarithmic axis; use `Axis::log_above` or `Axis::linear`"
    );
    let crossed = Series::new("a", &[0.0], &[0.0]).band(&[1.0], &[-1.0]);
    assert_eq!(
        message(chart().series(crossed).build()),
        "Chart / a: interval 0 goes from 1 up to -1, expected lower ≤ upper"
    );
    let wide = Series::new("a", &[0.0, 1.0], &[f64::MIN, f64::MAX]);
    assert!(matches!(
        chart().series(wide).build(),
        Err(ReportError::TooWide { .. })
    ));
    assert!(matches!(
        HeatMap::new("H", &["r"], &["a", "b"], &[f64::MIN, f64::MAX]).build(),
        Err(ReportError::TooWide { .. })
    ));
}

#[test]
fn too_many_or_too_alike() {
    let mut crowded = chart();
    for i in 0..9 {
        crowded = crowded.series(Series::new(format!("s{i}"), &[0.0], &[0.0]));
    }
    assert!(matches!(
        crowded.build(),
        Err(ReportError::TooMany {
            limit: 8,
            found: 9,
            ..
        })
    ));
    let twice = chart()
        .series(Series::new("a", &[0.0], &[0.0]))
        .series(Series::new("a", &[0.0], &[0.0]));
    assert!(matches!(twice.build(), Err(ReportError::Duplicate { .. })));
    for (width, height) in [(0, 400), (720, 10), (1_000_000, 400)] {
        let sized = chart()
            .series(Series::new("a", &[0.0], &[0.0]))
            .size(width, height);
        assert!(matches!(sized.build(), Err(ReportError::Size { .. })));
    }
    let rows: Vec<String> = (0..513).map(|r| r.to_string()).collect();
    assert!(matches!(
        HeatMap::new("H", &rows, &["c"], &vec![0.0; 513]).build(),
        Err(ReportError::TooMany { limit: 512, .. })
    ));
}

#[test]
fn degenerate_but_drawable() {
    let one = chart()
        .series(Series::new("a", &[3.0], &[3.0]))
        .build()
        .unwrap();
    assert!(!one.to_svg().contains("NaN"));
    let flat = HeatMap::new("H", &["r"], &["c"], &[0.0])
        .diverging()
        .build()
        .unwrap();
    assert!(!flat.to_svg().contains("NaN"));
    let zero = BarChart::new("B", "", &["g"])
        .series("a", &[0.0])
        .build()
        .unwrap();
    assert!(!zero.to_svg().contains("NaN"));
    let alike = LineChart::new("", Axis::linear("v"), Axis::linear("v")).series(Series::new(
        "",
        &[0.0],
        &[1.0],
    ));
    assert_eq!(
        alike.build().unwrap().data().to_csv().lines().next(),
        Some("series,v,v (3)")
    );
    let small = chart().series(Series::new(
        "a very long name of a series ".repeat(20),
        &[0.0],
        &[0.0],
    ));
    assert!(
        !small
            .reference("r", 1.0)
            .size(240, 240)
            .build()
            .unwrap()
            .to_svg()
            .contains("NaN")
    );
}

#[test]
fn strings_stay_in_their_places() {
    let evil = "</title><script>alert('x')</script>\" onload=\"\u{0}";
    let figure = LineChart::new(evil, Axis::linear(evil), Axis::linear(format!("{evil}y")))
        .series(Series::new(evil, &[0.0], &[0.0]))
        .reference(format!("{evil}r"), 0.0)
        .build()
        .unwrap()
        .caption(evil);
    let bars = BarChart::new(evil, evil, &[evil])
        .series(evil, &[1.0])
        .build()
        .unwrap();
    let heat = HeatMap::new(evil, &[evil], &[evil], &[1.0])
        .value_label(evil)
        .build()
        .unwrap();
    let html = Report::new(evil)
        .lead(evil)
        .fact(evil, evil)
        .section(
            Section::new(evil)
                .heading(evil)
                .paragraph(evil)
                .code(evil)
                .figure(figure)
                .figure(bars)
                .figure(heat),
        )
        .to_html();
    for forbidden in ["<script", "\" onload", "\u{0}"] {
        assert!(!html.contains(forbidden), "{forbidden:?}");
    }
}
