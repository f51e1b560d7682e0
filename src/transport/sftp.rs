//! A mailbox on an SFTP server: the requests, and what the server's coarse answers mean.
//!
//! libssh2 keeps one state machine per session. After a time-out or a broken connection it is in the middle of something, so
//! every such fault ends the session (`fault` does it, before any handle is dropped: dropping one talks to the server).

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use ssh2::{ErrorCode, OpenFlags, OpenType, RenameFlags, Session, Sftp};

use super::dir::Fetching;
use super::mailbox::Life;
use super::path::{escape, join, parent, unescape};
use super::{Entry, Received, Sent, Timeouts, TransportError};

/// One piece of a transfer, and how much may be on its way to a server that has not acknowledged it.
pub const CHUNK: usize = 3 << 20;
/// One piece of what is read: libssh2 asks for four times as much ahead, and holds it.
const READ_CHUNK: usize = 1 << 20;

/// Numbers of libssh2 and of the protocol, as its headers have them.
mod code {
    pub const TIMEOUT: i32 = -9;
    pub const SOCKET_TIMEOUT: i32 = -30;
    pub const END_OF_LISTING: i32 = -16;
    pub const SFTP_STATUS: i32 = -31;
    /// Socket sends and receives, disconnects, closed channels.
    pub const LOST: [i32; 9] = [-1, -2, -3, -7, -13, -26, -27, -43, -45];

    pub const NO_SUCH_FILE: i32 = 2;
    pub const PERMISSION_DENIED: i32 = 3;
    pub const FAILURE: i32 = 4;
    pub const NO_CONNECTION: i32 = 6;
    pub const CONNECTION_LOST: i32 = 7;
    pub const UNSUPPORTED: i32 = 8;
    pub const NO_SUCH_PATH: i32 = 10;
    pub const ALREADY_EXISTS: i32 = 11;
    pub const WRITE_PROTECT: i32 = 12;
    pub const NO_SPACE: i32 = 14;
    pub const QUOTA_EXCEEDED: i32 = 15;
    pub const NOT_A_DIRECTORY: i32 = 19;
    pub const LAST: i32 = 21;
}

/// A session that the server let in.
pub struct SftpSession {
    // Dropped in this order: the channel before its session.
    sftp: Sftp,
    session: Session,
    timeouts: Timeouts,
    life: Arc<Life>,
}

impl SftpSession {
    pub fn start(session: Session, timeouts: Timeouts, life: Arc<Life>) -> Result<Self, TransportError> {
        let during = "start SFTP";
        life.step(during)?;
        session.set_timeout(millis(timeouts.io));
        let sftp = session.sftp().map_err(|error| session_fault(&life, timeouts.io, during, &error))?;
        Ok(Self { sftp, session, timeouts, life })
    }

    pub fn list(&self, dir: &str) -> Result<Vec<Entry>, TransportError> {
        let during = "list the directory";
        let fault = |error: &ssh2::Error| self.fault(during, dir, error);
        self.life.step(during)?;
        let mut listing = self.sftp.opendir(unescape(or_here(dir))?).map_err(|e| fault(&e))?;
        let mut entries = Vec::new();
        loop {
            self.life.step(during)?;
            match listing.readdir() {
                Ok((name, stat)) => {
                    let name = name.as_os_str().as_encoded_bytes();
                    if name != b"." && name != b".." {
                        entries.push((escape(name), stat));
                    }
                }
                Err(error) if error.code() == ErrorCode::Session(code::END_OF_LISTING) => break,
                Err(error) => return Err(fault(&error)),
            }
        }
        listing.close().map_err(|e| fault(&e))?;
        entries.into_iter().map(|(name, stat)| self.listed(dir, name, stat)).collect()
    }

    /// Listings speak of links, not of what they lead to, and some leave out sizes: then look again.
    fn listed(&self, dir: &str, name: String, stat: ssh2::FileStat) -> Result<Entry, TransportError> {
        let path = join(dir, &name);
        if (stat.is_dir() || stat.is_file()) && stat.size.is_some() {
            return Ok(entry(path, name, &stat));
        }
        match self.stat(&path) {
            Ok(Some(found)) => Ok(found),
            // A dangling link, a link to where we may not go, a name that we do not use: shown, not followed.
            Ok(None) | Err(TransportError::PermissionDenied { .. } | TransportError::BadPath { .. }) => Ok(entry(path, name, &stat)),
            Err(error) => Err(error),
        }
    }

