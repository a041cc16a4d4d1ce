//! The folders of the user: for data, for the configuration, and how new ones are made.

use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};

/// Makes a folder that only its owner may look into, unless it is there.
///
/// # Errors
/// It cannot be made.
pub fn make_folder(folder: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
    builder
        .create(folder)
        .map_err(|error| Failure::new(Exit::Store, format!("cannot make the folder `{}`: {error}", folder.display())))
}

/// The user's folder for data.
#[must_use]
pub fn data_folder() -> PathBuf {
    user_folder("XDG_DATA_HOME", ".local/share").join("calipso")
}

fn user_folder(variable: &str, below_home: &str) -> PathBuf {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(below_home)))
        .unwrap_or_default()
}

/// The configuration file that counts when none is named.
#[must_use]
pub fn usual_config() -> Option<PathBuf> {
    [user_folder("XDG_CONFIG_HOME", ".config"), PathBuf::from("/etc")]
        .map(|folder| folder.join("calipso/calipso.yaml"))
        .into_iter()
        .find(|file| file.is_file())
}
