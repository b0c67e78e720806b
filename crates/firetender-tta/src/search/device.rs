//! The search on the caller's device.
//!
//! The same steps as tensor operations, for pools that are on a GPU already: `Q = (S + P) / t`, logarithm, and per Newton step one exponential and
//! four sums, for a chunk of candidates at once. Sums over classes and blocks of samples are made on the device in its precision; blocks are added on the host in
//! `f64`, in a fixed order. No candidate is screened out. The host path is the exact one; a test holds the two together.

use burn::tensor::{Int, Tensor, TensorData, Transaction};

use super::{
    GreedySearch, Mode, Pick, StepRule, Trace,
    criterion::Criterion,
    fit::{Fit, maximise},
    pass::Exact,
};
use crate::TtaError;

/// Samples whose sums stay on the device.
const BLOCK: usize = 256;

/// Greedy search on probabilities `[B, N, C]` and labels `[N]`, both on one device; `chunk` candidates are looked at together, which bounds the
/// memory (four tables of `chunk · N · C` numbers). Calibrated or plain log-likelihood, with or without replacement; scores within 10⁻⁶ of
/// [`GreedySearch::run`]'s on the same predictions for `f32`, and the same picks where the gap is above 10⁻⁵. No floor: the probabilities are
/// raised to 10⁻³⁰ instead.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use firetender_tta::{GreedySearch, search_tensor};
/// let device = Device::flex();
/// let pool = Tensor::<3>::from_data([[[0.9, 0.1], [0.6, 0.4]], [[0.5, 0.5], [0.1, 0.9]]], &device);
/// let labels = Tensor::<1, Int>::from_data([0, 1], &device);
/// let trace = search_tensor(&GreedySearch::new(2), pool, labels, 2)?;
/// assert_eq!(trace.selected()[0], 1);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// [`TtaError::Empty`] and [`TtaError::Length`] for shapes that do not fit; [`TtaError::Label`]; [`TtaError::Options`] for an option that only the host
/// path knows (other criteria, costs, a start); [`TtaError::Tensor`] when the device fails.
pub fn search_tensor(
    search: &GreedySearch,
    pool: Tensor<3>,
    labels: Tensor<1, Int>,
    chunk: usize,
) -> Result<Trace, TtaError> {
    let calibrated = match search.criterion {
        Criterion::CalibratedLl => true,
        Criterion::Ll => false,
        _ => {
            let found = search.criterion.name();
            return Err(TtaError::option(
                "criterion",
                found,
                "cll or ll, on a device",
            ));
        }
    };
    if search.costs.is_some() || !search.start.is_empty() || search.step != StepRule::Uniform {
        return Err(TtaError::option(
            "start, costs or line search",
            "given",
            "none, on a device",
        ));
    }
    let [entries, samples, classes] = pool.dims();
    for (what, count) in [
        ("entries of a pool", entries),
        ("samples", samples),
        ("candidates in a chunk", chunk),
    ] {
        if count == 0 {
            return Err(TtaError::Empty { what });
        }
    }
    if labels.dims()[0] != samples {
        return Err(TtaError::Length {
            what: "labels",
            found: labels.dims()[0],
            expected: samples,
        });
    }
    let given = labels
        .clone()
        .try_into_vec_as::<i64>()
        .map_err(|error| failed("labels", &error.to_string()))?;
    if let Some(sample) = given.iter().position(|l| !(0..classes as i64).contains(l)) {
        return Err(TtaError::Label {
            sample,
            found: given[sample],
            classes,
        });
    }
    let device = pool.device();
    let labels = labels.reshape([1, samples, 1]);
    let mut sum = Tensor::<3>::zeros([1, samples, classes], &device);
    let mut used = vec![false; entries];
    let mut trace = Trace {
        criterion: search.criterion.name().to_owned(),
        mode: Mode::Full,
        ..Trace::default()
    };
    let mut beta = 1.0;
    for step in 0..search.steps {
        let mut found: Vec<(usize, Fit)> = vec![];
        for first in (0..entries).step_by(chunk) {
            let last = (first + chunk).min(entries);
            let part = pool.clone().slice([first..last, 0..samples, 0..classes]);
            let mixed = (part + sum.clone()) / (step + 1) as f64;
            let fits = fit_chunk(mixed, &labels, beta, search.bounds, calibrated)?;
            found.extend((first..last).zip(fits));
        }
        found.retain(|(entry, _)| search.replacement || !used[*entry]);
        let best_of = |but: Option<usize>| {
            let mut best: Option<(usize, Fit)> = None;
            for (entry, fit) in &found {
                if Some(*entry) != but && best.is_none_or(|(_, top)| fit.value > top.value) {
                    best = Some((*entry, *fit));
                }
            }
            best
        };
        let Some((index, fit)) = best_of(None) else {
            break;
        };
        let second = best_of(Some(index));
        beta = fit.beta;
        used[index] = true;
        sum = sum
            + pool
                .clone()
                .slice([index..index + 1, 0..samples, 0..classes]);
        trace.picks.push(Pick {
            index,
            score: fit.value,
            temperature: 1.0 / fit.beta,
            runner_up: second.map(|(entry, _)| entry),
            gap: second.map(|(_, other)| fit.value - other.value),
            refined: found.len(),
            passes: found.iter().map(|(_, fit)| fit.passes).sum(),
            at_bound: fit.at_bound,
            share: None,
        });
    }
    Ok(trace)
}