    pub fn stat(&self, path: &str) -> Result<Option<Entry>, TransportError> {
        let during = "look at the file";
        self.life.step(during)?;
        match self.sftp.stat(&unescape(or_here(path))?) {
            Ok(stat) if stat.size.is_none() => Err(TransportError::Protocol { during, reason: format!("no size is given for {path}") }),
            Ok(stat) => {
                let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).to_owned();
                Ok(Some(entry(path.to_owned(), name, &stat)))
            }
            Err(error) if matches!(error.code(), ErrorCode::SFTP(code::NO_SUCH_FILE | code::NO_SUCH_PATH)) => Ok(None),
            Err(error) => Err(self.fault(during, path, &error)),
        }
    }

    pub fn ensure_dir(&self, dir: &str) -> Result<(), TransportError> {
        let during = "make the directory";
        let is_there = |found: &Option<Entry>| match found {
            Some(found) if found.is_dir => Ok(true),
            Some(_) => Err(TransportError::NotADirectory { path: dir.to_owned() }),
            None => Ok(false),
        };
        if is_there(&self.stat(dir)?)? {
            return Ok(());
        }
        if let Some(above) = parent(dir) {
            self.ensure_dir(above)?;
        }
        self.life.step(during)?;
        match self.sftp.mkdir(&unescape(dir)?, 0o755) {
            Ok(()) => Ok(()),
            Err(error) => {
                let fault = self.fault(during, dir, &error);
                // Another of us may have made it meanwhile; servers say "failure" to that.
                let there_now = matches!(fault, TransportError::ServerFailure { .. } | TransportError::AlreadyExists { .. })
                    && is_there(&self.stat(dir)?)?;
                if there_now { Ok(()) } else { Err(fault) }
            }
        }
    }

    pub fn put_new(&self, path: &str, source: &Path) -> Result<Sent, TransportError> {
        let during = "write the file";
        let local = |source_error| TransportError::Local { path: source.to_owned(), source: source_error };
        let mut from = std::fs::File::open(source).map_err(local)?;
        let needed = from.metadata().map_err(local)?.len();
        let mut to = self.create(path)?;
        let free = self.free(&mut to)?;
        let written = send(
            || self.life.step(during),
            |buffer| from.read(buffer).map_err(local),
            |bytes| to.write(bytes).map_err(|error| self.write_fault(during, path, &error)),
        );
        let (bytes, sha256) = match written {
            Ok(done) => done,
            Err(error) => {
                self.life.end();
                return Err(explain_full_disk(error, path, needed, free));
            }
        };
        self.flush_and_close(to, path).inspect_err(|_| self.life.end())?;
        match self.stat(path)? {
            Some(found) if found.bytes == bytes => Ok(Sent { bytes, sha256 }),
            Some(found) => Err(TransportError::SizeMismatch { path: path.to_owned(), expected: bytes, found: found.bytes }),
            None => Err(TransportError::NotFound { path: path.to_owned() }),
        }
    }

    /// Looks before it creates: a server that takes no notice of "exclusively" would truncate what stands there.
    fn create(&self, path: &str) -> Result<ssh2::File, TransportError> {
        let during = "create the file";
        if self.stat(path)?.is_some() {
            return Err(TransportError::AlreadyExists { path: path.to_owned() });
        }
        self.life.step(during)?;
        // The server's own umask narrows the mode; a bank's program often runs under another user than the mailbox.
        match self.sftp.open_mode(unescape(path)?, OpenFlags::WRITE | OpenFlags::EXCLUSIVE, 0o644, OpenType::File) {
            Ok(file) => Ok(file),
            Err(error) => {
                let fault = self.fault(during, path, &error);
                let is_taken = matches!(fault, TransportError::ServerFailure { .. }) && self.stat(path)?.is_some();
                Err(if is_taken { TransportError::AlreadyExists { path: path.to_owned() } } else { fault })
            }
        }
    }

    fn flush_and_close(&self, mut file: ssh2::File, path: &str) -> Result<(), TransportError> {
        self.life.step("flush the file")?;
        match file.fsync() {
            Ok(()) => {}
            Err(error) if error.code() == ErrorCode::SFTP(code::UNSUPPORTED) => {}
            Err(error) => return Err(self.fault("flush the file", path, &error)),
        }
        self.life.step("close the file")?;
        file.close().map_err(|error| self.fault("close the file", path, &error))
    }

    /// How much the disk of a file has room for, where the server says. It is asked before anything is sent: behind a refused write
    /// half a packet may stand, and the session answers nothing any more. What it says refuses nothing, for some servers say nothing true.
    fn free(&self, file: &mut ssh2::File) -> Result<Option<u64>, TransportError> {
        self.life.step("look at the disk")?;
        Ok(file.statvfs().ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)))
    }

    pub fn rename(&self, from: &str, to: &str) -> Result<(), TransportError> {
        let during = "rename the file";
        // Some servers overwrite silently, and the protocol's version 3 cannot forbid it. Looking first is no proof,
        // only a good chance; the publishing protocol does not rest on it.
        if self.stat(to)?.is_some() {
            return Err(TransportError::AlreadyExists { path: to.to_owned() });
        }
        self.life.step(during)?;
        // The default flags ask to overwrite.
        let error = match self.sftp.rename(&unescape(from)?, &unescape(to)?, Some(RenameFlags::ATOMIC | RenameFlags::NATIVE)) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let fault = self.fault(during, from, &error);
        let is_coarse = matches!(fault, TransportError::ServerFailure { .. });
        if is_coarse && self.stat(to)?.is_some() && self.stat(from)?.is_some() {
            // Taken between our look and the rename.
            return Err(TransportError::AlreadyExists { path: to.to_owned() });
        }
        if matches!(fault, TransportError::NotFound { .. }) && self.stat(from)?.is_some() {
            return Err(TransportError::NotFound { path: to.to_owned() });
        }
        Err(fault)
    }

    pub fn get(&self, path: &str, target: &Path) -> Result<Received, TransportError> {
        let fetching = Fetching::new(target)?;
        let received = self.read_through(path, "fetch the file", |bytes| fetching.write(bytes))?;
        fetching.keep()?;
        Ok(received)
    }

    pub fn digest(&self, path: &str) -> Result<Received, TransportError> {
        self.read_through(path, "read the file back", |bytes| Ok(bytes.len()))
    }

    fn read_through(
        &self,
        path: &str,
        during: &'static str,
        sink: impl FnMut(&[u8]) -> Result<usize, TransportError>,
    ) -> Result<Received, TransportError> {
        self.life.step(during)?;
        let mut file = self.sftp.open(unescape(path)?).map_err(|error| self.fault(during, path, &error))?;
        let source = |buffer: &mut [u8]| file.read(buffer).map_err(|error| self.write_fault(during, path, &error));
        let (bytes, sha256) = transfer(READ_CHUNK, || self.life.step(during), source, sink)?;
        self.life.step(during)?;
        let stat = file.stat().map_err(|error| self.fault(during, path, &error))?;
        file.close().map_err(|error| self.fault(during, path, &error))?;
        match stat.size {
            Some(size) if size != bytes => Err(TransportError::SizeMismatch { path: path.to_owned(), expected: size, found: bytes }),
            Some(_) | None => Ok(Received { bytes, sha256 }),
        }
    }

    pub fn remove(&self, path: &str) -> Result<(), TransportError> {
        let during = "remove the file";
        self.life.step(during)?;
        self.sftp.unlink(&unescape(path)?).map_err(|error| self.fault(during, path, &error))
    }

    /// A round trip. libssh2's own keep-alive would do, but with it switched on, its time-outs are never looked at.
    pub fn keep_alive(&self) {
        if let Err(error) = self.stat(".") {
            tracing::debug!(%error, "the idle session did not answer");
            if error.is_uncertain() {
                self.life.end();
            }
        }
    }

    /// Says goodbye, unless the session is broken.
    pub fn close(self) {
        if self.life.step("say goodbye").is_ok() {
            self.session.set_timeout(millis(self.timeouts.disconnect));
            let Self { sftp, session, life, .. } = self;
            drop(sftp);
            // Nobody waits for this, and there is nothing to be done about it.
            drop(session.disconnect(None, "done", None));
            life.end();
        }
    }

    fn fault(&self, during: &'static str, path: &str, error: &ssh2::Error) -> TransportError {
        match error.code() {
            ErrorCode::Session(_) => session_fault(&self.life, self.timeouts.io, during, error),
            ErrorCode::SFTP(status) => status_fault(&self.life, during, path, status, error.message()),
        }
    }

    /// Reads and writes lose the code on their way through `io::Error`: the session still knows its own, and the status
    /// is found again by its text, which comes from ssh2's table.
    fn write_fault(&self, during: &'static str, path: &str, error: &io::Error) -> TransportError {
        let text = error.to_string();
        match ssh2::Error::last_session_error(&self.session) {
            Some(last) if last.code() == ErrorCode::Session(code::SFTP_STATUS) => {
                let status = (1..=code::LAST).find(|s| ssh2::Error::from_errno(ErrorCode::SFTP(*s)).message() == text);
                status_fault(&self.life, during, path, status.unwrap_or(code::FAILURE), &text)
            }
            Some(last) => session_fault(&self.life, self.timeouts.io, during, &last),
            None => {
                self.life.end();
                TransportError::ConnectionLost { during, reason: text }
            }
        }
    }
}

