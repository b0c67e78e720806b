//! What a curve of effect and damage says: damage at equal effect, effect at a damage budget, area under the front.
//!
//! Two ways to steer cannot be compared at equal strength, since a strength means another thing for each. They can be compared
//! where they achieve the same: [`Track::damage_at_effect`] walks a curve outward from strength 0 and interpolates between
//! measured points. An effect that was not reached is a result, `None`; nothing is ever extrapolated. All of it is `f64` on
//! the host, from the sums that [`crate::sweep()`] keeps by prompt, so that intervals draw prompts (or whole groups of them, or
//! seeds) again: [`Derived::over`].

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Bootstrap, Curve, CurvePoint, PromptDamage, SteerError};

/// Damage in one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Measure {
    /// KL(steered ‖ plain), nats a token.
    #[default]
    Kl,
    /// KL(plain ‖ steered), nats a token.
    ReverseKl,
    /// Share of tokens after which the most likely token is another.
    Disagreement,
}

impl Measure {
    fn of(self, prompt: &PromptDamage) -> f64 {
        match self {
            Self::Kl => prompt.kl,
            Self::ReverseKl => prompt.reverse_kl,
            Self::Disagreement => (prompt.tokens - prompt.agreed) as f64,
        }
    }
}

/// Whether more or less of the effect is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// More.
    #[default]
    Raise,
    /// Less.
    Lower,
}

impl Goal {
    /// How much better `effect` is than `plain`: larger is better.
    pub(crate) fn gain(self, effect: f64, plain: f64) -> f64 {
        match self {
            Self::Raise => effect - plain,
            Self::Lower => plain - effect,
        }
    }
}

/// A place on a curve: measured, or between two measured points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackPoint {
    /// The strength.
    pub strength: f64,
    /// Mean effect.
    pub effect: f64,
    /// Mean damage.
    pub damage: f64,
}

/// Effect and damage over strengths as plain numbers, straight lines between the points.
///
/// ```
/// use firetender_steer::{Goal, Track, TrackPoint};
/// let point = |strength, effect, damage| TrackPoint { strength, effect, damage };
/// let track = Track::new(vec![point(0.0, 1.0, 0.0), point(1.0, 3.0, 0.2), point(2.0, 4.0, 1.0)]).unwrap();
/// assert_eq!(track.damage_at_effect(2.0).unwrap(), point(0.5, 2.0, 0.1));
/// assert!(track.damage_at_effect(9.0).is_none(), "not reached, and never extrapolated");
/// assert_eq!(track.effect_at_damage(0.6, Goal::Raise).strength, 1.5);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<TrackPoint>", into = "Vec<TrackPoint>")]
pub struct Track {
    points: Vec<TrackPoint>,
    /// Index of strength 0.
    plain: usize,
}

impl Track {
    /// From points in any order.
    ///
    /// # Errors
    /// [`SteerError::Input`] unless strengths are distinct, one of them is 0 (the plain model, from which everything is
    /// counted), and all numbers are finite.
    pub fn new(mut points: Vec<TrackPoint>) -> Result<Self, SteerError> {
        let fail = |what: String| Err(SteerError::Input { what });
        let finite = |p: &TrackPoint| {
            [p.strength, p.effect, p.damage]
                .iter()
                .all(|x| x.is_finite())
        };
        if let Some(point) = points.iter().find(|point| !finite(point)) {
            return fail(format!("a curve with {point:?}; expected finite numbers"));
        }
        points.sort_by(|a, b| a.strength.total_cmp(&b.strength));
        if let Some(twice) = points.windows(2).find(|w| w[0].strength == w[1].strength) {
            return fail(format!(
                "strength {} stands twice on a curve",
                twice[0].strength
            ));
        }
        match points.iter().position(|point| point.strength == 0.0) {
            Some(plain) => Ok(Self { points, plain }),
            None => fail(
                "a curve without strength 0; expected the plain model among the strengths".into(),
            ),
        }
    }

