//! Bounds of connections to the REST interface, per address and in all; an address with too many loses its silent ones.

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum_server::accept::Accept;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Open files that are kept for everything that is no connection of the interface: the store, hosts that are scanned.
const OTHER_FILES: usize = 96;

/// Minimum time between two log messages about too many connections.
const SAY_EACH: Duration = Duration::from_secs(30);

/// How many connections there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub all: usize,
    /// Of one address (of IPv6, of one network of 64 bits).
    pub of_one: usize,
    /// Reverse proxies, which speak for many and count in all only.
    pub proxies: Vec<IpAddr>,
}

impl Bounds {
    /// What is wished, as far as this process may open files; of one address half of all where nothing is wished.
    #[must_use]
    pub fn new(all: usize, of_one: usize, proxies: Vec<IpAddr>) -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let all =
            most_files(&limits).map_or(all, |files| all.min(files.saturating_sub(OTHER_FILES).max(files / 4))).max(2);
        let of_one = if of_one == 0 { all / 2 } else { of_one.min(all) };
        Self { all, of_one: of_one.max(1), proxies }
    }
}

/// How many files a process may have open, according to Linux.
fn most_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[derive(Debug)]
struct Guest {
    address: IpAddr,
    /// Whether anything was answered on it.
    answered: Arc<AtomicBool>,
    leave: CancellationToken,
}

#[derive(Debug, Default)]
struct Guests {
    /// By when they came.
    all: BTreeMap<u64, Guest>,
    counts: BTreeMap<IpAddr, usize>,
    next: u64,
    /// Time of the last log message about too many connections, and the number of connections refused since.
    said: Option<Instant>,
    n_unsaid: u64,
}

/// All connections of the interface. Clones share them.
#[derive(Clone, Debug)]
pub struct Connections {
    bounds: Arc<Bounds>,
    guests: Arc<Mutex<Guests>>,
}

/// The place of one connection, free again when it is dropped.
#[derive(Debug)]
struct ConnectionSlot {
    connections: Connections,
    number: u64,
    answered: Arc<AtomicBool>,
    leave: CancellationToken,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut guests = self.connections.guests();
        guests.remove(self.number);
        metrics::gauge!("calipso_http_connections").set(guests.all.len() as f64);
    }
}

impl Guests {
    fn remove(&mut self, number: u64) -> Option<Guest> {
        let gone = self.all.remove(&number)?;
        if let Some(count) = self.counts.get_mut(&gone.address) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&gone.address);
            }
        }
        Some(gone)
    }

    /// Sends away the oldest on which nothing was answered yet; of one address, if one is named.
    fn make_room(&mut self, of: Option<IpAddr>) -> bool {
        let silent = |guest: &Guest| !guest.answered.load(Ordering::Relaxed);
        let found = self.all.iter().find(|(_, guest)| of.is_none_or(|of| guest.address == of) && silent(guest));
        let Some(number) = found.map(|(number, _)| *number) else { return false };
        if let Some(gone) = self.remove(number) {
            gone.leave.cancel();
        }
        true
    }
}

impl Connections {
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds: Arc::new(bounds), guests: Arc::default() }
    }

    fn guests(&self) -> std::sync::MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot for a connection; nothing when all are taken and no connection can be closed for it.
    fn enter(&self, peer: IpAddr) -> Option<ConnectionSlot> {
        let address = network(peer.to_canonical());
        let mut guests = self.guests();
        let is_proxy = self.bounds.proxies.contains(&peer.to_canonical());
        let too_many_of_one =
            !is_proxy && guests.counts.get(&address).is_some_and(|count| *count >= self.bounds.of_one);
        let too_many = guests.all.len() >= self.bounds.all;
        if too_many_of_one || too_many {
            let busiest = guests.counts.iter().max_by_key(|(_, count)| **count).map(|(address, _)| *address);
            let has_room = if too_many_of_one {
                guests.make_room(Some(address))
            } else {
                guests.make_room(busiest) || guests.make_room(None)
            };
            self.say(&mut guests, address, too_many_of_one);
            if !has_room {
                return None;
            }
        }
        let number = guests.next;
        guests.next += 1;
        let (answered, leave) = (Arc::<AtomicBool>::default(), CancellationToken::new());
        guests.all.insert(number, Guest { address, answered: Arc::clone(&answered), leave: leave.clone() });
        *guests.counts.entry(address).or_default() += 1;
        metrics::gauge!("calipso_http_connections").set(guests.all.len() as f64);
        Some(ConnectionSlot { connections: self.clone(), number, answered, leave })
    }

    fn say(&self, guests: &mut Guests, address: IpAddr, of_one: bool) {
        metrics::counter!("calipso_http_connections_too_many").increment(1);
        guests.n_unsaid += 1;
        let now = Instant::now();
        if guests.said.is_some_and(|said| now.duration_since(said) < SAY_EACH) {
            return;
        }
        let (bound, times) =
            if of_one { (self.bounds.of_one, guests.n_unsaid) } else { (self.bounds.all, guests.n_unsaid) };
        tracing::warn!(
            %address, bound, times, open = guests.all.len(), of_one_address = of_one,
            "Too many connections to the REST interface: the oldest silent ones are closed, or new ones refused."
        );
        (guests.said, guests.n_unsaid) = (Some(now), 0);
    }
}

/// The /64 network of an IPv6 address: a client that has one address in it has them all.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(wide) => IpAddr::V6((wide.to_bits() & (u128::MAX << 64)).into()),
    }
}