/// OpenSSH says "failure" when its disk is full. If there was hardly room for the file, that was it.
fn explain_full_disk(error: TransportError, path: &str, needed: u64, free: Option<u64>) -> TransportError {
    let spare = u64::try_from(CHUNK).unwrap_or(u64::MAX);
    let had_room = free.is_none_or(|free| free >= needed.saturating_add(spare));
    if had_room || !matches!(error, TransportError::ServerFailure { code: code::FAILURE, .. }) {
        return error;
    }
    TransportError::NoSpace { path: path.to_owned() }
}

/// Moves bytes into what takes them in order and says late what it took, counting and hashing them. libssh2 wants what is on its way
/// to be said again with what follows it; the buffer is filled up while its beginning is still on its way, so that a long line never
/// runs dry.
fn send(
    step: impl Fn() -> Result<(), TransportError>,
    mut read: impl FnMut(&mut [u8]) -> Result<usize, TransportError>,
    mut write: impl FnMut(&[u8]) -> Result<usize, TransportError>,
) -> Result<(u64, String), TransportError> {
    use sha2::Digest as _;
    let mut buffer = vec![0; CHUNK];
    let (mut start, mut end, mut is_all_read) = (0, 0, false);
    let mut hash = sha2::Sha256::new();
    let mut total = 0_u64;
    loop {
        if !is_all_read && end - start <= CHUNK / 4 * 3 {
            buffer.copy_within(start..end, 0);
            (start, end) = (0, end - start);
            while let Some(room) = buffer.get_mut(end..).filter(|room| !room.is_empty() && !is_all_read) {
                step()?;
                let count = read(room)?;
                is_all_read = count == 0;
                hash.update(room.get(..count).unwrap_or_default());
                total += u64::try_from(count).unwrap_or(u64::MAX);
                end += count;
            }
        }
        let Some(rest) = buffer.get(start..end).filter(|bytes| !bytes.is_empty()) else {
            return Ok((total, hex::encode(hash.finalize())));
        };
        step()?;
        start += write(rest).and_then(some)?;
    }
}

