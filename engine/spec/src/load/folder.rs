//! A layer read from a folder.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use calipso_model::Str;

use super::Layer;

/// Reads every file below a folder; hidden ones, and what is no file (pipes, sockets), are left out.
///
/// # Errors
/// The folder or a file cannot be read, or a link leads nowhere or in a circle; the message names it.
pub fn read_layer(folder: &Path) -> io::Result<Layer> {
    let mut files = Vec::new();
    let root = folder.canonicalize().map_err(|error| with_path(folder, &error))?;
    walk(folder, folder, &mut vec![root], &mut files)?;
    Ok(Layer { name: folder.to_string_lossy().into(), files })
}

fn with_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

fn walk(folder: &Path, root: &Path, around: &mut Vec<PathBuf>, files: &mut Vec<(Str, Arc<str>)>) -> io::Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|error| with_path(folder, &error))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(|error| with_path(folder, &error))?;
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // A link that leads nowhere is an error here: its spec would silently be missing.
        let real = path.canonicalize().map_err(|error| with_path(&path, &error))?;
        if real.is_dir() {
            if around.contains(&real) {
                return Err(with_path(&path, &io::Error::other("the link leads back to a folder around it")));
            }
            around.push(real);
            walk(&path, root, around, files)?;
            around.pop();
        } else if real.is_file() {
            let shown = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            let bytes = std::fs::read(&path).map_err(|error| with_path(&path, &error))?;
            files.push((shown.into(), String::from_utf8_lossy(&bytes).into()));
        }
    }
    Ok(())
}
