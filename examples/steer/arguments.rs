//! What the command line says.

use clap::Parser;
use firetender_support::{Failure, fail};

/// Steers a model along the difference of two sets of texts.
#[derive(Parser)]
pub(crate) struct Arguments {
    /// A GGUF or llama2.c file, a Hugging Face folder, or `ember`. Only --import with --export does without.
    #[arg(long, required_unless_present = "import")]
    pub(crate) model: Option<String>,
    /// Texts that a positive strength steers toward: one a line, a JSON list of strings, or any file of records with texts
    /// (concept sentences, questions, …).
    #[arg(long, requires = "negative")]
    pub(crate) positive: Option<String>,
    /// Texts to steer away from, paired with the positive ones.
    #[arg(long, requires = "positive")]
    pub(crate) negative: Option<String>,
    /// One file with both sides: refusal pairs, A/B behaviour questions, prompt pairs, suggested answers, instructions with a
    /// good and a bad output, TruthfulQA's choices, or labelled texts (CSV).
    #[arg(long, conflicts_with_all = ["positive", "negative"])]
    pub(crate) data: Option<String>,
    /// At most this many pairs are used, drawn by --seed.
    #[arg(long)]
    pub(crate) max_pairs: Option<usize>,
    /// Layers to steer: `8..16`, `12`, `3,-1`, `40%` or `all`. By default the second quarter of the depth, at least two.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) layers: Option<String>,
    /// Where in a block: resid_post, resid_pre, attn_out, …
    #[arg(long, default_value = "resid_post")]
    pub(crate) site: String,
    /// mean, pca (the pair-centred one), pca-difference, pca-pair-centred, pca-repe[:SEED], whitened[:SHRINKAGE], logistic[:C],
    /// logistic-pair-centred[:C], trimmed-mean[:SHARE], median or random[:SEED].
    #[arg(long, default_value = "mean")]
    pub(crate) method: String,
    /// Where in each text the direction is read: last, last-prompt, answer, answer:N, mean-answer, mean, index:N, range:A..B.
    #[arg(long, default_value = "last", allow_hyphen_values = true)]
    pub(crate) read: String,
    /// How long directions are: raw, unit, or a fraction of the residual stream such as 0.1.
    #[arg(long, default_value = "raw")]
    pub(crate) length: String,
    /// Strengths, separated by commas.
    #[arg(long, default_value = "-1,-0.5,0,0.5,1", allow_hyphen_values = true)]
    pub(crate) strengths: String,
    /// Which tokens are steered: all, prompt, generated, from_last_prompt, last:N, positions:0,1,-1.
    #[arg(long, default_value = "all")]
    pub(crate) tokens: String,
    /// A prompt to continue at each strength; may be repeated.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) prompt: Vec<String>,
    /// Harmless prompts on which damage is measured.
    #[arg(long)]
    pub(crate) benign: Option<String>,
    /// Words that count as an effect in free text.
    #[arg(long, requires = "negative_words")]
    pub(crate) positive_words: Option<String>,
    /// Words that count against it.
    #[arg(long, requires = "positive_words")]
    pub(crate) negative_words: Option<String>,
    /// Put every text into the model's chat template as a user's message.
    #[arg(long)]
    pub(crate) chat: bool,
    /// Put every text into this line instead, such as "[INST] {user} [/INST] {assistant}"; `{assistant}` is where answers go.
    #[arg(long, conflicts_with = "chat")]
    pub(crate) template: Option<String>,
    /// A system message before every text.
    #[arg(long, allow_hyphen_values = true, requires = "chat")]
    pub(crate) system: Option<String>,
    /// New tokens for each continuation.
    #[arg(long, default_value_t = 40)]
    pub(crate) max_tokens: usize,
    /// Seed of the random control, and of draws of pairs.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Sweep this many random directions and as many directions from shuffled labels beside the vector, all of its length.
    #[arg(long, default_value_t = 0)]
    pub(crate) controls: usize,
    /// Instead of the sweep: search --layers (by default all) and --strengths for the layer and strength with the largest effect
    /// whose damage, KL(steered || plain) in nats a token, stays within this budget; measured on one half of the prompts and
    /// reported on the other. --save and --export then write the chosen layer.
    #[arg(long, conflicts_with_all = ["plan", "gate", "bake", "save_plan", "preview"])]
    pub(crate) calibrate: Option<f64>,
    /// Write the vector to this safetensors file.
    #[arg(long)]
    pub(crate) save: Option<String>,
    /// Write the vector in another program's format as well (gguf, svec, safetensors, npy, f32); may be repeated.
    #[arg(long, num_args = 2, value_names = ["FORMAT", "PATH"])]
    pub(crate) export: Vec<String>,
    /// Steer along the vector of this file (safetensors, GGUF, .svec, .npy, .f32) instead of finding one.
    #[arg(long)]
    pub(crate) import: Option<String>,
    /// Who wrote the file: firetender, repeng, llama.cpp, cast or aisteer360. Control vectors (GGUF) need it unless they were
    /// written here: llama.cpp's own generator writes each direction one block late.
    #[arg(long, requires = "import")]
    pub(crate) generator: Option<String>,
    /// Take an imported vector although it was read from other weights.
    #[arg(long, requires = "import")]
    pub(crate) any_weights: bool,
    /// Carry out the plan of this JSON file instead of adding the direction at --layers to --tokens; the strengths multiply the
    /// plan's own. A plan is {"entries": [{"vector": V, "strength": 1, "layers": "8..12", "operator": "add", "tokens": "all"}, …]};
    /// V is {"file": "mood.safetensors"} (beside the plan), {"named": "direction"} (the one found or imported here) or {"inline": …}.
    /// Operators: add, project_out, project_then_add, piecewise, {"clamp": {"low": 0}}, {"rotate": …}. Further keys: keep_norm,
    /// profile, schedule, token_weights, adapt; beside entries: conflict (sum, in_order, first_wins, error).
    #[arg(long)]
    pub(crate) plan: Option<String>,
    /// Write the plan that was carried out, with its vectors inside, to this JSON file.
    #[arg(long)]
    pub(crate) save_plan: Option<String>,
    /// Show which tokens of each --prompt every entry of the plan selects.
    #[arg(long, requires = "prompt")]
    pub(crate) preview: bool,
    /// Steer only prompts on which this gate fires. A gate's JSON file, or one to be fitted on every second prompt and calibrated
    /// on the others: logistic, whitened, dot or condition, with
    /// `:layer=3,fpr=0.05,positive=FILE,negative=FILE,read=last|mean,join=any|all,timing=later|second,save=FILE` (and site, c,
    /// shrinkage) as needed; positive and negative default to --positive and --negative, layer to the one before the
    /// first that is steered. `always` and `never` are the extremes. timing:
    /// later steers the prompt behind the gate's layer only, second runs it again. Effect and damage are reported in the
    /// loop, as the mixture of finished runs, and steered always.
    #[arg(long)]
    pub(crate) gate: Option<String>,
    /// Prompts after which the effect is measured by word lists, instead of the neutral beginnings.
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Write the model with the plan at this strength baked into its biases as a Hugging Face folder; it needs no hooks.
    #[arg(long, num_args = 2, value_names = ["STRENGTH", "FOLDER"], allow_hyphen_values = true)]
    pub(crate) bake: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    pub(crate) device: Option<String>,
}

impl Arguments {
    /// The strengths of the sweep.
    pub(crate) fn strengths(&self) -> Result<Vec<f64>, Failure> {
        let parse = |part: &str| match part.trim().parse::<f64>() {
            Ok(strength) => Ok(strength),
            Err(_) => fail(format!(
                "strength `{part}`; expected numbers separated by commas, such as -1,0,1"
            )),
        };
        self.strengths.split(',').map(parse).collect()
    }
}