/// A write that takes nothing would be asked for ever.
fn some(done: usize) -> Result<usize, TransportError> {
    match done {
        0 => Err(TransportError::Protocol { during: "write the file", reason: "a write took nothing".to_owned() }),
        done => Ok(done),
    }
}

/// Moves bytes through one buffer, counting and hashing them.
pub fn transfer(
    chunk: usize,
    step: impl Fn() -> Result<(), TransportError>,
    mut read: impl FnMut(&mut [u8]) -> Result<usize, TransportError>,
    mut write: impl FnMut(&[u8]) -> Result<usize, TransportError>,
) -> Result<(u64, String), TransportError> {
    use sha2::Digest as _;
    let mut buffer = vec![0; chunk];
    let mut hash = sha2::Sha256::new();
    let mut total = 0_u64;
    loop {
        step()?;
        let count = read(&mut buffer)?;
        let Some(mut rest) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok((total, hex::encode(hash.finalize())));
        };
        hash.update(rest);
        total += u64::try_from(count).unwrap_or(u64::MAX);
        while !rest.is_empty() {
            step()?;
            let done = write(rest).and_then(some)?;
            rest = rest.get(done..).unwrap_or_default();
        }
    }
}

/// A fault below SFTP. The session is not to be used again.
pub fn session_fault(life: &Life, limit: std::time::Duration, during: &'static str, error: &ssh2::Error) -> TransportError {
    life.end();
    let reason = error.message().to_owned();
    match error.code() {
        ErrorCode::Session(code::TIMEOUT | code::SOCKET_TIMEOUT) => TransportError::Timeout { during, after: limit },
        ErrorCode::Session(code) if code::LOST.contains(&code) => TransportError::ConnectionLost { during, reason },
        ErrorCode::Session(code) => TransportError::Protocol { during, reason: format!("{reason} ({code})") },
        ErrorCode::SFTP(status) => TransportError::Protocol { during, reason: format!("{reason} (status {status})") },
    }
}