/// Newton's method for all candidates of a chunk together: the same bracketed search as on the host, each fed from one batched pass a round.
fn fit_chunk(
    mixed: Tensor<3>,
    labels: &Tensor<3, Int>,
    start: f64,
    bounds: [f64; 2],
    calibrated: bool,
) -> Result<Vec<Fit>, TtaError> {
    let [count, samples, classes] = mixed.dims();
    let logs = mixed.clamp_min(1e-30).log();
    let top = logs.clone().max_dim(2);
    let logs = logs - top;
    let labels = labels.clone().expand([count, samples, 1]);
    let own = logs.clone().gather(2, labels);
    let padding = samples.next_multiple_of(BLOCK) - samples;
    // One row of numbers a candidate: sums over blocks of samples.
    let blocks = |column: Tensor<3>| -> Tensor<2> {
        let column = column.reshape([count, samples]);
        let column = if padding > 0 {
            let zeros = Tensor::<2>::zeros([count, padding], &column.device());
            Tensor::cat(vec![column, zeros], 1)
        } else {
            column
        };
        let per = (samples + padding) / BLOCK;
        column
            .reshape([count, per, BLOCK])
            .sum_dim(2)
            .reshape([count, per])
    };
    let pass = |betas: &[f64]| -> Result<Vec<Exact>, TtaError> {
        let betas32: Vec<f32> = betas.iter().map(|b| *b as f32).collect();
        let wide = Tensor::<1>::from_data(TensorData::new(betas32, [count]), &logs.device())
            .reshape([count, 1, 1]);
        let e = (logs.clone() * wide.clone()).exp();
        let el = e.clone() * logs.clone();
        let z = e.sum_dim(2);
        let mean = el.clone().sum_dim(2) / z.clone();
        let spread = (el * logs.clone()).sum_dim(2) / z.clone() - mean.clone().square();
        let value = own.clone() * wide - z.log();
        let data = Transaction::default()
            .register(blocks(value))
            .register(blocks(own.clone() - mean))
            .register(blocks(spread))
            .try_execute()
            .map_err(|error| failed("sums", &error.to_string()))?;
        let per = (samples + padding) / BLOCK;
        let sums: Vec<Vec<f64>> = data
            .iter()
            .map(|data| {
                let numbers: Vec<f64> = data.iter::<f64>().collect();
                let sums = numbers.chunks(per).map(|row| row.iter().sum::<f64>());
                sums.map(|sum| sum / samples as f64).collect()
            })
            .collect();
        Ok((0..count)
            .map(|at| Exact {
                value: sums[0][at],
                slope: sums[1][at],
                curvature: sums[2][at],
                deep: false,
            })
            .collect())
    };
    debug_assert!(classes > 1);
    if !calibrated {
        let found = pass(&vec![1.0; count])?;
        return Ok(found
            .iter()
            .map(|found| Fit {
                beta: 1.0,
                value: found.value,
                passes: 1,
                at_bound: false,
                deep: false,
            })
            .collect());
    }
    // Each candidate's search asks for the pass at its next β; known answers are replayed.
    let mut known: Vec<Vec<(f64, Exact)>> = vec![vec![]; count];
    let mut done: Vec<Option<Fit>> = vec![None; count];
    for _ in 0..40 {
        let mut betas = vec![start.clamp(bounds[0], bounds[1]); count];
        for at in 0..count {
            if done[at].is_some() {
                continue;
            }
            let asked = std::cell::Cell::new(None);
            let fit = maximise(start, bounds, |beta| {
                let answer = known[at].iter().find(|(b, _)| *b == beta).map(|(_, e)| *e);
                answer.unwrap_or_else(|| {
                    if asked.get().is_none() {
                        asked.set(Some(beta));
                    }
                    // Ends the search: nothing to gain.
                    Exact {
                        value: f64::NEG_INFINITY,
                        slope: 0.0,
                        curvature: 1.0,
                        deep: false,
                    }
                })
            });
            match asked.get() {
                Some(beta) => betas[at] = beta,
                None => done[at] = Some(fit),
            }
            // f32 sums cannot resolve more than this.
            if let [.., (_, last)] = known[at][..]
                && last.curvature > 0.0
                && last.slope * last.slope / last.curvature < 1e-9
            {
                let (beta, found) = known[at][known[at].len() - 1];
                done[at] = Some(Fit {
                    beta: (beta + found.slope / found.curvature).clamp(bounds[0], bounds[1]),
                    value: found.value + 0.5 * found.slope * found.slope / found.curvature,
                    passes: known[at].len(),
                    at_bound: false,
                    deep: false,
                });
            }
        }
        if done.iter().all(Option::is_some) {
            break;
        }
        let found = pass(&betas)?;
        for at in 0..count {
            if done[at].is_none() {
                known[at].push((betas[at], found[at]));
            }
        }
    }
    Ok(done
        .into_iter()
        .zip(&known)
        .map(|(fit, known)| {
            fit.unwrap_or_else(|| {
                let best = known.iter().max_by(|a, b| a.1.value.total_cmp(&b.1.value));
                let (beta, value) = best.map_or((1.0, f64::NEG_INFINITY), |(b, e)| (*b, e.value));
                Fit {
                    beta,
                    value,
                    passes: known.len(),
                    at_bound: true,
                    deep: false,
                }
            })
        })
        .collect())
}

fn failed(what: &'static str, reason: &str) -> TtaError {
    TtaError::Tensor {
        what,
        reason: reason.to_owned(),
    }
}
