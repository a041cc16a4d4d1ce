//! How often passwords may be tried: token buckets per user name and per address, in bounded memory.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use calipso_model::Str;
use jiff::Timestamp;

use crate::account::settings::Attempts;

/// At most so many buckets; the emptiest are kept when there are more.
const MOST: usize = 20_000;

/// Whose attempts are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    User(Str),
    /// The network of an IPv6 address: whoever has one address there has them all.
    Address(Option<IpAddr>),
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Timestamp,
}

pub(crate) struct Limiter {
    attempts: Attempts,
    buckets: Mutex<BTreeMap<Key, Bucket>>,
}

impl Limiter {
    pub(crate) fn new(attempts: Attempts) -> Self {
        Self { attempts, buckets: Mutex::default() }
    }

    fn size(&self, key: &Key) -> (f64, f64) {
        let factor = match key {
            Key::User(_) => 1.0,
            Key::Address(_) => f64::from(self.attempts.address_factor.max(1)),
        };
        (f64::from(self.attempts.burst.max(1)) * factor, factor / self.attempts.seconds_each.max(0.001))
    }

    fn filled(&self, key: &Key, bucket: Bucket, now: Timestamp) -> Bucket {
        let (size, per_second) = self.size(key);
        let passed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        Bucket { left: (bucket.left + passed * per_second).min(size), at: now }
    }

    /// Takes one attempt from both buckets.
    ///
    /// # Errors
    /// The seconds after which there is one again.
    pub(crate) fn take(&self, user: &str, address: Option<IpAddr>, now: Timestamp) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST {
            self.make_room(&mut buckets, now);
        }
        let keys = keys(user, address);
        let mut wait = 0.0_f64;
        for key in &keys {
            let (size, per_second) = self.size(key);
            let bucket = buckets.entry(key.clone()).or_insert(Bucket { left: size, at: now });
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
            if let Some(bucket) = buckets.get_mut(key) {
                bucket.left -= 1.0;
            }
        }
        Ok(())
    }

    /// Gives an attempt back: the password was right.
    pub(crate) fn give_back(&self, user: &str, address: Option<IpAddr>) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys(user, address) {
            let (size, _) = self.size(&key);
            if let Some(bucket) = buckets.get_mut(&key) {
                bucket.left = (bucket.left + 1.0).min(size);
            }
        }
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
            kept.sort_by(|(_, one), (_, other)| one.left.total_cmp(&other.left));
            kept.truncate(MOST / 2);
        }
        buckets.extend(kept);
    }
}

fn keys(user: &str, address: Option<IpAddr>) -> [Key; 2] {
    let address = address.map(|address| match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(wide) => {
            let network = wide.to_bits() & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
    });
    [Key::User(user.into()), Key::Address(address)]
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Limiter, MOST};
    use crate::account::settings::Attempts;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn attempts_run_out_and_come_back() {
        let limiter = Limiter::new(Attempts { burst: 3, seconds_each: 10.0, address_factor: 2 });
        let one = "192.0.2.1".parse().ok();
        for _ in 0..3 {
            assert_eq!(limiter.take("anna", one, at(0)), Ok(()));
        }
        assert_eq!(limiter.take("anna", one, at(0)), Err(10));
        assert_eq!(limiter.take("anna", None, at(5)), Err(5), "a name is limited from everywhere");
        assert_eq!(limiter.take("anna", one, at(10)), Ok(()));
        for user in ["b", "c", "d", "e"] {
            assert_eq!(limiter.take(user, one, at(10)), Ok(()));
        }
        assert_eq!(limiter.take("f", one, at(10)), Err(5), "an address is limited whatever the name");
        assert_eq!(limiter.take("f", "192.0.2.2".parse().ok(), at(10)), Ok(()));
        limiter.give_back("e", one);
        assert_eq!(limiter.take("g", one, at(10)), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_the_busiest_are_remembered() {
        let limiter = Limiter::new(Attempts { burst: 2, seconds_each: 1000.0, address_factor: 1 });
        for _ in 0..2 {
            limiter.take("anna", "192.0.2.1".parse().ok(), at(0)).unwrap();
        }
        for n in 0..MOST {
            let _ = limiter.take(&format!("user{n}"), format!("10.1.{}.{}", n / 250, n % 250).parse().ok(), at(1));
        }
        assert!(limiter.buckets.lock().unwrap().len() <= MOST + 2);
        assert!(limiter.take("anna", "192.0.2.1".parse().ok(), at(2)).is_err());
        let network = Limiter::new(Attempts { burst: 1, seconds_each: 10.0, address_factor: 1 });
        assert!(network.take("a", "2001:db8::1".parse().ok(), at(0)).is_ok());
        assert!(network.take("b", "2001:db8::2".parse().ok(), at(0)).is_err(), "one network, one bucket");
    }
}
