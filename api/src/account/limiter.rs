//! How often passwords may be tried: token buckets in bounded memory. Many attempts from one address lock out that address, not
//! the user.
//!
//! An attempt takes one from three buckets: that of the user and the address together, that of the address, and that of the
//! user from wherever. The last is large, and counts neither on the loopback address nor where the user came in of late, so
//! that somebody who tries passwords from many addresses keeps nobody out who has a way in.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use calipso_model::Str;
use jiff::{SignedDuration, Timestamp};

use crate::account::settings::Attempts;

/// Maximum number of buckets; the emptiest are kept when there are more.
const MOST: usize = 20_000;

/// Maximum number of remembered addresses from which users logged in.
const MOST_PLACES: usize = 10_000;

/// How long such an address is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Whose attempts are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// Of a user from one address.
    Pair(Str, Option<IpAddr>),
    /// From one address, whatever the user.
    Address(Option<IpAddr>),
    /// Of a user, wherever from.
    User(Str),
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    buckets: BTreeMap<Key, Bucket>,
    /// From which addresses users logged in, and when last.
    places: BTreeMap<(Str, IpAddr), Timestamp>,
}

pub(crate) struct Limiter {
    attempts: Attempts,
    state: Mutex<State>,
}

impl Limiter {
    pub(crate) fn new(attempts: Attempts) -> Self {
        Self { attempts, state: Mutex::default() }
    }

    fn size(&self, key: &Key) -> (f64, f64) {
        let factor = match key {
            Key::Pair(..) => 1.0,
            Key::Address(_) => f64::from(self.attempts.address_factor.max(1)),
            Key::User(_) => f64::from(self.attempts.user_factor.max(1)),
        };
        (f64::from(self.attempts.burst.max(1)) * factor, factor / self.attempts.seconds_each.max(0.001))
    }

    fn filled(&self, key: &Key, bucket: Bucket, now: Timestamp) -> Bucket {
        let (size, per_second) = self.size(key);
        let passed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        Bucket { left: (bucket.left + passed * per_second).min(size), at: now }
    }

    /// Takes one attempt from each bucket.
    ///
    /// # Errors
    /// The seconds after which there is one again.
    pub(crate) fn take(&self, user: &str, address: Option<IpAddr>, now: Timestamp) -> Result<(), u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.buckets.len() >= MOST {
            self.make_room(&mut state.buckets, now);
        }
        let keys = keys(&state, user, address, now);
        let mut wait = 0.0_f64;
        for key in &keys {
            let (size, per_second) = self.size(key);
            let bucket = state.buckets.entry(key.clone()).or_insert(Bucket { left: size, at: now });
            *bucket = self.filled(key, *bucket, now);
            if bucket.left < 1.0 {
                wait = wait.max((1.0 - bucket.left) / per_second);
            }
        }
        if wait > 0.0 {
            // A whole number of seconds, at least one.
            return Err(wait.ceil().max(1.0) as u64);
        }
        for key in &keys {
            if let Some(bucket) = state.buckets.get_mut(key) {
                bucket.left -= 1.0;
            }
        }
        Ok(())
    }

    /// Gives an attempt back: it was not the password's fault.
    pub(crate) fn give_back(&self, user: &str, address: Option<IpAddr>, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys(&state, user, address, now) {
            let (size, _) = self.size(&key);
            if let Some(bucket) = state.buckets.get_mut(&key) {
                bucket.left = (bucket.left + 1.0).min(size);
            }
        }
    }

    /// Remembers where a user came in: the password was right.
    pub(crate) fn welcome(&self, user: &str, address: Option<IpAddr>, now: Timestamp) {
        let Some(address) = network(address) else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.places.len() >= MOST_PLACES {
            state.places.retain(|_, at| now.duration_since(*at) < REMEMBERED);
        }
        if state.places.len() >= MOST_PLACES {
            // The older half goes.
            let mut times: Vec<Timestamp> = state.places.values().copied().collect();
            times.sort_unstable();
            let middle = times[times.len() / 2];
            state.places.retain(|_, at| *at > middle);
        }
        state.places.insert((user.into(), address), now);
    }

    /// Full buckets say nothing; of the others the fullest half goes.
    fn make_room(&self, buckets: &mut BTreeMap<Key, Bucket>, now: Timestamp) {
        let mut kept: Vec<(Key, Bucket)> = std::mem::take(buckets)
            .into_iter()
            .map(|(key, bucket)| {
                let bucket = self.filled(&key, bucket, now);
                (key, bucket)
            })
            .filter(|(key, bucket)| bucket.left < self.size(key).0)
            .collect();
        if kept.len() > MOST / 2 {
            // Buckets that are larger are emptier only when more of them is gone.
            let share = |(key, bucket): &(Key, Bucket)| bucket.left / self.size(key).0;
            kept.sort_by(|one, other| share(one).total_cmp(&share(other)));
            kept.truncate(MOST / 2);
        }
        buckets.extend(kept);
    }
}

