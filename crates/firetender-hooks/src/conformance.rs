//! Laws that every hooked model obeys, as one function to call from a model's tests.
//!
//! The checks run the model on small passes that you choose. They are meant for tests: each runs several forward passes.

use burn::tensor::Tensor;

use crate::{HookError, Intervene, Pass, Site, Untouched};

/// What [`check`] needs to know about a model.
#[derive(Clone, Copy, Debug)]
pub struct Expectation {
    /// Number of blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Width of all heads side by side.
    pub head_width: usize,
    /// Whether attention and feed-forward both read the stream before the block (no `resid_mid`).
    pub parallel: bool,
    /// Largest difference allowed where two orders of the same sums are compared, relative to the largest value.
    pub tolerance: f64,
}

/// A hooked model as the checks see it: a pass and an intervention in, logits `[batch, columns, vocabulary]` out.
pub type Forward<'a> = dyn FnMut(&Pass, &mut dyn Intervene) -> Tensor<3> + 'a;

/// Checks that a model obeys the laws of hooks:
///
/// 1. each site fires once, in the order of [`Site::all`], with the documented shape;
/// 2. looking changes nothing, bit for bit;
/// 3. the residual identities hold;
/// 4. what a hook returns is what the model goes on with, at every site;
/// 5. a change at one position does not reach earlier ones;
/// 6. rows do not mix, and padding on either side changes no real token.
///
/// `rows` are token ids of at least two rows of different length, each with two tokens or more.
///
/// # Errors
/// [`HookError::Law`] names the first law that fails and what was seen.
///
/// # Panics
/// When the rows cannot be laid out, or the model panics.
pub fn check(
    model: &mut Forward<'_>,
    expected: &Expectation,
    rows: &[Vec<u32>],
) -> Result<(), HookError> {
    let left = Pass::whole(rows, crate::Padding::Left, rows[0][0])?;
    let right = Pass::whole(rows, crate::Padding::Right, rows[0][0])?;
    let plain = model(&left, &mut Untouched);

    let mut watch = Watch::default();
    let watched = model(&left, &mut watch);
    sites_fire_in_order(&watch, expected, &left)?;
    if watched.to_data() != plain.to_data() {
        return Err(law(
            "looking changes nothing",
            "logits differ in some bit when every site is watched".into(),
        ));
    }
    residual_identities(&watch, expected)?;
    for site in Site::all(expected.layers, expected.parallel) {
        hooks_take_effect(model, site, &left, &plain)?;
    }
    changes_stay_causal(model, expected, rows)?;

    let padded_right = model(&right, &mut Untouched);
    for (row, ids) in rows.iter().enumerate() {
        let alone = model(
            &Pass::whole(std::slice::from_ref(ids), crate::Padding::Left, 0)?,
            &mut Untouched,
        );
        let columns = left.columns();
        for (name, batch, start) in [
            ("left", &plain, columns - ids.len()),
            ("right", &padded_right, 0),
        ] {
            let part = batch
                .clone()
                .slice([row..row + 1, start..start + ids.len()]);
            same(
                &part,
                &alone,
                expected.tolerance,
                "rows do not mix",
                &format!("row {row}, {name} padding"),
            )?;
        }
    }
    Ok(())
}

fn law(law: &'static str, what: String) -> HookError {
    HookError::Law { law, what }
}

/// Largest absolute difference, relative to the largest value of `b`.
fn difference(a: &Tensor<3>, b: &Tensor<3>) -> f64 {
    let scale = b
        .clone()
        .abs()
        .max()
        .into_scalar::<f64>()
        .max(f64::MIN_POSITIVE);
    (a.clone() - b.clone()).abs().max().into_scalar::<f64>() / scale
}

fn same(
    a: &Tensor<3>,
    b: &Tensor<3>,
    tolerance: f64,
    name: &'static str,
    what: &str,
) -> Result<(), HookError> {
    let found = difference(a, b);
    // A NaN must fail.
    if found <= tolerance {
        return Ok(());
    }
    Err(law(
        name,
        format!("{what}: relative difference {found:e}, allowed {tolerance:e}"),
    ))
}

