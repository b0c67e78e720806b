//! How sure Ember is, and what steering does to that: next tokens of held-out answers as a classification with one class a token.

use burn::tensor::{DType, Int, Tensor, TensorData};
use firetender_ember::{Split, chat, prompts};
use firetender_hooks::{Intervene, Padding, Pass, ReadAt, SiteKind, Token, Untouched};
use firetender_lm::CausalLm;
use firetender_report::{Align, Axis, Cell, Column, LineChart, Section, Series, Table};
use firetender_steer::{Contrast, Extractor, Method, Plan};
use firetender_support::{Bars, Failure, Model};
use firetender_uncertainty::{
    BinTable, Calibration, Floor, MetricOptions, Objects, Protocol, Scores, Targets, evaluate,
};

/// Strengths of the mood direction.
const STRENGTHS: [f64; 4] = [0.0, 0.25, 0.5, 1.0];

/// Measures the calibration of next-token predictions, plain and steered; prints and returns the section of the report.
pub(crate) fn visit(model: &Model, answered: &[prompts::Answered]) -> Result<Section, Failure> {
    println!("== How sure is Ember? ==");
    let plan = mood(model)?;
    let tokens = |text: &str| model.tokenizer().map(|t| t.encode(text, false));
    let mut texts: Vec<(Vec<u32>, usize)> = vec![];
    for item in answered {
        let mut row = tokens(&chat::prompt_text(&item.prompt))??;
        let prompt = row.len();
        row.extend(tokens(&format!("{}{}", item.answer, chat::END))??);
        texts.push((row, prompt));
    }
    let right = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        right("strength"),
        right("top-1"),
        right("log-likelihood"),
        right("T"),
        right("calibrated"),
        right("ECE"),
    ])?
    .caption("Next tokens of held-out answers. Calibrated: at the temperature T, fitted to these tokens.");
    let mut chart = LineChart::new(
        "Reliability of next tokens",
        Axis::linear("mean confidence"),
        Axis::linear("share right"),
    );
    for strength in STRENGTHS {
        let shape = model.network.shape();
        let mut steering = plan
            .scaled(strength)
            .compile(&shape, &model.network.device())?;
        let mut plain = Untouched;
        let hook: &mut dyn Intervene = if strength == 0.0 {
            &mut plain
        } else {
            &mut steering
        };
        let (logits, labels) = predictions(model, &texts, hook)?;
        let scores = Scores::logits(&logits, shape.vocab_size)?;
        let targets = Targets::classes(&labels);
        let found =
            Calibration::new(Protocol::InSample).run(std::slice::from_ref(&scores), &targets)?;
        let quick = MetricOptions {
            class_wise: false,
            adaptive: false,
            smooth: false,
            ..MetricOptions::default()
        };
        let metrics = evaluate(&scores, &targets, &quick)?;
        let temperatures = found.temperatures();
        let temperature = temperatures.iter().sum::<f64>() / temperatures.len() as f64;
        table.push([
            Cell::fixed(strength, 2),
            Cell::fixed(metrics.accuracy, 3),
            Cell::fixed(metrics.ll, 4),
            Cell::fixed(temperature, 3),
            Cell::fixed(found.log_likelihood, 4),
            Cell::fixed(metrics.ece, 4),
        ])?;
        let objects = Objects::new(&scores, &targets, Floor::None)?;
        let (x, y): (Vec<f64>, Vec<f64>) = BinTable::top_label(&objects, &quick.binning)
            .rows()
            .iter()
            .filter_map(|bin| Some((bin.confidence()?, bin.accuracy()?)))
            .unzip();
        chart = chart.series(Series::new(format!("strength {strength}"), &x, &y).markers(true));
    }
    println!("{}", table.to_markdown());
    let figure = chart
        .series(Series::new("as sure as right", &[0.0, 1.0], &[0.0, 1.0]).markers(false))
        .build()?
        .caption("15 equal bins of confidence.");
    Ok(Section::new("How sure is Ember?")
        .paragraph(
            "A model is calibrated when of the tokens it gives 70 % to, 70 % come. A temperature repairs what is merely too sure; what it \
             cannot repair is lost knowledge: compare the calibrated log-likelihoods.",
        )
        .figure(figure)
        .table(table))
}

/// The direction from sad to happy.
fn mood(model: &Model) -> Result<Plan, Failure> {
    let pairs = prompts::mood(Split::Train, 0, 60);
    let rows = |pick: fn(&prompts::Contrast) -> &firetender_ember::Body| -> Result<_, Failure> {
        pairs
            .iter()
            .map(|pair| {
                Ok(model
                    .tokenizer()?
                    .encode(&chat::prompt_text(pick(pair)), false)?)
            })
            .collect::<Result<Vec<Vec<u32>>, Failure>>()
    };
    let contrast = Contrast::new("happy", rows(|p| &p.toward)?, "sad", rows(|p| &p.away)?)?;
    let found = Extractor::new(SiteKind::ResidPost)
        .with_layers(crate::LAYERS.parse()?)
        .with_read(ReadAt::LastToken)
        .extract(
            &model.network,
            &contrast,
            Method::Mean,
            &mut Bars::new("mood"),
        )?;
    Ok(Plan::of(&found.vector))
}

/// Logits `[N, vocabulary]` where an answer's token is to come, and those tokens.
fn predictions(
    model: &Model,
    texts: &[(Vec<u32>, usize)],
    hook: &mut dyn Intervene,
) -> Result<(Vec<f32>, Vec<i64>), Failure> {
    let (mut logits, mut labels) = (vec![], vec![]);
    for texts in texts.chunks(16) {
        let rows: Vec<Vec<u32>> = texts.iter().map(|(row, _)| row.clone()).collect();
        let lens = texts.iter().map(|(_, prompt)| *prompt).collect();
        let pass = Pass::whole(&rows, Padding::Left, 0)?.with_prompt_lens(lens)?;
        let next = |t: &Token| rows[t.row].get(t.position + 1).copied();
        let cells: Vec<Token> = pass
            .tokens()
            .filter(|t| t.from_prompt_end() >= -1 && next(t).is_some())
            .collect();
        let places: Vec<i64> = cells
            .iter()
            .map(|t| (t.row * pass.columns() + t.column) as i64)
            .collect();
        labels.extend(cells.iter().filter_map(|t| next(t).map(i64::from)));
        let hidden = model.network.hidden(&pass, None, hook)?;
        let [batch, columns, width] = hidden.dims();
        let count = places.len();
        let places =
            Tensor::<1, Int>::from_data(TensorData::new(places, [count]), &hidden.device());
        let hidden = hidden.reshape([batch * columns, width]).select(0, places);
        let values = model.network.unembed(hidden).cast(DType::F32).into_data();
        logits.extend(values.iter::<f32>());
    }
    Ok((logits, labels))
}
