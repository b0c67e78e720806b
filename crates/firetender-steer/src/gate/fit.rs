//! Gates from two sets of prompts.

use burn::tensor::{Int, Tensor, TensorData};
use firetender_hooks::{Intervene, Padding, Pass, Site, SiteKind};
use firetender_lm::CausalLm;
use serde::{Deserialize, Serialize};

use super::{
    Fires, Gate, GateRead, GateReport, Join, Probe, Scorer, best_f1, calibrate::margin_at_fpr, fail,
};
use crate::{Layers, Logistic, LogisticOptions, Observer, SteerError, linear::Cholesky};

/// How probes are fitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GateMethod {
    /// Logistic regression: fires where the positive class is likelier.
    Logistic(LogisticOptions),
    /// Linear discriminant `Σ⁻¹ (μ₊ − μ₋)` with the pooled covariance drawn to its mean variance by this share, from 0 to 1; fires
    /// beyond the middle between the means.
    Whitened(f64),
    /// Dot product with the difference of the means; fires beyond the middle between them.
    Dot,
    /// The condition of conditional activation steering: the first direction is the difference of the means, side and threshold are
    /// those with the best F1 on the fitting set among this many even steps.
    Condition(usize),
}

/// Reads prompts and fits a probe at each layer.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_lm::{ModelConfig, Transformer};
/// use firetender_steer::{GateMethod, GateTrainer, LogisticOptions, Silent};
/// let model = Transformer::init(&ModelConfig::llama(40, 16, 3, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let prompts = |from: u32| (from..from + 8).map(|id| vec![1, id]).collect::<Vec<_>>();
/// let trainer = GateTrainer::new("high", GateMethod::Logistic(LogisticOptions::default())).with_layers("1".parse().unwrap());
/// let gate = trainer.fit(&model, &prompts(30), &prompts(10), &mut Silent).unwrap();
/// let (gate, report) = gate.calibrated(&model, &prompts(22), &prompts(2), 0.25).unwrap();
/// assert!(report.fpr <= 0.25 && gate.report() == Some(&report));
/// ```
#[derive(Clone, Debug)]
pub struct GateTrainer {
    fires_on: String,
    method: GateMethod,
    site: SiteKind,
    layers: Layers,
    read: GateRead,
    join: Join,
}

impl GateTrainer {
    /// Fits gates that fire on a named class: at `resid_post` of every layer, on the last token.
    #[must_use]
    pub fn new(fires_on: impl Into<String>, method: GateMethod) -> Self {
        Self {
            fires_on: fires_on.into(),
            method,
            site: SiteKind::ResidPost,
            layers: Layers::All,
            read: GateRead::LastToken,
            join: Join::Any,
        }
    }

    /// At sites of this kind.
    #[must_use]
    pub fn with_site(mut self, site: SiteKind) -> Self {
        self.site = site;
        self
    }

    /// At these layers.
    #[must_use]
    pub fn with_layers(mut self, layers: Layers) -> Self {
        self.layers = layers;
        self
    }

    /// Reading here.
    #[must_use]
    pub fn with_read(mut self, read: GateRead) -> Self {
        self.read = read;
        self
    }

    /// Joining layers so.
    #[must_use]
    pub fn with_join(mut self, join: Join) -> Self {
        self.join = join;
        self
    }

    /// Fits a gate to requests on which it should fire and requests on which it should not. Its thresholds are the method's own;
    /// calibrate them on other prompts.
    ///
    /// # Errors
    /// [`SteerError::Gate`] when a set is empty or both are alike, or an option is out of range; [`SteerError::Layers`];
    /// [`SteerError::Logistic`]; and whatever the model reports.
    pub fn fit(
        &self,
        model: &dyn CausalLm,
        positive: &[Vec<u32>],
        negative: &[Vec<u32>],
        observer: &mut dyn Observer,
    ) -> Result<Gate, SteerError> {
        for (field, set) in [("positive", positive), ("negative", negative)] {
            if set.is_empty() {
                return Err(fail(field, "has no prompts; expected one or more".into()));
            }
        }
        let shape = model.shape();
        let places = if self.site.per_layer() {
            shape.layers
        } else {
            1
        };
        let layers = self.layers.resolve(places)?;
        let sites: Vec<Site> = layers.iter().map(|layer| self.site.at(*layer)).collect();
        let total = positive.len() + negative.len();
        let yes = states(model, positive, &sites, self.read, &mut |n| {
            observer.read(n, total)
        })?;
        let no = states(model, negative, &sites, self.read, &mut |n| {
            observer.read(positive.len() + n, total);
        })?;
        let probes = layers.iter().enumerate();
        let probes = probes.map(|(index, layer)| self.probe(*layer, &yes[index], &no[index]));
        let probes = probes.collect::<Result<Vec<_>, _>>()?;
        let width = crate::vector::site_width(self.site, &shape);
        let gate = Gate::new(&self.fires_on, self.site, width, shape.layers, probes)?;
        Ok(gate.with_read(self.read).with_join(self.join))
    }

