//! One request: when it came, from whom, and the parts of the server it may use.

use std::{net::IpAddr, sync::Arc};

use domain::Entropy;
use wire::Timestamp;

use crate::App;

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
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// Who signed the request, if it was signed.
    pub caller: Caller,
    /// Region of the request's credential scope, or the default.
    pub region: String,
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
    /// Randomness.
    #[must_use]
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.app.entropy
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
