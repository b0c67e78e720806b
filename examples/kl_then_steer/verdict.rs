//! The paper's claims, decided from the curves by a rule each, so that nobody's wish is in the words.
//!
//! A claim is a number and a threshold that it has to be above. It *holds* when the whole 95 % interval is above, *holds within noise* when the
//! interval has the threshold inside, and else *does not hold here*. Intervals draw prompts, texts and seeds together, the same
//! prompts for both methods of a comparison.

use firetender_kts::JudgedPoint;
use firetender_steer::{Track, TrackPoint};
use firetender_support::Failure;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::{compare::Judged, world::World};

/// How a claim comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Not,
    WithinNoise,
    Holds,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::WithinNoise => "holds within noise",
            Self::Not => "does not hold here",
        }
    }
}

/// One claim about one method.
pub(crate) struct Verdict {
    pub(crate) claim: char,
    pub(crate) about: &'static str,
    pub(crate) method: String,
    pub(crate) verdict: Outcome,
    pub(crate) numbers: String,
}

impl Verdict {
    pub(crate) fn value(&self) -> Value {
        json!({
            "claim": self.claim.to_string(), "about": self.about, "method": self.method,
            "verdict": self.verdict.name(), "numbers": self.numbers,
        })
    }
}

const DRAWINGS: u64 = 1000;

/// A value with the interval of its drawings.
struct Found {
    value: Option<f64>,
    low: f64,
    high: f64,
}

impl Found {
    fn above(&self, threshold: f64) -> Outcome {
        match self.value {
            None => Outcome::Not,
            Some(_) if self.low > threshold => Outcome::Holds,
            Some(_) if self.high <= threshold => Outcome::Not,
            Some(_) => Outcome::WithinNoise,
        }
    }

    fn show(&self) -> String {
        match self.value {
            Some(value) => format!("{value:.4} [{:.4}, {:.4}]", self.low, self.high),
            None => "not reached".into(),
        }
    }
}

/// Curves of some seeds on drawn prompts.
struct Sample<'a> {
    curves: Vec<&'a [JudgedPoint]>,
    texts: &'a [usize],
    prompts: &'a [usize],
}

impl<'a> Sample<'a> {
    fn of(
        curves: &'a [Vec<JudgedPoint>],
        seeds: &[usize],
        texts: &'a [usize],
        prompts: &'a [usize],
    ) -> Self {
        let curves = seeds.iter().map(|seed| curves[*seed].as_slice());
        Self {
            curves: curves.collect(),
            texts,
            prompts,
        }
    }

    fn points(&self, curve: usize, at: usize) -> TrackPoint {
        let point = &self.curves[curve][at];
        let sum = |values: &[f64], drawn: &[usize]| drawn.iter().map(|i| values[*i]).sum::<f64>();
        TrackPoint {
            strength: point.strength,
            effect: sum(&point.effects, self.prompts) / self.prompts.len() as f64,
            damage: sum(&point.kl, self.texts) / sum(&point.tokens, self.texts),
        }
    }

    fn mean(&self, at: usize, pick: fn(&TrackPoint) -> f64) -> f64 {
        let count = self.curves.len();
        let values = (0..count).map(|curve| pick(&self.points(curve, at)));
        values.sum::<f64>() / count as f64
    }

    fn damage(&self, at: usize) -> f64 {
        self.mean(at, |p| p.damage)
    }

    fn effect(&self, at: usize) -> f64 {
        self.mean(at, |p| p.effect)
    }

    /// Mean damage at an effect; `None` where a seed does not reach it.
    fn matched(&self, effect: f64) -> Option<f64> {
        let mut sum = 0.0;
        for curve in 0..self.curves.len() {
            let all = 0..self.curves[curve].len();
            let track = Track::new(all.map(|at| self.points(curve, at)).collect()).ok()?;
            sum += if track.plain().effect >= effect {
                track.plain().damage
            } else {
                track.damage_at_effect(effect)?.damage
            };
        }
        Some(sum / self.curves.len() as f64)
    }
}

