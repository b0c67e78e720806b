//! Metrics of predictions: the whole table, its parts, intervals and conformal sets.
//!
//! `cargo bench -p firetender-benches --bench uncertainty`. `RAYON_NUM_THREADS=1` for one thread. Counts are objects.
#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]

use divan::{Bencher, counter::ItemsCount};
use firetender_measure::{predictions, softmax};
use firetender_uncertainty::{
    AdaptiveOptions, AdaptiveState, Binning, Bootstrap, BrierScale, ClassBins, Conformal,
    Conformity, Floor, MetricOptions, Objects, Ranking, RiskCoverage, Scores, TaceNorm, Targets,
    evaluate,
};

const SHAPES: [(usize, usize); 2] = [(10_000, 10), (10_000, 100)];

fn main() {
    divan::main();
}

struct Data {
    logits: Vec<f32>,
    labels: Vec<i64>,
    classes: usize,
}

impl Data {
    fn new((rows, classes): (usize, usize)) -> Self {
        let (logits, labels) = predictions(rows, classes, 11);
        Self {
            logits,
            labels,
            classes,
        }
    }

    fn scores(&self) -> Scores<'_> {
        Scores::logits(&self.logits, self.classes).unwrap()
    }

    fn targets(&self) -> Targets {
        Targets::classes(&self.labels)
    }

    fn objects(&self) -> Objects {
        Objects::new(&self.scores(), &self.targets(), Floor::None).unwrap()
    }
}

#[divan::bench(args = SHAPES)]
fn whole_table(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    let data = Data::new(shape);
    let targets = data.targets();
    bencher
        .counter(ItemsCount::new(shape.0))
        .bench(|| evaluate(&data.scores(), &targets, &MetricOptions::default()).unwrap());
}

#[divan::bench(args = SHAPES)]
fn from_probabilities(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    let data = Data::new(shape);
    let (targets, probs) = (data.targets(), softmax(&data.logits, shape.1));
    bencher.counter(ItemsCount::new(shape.0)).bench(|| {
        let scores = Scores::probs(&probs, shape.1).unwrap();
        evaluate(&scores, &targets, &MetricOptions::default()).unwrap()
    });
}

#[divan::bench(args = SHAPES)]
fn objects(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    let data = Data::new(shape);
    let targets = data.targets();
    bencher
        .counter(ItemsCount::new(shape.0))
        .bench(|| Objects::new(&data.scores(), &targets, Floor::None).unwrap());
}

#[divan::bench(args = SHAPES)]
fn static_error(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    let data = Data::new(shape);
    let targets = data.targets();
    bencher.counter(ItemsCount::new(shape.0)).bench(|| {
        let mut bins = ClassBins::new(shape.1, Binning::default()).unwrap();
        bins.update(&data.scores(), &targets).unwrap();
        bins.sce()
    });
}

#[divan::bench(args = SHAPES)]
fn adaptive_error(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    let data = Data::new(shape);
    let targets = data.targets();
    let options = AdaptiveOptions {
        bins: 15,
        threshold: 1e-3,
        norm: TaceNorm::ByNC,
        refuse_short: false,
    };
    bencher.counter(ItemsCount::new(shape.0)).bench(|| {
        let mut state = AdaptiveState::new(shape.1);
        state.update(&data.scores(), &targets).unwrap();
        state.errors(&[options]).unwrap()
    });
}

#[divan::bench]
fn ranking_of_50_000(bencher: Bencher<'_, '_>) {
    let data = Data::new((50_000, 10));
    let objects = data.objects();
    bencher.counter(ItemsCount::new(50_000usize)).bench(|| {
        let mut ranking = Ranking::default();
        for object in objects.rows() {
            ranking.add(object.entropy, object.correct == 0.0);
        }
        (
            ranking.summary(),
            RiskCoverage::of(&objects).unwrap().aurc(),
        )
    });
}

#[divan::bench(sample_count = 5)]
fn bootstrap_1000_draws(bencher: Bencher<'_, '_>) {
    let objects = Data::new((10_000, 10)).objects();
    let bootstrap = Bootstrap::new(1000, 0.95, 1).unwrap();
    bencher.counter(ItemsCount::new(10_000usize)).bench(|| {
        bootstrap
            .metrics(&objects, &Binning::default(), BrierScale::Sum)
            .unwrap()
    });
}

#[divan::bench(args = SHAPES)]
fn conformal_sets(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    let data = Data::new(shape);
    let targets = data.targets();
    bencher.counter(ItemsCount::new(shape.0)).bench(|| {
        let method = Conformal::new(Conformity::Aps, 0.1, 1).unwrap();
        let fit = method.fit(&data.scores(), &targets).unwrap();
        fit.sets(&data.scores()).unwrap()
    });
}
