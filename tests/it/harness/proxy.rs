//! A TCP proxy that fails on purpose: it cuts, holds or slows a connection after so many bytes in one direction.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From the client to the server.
    There,
    /// From the server to the client.
    Back,
}

/// What befalls a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// After so many bytes both sides are cut.
    Cut(Way, u64),
    /// After so many bytes nothing more goes this way, until released; the connection stands.
    Hold(Way, u64),
    /// After so many bytes each piece that goes this way waits first.
    Slow(Way, u64, Duration),
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    /// Its port on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: AtomicU16,
    /// For connections to come; those that stand keep theirs.
    fault: Mutex<Fault>,
    there: AtomicU64,
    back: AtomicU64,
    is_over: AtomicBool,
    /// Whether held bytes may go on, and how many ways are held.
    gate: Mutex<Gate>,
    gate_moved: Condvar,
    open: Mutex<Vec<TcpStream>>,
}

#[derive(Debug, Default)]
struct Gate {
    is_open: bool,
    held: usize,
}

impl Proxy {
    /// Starts one before a port of this machine.
    pub fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            upstream: AtomicU16::new(upstream),
            fault: Mutex::new(Fault::None),
            there: AtomicU64::new(0),
            back: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            gate: Mutex::default(),
            gate_moved: Condvar::new(),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.is_over.load(Ordering::SeqCst) {
                    return;
                }
                connect(&accepting, client.unwrap());
            }
        });
        Self { port, shared }
    }

    /// What shall befall the connections to come. Counting begins anew, and the gate is shut.
    pub fn set(&self, fault: Fault) {
        *lock(&self.shared.fault) = fault;
        self.shared.there.store(0, Ordering::SeqCst);
        self.shared.back.store(0, Ordering::SeqCst);
        *lock(&self.shared.gate) = Gate::default();
    }

    /// Leads the connections to come to another port, as an address that moves with the service does.
    pub fn point_to(&self, upstream: u16) {
        self.shared.upstream.store(upstream, Ordering::SeqCst);
    }

    /// How many bytes went this way since `set`.
    pub fn passed(&self, way: Way) -> u64 {
        self.shared.count(way).load(Ordering::SeqCst)
    }

    /// Waits until something is held.
    pub fn wait_held(&self) {
        let gate = lock(&self.shared.gate);
        let (gate, timeout) = self.shared.gate_moved.wait_timeout_while(gate, Duration::from_secs(20), |gate| gate.held == 0).unwrap();
        assert!(!timeout.timed_out(), "nothing was held");
        drop(gate);
    }

    /// How many connections hold something back.
    pub fn held(&self) -> usize {
        lock(&self.shared.gate).held
    }

    /// Cuts every connection that stands, at once and on both sides.
    pub fn cut_all(&self) {
        for socket in lock(&self.shared.open).drain(..) {
            drop(socket.shutdown(Shutdown::Both));
        }
    }

    /// Lets what is held go on, and whatever follows.
    pub fn release(&self) {
        lock(&self.shared.gate).is_open = true;
        self.shared.gate_moved.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.release();
        // One more connection, for the listener to see that it is over.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        self.cut_all();
    }
}

impl Shared {
    const fn count(&self, way: Way) -> &AtomicU64 {
        match way {
            Way::There => &self.there,
            Way::Back => &self.back,
        }
    }
}

/// A test that failed holding it must still be swept up after.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(shared: &Arc<Shared>, client: TcpStream) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", shared.upstream.load(Ordering::SeqCst))) else { return };
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
        lock(&shared.open).push(socket.try_clone().unwrap());
    }
    let fault = *lock(&shared.fault);
    for (way, from, to) in [(Way::There, &client, &server), (Way::Back, &server, &client)] {
        let (shared, from, to) = (Arc::clone(shared), from.try_clone().unwrap(), to.try_clone().unwrap());
        std::thread::spawn(move || {
            pump(&shared, fault, way, &from, &to);
            drop(from.shutdown(Shutdown::Both));
            drop(to.shutdown(Shutdown::Both));
        });
    }
}

fn pump(shared: &Shared, fault: Fault, way: Way, mut from: &TcpStream, mut to: &TcpStream) {
    let mut buffer = vec![0; 64 << 10];
    let mut passed = 0_u64;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut rest = &buffer[..count];
        let limit = match fault {
            Fault::Cut(at, limit) | Fault::Hold(at, limit) | Fault::Slow(at, limit, _) if at == way => limit,
            Fault::None | Fault::Cut(..) | Fault::Hold(..) | Fault::Slow(..) => u64::MAX,
        };
        let before = usize::try_from(limit.saturating_sub(passed)).unwrap().min(count);
        if to.write_all(&rest[..before]).is_err() {
            return;
        }
        shared.count(way).fetch_add(u64::try_from(before).unwrap(), Ordering::SeqCst);
        passed += u64::try_from(before).unwrap();
        rest = &rest[before..];
        if rest.is_empty() {
            continue;
        }
        match fault {
            Fault::Cut(..) => return,
            Fault::Hold(..) => {
                let mut gate = lock(&shared.gate);
                gate.held += 1;
                shared.gate_moved.notify_all();
                let gate = shared.gate_moved.wait_while(gate, |gate| !gate.is_open).unwrap();
                drop(gate);
            }
            Fault::Slow(_, _, delay) => std::thread::sleep(delay),
            Fault::None => {}
        }
        if to.write_all(rest).is_err() {
            return;
        }
        shared.count(way).fetch_add(u64::try_from(rest.len()).unwrap(), Ordering::SeqCst);
        // What was let go stays let go: `passed` is beyond the limit only for those that slow.
        if matches!(fault, Fault::Hold(..)) {
            return pump(shared, Fault::None, way, from, to);
        }
    }
}
