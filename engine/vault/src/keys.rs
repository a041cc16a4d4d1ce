//! The key ring: seals with its newest key, opens with any.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use calipso_model::{Secret, SecretLocation};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
    rand::{SecureRandom as _, SystemRandom},
};

use crate::{
    error::VaultError,
    file,
    sealed::{Sealed, bound_to},
};

/// Bytes of a key.
const KEY_LEN: usize = 32;

/// Maximum number of keys in a ring. Old keys stay as long as something is sealed with them.
const MOST_KEYS: usize = 1_000;

/// The keys of one installation.
///
/// # Shape
/// Written as lines, each 32 random bytes in base64url; `#` begins a comment; the last key seals. A key's id is made from the key.
pub struct Keys {
    ring: RwLock<Vec<Key>>,
    /// The file that holds them, if one does.
    path: Option<PathBuf>,
}

struct Key {
    id: String,
    key: LessSafeKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Keys").field("ids", &self.ids()).field("path", &self.path).finish()
    }
}

impl Keys {
    /// The keys of a file; the file is made with one new key when it is not there.
    ///
    /// # Errors
    /// Others may read the file or change its folder; it holds no keys; the file system refuses.
    pub fn open_or_create(path: &Path) -> Result<Self, VaultError> {
        let text = match file::read(path)? {
            Some(text) => text,
            None => {
                file::create(path, &format!("{}{}\n", file::HEADING, new_key()?))?;
                // Another process may have been faster; then its key counts.
                file::read(path)?
                    .ok_or_else(|| file::keys_error(path, "it vanished while it was being made; try again"))?
            }
        };
        let ring = ring_of(&text, &path.display().to_string())?;
        Ok(Self { ring: RwLock::new(ring), path: Some(path.to_owned()) })
    }

    /// The keys of a file that must be there.
    ///
    /// # Errors
    /// As [`Keys::open_or_create`]; also when there is no file.
    pub fn open_file(path: &Path) -> Result<Self, VaultError> {
        let text = file::read(path)?.ok_or_else(|| file::keys_error(path, "there is no such file"))?;
        let ring = ring_of(&text, &path.display().to_string())?;
        Ok(Self { ring: RwLock::new(ring), path: Some(path.to_owned()) })
    }

    /// Keys out of an environment variable: as in a file, with blanks, commas or line ends between them.
    ///
    /// # Errors
    /// There is none, or one is not 32 bytes in base64url.
    pub fn from_text(text: &Secret) -> Result<Self, VaultError> {
        let ring = ring_of(text.reveal(), "the environment variable")?;
        Ok(Self { ring: RwLock::new(ring), path: None })
    }

