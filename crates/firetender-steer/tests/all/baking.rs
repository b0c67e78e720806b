//! A baked model computes without hooks what the plain one computes under the plan.

use std::collections::BTreeMap;

use firetender_hooks::{Padding, SiteKind, Untouched};
use firetender_lm::{CausalLm, Checkpoint, StoreAs, Transformer};
use firetender_steer::{Conflict, Entry, Operator, Plan, Profile, Schedule, SteeringVector};

use crate::support::{direction, logits, model, pass, rows, vector};

fn plan() -> Plan {
    let layers = (0..4).map(|layer| (layer, direction())).collect();
    let wide = SteeringVector::new("a", "b", SiteKind::ResidPost, 32, 4, layers).unwrap();
    let weights = Profile::Triangle {
        from: 0,
        peak: 2,
        to: 3,
    };
    Plan::new()
        .with(Entry::new(&wide, 0.7).with_profile(weights))
        .with(Entry::new(
            vector(SiteKind::AttnOut, 1, 4, &direction()),
            -0.5,
        ))
        .with(Entry::new(
            vector(SiteKind::ResidPre, 2, 4, &direction()),
            0.4,
        ))
        .with(Entry::new(
            vector(SiteKind::MlpOut, 3, 4, &direction()),
            0.3,
        ))
}

#[test]
fn baked_logits_are_steered_logits_also_from_the_saved_folder() {
    // Without padding: a bias moves padding too, a plan does not, and nobody reads it.
    let whole = pass(&rows(), Padding::Left);
    for family in ["llama", "qwen2", "gpt2", "gpt_neox"] {
        let model = model(family);
        let mut steering = plan().compile(&model.shape(), &model.device()).unwrap();
        let steered = logits(&model, &whole, &mut steering);
        let baked = model
            .with_block_biases(&plan().baked(&model.shape()).unwrap())
            .unwrap();
        let found = logits(&baked, &whole, &mut Untouched);
        assert_ne!(found, logits(&model, &whole, &mut Untouched));
        let off = found.iter().zip(&steered).map(|(x, y)| (x - y).abs());
        let off = off.fold(0.0f32, f32::max);
        assert!(off < 1e-4, "{family}: {off}");
        if !["llama", "qwen2"].contains(&family) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        baked.save(folder.path(), StoreAs::F32).unwrap();
        let files = Checkpoint::open(folder.path()).unwrap();
        let again = Transformer::load(
            &files.config,
            files.source.as_ref(),
            files.layout(),
            &model.device(),
        )
        .unwrap();
        assert_eq!(logits(&again, &whole, &mut Untouched), found, "{family}");
    }
}

#[test]
fn what_is_no_constant_is_refused_by_field() {
    let model = model("llama");
    let mood = || vector(SiteKind::ResidPost, 1, 4, &direction());
    let refuse = |plan: Plan, what: &str| {
        let error = plan.baked(&model.shape()).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    let one = |entry: Entry| Plan::new().with(entry);
    let entry = || Entry::new(mood(), 1.0);
    refuse(
        one(entry().with_operator(Operator::ProjectOut)),
        "entry 0: `operator`",
    );
    refuse(one(entry().keeping_norm()), "`keep_norm`");
    refuse(
        one(entry().with_tokens("prompt".parse().unwrap())),
        "`tokens`",
    );
    refuse(one(entry().with_schedule(Schedule::First(3))), "`schedule`");
    refuse(
        one(entry().with_token_weights(BTreeMap::from([(0, 2.0)]))),
        "`token_weights`",
    );
    for kind in [
        SiteKind::ResidPre,
        SiteKind::Embed,
        SiteKind::FinalNorm,
        SiteKind::HeadOut,
    ] {
        refuse(Plan::of(vector(kind, 0, 4, &direction())), "`vector`");
    }
    refuse(
        Plan::of(mood())
            .with(entry())
            .with_conflict(Conflict::FirstWins),
        "entry 1: `tokens`",
    );
    refuse(Plan::of("mood"), "only a name");
    let idle = one(entry().with_strength(0.0))
        .baked(&model.shape())
        .unwrap();
    assert!(idle.mlp_out.is_empty() && idle.attn_out.is_empty());
}
