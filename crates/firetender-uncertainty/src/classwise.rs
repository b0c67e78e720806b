//! Class-wise calibration: every probability is held against how often its class came true.
//!
//! Top-label errors look at one number a row; these look at all C of them. Two forms of Nixon et al. (2019): the static error
//! (SCE) with bins of equal width, a histogram that fills and merges; and the adaptive errors (ACE, and TACE above a
//! threshold) with bins of equally many objects, which need every probability of a class at once. Both divide by N·C.
//!
//! With many classes nearly all probabilities are tiny and agree with nearly all outcomes, so SCE shrinks as C grows; TACE
//! drops the tiny ones and depends on the threshold.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bins::{Bin, BinTable, Binning, Bins};
use crate::mass::{Group, fill, sort};
use crate::row::RowBuffer;
use crate::scores::Scores;
use crate::targets::{Targets, Truth};
use crate::{ExactSum, UncertaintyError};

/// Fixed-point unit of a probability in a block of rows: 2⁻⁵¹.
const MAGIC: f64 = 4_503_599_627_370_496.0;
const UNIT: f64 = MAGIC / 2.0;
/// From units of 2⁻⁵¹ to units of 2⁻⁶⁴.
const SHIFT: u32 = 13;

/// Histograms of every class's probability: sums of probabilities and of outcomes a bin.
///
/// Most probabilities fall into the first bin, so that one is never touched: it is the whole class less the other bins.
///
/// ```
/// use firetender_uncertainty::{Binning, ClassBins, Scores, Targets};
/// let scores = Scores::probs(&[0.9, 0.1, 0.2, 0.8], 2)?;
/// let mut state = ClassBins::new(2, Binning::default())?;
/// state.update(&scores, &Targets::classes(&[0, 1]))?;
/// assert!((state.sce() - (0.1 + 0.2) / 2.0).abs() < 1e-15);
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassBins {
    binning: Binning,
    classes: usize,
    weight: ExactSum,
    /// Sums over all bins of a class.
    probs: Vec<ExactSum>,
    hits: Vec<ExactSum>,
    /// Outcomes that had probability zero, of all classes.
    impossible: Vec<ExactSum>,
    /// Class by class, the bins after the first.
    cells: Vec<ClassCell>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ClassCell {
    weight: ExactSum,
    probs: ExactSum,
    hits: ExactSum,
}

impl ClassBins {
    /// Empty histograms for `classes` classes.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] for equal-mass bins, see [`AdaptiveState`].
    pub fn new(classes: usize, binning: Binning) -> Result<Self, UncertaintyError> {
        if matches!(binning.bins(), Bins::EqualMass(_)) {
            return Err(UncertaintyError::Options {
                field: "class bins",
                found: format!("{:?}", binning.bins()),
                expected: "bins with fixed borders (equal-mass bins are those of TACE)",
            });
        }
        let bins = binning.edges().len() - 1;
        Ok(Self {
            binning,
            classes,
            weight: ExactSum::default(),
            probs: vec![ExactSum::default(); classes],
            hits: vec![ExactSum::default(); classes],
            impossible: vec![ExactSum::default(); classes],
            cells: vec![ClassCell::default(); classes * (bins - 1)],
        })
    }

    /// Adds a table of scores.
    ///
    /// # Errors
    /// As [`Targets::check`], and [`UncertaintyError::Mismatch`] for another number of classes.
    pub fn update(
        &mut self,
        scores: &Scores<'_>,
        targets: &Targets,
    ) -> Result<(), UncertaintyError> {
        targets.check(scores.rows(), scores.classes())?;
        self.same_classes(scores.classes())?;
        let empty = self.emptied();
        let block = block_rows(scores.classes());
        let parts: Vec<Self> = (0..scores.rows().div_ceil(block))
            .into_par_iter()
            .fold(
                || {
                    (
                        empty.clone(),
                        RowBuffer::new(scores.classes()),
                        ClassBlock::new(&empty),
                    )
                },
                |(mut state, mut buffer, mut part), at| {
                    for row in at * block..((at + 1) * block).min(scores.rows()) {
                        if !targets.is_out(row) {
                            buffer.read_probs(scores, row);
                            part.add(&mut state, &buffer.probs, targets, row);
                        }
                    }
                    part.flush(&mut state);
                    (state, buffer, part)
                },
            )
            .map(|(state, ..)| state)
            .collect();
        parts.iter().try_for_each(|part| self.merge(part))
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    fn same_classes(&self, classes: usize) -> Result<(), UncertaintyError> {
        if classes == self.classes {
            return Ok(());
        }
        Err(UncertaintyError::Mismatch {
            place: "class bins".into(),
            field: "classes",
            found: classes.to_string(),
            expected: self.classes.to_string(),
        })
    }

    /// The same histograms with nothing in them.
    pub(crate) fn emptied(&self) -> Self {
        let mut empty = self.clone();
        empty.weight = ExactSum::default();
        empty.probs.fill(ExactSum::default());
        empty.hits.fill(ExactSum::default());
        empty.impossible.fill(ExactSum::default());
        empty.cells.fill(ClassCell::default());
        empty
    }

    /// Adds the objects of another state.
    ///
    /// # Errors
    /// [`UncertaintyError::Mismatch`] when classes or binnings differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), UncertaintyError> {
        self.same_classes(other.classes)?;
        if self.binning != other.binning {
            return Err(UncertaintyError::Mismatch {
                place: "class bins to merge".into(),
                field: "binning",
                found: format!("{:?}", other.binning),
                expected: format!("{:?}", self.binning),
            });
        }
        self.weight.merge(other.weight);
        let add = |own: &mut Vec<ExactSum>, other: &[ExactSum]| {
            own.iter_mut().zip(other).for_each(|(a, b)| a.merge(*b));
        };
        add(&mut self.probs, &other.probs);
        add(&mut self.hits, &other.hits);
        add(&mut self.impossible, &other.impossible);
        for (cell, other) in self.cells.iter_mut().zip(&other.cells) {
            cell.weight.merge(other.weight);
            cell.probs.merge(other.probs);
            cell.hits.merge(other.hits);
        }
        Ok(())
    }

    /// The bins of one class: here "confidence" is its probability and "correct" means that it came true.
    ///
    /// # Panics
    /// When there is no such class.
    #[must_use]
    pub fn table(&self, class: usize) -> BinTable {
        assert!(class < self.classes, "class {class} of {}", self.classes);
        let mut rest = ClassCell {
            weight: self.weight,
            probs: self.probs[class],
            hits: self.hits[class],
        };
        let edges = self.binning.edges();
        let others = edges.len() - 2;
        let cells = &self.cells[class * others..][..others];
        for cell in cells {
            rest.weight = rest.weight.minus(cell.weight);
            rest.probs = rest.probs.minus(cell.probs);
            rest.hits = rest.hits.minus(cell.hits);
        }
        let all = std::iter::once(&rest).chain(cells).zip(edges.windows(2));
        let rows = all.map(|(cell, edges)| Bin {
            low: edges[0],
            high: edges[1],
            weight: cell.weight.value(),
            confidence_sum: cell.probs.value(),
            correct_sum: cell.hits.value(),
        });
        BinTable::from_rows(rows.collect())
    }

    /// Static calibration error: `Σ n_cb/(N·C) · |mean probability − frequency|` over classes and bins (Nixon et al. 2019).
    #[must_use]
    pub fn sce(&self) -> f64 {
        self.static_error(|_| 0.0)
    }

    /// The same without probabilities that are exactly zero, which the reference of Ashukha et al. (2020) drops because its first bin
    /// begins after 0. It differs only where a class came true that had probability zero.
    #[must_use]
    pub fn sce_without_zeros(&self) -> f64 {
        self.static_error(|class| self.impossible[class].value())
    }

    fn static_error(&self, dropped: impl Fn(usize) -> f64) -> f64 {
        let mut sum = 0.0;
        for class in 0..self.classes {
            let mut dropped = dropped(class);
            for bin in self.table(class).rows() {
                sum += (bin.confidence_sum - (bin.correct_sum - dropped)).abs();
                dropped = 0.0;
            }
        }
        sum / (self.weight.value() * self.classes as f64)
    }
}

/// Rows that fit the sums of a block without overflow and the cache without pressure.
pub(crate) fn block_rows(classes: usize) -> usize {
    (65_536 / classes).clamp(1, 1024)
}

/// Sums of a class over the rows of a block, in whole numbers, before they are added to the histograms.
#[derive(Debug)]
pub(crate) struct ClassBlock {
    sums: Vec<u64>,
    rows: u64,
    first_edge: f64,
}

impl ClassBlock {
    pub(crate) fn new(state: &ClassBins) -> Self {
        Self {
            sums: vec![0; state.classes],
            rows: 0,
            first_edge: state.binning.edges()[1],
        }
    }

    /// Adds a row of probabilities. At most 1,024 rows between two calls of [`Self::flush`].
    pub(crate) fn add(
        &mut self,
        state: &mut ClassBins,
        probs: &[f64],
        targets: &Targets,
        row: usize,
    ) {
        let weight = targets.weight(row);
        let truth = targets.truth(row);
        if weight == 1.0 {
            // p · 2⁵¹ in the lower bits of a float: no conversion, so that it is done several at a time.
            for (sum, p) in self.sums.iter_mut().zip(probs) {
                *sum += (p * UNIT + MAGIC).to_bits() - MAGIC.to_bits();
            }
            self.rows += 1;
        } else {
            for (sum, p) in state.probs.iter_mut().zip(probs) {
                let units = (p * UNIT + MAGIC).to_bits() - MAGIC.to_bits();
                sum.add(weight * (units as f64 / UNIT));
            }
            state.weight.add(weight);
        }
        let bins = state.binning.edges().len() - 2;
        for (class, &p) in probs.iter().enumerate() {
            if p < self.first_edge {
                continue;
            }
            let bin = state.binning.find(p);
            if bin > 0 {
                let units = (p * UNIT + MAGIC).to_bits() - MAGIC.to_bits();
                let cell = &mut state.cells[class * bins + bin - 1];
                cell.weight.add(weight);
                cell.probs.add(weight * (units as f64 / UNIT));
            }
        }
        let mut hit = |class: usize, share: f64| {
            let p = probs[class];
            if p == 0.0 {
                state.impossible[class].add(weight * share);
            }
            state.hits[class].add(weight * share);
            let bin = state.binning.find(p);
            if bin > 0 {
                state.cells[class * bins + bin - 1].hits.add(weight * share);
            }
        };
        match truth {
            Truth::Class(class) => hit(class, 1.0),
            Truth::Soft(shares) => {
                for (class, share) in shares.iter().enumerate() {
                    hit(class, *share);
                }
            }
        }
    }

    /// Adds what has come together to the histograms.
    pub(crate) fn flush(&mut self, state: &mut ClassBins) {
        for (total, sum) in state.probs.iter_mut().zip(&mut self.sums) {
            total.add_units(i128::from(*sum) << SHIFT);
            *sum = 0;
        }
        state.weight.add(self.rows as f64);
        self.rows = 0;
    }
}

/// What the adaptive calibration errors divide by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaceNorm {
    /// `Σ n_b · |gap| / (N·C)`: the reference, and what the class-wise static error does.
    #[default]
    ByNC,
    /// `Σ n_b · |gap|` / (number of probabilities above the threshold).
    ByKept,
    /// Σ |gap| / (number of bins): Nixon et al. (2019).
    EqualRange,
}

