//! Whether the key of an SSH server is the one that the operator trusts.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use russh::{
    Preferred,
    keys::{self, Algorithm, HashAlg, PublicKey, known_hosts::known_host_keys_path, ssh_key::Fingerprint},
};

use crate::{
    means::{KnownHosts, SshServer},
    words,
};

/// Why the key of a server is not trusted: what the operator has to look at, and how.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostKeyError {
    #[error("{} cannot be read", .file.display())]
    Unreadable { file: PathBuf, source: keys::Error },
    #[error("its key {fingerprint} is marked as revoked in {}", .file.display())]
    Revoked { fingerprint: Fingerprint, file: PathBuf },
    #[error(
        "its key has changed: it shows {fingerprint}, line {line} of {} holds {expected}. Either the host was installed anew, or somebody stands in between. If the new key is right, replace that line",
        .file.display()
    )]
    Changed { fingerprint: Fingerprint, file: PathBuf, line: usize, expected: Fingerprint },
    #[error(
        "its key {fingerprint} is not known. Compare it with the host's own (`ssh-keygen -lf` of its /etc/ssh/ssh_host_*_key.pub); if it is right, add it: {commands}"
    )]
    Unknown { fingerprint: Fingerprint, commands: String },
    #[error("its key cannot be read")]
    Unusable { source: keys::ssh_key::Error },
    #[error("it showed a certificate instead of a key, which is not supported")]
    Certificate,
}

/// Compares the key with those in the file, by the server's address or by its name.
///
/// # Errors
/// It is not among them.
pub(super) fn check(server: &SshServer, file: &Path, key: &PublicKey) -> Result<(), Box<HostKeyError>> {
    let fingerprint = key.fingerprint(HashAlg::Sha256);
    let known = known_keys(server, file)
        .map_err(|source| Box::new(HostKeyError::Unreadable { file: file.to_owned(), source }))?;
    if is_revoked(file, key) {
        return Err(Box::new(HostKeyError::Revoked { fingerprint, file: file.to_owned() }));
    }
    if known.iter().any(|(_, known)| known.key_data() == key.key_data()) {
        return Ok(());
    }
    let other = known.iter().find(|(_, known)| known.algorithm() == key.algorithm());
    if let Some((line, known)) = other {
        let expected = known.fingerprint(HashAlg::Sha256);
        let file = file.to_owned();
        return Err(Box::new(HostKeyError::Changed { fingerprint, file, line: *line, expected }));
    }
    let written = key.to_openssh().map_err(|source| Box::new(HostKeyError::Unusable { source }))?;
    let written = words::quote(&format!("{} {written}", name_in_file(server)));
    let file = words::quote(&file.display().to_string());
    let scan = match &server.jump {
        None => format!("`ssh-keyscan -p {} {} >> {file}`, or ", server.port, server.address),
        Some(_) => String::new(),
    };
    let commands = format!("{scan}`echo {written} >> {file}`");
    Err(Box::new(HostKeyError::Unknown { fingerprint, commands }))
}

/// The algorithms to ask for: first those of which a key is known, so that the server shows that one.
pub(super) fn preferred(server: &SshServer) -> Preferred {
    let mut preferred = Preferred::default();
    if let KnownHosts::File(file) = &server.known_hosts {
        let known = known_keys(server, file).unwrap_or_default();
        let mut algorithms: Vec<Algorithm> = preferred.key.to_vec();
        let is_known = |algorithm: &Algorithm| {
            known.iter().any(|(_, key)| {
                key.algorithm() == *algorithm || (key.algorithm().is_rsa() && algorithm.clone().is_rsa())
            })
        };
        algorithms.sort_by_key(|algorithm| !is_known(algorithm));
        preferred.key = Cow::Owned(algorithms);
    }
    preferred
}

fn known_keys(server: &SshServer, file: &Path) -> Result<Vec<(usize, PublicKey)>, keys::Error> {
    let mut known = known_host_keys_path(&server.address, server.port, file)?;
    if server.host != server.address {
        known.extend(known_host_keys_path(&server.host, server.port, file)?);
    }
    Ok(known)
}

fn is_revoked(file: &Path, key: &PublicKey) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let of_line = |line: &str| {
        let mut fields = line.split_whitespace();
        let revoked = fields.next() == Some("@revoked");
        fields.next_back().filter(|_| revoked)?;
        let text: Vec<&str> = line.split_whitespace().skip(2).take(2).collect();
        PublicKey::from_openssh(&text.join(" ")).ok()
    };
    text.lines().filter_map(of_line).any(|revoked| revoked.key_data() == key.key_data())
}

fn name_in_file(server: &SshServer) -> String {
    if server.port == 22 { server.address.to_string() } else { format!("[{}]:{}", server.address, server.port) }
}