/// Logs failures to accept, such as no free file descriptors, as rarely as other messages here.
pub fn accept_failed() -> impl Fn(Option<&SocketAddr>, &io::Error) + Send + Sync + 'static {
    let said: Mutex<Option<Instant>> = Mutex::default();
    move |peer, error| {
        if let Some(peer) = peer {
            tracing::debug!(%peer, %error, "A connection ended before its first request.");
            return;
        }
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|said| said.elapsed() >= SAY_EACH) {
            tracing::error!(%error, "No connection can be accepted; are too many files open?");
            *said = Some(Instant::now());
        }
    }
}

/// Lets connections in within bounds, before anything else is done with them.
#[derive(Clone, Debug)]
pub struct Bounded<A> {
    inner: A,
    connections: Connections,
}

impl<A> Bounded<A> {
    /// In front of another acceptor.
    #[must_use]
    pub fn new(inner: A, connections: Connections) -> Self {
        Self { inner, connections }
    }
}

impl<A, S> Accept<TcpStream, S> for Bounded<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
    A::Stream: Send,
    A::Service: Send,
{
    type Stream = BoundedStream<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let slot = stream.peer_addr().map(|peer| self.connections.enter(peer.ip()));
        let accepting = match &slot {
            Ok(Some(_)) => Some(self.inner.accept(stream, service)),
            _ => None,
        };
        Box::pin(async move {
            let (Some(slot), Some(accepting)) = (slot?, accepting) else { return Err(too_many()) };
            let (stream, service) = tokio::select! {
                () = slot.leave.cancelled() => return Err(too_many()),
                accepted = accepting => accepted?,
            };
            let left = Box::pin(slot.leave.clone().cancelled_owned());
            Ok((BoundedStream { stream, slot, left }, service))
        })
    }
}

fn too_many() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "too many connections")
}

/// A connection with its place.
pub struct BoundedStream<S> {
    stream: S,
    slot: ConnectionSlot,
    left: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(too_many()));
        }
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BoundedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.slot.answered.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.slot.answered.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::atomic::Ordering};

    use super::{Bounds, ConnectionSlot, Connections, most_files};

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn connections(all: usize, of_one: usize) -> Connections {
        Connections::new(Bounds { all, of_one, proxies: vec![address("10.9.9.9")] })
    }

    fn answered(slot: &ConnectionSlot) {
        slot.answered.store(true, Ordering::Relaxed);
    }

    #[test]
    fn who_makes_too_many_loses_the_oldest_silent_ones() {
        let connections = connections(10, 3);
        let first = connections.enter(address("192.0.2.1")).unwrap();
        let second = connections.enter(address("192.0.2.1")).unwrap();
        let third = connections.enter(address("192.0.2.1")).unwrap();
        answered(&first);
        let other = connections.enter(address("192.0.2.2")).unwrap();
        let fourth = connections.enter(address("192.0.2.1")).unwrap();
        assert!(second.leave.is_cancelled() && !third.leave.is_cancelled() && !other.leave.is_cancelled());
        answered(&third);
        answered(&fourth);
        assert!(connections.enter(address("192.0.2.1")).is_none(), "none of them is silent");
        drop(second);
        assert!(connections.enter(address("192.0.2.1")).is_none(), "who was sent away has no place to give back");
        drop(first);
        assert!(connections.enter(address("192.0.2.1")).is_some());
        assert!(!other.leave.is_cancelled(), "nobody else is touched");
    }

    #[test]
    fn when_all_places_are_taken_the_busiest_address_gives_one() {
        let connections = connections(4, 3);
        let many: Vec<ConnectionSlot> = (0..3).map(|_| connections.enter(address("192.0.2.1")).unwrap()).collect();
        let other = connections.enter(address("192.0.2.2")).unwrap();
        let newcomer = connections.enter(address("192.0.2.3")).unwrap();
        assert!(many[0].leave.is_cancelled() && !many[1].leave.is_cancelled() && !other.leave.is_cancelled());
        many.iter().chain([&other, &newcomer]).for_each(answered);
        assert!(connections.enter(address("192.0.2.4")).is_none(), "those that are served stay");
        drop(many);
        assert!(connections.enter(address("192.0.2.4")).is_some());
        assert_eq!(connections.guests().counts.len(), 2);
    }

    #[test]
    fn proxies_speak_for_many_and_networks_are_one() {
        let connections = connections(10, 2);
        let proxied: Vec<_> = (0..5).map(|_| connections.enter(address("::ffff:10.9.9.9")).unwrap()).collect();
        assert!(proxied.iter().all(|slot| !slot.leave.is_cancelled()));
        let one = connections.enter(address("2001:db8::1")).unwrap();
        let _two = connections.enter(address("2001:db8::2")).unwrap();
        let _three = connections.enter(address("2001:db8::3")).unwrap();
        assert!(one.leave.is_cancelled());
    }

    #[test]
    fn bounds_fit_the_files_that_may_be_open() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            256                  524288               files     \n";
        assert_eq!(most_files(limits), Some(256));
        assert_eq!(most_files("Max open files            unlimited            unlimited            files"), None);
        let bounds = Bounds::new(1_000_000, 0, Vec::new());
        assert_eq!(bounds.of_one, bounds.all / 2);
        assert_eq!(Bounds::new(20, 50, Vec::new()).of_one, 20);
    }
}
