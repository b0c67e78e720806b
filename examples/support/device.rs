//! Devices by name, as far as the cargo features of the examples compile them in.

use burn::tensor::Device;

use crate::{Failure, fail};

/// The names that this build knows.
pub const DEVICES: &[&str] = &[
    #[cfg(feature = "flex")]
    "cpu",
    #[cfg(feature = "wgpu")]
    "wgpu",
    #[cfg(feature = "vulkan")]
    "vulkan",
    #[cfg(feature = "metal")]
    "metal",
    #[cfg(feature = "cuda")]
    "cuda",
    #[cfg(feature = "rocm")]
    "rocm",
];

/// The device of that name; without a name, the first one compiled in.
///
/// # Errors
/// A name that this build does not know; the message lists those it does.
pub fn device(name: Option<&str>) -> Result<Device, Failure> {
    let Some(name) = name.or(DEVICES.first().copied()) else {
        return fail("no backend was compiled in; build with --features flex, wgpu or cuda");
    };
    match name {
        #[cfg(feature = "flex")]
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "metal")]
        "metal" => Ok(Device::metal(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(0)),
        #[cfg(feature = "rocm")]
        "rocm" => Ok(Device::rocm(0)),
        other => fail(format!(
            "device `{other}` is not part of this build; it has {}. Others are cargo features: --features wgpu, cuda, …",
            DEVICES.join(", ")
        )),
    }
}
