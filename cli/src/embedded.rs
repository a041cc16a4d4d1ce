//! What the binary brings along: the built-in specs and the demo's recordings.

use std::{io, path::Path, sync::Arc};

use calipso_model::Str;
use calipso_spec::Layer;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The built-in specs.
#[must_use]
pub fn specs() -> Layer {
    Layer {
        name: Str::from("built-in"),
        files: SPECS.iter().map(|(path, text)| (Str::from(*path), Arc::from(*text))).collect(),
    }
}

/// Writes the demo's recordings into a folder, one folder each.
///
/// # Errors
/// The folder cannot be written.
pub fn write_demo(folder: &Path) -> io::Result<()> {
    for (path, text) in DEMO {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(file, text)?;
    }
    Ok(())
}
