//! One figure of each kind against its golden file, and the page that holds them all.
//!
//! Golden files are text: look at the difference, and at the figure, before accepting it with `FIRETENDER_BLESS=1`.
//! The page is left in the target folder (`tmp/gallery.html`) to be looked at.
#![allow(
    clippy::unwrap_used,
    reason = "a test's panic is its report; the helpers stand outside of test functions"
)]

use firetender_report::{
    Align, Axis, BarChart, Cell, Column, Figure, HeatMap, LineChart, Panels, Points, Report,
    Scatter, Section, Series, Table, TokenStrip,
};
use std::{fs, path::Path};

const STRENGTHS: [f64; 9] = [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0];

fn line() -> Figure {
    let mood = [-3.9, -3.4, -2.2, -1.0, 0.1, 1.3, 2.6, 3.3, 3.6];
    let lower = mood.map(|m| m - 0.35 - 0.05 * m * m / 4.0);
    let upper = mood.map(|m| m + 0.35 + 0.05 * m * m / 4.0);
    let random = [0.3, 0.1, 0.2, 0.1, 0.1, 0.0, 0.15, -0.1, -0.3];
    LineChart::new(
        "Mood of free text over strength",
        Axis::linear("strength"),
        Axis::linear("log-odds of happy words"),
    )
    .series(Series::new("mood vector, layers 8–14", &STRENGTHS, &mood).band(&lower, &upper))
    .series(Series::new("random control", &STRENGTHS, &random))
    .reference("natural happy stories", 2.9)
    .build()
    .unwrap()
    .caption(
        "40 neutral beginnings, 60 tokens each; bands are 95 % bootstrap intervals over prompts.",
    )
}

fn dense_log_lines() -> Figure {
    let steps: Vec<f64> = (0..120).map(|i| f64::from(i) * 25.0).collect();
    let runs = ["from scratch", "warm start", "frozen", "small", "wide"];
    let mut chart = LineChart::new(
        "Loss while training, five runs, with a title that is long enough to need a second line in the figure above the legend",
        Axis::linear("step"),
        Axis::log("loss (nats)"),
    );
    for (i, name) in runs.iter().enumerate() {
        let speed = 200.0 * (i + 1) as f64;
        let loss: Vec<f64> = steps
            .iter()
            .map(|s| 0.05 + 5.0 * (-s / speed).exp())
            .collect();
        chart = chart.series(Series::new(*name, &steps, &loss));
    }
    chart.build().unwrap()
}

fn scatter() -> Figure {
    let labels = STRENGTHS.map(|s| format!("{s:+}"));
    let damage = STRENGTHS.map(|s| 0.004 * s * s * s.abs());
    Scatter::new(
        "Effect and damage",
        Axis::log_above("KL on benign prompts (nats)", 1e-4),
        Axis::linear("log-odds of happy words"),
    )
    .points(
        Points::new(
            "mood vector",
            &damage,
            &[-3.9, -3.4, -2.2, -1.0, 0.1, 1.3, 2.6, 3.3, 3.6],
        )
        .labels(&labels)
        .connected(),
    )
    .points(
        Points::new(
            "random control",
            &damage.map(|d| d * 1.3),
            &[0.3, 0.1, 0.2, 0.1, 0.1, 0.0, 0.15, -0.1, -0.3],
        )
        .labels(&labels)
        .connected(),
    )
    .build()
    .unwrap()
}

fn bars() -> Figure {
    BarChart::new(
        "Requests declined, and the change in helpfulness",
        "share of requests",
        &[
            "suspicious",
            "harmless",
            "about the town",
            "change in helpfulness",
        ],
    )
    .series_with_interval(
        "plain",
        &[0.51, 0.02, 0.0, 0.0],
        &[0.44, 0.0, 0.0, 0.0],
        &[0.58, 0.05, 0.0, 0.0],
    )
    .series("refusal vector", &[0.94, 0.11, 0.02, -0.12])
    .series("random control", &[0.50, 0.03, 0.0, -0.02])
    .build()
    .unwrap()
}

fn heat() -> Figure {
    let names = [
        "mean",
        "pca_diff",
        "pca_center",
        "logistic",
        "whitened",
        "random",
    ];
    let values: Vec<f64> = (0..36)
        .map(|i| {
            let (row, column) = (f64::from(i / 6), f64::from(i % 6));
            if row == column {
                1.0
            } else {
                (1.0 - 0.35 * (row - column).abs()) * (1.0 - 0.05 * row * column)
            }
        })
        .collect();
    HeatMap::new(
        "Cosine between directions, layer 12",
        &names,
        &names,
        &values,
    )
    .diverging()
    .value_label("cosine")
    .build()
    .unwrap()
}

fn wide_heat() -> Figure {
    let layers: Vec<String> = (0..30).map(|l| format!("layer {l}")).collect();
    let sites = ["resid_pre", "attn_out", "mlp_out"];
    let values: Vec<f64> = (0..90)
        .map(|i| 0.5 + 0.5 * (1.0 - (-f64::from(i % 30) / 9.0).exp()) * 0.9)
        .collect();
    HeatMap::new("Held-out AUC by layer and site", &sites, &layers, &values)
        .value_label("AUC")
        .build()
        .unwrap()
}