/// Probabilities of every class, kept for bins of equally many objects.
///
/// Eight bytes a probability, so N·C·8 bytes in all; two states merge exactly. Where all the scores are at hand, the table of
/// metrics is made class by class instead, without this memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptiveState {
    classes: usize,
    rows: u64,
    weight: ExactSum,
    /// Unweighted hard targets: bits of the probability, shifted, with the outcome in the lowest bit.
    keys: Vec<Vec<u64>>,
    /// Weighted or soft ones: probability, outcome, weight.
    entries: Vec<Vec<(f64, f64, f64)>>,
}

/// A pair of adaptive calibration errors and what they were made from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adaptive {
    /// The error. `None` where the reference's is NaN (compatible mode) or no probability is above the threshold and the norm asks
    /// for some.
    pub value: Option<f64>,
    /// Classes with fewer probabilities above the threshold than bins, whose bins were merged.
    pub short_classes: u64,
}

/// Settings of the adaptive calibration errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptiveOptions {
    /// Bins a class.
    pub bins: usize,
    /// Probabilities must be above this to count: 10⁻³ for TACE, 0 for ACE.
    pub threshold: f64,
    /// What to divide by.
    pub norm: TaceNorm,
    /// Give up (`None`) when a class has fewer probabilities than bins, as the reference does with NaN; otherwise use fewer bins.
    pub refuse_short: bool,
}

