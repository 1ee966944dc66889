//! Reads that sign-ins and recovery decide from: passwords, codes, counts of attempts, revocations; and several of them
//! as of one moment.
//!
//! Every read here fails when the engine does, or when a row is damaged.

use domain::{
    AttemptPurpose, Attempts, Code, CodePurpose, Password, RefreshFamily, Revocation, SoftwareToken, Spent, UserPart,
};

use super::{Store, bound};
use crate::{
    Error, FactorSnapshot, RecoverySnapshot, RefreshSnapshot, ResetRequestSnapshot, SignInSnapshot, StepSnapshot,
    Stored, TokenSnapshot,
    read::{self, Parts},
};

impl Store {
    /// A user's password.
    pub async fn password(&self, pool_id: &str, sub: &str) -> Result<Option<Stored<Password>>, Error> {
        self.first(&read::PASSWORD, &[pool_id.into(), sub.into()]).await
    }

    /// A user's outstanding code of a purpose, expired or not.
    pub async fn code(&self, pool_id: &str, sub: &str, purpose: CodePurpose) -> Result<Option<Stored<Code>>, Error> {
        self.first(&read::CODE, &[pool_id.into(), sub.into(), purpose.number().into()]).await
    }

    /// A user's attempts of a purpose.
    pub async fn attempts(
        &self,
        pool_id: &str,
        sub: &str,
        purpose: AttemptPurpose,
    ) -> Result<Option<Stored<Attempts>>, Error> {
        self.first(&read::ATTEMPT, &[pool_id.into(), sub.into(), purpose.number().into()]).await
    }

    /// What a sign-in has to know about a user, read at one moment.
    pub async fn sign_in_snapshot(&self, pool_id: &str, sub: &str) -> Result<SignInSnapshot, Error> {
        let params = [pool_id.into(), sub.into(), AttemptPurpose::SignIn.number().into()];
        sign_in(&Parts { pool_id, sub, found: self.few(&read::SIGN_IN_PARTS, &params).await? }, 0)
    }

    /// The same of whoever has a name, as in [`Self::user_by_name_or_nobody`]; for a name that nobody has, the attempts of
    /// the stand-in.
    pub async fn sign_in_snapshot_by_name(
        &self,
        pool_id: &str,
        name: &str,
        stand_in: &str,
    ) -> Result<SignInSnapshot, Error> {
        // PostgreSQL keeps no such text and finds nothing by it, not even what is asked for beside it.
        if name.contains('\0') {
            return self.sign_in_snapshot(pool_id, stand_in).await;
        }
        let params = [pool_id.into(), name.into(), stand_in.into(), AttemptPurpose::SignIn.number().into()];
        let found = self.few(&read::SIGN_IN_PARTS_BY_NAME, &params).await?;
        let parts = Parts { pool_id, sub: name, found };
        let is_id = !parts.has(0) && parts.has(10);
        sign_in(&parts, if is_id { 10 } else { 0 })
    }

    /// What decides about a user's second factor, read at one moment.
    pub async fn factor_snapshot(&self, pool_id: &str, sub: &str) -> Result<FactorSnapshot, Error> {
        let params = [
            pool_id.into(),
            sub.into(),
            AttemptPurpose::SecondFactor.number().into(),
            SoftwareToken::KIND.number().into(),
        ];
        factors(&Parts { pool_id, sub, found: self.few(&read::FACTOR_PARTS, &params).await? })
    }

    /// What a later step of a sign-in has to know about a user, read at one moment. `session_id` is what its session
    /// leaves when it is used.
    pub async fn step_snapshot(&self, pool_id: &str, sub: &str, session_id: &str) -> Result<StepSnapshot, Error> {
        let params = [
            pool_id.into(),
            sub.into(),
            AttemptPurpose::SecondFactor.number().into(),
            SoftwareToken::KIND.number().into(),
            session_id.into(),
        ];
        let parts = Parts { pool_id, sub, found: self.few(&read::STEP_PARTS, &params).await? };
        Ok(StepSnapshot {
            user: parts.take(2, "users")?,
            password: parts.take(3, "passwords")?,
            factors: factors(&parts)?,
            is_spent: parts.has(4),
        })
    }

    /// What a request with an access token has to know, read at one moment. `origin_jti` names the sign-in, if its
    /// tokens can be revoked.
    pub async fn token_snapshot(
        &self,
        pool_id: &str,
        sub: &str,
        origin_jti: Option<&str>,
    ) -> Result<TokenSnapshot, Error> {
        let Some(origin_jti) = origin_jti else {
            return Ok(TokenSnapshot { user: self.user(pool_id, sub).await?, is_revoked: false });
        };
        let params = [pool_id.into(), sub.into(), origin_jti.into()];
        let parts = Parts { pool_id, sub, found: self.few(&read::TOKEN_PARTS, &params).await? };
        Ok(TokenSnapshot { user: parts.take(0, "users")?, is_revoked: parts.has(1) })
    }

