//! What sealing promises: only the key opens, only in its place, and nothing shows.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use calipso_vault::{Keys, Secret, SecretLocation, VaultError, is_sealed, key_of};
use proptest::prelude::*;

fn keys() -> Keys {
    Keys::from_text(&Keys::generate().unwrap()).unwrap()
}

fn location() -> SecretLocation {
    SecretLocation::role("cloud-a", "hosts").field("password")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_sealed_opens_in_its_place() {
    let keys = keys();
    let secret = Secret::new("s3cret:with:colons");
    let text = keys.seal(&location(), &secret).unwrap();
    assert!(is_sealed(&text) && text.starts_with("sealed:v1:"), "{text}");
    assert_eq!(key_of(&text), Some(keys.sealing_id().as_str()));
    assert_eq!(keys.open(&location(), &text).unwrap(), secret);
    assert_ne!(text, keys.seal(&location(), &secret).unwrap(), "nonces are random");
    assert!(!is_sealed("env:SEALED") && key_of("sealed:v1:zz:aa").is_none() && key_of("sealed:v2:ab:aa").is_none());
}

#[test]
fn in_another_place_it_stays_closed() {
    let keys = keys();
    let text = keys.seal(&location(), &Secret::new("s3cret")).unwrap();
    for other in [
        SecretLocation::role("cloud-b", "hosts").field("password"),
        SecretLocation::role("cloud-a", "database").field("password"),
        SecretLocation::role("cloud-a", "hosts").field("key"),
        SecretLocation::role("cloud-ahosts", "").field("password"),
        SecretLocation::role("cloud-", "ahosts").field("password"),
    ] {
        let error = keys.open(&other, &text).unwrap_err();
        assert!(matches!(error, VaultError::Refused { .. }), "{error}");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let keys = keys();
    let text = keys.seal(&location(), &Secret::new("s3cret")).unwrap();
    for at in 0..text.len() {
        for flip in [1_u8, 2, 0x20] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= flip;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let error = keys.open(&location(), &changed).expect_err(&format!("byte {at} of {text} as {changed}"));
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
        assert!(keys.open(&location(), &text[..at]).is_err(), "cut at {at}");
    }
    assert!(keys.open(&location(), &format!("{text}A")).is_err());
}

#[test]
fn another_key_is_named_and_says_what_to_do() {
    let text = keys().seal(&location(), &Secret::new("s3cret")).unwrap();
    let other = keys();
    let error = other.open(&location(), &text).unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, VaultError::UnknownKey { .. }));
    assert!(told.contains(key_of(&text).unwrap()) && told.contains(&other.sealing_id()), "{told}");
    assert!(told.contains("key file") && told.contains("cloud-a"), "{told}");
}

#[test]
fn the_file_is_made_once_and_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/keys");
    let first = Keys::open_or_create(&path).unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let text = first.seal(&location(), &Secret::new("s3cret")).unwrap();
    let second = Keys::open_or_create(&path).unwrap();
    assert_eq!(second.open(&location(), &text).unwrap().reveal(), "s3cret");
    let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["keys"], "no draft is left");

    for wrong in [0o640, 0o604, 0o644, 0o660] {
        chmod(&path, wrong);
        let told = Keys::open_or_create(&path).unwrap_err().to_string();
        assert!(told.contains("chmod 600"), "{told}");
        assert_eq!(mode(&path), wrong, "it is refused, not mended");
    }
    chmod(&path, 0o600);
    chmod(path.parent().unwrap(), 0o770);
    assert!(Keys::open_or_create(&path).unwrap_err().to_string().contains("folder"));
    chmod(path.parent().unwrap(), 0o700);
    Keys::open_or_create(&path).unwrap();
    assert!(Keys::open_file(&folder.path().join("none")).is_err());
}

#[test]
fn many_that_start_at_once_share_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let mut ids: Vec<String> = std::thread::scope(|scope| {
        let started: Vec<_> =
            (0..8).map(|_| scope.spawn(|| Keys::open_or_create(&path).unwrap().sealing_id())).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[test]
fn a_new_key_seals_and_the_old_ones_still_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let keys = Keys::open_or_create(&path).unwrap();
    let running = Keys::open_or_create(&path).unwrap();
    let old = keys.seal(&location(), &Secret::new("old")).unwrap();
    let id = keys.rotate().unwrap();
    let new = keys.seal(&location(), &Secret::new("new")).unwrap();
    assert_eq!((keys.ids().len(), key_of(&new), mode(&path)), (2, Some(id.as_str()), 0o600));
    assert_eq!(keys.open(&location(), &old).unwrap().reveal(), "old");
    assert_eq!(running.open(&location(), &new).unwrap().reveal(), "new", "a running process learns of the rotation");
    let again = keys.seal_again(&location(), &old).unwrap().unwrap();
    assert_eq!(key_of(&again), Some(id.as_str()));
    assert_eq!(keys.seal_again(&location(), &again).unwrap(), None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| Keys::open_or_create(&path).unwrap().rotate().unwrap());
        }
    });
    assert_eq!(Keys::open_or_create(&path).unwrap().ids().len(), 6, "no key is lost");
    assert!(self::keys().rotate().is_err(), "keys of a variable are the operator's");
}

#[test]
fn text_that_is_no_key_is_refused_without_being_told() {
    for (text, needle) in
        [("", "no key"), ("# only this", "no key"), ("hunter2hunter2", "line 1"), ("AAAA", "32 bytes")]
    {
        let error = Keys::from_text(&Secret::new(text)).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(told.contains(needle) && !told.contains("hunter2"), "{told}");
    }
    let key = Keys::generate().unwrap();
    let keys = Keys::from_text(&key).unwrap();
    let shown = format!("{keys:?} {key:?} {}", keys.seal(&location(), &Secret::new("s3cret")).unwrap());
    assert!(!shown.contains(key.reveal()) && !shown.contains("s3cret"), "{shown}");
    let two = Secret::new(format!("{},{}", Keys::generate().unwrap().reveal(), key.reveal()));
    assert_eq!(Keys::from_text(&two).unwrap().sealing_id(), keys.sealing_id(), "the last one seals");
}

proptest! {
    #[test]
    fn any_secret_comes_back_and_only_in_its_place(
        secret in ".{0,200}", environment in ".{0,20}", role in ".{0,10}", field in ".{0,20}", other in ".{0,20}",
    ) {
        let keys = keys();
        let location = SecretLocation::role(environment, role).field(field);
        let text = keys.seal(&location, &Secret::new(secret.as_str())).unwrap();
        prop_assert_eq!(keys.open(&location, &text).unwrap(), Secret::new(secret));
        let moved = location.field(other);
        prop_assert_eq!(keys.open(&moved, &text).is_ok(), moved == location);
    }

    #[test]
    fn any_text_gives_an_answer(text in ".{0,80}", rest in "[A-Za-z0-9_-]{0,80}") {
        let keys = keys();
        prop_assert!(keys.open(&SecretLocation::default(), &text).is_err());
        let claimed = format!("sealed:v1:{}:{rest}", keys.sealing_id());
        prop_assert!(keys.open(&SecretLocation::default(), &claimed).is_err());
    }
}
