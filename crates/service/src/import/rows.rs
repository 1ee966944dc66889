//! From a line of a file to a user, or to what is wrong with it (accounts.md §18.2).

use crypto::password::imported::{Algorithm, ImportedHash};
use domain::{
    NameKind, Password, Pool, User,
    attributes::{Writer, for_new_user},
    csv::{self, Columns},
    names,
};
use wire::{PasswordHashingAlgorithmType, UserStatusType};

use crate::{
    ApiError, Ctx,
    attributes::{self, Wording},
    passwords,
};

/// What the lines of a file have in common.
pub(super) struct Plan {
    /// The pool.
    pub pool: Pool,
    /// The file.
    pub file_id: String,
    /// Its columns.
    pub columns: Columns,
    /// How the password hashes in it were made.
    pub hashing: Option<PasswordHashingAlgorithmType>,
}

/// A user to be.
pub(super) struct Row {
    /// The user.
    pub user: User,
    /// The password, where there is one.
    pub password: Option<Password>,
    /// The names that the user will own.
    pub names: Vec<(NameKind, String)>,
}

impl Plan {
    /// Makes a user of a line. With a password hash the user is CONFIRMED; without one a password has to be set by a
    /// reset code first.
    ///
    /// Decision: in a job with password hashes a user without one is taken like in any other job.
    ///
    /// # Errors
    /// What is wrong with the line, in words for the log; no value is repeated.
    pub fn row(&self, ctx: &Ctx, text: &str) -> Result<Row, String> {
        let pool = &self.pool;
        let record = self.columns.record(pool, text).map_err(|fault| fault.to_string())?;
        let name = attributes::new_name(ctx, pool, &record.username).map_err(for_log)?;
        let identity = name.identity.map(|medium| (medium, record.username.as_str()));
        let attributes = for_new_user(pool, Writer::Administrator, &record.attributes, identity)
            .map_err(|refusal| for_log(attributes::refused(refusal, Wording::NewUser)))?;
        let has_password = record.password_hash.is_some();
        let status = if has_password { UserStatusType::Confirmed } else { UserStatusType::ResetRequired };
        let mut user = User::new(&pool.id, &name.sub, &name.username, status, attributes, ctx.now);
        csv::check_verified(pool, &user).map_err(|fault| fault.to_string())?;
        user.mfa = csv::second_factors(pool, &user, record.mfa_enabled).map_err(|fault| fault.to_string())?;
        let password = match &record.password_hash {
            Some(hash) => Some(self.password(ctx, &user, hash)?),
            None => None,
        };
        let names = names::claims(pool, &user);
        Ok(Row { user, password, names })
    }

    fn password(&self, ctx: &Ctx, user: &User, text: &str) -> Result<Password, String> {
        let hash = ImportedHash::parse(text).map_err(|error| sentence(&error.to_string()))?;
        if self.hashing != Some(algorithm(hash.algorithm())) {
            return Err("The password hash was made with another algorithm than the job says.".to_owned());
        }
        Ok(Password {
            pool_id: user.pool_id.clone(),
            sub: user.sub.clone(),
            current: passwords::imported(ctx, &self.pool, user, text),
            expires_at: None,
            history: Vec::new(),
        })
    }
}

const fn algorithm(found: Algorithm) -> PasswordHashingAlgorithmType {
    match found {
        Algorithm::Bcrypt => PasswordHashingAlgorithmType::Bcrypt,
        Algorithm::Scrypt => PasswordHashingAlgorithmType::Scrypt,
        Algorithm::Argon2id => PasswordHashingAlgorithmType::Argon2id,
        Algorithm::Pbkdf2Sha256 => PasswordHashingAlgorithmType::Pbkdf2Sha256,
    }
}

/// An operation's words as a line of the log.
fn for_log(error: ApiError) -> String {
    error.message.trim_end().replace('\n', "; ")
}

/// `the hash …` as `The hash ….`
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| format!("{}{}.", first.to_uppercase(), characters.as_str())).unwrap_or_default()
}
