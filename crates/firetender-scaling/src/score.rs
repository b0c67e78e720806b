//! Scores of examples and their means.
//!
//! With `s_k` the total log-probability of class k, `LSE = log Σ exp s_k` and `P_k = exp(s_k − LSE)`: the contest's loss is `−(s_gold − LSE)`, accuracy asks whether `s_gold` is largest (the first index
//! wins ties), coverage is exp(LSE), the probability that lies on the class strings at all. A loss of exactly ln K everywhere means that the classes were scored as the same tokens.

use firetender_lm::Scored;
use serde::Serialize;

use crate::{Example, ScalingError};

/// One continuation's score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScore {
    /// The tokens that were scored.
    pub tokens: Vec<u32>,
    /// Natural-log probability of each.
    pub log_probs: Vec<f64>,
    /// Whether each was the most likely one.
    pub greedy: Vec<bool>,
    /// Tokens of the prompt that did not fit into the model.
    pub dropped: usize,
}

impl ClassScore {
    pub(crate) fn new(tokens: Vec<u32>, scored: Scored, dropped: usize) -> Self {
        Self {
            tokens,
            log_probs: scored.log_probs,
            greedy: scored.greedy,
            dropped,
        }
    }

    /// The sum over the tokens.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.log_probs.iter().sum()
    }
}

/// All scores of one example. A field is `None` where it has no meaning for the type of example.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ExampleScores {
    /// Smaller is better: `−ln P_gold`, or `−Σ log p` of a completion.
    pub loss: Option<f64>,
    /// Whether the right class has the largest total; the first index wins ties.
    pub accuracy: Option<f64>,
    /// The same by total over characters of the class, its leading space counted (lm-eval's `acc_norm`).
    pub acc_norm: Option<f64>,
    /// By total over bytes.
    pub acc_bytes: Option<f64>,
    /// By total over tokens.
    pub acc_tokens: Option<f64>,
    /// By total less the total without a prompt (lm-eval's `acc_mutual_info`).
    pub acc_pmi: Option<f64>,
    /// log Σ exp of the totals.
    pub total_logprob: Option<f64>,
    /// Probability on the class strings.
    pub coverage: Option<f64>,
    /// Total of the right class less that of the best other.
    pub margin: Option<f64>,
    /// Share of the right class in the coverage.
    pub p_gold: Option<f64>,
    /// `Σ (P_k − 1[k = gold])²`.
    pub brier: Option<f64>,
    /// `Σ P_k (1 − |k − gold| / (K − 1))`, for classes in an order.
    pub partial_credit: Option<f64>,
    /// Log-odds of the two prompts, sign so that larger favours the answer.
    pub logodds: Option<f64>,
    /// Its absolute value.
    pub absolute_logodds: Option<f64>,
    /// Loss of a completion for each token.
    pub loss_per_token: Option<f64>,
    /// Loss of a completion for each byte.
    pub loss_per_byte: Option<f64>,
    /// Index of the chosen class.
    pub chosen: Option<usize>,
}

/// Names of the scores of which means are taken, in the order of tables.
pub const SCORES: [&str; 16] = [
    "accuracy",
    "loss",
    "acc_norm",
    "acc_bytes",
    "acc_tokens",
    "acc_pmi",
    "total_logprob",
    "coverage",
    "margin",
    "p_gold",
    "brier",
    "partial_credit",
    "logodds",
    "absolute_logodds",
    "loss_per_token",
    "loss_per_byte",
];