    fn probe(&self, layer: usize, yes: &[Vec<f64>], no: &[Vec<f64>]) -> Result<Probe, SteerError> {
        let (above, below) = (mean(yes), mean(no));
        let difference: Vec<f64> = above.iter().zip(&below).map(|(a, b)| a - b).collect();
        if difference.iter().all(|x| *x == 0.0) {
            let what = format!("reads the same as `negative` at layer {layer}");
            return Err(fail("positive", what));
        }
        let middle: Vec<f64> = above
            .iter()
            .zip(&below)
            .map(|(a, b)| (a + b) / 2.0)
            .collect();
        let probe = |scorer| Probe::new(layer, scorer);
        match self.method {
            GateMethod::Logistic(options) => {
                let rows = yes.iter().chain(no).flatten().map(|x| *x as f32);
                let rows: Vec<f32> = rows.collect();
                let labels: Vec<bool> = (0..yes.len() + no.len()).map(|i| i < yes.len()).collect();
                let fitted = Logistic::fit(&rows, difference.len(), &labels, &options)?;
                Ok(probe(Scorer::Linear {
                    weights: fitted.weights().to_vec(),
                    bias: fitted.intercept(),
                }))
            }
            GateMethod::Whitened(share) => {
                let weights = discriminant(yes, no, [&above, &below], &difference, share)?;
                let bias = -dot(&weights, &middle);
                Ok(probe(Scorer::Linear { weights, bias }))
            }
            GateMethod::Dot => {
                let threshold = dot(&difference, &middle);
                let scorer = Scorer::Dot {
                    direction: difference,
                };
                Ok(probe(scorer).with_threshold(Fires::Above, threshold))
            }
            GateMethod::Condition(steps) => {
                let probe = probe(Scorer::Condition {
                    direction: difference,
                });
                let scores = |rows: &[Vec<f64>]| rows.iter().map(|h| probe.score(h)).collect();
                let (yes, no): (Vec<f64>, Vec<f64>) = (scores(yes), scores(no));
                let (fires, threshold, _) = best_f1(&yes, &no, steps).ok_or_else(|| {
                    fail(
                        "positive",
                        format!("gives scores that are not finite at layer {layer}"),
                    )
                })?;
                Ok(probe.with_threshold(fires, threshold))
            }
        }
    }
}

impl Gate {
    /// Margins of prompts, in their order: the gate fires at 0 and above.
    ///
    /// # Errors
    /// [`SteerError::Mismatch`] when the gate belongs to another model; and whatever the model reports.
    pub fn margins(
        &self,
        model: &dyn CausalLm,
        prompts: &[Vec<u32>],
    ) -> Result<Vec<f64>, SteerError> {
        self.check_fits(&model.shape(), None)?;
        let sites: Vec<Site> = self.sites().collect();
        let states = states(model, prompts, &sites, self.read, &mut |_| {})?;
        let margin = |row: usize| {
            let hidden: Vec<&[f64]> = states.iter().map(|site| site[row].as_slice()).collect();
            self.margin(&hidden)
        };
        Ok((0..prompts.len()).map(margin).collect())
    }

