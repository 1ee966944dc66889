//! What every handler needs.

use std::sync::Arc;

use service::{App, Caller, Ctx};

use crate::{Options, client_address};

/// The server and how its routes were set up.
#[derive(Clone)]
pub(crate) struct Web {
    pub app: Arc<App>,
    pub options: Arc<Options>,
}

impl Web {
    /// The context of a request that carries no credentials: its moment, its id, its client.
    pub(crate) fn context(&self, parts: &http::request::Parts) -> Ctx {
        Ctx {
            app: self.app.clone(),
            now: self.app.clock.now(),
            request_id: crypto::random::uuid_v4(&*self.app.entropy),
            client_address: client_address::of(parts, &self.options.trusted_proxies),
            user_agent: parts
                .headers
                .get(http::header::USER_AGENT)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            caller: Caller::Anyone,
            region: self.app.settings.default_region.clone(),
        }
    }
}
