//! Access tokens as credentials, refresh tokens and their replacements, and the ends of sign-ins (auth-flows.md §17,
//! §18).

use super::{
    Access, Answer, DAY, DISABLED, Family, GRACE, HIDING, HOUR, Model, NOT_CONFIRMED, RESET_REQUIRED, Refresh, Shown,
    Status, UNKNOWN, newest,
};
use crate::steps::{Name, Token};

const INVALID: &str = "NotAuthorizedException: Invalid Access Token";
const INVALID_REFRESH: &str = "NotAuthorizedException: Invalid Refresh Token.";
const REVOKED: &str = "NotAuthorizedException: Access Token has been revoked";
const REVOKED_REFRESH: &str = "NotAuthorizedException: Refresh Token has been revoked";
const REUSED: &str = "RefreshTokenReuseException: Refresh Token has been replaced and cannot be used again";
/// A client cannot have both rotation and this flow.
const NO_FLOW: &str = "InvalidParameterException: REFRESH_TOKEN_AUTH is not enabled for the client, because its refresh \
                       tokens are rotated. Use GetTokensFromRefreshToken.";

/// What a replaced refresh token still gets.
enum Standing {
    Current,
    Retried,
    Reused,
}

impl Model {
    /// A token as requests have it.
    pub fn token(&self, token: Token) -> String {
        let found = match token {
            Token::Access(back) => newest(&self.access, back).map(|access| &access.text),
            Token::Id(back) => newest(&self.access, back).map(|access| &access.id_token),
            Token::Garbage => None,
        };
        found.cloned().unwrap_or_else(|| "e30.e30.e30".to_owned())
    }

    pub fn refresh_token(&self, back: usize) -> String {
        newest(&self.refresh, back).map_or_else(|| "e30.e30.e30.e30.e30".to_owned(), |refresh| refresh.text.clone())
    }

    /// The user whose access token it is, and the sign-in.
    pub(super) fn authenticate(&self, token: Token) -> Answer<(usize, usize)> {
        let Token::Access(back) = token else { return Err(INVALID.to_owned()) };
        let access = newest(&self.access, back).ok_or_else(|| INVALID.to_owned())?;
        if self.now / 1_000 >= access.expires_at / 1_000 {
            return Err("NotAuthorizedException: Access Token has expired".to_owned());
        }
        let at = self.holder(access.family, REVOKED)?;
        Ok((at, access.family))
    }

    /// The user of a sign-in that goes on.
    fn holder(&self, family: usize, revoked: &str) -> Answer<usize> {
        let family = &self.families[family];
        let at = self.find_sub(&family.sub).ok_or_else(|| UNKNOWN.to_owned())?;
        let user = &self.users[at];
        if !user.enabled {
            return Err(DISABLED.to_owned());
        }
        if family.is_revoked || family.sign_outs < user.sign_outs {
            return Err(revoked.to_owned());
        }
        match user.status {
            Status::ResetRequired => Err(RESET_REQUIRED.to_owned()),
            Status::Unconfirmed => Err(NOT_CONFIRMED.to_owned()),
            _ => Ok(at),
        }
    }

    /// The tokens of a sign-in that has succeeded.
    pub(super) fn grant(&mut self, at: usize, client: usize) -> Shown {
        let user = &self.users[at];
        self.families.push(Family {
            sub: user.sub.clone(),
            client,
            sign_outs: user.sign_outs,
            is_revoked: false,
            expires_at: self.now + 30 * DAY,
            replaced_at: Vec::new(),
        });
        self.issue(self.families.len() - 1, Some(0))
    }

    fn issue(&mut self, family: usize, number: Option<usize>) -> Shown {
        let expires_at = self.now + HOUR;
        self.access.push(Access { text: String::new(), id_token: String::new(), family, expires_at });
        self.refresh.extend(number.map(|number| Refresh { text: String::new(), family, number }));
        Shown::Tokens { sub: self.families[family].sub.clone(), refresh: number.is_some() }
    }

    pub fn refresh_auth(&mut self, client: usize, back: usize) -> Answer {
        if client == HIDING {
            return Err(NO_FLOW.to_owned());
        }
        self.renew(client, back)
    }

    /// GetTokensFromRefreshToken.
    pub fn renew(&mut self, client: usize, back: usize) -> Answer {
        let refresh = newest(&self.refresh, back).filter(|refresh| self.families[refresh.family].client == client);
        let refresh = refresh.cloned().ok_or_else(|| INVALID_REFRESH.to_owned())?;
        let family = &self.families[refresh.family];
        if self.find_sub(&family.sub).is_some() && self.now >= family.expires_at {
            return Err("NotAuthorizedException: Refresh Token has expired".to_owned());
        }
        self.holder(refresh.family, REVOKED_REFRESH)?;
        if client != HIDING {
            return Ok(self.issue(refresh.family, None));
        }
        let family = &mut self.families[refresh.family];
        let standing = match family.replaced_at.get(refresh.number) {
            None => Standing::Current,
            Some(at) if self.now < at + GRACE => Standing::Retried,
            Some(_) => Standing::Reused,
        };
        match standing {
            Standing::Current => family.replaced_at.push(self.now),
            Standing::Retried => {}
            Standing::Reused => {
                family.is_revoked = true;
                return Err(REUSED.to_owned());
            }
        }
        let current = family.replaced_at.len();
        Ok(self.issue(refresh.family, Some(current)))
    }

    pub fn revoke_token(&mut self, client: usize, back: usize) -> Answer {
        if let Some(family) = newest(&self.refresh, back).map(|refresh| refresh.family) {
            let family = &mut self.families[family];
            family.is_revoked |= family.client == client;
        }
        Ok(Shown::Nothing)
    }

    /// RevokeToken with an access token.
    pub fn revoke_access_token(&mut self, back: usize) -> Answer {
        if newest(&self.access, back).is_none() {
            // What is no token at all is answered like one that was revoked before.
            return Ok(Shown::Nothing);
        }
        Err("UnsupportedTokenTypeException: Only refresh tokens can be revoked.".to_owned())
    }

    pub fn get_user(&mut self, token: Token) -> Answer {
        let (at, _) = self.authenticate(token)?;
        Ok(Shown::User { sub: self.users[at].sub.clone(), by_administrator: false })
    }

    pub fn global_sign_out(&mut self, token: Token) -> Answer {
        let (at, _) = self.authenticate(token)?;
        self.users[at].sign_outs += 1;
        Ok(Shown::Nothing)
    }

    pub fn admin_user_global_sign_out(&mut self, name: Name) -> Answer {
        let at = self.known(name)?;
        self.users[at].sign_outs += 1;
        Ok(Shown::Nothing)
    }

    pub fn delete_user(&mut self, token: Token) -> Answer {
        let (at, _) = self.authenticate(token)?;
        self.remove(at);
        Ok(Shown::Nothing)
    }
}