impl AdaptiveState {
    /// Nothing yet, for `classes` classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            rows: 0,
            weight: ExactSum::default(),
            keys: vec![vec![]; classes],
            entries: vec![vec![]; classes],
        }
    }

    /// Adds a table of scores.
    ///
    /// # Errors
    /// As [`Targets::check`], and [`UncertaintyError::Mismatch`] for another number of classes.
    pub fn update(
        &mut self,
        scores: &Scores<'_>,
        targets: &Targets,
    ) -> Result<(), UncertaintyError> {
        targets.check(scores.rows(), scores.classes())?;
        if scores.classes() != self.classes {
            return Err(UncertaintyError::Mismatch {
                place: "adaptive calibration".into(),
                field: "classes",
                found: scores.classes().to_string(),
                expected: self.classes.to_string(),
            });
        }
        let mut buffer = RowBuffer::new(self.classes);
        for row in 0..scores.rows() {
            if targets.is_out(row) {
                continue;
            }
            buffer.read_probs(scores, row);
            self.push(&buffer.probs, targets, row);
        }
        Ok(())
    }

    /// Adds a row of probabilities.
    pub(crate) fn push(&mut self, probs: &[f64], targets: &Targets, row: usize) {
        let weight = targets.weight(row);
        self.rows += 1;
        self.weight.add(weight);
        match targets.truth(row) {
            Truth::Class(hit) if weight == 1.0 => {
                for (class, p) in probs.iter().enumerate() {
                    self.keys[class].push(key(*p, class == hit));
                }
            }
            truth => {
                for (class, p) in probs.iter().enumerate() {
                    let share = match truth {
                        Truth::Class(hit) => f64::from(u8::from(class == hit)),
                        Truth::Soft(shares) => shares[class],
                    };
                    self.entries[class].push((*p, share, weight));
                }
            }
        }
    }

    /// Adds the objects of another state.
    ///
    /// # Errors
    /// [`UncertaintyError::Mismatch`] when the numbers of classes differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), UncertaintyError> {
        if other.classes != self.classes {
            return Err(UncertaintyError::Mismatch {
                place: "adaptive calibration to merge".into(),
                field: "classes",
                found: other.classes.to_string(),
                expected: self.classes.to_string(),
            });
        }
        self.rows += other.rows;
        self.weight.merge(other.weight);
        for (own, other) in self.keys.iter_mut().zip(&other.keys) {
            own.extend_from_slice(other);
        }
        for (own, other) in self.entries.iter_mut().zip(&other.entries) {
            own.extend_from_slice(other);
        }
        Ok(())
    }

    /// The errors for several settings, from one sort a class.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] for no bins, or a threshold outside [0, 1).
    pub fn errors(&self, options: &[AdaptiveOptions]) -> Result<Vec<Adaptive>, UncertaintyError> {
        options.iter().try_for_each(check_adaptive)?;
        let parts: Vec<Vec<ClassPart>> = (0..self.classes)
            .into_par_iter()
            .map(|class| class_parts(&mut self.keys[class].clone(), &self.entries[class], options))
            .collect();
        Ok(adaptive(&parts, options, self.weight.value()))
    }
}