impl ExampleScores {
    /// A score by its name in [`SCORES`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        match name {
            "accuracy" => self.accuracy,
            "loss" => self.loss,
            "acc_norm" => self.acc_norm,
            "acc_bytes" => self.acc_bytes,
            "acc_tokens" => self.acc_tokens,
            "acc_pmi" => self.acc_pmi,
            "total_logprob" => self.total_logprob,
            "coverage" => self.coverage,
            "margin" => self.margin,
            "p_gold" => self.p_gold,
            "brier" => self.brier,
            "partial_credit" => self.partial_credit,
            "logodds" => self.logodds,
            "absolute_logodds" => self.absolute_logodds,
            "loss_per_token" => self.loss_per_token,
            "loss_per_byte" => self.loss_per_byte,
            _ => None,
        }
    }

    /// The scores of a classification from the totals of its classes; `alone` are the totals without a prompt.
    ///
    /// ```
    /// use firetender_scaling::ExampleScores;
    ///
    /// let classes = [" yes".to_owned(), " no".to_owned()];
    /// let scores = ExampleScores::classification(&[0.5f64.ln(), 0.25f64.ln()], &classes, &[1, 1], 1, None);
    /// assert_eq!(scores.accuracy, Some(0.0));
    /// assert!((scores.loss.unwrap() - 3f64.ln()).abs() < 1e-12);
    /// assert!((scores.coverage.unwrap() - 0.75).abs() < 1e-12);
    /// ```
    ///
    /// # Panics
    /// When there are no classes, lengths differ, or the answer is not one of them.
    #[must_use]
    pub fn classification(
        totals: &[f64],
        classes: &[String],
        tokens: &[usize],
        answer: usize,
        alone: Option<&[f64]>,
    ) -> Self {
        let k = totals.len();
        assert!(
            answer < k && classes.len() == k && tokens.len() == k,
            "a total and a count for each class"
        );
        let lse = log_sum_exp(totals);
        let p: Vec<f64> = totals.iter().map(|s| (s - lse).exp()).collect();
        let right = |values: &[f64]| Some(f64::from(u8::from(first_largest(values) == answer)));
        let over = |lengths: &dyn Fn(usize) -> usize| -> Vec<f64> {
            (0..k)
                .map(|i| totals[i] / lengths(i).max(1) as f64)
                .collect()
        };
        let best_other = (0..k)
            .filter(|i| *i != answer)
            .map(|i| totals[i])
            .fold(f64::NEG_INFINITY, f64::max);
        let brier = (0..k)
            .map(|i| (p[i] - f64::from(u8::from(i == answer))).powi(2))
            .sum();
        let partial = (k > 1).then(|| {
            (0..k)
                .map(|i| p[i] * (1.0 - i.abs_diff(answer) as f64 / (k - 1) as f64))
                .sum()
        });
        Self {
            // Never below zero, whatever the rounding.
            loss: Some((lse - totals[answer]).max(0.0)),
            accuracy: right(totals),
            acc_norm: right(&over(&|i| classes[i].chars().count())),
            acc_bytes: right(&over(&|i| classes[i].len())),
            acc_tokens: right(&over(&|i| tokens[i])),
            acc_pmi: alone.and_then(|alone| {
                let gained: Vec<f64> = totals.iter().zip(alone).map(|(s, a)| s - a).collect();
                right(&gained)
            }),
            total_logprob: Some(lse),
            coverage: Some(lse.exp()),
            margin: (k > 1).then_some(totals[answer] - best_other),
            p_gold: Some(p[answer]),
            brier: Some(brier),
            partial_credit: partial,
            chosen: Some(first_largest(totals)),
            ..Self::default()
        }
    }

    /// The scores of a completion.
    #[must_use]
    pub fn sequence(score: &ClassScore, completion: &str) -> Self {
        let loss = -score.total();
        Self {
            loss: Some(loss),
            total_logprob: Some(-loss),
            coverage: Some((-loss).exp()),
            accuracy: Some(f64::from(u8::from(score.greedy.iter().all(|g| *g)))),
            loss_per_token: Some(loss / score.log_probs.len().max(1) as f64),
            loss_per_byte: Some(loss / completion.len().max(1) as f64),
            ..Self::default()
        }
    }

    /// The scores of a log-odds example from the totals of its two classes after both prompts. `accuracy` refers to the *other* prompt, as in the contest's pipeline, and
    /// `p_gold` to the first. Both log-odds metrics easily show spurious inverse scaling: a model that is surer of everything has larger odds.
    #[must_use]
    pub fn log_odds(first: [f64; 2], other: [f64; 2], answer: usize) -> Self {
        let sign = if answer == 1 { -1.0 } else { 1.0 };
        let difference = sign * ((first[0] - first[1]) - (other[0] - other[1]));
        let lse = log_sum_exp(&first);
        Self {
            logodds: Some(difference),
            absolute_logodds: Some(difference.abs()),
            accuracy: Some(f64::from(u8::from(first_largest(&other) == answer))),
            p_gold: Some((first[answer.min(1)] - lse).exp()),
            total_logprob: Some(lse),
            coverage: Some(lse.exp()),
            ..Self::default()
        }
    }
}

/// Which is largest; the first of equals.
fn first_largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

fn log_sum_exp(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most.is_infinite() {
        return most;
    }
    most + values.iter().map(|v| (v - most).exp()).sum::<f64>().ln()
}

