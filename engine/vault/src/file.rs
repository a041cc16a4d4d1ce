//! The key file: made whole or not at all, readable by its owner only.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::error::VaultError;

/// First lines of a new file.
pub(crate) const HEADING: &str = "\
# Keys that seal secrets in the store; the last one seals, all of them open.
# Keep a copy apart from the store's: without these keys its secrets are lost.
";

/// Bytes of the largest file that is read.
const MOST_BYTES: u64 = 64 << 10;

/// Who else may read, write or list.
const OTHERS: u32 = 0o077;
/// Who else may write.
const OTHERS_WRITE: u32 = 0o022;
/// The sticky bit: in such a folder users may remove only their own files.
const STICKY: u32 = 0o1000;

pub(crate) fn keys_error(path: &Path, what: impl Into<String>) -> VaultError {
    VaultError::Keys { location: path.display().to_string(), what: what.into() }
}

fn io(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> VaultError {
    move |source| VaultError::Io { action, path: path.display().to_string(), source }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads the file; nothing when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, VaultError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("read", path)(error)),
    };
    // The open file is examined, not the path, which may lead elsewhere by now.
    let about = file.metadata().map_err(io("look at", path))?;
    if !about.is_file() {
        return Err(keys_error(path, "it is not a file"));
    }
    if about.mode() & OTHERS != 0 {
        let mode = about.mode() & 0o777;
        return Err(keys_error(path, format!("others may use it (mode {mode:o}); run `chmod 600` on it")));
    }
    check_folder(path)?;
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(io("read", path))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(keys_error(path, "it is too large to be a key file"));
    }
    Ok(Some(text))
}

/// Who can change the folder can put another file in the place of this one.
fn check_folder(path: &Path) -> Result<(), VaultError> {
    let folder = folder(path);
    let about = fs::metadata(folder).map_err(io("look at", folder))?;
    if about.mode() & OTHERS_WRITE != 0 && about.mode() & STICKY == 0 {
        let mode = about.mode() & 0o777;
        let what = format!("others may change its folder (mode {mode:o}); run `chmod go-w` on the folder");
        return Err(keys_error(path, what));
    }
    Ok(())
}

/// Makes the file; leaves it alone when there is one by now.
pub(crate) fn create(path: &Path, text: &str) -> Result<(), VaultError> {
    let folder = folder(path);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io("make the folder", folder))?;
    check_folder(path)?;
    let draft = Draft::write(path, text)?;
    match fs::hard_link(&draft.0, path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io("make", path)(error)),
    }
    sync(folder)
}

/// Adds a line to the file. Of two processes that do so at the same time both succeed.
pub(crate) fn append(path: &Path, line: &str) -> Result<(), VaultError> {
    let lock_path = beside(path, ".lock");
    let lock = private(&lock_path, false).map_err(io("open", &lock_path))?;
    lock.lock().map_err(io("lock", &lock_path))?;
    let mut text = read(path)?.ok_or_else(|| keys_error(path, "it is no longer there; restore it"))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
    let draft = Draft::write(path, &text)?;
    fs::rename(&draft.0, path).map_err(io("replace", path))?;
    sync(folder(path))
}

fn sync(folder: &Path) -> Result<(), VaultError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("write to", folder))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn private(path: &Path, is_new: bool) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).create_new(is_new).truncate(false).mode(0o600).open(path)
}

/// A temporary file next to the real one, removed at the end.
struct Draft(PathBuf);

impl Draft {
    fn write(path: &Path, text: &str) -> Result<Self, VaultError> {
        let stamp = std::thread::current().id();
        let draft = beside(path, &format!(".{}-{stamp:?}.new", std::process::id()));
        // Left over from a process that was stopped half-way and had our number.
        let _ = fs::remove_file(&draft);
        let mut file = private(&draft, true).map_err(io("write", &draft))?;
        let draft = Self(draft);
        file.set_permissions(Permissions::from_mode(0o600)).map_err(io("write", &draft.0))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io("write", &draft.0))?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing to remove; a failure cannot be reported.
        let _ = fs::remove_file(&self.0);
    }
}
