//! One session with a mailbox, on one thread of its own.
//!
//! ssh2 blocks, and holds one lock per session; a mounted share may block in the kernel. So each session has its thread, which
//! takes one job after another, and the caller waits without holding up the runtime. Three things end a session:
//! dropping the `Mailbox`, dropping a call before it answered, and a call that made no step for too long. The latter two
//! shut the socket down under the thread, so that it wakes up, finds nothing to do, and goes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

use super::dir::DirSession;
use super::sftp::SftpSession;
use super::{Entry, Kept, Received, Sent, Transport, TransportError, Visit, connect};

/// A session idle for this long looks whether the server is still there, which also keeps it there.
const IDLE: Duration = Duration::from_secs(15);
/// A directory on a slow stick or share may take this long for one step (one flush of a large file).
const DIR_STEP_MAX: Duration = Duration::from_secs(120);
/// What the outer guard allows over the inner time-outs, so that these speak first: they know more.
const GRACE: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&Wire) + Send>;

/// A session is used so often before another takes its place: keys age, and servers leak.
const USES_MAX: u32 = 200;

/// A session with a mailbox. Dropping it ends the session, nobody waits for the goodbye, unless it may be kept for another use.
#[derive(Debug)]
pub struct Mailbox {
    jobs: mpsc::Sender<Job>,
    life: Arc<Life>,
    step_max: Duration,
    /// Where it waits for its next use; nowhere while it does, or if it is not to be used again.
    kept: Option<Kept>,
    uses: u32,
}

/// What the caller and the session's thread share: the way to end the session from outside, and a sign that it moves.
#[derive(Debug, Default)]
pub struct Life {
    ended: AtomicBool,
    /// Nobody uses the session just now.
    waits: AtomicBool,
    steps: AtomicU64,
    socket: Mutex<Option<std::net::TcpStream>>,
}

/// The kinds of session.
enum Wire {
    Sftp(SftpSession),
    Dir(DirSession),
    Given(Box<dyn Visit>),
}

impl Mailbox {
    pub(super) async fn open(transport: &Transport) -> Result<Self, TransportError> {
        let (kept, keep) = match transport {
            Transport::Sftp(at) if !at.timeouts.keep.is_zero() => (Some(at.kept.clone()), at.timeouts.keep),
            Transport::Sftp(_) | Transport::Dir(_) | Transport::Given(_) => (None, Duration::ZERO),
        };
        if let Some(mut waiting) = kept.as_ref().and_then(Kept::take) {
            waiting.life.waits.store(false, Ordering::SeqCst);
            (waiting.kept, waiting.uses) = (kept.clone(), waiting.uses + 1);
            // Its server may have gone, or sent it away, and a session that is no more says so only when it is asked.
            if waiting.stat("").await.is_ok() {
                return Ok(waiting);
            }
            waiting.kept = None;
        }
        let (jobs, queue) = mpsc::channel::<Job>();
        let (ready, opened) = oneshot::channel();
        let life = Arc::new(Life::default());
        let (at, its_life) = (transport.clone(), Arc::clone(&life));
        let step_max = match transport {
            Transport::Sftp(at) => {
                let t = at.timeouts;
                t.connect.max(t.handshake).max(t.auth).max(t.io) + GRACE
            }
            Transport::Dir(_) | Transport::Given(_) => DIR_STEP_MAX,
        };
        std::thread::Builder::new()
            .name("mailbox".to_owned())
            .spawn(move || match Wire::open(&at, &its_life) {
                Ok(wire) => {
                    // If nobody waits any more, the queue is closed as well, and serving ends at once.
                    drop(ready.send(Ok(())));
                    serve(wire, &queue, &its_life, keep);
                }
                Err(error) => {
                    its_life.end();
                    drop(ready.send(Err(error)));
                }
            })
            .map_err(|source| TransportError::Local { path: PathBuf::from("thread"), source })?;
        wait(opened, &life, step_max, "open the mailbox").await?;
        Ok(Self { jobs, life, step_max, kept, uses: 1 })
    }

    /// All names in a directory but `.` and `..`, in no order.
    ///
    /// # Errors
    /// `NotFound` if there is no such directory. Whatever fails before the end of the listing fails the listing.
    pub async fn list(&mut self, dir: &str) -> Result<Vec<Entry>, TransportError> {
        let dir = dir.to_owned();
        self.ask("list the directory", move |wire| match wire {
            Wire::Sftp(s) => s.list(&dir),
            Wire::Dir(s) => s.list(&dir),
            Wire::Given(s) => s.list(&dir),
        })
        .await
    }

