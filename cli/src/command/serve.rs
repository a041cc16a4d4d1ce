//! `serve`: the REST interface and the workers in one process, or either alone.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum_server::{Handle, Server, tls_rustls::RustlsConfig};
use calipso_api::{
    Access, AccountSettings, Accounts, Attempts, Catalogues, Environments, Limits, Problem, Service,
    retain_audit_entries,
};
use calipso_pipeline::work::{self, Doors, LayeredSpecs, Parts, Worker, WorkerSettings, live_doors};
use calipso_store::Backend;
use calipso_transport::Replay;
use calipso_vault::Keys;
use tokio_util::sync::CancellationToken;

use crate::{
    command::scan::recording,
    connections::{Bounded, Bounds, Connections, accept_failed},
    directory::directory,
    failure::{Exit, Failure},
    metrics::{self, Readers},
    secrets::SecretReferences,
    session::Session,
    settings::Settings,
};

/// `serve`.
///
/// # Errors
/// A setting is wrong, or the address or the store cannot be used.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let settings = &session.settings;
    let scans = usize::try_from(settings.number("workers")).unwrap_or(usize::MAX);
    let interface_wanted = !settings.is_on("worker_only");
    if scans == 0 && !interface_wanted {
        return Err(Failure::usage("`workers` is 0 and `worker_only` is set: nothing would run"));
    }
    let address = listen_address(settings)?;
    let layers = session.layers()?;
    let loaded = on_a_passing_thread(|| session.specs_without_tests())??;
    let backend = session.store().await?;
    let references = Arc::new(SecretReferences::new(settings));
    // Made at the first start, before anybody needs them.
    references.keys(true)?;
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let grace = Duration::from_secs(settings.number("stop_secs"));

    let (doors, is_live) = doors(settings)?;
    let work = (scans > 0).then(|| {
        let parts = Parts {
            store: backend.clone(),
            specs: Arc::new(LayeredSpecs::new(layers.clone()).with_loaded(loaded.specs.clone())),
            secrets: references.clone(),
            doors,
            clock: Arc::new(jiff::Timestamp::now),
        };
        let worker = Worker::new(WorkerSettings { is_live, ..worker_settings(settings, scans, grace) }, parts);
        on_own_threads(worker, stop.clone())
    });
    let served = if interface_wanted {
        let (access, accounts) = access(settings, address, &backend).await?;
        let service = Service {
            access,
            accounts,
            backend,
            catalogues: Catalogues::new(layers, Arc::new(loaded)),
            environments: environments(settings, references.keys(true)?),
            limits: limits(settings),
            version: env!("CARGO_PKG_VERSION"),
            clock: jiff::Timestamp::now,
        };
        interface(settings, address, Arc::new(service), stop.clone(), grace).await
    } else {
        eprintln!("calipso works, without the REST interface");
        Ok(())
    };
    // An interface that cannot be served takes the worker with it.
    if served.is_err() {
        stop.cancel();
    }
    if let Some(work) = work {
        work.await.map_err(|error| Failure::new(Exit::Bug, format!("the worker ended: {error}")))?;
    }
    served
}

/// Does something that allocates much and keeps little. The allocator keeps freed memory for the thread that freed it; that of a
/// thread which ends goes back to the system.
fn on_a_passing_thread<T: Send>(job: impl FnOnce() -> T + Send) -> Result<T, Failure> {
    let panicked = |_| Failure::new(Exit::Bug, "what is needed to serve could not be made");
    std::thread::scope(|scope| scope.spawn(job).join().map_err(panicked))
}

/// Runs the worker beside the interface. Scans compute for seconds at a time: on threads of their own they keep no login and
/// no other request waiting.
fn on_own_threads(worker: Worker, stop: CancellationToken) -> tokio::sync::oneshot::Receiver<()> {
    let (ended, wait) = tokio::sync::oneshot::channel();
    let run = move || {
        let runtime = match tokio::runtime::Builder::new_multi_thread().thread_name("calipso-work").enable_all().build()
        {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "The worker cannot be started.");
                return;
            }
        };
        runtime.block_on(worker.run(stop));
        // The receiver may be gone already.
        let _ = ended.send(());
    };
    // If no thread can be made, the channel closes, which is reported.
    if let Err(error) = std::thread::Builder::new().name("calipso-work".to_owned()).spawn(run) {
        tracing::error!(%error, "The worker cannot be started.");
    }
    wait
}

/// Who is asked, and whether that is the living world.
fn doors(settings: &Settings) -> Result<(Doors, bool), Failure> {
    let Some(folder) = settings.path("replay") else { return Ok((live_doors(settings.is_on("unix_sockets")), true)) };
    let recording = recording(&folder)?;
    eprintln!("every environment is answered by the recording in {}", folder.display());
    Ok((Arc::new(move |_| Arc::new(Replay::new(recording.clone()))), false))
}

