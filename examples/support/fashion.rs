//! Fashion-MNIST and a small network for it: what the examples on ensembles and on test-time augmentation share.
//!
//! The images come from the files of Xiao, Rasul and Vollgraf (2017, MIT licence), for example from Debian's package
//! `dataset-fashion-mnist`; nothing is fetched. The network is a plain stack of three strided convolutions with batch
//! normalisation, 24,000 weights: small enough that dozens of them can be trained on two processor cores, and with batch
//! normalisation so that everything that needs care around running statistics does.

mod augment;
mod data;
mod network;
mod predictions;

pub use augment::shift_and_flip;
pub use data::{CLASSES, FOLDER, Images, SIDE, Split};
pub use network::{FashionNet, FashionNetConfig};
pub use predictions::Predictions;
