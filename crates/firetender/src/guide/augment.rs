//! A side road: better predictions from a trained classifier, without training it.
//!
//! Test-time augmentation averages what a classifier says of several random changes of one image. Which changes help is a property of the classifier, so it is found on
//! images that the classifier was not trained on: predict them once under each of many recipes, then pick recipes one by one so that the mean predicts best. What was
//! found has to beat the plain central crop, and crops and mirrors with as many passes, on images that had no part in it.
//!
//! The classifier here is a rule on the mean colour that a dark image confuses; put a Burn module's `forward` in its place.
//!
//! ```
//! use firetender::burn::tensor::{Device, Tensor, TensorData};
//! use firetender::tta::{
//!     Address, Corruption, Evaluation, Feed, FromLogits, GreedySearch, Method, Mixture, Normalisation, Policy, PoolBuilder, PoolFloat, RgbImage, Tta,
//!     TtaError, baselines, cross_validate,
//! };
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Any function from images [n, 3, height, width] to logits [n, classes].
//! let classifier = FromLogits::new(3, |images: Tensor<4>| {
//!     let mean = images.mean_dim(3).mean_dim(2).reshape([-1, 3]);
//!     let uneven = Tensor::<2>::from_data(TensorData::from([[0.05_f32, 0.0, -0.05]]), &mean.device());
//!     (mean + uneven) * 20.0
//! });
//! // Images that are red, green or blue, with noise.
//! let draw = |first: u64, count: u64| -> Result<(Vec<RgbImage>, Vec<i64>), TtaError> {
//!     let each = (first..first + count).map(|number| {
//!         let class = (number % 3) as usize;
//!         let mut colour = [70; 3];
//!         colour[class] += 6 + (number * 7 % 20) as u8;
//!         let image = RgbImage::filled(16, 16, colour)?;
//!         let noisy = Corruption::GaussianNoise.apply(&image, 5, Address { image: number, ..Address::default() })?;
//!         Ok((noisy, class as i64))
//!     });
//!     Ok(each.collect::<Result<Vec<_>, TtaError>>()?.into_iter().unzip())
//! };
//! let (normalisation, device) = (Normalisation::none(), Device::flex());
//! let feed = Feed { normalisation: &normalisation, device: &device, batch: 64 };
//!
//! // 1. A pool: what the classifier says of validation images under 24 random recipes and the central crop. Stopped, it goes on where it was.
//! let recipes = Mixture::new(&[(10, 2, 45.0), (10, 2, 20.0), (4, 2, 0.0)]).draw(&Policy::cifar(), 1)?;
//! let folder = std::env::temp_dir().join(format!("firetender-guide-{}", std::process::id()));
//! let builder = PoolBuilder { folder: folder.join("pool"), policy: &recipes, seed: 1, float: PoolFloat::F32, model: "rule 1".into() };
//! let (images, labels) = draw(0, 150)?;
//! let pool = builder.build(&classifier, &images, &labels, &feed, &mut |_, _| {})?;
//!
//! // 2. The search, and how long a policy is worth it on images that it did not see.
//! let candidates = pool.candidates(None)?;
//! let search = GreedySearch::new(8);
//! let checked = cross_validate(&candidates, &search, 3, 1)?;
//! let policy = search.run(&candidates)?.policy(&recipes)?;
//! println!("best length on images left out: {}", checked.best_length);
//! policy.write(folder.join("policy.json"))?;
//!
//! // 3. The honest comparison, on other images and with other draws.
//! let (images, labels) = draw(10_000, 150)?;
//! let mut methods = baselines::standard(&Policy::cifar(), 16, &[1, 8])?;
//! methods.push(Method::new("GPS", policy.clone(), &[1, 8]));
//! let evaluation = Evaluation::default();
//! let found = evaluation.compare(&[&classifier], &methods, &images, &labels, &feed, 99, &mut |_, _| {})?;
//! let row = |method: &str, samples| found.each[0].iter().find(|row| row.method == method && row.samples == samples).unwrap();
//! let [gain, _] = evaluation.difference(row("GPS", 8), row("random frame", 8))?;
//! println!("calibrated log-likelihood, GPS less crops and mirrors: {:.3} [{:.3}, {:.3}]", gain.value, gain.low, gain.high);
//! assert!(row("GPS", 8).cll > row("RandAugment M=45", 8).cll);
//!
//! // 4. At run time: the policy's first passes, their spread, and the temperature that was fitted.
//! let temperature = policy.provenance.temperatures[7];
//! let seen = Tta::new(&policy).with_temperature(temperature)?.predict(&classifier, &images[..2], 8, &feed)?;
//! assert_eq!(seen.probs.dims(), [2, 3]);
//! assert_eq!(seen.mutual_information.dims(), [2]);
//! # std::fs::remove_dir_all(folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! Then look at the interval of the difference, and not at the policy's own score: it was fitted to the images it is measured on. Networks that were trained with crops and mirrors
//! alone often gain nothing beyond them (`docs/REPRODUCTION.md` has both outcomes); those that were trained with strong augmentation do.
//! [`learn_weights`](crate::tta::learn_weights), [`most_certain`](crate::tta::most_certain) and [`LossPredictor`](crate::tta::LossPredictor) are the other ways to use as many
//! passes, and [`Corruption`](crate::tta::Corruption) damages the test images. A change of images that is missing is a type with the trait [`ImageOp`](crate::tta::ImageOp), and then
//! drawn, searched and named as the others. Boxes and masks, which would have to be changed back before averaging, are out of scope.
