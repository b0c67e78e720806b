//! `tta apply`: one image under one recipe.

use std::path::PathBuf;

use clap::Args;
use firetender_support::{Failure, fail};
use firetender_tta::{
    Address, Compat, CutoutCentre, Op, OpSpace, Padding, Policy, ResolvedOp, RgbImage, SubPolicy,
    apply_all, parse_sub_policy, read_png, write_png,
};
use firetender_uncertainty::write_atomically;
use serde_json::json;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The recipe, as in published policies: "[(7,23.0),(13,-15.2)]", or None. Names may stand for numbers.
    #[arg(long, allow_hyphen_values = true)]
    ops: Option<String>,
    /// The image, a PNG file.
    #[arg(long = "in")]
    input: PathBuf,
    /// Where the changed image goes, as a PNG file.
    #[arg(long)]
    out: PathBuf,
    /// Side of a square: of random resized crops (operation 15), and else what the image is resized to before.
    #[arg(long)]
    size: Option<usize>,
    /// Of everything that is random: sides, boxes, places.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Number of the image and of the sample, for other draws with the same seed.
    #[arg(long, default_value_t = 0)]
    image: u64,
    /// Number of the sample.
    #[arg(long, default_value_t = 0)]
    repeat: u64,
    /// Operations with everything decided, as JSON or a file of JSON (what this command prints): done instead of --ops. With --ops, a file that
    /// is not there yet: what was decided is written to it.
    #[arg(long)]
    resolved: Option<String>,
    /// Whose arithmetic: 6.1, 7 or 13, or any version between.
    #[arg(long, default_value = "13")]
    pillow: String,
    /// What lies outside: reflect, reflect:PAD, black or edge. Without it, reflect for the CIFAR list (operations 0 to 14), black where
    /// operation 15, 16 or 17 is named.
    #[arg(long)]
    padding: Option<String>,
    /// Where a cutout's centre may lie: reference or uniform.
    #[arg(long, default_value = "reference")]
    cutout: String,
    /// Operations with a magnitude below this are left out.
    #[arg(long, default_value_t = 0.0)]
    true_zero: f64,
    /// Also the frame around the operations, as networks on CIFAR are trained with: crop within 4 pixels of padding and mirror.
    #[arg(long)]
    crop_flip: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let image = read_png(&arguments.input)?;
    let target = arguments.resolved.as_ref().filter(|text| {
        arguments.ops.is_some() && !is_json(text) && !std::path::Path::new(text).exists()
    });
    let (ops, compat) = match &arguments.resolved {
        Some(text) if target.is_none() => (given(text)?, compat(arguments, false)?),
        _ => drawn(arguments, &image)?,
    };
    let changed = apply_all(&ops, &image, &compat)?;
    write_png(&arguments.out, &changed)?;
    let shown = json!({
        "resolved": ops,
        "compat": compat,
        "width": changed.width(),
        "height": changed.height(),
    });
    if let Some(path) = target {
        write_atomically(path.as_ref(), shown.to_string().as_bytes())?;
    }
    println!("{shown}");
    Ok(())
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['[', '{'])
}

fn compat(arguments: &Arguments, imagenet: bool) -> Result<Compat, Failure> {
    let padding = match arguments.padding.as_deref() {
        None if imagenet => Padding::Black,
        None | Some("reflect") => Padding::Reflect { pad: 31 },
        Some("black") => Padding::Black,
        Some("edge") => Padding::Edge,
        Some(other) => match other.strip_prefix("reflect:").map(str::parse) {
            Some(Ok(pad)) => Padding::Reflect { pad },
            _ => {
                return fail(format!(
                    "--padding {other}: expected reflect, reflect:PAD, black or edge"
                ));
            }
        },
    };
    let centre = match arguments.cutout.as_str() {
        "reference" => CutoutCentre::Reference,
        "uniform" => CutoutCentre::Uniform,
        other => return fail(format!("--cutout {other}: expected reference or uniform")),
    };
    Ok(Compat::pillow(&arguments.pillow)?
        .with_padding(padding)
        .with_cutout_centre(centre))
}

/// Operations as this command prints them: a list, or an object with the list under `resolved`.
fn given(text: &str) -> Result<Vec<ResolvedOp>, Failure> {
    let text = if is_json(text) {
        text.to_owned()
    } else {
        match std::fs::read_to_string(text) {
            Ok(content) => content,
            Err(error) => return fail(format!("--resolved {text}: {error}")),
        }
    };
    let value: serde_json::Value = serde_json::from_str(&text)?;
    let list = match value {
        serde_json::Value::Object(mut object) => match object.remove("resolved") {
            Some(list) => list,
            None => serde_json::Value::Array(vec![serde_json::Value::Object(object)]),
        },
        list => list,
    };
    Ok(serde_json::from_value(list)?)
}

/// The recipe's operations for this image, drawn at the address.
fn drawn(arguments: &Arguments, image: &RgbImage) -> Result<(Vec<ResolvedOp>, Compat), Failure> {
    let Some(text) = &arguments.ops else {
        return fail("--ops or --resolved is needed");
    };
    let size = arguments.size.unwrap_or(image.width().min(image.height()));
    let recipe = parse_sub_policy(text, &OpSpace::gps_imagenet(size))?;
    let cropped = recipe
        .ops
        .iter()
        .any(|step| step.0 == Op::RandomResizedCrop);
    let imagenet = recipe.ops.iter().any(|step| step.0.index() > 14);
    let mut policy = Policy::cifar().with_compat(compat(arguments, imagenet)?);
    policy.space = OpSpace::gps_imagenet(size);
    policy.true_zero = arguments.true_zero;
    if !arguments.crop_flip {
        policy.random.clear();
    }
    let mut ops = vec![];
    let mut sides = [image.width(), image.height()];
    if let Some(size) = arguments.size
        && !cropped
        && sides != [size, size]
    {
        ops.push(ResolvedOp::Resize {
            width: size,
            height: size,
        });
        sides = [size, size];
    }
    let address = Address {
        seed: arguments.seed,
        image: arguments.image,
        repeat: arguments.repeat,
        ..Address::default()
    };
    let recipe = if recipe.is_central() {
        SubPolicy::central()
    } else {
        recipe
    };
    ops.extend(policy.resolve(&recipe, sides, address)?);
    Ok((ops, policy.compat))
}