    /// What stands under this name; `None` only if the other side said that nothing does.
    ///
    /// # Errors
    /// Whatever leaves it unknown.
    pub async fn stat(&mut self, path: &str) -> Result<Option<Entry>, TransportError> {
        let path = path.to_owned();
        self.ask("look at the file", move |wire| match wire {
            Wire::Sftp(s) => s.stat(&path),
            Wire::Dir(s) => s.stat(&path),
            Wire::Given(s) => s.stat(&path),
        })
        .await
    }

    /// Makes the directory, and those above it, unless it is there.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotADirectory` and the general ones.
    pub async fn ensure_dir(&mut self, dir: &str) -> Result<(), TransportError> {
        let dir = dir.to_owned();
        self.ask("make the directory", move |wire| match wire {
            Wire::Sftp(s) => s.ensure_dir(&dir),
            Wire::Dir(s) => s.ensure_dir(&dir),
            Wire::Given(s) => s.ensure_dir(&dir),
        })
        .await
    }

    /// Writes a new file, flushes it to the other side's disk where that is offered, closes it, and looks at its size.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken. After **any** error, the name must not be used again: what stands under it is
    /// unknown, and a delayed write may still land there. The session ends with the error for the same reason.
    pub async fn put_new(&mut self, path: &str, source: &Path) -> Result<Sent, TransportError> {
        let (path, source, life) = (path.to_owned(), source.to_owned(), Arc::clone(&self.life));
        self.ask("write the file", move |wire| {
            let sent = match wire {
                Wire::Sftp(s) => s.put_new(&path, &source),
                Wire::Dir(s) => s.put_new(&path, &source),
                Wire::Given(s) => s.put_new(&path, &source),
            };
            if sent.is_err() {
                life.end();
            }
            sent
        })
        .await
    }

