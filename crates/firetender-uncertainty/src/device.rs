//! Scores of single objects, computed where the tensor is.
//!
//! Log-softmax, the target's log-probability, largest class, entropy and sums of squares are made on the device; only the
//! columns `[N]` are read to the host, in one transfer, and summed there exactly. Class-wise errors need every
//! probability, so [`evaluate_tensor`] reads the whole table when they are asked for.

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Int, Tensor, TensorData, Transaction};

use crate::UncertaintyError;
use crate::metrics::{Metrics, evaluate, finish};
use crate::objects::{Floor, Object, Objects, check_floor};
use crate::options::MetricOptions;
use crate::scores::{Checks, ScoreKind, Scores};
use crate::targets::{Targets, Truth};

/// As [`crate::evaluate`], for a tensor `[N, C]` on any device.
///
/// Without class-wise and adaptive errors (`class_wise` and `adaptive` off) only eight numbers a row leave the device and the arithmetic of
/// rows is that of the tensor (`f32`: metrics within 10⁻⁵ of the host's); with them the table is read once and everything is `f64`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_uncertainty::{MetricOptions, ScoreKind, Targets, evaluate_tensor};
/// let logits = Tensor::<2>::from_data([[2.0, 0.0], [0.0, 1.0]], &Device::flex());
/// let options = MetricOptions { class_wise: false, adaptive: false, ..MetricOptions::default() };
/// let found = evaluate_tensor(ScoreKind::Logits, logits, &Targets::classes(&[0, 1]), &options)?;
/// assert_eq!(found.accuracy, 1.0);
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
///
/// # Errors
/// As [`crate::evaluate`] and [`Scores::from_tensor`].
pub fn evaluate_tensor(
    kind: ScoreKind,
    scores: Tensor<2>,
    targets: &Targets,
    options: &MetricOptions,
) -> Result<Metrics, UncertaintyError> {
    if options.class_wise || options.adaptive || options.ordinal || targets.is_soft() {
        let scores = Scores::from_tensor(kind, scores, Checks::default())?;
        return evaluate(&scores, targets, options);
    }
    let objects = Objects::on_device(kind, scores, targets, options.floor)?;
    finish(&objects, None, None, options)
}

impl Objects {
    /// Scores every object on the device of a tensor `[N, C]`, in the tensor's precision (16-bit as `f32`), for class indices. One
    /// transfer of eight columns. For `f32` a log-likelihood is within 2·10⁻⁶ of [`Objects::new`]'s relative to the largest logit, the
    /// other columns within 2·10⁻⁶.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use firetender_uncertainty::{Floor, Objects, ScoreKind, Targets};
    /// let logits = Tensor::<2>::from_data([[2.0, 0.0], [0.0, 1.0]], &Device::flex());
    /// let objects = Objects::on_device(ScoreKind::Logits, logits, &Targets::classes(&[0, 0]), Floor::None)?;
    /// assert_eq!(objects.accuracy(), 0.5);
    /// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Scores::from_tensor`] and [`Objects::new`]; [`UncertaintyError::Options`] for soft targets, which only the host path takes.
    pub fn on_device(
        kind: ScoreKind,
        scores: Tensor<2>,
        targets: &Targets,
        floor: Floor,
    ) -> Result<Self, UncertaintyError> {
        check_floor(floor)?;
        let [rows, classes] = scores.dims();
        if rows == 0 {
            return Err(UncertaintyError::Empty {
                what: "rows of scores",
            });
        }
        if classes < 2 {
            return Err(UncertaintyError::Classes { found: classes });
        }
        targets.check(rows, classes)?;
        let kept: Vec<usize> = (0..rows).filter(|row| !targets.is_out(*row)).collect();
        let class_of = |row: usize| match targets.truth(row) {
            Truth::Class(class) => Ok(class),
            Truth::Soft(_) => Err(UncertaintyError::Options {
                field: "targets",
                found: "soft targets".into(),
                expected: "class indices, on the device; the host path takes both",
            }),
        };
        let mut labels = vec![0i64; rows];
        for &row in &kept {
            labels[row] = class_of(row)? as i64;
        }
        let columns = columns(kind, scores.clone(), labels.clone())?;
        let [sum, least, own, top, entropy, squares, above, index] = &columns;
        let tolerance = Checks::default().row_sum_tolerance;
        let whole = sum.iter().all(|s| (s - 1.0).abs() <= tolerance)
            && (kind != ScoreKind::Probs || least.iter().all(|p| *p >= 0.0));
        if !whole {
            // Something is wrong with a row: the host says which and what. (Or nothing is, by less than f32 can tell.)
            let scores = Scores::from_tensor(kind, scores, Checks::default())?;
            return Self::new(&scores, targets, floor);
        }
        let objects = kept.iter().map(|&row| {
            let class = labels[row] as usize;
            let p = own[row].exp();
            Object {
                weight: targets.weight(row),
                target: Some(class as u32),
                prediction: index[row] as u32,
                correct: f64::from(u8::from(index[row] as usize == class)),
                rank: Some(above[row] as u32),
                confidence: top[row],
                log_likelihood: floor.apply(own[row]),
                brier: (squares[row] - 2.0 * p + 1.0).max(0.0),
                spherical: p / squares[row].sqrt(),
                sum_squares: squares[row],
                entropy: entropy[row].max(0.0),
                ranked: None,
            }
        });
        Ok(Self::from_rows(
            classes,
            (rows - kept.len()) as u64,
            objects.collect(),
        ))
    }
}

