//! Whether requests can be served. Load balancers ask, each of them often and all at once: they share one look at the
//! database, which has an end.

use std::{sync::Arc, time::Duration};

use service::App;
use tokio::{sync::Mutex, time::Instant};

/// How long a look may take: a load balancer would not wait for the store's own patience.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long what was found holds.
const FRESH: Duration = Duration::from_millis(250);

/// A look at the database.
struct Look {
    ended: Instant,
    /// What was in the way.
    found: Result<(), String>,
}

/// The last look, and whoever looks now.
#[derive(Clone, Default)]
pub(crate) struct Readiness(Arc<Mutex<Option<Look>>>);

impl Readiness {
    /// Whether the database reads and writes, or why not, as of a quarter of a second ago at most.
    pub(crate) async fn ask(&self, app: &Arc<App>) -> Result<(), String> {
        let (app, this) = (app.clone(), self.clone());
        // In a task of its own: when whoever asked first leaves, the others still get what it was about to learn, and
        // none begins anew what takes too long.
        let looking = tokio::spawn(async move {
            let mut last = this.0.lock().await;
            if let Some(look) = &*last
                && look.ended.elapsed() < FRESH
            {
                return look.found.clone();
            }
            let found = app.store.probe(app.clock.now(), PATIENCE).await.map_err(|error| error.to_string());
            *last = Some(Look { ended: Instant::now(), found: found.clone() });
            found
        });
        looking.await.unwrap_or_else(|_| Err("looking at the database failed".to_owned()))
    }
}