    /// What the exchange of a refresh token has to know, read at one moment. `origin_jti` names the sign-in.
    pub async fn refresh_snapshot(&self, pool_id: &str, sub: &str, origin_jti: &str) -> Result<RefreshSnapshot, Error> {
        let params = [pool_id.into(), sub.into(), origin_jti.into(), RefreshFamily::KIND.number().into()];
        let parts = Parts { pool_id, sub, found: self.few(&read::REFRESH_PARTS, &params).await? };
        let token = TokenSnapshot { user: parts.take(0, "users")?, is_revoked: parts.has(1) };
        Ok(RefreshSnapshot { token, family: parts.take(2, "user_parts")? })
    }

    /// What a password reset has to know beside the user, read at one moment.
    pub async fn recovery_snapshot(&self, pool_id: &str, sub: &str) -> Result<RecoverySnapshot, Error> {
        let params = [
            pool_id.into(),
            sub.into(),
            CodePurpose::Reset.number().into(),
            AttemptPurpose::SignIn.number().into(),
            AttemptPurpose::ResetCode.number().into(),
        ];
        let parts = Parts { pool_id, sub, found: self.few(&read::RECOVERY_PARTS, &params).await? };
        Ok(RecoverySnapshot {
            password: parts.take(0, "passwords")?,
            code: parts.take(1, "codes")?,
            failures: parts.take(2, "attempts")?,
            wrong_codes: parts.take(3, "attempts")?,
        })
    }

    /// What a request for a reset code has to know, read at one moment: of whoever has a name, as in
    /// [`Self::user_by_name`], and of the stand-in for a user in case that nobody has it.
    pub async fn reset_request_snapshot(
        &self,
        pool_id: &str,
        name: &str,
        stand_in: &str,
    ) -> Result<ResetRequestSnapshot, Error> {
        // Users lie apart from the stand-ins for their names, so whoever is read in nobody's place must, too.
        let elsewhere: String = stand_in.chars().rev().collect();
        let params = [
            pool_id.into(),
            name.into(),
            elsewhere.into(),
            stand_in.into(),
            bound(usize::MAX),
            CodePurpose::Reset.number().into(),
            AttemptPurpose::ResetRequest.number().into(),
        ];
        let mut snapshot = ResetRequestSnapshot {
            user: None,
            code: None,
            requests: None,
            stand_in_code: None,
            stand_in_requests: None,
        };
        let mut found = self.few(&read::RESET_REQUESTS, &params).await?;
        // The stand-in has the highest number, and whoever is meant the lowest.
        found.sort_by_key(|found| std::cmp::Reverse(found.order));
        for found in found {
            if found.order == read::STAND_IN {
                snapshot.stand_in_code = found.code;
                snapshot.stand_in_requests = found.requests;
            } else if found.user.is_some() {
                let read::ResetRequest { user, code, requests, .. } = found;
                snapshot = ResetRequestSnapshot { user, code, requests, ..snapshot };
            }
        }
        Ok(snapshot)
    }

    /// The revocation of a sign-in, if it was revoked.
    pub async fn revocation(&self, pool_id: &str, origin_jti: &str) -> Result<Option<Stored<Revocation>>, Error> {
        let found = self.first(&read::REVOCATION, &[pool_id.into(), origin_jti.into()]).await?;
        Ok(found.map(|found| read::revocation(pool_id, origin_jti, found)))
    }

    /// The mark of something that was used, if it was. Looking is no protection: only inserting the mark is.
    pub async fn spent(&self, id: &str) -> Result<Option<Stored<Spent>>, Error> {
        let found = self.first(&read::SPENT_MARK, &[id.into()]).await?;
        Ok(found.map(|found| read::spent(id, found)))
    }
}

/// The three parts that [`read::SIGN_IN_PARTS`] and [`read::SIGN_IN_PARTS_BY_NAME`] find, by the number of the first.
fn sign_in(parts: &Parts<'_>, first: i64) -> Result<SignInSnapshot, Error> {
    Ok(SignInSnapshot {
        user: parts.take(first, "users")?,
        password: parts.take(first + 1, "passwords")?,
        attempts: parts.take(first + 2, "attempts")?,
    })
}

/// The first two parts that [`read::FACTOR_PARTS`] and [`read::STEP_PARTS`] find.
fn factors(parts: &Parts<'_>) -> Result<FactorSnapshot, Error> {
    Ok(FactorSnapshot { wrong: parts.take(0, "attempts")?, token: parts.take(1, "user_parts")? })
}
