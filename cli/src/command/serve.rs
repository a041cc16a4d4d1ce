//! `serve`: the REST interface and the workers in one process, or either alone.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum_server::{Handle, tls_rustls::RustlsConfig};
use calipso_api::{Access, Limits, Service};
use tokio_util::sync::CancellationToken;

use crate::{
    failure::{Exit, Failure},
    metrics::{self, Readers},
    session::Session,
    settings::Settings,
};

/// `serve`.
///
/// # Errors
/// A setting is wrong, or the address or the store cannot be used.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let settings = &session.settings;
    let address = listen_address(settings)?;
    let loaded = session.specs()?;
    let backend = session.store().await?;
    let service = Arc::new(Service {
        backend,
        layers: session.layers()?,
        loaded: Arc::new(loaded),
        access: Access::Open,
        limits: limits(settings),
        version: env!("CARGO_PKG_VERSION"),
        clock: jiff::Timestamp::now,
    });
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let grace = Duration::from_secs(settings.number("stop_secs"));
    interface(settings, address, service, stop, grace).await
}

/// The address of the REST interface.
fn listen_address(settings: &Settings) -> Result<SocketAddr, Failure> {
    let text = settings.text("listen").unwrap_or_default();
    text.parse().map_err(|_| {
        Failure::usage(format!("the setting `listen` is an address and a port, not `{text}`"))
            .help("write for example 127.0.0.1:8747, 0.0.0.0:8747 or [::]:8747")
    })
}

fn limits(settings: &Settings) -> Limits {
    let size = |key: &str| usize::try_from(settings.number(key)).unwrap_or(usize::MAX).max(1);
    Limits { body_bytes: size("body_bytes"), page_size: size("page_size"), ..Limits::default() }
}

/// Serves until told to stop, then lets open requests end.
async fn interface(
    settings: &Settings,
    address: SocketAddr,
    service: Arc<Service>,
    stop: CancellationToken,
    grace: Duration,
) -> Result<(), Failure> {
    let mut router = calipso_api::router(Arc::clone(&service));
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
    let served = match tls(settings).await? {
        Some(tls) => {
            eprintln!("calipso listens on https://{bound}");
            match axum_server::from_tcp_rustls(listener, tls) {
                Ok(server) => server.handle(handle).serve(router).await,
                Err(error) => Err(error),
            }
        }
        None => {
            eprintln!("calipso listens on http://{bound}");
            match axum_server::from_tcp(listener) {
                Ok(server) => server.handle(handle).serve(router).await,
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
