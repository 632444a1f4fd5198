//! `weir crds`

use std::process::ExitCode;

use crate::error::Error;

/// Prints the CustomResourceDefinitions of Weir's kinds, ready for `kubectl apply -f -`.
pub(super) fn execute() -> Result<ExitCode, Error> {
    super::print(&resources::crds_yaml())?;
    Ok(ExitCode::SUCCESS)
}
