//! Passwords: hashed with argon2id, few at a time; rules for chosen ones.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use calipso_model::{Secret, Str};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use tokio::sync::{OnceCell, Semaphore};

use crate::{
    account::settings::PasswordCost,
    problem::{FieldError, Problem},
};

/// Characters of the shortest password that may be chosen.
pub(crate) const SHORTEST: usize = 12;

/// Bytes of the longest password that is looked at.
pub(crate) const LONGEST: usize = 1_024;

/// Characters of a password that are weighed.
const MOST_WEIGHED: usize = 64;

/// Maximum number of passwords that wait for each one that is being hashed.
const WAITING_EACH: usize = 16;

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    at_once: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// What is checked where there is no hash, so that it takes as long.
    nobody: OnceCell<Str>,
    /// Key of tags; of this process only.
    key: hmac::Key,
}

impl Passwords {
    pub(crate) fn new(cost: PasswordCost) -> Self {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None).unwrap_or_default();
        let at_once = cost.at_once.max(1);
        // Without random numbers no tag matches another process's; within this one it is a plain hash then.
        let mut bytes = [0_u8; 32];
        if SystemRandom::new().fill(&mut bytes).is_err() {
            tracing::error!("The system gives no random numbers.");
        }
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            at_once: Arc::new(Semaphore::new(at_once)),
            waiting: Arc::new(Semaphore::new(at_once * (1 + WAITING_EACH))),
            nobody: OnceCell::new(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
        }
    }

    /// Stands for a name and a password in memory; says nothing of either.
    pub(crate) fn tag(&self, user: &str, password: &Secret) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&u64::try_from(user.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(user.as_bytes());
        context.update(password.reveal().as_bytes());
        let mut tag = [0_u8; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    /// The hash of a password, as a PHC string.
    ///
    /// # Errors
    /// Too many wait already.
    pub(crate) async fn hash(&self, password: Secret) -> Result<Str, Problem> {
        let argon2 = self.argon2.clone();
        self.work(move || {
            let hash = argon2.hash_password(password.reveal().as_bytes());
            hash.map(|hash| hash.to_string().into()).map_err(|error| Problem::bug(error.to_string()))
        })
        .await?
    }

    /// Whether a password is the one that was hashed; without a hash it is not, after the same time.
    ///
    /// # Errors
    /// Too many wait already; what is stored is no hash.
    pub(crate) async fn check(&self, password: Secret, hash: Option<Str>) -> Result<bool, Problem> {
        let is_somebody = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => self.nobody.get_or_try_init(|| self.hash(Secret::new("nobody"))).await?.clone(),
        };
        let argon2 = self.argon2.clone();
        let matches = self
            .work(move || {
                let hash = PasswordHash::new(&hash).map_err(|_| Problem::bug("a stored password hash is damaged"))?;
                Ok::<_, Problem>(argon2.verify_password(password.reveal().as_bytes(), &hash).is_ok())
            })
            .await??;
        Ok(matches && is_somebody)
    }

    async fn work<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let busy = || Problem::too_many("too many logins at once; try again", 1);
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| busy())?;
        let turn = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(move || {
            let done = job();
            drop((turn, waiting));
            done
        })
        .await
        .map_err(Problem::bug)
    }
}

/// What is wrong with a password that somebody chose.
pub(crate) fn weakness(password: &Secret, user: &str) -> Option<&'static str> {
    let text = password.reveal();
    if text.chars().count() < SHORTEST {
        return Some("has to have at least 12 characters");
    }
    if text.len() > LONGEST {
        return Some("is too long");
    }
    // An attacker knows the names of the user and of the program.
    let parts = user.split(|c: char| !c.is_alphanumeric()).filter(|part| part.chars().count() > 1);
    let known: Vec<&str> = [user, "calipso"].into_iter().chain(parts).collect();
    // A password whose beginning is good is good, and a long one takes long.
    let beginning: String = text.chars().take(MOST_WEIGHED).collect();
    // What is left when the names are taken out, however they were put together, must be as good.
    let mut rest = beginning.to_lowercase();
    for name in &known {
        rest = rest.replace(&name.to_lowercase(), "");
    }
    let is_weak = |text: &str| zxcvbn::zxcvbn(text, &known).score() < zxcvbn::Score::Three;
    if is_weak(&beginning) || (rest.len() < beginning.len() && is_weak(&rest)) {
        return Some(
            "is easy to guess: common words, names, keys side by side, numbers and repetitions count for little",
        );
    }
    None
}