    /// The points by rising strength.
    #[must_use]
    pub fn points(&self) -> &[TrackPoint] {
        &self.points
    }

    /// The plain model's point.
    #[must_use]
    pub fn plain(&self) -> TrackPoint {
        self.points[self.plain]
    }

    /// From 0 upward, and from 0 downward.
    fn branches(&self) -> [Vec<TrackPoint>; 2] {
        let down = self.points[..=self.plain].iter().rev().copied().collect();
        [self.points[self.plain..].to_vec(), down]
    }

    /// Where the effect is first reached on the way outward from 0, with the damage there; on whichever side that costs less.
    /// `None` when it is not reached within the strengths that were measured.
    #[must_use]
    pub fn damage_at_effect(&self, effect: f64) -> Option<TrackPoint> {
        let reached = |branch: &Vec<TrackPoint>| {
            if branch[0].effect == effect {
                return Some(branch[0]);
            }
            let above = branch[0].effect > effect;
            let step = branch
                .windows(2)
                .find(|step| (step[1].effect > effect) != above || step[1].effect == effect)?;
            let share = (effect - step[0].effect) / (step[1].effect - step[0].effect);
            Some(between(step, share))
        };
        let found = self
            .branches()
            .iter()
            .filter_map(reached)
            .collect::<Vec<_>>();
        found
            .into_iter()
            .min_by(|a, b| a.damage.total_cmp(&b.damage))
    }

    /// The best effect on the way outward from 0 before the damage first exceeds `budget`. At worst that is the plain model.
    #[must_use]
    pub fn effect_at_damage(&self, budget: f64, goal: Goal) -> TrackPoint {
        let mut best = self.plain();
        for branch in self.branches() {
            let mut allowed = vec![];
            for (at, point) in branch.iter().enumerate() {
                if point.damage <= budget {
                    allowed.push(*point);
                    continue;
                }
                if at > 0 {
                    let step = &branch[at - 1..=at];
                    let share = (budget - step[0].damage) / (step[1].damage - step[0].damage);
                    allowed.push(between(step, share));
                }
                break;
            }
            for point in allowed {
                if goal.gain(point.effect, best.effect) > 0.0 {
                    best = point;
                }
            }
        }
        best
    }

    /// Change of the effect per unit of strength: the least-squares slope over the points with strengths from `low` to `high`.
    /// `None` with fewer than two of them.
    #[must_use]
    pub fn steerability(&self, low: f64, high: f64) -> Option<f64> {
        let within = |p: &&TrackPoint| (low..=high).contains(&p.strength);
        let points: Vec<&TrackPoint> = self.points.iter().filter(within).collect();
        if points.len() < 2 {
            return None;
        }
        let n = points.len() as f64;
        let mean =
            |value: &dyn Fn(&TrackPoint) -> f64| points.iter().map(|p| value(p)).sum::<f64>() / n;
        let (k, e) = (mean(&|p| p.strength), mean(&|p| p.effect));
        let along = mean(&|p| (p.strength - k) * (p.effect - e));
        Some(along / mean(&|p| (p.strength - k).powi(2)))
    }

    /// The measured points that no other beats in both respects, by rising damage: gains over the plain model and what they
    /// cost. The first is the plain model or something that costs as little.
    #[must_use]
    pub fn front(&self, goal: Goal) -> Vec<TrackPoint> {
        let plain = self.plain().effect;
        let mut sorted = self.points.clone();
        sorted.sort_by(|a, b| {
            let gains = |p: &TrackPoint| goal.gain(p.effect, plain);
            a.damage
                .total_cmp(&b.damage)
                .then(gains(b).total_cmp(&gains(a)))
        });
        let mut front: Vec<TrackPoint> = vec![];
        for point in sorted {
            if front
                .last()
                .is_none_or(|last| goal.gain(point.effect, last.effect) > 0.0)
            {
                front.push(point);
            }
        }
        front
    }

