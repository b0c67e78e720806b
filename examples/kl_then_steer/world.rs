//! What a model is trained and judged on: Ember's world, or everyday texts for any other model.

mod ember;
mod everyday;

use firetender_hooks::ReadAt;
use firetender_kts::{Preferred, Source, Texts};
use firetender_steer::{
    Contrast, Gate, GateMethod, GateTrainer, Layers, LogisticOptions, NextTokenOdds, Silent,
    SteeringVector,
};
use firetender_support::{Failure, Model};

use crate::arguments::Arguments;

/// A contrast whose directions students are steered with, and prompts on which the effect shows.
pub(crate) struct Concept {
    pub(crate) name: &'static str,
    pub(crate) contrast: Contrast,
    pub(crate) targets: Vec<Vec<u32>>,
}

/// A multiple-choice question: the prompt without and with a wrong suggestion, the options, the right and the suggested one.
pub(crate) struct Question {
    pub(crate) plain: Vec<u32>,
    pub(crate) suggesting: Vec<u32>,
    pub(crate) options: Vec<Vec<u32>>,
    pub(crate) correct: usize,
    pub(crate) suggested: usize,
}

/// What is judged, behind a system prompt.
pub(crate) struct Prefixed {
    /// The harmless texts with the prompt before them; their answers are the same.
    pub(crate) held_out: Texts,
    /// The effect on target prompts behind it.
    pub(crate) effect: NextTokenOdds,
}

/// Everything that the comparison needs.
pub(crate) struct World {
    pub(crate) model: Model,
    /// What positive strengths do.
    pub(crate) effect_name: &'static str,
    /// The concepts of training; the first one's vector is judged.
    pub(crate) concepts: Vec<Concept>,
    /// The judged vector, made of all pairs of the first concept.
    pub(crate) vector: SteeringVector,
    /// Held-out target prompts, and the effect on them.
    pub(crate) asked: Vec<Vec<u32>>,
    pub(crate) effect: NextTokenOdds,
    /// Both kinds of system prompt.
    pub(crate) prompts: Vec<Prefixed>,
    /// Requests on which a gate should fire, and others.
    pub(crate) gate_sets: [Vec<Vec<u32>>; 2],
    /// Harmless texts to train on, and held-out ones.
    pub(crate) texts: Texts,
    pub(crate) held_out: Texts,
    /// Answers of the base to the prompts of `texts`.
    pub(crate) base_answers: Texts,
    pub(crate) preferred: Vec<Preferred>,
    pub(crate) unwanted: Texts,
    /// A vector that is in no training, and questions on which it shows.
    pub(crate) transfer: Option<(SteeringVector, Vec<Question>)>,
    pub(crate) strengths: Vec<f64>,
    pub(crate) sizes: Sizes,
}

/// How long and how large training is, where the command line does not say.
pub(crate) struct Sizes {
    pub(crate) layers: Layers,
    pub(crate) steps: u64,
    pub(crate) batch: usize,
    pub(crate) rank: usize,
    pub(crate) rate: f64,
}

impl Default for Sizes {
    /// Ember's.
    fn default() -> Self {
        Self {
            layers: Layers::All,
            steps: 200,
            batch: 8,
            rank: 16,
            rate: 2e-3,
        }
    }
}

impl World {
    pub(crate) fn open(arguments: &Arguments) -> Result<Self, Failure> {
        let device = firetender_support::device(arguments.device.as_deref())?;
        let model = Model::open(&arguments.model, &device)?;
        if arguments.model == "ember" {
            ember::world(model, arguments)
        } else {
            everyday::world(model, arguments)
        }
    }

    /// The concepts as sources of directions.
    pub(crate) fn sources(&self) -> Result<Vec<Source>, Failure> {
        let source = |c: &Concept| {
            Source::concept(c.name, c.contrast.clone(), ReadAt::LastToken)
                .with_targets(c.targets.clone())
        };
        Ok(self.concepts.iter().map(source).collect())
    }

    /// Random directions as long as the judged one.
    pub(crate) fn random_source(&self) -> Source {
        Source::random("random", self.vector.clone())
    }

    /// A logistic probe on the last token of a request, after the first block that is steered; half of the requests fit it, the others set
    /// its threshold to one false alarm in twenty.
    pub(crate) fn gate(&self) -> Result<Gate, Failure> {
        let network = &self.model.network;
        let first = self.vector.directions().keys().next().copied();
        let [yes, no] = &self.gate_sets;
        let (fit_yes, other_yes) = yes.split_at(yes.len() / 2);
        let (fit_no, other_no) = no.split_at(no.len() / 2);
        let method = GateMethod::Logistic(LogisticOptions::default());
        let gate = GateTrainer::new("target", method)
            .with_layers(first.unwrap_or(0).to_string().parse()?)
            .fit(network, fit_yes, fit_no, &mut Silent)?;
        let (gate, _) = gate.calibrated(network, other_yes, other_no, 0.05)?;
        Ok(gate)
    }
}