fn worker_settings(settings: &Settings, scans: usize, grace: Duration) -> WorkerSettings {
    let days = |key: &str| Duration::from_secs(settings.number(key).saturating_mul(24 * 3600));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let keep = settings.number("keep.revisions");
    WorkerSettings {
        name: format!("{}, process {}, {}", host.trim(), std::process::id(), jiff::Timestamp::now()).into(),
        lease: Duration::from_secs(settings.number("lease_secs").max(3)),
        scans,
        grace,
        max_resident_objects: usize::try_from(settings.number("resident_objects")).unwrap_or(usize::MAX),
        retention: work::Retention {
            messages_for: days("keep.message_days"),
            scans: settings.number("keep.scans"),
            revisions: (keep > 0).then_some(work::KeepRevisions::Last(keep)),
            ..work::Retention::default()
        },
        ..WorkerSettings::default()
    }
}

/// Who may come in. At the very first start an administrator is made, whose password is shown this once.
async fn access(
    settings: &Settings,
    address: SocketAddr,
    backend: &Arc<dyn Backend>,
) -> Result<(Access, Arc<Accounts>), Failure> {
    if settings.is_on("insecure_no_auth") {
        let open = Access::open_on(address.ip()).map_err(Failure::usage)?;
        eprintln!("warning: everybody who reaches {address} may do everything (insecure_no_auth)");
        return Ok((open, Arc::new(Accounts::new(backend.clone(), account_settings(settings)?))));
    }
    let mut accounts = Accounts::new(backend.clone(), account_settings(settings)?);
    if let Some(directory) = directory(settings)? {
        accounts = accounts.with_directory(directory);
    }
    let first = accounts.first_administrator(jiff::Timestamp::now()).await.map_err(problem_failure)?;
    if let Some((name, password)) = first {
        eprintln!("first start: the administrator is `{name}`, with the password {}", password.reveal());
        eprintln!("it is shown this once; `calipso user password {name}` sets another");
    }
    let accounts = Arc::new(accounts);
    tokio::spawn(keep_house(Arc::clone(&accounts), backend.clone(), settings.number("keep.audit_days")));
    Ok((Access::Login, accounts))
}

/// Once an hour removes tokens that have expired, and entries of the audit trail that are older than they have to be.
async fn keep_house(accounts: Arc<Accounts>, backend: Arc<dyn Backend>, audit_days: u64) {
    let mut hours = tokio::time::interval(Duration::from_secs(3600));
    loop {
        hours.tick().await;
        let now = jiff::Timestamp::now();
        let kept = i64::try_from(audit_days).ok().and_then(|days| days.checked_mul(24 * 3600));
        let since = kept.and_then(|seconds| now.checked_sub(jiff::SignedDuration::from_secs(seconds)).ok());
        let mut done = accounts.purge(now).await;
        if let (Ok(_), Some(since)) = (&done, since) {
            done = retain_audit_entries(backend.as_ref(), since).await;
        }
        if let Err(problem) = done {
            tracing::warn!(problem = problem.detail(), "Old tokens and audit entries could not be removed.");
        }
    }
}

/// How logins are handled.
///
/// # Errors
/// A setting is wrong.
pub fn account_settings(settings: &Settings) -> Result<AccountSettings, Failure> {
    let seconds = |key: &str| Duration::from_secs(settings.number(key));
    let trusted_proxies = trusted_proxies(settings)?;
    Ok(AccountSettings {
        token_lifetime: seconds("token_secs"),
        login_lifetime: seconds("token_max_secs"),
        attempts: Attempts {
            burst: settings.number("login_attempts").clamp(1, u64::from(u32::MAX)) as u32,
            ..Attempts::default()
        },
        trusted_proxies,
        ..AccountSettings::default()
    })
}

/// Reverse proxies that are believed.
fn trusted_proxies(settings: &Settings) -> Result<Vec<IpAddr>, Failure> {
    let wrong = |text: &str| Failure::usage(format!("`trusted_proxies` holds `{text}`, which is no address"));
    settings.list("trusted_proxies").iter().map(|text| text.parse().map_err(|_| wrong(text))).collect()
}

/// A problem of the interface as a failure of a command.
#[must_use]
pub fn problem_failure(problem: Problem) -> Failure {
    let cause = problem.cause().map(|cause| format!(": {cause}")).unwrap_or_default();
    let exit = if problem.status() >= 500 { Exit::Store } else { Exit::Usage };
    Failure::new(exit, format!("{}{cause}", problem.detail()))
}

