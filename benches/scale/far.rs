//! A bank that is far away: what goes through this door arrives so much later, each way, and nothing is lost or slowed.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use bankgate::clock::Stopwatch;

/// How long a byte is on its way.
const ONE_WAY: Duration = Duration::from_millis(25);

/// Opens the door before a port of this machine, for as long as the bench runs; its own port.
pub fn door(upstream: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (near, far) = (near.unwrap(), TcpStream::connect(("127.0.0.1", upstream)).unwrap());
            carry(near.try_clone().unwrap(), far.try_clone().unwrap());
            carry(far, near);
        }
    });
    port
}

/// Carries what comes from here to there. What is on its way is bounded by the windows of who talks.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    to.set_nodelay(true).unwrap();
    let watch = Stopwatch::start();
    let (departs, arrives) = mpsc::channel::<(Duration, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 256 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if departs.send((watch.elapsed() + ONE_WAY, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, bytes) in arrives {
            std::thread::sleep(due.saturating_sub(watch.elapsed()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Both));
    });
}