pub(crate) fn check_adaptive(options: &AdaptiveOptions) -> Result<(), UncertaintyError> {
    let failed = |field, found, expected| UncertaintyError::Options {
        field,
        found,
        expected,
    };
    if options.bins == 0 {
        return Err(failed("bins", "0".into(), "at least one"));
    }
    if !(0.0..1.0).contains(&options.threshold) {
        let found = options.threshold.to_string();
        return Err(failed("threshold", found, "a number from 0 to below 1"));
    }
    Ok(())
}

/// A probability and an outcome as one number that sorts like the probability.
pub(crate) fn key(p: f64, hit: bool) -> u64 {
    (p.to_bits() << 1) | u64::from(hit)
}

/// What one class contributes under one setting.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClassPart {
    gaps: f64,
    mean_gaps: f64,
    kept: f64,
    bins: usize,
    short: bool,
}

/// Bins one class under every setting. Sorts `keys`.
pub(crate) fn class_parts(
    keys: &mut [u64],
    entries: &[(f64, f64, f64)],
    options: &[AdaptiveOptions],
) -> Vec<ClassPart> {
    keys.sort_unstable();
    let mut mixed = vec![];
    if !entries.is_empty() {
        mixed = entries.to_vec();
        mixed.extend(keys.iter().map(|k| (value(*k), (k & 1) as f64, 1.0)));
        sort(&mut mixed);
    }
    let each = options.iter().map(|options| {
        if mixed.is_empty() {
            let border = key(options.threshold, true);
            let kept = &keys[keys.partition_point(|k| *k <= border)..];
            sorted_part(kept, options.bins)
        } else {
            let kept = &mixed[mixed.partition_point(|e| e.0 <= options.threshold)..];
            let total = kept.iter().map(|e| e.2).sum();
            part(crate::mass::groups(kept), total, options.bins)
        }
    });
    each.collect()
}