    /// What it does on two sets of prompts, for instance ones that neither fitted nor calibrated it.
    ///
    /// # Errors
    /// As [`margins`](Self::margins); [`SteerError::Gate`] when a set is empty.
    pub fn measured(
        &self,
        model: &dyn CausalLm,
        positive: &[Vec<u32>],
        negative: &[Vec<u32>],
    ) -> Result<GateReport, SteerError> {
        let (yes, no) = (
            self.margins(model, positive)?,
            self.margins(model, negative)?,
        );
        GateReport::measure(&yes, &no)
            .ok_or_else(|| fail("positive", "or `negative` has no prompts".into()))
    }

    /// The same gate with thresholds moved so that at most a share `fpr` of the negative prompts fires, and what it then does on
    /// both sets. Use prompts that did not fit the gate. With several layers all thresholds move together, in units of the
    /// deviation of each layer's scores over the negative prompts. `n` negative prompts cannot tell rates below `1/n` from 0.
    ///
    /// # Errors
    /// [`SteerError::Gate`] when the rate is not from 0 to 1, a set is empty, or a threshold is infinite; and as
    /// [`margins`](Self::margins).
    pub fn calibrated(
        &self,
        model: &dyn CausalLm,
        positive: &[Vec<u32>],
        negative: &[Vec<u32>],
        fpr: f64,
    ) -> Result<(Self, GateReport), SteerError> {
        if !(0.0..=1.0).contains(&fpr) {
            return Err(fail(
                "fpr",
                format!("is {fpr}; expected a share from 0 to 1"),
            ));
        }
        for (field, set) in [("positive", positive), ("negative", negative)] {
            if set.is_empty() {
                return Err(fail(field, "has no prompts; expected one or more".into()));
            }
        }
        if self
            .probes
            .iter()
            .any(|probe| probe.threshold.is_infinite())
        {
            let what = "is infinite; there is nothing to calibrate".into();
            return Err(fail("threshold", what));
        }
        let mut gate = self.clone();
        let sites: Vec<Site> = self.sites().collect();
        let no = states(model, negative, &sites, self.read, &mut |_| {})?;
        for (probe, rows) in gate.probes.iter_mut().zip(&no) {
            let scores: Vec<f64> = rows.iter().map(|hidden| probe.score(hidden)).collect();
            let middle = scores.iter().sum::<f64>() / scores.len() as f64;
            let squares: f64 = scores.iter().map(|s| (s - middle).powi(2)).sum();
            let deviation = (squares / scores.len() as f64).sqrt();
            probe.scale = if deviation > 0.0 && deviation.is_finite() {
                deviation
            } else {
                1.0
            };
        }
        let margins = (
            gate.margins(model, positive)?,
            gate.margins(model, negative)?,
        );
        let offset = margin_at_fpr(&margins.0, &margins.1, fpr);
        for probe in &mut gate.probes {
            probe.shift(offset);
        }
        // At a rate of 1 everything fires, and margins no longer tell requests apart.
        let moved = if offset.is_finite() { offset } else { 0.0 };
        let shifted = |list: &[f64]| list.iter().map(|m| m - moved).collect::<Vec<f64>>();
        let report = GateReport::measure(&shifted(&margins.0), &shifted(&margins.1));
        let Some(mut report) = report else {
            return Err(fail("positive", "gives margins that are no numbers".into()));
        };
        report.target_fpr = Some(fpr);
        if offset == f64::NEG_INFINITY {
            (report.fpr, report.tpr) = (1.0, 1.0);
        }
        gate.report = Some(report.clone());
        Ok((gate, report))
    }
}

/// Prompts that run at a time.
const BATCH: usize = 8;

/// Hidden states of prompts, `[site][prompt][width]`, in the order of the prompts.
fn states(
    model: &dyn CausalLm,
    prompts: &[Vec<u32>],
    sites: &[Site],
    read: GateRead,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<Vec<f64>>>, SteerError> {
    let mut found = vec![vec![vec![]; prompts.len()]; sites.len()];
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|row| prompts[*row].len());
    let mut done = 0;
    for chunk in order.chunks(BATCH) {
        let rows: Vec<Vec<u32>> = chunk.iter().map(|row| prompts[*row].clone()).collect();
        let pass = Pass::whole(&rows, Padding::Left, 0)?;
        let mut reader = Reader {
            sites,
            read,
            found: vec![vec![]; sites.len()],
        };
        model.hidden(&pass, None, &mut reader)?;
        for (site, rows) in reader.found.into_iter().enumerate() {
            for (prompt, hidden) in chunk.iter().zip(rows) {
                if let Some(x) = hidden.iter().find(|x| !x.is_finite()) {
                    return Err(SteerError::NotFinite {
                        what: format!("the hidden state at {}", sites[site]),
                        found: *x,
                        prompt: *prompt,
                    });
                }
                found[site][*prompt] = hidden;
            }
        }
        done += chunk.len();
        progress(done);
    }
    Ok(found)
}