/// A statistic of two methods, with its interval.
fn of(
    one: &[Vec<JudgedPoint>],
    other: &[Vec<JudgedPoint>],
    statistic: &dyn Fn(&Sample<'_>, &Sample<'_>) -> Option<f64>,
) -> Found {
    let (texts, prompts) = (one[0][0].kl.len(), one[0][0].effects.len());
    let all = |n: usize| (0..n).collect::<Vec<usize>>();
    let on = |seeds: [&[usize]; 2], texts: &[usize], prompts: &[usize]| {
        let one = Sample::of(one, seeds[0], texts, prompts);
        statistic(&one, &Sample::of(other, seeds[1], texts, prompts))
    };
    let seeds = [all(one.len()), all(other.len())];
    let value = on([&seeds[0], &seeds[1]], &all(texts), &all(prompts));
    let mut drawn: Vec<f64> = (0..DRAWINGS)
        .filter_map(|number| {
            let mut rng = ChaCha8Rng::seed_from_u64(number);
            let mut draw = |n: usize| -> Vec<usize> {
                let one = |_| rng.random_range(0..n as u64) as usize;
                (0..n).map(one).collect()
            };
            let seeds = [draw(one.len()), draw(other.len())];
            on([&seeds[0], &seeds[1]], &draw(texts), &draw(prompts))
        })
        .collect();
    drawn.sort_unstable_by(f64::total_cmp);
    let end = |share: f64| {
        let last = drawn.len().saturating_sub(1) as f64;
        drawn.get((share * last).round() as usize).copied()
    };
    Found {
        value,
        low: end(0.025).unwrap_or(f64::NAN),
        high: end(0.975).unwrap_or(f64::NAN),
    }
}