fn strip() -> TokenStrip {
    let tokens = [
        "Once", " upon", " a", " time", ",", " a", " happy", " little", " dog", " lost", " its",
        " ball", ".\n", "It", " cried", ".",
    ];
    let values = [
        0.1, 0.0, 0.2, 0.1, 0.0, 0.4, 2.6, 1.1, 0.9, -1.8, -0.9, -0.5, -0.2, -0.4, -2.9, -0.8,
    ];
    TokenStrip::new("Projection on the mood vector, block 12", &tokens, &values).unwrap()
}

fn table() -> Table {
    let mut table = Table::new([
        Column::new("strength", Align::Right),
        Column::new("log-odds", Align::Right),
        Column::new("KL (nats)", Align::Right),
        Column::new("top-1 agreement", Align::Right),
        Column::new("note", Align::Left),
    ])
    .unwrap()
    .caption("Effect on 40 neutral prompts, damage on 100 benign prompts.");
    for (strength, odds, kl, top) in [
        (-2.0, -2.2, 0.031, 0.93),
        (0.0, 0.1, 0.0, 1.0),
        (2.0, 2.6, 0.036, 0.92),
    ] {
        let note = if strength == 0.0 {
            Cell::from("bit-identical")
        } else {
            Cell::Missing
        };
        table
            .push([
                Cell::fixed(strength, 1),
                Cell::fixed(odds, 2),
                Cell::fixed(kl, 4),
                Cell::fixed(top, 2),
                note,
            ])
            .unwrap();
    }
    table
}

fn panels() -> Panels {
    let mut panels = Panels::new(
        "Greedy text at three strengths",
        &["strength −2", "strength 0", "strength +2"],
    )
    .unwrap();
    panels
        .push(
            "One morning in autumn, the postman",
            &[
                " found the door locked. Nobody had lived there for years, and the letter in his bag would never be read.",
                " came to the door with a letter for the miller. The miller read it and went back to his work.",
                " came up the path whistling. He had a parcel for every child in the street, and they danced around him.",
            ],
        )
        .unwrap();
    panels
        .push(
            "The girl opened the box and",
            &[
                " it held nothing.\nShe closed it again.",
                " found a key & a <map>.",
                " laughed: a kitten!",
            ],
        )
        .unwrap();
    panels
}

fn page() -> Report {
    Report::new("Gallery: a figure of each kind")
        .lead("What this crate can draw, with invented numbers.")
        .fact("model", "none")
        .fact("seed", "0")
        .section(
            Section::new("Effect")
                .paragraph(
                    "How far the text moves, with a band for what is not known & a reference.",
                )
                .figure(line())
                .table(table())
                .figure(scatter()),
        )
        .section(Section::new("Text").panels(panels()).tokens(strip()))
        .section(
            Section::new("Comparison")
                .figure(bars())
                .figure(heat())
                .figure(wide_heat()),
        )
        .section(
            Section::new("Training")
                .figure(dense_log_lines())
                .heading("Again")
                .code("cargo test -p firetender-report"),
        )
}

fn check(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("FIRETENDER_BLESS").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    let differs = expected
        .lines()
        .zip(found.lines())
        .position(|(a, b)| a != b);
    assert!(
        expected == found,
        "{name} differs from line {:?} on; look at it, then accept it with FIRETENDER_BLESS=1",
        differs.map(|line| line + 1)
    );
}

#[test]
fn figures_are_as_they_were() {
    for (name, figure) in [
        ("line.svg", line()),
        ("line_log.svg", dense_log_lines()),
        ("scatter.svg", scatter()),
        ("bars.svg", bars()),
        ("heat.svg", heat()),
    ] {
        check(name, &figure.to_svg());
    }
}

#[test]
fn the_page_is_well_formed_and_fetches_nothing() {
    let html = page().to_html();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gallery.html");
    page().write(&path).unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), html);

    for forbidden in [
        "<script",
        "<link",
        "<img",
        "@import",
        "url(",
        "src=",
        "javascript:",
    ] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert!(!html.contains("http:") && !html.contains("https:"));
    balanced(&html);
    for title in [
        "Mood of free text over strength",
        "Held-out AUC by layer and site",
    ] {
        assert!(html.contains(&format!("<title>{title}</title>")));
    }
    assert_eq!(html.matches("role=\"img\"").count(), 6);
    assert_eq!(html.matches("<style>").count(), 1);
}

#[test]
fn standalone_figures_are_well_formed() {
    for figure in [
        line(),
        dense_log_lines(),
        scatter(),
        bars(),
        heat(),
        wide_heat(),
    ] {
        let svg = figure.to_svg();
        assert!(
            !svg.contains("NaN") && !svg.contains("inf"),
            "{}",
            figure.title()
        );
        balanced(
            svg.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
                .unwrap(),
        );
    }
}

#[test]
fn same_data_same_bytes() {
    assert_eq!(page().to_html(), page().to_html());
}

/// Every element is closed where it should be: a small reader of tags, enough for what this crate writes.
fn balanced(markup: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = markup;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').unwrap();
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/', '\n'])
            .next()
            .unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "after {open:?}");
        } else if !tag.ends_with('/') && !matches!(name, "!DOCTYPE" | "meta" | "br") {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
