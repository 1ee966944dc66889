//! The stand-in for users who do not exist. Where a client may not learn whether there is a user, what is read of one is
//! read of the stand-in instead: decoded and opened like a row that was found, so that both take as long.
//!
//! Whose stand-in it is (under which id attempts and codes are kept) is said by [`crate::lookup::subject`].

use std::hint::black_box;

use crypto::{
    random::SystemEntropy,
    seal::{KeyRing, Purpose},
    srp::{self, Verifier},
};
use domain::{Password, PasswordHash, Sealed, User};
use serde::de::DeserializeOwned;
use serde_json::json;
use wire::{Timestamp, UserStatusType};

use crate::ApiError;

/// The pool and the user in the documents: as long as real ids.
const POOL: &str = "us-east-1_000000000";
const SUB: &str = "00000000-0000-0000-0000-000000000000";
/// What the verifier is sealed for.
const IDENTITY: &str = "us-east-1_000000000/stand-in for unknown users";
/// Some moment of the year 2026, in milliseconds.
const MOMENT: i64 = 1_780_000_000_000;
/// Where messages to nobody would go.
pub const EMAIL: &str = "nobody@example.com";
/// The same for text messages.
pub const PHONE_NUMBER: &str = "+10000000000";

/// A user and a password, also as their rows would hold them.
#[derive(Debug)]
pub struct StandIn {
    user: User,
    user_row: String,
    password_row: String,
    salt: String,
    sealed: Sealed,
}

impl StandIn {
    /// Makes both documents, the verifier sealed with the ring. Nobody knows a password for it, and it is the same for
    /// every name: a client sees it only hidden behind a random power.
    #[must_use]
    pub fn new(ring: &KeyRing, decoy_key: &[u8; 32]) -> Self {
        let decoy = srp::decoy_verifier(decoy_key, POOL, SUB);
        let salt = srp::to_hex(&decoy.salt);
        // Not the app's own source: what this seals is never seen, and tests count on what that source gives.
        let sealed = ring.seal(&SystemEntropy, Purpose::PasswordVerifier, IDENTITY, &decoy.verifier);
        let password = Password {
            pool_id: POOL.to_owned(),
            sub: SUB.to_owned(),
            current: PasswordHash::Srp { salt: salt.clone(), verifier: sealed.clone() },
            expires_at: None,
            history: Vec::new(),
        };
        let (user, password_row) = (typical(), json!(password).to_string());
        Self { user_row: json!(user).to_string(), user, password_row, salt, sealed }
    }

    /// The user that a message to the stand-in `sub` is written for.
    #[must_use]
    pub fn user(&self, pool_id: &str, sub: &str) -> User {
        let [pool_id, sub, username] = [pool_id, sub, sub].map(str::to_owned);
        User { pool_id, sub, username, ..self.user.clone() }
    }

    /// Makes the user's row one that cannot be read, which shows who reads it.
    #[cfg(test)]
    pub fn damage(&mut self) {
        self.user_row.clear();
    }

    /// Does the work of reading a user who was not found; nothing when one was.
    ///
    /// # Errors
    /// When the document is damaged.
    pub fn read_user_unless(&self, is_found: bool) -> Result<(), ApiError> {
        if !is_found {
            black_box(document::<User>(&self.user_row)?);
        }
        Ok(())
    }

    /// The same for a password.
    ///
    /// # Errors
    /// When the document is damaged.
    pub fn read_password_unless(&self, is_found: bool) -> Result<(), ApiError> {
        if !is_found {
            black_box(document::<Password>(&self.password_row)?);
        }
        Ok(())
    }

    /// The verifier, as opened after its row was read. Its salt is nobody's.
    ///
    /// # Errors
    /// When it cannot be opened with the master keys.
    pub fn verifier(&self, ring: &KeyRing) -> Result<Verifier, ApiError> {
        let opened = ring.open(Purpose::PasswordVerifier, IDENTITY, &self.sealed)?;
        let salt = srp::from_hex(&self.salt).ok_or_else(|| ApiError::internal("a salt is not hexadecimal"))?;
        Ok(Verifier { salt, verifier: opened.to_vec() })
    }
}

fn document<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    Ok(serde_json::from_str(text)?)
}

/// What most users have.
fn typical() -> User {
    let attributes = [
        ("email", EMAIL),
        ("email_verified", "true"),
        ("name", "Nobody"),
        ("phone_number", PHONE_NUMBER),
        ("phone_number_verified", "false"),
    ];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    User::new(POOL, SUB, SUB, UserStatusType::Confirmed, attributes, Timestamp(MOMENT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::{
            Sender,
            testing::{app, ctx, pool, user},
        },
        passwords,
    };

    /// Otherwise it would be told by the time that it takes.
    #[tokio::test]
    async fn its_rows_are_like_those_of_users() {
        let app = app(Sender::Inbox, true).await;
        let (ctx, pool) = (ctx(&app), pool());
        let address = [("email", "somebody@example.com"), ("email_verified", "true"), ("name", "Some Body")];
        let somebody = user(&ctx.uuid(), &address);
        let password = passwords::row(&ctx, &pool, &somebody, None, "Some-Passw0rd", false).await.unwrap();
        let lengths = [json!(somebody).to_string().len(), json!(password).to_string().len()];
        let own = [app.stand_in.user_row.len(), app.stand_in.password_row.len()];
        for (own, somebodys) in own.into_iter().zip(lengths) {
            assert!(own.abs_diff(somebodys) < somebodys / 3, "{own:?} {somebodys:?}");
        }
        document::<User>(&app.stand_in.user_row).unwrap();
        document::<Password>(&app.stand_in.password_row).unwrap();
        let real = passwords::verifier(&ctx, &pool, &somebody, &password.current).unwrap().unwrap();
        let own = app.stand_in.verifier(&app.ring).unwrap();
        assert!(own.verifier.len().abs_diff(real.verifier.len()) < 4 && own.salt.len().abs_diff(real.salt.len()) < 4);
    }
}