    /// Area under the Pareto front up to a damage of `budget`, divided by it: the mean gain in effect over all budgets up to
    /// this one. Straight lines join the front's points; beyond its last point the gain stays what it is.
    #[must_use]
    pub fn area(&self, budget: f64, goal: Goal) -> f64 {
        let plain = self.plain().effect;
        let front: Vec<(f64, f64)> = self
            .front(goal)
            .iter()
            .map(|p| (p.damage, goal.gain(p.effect, plain).max(0.0)))
            .collect();
        let mut sum = 0.0;
        for step in front.windows(2) {
            let ((from, low), (to, high)) = (step[0], step[1]);
            if from >= budget {
                break;
            }
            let end = to.min(budget);
            let reached = low + (high - low) * (end - from) / (to - from);
            sum += (end - from) * (low + reached) / 2.0;
        }
        if let Some((last, gain)) = front.last().filter(|(last, _)| *last < budget) {
            sum += (budget - last) * gain;
        }
        sum / budget
    }
}

fn between(step: &[TrackPoint], share: f64) -> TrackPoint {
    let mix = |a: f64, b: f64| a + (b - a) * share;
    TrackPoint {
        strength: mix(step[0].strength, step[1].strength),
        effect: mix(step[0].effect, step[1].effect),
        damage: mix(step[0].damage, step[1].damage),
    }
}

impl TryFrom<Vec<TrackPoint>> for Track {
    type Error = SteerError;

    fn try_from(points: Vec<TrackPoint>) -> Result<Self, SteerError> {
        Self::new(points)
    }
}

impl From<Track> for Vec<TrackPoint> {
    fn from(track: Track) -> Self {
        track.points
    }
}

impl Curve {
    /// The curve as plain numbers.
    ///
    /// # Errors
    /// As [`Track::new`].
    pub fn track(&self, measure: Measure) -> Result<Track, SteerError> {
        self.drawn(measure, None, None)
    }

    /// The same with each prompt counted as often as it was drawn.
    fn drawn(
        &self,
        measure: Measure,
        targets: Option<&[usize]>,
        benign: Option<&[usize]>,
    ) -> Result<Track, SteerError> {
        let of = |point: &CurvePoint| {
            let all: Vec<usize> = (0..point.effects.len()).collect();
            let targets = targets.unwrap_or(&all);
            let effect = targets.iter().map(|i| point.effects[*i]).sum::<f64>();
            let all: Vec<usize> = (0..point.damage.prompts.len()).collect();
            let benign = benign.unwrap_or(&all);
            let (mut sum, mut tokens) = (0.0, 0.0);
            for prompt in benign.iter().map(|i| &point.damage.prompts[*i]) {
                sum += measure.of(prompt);
                tokens += prompt.tokens as f64;
            }
            TrackPoint {
                strength: point.strength,
                effect: effect / targets.len() as f64,
                damage: sum / tokens,
            }
        };
        Track::new(self.points.iter().map(of).collect())
    }

    /// Takes in the same sweep over further prompts, and draws intervals anew.
    ///
    /// # Errors
    /// [`SteerError::Mismatch`] when the strengths differ.
    pub fn merge(&mut self, other: Self, bootstrap: &Bootstrap) -> Result<(), SteerError> {
        let strengths = |curve: &Self| curve.points.iter().map(|p| p.strength).collect::<Vec<_>>();
        if strengths(self) != strengths(&other) {
            return Err(SteerError::Mismatch {
                place: "curves to be merged".into(),
                field: "strengths",
                found: format!("{:?}", strengths(&other)),
                expected: format!("{:?}", strengths(self)),
            });
        }
        for (mine, theirs) in self.points.iter_mut().zip(other.points) {
            let mut effects = std::mem::take(&mut mine.effects);
            effects.extend(theirs.effects);
            let mut damage = std::mem::take(&mut mine.damage);
            damage.merge(theirs.damage);
            *mine = crate::sweep::point(mine.strength, effects, damage, bootstrap)?;
        }
        Ok(())
    }
}

