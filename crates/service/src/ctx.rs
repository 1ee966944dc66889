//! One request: when it came, from whom, and the parts of the server it may use.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use domain::{Entropy, time};
use wire::Timestamp;

use crate::App;

/// How far the clocks of servers that share a database may be apart, in milliseconds: far more than those are that
/// follow a time server.
const CLOCKS_APART: i64 = 2 * time::SECOND;

/// Everything that an operation may know beside its input.
pub struct Ctx {
    /// The server.
    pub app: Arc<App>,
    /// The moment of the request, sampled once.
    pub now: Timestamp,
    /// `x-amzn-RequestId`.
    pub request_id: String,
    /// The client's address, through trusted proxies.
    pub client_address: IpAddr,
    /// `User-Agent`, at most 1,024 characters.
    pub user_agent: Option<String>,
    /// `X-Amz-User-Agent`, at most 1,024 characters: by which SDKs say what they are in browsers, whose own name stands
    /// in `User-Agent`.
    pub sdk_agent: Option<String>,
    /// Who signed the request, if it was signed.
    pub caller: Caller,
    /// Region of the request's credential scope, or the default.
    pub region: String,
    /// What the server itself wants of the operation; nothing in every request from outside.
    pub own: OwnWishes,
}

/// What only the server itself can want of an operation: when it seeds pools before it takes requests, and when its login
/// pages call one.
#[derive(Clone, Debug, Default)]
pub struct OwnWishes {
    /// Whether the server itself asks: quotas do not hold, and an update that would change nothing leaves alone what
    /// is there.
    pub is_seeding: bool,
    /// Whether a login page asks: what happens there is no event for analytics.
    pub is_login_page: bool,
    /// Id of the pool that is made, with its region before the first `_`; drawn where there is none.
    pub pool_id: Option<String>,
    /// Id of the client that is made; drawn where there is none.
    pub client_id: Option<String>,
    /// `sub` of the user who is made; drawn where there is none.
    pub sub: Option<String>,
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular: public operations, and all of them where signatures are ignored.
    Anyone,
    /// The holder of an access key.
    AccessKey {
        /// `AKIA…`
        id: String,
    },
}

impl Ctx {
    /// For what the server does by itself.
    #[must_use]
    pub(crate) fn of_the_server(app: &Arc<App>) -> Self {
        Self {
            app: app.clone(),
            now: app.clock.now(),
            request_id: crypto::random::uuid_v4(&*app.entropy),
            client_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: None,
            sdk_agent: None,
            caller: Caller::Anyone,
            region: app.settings.default_region.clone(),
            own: OwnWishes::default(),
        }
    }

    /// Randomness.
    #[must_use]
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.app.entropy
    }

    /// The latest moment that the clock of any server may show by now.
    #[must_use]
    pub fn latest_now(&self) -> Timestamp {
        if self.app.store.is_shared() { self.now.plus(CLOCKS_APART) } else { self.now }
    }

    /// A random UUID.
    #[must_use]
    pub fn uuid(&self) -> String {
        crypto::random::uuid_v4(self.entropy())
    }

    /// ARN of a pool.
    #[must_use]
    pub fn pool_arn(&self, pool: &domain::Pool) -> String {
        format!("arn:aws:cognito-idp:{}:{}:userpool/{}", pool.region(), self.app.settings.account_id, pool.id)
    }
}