/// Keeps every value that passes, untouched.
#[derive(Default)]
struct Watch {
    seen: Vec<(Site, Tensor<3>)>,
}

impl Watch {
    fn value(&self, site: Site) -> Option<&Tensor<3>> {
        self.seen
            .iter()
            .find(|(s, _)| *s == site)
            .map(|(_, value)| value)
    }
}

impl Intervene for Watch {
    fn wants(&self, _site: Site) -> bool {
        true
    }

    fn at(&mut self, site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
        self.seen.push((site, value.clone()));
        value
    }
}

fn sites_fire_in_order(
    watch: &Watch,
    expected: &Expectation,
    pass: &Pass,
) -> Result<(), HookError> {
    let names = |sites: &[Site]| {
        sites
            .iter()
            .map(Site::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let fired: Vec<Site> = watch.seen.iter().map(|(site, _)| *site).collect();
    let documented = Site::all(expected.layers, expected.parallel);
    if fired != documented {
        let what = format!("fired {}; documented {}", names(&fired), names(&documented));
        return Err(law("each site fires once, in order", what));
    }
    for (site, value) in &watch.seen {
        let width = if matches!(site, Site::HeadOut(_)) {
            expected.head_width
        } else {
            expected.width
        };
        let shape = [pass.batch(), pass.columns(), width];
        if value.dims() != shape {
            return Err(law(
                "sites have the documented shape",
                format!("{site}: {:?}, not {shape:?}", value.dims()),
            ));
        }
    }
    Ok(())
}

fn residual_identities(watch: &Watch, expected: &Expectation) -> Result<(), HookError> {
    const NAME: &str = "the residual identities hold";
    for layer in 0..expected.layers {
        let get = |site: Site| {
            watch
                .value(site)
                .cloned()
                .ok_or_else(|| law(NAME, format!("{site} did not fire")))
        };
        let pre = get(Site::ResidPre(layer))?;
        let attn = get(Site::AttnOut(layer))?;
        let mlp = get(Site::MlpOut(layer))?;
        let post = get(Site::ResidPost(layer))?;
        let what = format!("block {layer}");
        if expected.parallel {
            same(&(pre + attn + mlp), &post, expected.tolerance, NAME, &what)?;
        } else {
            let mid = get(Site::ResidMid(layer))?;
            same(&(pre + attn), &mid, expected.tolerance, NAME, &what)?;
            same(&(mid + mlp), &post, expected.tolerance, NAME, &what)?;
        }
        if layer > 0 {
            let before = get(Site::ResidPost(layer - 1))?;
            same(
                &before,
                &get(Site::ResidPre(layer))?,
                0.0,
                NAME,
                &format!("between blocks {} and {layer}", layer - 1),
            )?;
        }
    }
    Ok(())
}

/// Adds a fixed uneven pattern at one site, at tokens from one position on.
struct Nudge {
    site: Site,
    from: usize,
}

impl Intervene for Nudge {
    fn wants(&self, site: Site) -> bool {
        site == self.site
    }

    fn at(&mut self, _site: Site, value: Tensor<3>, pass: &Pass) -> Tensor<3> {
        let device = value.device();
        let width = value.dims()[2];
        let pattern: Vec<f32> = (0..width)
            .map(|i| ((i * 37 % 11) as f32 - 5.0) / 5.0)
            .collect();
        let pattern = Tensor::<1>::from_floats(pattern.as_slice(), &device).unsqueeze::<3>();
        match pass.select(&device, |t| t.position >= self.from) {
            crate::Selection::Nothing => value,
            crate::Selection::All => value + pattern,
            crate::Selection::Some(mask) => value + mask * pattern,
        }
    }
}

fn hooks_take_effect(
    model: &mut Forward<'_>,
    site: Site,
    pass: &Pass,
    plain: &Tensor<3>,
) -> Result<(), HookError> {
    let changed = model(pass, &mut Nudge { site, from: 0 });
    if difference(&changed, plain) > 0.0 {
        return Ok(());
    }
    Err(law(
        "hooks take effect",
        format!("adding to {site} left the logits as they were"),
    ))
}

fn changes_stay_causal(
    model: &mut Forward<'_>,
    expected: &Expectation,
    rows: &[Vec<u32>],
) -> Result<(), HookError> {
    let pass = Pass::whole(&rows[..1], crate::Padding::Left, 0)?;
    let plain = model(&pass, &mut Untouched);
    let from = pass.columns() - 1;
    let before = |logits: Tensor<3>| logits.slice([0..1, 0..from]).into_data();
    for site in [Site::ResidPre(0), Site::ResidPost(expected.layers / 2)] {
        let changed = model(&pass, &mut Nudge { site, from });
        if before(changed) != before(plain.clone()) {
            return Err(law(
                "changes stay causal",
                format!("a change at {site}, position {from}, reached earlier tokens"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Int, TensorData};

    use super::*;
    use crate::visit;

    /// A toy with the right structure: running-sum "attention", elementwise "feed-forward".
    struct Toy {
        embed: Tensor<2>,
        skip_hook: Option<Site>,
        leak: bool,
    }

    impl Toy {
        fn new() -> Self {
            let device = Device::flex();
            device.seed(3);
            Self {
                embed: Tensor::random([9, 4], Distribution::Normal(0.0, 1.0), &device),
                skip_hook: None,
                leak: false,
            }
        }

        fn forward(&self, pass: &Pass, hook: &mut dyn Intervene) -> Tensor<3> {
            let device = self.embed.device();
            let mut at = |site: Site, value: Tensor<3>| {
                let seen = visit(hook, site, value.clone(), pass);
                if self.skip_hook == Some(site) {
                    value
                } else {
                    seen
                }
            };
            let ids: Vec<i64> = pass.ids().iter().map(|id| i64::from(*id)).collect();
            let shape = [pass.batch(), pass.columns()];
            let ids =
                Tensor::<1, Int>::from_data(TensorData::new(ids, [shape[0] * shape[1]]), &device);
            let mask = match pass.select(&device, |_| true) {
                crate::Selection::Some(mask) => mask,
                _ => Tensor::ones([shape[0], shape[1], 1], &device),
            };
            let mut h = at(
                Site::Embed,
                self.embed
                    .clone()
                    .select(0, ids)
                    .reshape([shape[0], shape[1], 4]),
            );
            for layer in 0..2 {
                h = at(Site::ResidPre(layer), h);
                let heads = (h.clone() * mask.clone()).cumsum(1).tanh();
                let heads = if self.leak {
                    heads.clone() + heads.sum_dim(1)
                } else {
                    heads
                };
                let heads = at(Site::HeadOut(layer), heads);
                let attn = at(Site::AttnOut(layer), heads * 0.5);
                let mid = at(Site::ResidMid(layer), h + attn);
                let mlp = at(Site::MlpOut(layer), mid.clone().sin());
                h = at(Site::ResidPost(layer), mid + mlp);
            }
            let last = at(Site::FinalNorm, h * 2.0);
            last.matmul(self.embed.clone().transpose().unsqueeze())
        }
    }

    const EXPECTED: Expectation = Expectation {
        layers: 2,
        width: 4,
        head_width: 4,
        parallel: false,
        tolerance: 1e-6,
    };

    fn verdict(toy: &Toy) -> Result<(), HookError> {
        let rows = [vec![1, 2, 3, 4], vec![5, 6]];
        check(&mut |pass, hook| toy.forward(pass, hook), &EXPECTED, &rows)
    }

    #[test]
    fn a_right_model_passes() {
        verdict(&Toy::new()).unwrap();
    }

    #[test]
    fn a_hook_that_does_nothing_is_caught() {
        let toy = Toy {
            skip_hook: Some(Site::MlpOut(1)),
            ..Toy::new()
        };
        let error = verdict(&toy).unwrap_err();
        assert!(
            error.to_string().contains("blocks.1.hook_mlp_out"),
            "{error}"
        );
    }

    #[test]
    fn looking_ahead_is_caught() {
        let error = verdict(&Toy {
            leak: true,
            ..Toy::new()
        })
        .unwrap_err();
        assert!(
            matches!(
                error,
                HookError::Law {
                    law: "changes stay causal" | "rows do not mix",
                    ..
                }
            ),
            "{error}"
        );
    }
}