/// The address of the REST interface.
fn listen_address(settings: &Settings) -> Result<SocketAddr, Failure> {
    let text = settings.text("listen").unwrap_or_default();
    text.parse().map_err(|_| {
        Failure::usage(format!("the setting `listen` is an address and a port, not `{text}`"))
            .help("write for example 127.0.0.1:8747, 0.0.0.0:8747 or [::]:8747")
    })
}

/// What is allowed about environments.
fn environments(settings: &Settings, keys: Arc<Keys>) -> Environments {
    let references = calipso_api::References {
        env_prefix: settings.text("secrets.env_prefix").unwrap_or_default().to_owned(),
        folder: settings.path("secrets.folder"),
    };
    Environments { keys: Some(keys), references }
}

fn limits(settings: &Settings) -> Limits {
    let size = |key: &str| usize::try_from(settings.number(key)).unwrap_or(usize::MAX).max(1);
    Limits { body_bytes: size("body_bytes"), page_size: size("page_size"), ..Limits::default() }
}

/// The server, which waits so long for the head of a request, from the beginning of the connection or the end of the answer
/// before it, and asks so often whether a connection of HTTP/2 is still alive.
fn impatient<A>(mut server: Server<SocketAddr, A>, head_time: Duration) -> Server<SocketAddr, A> {
    server.http_builder().http1().header_read_timeout(head_time);
    server.http_builder().http2().keep_alive_interval(head_time).keep_alive_timeout(head_time);
    server.first_request_timeout(head_time).accept_error_handler(accept_failed())
}

/// Serves until it is asked to stop, then lets open requests end.
async fn interface(
    settings: &Settings,
    address: SocketAddr,
    service: Arc<Service>,
    stop: CancellationToken,
    grace: Duration,
) -> Result<(), Failure> {
    let mut router = on_a_passing_thread(|| calipso_api::router(Arc::clone(&service)))?;
    if let Some(readers) = Readers::from_setting(settings.text("metrics").unwrap_or_default())? {
        router = router.merge(metrics::router(service, readers)?);
    }
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    let listener = std::net::TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| cannot_listen(address, &error))?;
    let bound = listener.local_addr().map_err(|error| cannot_listen(address, &error))?;
    let handle = Handle::new();
    let stopped = handle.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        stopped.graceful_shutdown(Some(grace));
    });
    let size = |key: &str| usize::try_from(settings.number(key)).unwrap_or(usize::MAX);
    let bounds = Bounds::new(size("connections"), size("connections_of_one"), trusted_proxies(settings)?);
    tracing::info!(all = bounds.all, of_one_address = bounds.of_one, "Connections to the REST interface are bounded.");
    let connections = Connections::new(bounds);
    let head_time = Duration::from_secs(settings.number("head_secs").max(1));
    let served = match tls(settings).await? {
        Some(tls) => {
            eprintln!("calipso listens on https://{bound}");
            match axum_server::from_tcp_rustls(listener, tls) {
                Ok(server) => {
                    let server = impatient(server, head_time).handle(handle);
                    server.map(|tls| Bounded::new(tls, connections)).serve(router).await
                }
                Err(error) => Err(error),
            }
        }
        None => {
            eprintln!("calipso listens on http://{bound}");
            match axum_server::from_tcp(listener) {
                Ok(server) => {
                    let server = impatient(server, head_time).handle(handle);
                    server.map(|plain| Bounded::new(plain, connections)).serve(router).await
                }
                Err(error) => Err(error),
            }
        }
    };
    served.map_err(|error| cannot_listen(bound, &error))
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Unreachable, format!("cannot listen on {address}: {error}"))
        .help("choose another address with `--listen`, or stop what uses it")
}

/// Certificate and key, if they are set.
async fn tls(settings: &Settings) -> Result<Option<RustlsConfig>, Failure> {
    match (settings.path("tls.certificate"), settings.path("tls.key")) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            let config = RustlsConfig::from_pem_file(&certificate, &key).await.map_err(|error| {
                Failure::usage(format!(
                    "cannot use the certificate `{}` with the key `{}`: {error}",
                    certificate.display(),
                    key.display()
                ))
            })?;
            Ok(Some(config))
        }
        _ => Err(Failure::usage("of `tls.certificate` and `tls.key` only one is set").help("set both, or none")),
    }
}

/// Ends everything at the first SIGTERM or SIGINT; a second one ends the process at once.
async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return;
    };
    let mut times = 0;
    loop {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        times += 1;
        if times > 1 {
            std::process::exit(130);
        }
        eprintln!("calipso is stopping; again to stop at once");
        stop.cancel();
    }
}
