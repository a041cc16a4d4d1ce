//! Embeds the built-in specs and the demo's recordings: lists every file as an `include_str!`.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo says where the crate is")).join("..");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo says where to write"));
    let mut code = String::new();
    list(&mut code, "SPECS", &root.join("specs"));
    list(&mut code, "DEMO", &root.join("tests/recordings/demo"));
    fs::write(out.join("embedded.rs"), code).expect("the output folder can be written");
}

/// Writes one constant that holds path and text of every file below a folder.
fn list(code: &mut String, name: &str, folder: &Path) {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    walk(folder, &mut files);
    files.sort();
    let _ = writeln!(code, "/// Path below the folder, and text, of every embedded file.");
    let _ = writeln!(code, "pub const {name}: &[(&str, &str)] = &[");
    for file in files {
        let shown =
            file.strip_prefix(folder).expect("the file is below the folder").to_string_lossy().replace('\\', "/");
        let full = file.canonicalize().expect("the file is there");
        let _ = writeln!(code, "    ({shown:?}, include_str!({:?})),", full.to_string_lossy());
    }
    let _ = writeln!(code, "];");
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}
