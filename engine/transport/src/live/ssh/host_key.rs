//! Whether the key of an SSH server is the one that the operator trusts.

use std::{borrow::Cow, path::Path};

use russh::{
    Preferred,
    keys::{Algorithm, HashAlg, PublicKey, known_hosts::known_host_keys_path},
};

use crate::{
    door::{KnownHosts, SshServer},
    words,
};

/// Compares the key with those in the file, by the server's address or by its name.
///
/// # Errors
/// What the operator has to look at, and how.
pub(super) fn check(server: &SshServer, file: &Path, key: &PublicKey) -> Result<(), String> {
    let fingerprint = key.fingerprint(HashAlg::Sha256);
    let known = known(server, file).map_err(|why| format!("{} cannot be read: {why}", file.display()))?;
    if is_revoked(file, key) {
        return Err(format!("its key {fingerprint} is marked as revoked in {}", file.display()));
    }
    if known.iter().any(|(_, known)| known.key_data() == key.key_data()) {
        return Ok(());
    }
    let other = known.iter().find(|(_, known)| known.algorithm() == key.algorithm());
    if let Some((line, known)) = other {
        return Err(format!(
            "its key has changed: it shows {fingerprint}, line {line} of {} holds {}. Either the host was installed \
             anew, or somebody stands in between. If the new key is right, replace that line",
            file.display(),
            known.fingerprint(HashAlg::Sha256)
        ));
    }
    let written = key.to_openssh().map_err(|why| format!("its key cannot be read: {why}"))?;
    let written = words::quote(&format!("{} {written}", name_in_file(server)));
    let file = words::quote(&file.display().to_string());
    let scan = match &server.jump {
        None => format!("`ssh-keyscan -p {} {} >> {file}`, or ", server.port, server.address),
        Some(_) => String::new(),
    };
    Err(format!(
        "its key {fingerprint} is not known. Compare it with the host's own (`ssh-keygen -lf` of its \
         /etc/ssh/ssh_host_*_key.pub); if it is right, add it: {scan}`echo {written} >> {file}`"
    ))
}

/// The algorithms to ask for: first those of which a key is known, so that the server shows that one.
pub(super) fn preferred(server: &SshServer) -> Preferred {
    let mut preferred = Preferred::default();
    if let KnownHosts::File(file) = &server.known_hosts {
        let known = known(server, file).unwrap_or_default();
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

fn known(server: &SshServer, file: &Path) -> Result<Vec<(usize, PublicKey)>, russh::keys::Error> {
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
