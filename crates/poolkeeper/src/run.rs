//! `poolkeeper dev` and `poolkeeper serve`: everything put together, until a signal ends it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use crypto::random::SystemEntropy;
use service::{App, Clock, Settings, settings::Signatures};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    banner, code_keys,
    configuration::Configuration,
    mode::Mode,
    opening::{self, Opened},
    seed::SeedOptions,
    signals, sweeping, system,
};

/// How long background jobs may take to end. Messages that were not handed over by then are taken again at the next
/// start, when their lease has ended.
const JOBS_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the server waits at most before it says that it is ready until its first sign-in is as fast as later ones.
/// With one pool that takes some 3 ms; a start on a data file is to take 20 ms at most, whatever there is to make ready.
/// The rest is done while requests come.
const WARM_UP_TIMEOUT: Duration = Duration::from_millis(10);

/// The same on a database across a network, where connections have to be made, and where a start has taken several round
/// trips already. Other servers answer meanwhile.
const SHARED_WARM_UP_TIMEOUT: Duration = Duration::from_millis(250);

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// When the server cannot start: what is wrong and what to do.
pub async fn run(mode: Mode, configuration: &Configuration, seed: &SeedOptions) -> anyhow::Result<()> {
    // Beside the start, as soon as may be.
    let powers = tokio::task::spawn_blocking(|| crypto::warm_up(&SystemEntropy));
    let listen_options = configuration.server.listen_options()?;
    let outbox = configuration.outbox(mode).await?;
    // The port is taken before the data: whoever starts the same server twice learns it from the port.
    let listener = bind(configuration.server.listen, "server.listen").await?;
    let admin_listener = match configuration.server.admin_listen {
        Some(address) => Some(bind(address, "server.admin_listen").await?),
        None => None,
    };
    let Opened { store, ring } = opening::for_running(mode, configuration).await?;
    service::search_index::ensure(&store).await.context("cannot make users of an earlier version searchable")?;
    let address = banner::address(listener.local_addr()?, listen_options.tls.is_some());
    let base_url = configuration.server.base_url.clone().unwrap_or_else(|| address.clone());
    let settings = settings(mode, configuration, base_url.clone())?;
    let functions = Arc::new(configuration.functions(mode, &base_url).await?);
    let ring = Arc::new(ring);
    let code_keys = code_keys::open(mode, &configuration.kms_keys, &ring).await?;
    let app = App::new(settings, store, ring, Clock::new(system::now), Arc::new(SystemEntropy), outbox);
    let app = Arc::new(
        app.with_runner(functions.clone())
            .with_code_keys(code_keys)
            .with_documents(Arc::new(configuration.documents(mode)?))
            .with_records(configuration.records().await?),
    );
    let shutdown = CancellationToken::new();
    let mut jobs = JoinSet::new();
    let mut warm_up = tokio::spawn(service::warm_up::run(app.clone(), shutdown.clone()));
    functions.start();

    let leaving = CancellationToken::new();
    signals::watch(leaving.clone(), configuration.server.drain_delay(), shutdown.clone())?;
    jobs.spawn(service::memory::follow(app.clone(), shutdown.clone()));
    jobs.spawn(service::messages::run(app.clone(), shutdown.clone()));
    jobs.spawn(service::records::run(app.clone(), shutdown.clone()));
    jobs.spawn(service::tokens::refill(app.clone(), shutdown.clone()));
    jobs.spawn(service::import::run(app.clone(), shutdown.clone()));
    jobs.spawn(sweeping::run(app.clone(), shutdown.clone()));

    let options = web::Options {
        test_controls: mode == Mode::Dev,
        trusted_proxies: configuration.server.trusted_proxies.clone(),
        leaving,
        ..web::Options::default()
    };
    // No request competes with it for the processors as yet.
    let warm = async {
        _ = powers.await;
        _ = (&mut warm_up).await;
    };
    let longest = if app.store.is_shared() { SHARED_WARM_UP_TIMEOUT } else { WARM_UP_TIMEOUT };
    if tokio::time::timeout(longest, warm).await.is_err() {
        jobs.spawn(async {
            _ = warm_up.await;
        });
    }
    let router = web::router(app.clone(), options.clone());
    web::rehearse(router.clone(), &listen_options).await;
    if let Some(listener) = admin_listener {
        let router = web::admin_router(app.clone(), options);
        let admin = web::ListenOptions { tls: None, drain_timeout: Duration::ZERO, ..listen_options.clone() };
        tracing::info!(address = %listener.local_addr()?, "health, readiness and metrics");
        jobs.spawn(web::listen(listener, router, admin, shutdown.clone()));
    }
    // Requests wait at the port until everything is there.
    let seeded = seed.carry_out(&app).await?;
    // On a thread of those that answer, and before anybody is told: whoever comes then finds it waiting.
    let serving = tokio::spawn(web::listen(listener, router, listen_options, shutdown));
    banner::print(mode, &address, &base_url, &configuration.store.described()?, &configuration.server.default_region);
    banner::add(&seeded);
    serving.await.context("the listener ended by itself")?;

    let ended = async { while jobs.join_next().await.is_some() {} };
    if tokio::time::timeout(JOBS_TIMEOUT, ended).await.is_err() {
        tracing::warn!("some background jobs did not end in time and were cut off");
    }
    functions.stop().await;
    Ok(())
}

/// The service's part of the configuration.
pub(crate) fn settings(mode: Mode, configuration: &Configuration, base_url: String) -> anyhow::Result<Settings> {
    Ok(Settings {
        base_url,
        auth_domain: configuration.auth_domain()?,
        issuer: configuration.issuer(),
        account_id: configuration.server.account_id.clone(),
        default_region: configuration.server.default_region.clone(),
        signatures: if mode == Mode::Dev { Signatures::Ignored } else { Signatures::Required },
        limits: configuration.limits(mode),
        srp_off: configuration.srp_off(),
        key_stock: configuration.key_stock()?,
        keep_sent_messages: mode == Mode::Dev,
        quotas: configuration.quotas.quotas(mode),
        beyond_filters: configuration.beyond.filters,
        lift_tiers: configuration.pools.lift_tiers,
        locations: configuration.server.locations()?,
        stolen_passwords: configuration.threat_protection.stolen_passwords()?,
    })
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}. Stop the other server, or choose another address ({key}, or --listen for the main one)")
    })
}