/// Refuses a password that breaks a rule.
pub(crate) fn acceptable(password: &Secret, user: &str, pointer: &str) -> Result<(), Problem> {
    match weakness(password, user) {
        None => Ok(()),
        Some(reason) => {
            let help = "several words that have nothing to do with each other are easy to keep and hard to guess";
            Err(Problem::rejected(vec![FieldError::body(pointer, reason).help(help)]))
        }
    }
}

/// A random password of 144 bits.
pub(crate) fn random() -> Result<Secret, Problem> {
    let mut bytes = [0_u8; 18];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Problem::bug("the system gives no random numbers"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use calipso_model::Secret;

    use super::{Passwords, random, weakness};
    use crate::account::settings::PasswordCost;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let passwords = Passwords::new(PasswordCost { memory_kib: 64, passes: 1, at_once: 1 });
        let hash = passwords.hash(Secret::new("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash(Secret::new("correct horse")).await.unwrap(), "salts are random");
        assert!(passwords.check(Secret::new("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.check(Secret::new("wrong horse"), Some(hash)).await.unwrap());
        assert!(!passwords.check(Secret::new("nobody"), None).await.unwrap(), "nobody has no password");
        assert_eq!(passwords.check(Secret::new("x"), Some("junk".into())).await.unwrap_err().status(), 500);
    }

    #[tokio::test]
    async fn who_is_one_too_many_is_sent_away() {
        let passwords = Passwords::new(PasswordCost { memory_kib: 64, passes: 1, at_once: 1 });
        let all = (0..40).map(|_| passwords.hash(Secret::new("correct horse")));
        let done = futures::future::join_all(all).await;
        assert!(done[0].is_ok());
        assert!(done.iter().any(|result| result.as_ref().is_err_and(|problem| problem.status() == 429)));
    }

    #[tokio::test]
    async fn nobody_takes_as_long_as_somebody() {
        let passwords = Passwords::new(PasswordCost { memory_kib: 512, passes: 2, at_once: 1 });
        let hash = passwords.hash(Secret::new("correct horse")).await.unwrap();
        // The first one makes the hash that is checked in place of none.
        passwords.check(Secret::new("a"), None).await.unwrap();
        let mut fastest = [Duration::MAX; 2];
        for _ in 0..20 {
            for (hash, fastest) in [None, Some(hash.clone())].into_iter().zip(&mut fastest) {
                let started = Instant::now();
                passwords.check(Secret::new("wrong horse"), hash).await.unwrap();
                *fastest = started.elapsed().min(*fastest);
            }
        }
        let [nobody, somebody] = fastest;
        assert!(nobody * 2 > somebody && somebody * 2 > nobody, "{nobody:?} and {somebody:?}");
    }

    #[test]
    fn chosen_passwords_keep_the_rules() {
        for (password, is_wrong) in [
            ("short", true),
            ("elevenchars", true),
            ("123456789012", true),
            ("qwertyuiop[]", true),
            ("abcdefghijkl", true),
            ("passwordpassword", true),
            ("Password1234", true),
            ("P@ssw0rd2026", true),
            ("Administrator", true),
            ("administrator1", true),
            ("anna.bergannaberg", true),
            ("anna.berganna.berg", true),
            ("Anna.Berg.Anna.Berg1", true),
            ("calipsocalipso", true),
            ("aaaaaaaaaaaaaaa", true),
            ("abcabcabcabcabc", true),
            ("112233445566", true),
            ("letmeinletmein", true),
            ("velvet tram oyster", false),
            ("kx93-Tpwe-41fz", false),
            ("schöner Mühlenweg 7b", false),
        ] {
            for user in ["administrator", "anna.berg"] {
                let told = weakness(&Secret::new(password), user);
                let of_other = password.to_lowercase().contains("berg") && user == "administrator";
                assert!(of_other || told.is_some() == is_wrong, "{password} of {user}: {told:?}");
            }
        }
        let started = Instant::now();
        assert_eq!(
            weakness(&Secret::new("x4Q".repeat(300)), "a").is_some(),
            weakness(&Secret::new("x4Q".repeat(30)), "a").is_some()
        );
        assert!(started.elapsed() < Duration::from_secs(10), "however long it is");
        assert!(weakness(&Secret::new("x".repeat(2_000)), "a").is_some());
        let (one, other) = (random().unwrap(), random().unwrap());
        assert!(one != other && weakness(&one, "admin").is_none());
        let passwords = Passwords::new(PasswordCost::default());
        let tag = |user, password| passwords.tag(user, &Secret::new(password));
        assert_ne!(tag("ab", "c"), tag("a", "bc"));
    }
}
