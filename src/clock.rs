//! The only reader of the system clock. Passes get `now` as a value; doors ask here.
//!
//! `Stepped` is a clock that stands still while anybody works and jumps to the next appointment once all who take part
//! are waiting: some working days then pass in as many seconds as the work in them needs, and no faster.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::domain::time::Timestamp;

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock of its own, shared by those who take part.
    Stepped(Arc<Stepped>),
}

/// A clock that moves only while all its participants wait.
#[derive(Debug, Default)]
pub struct Stepped {
    state: Mutex<SteppedState>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct SteppedState {
    now_millis: i64,
    participants: usize,
    next_ticket: u64,
    /// Appointments of those who wait, by ticket.
    waiting: BTreeMap<u64, i64>,
}

/// One who takes part: while it lives and does not wait, a stepped clock stands still.
#[derive(Debug)]
pub struct Participant {
    clock: Clock,
}

/// Milliseconds on a clock that never steps back, for measuring how long something took.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// How long ago it was started.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// How long ago the `now` of a pass was, by the clock that it goes by.
#[derive(Clone, Copy, Debug)]
pub enum Since {
    /// The machine's clock goes on while the pass works.
    Real(Stopwatch),
    /// A stepped clock stands still while anybody works.
    Still,
}

impl Since {
    /// That instant, as late as it is by now.
    #[must_use]
    pub fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Real(watch) => now.plus_millis(i64::try_from(watch.elapsed().as_millis()).unwrap_or(i64::MAX)),
            Self::Still => now,
        }
    }
}

impl Clock {
    /// A stepped clock that shows this instant and has no participants yet.
    #[must_use]
    pub fn stepped(start: Timestamp) -> Self {
        Self::Stepped(Arc::new(Stepped {
            state: Mutex::new(SteppedState { now_millis: start.millis(), ..SteppedState::default() }),
            changed: Notify::new(),
        }))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => system_now(),
            Self::Stepped(clock) => Timestamp::from_millis(clock.lock().now_millis),
        }
    }

    /// Takes part: a stepped clock will not move while this one works.
    #[must_use]
    pub fn participant(&self) -> Participant {
        if let Self::Stepped(clock) = self {
            clock.lock().participants += 1;
        }
        Participant { clock: self.clone() }
    }
}

impl Participant {
    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What tells how long ago now was, once it is over.
    #[must_use]
    pub fn since(&self) -> Since {
        match self.clock {
            Clock::System => Since::Real(Stopwatch::start()),
            Clock::Stepped(_) => Since::Still,
        }
    }

    /// Waits until the clock shows this instant or a later one. Dropping the future ends the wait.
    pub async fn sleep_until(&self, until: Timestamp) {
        match &self.clock {
            Clock::System => {
                let millis = until.millis().saturating_sub(system_now().millis());
                tokio::time::sleep(Duration::from_millis(u64::try_from(millis).unwrap_or(0))).await;
            }
            Clock::Stepped(clock) => clock.wait_until(until.millis()).await,
        }
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        if let Clock::Stepped(clock) = &self.clock {
            {
                let mut state = clock.lock();
                state.participants = state.participants.saturating_sub(1);
                state.step();
            }
            clock.changed.notify_waiters();
        }
    }
}

impl Stepped {
    fn lock(&self) -> MutexGuard<'_, SteppedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait_until(&self, until: i64) {
        let ticket = Ticket::new(self, until);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Enabled before looking, so that a step between the look and the wait is not missed.
            changed.as_mut().enable();
            let (now_millis, moved) = {
                let mut state = self.lock();
                let moved = state.step();
                (state.now_millis, moved)
            };
            if moved {
                self.changed.notify_waiters();
            }
            if now_millis >= until {
                break;
            }
            changed.await;
        }
        drop(ticket);
    }
}

impl SteppedState {
    /// Jumps to the earliest appointment once everybody waits. Says whether it did.
    fn step(&mut self) -> bool {
        match self.waiting.values().min() {
            Some(next) if self.participants > 0 && self.waiting.len() >= self.participants && *next > self.now_millis => {
                self.now_millis = *next;
                true
            }
            Some(_) | None => false,
        }
    }
}

/// A place among those who wait, given up when dropped.
struct Ticket<'a> {
    clock: &'a Stepped,
    number: u64,
}

impl<'a> Ticket<'a> {
    fn new(clock: &'a Stepped, until: i64) -> Self {
        let mut state = clock.lock();
        let number = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.insert(number, until);
        Self { clock, number }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.clock.lock().waiting.remove(&self.number);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn system_now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_stands_while_anybody_works_and_then_jumps() {
        let clock = Clock::stepped(Timestamp::from_millis(0));
        let (a, b) = (clock.participant(), clock.participant());
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |who: &'static str, at: Timestamp, order: &Arc<Mutex<Vec<(&str, i64)>>>| order.lock().unwrap().push((who, at.millis()));
        let (first, second) = (Arc::clone(&order), Arc::clone(&order));
        tokio::join!(
            async move {
                for at in [10, 30] {
                    a.sleep_until(Timestamp::from_millis(at)).await;
                    note("a", a.now(), &first);
                }
            },
            async move {
                for at in [20, 40] {
                    b.sleep_until(Timestamp::from_millis(at)).await;
                    tokio::task::yield_now().await;
                    note("b", b.now(), &second);
                }
            }
        );
        assert_eq!(*order.lock().unwrap(), [("a", 10), ("b", 20), ("a", 30), ("b", 40)]);
    }

    #[tokio::test]
    async fn a_wait_that_is_dropped_does_not_count() {
        let clock = Clock::stepped(Timestamp::from_millis(0));
        let (a, b) = (clock.participant(), clock.participant());
        tokio::select! {
            () = a.sleep_until(Timestamp::from_millis(5)) => panic!("b has not waited yet"),
            () = tokio::task::yield_now() => {}
        }
        drop(a);
        b.sleep_until(Timestamp::from_millis(7)).await;
        assert_eq!(clock.now().millis(), 7);
    }
}
