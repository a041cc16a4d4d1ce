//! Commands on hosts. What waits for one host shares few shells; a host has one session, a gateway too.

mod frames;
mod host;
mod host_key;
mod session;
mod shell;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use calipso_model::Secret;
use sha2::{Digest, Sha256};

use crate::{
    door::{Call, Reply, Request, SshServer},
    error::{ErrorKind, FetchError},
    live::ssh::{host::Host, session::Session},
    stats::Counters,
};

/// How long a host that could not be reached is not asked again.
const REMEMBER_FAILURE: Duration = Duration::from_secs(60);

/// All hosts that were asked for.
pub(super) struct Ssh {
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
    sessions: Arc<Sessions>,
    counters: Arc<Counters>,
}

impl Ssh {
    /// No host yet.
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self { hosts: Mutex::default(), sessions: Arc::default(), counters }
    }

    /// Runs one command.
    pub(super) async fn ask(&self, call: Call) -> Result<Reply, FetchError> {
        let place = call.place();
        let Request::Exec { words, server, .. } = &call.request else {
            return Err(FetchError::new(ErrorKind::Setup, place, "not a command"));
        };
        let through_sudo = words.first().is_some_and(|word| word == "sudo");
        let host = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let make = || {
                let server = SshServer::clone(server);
                Arc::new(Host::new(server, Arc::clone(&self.sessions), Arc::clone(&self.counters)))
            };
            hosts.entry(identity(server)).or_insert_with(make).clone()
        };
        let reply = host.run(call).await?;
        match &reply {
            Reply::Exec { exit: 1, stderr, .. } if through_sudo && refused_by_sudo(stderr) => {
                let why = format!("{}; allow the command in sudoers (NOPASSWD)", stderr.trim());
                Err(FetchError::new(ErrorKind::Denied, place, why))
            }
            _ => Ok(reply),
        }
    }

    /// Ends all sessions.
    pub(super) async fn close(&self) {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.sessions.close().await;
    }
}

fn refused_by_sudo(stderr: &str) -> bool {
    let refusals = [
        "a password is required",
        "a terminal is required",
        "is not in the sudoers file",
        "is not allowed to",
        "may not run sudo",
        "you must have a tty",
    ];
    // Some of its sentences do not hold its name.
    let is_told = |line: &str| line.contains("sudo") || line.starts_with("Sorry, user ");
    stderr.lines().any(is_told) && refusals.iter().any(|refusal| stderr.contains(refusal))
}

/// Text that is equal for equal servers and accounts; secrets only as digests.
fn identity(server: &SshServer) -> String {
    let digest = |secret: &Option<Secret>| match secret {
        Some(secret) => format!("{:x}", Sha256::digest(secret.reveal().as_bytes())),
        None => String::new(),
    };
    let jump = server.jump.as_deref().map(identity).unwrap_or_default();
    let (password, key) = (digest(&server.password), digest(&server.private_key));
    let SshServer { host, address, port, user, known_hosts, .. } = server;
    format!("{host}\n{address}\n{port}\n{user}\n{password}\n{key}\n{known_hosts:?}\n({jump})")
}

/// The sessions that are open, at most one for each server and account.
#[derive(Default)]
struct Sessions {
    slots: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Slot>>>>,
}

#[derive(Default)]
struct Slot {
    session: Option<Arc<Session>>,
    failed: Option<(Instant, FetchError)>,
}

impl Sessions {
    /// The session with a server; connects when there is none. `again`: an earlier failure does not count.
    async fn get(&self, server: &SshServer, again: bool) -> Result<Arc<Session>, FetchError> {
        // A gateway is not the host itself, even where both are the same machine.
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(identity(server)).or_default().clone()
        };
        let mut slot = slot.lock().await;
        if let Some(session) = slot.session.as_ref().filter(|session| !session.is_closed()) {
            return Ok(Arc::clone(session));
        }
        slot.session = None;
        if let Some((at, error)) = &slot.failed {
            let recent = if again { Duration::from_secs(1) } else { REMEMBER_FAILURE };
            if at.elapsed() < recent {
                return Err(error.clone());
            }
        }
        match self.connect(server, again).await {
            Ok(session) => {
                let session = Arc::new(session);
                *slot = Slot { session: Some(Arc::clone(&session)), failed: None };
                Ok(session)
            }
            Err(error) => {
                slot.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn connect(&self, server: &SshServer, again: bool) -> Result<Session, FetchError> {
        let through = match &server.jump {
            None => None,
            Some(jump) => Some(Box::pin(self.get(jump, again)).await.map_err(|error| {
                let why = format!("its gateway {} {}", error.place, error_tail(&error));
                FetchError::new(error.kind, session::place(server), why)
            })?),
        };
        Session::open(server, through).await
    }

    async fn close(&self) {
        let slots = std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner));
        for slot in slots.into_values() {
            if let Some(session) = slot.lock().await.session.take() {
                session.close().await;
            }
        }
    }
}

/// The sentence of an error without the place in front.
fn error_tail(error: &FetchError) -> String {
    let text = error.to_string();
    text.strip_prefix(error.place.as_ref()).unwrap_or(&text).trim_start().to_owned()
}
