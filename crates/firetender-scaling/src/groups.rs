//! Curves of some examples of a task: of its parts, or of easy and hard ones.
//!
//! A mean over a mixture can hide what its parts do: Wu and Lo (ICLR 2025) find inverted U on easy questions and U on hard ones of the same tasks.

use crate::{Curve, ScalingError, mean};

impl Curve {
    /// The same models on some of the examples only, named after the task and `name`. The companion comes along where it has examples.
    ///
    /// # Errors
    /// [`ScalingError::TooFew`] for no examples, or a curve without scores of examples; [`ScalingError::Value`] for an example that is not there.
    pub fn of_examples(&self, chosen: &[usize], name: &str) -> Result<Self, ScalingError> {
        let rows = self.examples.as_deref().unwrap_or_default();
        if rows.is_empty() || chosen.is_empty() {
            return Err(ScalingError::TooFew {
                what: "examples with scores",
                found: rows.len().min(chosen.len()),
                least: 1,
            });
        }
        let picked: Vec<Vec<f64>> = chosen
            .iter()
            .map(|at| {
                rows.get(*at).cloned().ok_or_else(|| ScalingError::Value {
                    what: format!("{}: example", self.task),
                    found: at.to_string(),
                    expected: "the number of an example of the curve",
                })
            })
            .collect::<Result<_, _>>()?;
        let mut points = self.points.clone();
        for (j, point) in points.iter_mut().enumerate() {
            let values: Vec<f64> = picked
                .iter()
                .filter_map(|row| row.get(j).copied())
                .collect();
            let Some(found) = mean(&values, 1).filter(|found| found.n == picked.len()) else {
                return Err(ScalingError::Length {
                    what: format!("{}: scores of {}", self.task, point.model),
                    found: values.len(),
                    expected: picked.len(),
                });
            };
            point.n = Some(found.n as u64);
            point.value = found.mean;
            point.stderr = found.stderr;
        }
        let companion = self
            .companion
            .as_deref()
            .filter(|other| other.examples.is_some())
            .map(|other| other.of_examples(chosen, name).map(Box::new))
            .transpose()?;
        Ok(Self {
            task: format!("{} ({name})", self.task),
            points,
            examples: Some(picked),
            companion,
            ..self.clone()
        })
    }

