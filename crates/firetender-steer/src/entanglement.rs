//! What each vector does to every behaviour: several vectors times several behaviours.
//!
//! A vector for one behaviour moves others too (`SteeringSafety`, arXiv 2509.13450, calls the change in everything you did not
//! steer entanglement). Row `i`, column `j` of the matrix is the shift of behaviour `j` under vector `i`, prompt by prompt
//! against the plain model, with an interval over prompts. Behaviours have different units, so each shift is also given in
//! units of the spread that the behaviour has over prompts anyway.

use firetender_hooks::Untouched;
use firetender_lm::CausalLm;
use serde::{Deserialize, Serialize};

use crate::{Bootstrap, Effect, Estimate, Observer, Plan, SteerError};

/// Shifts of every behaviour under every vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entanglement {
    /// Names of the vectors: the rows.
    pub vectors: Vec<String>,
    /// Names of the behaviours: the columns.
    pub behaviours: Vec<String>,
    /// Mean of each behaviour in the plain model.
    pub plain: Vec<Estimate>,
    /// `[vector][behaviour]`: mean shift over prompts.
    pub shifts: Vec<Vec<Estimate>>,
    /// The shifts divided by the standard deviation of the behaviour over prompts in the plain model; `None` where that is 0
    /// or there is one prompt.
    pub standardised: Vec<Vec<Option<f64>>>,
}

impl Entanglement {
    /// For a vector made for behaviour `own`: the root mean square of its standardised shifts of all other behaviours over the
    /// size of its own. 0 is a vector that does one thing. `None` where a number is missing or its own shift is 0.
    ///
    /// # Panics
    /// When there is no such vector or behaviour.
    #[must_use]
    pub fn leakage(&self, vector: usize, own: usize) -> Option<f64> {
        let row = &self.standardised[vector];
        let target = row[own].filter(|shift| *shift != 0.0)?;
        let others = (0..row.len()).filter(|j| *j != own);
        let squares = others
            .map(|j| row[j].map(|x| x * x))
            .collect::<Option<Vec<f64>>>()?;
        if squares.is_empty() {
            return None;
        }
        let mean = squares.iter().sum::<f64>() / squares.len() as f64;
        Some(mean.sqrt() / target.abs())
    }
}

/// Measures every behaviour under every plan.
///
/// # Errors
/// [`SteerError::Input`] when there are no plans or behaviours; [`SteerError::NotFinite`]; and as [`Plan::compile`] and
/// [`Effect::measure`].
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::SiteKind;
/// use firetender_lm::{ModelConfig, Transformer};
/// use firetender_steer::{Bootstrap, Effect, NextTokenOdds, Plan, Silent, SteeringVector, entanglement};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let direction = std::collections::BTreeMap::from([(1, (0..16).map(|i| (i % 3) as f32 - 1.0).collect())]);
/// let vector = SteeringVector::new("up", "down", SiteKind::ResidPost, 16, 2, direction).unwrap();
/// let odds = |a, b| NextTokenOdds::new(vec![vec![1, 2], vec![3]], vec![a], vec![b]).unwrap();
/// let (one, two) = (odds(5, 7), odds(8, 9));
/// let behaviours: [(&str, &dyn Effect); 2] = [("five", &one), ("eight", &two)];
/// let matrix = entanglement(&model, &[("up", Plan::of(&vector))], &behaviours, &Bootstrap::default(), &mut Silent).unwrap();
/// assert_eq!((matrix.shifts.len(), matrix.shifts[0].len()), (1, 2));
/// ```
pub fn entanglement(
    model: &dyn CausalLm,
    vectors: &[(&str, Plan)],
    behaviours: &[(&str, &dyn Effect)],
    bootstrap: &Bootstrap,
    observer: &mut dyn Observer,
) -> Result<Entanglement, SteerError> {
    if vectors.is_empty() || behaviours.is_empty() {
        let (n, m) = (vectors.len(), behaviours.len());
        let what = format!("{n} vectors and {m} behaviours; expected at least one of each");
        return Err(SteerError::Input { what });
    }
    let checked = |name: &str, values: Vec<f64>| {
        if let Some(prompt) = values.iter().position(|x| !x.is_finite()) {
            return Err(SteerError::NotFinite {
                what: format!("behaviour `{name}`"),
                found: values[prompt],
                prompt,
            });
        }
        if values.is_empty() {
            let what = format!("behaviour `{name}` gave no numbers; expected one a prompt");
            return Err(SteerError::Input { what });
        }
        Ok(values)
    };
    let total = (vectors.len() + 1) * behaviours.len();
    let mut done = 0;
    let mut plain = vec![];
    for (name, effect) in behaviours {
        plain.push(checked(name, effect.measure(model, &mut Untouched)?)?);
        done += 1;
        observer.entangled(done, total);
    }
    let (shape, device) = (model.shape(), model.device());
    let (mut shifts, mut standardised) = (vec![], vec![]);
    for (_, plan) in vectors {
        let mut steering = plan.compile(&shape, &device)?;
        let (mut row, mut units) = (vec![], vec![]);
        for ((name, effect), plain) in behaviours.iter().zip(&plain) {
            let steered = checked(name, effect.measure(model, &mut steering)?)?;
            if steered.len() != plain.len() {
                let (n, m) = (steered.len(), plain.len());
                let what = format!("behaviour `{name}` gave {n} numbers steered and {m} plain");
                return Err(SteerError::Input { what });
            }
            let moved: Vec<f64> = steered.iter().zip(plain).map(|(s, p)| s - p).collect();
            let shift = bootstrap.mean(&moved);
            units.push(deviation(plain).map(|unit| shift.value / unit));
            row.push(shift);
            done += 1;
            observer.entangled(done, total);
        }
        shifts.push(row);
        standardised.push(units);
    }
    Ok(Entanglement {
        vectors: vectors.iter().map(|(name, _)| (*name).to_owned()).collect(),
        behaviours: behaviours
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect(),
        plain: plain.iter().map(|values| bootstrap.mean(values)).collect(),
        shifts,
        standardised,
    })
}

/// Sample standard deviation, if there is one.
fn deviation(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0)).sqrt();
    (values.len() > 1 && deviation > 0.0).then_some(deviation)
}
