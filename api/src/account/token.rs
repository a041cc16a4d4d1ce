//! Tokens: logins that last. The store holds a hash of each, never the token.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use calipso_model::{Secret, Str};
use calipso_store::{Collection, Page, Record, RecordPage, RecordQuery, work::Row, work::stamp};
use jiff::Timestamp;
use ring::{
    digest::SHA256,
    rand::{SecureRandom as _, SystemRandom},
};
use serde::{Deserialize, Serialize};

use crate::{
    account::{Accounts, user::User},
    paging,
    problem::Problem,
};

/// Before every token, so that it is recognised where it should not be.
pub const PREFIX: &str = "cal_";

/// A token as it is stored, under the SHA-256 of its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Whose it is.
    pub user: Str,
    /// When that user was made: a later user of the same name is somebody else.
    pub user_created: Str,
    /// When the user's password was set: a new one ends every login with the old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_changed: Option<Str>,
    /// What its owner calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Str>,
    /// `credentials` or `token`: how it was asked for.
    pub method: Str,
    /// When it was made.
    pub issued_at: Str,
    /// When it ends.
    pub expires_at: Str,
    /// When a password was last given for it.
    pub login_at: Str,
    /// Where it was asked for from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Str>,
}

impl Row for Token {
    const COLLECTION: Collection = Collection::ApiTokens;
}

impl Token {
    /// Whether it still speaks for a user.
    #[must_use]
    pub fn is_of(&self, user: &User) -> bool {
        let is_same = user.name == self.user && user.created == self.user_created;
        is_same && user.password_changed == self.password_changed && !user.disabled
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.as_ref() <= stamp(now.as_millisecond()).as_ref()
    }
}

/// A new token: 256 random bits.
pub(crate) fn random() -> Result<Secret, Problem> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Problem::bug("the system gives no random numbers"))?;
    Ok(Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
}

/// The id of a token: the SHA-256 of its text. A token is too long to be guessed from it.
pub(crate) fn digest(token: &Secret) -> Str {
    let digest = ring::digest::digest(&SHA256, token.reveal().as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

impl Accounts {
    /// The tokens of a user, or of all; those that have expired are among them until they are purged.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn tokens(&self, user: Option<&str>, page: &Page) -> Result<RecordPage, Problem> {
        let mut query = RecordQuery::all();
        if let Some(user) = user {
            query = query.equals("user", user);
        }
        let found = self.backend.records(Collection::ApiTokens, &query, page).await;
        found.map_err(|error| paging::problem(error, page))
    }

    /// One token.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn token(&self, id: &str) -> Result<Option<(Record, Token)>, Problem> {
        let Some(record) = self.backend.record(Collection::ApiTokens, id).await? else { return Ok(None) };
        let token = Token::from_record(&record)?;
        Ok(Some((record, token)))
    }

    /// Revokes one token. Tells whether it was there.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn revoke(&self, id: &str) -> Result<bool, Problem> {
        let was_there = self.backend.remove(Collection::ApiTokens, id, None).await?;
        self.tokens.forget(&id.into());
        Ok(was_there)
    }

    /// Revokes all tokens of a user. Returns how many.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn revoke_all(&self, user: &str) -> Result<u64, Problem> {
        let removed = self.backend.remove_all(Collection::ApiTokens, &RecordQuery::all().equals("user", user)).await?;
        self.tokens.clear();
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use calipso_model::Secret;

    use super::{digest, random};

    #[test]
    fn tokens_are_long_and_their_ids_do_not_show_them() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert!(one.reveal().starts_with("cal_") && one.reveal().len() == 4 + 43 && one != other);
        assert!(!digest(&one).contains(&one.reveal()[4..]) && digest(&one).len() == 64);
        // printf cal_x | sha256sum
        assert_eq!(&digest(&Secret::new("cal_x"))[..8], "9fd1b7bf");
    }
}