fn value(key: u64) -> f64 {
    f64::from_bits(key >> 1)
}

/// [`part`] of sorted keys without weights: sums over ranges, and only the groups that a border cuts are looked at.
fn sorted_part(kept: &[u64], bins: usize) -> ClassPart {
    let m = kept.len();
    let mut part = ClassPart {
        kept: m as f64,
        short: m < bins,
        ..ClassPart::default()
    };
    if m == 0 {
        return part;
    }
    part.bins = bins.min(m);
    let size = m / part.bins;
    // Right ones before a border, with a share of the group that it cuts.
    let mut carried = 0.0;
    for bin in 0..part.bins {
        let start = bin * size;
        let end = if bin + 1 == part.bins {
            m
        } else {
            start + size
        };
        let probs: f64 = kept[start..end].iter().map(|k| value(*k)).sum();
        let hits = kept[start..end].iter().map(|k| k & 1).sum::<u64>() as f64;
        let surplus = surplus(kept, end);
        let hits = hits - surplus + carried;
        carried = surplus;
        part.gaps += (probs - hits).abs();
        part.mean_gaps += (probs - hits).abs() / (end - start) as f64;
    }
    part
}

/// How many more right ones lie before a border than the share of the group of equals that it cuts.
fn surplus(kept: &[u64], border: usize) -> f64 {
    if border == kept.len() || kept[border] >> 1 != kept[border - 1] >> 1 {
        return 0.0;
    }
    let own = kept[border] >> 1;
    let from = kept[..border].partition_point(|k| k >> 1 < own);
    let to = border + kept[border..].partition_point(|k| k >> 1 == own);
    let hits = |range: &[u64]| range.iter().map(|k| k & 1).sum::<u64>() as f64;
    let share = (border - from) as f64 / (to - from) as f64;
    hits(&kept[from..border]) - share * hits(&kept[from..to])
}