    /// Gives a file its new name.
    ///
    /// # Errors
    /// `AlreadyExists` if the new name is taken, `NotFound` naming the path that is missing. After an error for which
    /// [`TransportError::is_uncertain`] holds, the file may have either name: look.
    pub async fn rename(&mut self, from: &str, to: &str) -> Result<(), TransportError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.ask("rename the file", move |wire| match wire {
            Wire::Sftp(s) => s.rename(&from, &to),
            Wire::Dir(s) => s.rename(&from, &to),
            Wire::Given(s) => s.rename(&from, &to),
        })
        .await
    }

    /// Fetches a file into a new file of ours, flushed to disk. On an error nothing is left behind here.
    ///
    /// # Errors
    /// `SizeMismatch` if the file had another size once we had read it: it is still being written.
    pub async fn get(&mut self, path: &str, target: &Path) -> Result<Received, TransportError> {
        let (path, target) = (path.to_owned(), target.to_owned());
        self.ask("fetch the file", move |wire| match wire {
            Wire::Sftp(s) => s.get(&path, &target),
            Wire::Dir(s) => s.get(&path, &target),
            Wire::Given(s) => s.get(&path, &target),
        })
        .await
    }

    /// Reads a file through and keeps only its size and hash: the proof that what stands there is what we sent.
    ///
    /// # Errors
    /// As `get`.
    pub async fn digest(&mut self, path: &str) -> Result<Received, TransportError> {
        let path = path.to_owned();
        self.ask("read the file back", move |wire| match wire {
            Wire::Sftp(s) => s.digest(&path),
            Wire::Dir(s) => s.digest(&path),
            Wire::Given(s) => s.digest(&path),
        })
        .await
    }

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound` if it is not there.
    pub async fn remove(&mut self, path: &str) -> Result<(), TransportError> {
        let path = path.to_owned();
        self.ask("remove the file", move |wire| match wire {
            Wire::Sftp(s) => s.remove(&path),
            Wire::Dir(s) => s.remove(&path),
            Wire::Given(s) => s.remove(&path),
        })
        .await
    }

    async fn ask<T: Send + 'static>(
        &mut self,
        during: &'static str,
        job: impl FnOnce(&Wire) -> Result<T, TransportError> + Send + 'static,
    ) -> Result<T, TransportError> {
        let (reply, answer) = oneshot::channel();
        // The reply falls on deaf ears only if the caller is gone, and then the session ends anyway.
        let queued = self.jobs.send(Box::new(move |wire| drop(reply.send(job(wire)))));
        if queued.is_err() {
            return Err(gone(during));
        }
        let answer = wait(answer, &self.life, self.step_max, during).await;
        if let Err(error) = &answer
            && (error.is_uncertain() || error.is_of_the_way())
        {
            self.kept = None;
        }
        answer
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let Some(kept) = self.kept.take().filter(|_| !self.life.is_ended() && self.uses < USES_MAX) else { return };
        self.life.waits.store(true, Ordering::SeqCst);
        let (jobs, life) = (self.jobs.clone(), Arc::clone(&self.life));
        kept.put(Self { jobs, life, step_max: self.step_max, kept: None, uses: self.uses });
    }
}

impl Life {
    /// Ends the session from outside or inside: whoever is blocked on its socket wakes up.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(socket) = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It may be gone already, which is what we want.
            drop(socket.shutdown(std::net::Shutdown::Both));
        }
    }

    /// Says that something is about to be done or was done.
    ///
    /// # Errors
    /// If the session was ended meanwhile.
    pub fn step(&self, during: &'static str) -> Result<(), TransportError> {
        self.steps.fetch_add(1, Ordering::SeqCst);
        if self.is_ended() { Err(gone(during)) } else { Ok(()) }
    }

    /// Takes the socket by which the session can be ended.
    ///
    /// # Errors
    /// If the session was ended meanwhile, or the system has no more handles.
    pub fn adopt(&self, socket: &std::net::TcpStream, during: &'static str) -> Result<(), TransportError> {
        let clone = socket.try_clone().map_err(|source| TransportError::Local { path: PathBuf::from("socket"), source })?;
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(clone);
        // Looked at after the socket lies there: whoever ends the session now finds it, whoever did before is seen here.
        self.step(during).inspect_err(|_| self.end())
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}

impl Wire {
    fn open(transport: &Transport, life: &Arc<Life>) -> Result<Self, TransportError> {
        match transport {
            Transport::Sftp(at) => connect::open(at, life).map(Self::Sftp),
            Transport::Dir(at) => DirSession::open(&at.root, Arc::clone(life)).map(Self::Dir),
            Transport::Given(at) => at.enter().map(Self::Given),
        }
    }
}

fn serve(wire: Wire, queue: &mpsc::Receiver<Job>, life: &Life, keep: Duration) {
    let turn = if keep.is_zero() { IDLE } else { IDLE.min(keep) };
    let mut idle = Duration::ZERO;
    while !life.is_ended() {
        match queue.recv_timeout(turn) {
            Ok(job) => {
                idle = Duration::ZERO;
                job(&wire);
            }
            Err(mpsc::RecvTimeoutError::Timeout) if life.waits.load(Ordering::SeqCst) && idle + turn >= keep => break,
            Err(mpsc::RecvTimeoutError::Timeout) => match &wire {
                // Its failure ends the session; the next job will be told.
                Wire::Sftp(session) => {
                    idle += turn;
                    session.keep_alive();
                }
                Wire::Dir(_) | Wire::Given(_) => {}
            },
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    match wire {
        Wire::Sftp(session) => session.close(),
        Wire::Dir(_) | Wire::Given(_) => {}
    }
    life.end();
}

/// Waits for an answer as long as the session moves. Dropped, or out of patience, it ends the session.
async fn wait<T>(
    mut answer: oneshot::Receiver<Result<T, TransportError>>,
    life: &Life,
    step_max: Duration,
    during: &'static str,
) -> Result<T, TransportError> {
    let mut unanswered = EndUnlessAnswered { life, answered: false };
    let mut seen = life.steps.load(Ordering::SeqCst);
    loop {
        match tokio::time::timeout(step_max, &mut answer).await {
            Ok(Ok(result)) => {
                unanswered.answered = true;
                return result;
            }
            Ok(Err(_closed)) => return Err(gone(during)),
            Err(_elapsed) => {
                let steps = life.steps.load(Ordering::SeqCst);
                if steps == seen {
                    return Err(TransportError::Timeout { during, after: step_max });
                }
                seen = steps;
            }
        }
    }
}

struct EndUnlessAnswered<'a> {
    life: &'a Life,
    answered: bool,
}

impl Drop for EndUnlessAnswered<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.life.end();
        }
    }
}

fn gone(during: &'static str) -> TransportError {
    TransportError::ConnectionLost { during, reason: "the session has ended".to_owned() }
}
