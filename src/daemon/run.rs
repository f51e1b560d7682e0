//! `bankgate run`: the daemon as a service. Signals, the service manager, the operators' socket and the database's notices
//! come together here; what they do is wake the loop, stop it or begin it anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::assemble::assemble;
use super::socket::Desk;
use super::{Wake, serve};
use crate::clock::{Clock, Stopwatch};
use crate::config::{Config, Connection};
use crate::passes::seal::clear_spool;
use crate::passes::{Gateway, guard};
use crate::transport::watch;

/// A database that went away is asked again after this.
const LISTEN_AGAIN: Duration = Duration::from_secs(15);
/// How often the spool is cleared of what nobody fetches.
const CLEAR_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a stopping loop may take before it is left behind: everything it holds may be dropped at any point.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// A round of the desk that takes longer hangs. What it asks the database or a bank has bounds of its own, far below.
const ROUND_MAX: Duration = Duration::from_secs(60 * 60);

/// Why a run ended.
enum Ended {
    /// A signal asked for it.
    Stopped,
    /// A signal asked for the settings to be read anew, and they are good.
    Reload(Arc<Gateway>),
}

/// Runs until a signal stops it. SIGHUP reads the settings anew; bad ones are refused and the old ones stay.
///
/// # Errors
/// The settings are refused, or the loop broke.
pub async fn run(config_path: &Path) -> anyhow::Result<()> {
    let mut gateway = Arc::new(load(config_path).await?);
    loop {
        match once(config_path, Arc::clone(&gateway)).await? {
            Ended::Stopped => return Ok(()),
            Ended::Reload(new) => gateway = new,
        }
    }
}

/// One round of every pass, then the end.
///
/// # Errors
/// The settings are refused, or a pass failed.
pub async fn tick(config_path: &Path) -> anyhow::Result<crate::passes::Done> {
    let gateway = load(config_path).await?;
    let done = super::round(&gateway, Clock::System.now()).await;
    let mut tx = gateway.store.begin().await?;
    tx.drop_leases(&gateway.holder).await?;
    tx.commit().await?;
    guard::at_the_end(&gateway).await?;
    Ok(done?)
}

async fn load(path: &Path) -> anyhow::Result<Gateway> {
    begin(Config::load(path)?).await
}

async fn begin(config: Config) -> anyhow::Result<Gateway> {
    let gateway = assemble(config).await?;
    gateway.store.check_schema().await?;
    Ok(gateway)
}

async fn once(config_path: &Path, gateway: Arc<Gateway>) -> anyhow::Result<Ended> {
    let clock = Clock::System;
    let (wake, stop) = (Wake::default(), CancellationToken::new());
    let desk = Desk::bind(&gateway.config.node.socket)
        .await
        .with_context(|| format!("binding the operators' socket {}", gateway.config.node.socket.display()))?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut helpers = tokio::task::JoinSet::new();
    helpers.spawn(desk.serve(Arc::clone(&gateway), clock.clone(), wake.bell()));
    helpers.spawn(listen(Arc::clone(&gateway), wake.clone()));
    helpers.spawn(look(Arc::clone(&gateway), wake.clone()));
    helpers.spawn(clear(Arc::clone(&gateway), clock.clone()));
    helpers.spawn(watchdog(wake.clone(), gateway.config.time.tick));
    let mut service = {
        let (gateway, wake, stop) = (Arc::clone(&gateway), wake.clone(), stop.clone());
        tokio::spawn(async move { serve(gateway, &clock, &wake, &stop).await })
    };
    tell(&[NotifyState::Ready]);
    tracing::info!(node = gateway.config.node.name, engine = gateway.store.engine(), banks = gateway.edges.len(), "ready");
    let ended = loop {
        tokio::select! {
            () = gateway.store.silent() => {
                tracing::error!("the database's server has left something unanswered: beginning anew, with new connections");
                // With the settings that hold: what the file says by now nobody has asked for yet.
                break Ended::Reload(Arc::new(begin(gateway.config.clone()).await?));
            }
            done = &mut service => {
                done.context("the daemon's loop")?.context("the daemon's loop")?;
                anyhow::bail!("the daemon's loop ended by itself");
            }
            _ = terminate.recv() => break Ended::Stopped,
            _ = interrupt.recv() => break Ended::Stopped,
            _ = hangup.recv() => match load(config_path).await {
                Ok(new) => break Ended::Reload(Arc::new(new)),
                Err(e) => tracing::error!(error = format!("{e:#}"), "the new settings are refused, the old ones stay"),
            },
        }
    };
    let watch = Stopwatch::start();
    match ended {
        Ended::Stopped => tell(&[NotifyState::Stopping]),
        Ended::Reload(_) => match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        },
    }
    stop.cancel();
    helpers.shutdown().await;
    match tokio::time::timeout(STOP_PATIENCE, &mut service).await {
        Ok(done) => done.context("the daemon's loop")?.context("the daemon's loop")?,
        Err(_) => service.abort(),
    }
    tracing::info!(took_ms = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX), "stopped");
    Ok(ended)
}

/// A new row wakes the loop where the engine can say so; polling alone is always enough.
async fn listen(gateway: Arc<Gateway>, wake: Wake) {
    loop {
        match gateway.store.listen().await {
            Ok(None) => return,
            Ok(Some(mut listener)) => {
                while listener.recv().await.is_ok() {
                    wake.all();
                }
            }
            Err(e) => tracing::debug!(error = %e, "no wake-up calls from the database; polling goes on"),
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

/// Local drop directories wake the loop as soon as something changes in them. A hint only: the rescan finds everything.
async fn look(gateway: Arc<Gateway>, wake: Wake) {
    let today = gateway.today(Clock::System.now());
    let mut dirs: Vec<PathBuf> = Vec::new();
    for bank in &gateway.config.banks {
        let Connection::Dir { root } = &bank.connection else { continue };
        let outbox = root.join(&bank.outbox);
        let below = gateway.profiles.values().flat_map(|p| p.inbound_dirs(&[today]));
        dirs.extend(below.filter(|d| !d.is_empty()).map(|d| outbox.join(d)));
        dirs.push(outbox);
    }
    dirs.sort();
    dirs.dedup();
    if dirs.is_empty() || !gateway.config.time.notify {
        return;
    }
    let mut watch = watch(dirs);
    loop {
        watch.changed().await;
        wake.look();
    }
}

/// Clears the spool, now and once a day.
async fn clear(gateway: Arc<Gateway>, clock: Clock) {
    loop {
        match clear_spool(&gateway, clock.now()) {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "old files were removed from the spool"),
            Err(e) => tracing::warn!(error = %e, "the spool was not cleared"),
        }
        tokio::time::sleep(CLEAR_AGAIN).await;
    }
}

/// Tells the service manager that the desk still turns; it restarts a daemon that does not.
async fn watchdog(wake: Wake, tick: Duration) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut seen = wake.beats();
    // A desk that is idle turns once a tick; one that works on a big batch may take its time for the round.
    let mut idle = Duration::ZERO;
    let every = limit / 3;
    loop {
        tokio::time::sleep(every).await;
        let beats = wake.beats();
        idle = if beats == seen { idle + every } else { Duration::ZERO };
        seen = beats;
        if idle < limit.max(tick * 2) || (wake.is_working() && idle < ROUND_MAX) {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(states: &[NotifyState]) {
    if let Err(e) = sd_notify::notify(states) {
        tracing::debug!(error = %e, "no service manager to tell");
    }
}