/// A number read off one or several curves, and the interval in which it would fall with other prompts and seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Derived {
    /// The number, mean over the curves that have it; `None` when none does.
    pub value: Option<f64>,
    /// Lower end, over the drawings in which it exists.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Share of the drawings in which it exists: below 1, the interval is one among those that reached it.
    pub reached: f64,
}

/// Groups of prompts that are drawn together: `targets[i]` is the group of target prompt `i`, `benign[i]` that of a benign one.
/// Without groups each prompt stands for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters {
    /// Groups of the target prompts.
    pub targets: Option<Vec<usize>>,
    /// Groups of the benign prompts.
    pub benign: Option<Vec<usize>>,
}

/// The members of each group.
fn members(clusters: Option<&[usize]>, n: usize) -> Result<Vec<Vec<usize>>, SteerError> {
    let Some(clusters) = clusters else {
        return Ok((0..n).map(|i| vec![i]).collect());
    };
    if clusters.len() != n {
        let what = format!("groups for {} prompts; the curve has {n}", clusters.len());
        return Err(SteerError::Input { what });
    }
    let mut groups: std::collections::BTreeMap<usize, Vec<usize>> =
        std::collections::BTreeMap::new();
    for (prompt, cluster) in clusters.iter().enumerate() {
        groups.entry(*cluster).or_default().push(prompt);
    }
    Ok(groups.into_values().collect())
}

impl Derived {
    /// A statistic of curves with its interval. Several curves are the same experiment with other seeds: curves are drawn, then
    /// in each its prompts; a statistic is the mean over the drawn curves, and exists where all of them have it.
    ///
    /// # Errors
    /// [`SteerError::Input`] for no curves, a curve without strength 0, or groups that do not fit.
    pub fn over(
        curves: &[Curve],
        measure: Measure,
        clusters: &Clusters,
        bootstrap: &Bootstrap,
        statistic: &dyn Fn(&Track) -> Option<f64>,
    ) -> Result<Self, SteerError> {
        let mut plain = vec![];
        let mut groups = vec![];
        for curve in curves {
            let track = curve.track(measure)?;
            plain.extend(statistic(&track));
            let first = &curve.points[0];
            groups.push((
                members(clusters.targets.as_deref(), first.effects.len())?,
                members(clusters.benign.as_deref(), first.damage.prompts.len())?,
            ));
        }
        if curves.is_empty() {
            let what = "no curves; expected one or more".into();
            return Err(SteerError::Input { what });
        }
        let value = (!plain.is_empty()).then(|| plain.iter().sum::<f64>() / plain.len() as f64);
        let (mut found, mut total) = (vec![], 0);
        for (number, drawn) in bootstrap.drawings(curves.len()).enumerate() {
            total += 1;
            let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
            rng.set_stream(1);
            let mut draw = |groups: &[Vec<usize>]| -> Vec<usize> {
                (0..groups.len())
                    .flat_map(|_| groups[rng.random_range(0..groups.len() as u64) as usize].clone())
                    .collect()
            };
            let mut sum = Some(0.0);
            for curve in drawn {
                let (targets, benign) = (draw(&groups[curve].0), draw(&groups[curve].1));
                let track = curves[curve].drawn(measure, Some(&targets), Some(&benign))?;
                sum = sum.and_then(|sum| Some(sum + statistic(&track)?));
            }
            found.extend(sum.map(|sum| sum / curves.len() as f64));
        }
        let reached = found.len() as f64 / total as f64;
        let interval = bootstrap.middle(found);
        Ok(Self {
            value,
            low: interval.map(|i| i.0),
            high: interval.map(|i| i.1),
            reached,
        })
    }
}

#[cfg(test)]
mod tests;