/// Reads the last token or the sum over the prompt of each row.
struct Reader<'a> {
    sites: &'a [Site],
    read: GateRead,
    found: Vec<Vec<Vec<f64>>>,
}

impl Intervene for Reader<'_> {
    fn wants(&self, site: Site) -> bool {
        self.sites.contains(&site)
    }

    fn at(&mut self, site: Site, value: Tensor<3>, pass: &Pass) -> Tensor<3> {
        let [batch, columns, width] = value.dims();
        let tokens: Vec<_> = pass
            .tokens()
            .filter(|t| self.read == GateRead::Mean || t.from_prompt_end() == -1)
            .collect();
        let cells = tokens.iter().map(|t| (t.row * columns + t.column) as i64);
        let data = TensorData::new(cells.collect::<Vec<_>>(), [tokens.len()]);
        let flat = value.clone().without_autodiff().flatten::<2>(0, 1);
        let cells = Tensor::<1, Int>::from_data(data, &flat.device());
        let read: Vec<f64> = flat.select(0, cells).into_data().iter::<f64>().collect();
        let mut sums = vec![vec![0.0; width]; batch];
        for (token, hidden) in tokens.iter().zip(read.chunks(width)) {
            let count = match self.read {
                GateRead::LastToken => 1.0,
                GateRead::Mean => pass.prompt_len(token.row) as f64,
            };
            let sum = sums[token.row].iter_mut().zip(hidden);
            sum.for_each(|(a, x)| *a += x / count);
        }
        if let Some(index) = self.sites.iter().position(|s| *s == site) {
            self.found[index] = sums;
        }
        value
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let mut sum = vec![0.0; rows.first().map_or(0, Vec::len)];
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(a, x)| *a += x);
    }
    sum.iter_mut().for_each(|x| *x /= rows.len().max(1) as f64);
    sum
}

/// `Σ⁻¹ d` with the pooled covariance of both classes, shrunk.
fn discriminant(
    yes: &[Vec<f64>],
    no: &[Vec<f64>],
    means: [&[f64]; 2],
    difference: &[f64],
    share: f64,
) -> Result<Vec<f64>, SteerError> {
    if !(0.0..=1.0).contains(&share) {
        let what = format!("is {share}; expected a share from 0 to 1");
        return Err(fail("shrinkage", what));
    }
    let width = difference.len();
    let mut covariance = vec![0.0; width * width];
    for (rows, mean) in [(yes, means[0]), (no, means[1])] {
        for row in rows {
            let centred: Vec<f64> = row.iter().zip(mean).map(|(x, m)| x - m).collect();
            for (i, a) in centred.iter().enumerate() {
                let line = &mut covariance[i * width..(i + 1) * width];
                line.iter_mut().zip(&centred).for_each(|(c, b)| *c += a * b);
            }
        }
    }
    let rows = (yes.len() + no.len()).saturating_sub(2).max(1) as f64;
    covariance.iter_mut().for_each(|c| *c /= rows);
    let spread = (0..width).map(|i| covariance[i * width + i]).sum::<f64>() / width as f64;
    for (at, c) in covariance.iter_mut().enumerate() {
        let diagonal = f64::from(u8::from(at / width == at % width));
        *c = (1.0 - share) * *c + share * spread * diagonal;
    }
    let solved = Cholesky::new(covariance, width).map(|factor| factor.solve(difference));
    solved.ok_or_else(|| {
        let what = format!(
            "is {share}, and the covariance of {} prompts in {width} dimensions has no inverse; expected a larger share",
            yes.len() + no.len()
        );
        fail("shrinkage", what)
    })
}
