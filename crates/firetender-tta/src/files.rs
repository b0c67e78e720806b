//! Reading whole files, up to a size that no honest one exceeds.

use std::{fs, io::Read as _, path::Path};

use crate::TtaError;

/// Policies, images and manifests are smaller.
const MOST: u64 = 1 << 30;

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TtaError> {
    let failed = |source| TtaError::Io {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = vec![];
    file.take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err(TtaError::file(
            path,
            "file",
            format!("more than {MOST} bytes"),
        ));
    }
    Ok(bytes)
}