/// The contest's `invert` for two classes: loss and accuracy if the other class were right. Near a loss of 0 the inverted loss is +∞, never NaN.
///
/// ```
/// let (loss, accuracy) = firetender_scaling::invert(2f64.ln(), 1.0, 2)?;
/// assert!((loss - 2f64.ln()).abs() < 1e-12 && accuracy == 0.0);
/// assert_eq!(firetender_scaling::invert(0.0, 1.0, 2)?.0, f64::INFINITY);
/// # Ok::<(), firetender_scaling::ScalingError>(())
/// ```
///
/// # Errors
/// Any number of classes but two, or a loss below zero.
pub fn invert(loss: f64, accuracy: f64, classes: usize) -> Result<(f64, f64), ScalingError> {
    if classes != 2 || loss < 0.0 || loss.is_nan() {
        return Err(ScalingError::Value {
            what: "invert".into(),
            found: format!("{classes} classes, loss {loss}"),
            expected: "two classes and a loss of at least 0",
        });
    }
    // 1 − e^(−loss) without cancellation.
    let other = -(-loss).exp_m1();
    let inverted = if other == 0.0 {
        f64::INFINITY
    } else {
        -other.ln()
    };
    Ok((inverted.max(0.0), 1.0 - accuracy))
}

/// A mean with its errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Standard error with n − `ddof` under the root.
    pub stderr: f64,
    /// Number of values.
    pub n: usize,
}

/// Mean and standard error. The contest's pipeline has `ddof` 0, lm-eval 1. `None` of nothing; an error of 0 for a single value.
///
/// ```
/// let found = firetender_scaling::mean(&[0.0, 1.0, 1.0, 1.0], 1).unwrap();
/// assert_eq!((found.mean, found.stderr), (0.75, 0.25));
/// ```
#[must_use]
pub fn mean(values: &[f64], ddof: usize) -> Option<Mean> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let spread: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let stderr = if n > ddof && n > 1 {
        (spread / (n - ddof) as f64 / n as f64).sqrt()
    } else {
        0.0
    };
    Some(Mean { mean, stderr, n })
}

/// The standard error of a mean when values come in clusters that share their luck: `√(Σ_g (Σ_{i∈g} (y_i − ȳ))²) / n`.
///
/// ```
/// // Each value twice is no more information than once.
/// let single = firetender_scaling::clustered_stderr(&[0.0, 1.0, 1.0], &[0, 1, 2]).unwrap();
/// let double = firetender_scaling::clustered_stderr(&[0.0, 0.0, 1.0, 1.0, 1.0, 1.0], &[0, 0, 1, 1, 2, 2]).unwrap();
/// assert!((single - double).abs() < 1e-12);
/// ```
#[must_use]
pub fn clustered_stderr(values: &[f64], clusters: &[u64]) -> Option<f64> {
    let n = values.len();
    if n == 0 || clusters.len() != n {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let mut sums = std::collections::BTreeMap::new();
    for (value, cluster) in values.iter().zip(clusters) {
        *sums.entry(cluster).or_insert(0.0) += value - mean;
    }
    Some(sums.values().map(|s: &f64| s * s).sum::<f64>().sqrt() / n as f64)
}

/// Wilson's interval of a share at 95 %: honest at 0 and 1, where the plain standard error is 0.
///
/// ```
/// let (low, high) = firetender_scaling::wilson(10, 10);
/// assert!(low > 0.7 && high == 1.0);
/// ```
#[must_use]
pub fn wilson(correct: u64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (z, n, p) = (
        1.959_963_984_540_054_f64,
        n as f64,
        correct as f64 / n as f64,
    );
    let centre = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    let low = if p == 0.0 {
        0.0
    } else {
        ((centre - half) / scale).max(0.0)
    };
    let high = if p == 1.0 {
        1.0
    } else {
        ((centre + half) / scale).min(1.0)
    };
    (low, high)
}

/// What guessing is worth on a task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Baselines {
    /// Mean of 1/K.
    pub chance_accuracy: f64,
    /// Mean of ln K.
    pub chance_loss: f64,
    /// Accuracy of always giving the most frequent answer.
    pub best_constant: f64,
}

/// Baselines of the classification examples; `None` without any.
#[must_use]
pub fn baselines(examples: &[Example]) -> Option<Baselines> {
    let mut counts = std::collections::BTreeMap::new();
    let (mut n, mut chance, mut loss) = (0.0, 0.0, 0.0);
    for example in examples {
        if let Example::Classification {
            classes, answer, ..
        } = example
        {
            n += 1.0;
            chance += 1.0 / classes.len() as f64;
            loss += (classes.len() as f64).ln();
            *counts.entry(answer).or_insert(0.0) += 1.0;
        }
    }
    let most = counts.values().copied().fold(0.0, f64::max);
    (n > 0.0).then_some(Baselines {
        chance_accuracy: chance / n,
        chance_loss: loss / n,
        best_constant: most / n,
    })
}

#[cfg(test)]
mod tests;