fn part(groups: impl Iterator<Item = Group>, kept: f64, bins: usize) -> ClassPart {
    let mut part = ClassPart {
        kept,
        short: kept < bins as f64,
        ..ClassPart::default()
    };
    if kept > 0.0 {
        part.bins = fill(groups, kept, bins, |bin| {
            part.gaps += (bin.confidence_sum - bin.correct_sum).abs();
            part.mean_gaps += bin.gap().abs();
        });
    }
    part
}

/// Puts the classes together: `parts[class][setting]`.
pub(crate) fn adaptive(
    parts: &[Vec<ClassPart>],
    options: &[AdaptiveOptions],
    weight: f64,
) -> Vec<Adaptive> {
    let each = options.iter().enumerate().map(|(at, options)| {
        let of = |f: fn(&ClassPart) -> f64| parts.iter().map(|p| f(&p[at])).sum::<f64>();
        let short_classes = parts.iter().filter(|p| p[at].short).count() as u64;
        let (sum, by) = match options.norm {
            TaceNorm::ByNC => (of(|p| p.gaps), weight * parts.len() as f64),
            TaceNorm::ByKept => (of(|p| p.gaps), of(|p| p.kept)),
            TaceNorm::EqualRange => (of(|p| p.mean_gaps), of(|p| p.bins as f64)),
        };
        let known = by > 0.0 && !(options.refuse_short && short_classes > 0);
        Adaptive {
            value: known.then(|| sum / by),
            short_classes,
        }
    });
    each.collect()
}

/// The errors of a whole table of scores, class by class: memory O(N) for each thread, never N·C.
pub(crate) fn adaptive_of(
    scores: &Scores<'_>,
    targets: &Targets,
    options: &[AdaptiveOptions],
    weight: f64,
) -> Vec<Adaptive> {
    let rows: Vec<usize> = (0..scores.rows())
        .filter(|row| !targets.is_out(*row))
        .collect();
    let norms = scores.normalisers();
    let plain = rows
        .iter()
        .all(|row| targets.weight(*row) == 1.0 && matches!(targets.truth(*row), Truth::Class(_)));
    const WIDTH: usize = 8;
    let blocks: Vec<Vec<Vec<ClassPart>>> = (0..scores.classes().div_ceil(WIDTH))
        .into_par_iter()
        .map(|block| {
            let classes = block * WIDTH..((block + 1) * WIDTH).min(scores.classes());
            let mut keys = vec![vec![]; classes.len()];
            let mut entries = vec![vec![]; classes.len()];
            let mut probs = vec![0.0; classes.len()];
            for list in &mut keys {
                list.reserve_exact(if plain { rows.len() } else { 0 });
            }
            for &row in &rows {
                scores.prob_block(row, classes.start, &norms, &mut probs);
                let truth = targets.truth(row);
                for (at, &p) in probs.iter().enumerate() {
                    let class = classes.start + at;
                    let share = match truth {
                        Truth::Class(hit) => f64::from(u8::from(hit == class)),
                        Truth::Soft(shares) => shares[class],
                    };
                    if plain {
                        keys[at].push(key(p, share == 1.0));
                    } else {
                        entries[at].push((p, share, targets.weight(row)));
                    }
                }
            }
            let lists = keys.iter_mut().zip(&entries);
            lists.map(|(k, e)| class_parts(k, e, options)).collect()
        })
        .collect();
    adaptive(&blocks.concat(), options, weight)
}