    /// Groups of about equally many examples from easy to hard, by the mean over all models of the companion's scores where there is one (a loss tells more than right or wrong), else of the curve's own.
    ///
    /// All models count alike, so the choice favours none of them; but the examples chose their group by the same scores that the curve then shows, so levels of the outer groups
    /// are too far apart, and only their shapes mean something.
    ///
    /// ```
    /// use firetender_scaling::{Curve, Point, Scale};
    ///
    /// let point = |scale: f64| Point { model: String::new(), scale, n: Some(4), value: 0.5, stderr: 0.2 };
    /// let curve = Curve {
    ///     task: "sums".into(), family: String::new(), metric: "accuracy".into(), lower_is_better: false, axis: Scale::Parameters,
    ///     points: vec![point(1e6), point(2e6)], companion: None,
    ///     examples: Some(vec![vec![0.0, 0.0], vec![1.0, 1.0], vec![0.0, 1.0], vec![1.0, 1.0]]),
    /// };
    /// let groups = curve.by_difficulty(2)?;
    /// assert_eq!((groups[0].points[0].value, groups[1].points[1].value), (1.0, 0.5));
    /// # Ok::<(), firetender_scaling::ScalingError>(())
    /// ```
    ///
    /// # Errors
    /// As [`of_examples`](Self::of_examples); fewer examples than groups, or no groups.
    pub fn by_difficulty(&self, groups: usize) -> Result<Vec<Self>, ScalingError> {
        let (of, rows) = match self.companion.as_deref() {
            Some(other) if other.examples.is_some() => (other, &other.examples),
            _ => (self, &self.examples),
        };
        let rows = rows.as_deref().unwrap_or_default();
        if groups == 0 || rows.len() < groups {
            return Err(ScalingError::TooFew {
                what: "examples with scores for groups",
                found: rows.len(),
                least: groups.max(1),
            });
        }
        let sign = if of.lower_is_better { 1.0 } else { -1.0 };
        let hardness: Vec<f64> = rows
            .iter()
            .map(|row| sign * row.iter().sum::<f64>())
            .collect();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|a, b| hardness[*a].total_cmp(&hardness[*b]));
        (0..groups)
            .map(|group| {
                let place = |group: usize| group * order.len() / groups;
                let mut chosen = order[place(group)..place(group + 1)].to_vec();
                chosen.sort_unstable();
                let name = match (group, groups) {
                    (_, 1) => "all".to_owned(),
                    (0, _) => "easy".to_owned(),
                    (at, all) if at + 1 == all => "hard".to_owned(),
                    (1, 3) => "middle".to_owned(),
                    (at, all) => format!("group {} of {all}", at + 1),
                };
                self.of_examples(&chosen, &name)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Label, Point, Scale, ShapeOptions, trend};

    /// Easy examples rise and then fall, hard ones fall and then rise: together they are nearly flat.
    fn mixture() -> Curve {
        let right = |i: usize, j: usize| {
            let share = if i < 200 {
                [0.7, 0.8, 0.95, 0.8, 0.7]
            } else {
                [0.3, 0.2, 0.05, 0.2, 0.3]
            }[j];
            f64::from(u8::from(
                ((i * 37 + j * 11) % 100) as f64 + 0.5 < 100.0 * share,
            ))
        };
        let rows: Vec<Vec<f64>> = (0..400)
            .map(|i| (0..5).map(|j| right(i, j)).collect())
            .collect();
        let points = (0..5)
            .map(|j| {
                let values: Vec<f64> = rows.iter().map(|row| row[j]).collect();
                let found = mean(&values, 1).unwrap();
                Point {
                    model: format!("m{j}"),
                    scale: 10f64.powi(j as i32 + 6),
                    n: Some(400),
                    value: found.mean,
                    stderr: found.stderr,
                }
            })
            .collect();
        Curve {
            task: "mixture".into(),
            family: String::new(),
            metric: "accuracy".into(),
            lower_is_better: false,
            axis: Scale::Parameters,
            points,
            examples: Some(rows),
            companion: None,
        }
    }

    #[test]
    fn parts_show_what_their_mean_hides() {
        let curve = mixture();
        let options = ShapeOptions {
            draws: 1000,
            ..ShapeOptions::default()
        };
        let label = |curve: &Curve| trend(curve, options).unwrap().label;
        assert_eq!(label(&curve), Label::Constant);
        let of = |range: std::ops::Range<usize>| {
            curve
                .of_examples(&range.collect::<Vec<_>>(), "part")
                .unwrap()
        };
        assert_eq!(label(&of(0..200)), Label::InvertedU);
        assert_eq!(label(&of(200..400)), Label::UShaped);
        let groups = curve.by_difficulty(2).unwrap();
        assert_eq!(groups[0].task, "mixture (easy)");
        assert_eq!(
            (label(&groups[0]), label(&groups[1])),
            (Label::InvertedU, Label::UShaped)
        );
        // The groups are all examples, each once.
        let total: f64 = groups.iter().map(|g| g.points[2].value * 200.0).sum();
        assert!((total - curve.points[2].value * 400.0).abs() < 1e-9);
    }

    #[test]
    fn groups_that_cannot_be_made_are_refused() {
        let mut curve = mixture();
        assert!(curve.by_difficulty(0).is_err() && curve.by_difficulty(401).is_err());
        assert!(curve.of_examples(&[400], "x").is_err() && curve.of_examples(&[], "x").is_err());
        curve.examples = None;
        assert!(curve.by_difficulty(2).is_err() && curve.of_examples(&[0], "x").is_err());
    }
}
