//! What every handler needs.

use std::sync::Arc;

use http::HeaderName;
use service::{App, Caller, Ctx, OwnWishes};

use crate::{Options, bodies::Bodies, client_address, meters::Meters, readiness::Readiness};

/// Most characters that are looked at of what a client says it is. Real ones have a few hundred.
const LONGEST_USER_AGENT: usize = 1_024;
/// Where SDKs in browsers say what they are, since they cannot set `User-Agent`.
const SDK_AGENT: HeaderName = HeaderName::from_static("x-amz-user-agent");

/// The server and how its routes were set up.
#[derive(Clone)]
pub(crate) struct Web {
    pub app: Arc<App>,
    pub shared: Arc<Shared>,
}

/// The id of a request that has one before it has a context: a UUID.
#[derive(Clone)]
pub(crate) struct RequestId(pub String);

/// What all routes share.
pub(crate) struct Shared {
    pub options: Options,
    pub bodies: Bodies,
    pub meters: Meters,
    pub readiness: Readiness,
}

impl Web {
    /// Routes set up in this way.
    pub(crate) fn new(app: Arc<App>, options: Options) -> Self {
        let bodies = Bodies::new(options.max_body_bytes, options.max_bytes_of_all_bodies);
        Self {
            app,
            shared: Arc::new(Shared { options, bodies, meters: Meters::new(), readiness: Readiness::default() }),
        }
    }

    /// An id for a request.
    pub(crate) fn new_request_id(&self) -> RequestId {
        RequestId(crypto::random::uuid_v4(&*self.app.entropy))
    }

    /// The context of a request that carries no credentials: its moment, its id, its client.
    pub(crate) fn context(&self, parts: &http::request::Parts) -> Ctx {
        Ctx {
            app: self.app.clone(),
            now: self.app.clock.now(),
            request_id: parts.extensions.get::<RequestId>().map_or_else(|| self.new_request_id().0, |id| id.0.clone()),
            client_address: client_address::of(parts, &self.shared.options.trusted_proxies),
            user_agent: agent(parts, &http::header::USER_AGENT),
            sdk_agent: agent(parts, &SDK_AGENT),
            caller: Caller::Anyone,
            region: self.app.settings.default_region.clone(),
            own: OwnWishes::default(),
        }
    }
}

/// What a client says it is.
fn agent(parts: &http::request::Parts, header: &HeaderName) -> Option<String> {
    let value = parts.headers.get(header)?;
    Some(String::from_utf8_lossy(value.as_bytes()).chars().take(LONGEST_USER_AGENT).collect())
}