/// The network of an IPv6 address: a client that has one address there has them all.
fn network(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(|address| match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(wide) if wide.is_loopback() => address,
        IpAddr::V6(wide) => {
            let network = wide.to_bits() & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
    })
}

fn keys(state: &State, user: &str, address: Option<IpAddr>, now: Timestamp) -> Vec<Key> {
    let (user, address): (Str, _) = (user.into(), network(address));
    let mut keys = vec![Key::Pair(user.clone(), address), Key::Address(address)];
    let has_a_way_in = address.is_some_and(|address| {
        let seen = state.places.get(&(user.clone(), address));
        address.is_loopback() || seen.is_some_and(|at| now.duration_since(*at) < REMEMBERED)
    });
    if !has_a_way_in {
        keys.push(Key::User(user));
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use jiff::Timestamp;

    use super::{Limiter, MOST, MOST_PLACES};
    use crate::account::settings::Attempts;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn attempts_run_out_where_they_are_made_and_come_back() {
        let limiter = Limiter::new(Attempts { burst: 3, seconds_each: 10.0, address_factor: 2, user_factor: 2 });
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..3 {
            assert_eq!(limiter.take("anna", one, at(0)), Ok(()));
        }
        assert_eq!(limiter.take("anna", one, at(0)), Err(10));
        assert_eq!(limiter.take("anna", other, at(0)), Ok(()), "somebody else's attempts keep nobody out");
        assert_eq!(limiter.take("anna", one, at(10)), Ok(()));
        for user in ["b", "c", "d", "e"] {
            assert_eq!(limiter.take(user, one, at(10)), Ok(()));
        }
        assert_eq!(limiter.take("f", one, at(10)), Err(5), "an address is limited whatever the name");
        assert_eq!(limiter.take("f", other, at(10)), Ok(()));
        limiter.give_back("e", one, at(10));
        assert_eq!(limiter.take("g", one, at(10)), Ok(()));
    }

    #[test]
    fn many_addresses_keep_nobody_out_who_has_a_way_in() {
        let limiter = Limiter::new(Attempts { burst: 2, seconds_each: 10.0, address_factor: 5, user_factor: 3 });
        let (desk, new) = (address("198.51.100.7"), address("198.51.100.8"));
        limiter.welcome("admin", desk, at(0));
        let tries = (0..40).filter(|n| limiter.take("admin", address(&format!("10.0.0.{n}")), at(1)).is_ok()).count();
        assert_eq!(tries, 6, "from everywhere together there is an end, too");
        assert!(limiter.take("admin", new, at(1)).is_err());
        assert_eq!(limiter.take("admin", desk, at(1)), Ok(()), "the desk where the user came in before");
        for loopback in ["127.0.0.1", "::1"] {
            assert_eq!(limiter.take("admin", address(loopback), at(1)), Ok(()), "{loopback}");
            assert_eq!(limiter.take("admin", address(loopback), at(1)), Ok(()), "{loopback}");
            assert!(limiter.take("admin", address(loopback), at(1)).is_err(), "{loopback} is limited as a pair");
        }
        assert_eq!(limiter.take("berta", new, at(1)), Ok(()), "another user");
        assert!(limiter.take("admin", desk, at(40 * 24 * 3600)).is_ok(), "it came back");
    }

    #[test]
    fn memory_is_bounded_and_the_busiest_are_remembered() {
        let limiter = Limiter::new(Attempts { burst: 2, seconds_each: 1000.0, address_factor: 1, user_factor: 20 });
        for _ in 0..2 {
            limiter.take("anna", address("192.0.2.1"), at(0)).unwrap();
        }
        for n in 0..MOST {
            let _ = limiter.take(&format!("user{n}"), address(&format!("10.1.{}.{}", n / 250, n % 250)), at(1));
            limiter.welcome(&format!("user{n}"), address("10.1.1.1"), at(1));
        }
        assert!(limiter.state.lock().unwrap().buckets.len() <= MOST + 3);
        assert!(limiter.state.lock().unwrap().places.len() <= MOST_PLACES);
        assert!(limiter.take("anna", address("192.0.2.1"), at(2)).is_err());
        let network = Limiter::new(Attempts { burst: 1, seconds_each: 10.0, address_factor: 1, user_factor: 9 });
        assert!(network.take("a", address("2001:db8::1"), at(0)).is_ok());
        assert!(network.take("b", address("2001:db8::2"), at(0)).is_err(), "one network, one bucket");
    }
}