/// Row sums, least score, log-probability of the label, largest probability, entropy, Σp², classes before the label, predicted class.
fn columns(
    kind: ScoreKind,
    scores: Tensor<2>,
    labels: Vec<i64>,
) -> Result<[Vec<f64>; 8], UncertaintyError> {
    let [rows, classes] = scores.dims();
    let device = scores.device();
    let scores = match scores.dtype() {
        DType::F32 | DType::F64 => scores,
        _ => scores.cast(DType::F32),
    };
    let label = Tensor::<1, Int>::from_data(TensorData::new(labels, [rows]), &device);
    let label = label.reshape([rows, 1]);
    let wide = |column: Tensor<2>| column.expand([rows, classes]);
    let class = Tensor::<1, Int>::arange(0..classes as i64, &device)
        .reshape([1, classes])
        .expand([rows, classes]);
    let (probs, logs) = match kind {
        ScoreKind::Logits => {
            let logs = log_softmax(scores.clone(), 1);
            (logs.clone().exp(), logs)
        }
        ScoreKind::LogProbs => (scores.clone().exp(), scores.clone()),
        ScoreKind::Probs => (scores.clone(), scores.clone().log()),
    };
    let least = scores.clone().min_dim(1);
    let own_score = wide(scores.clone().gather(1, label.clone()));
    let own = logs.clone().gather(1, label.clone());
    let best = scores.clone().max_dim(1);
    // The lowest of equals.
    let index = class
        .clone()
        .mask_fill(scores.clone().lower(wide(best)), classes as i64)
        .min_dim(1);
    let wide_label = label.expand([rows, classes]);
    let before = scores.clone().equal(own_score.clone()).int() * class.lower(wide_label).int();
    let above = scores.greater(own_score).int() + before;
    // 0 · ln 0 = 0: a logarithm of −∞ is cut to one that its probability, 0, wipes out.
    let entropy = (probs.clone() * logs.clamp_min(-1e4)).sum_dim(1).neg();
    let data = Transaction::default()
        .register(probs.clone().sum_dim(1))
        .register(least)
        .register(own)
        .register(probs.clone().max_dim(1))
        .register(entropy)
        .register(probs.square().sum_dim(1))
        .register(above.sum_dim(1))
        .register(index)
        .try_execute()
        .map_err(|error| UncertaintyError::Tensor {
            what: "columns of scores",
            reason: error.to_string(),
        })?;
    let mut columns: [Vec<f64>; 8] = Default::default();
    for (column, data) in columns.iter_mut().zip(data) {
        *column = data.iter::<f64>().collect();
    }
    Ok(columns)
}