/// Every claim that the methods at hand can decide.
pub(crate) fn all(
    world: &World,
    judged: &[Judged],
    effects: &[f64],
) -> Result<Vec<Verdict>, Failure> {
    let named = |name: &str| judged.iter().find(|j| j.name == name);
    let at = |strength: f64| world.strengths.iter().position(|k| *k == strength);
    let (Some(zero), Some(half), Some(full), Some(plain)) =
        (at(0.0), at(0.5), at(1.0), named("plain"))
    else {
        return firetender_support::fail("curves without strengths 0, 0.5 and 1");
    };
    let base = &plain.curves;
    let mut found = vec![];
    let mut say =
        |claim: char, about: &'static str, method: &str, verdict: Outcome, numbers: String| {
            found.push(Verdict {
                claim,
                about,
                method: method.to_owned(),
                verdict,
                numbers,
            });
        };
    for method in ["kts", "kts_keep"].iter().filter_map(|name| named(name)) {
        let (name, own) = (method.name.as_str(), &method.curves);
        let range = |b: &Sample<'_>| b.effect(full) - b.effect(zero);
        let harm = of(own, base, &|m, b| Some(m.damage(zero) / b.damage(half)));
        let drift = of(own, base, &|m, b| {
            Some(((m.effect(zero) - b.effect(zero)) / range(b)).abs())
        });
        say(
            'a',
            "unsteered, it is the base: less than a tenth of plain steering's damage at 0.5",
            name,
            below(&harm, 0.1),
            format!("share {}", harm.show()),
        );
        say(
            'a',
            "unsteered, it is the base on target prompts: less than a tenth of plain steering's effect",
            name,
            below(&drift, 0.1),
            format!("share {}", drift.show()),
        );
        let less = [half, full].map(|k| of(own, base, &|m, b| Some(b.damage(k) - m.damage(k))));
        say(
            'b',
            "less damage at equal strength (0.5 and 1)",
            name,
            less[0].above(0.0).min(less[1].above(0.0)),
            format!("nats less: {}; {}", less[0].show(), less[1].show()),
        );
        let kept = of(own, base, &|m, b| Some(range(m) / range(b)));
        say(
            'c',
            "from 0 to 1, more than half of the effect survives",
            name,
            kept.above(0.5),
            format!("share {}", kept.show()),
        );
        let mut numbers = vec![];
        let mut worst = Outcome::Holds;
        for effect in effects {
            let gap = of(own, base, &|m, b| {
                Some(b.matched(*effect)? - m.matched(*effect)?)
            });
            worst = worst.min(gap.above(0.0));
            numbers.push(format!("at {effect:.2}: {}", gap.show()));
        }
        let numbers = format!("nats less {}", numbers.join("; "));
        say('d', "less damage at equal effect", name, worst, numbers);
        if !method.random.is_empty() {
            let (m, b) = ([method.random.clone()], [plain.random.clone()]);
            let less = of(&m, &b, &|m, b| Some(b.damage(full) - m.damage(full)));
            say(
                'e',
                "less damage from random directions at 1, which were in no training",
                name,
                less.above(0.0),
                format!("nats less {}", less.show()),
            );
        }
        if let Some(gain) = questions(method, plain) {
            say(
                'e',
                "a suggestion's direction, in no training, costs less accuracy at −1",
                name,
                gain.above(0.0),
                format!("share of questions {}", gain.show()),
            );
        }
    }
    let pair = |one: &str, other: &str| Some((named(one)?, named(other)?));
    if let Some((always, kts)) = pair("kts_always", "kts") {
        let more = of(&always.curves, &kts.curves, &|a, k| {
            Some(a.damage(zero) - k.damage(zero))
        });
        let about = "unsteered minibatches keep the unsteered student nearer";
        let numbers = format!("nats less {}", more.show());
        say('f', about, "kts", more.above(0.0), numbers);
    }
    if let Some((imitate, kts)) = pair("imitate", "kts") {
        let more = [zero, full].map(|k| {
            of(&imitate.curves, &kts.curves, &|i, m| {
                Some(i.damage(k) - m.damage(k))
            })
        });
        let numbers = format!("nats less: {}; {}", more[0].show(), more[1].show());
        let verdict = more[0].above(0.0).min(more[1].above(0.0));
        let about = "less damage than training on the base's own answers (0 and 1)";
        say('g', about, "kts", verdict, numbers);
    }
    for (gated, open) in [("gate", "plain"), ("kts_gate", "kts_keep")] {
        if let Some((gated, open)) = pair(gated, open) {
            let less = of(&gated.curves, &open.curves, &|g, o| {
                Some(o.damage(full) - g.damage(full))
            });
            let kept = of(&gated.curves, &open.curves, &|g, o| {
                Some((g.effect(full) - g.effect(zero)) / (o.effect(full) - o.effect(zero)))
            });
            let numbers = format!("nats less {}; effect kept {}", less.show(), kept.show());
            let about = "a gate trades effect for damage (at 1)";
            say('h', about, &gated.name, less.above(0.0), numbers);
        }
    }
    if let Some((both, dpo)) = pair("kts_dpo", "dpo") {
        let less = [zero, full].map(|k| {
            of(&both.curves, &dpo.curves, &|s, d| {
                Some(d.damage(k) - s.damage(k))
            })
        });
        let kept = of(&both.curves, &dpo.curves, &|s, d| {
            Some(s.effect(zero) / d.effect(zero))
        });
        let verdict = less[0].above(0.0).min(less[1].above(0.0));
        let numbers = format!(
            "nats less: {}; {}; effect kept {}",
            less[0].show(),
            less[1].show(),
            kept.show()
        );
        let about = "added to another adapter it still works: less damage (0 and 1), four fifths of its effect";
        say('i', about, "kts_dpo", verdict.min(kept.above(0.8)), numbers);
    }
    Ok(found)
}

/// Whether a share is below a threshold.
fn below(found: &Found, threshold: f64) -> Outcome {
    let turned = Found {
        value: found.value.map(|v| -v),
        low: -found.high,
        high: -found.low,
    };
    turned.above(-threshold)
}

/// How much less accuracy the farthest strength costs than it costs the plain model, questions drawn together.
fn questions(method: &Judged, plain: &Judged) -> Option<Found> {
    let change = |judged: &Judged| -> Option<Vec<f64>> {
        let (first, last) = (judged.transfer.first()?, judged.transfer.last()?);
        let pairs = first.answers.iter().zip(&last.answers);
        Some(pairs.map(|(a, b)| b[2] - a[2]).collect())
    };
    let gaps: Vec<f64> = change(method)?
        .iter()
        .zip(change(plain)?)
        .map(|(a, b)| a - b)
        .collect();
    let found = firetender_steer::Bootstrap::default().mean(&gaps);
    Some(Found {
        value: Some(found.value),
        low: found.low,
        high: found.high,
    })
}
