//! Commands on hosts. The commands that wait for one host share few shells; a host has one session, and so has a gateway.

mod frames;
mod host;
mod host_key;
mod session;
mod shell;

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use calipso_model::Secret;

use crate::{
    budget::Budget,
    digest::sha256_hex,
    door::Execution,
    error::FetchError,
    live::ssh::{host::Host, session::Session},
    means::{Means, SshRoute, SshServer},
    reply::Reply,
};

/// How long a host that could not be reached is not connected to again.
const REMEMBER_FAILURE: Duration = Duration::from_secs(60);

/// A command to run, within its limits.
pub(super) struct Command {
    /// Who is asked, for messages.
    endpoint: String,
    /// Whether this repeats a command on purpose: then a host that could not be reached is tried again.
    is_repeated: bool,
    words: Vec<String>,
    server: Box<SshServer>,
    timeout: Duration,
    max_bytes: u64,
    budget: Arc<Budget>,
}

impl Command {
    pub(super) fn new(endpoint: String, attempt: u32, route: &SshRoute, means: &Means) -> Self {
        Self {
            endpoint,
            is_repeated: attempt > 0,
            words: route.words.clone(),
            server: route.server.clone(),
            timeout: means.timeout,
            max_bytes: means.max_bytes,
            budget: Arc::clone(&means.budget),
        }
    }
}

/// What a command came to, and the shell that carried it.
type Outcome = (Result<Reply, FetchError>, Execution);

/// All hosts that commands were run on.
#[derive(Default)]
pub(super) struct Ssh {
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
    sessions: Arc<Sessions>,
}

impl Ssh {
    /// Runs one command.
    pub(super) async fn ask(&self, command: Command) -> Outcome {
        let host = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let make = || Arc::new(Host::new(SshServer::clone(&command.server), Arc::clone(&self.sessions)));
            hosts.entry(identity(&command.server)).or_insert_with(make).clone()
        };
        host.run(command).await
    }

    /// Ends all sessions.
    pub(super) async fn close(&self) {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.sessions.close().await;
    }
}

/// Text that is equal for equal servers and accounts; secrets only as digests.
fn identity(server: &SshServer) -> String {
    let digest = |secret: &Option<Secret>| match secret {
        Some(secret) => sha256_hex(secret.reveal().as_bytes()),
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
    /// How many shells were opened so far.
    n_shells: AtomicU64,
    slots: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Slot>>>>,
}

#[derive(Default)]
struct Slot {
    session: Option<Arc<Session>>,
    failed: Option<(Instant, FetchError)>,
}

impl Sessions {
    /// The session with a server; connects when there is none. `again`: tries again even if it failed a while ago.
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
            Some(jump) => Some(
                Box::pin(self.get(jump, again))
                    .await
                    .map_err(|error| FetchError::new(error.kind, session::endpoint(server), GatewayError(error)))?,
            ),
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

/// Why the gateway of a host cannot be used.
#[derive(Debug)]
struct GatewayError(FetchError);

impl fmt::Display for GatewayError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "its gateway {}", self.0)
    }
}

impl Error for GatewayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