fn status_fault(life: &Life, during: &'static str, path: &str, status: i32, reason: &str) -> TransportError {
    let path = path.to_owned();
    match status {
        code::NO_SUCH_FILE | code::NO_SUCH_PATH => TransportError::NotFound { path },
        code::PERMISSION_DENIED | code::WRITE_PROTECT => TransportError::PermissionDenied { path },
        code::ALREADY_EXISTS => TransportError::AlreadyExists { path },
        code::NO_SPACE | code::QUOTA_EXCEEDED => TransportError::NoSpace { path },
        code::NOT_A_DIRECTORY => TransportError::NotADirectory { path },
        code::NO_CONNECTION | code::CONNECTION_LOST => {
            life.end();
            TransportError::ConnectionLost { during, reason: reason.to_owned() }
        }
        status => TransportError::ServerFailure { during, path, code: status, reason: reason.to_owned() },
    }
}

fn entry(path: String, name: String, stat: &ssh2::FileStat) -> Entry {
    Entry {
        name,
        path,
        is_dir: stat.is_dir(),
        bytes: stat.size.unwrap_or(0),
        modified_s: stat.mtime.and_then(|s| i64::try_from(s).ok()).unwrap_or(0),
    }
}

/// The login directory has no name of its own.
const fn or_here(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

pub fn millis(time: std::time::Duration) -> u32 {
    // Zero would mean for ever.
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use sha2::Digest as _;

    use super::*;

    #[test]
    fn what_is_sent_arrives_in_order_and_the_line_does_not_run_dry_before_the_end() {
        let source: Vec<u8> = (0..10_000_019_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        let (mut from, mut arrived, mut turn) = (&source[..], Vec::new(), 0_usize);
        let read = |room: &mut [u8]| {
            let count = room.len().min(100_003);
            Ok(from.read(&mut room[..count]).unwrap())
        };
        let write = |bytes: &[u8]| {
            let left = source.len() - arrived.len();
            assert!(bytes.len() >= left.min(CHUNK / 4 * 3), "{} on their way, {left} left", bytes.len());
            turn += 1;
            let count = bytes.len().min([30_000, 1, 900_000][turn % 3]);
            arrived.extend_from_slice(&bytes[..count]);
            Ok(count)
        };
        let (bytes, sha256) = send(|| Ok(()), read, write).unwrap();
        assert!(arrived == source && bytes == 10_000_019);
        assert_eq!(sha256, hex::encode(sha2::Sha256::digest(&source)));
        let stuck = send(|| Ok(()), |room| Ok(room.len()), |_| Ok(0)).unwrap_err();
        assert!(matches!(stuck, TransportError::Protocol { .. }), "{stuck}");
    }
}
