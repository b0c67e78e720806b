//! Devices by name, as far as the cargo features of the examples compile them in.

use std::panic::{self, AssertUnwindSafe};

use burn::tensor::{Device, Tensor};

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
/// A name that this build does not know; the message lists those it does. A device that this machine lacks, or whose driver does.
pub fn device(name: Option<&str>) -> Result<Device, Failure> {
    let Some(name) = name.or(DEVICES.first().copied()) else {
        return fail("no backend was compiled in; build with --features flex, wgpu or cuda");
    };
    let device = named(name)?;
    if name != "cpu" {
        check(name, &device)?;
    }
    Ok(device)
}

fn named(name: &str) -> Result<Device, Failure> {
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

/// Tries the device. Backends panic, on threads of their own, too, where a card or its driver is missing; what they print is kept away.
fn check(name: &str, device: &Device) -> Result<(), Failure> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let sum = panic::catch_unwind(AssertUnwindSafe(|| {
        Tensor::<1>::ones([2], device).sum().into_scalar::<f32>()
    }));
    panic::set_hook(hook);
    match sum {
        Ok(2.0) => Ok(()),
        Ok(sum) => fail(format!("device `{name}`: 1 + 1 gave {sum}")),
        Err(_) => fail(format!(
            "device `{name}` cannot be used here; expected its card and driver, see docs/PERFORMANCE.md"
        )),
    }
}