    /// A new key, as text for an environment variable.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn generate() -> Result<Secret, VaultError> {
        new_key().map(Secret::new)
    }

    /// The ids of all keys; the last one seals.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).iter().map(|key| key.id.clone()).collect()
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn sealing_id(&self) -> String {
        self.ids().pop().unwrap_or_default()
    }

    /// Seals a secret for one place.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn seal(&self, location: &SecretLocation, secret: &Secret) -> Result<String, VaultError> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let key = ring.last().ok_or(VaultError::NoRandom)?;
        let mut nonce = [0_u8; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| VaultError::NoRandom)?;
        let mut bytes = secret.reveal().as_bytes().to_vec();
        key.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound_to(location, &key.id)),
                &mut bytes,
            )
            .map_err(|_| VaultError::NoRandom)?;
        Ok(Sealed::write(&key.id, &nonce, &bytes))
    }

    /// Opens what was sealed for this place. A key that is not known is looked for in the file once more, so that a running
    /// process learns of a rotation.
    ///
    /// # Errors
    /// [`VaultError::Malformed`], [`VaultError::UnknownKey`], [`VaultError::Refused`].
    pub fn open(&self, location: &SecretLocation, text: &str) -> Result<Secret, VaultError> {
        let sealed = Sealed::parse(text).ok_or_else(|| VaultError::Malformed { location: location.clone() })?;
        if !self.ids().iter().any(|id| id == sealed.key) {
            self.reload()?;
        }
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let key = ring.iter().find(|key| key.id == sealed.key).ok_or_else(|| VaultError::UnknownKey {
            location: location.clone(),
            key: sealed.key.to_owned(),
            known: ring.iter().map(|key| key.id.as_str()).collect::<Vec<_>>().join(", "),
        })?;
        let refused = || VaultError::Refused { location: location.clone(), key: key.id.clone() };
        let mut bytes = sealed.text;
        let aad = Aad::from(bound_to(location, &key.id));
        let opened = key
            .key
            .open_in_place(Nonce::assume_unique_for_key(sealed.nonce), aad, &mut bytes)
            .map_err(|_| refused())?;
        std::str::from_utf8(opened).map(Secret::new).map_err(|_| refused())
    }

    /// Adds a new key, which seals from now on, and returns its id. The others stay, for what they have sealed.
    ///
    /// # Errors
    /// The keys do not come from a file; the file system refuses.
    pub fn rotate(&self) -> Result<String, VaultError> {
        let path = self.path.as_deref().ok_or_else(|| VaultError::Keys {
            location: "the environment variable".to_owned(),
            what: "a process cannot change them; add a key at the end of the variable and start again".to_owned(),
        })?;
        file::append(path, &new_key()?)?;
        self.reload()?;
        Ok(self.sealing_id())
    }

    /// Seals again, with the newest key, what an older one has sealed; nothing when the newest key has sealed it.
    ///
    /// # Errors
    /// As [`Keys::open`] and [`Keys::seal`].
    pub fn seal_again(&self, location: &SecretLocation, text: &str) -> Result<Option<String>, VaultError> {
        if crate::sealed::key_of(text).is_some_and(|key| key == self.sealing_id()) {
            return Ok(None);
        }
        self.seal(location, &self.open(location, text)?).map(Some)
    }

    /// Reads the file again, if there is one.
    fn reload(&self) -> Result<(), VaultError> {
        let Some(path) = &self.path else { return Ok(()) };
        let text = file::read(path)?.ok_or_else(|| file::keys_error(path, "it is no longer there; restore it"))?;
        let fresh = ring_of(&text, &path.display().to_string())?;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

fn new_key() -> Result<String, VaultError> {
    let mut bytes = [0_u8; KEY_LEN];
    SystemRandom::new().fill(&mut bytes).map_err(|_| VaultError::NoRandom)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn ring_of(text: &str, location: &str) -> Result<Vec<Key>, VaultError> {
    let wrong = |what: String| VaultError::Keys { location: location.to_owned(), what };
    let mut ring: Vec<Key> = Vec::new();
    for (place_of_line, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        for word in line.split([' ', '\t', '\r', ',']).filter(|word| !word.is_empty()) {
            let number = place_of_line + 1;
            let bytes = URL_SAFE_NO_PAD
                .decode(word.trim_end_matches('='))
                .ok()
                .filter(|bytes| bytes.len() == KEY_LEN)
                .ok_or_else(|| wrong(format!("line {number} is not a key: a key is {KEY_LEN} bytes in base64url")))?;
            let key =
                UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| wrong(format!("line {number} is not a key")))?;
            let id = id_of(&bytes);
            if !ring.iter().any(|known| known.id == id) {
                ring.push(Key { id, key: LessSafeKey::new(key) });
            }
        }
    }
    match ring.len() {
        0 => Err(wrong("there is no key in it".to_owned())),
        found if found > MOST_KEYS => Err(wrong(format!("there are more than {MOST_KEYS} keys in it"))),
        _ => Ok(ring),
    }
}

/// Tells keys apart without telling anything of them.
fn id_of(key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"calipso key id v1:");
    context.update(key);
    context.finish().as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
