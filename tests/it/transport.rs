//! The mailbox, over a real OpenSSH server and in a directory, by the same tables; then keys, and what only a line can do to it.
//! Names begin with the incident that they keep from coming back.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bankgate::clock::Stopwatch;
use bankgate::transport::{Auth, DirEndpoint, HostKeyPin, Mailbox, SftpEndpoint, Transport, TransportError, Watch, watch};
use sha2::{Digest as _, Sha256};

use crate::harness::postgres::Postgres;
use crate::harness::sshd::{Sshd, key_line, keygen};
use crate::harness::{is_root, run, skip};

/// Lines that are cut, held and slowed.
mod kept;
mod line;

/// A mailbox of either kind, with the directory that lies behind it.
struct Place {
    transport: Transport,
    root: PathBuf,
    /// Whether we on this side may do what the mailbox's account may not.
    is_ours: bool,
    _sshd: Option<Sshd>,
    _dir: Option<tempfile::TempDir>,
}

fn sftp() -> Place {
    let sshd = Sshd::start();
    Place { transport: sshd.transport(), root: sshd.root.clone(), is_ours: !is_root(), _sshd: Some(sshd), _dir: None }
}

fn dir() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let transport = Transport::Dir(DirEndpoint { root: dir.path().to_owned() });
    Place { transport, root: dir.path().to_owned(), is_ours: true, _sshd: None, _dir: Some(dir) }
}

/// Local files to send and to fetch into.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn target(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Bytes that no server can compress or mix up unnoticed.
fn noise(count: usize) -> Vec<u8> {
    use rand::{RngCore as _, SeedableRng as _};
    let mut bytes = vec![0; count];
    rand_chacha::ChaCha8Rng::seed_from_u64(7).fill_bytes(&mut bytes);
    bytes
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

async fn names(mailbox: &mut Mailbox, dir: &str) -> Vec<String> {
    let mut names: Vec<_> = mailbox.list(dir).await.unwrap().into_iter().map(|entry| entry.name).collect();
    names.sort();
    names
}

/// Both kinds of mailbox go through the same story.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod over_sftp { $(#[tokio::test] async fn $name() { super::$name(super::sftp()).await; })* }
        mod in_a_directory { $(#[tokio::test] async fn $name() { super::$name(super::dir()).await; })* }
    };
}

on_both! {
    files_go_out_and_come_back_whole
    o5_nothing_is_overwritten
    o9_a_failed_listing_is_not_an_empty_directory
    names_of_every_kind_are_listed_and_fetched
    directories_are_made_once
    o8_what_is_not_permitted_says_so
    i1_a_file_whose_size_is_not_what_was_read_is_not_taken
    a_missing_source_or_a_taken_target_is_our_own_fault
    paths_that_are_none_are_refused
}

async fn files_go_out_and_come_back_whole(place: Place) {
    let desk = Desk::new();
    let mut mailbox = place.transport.open().await.unwrap();
    for (name, bytes) in
        [("empty.txt", noise(0)), ("one.txt", noise(1)), ("代发_20190501.txt", noise(5_000_000)), ("chunk.bin", noise(4 << 20))]
    {
        let source = desk.file("source", &bytes);
        let part = format!("{name}.1.1.part");
        let sent = mailbox.put_new(&part, &source).await.unwrap();
        assert_eq!((sent.bytes, sent.sha256.as_str()), (u64::try_from(bytes.len()).unwrap(), sha256(&bytes).as_str()), "{name}");
        assert_eq!(mailbox.stat(name).await.unwrap(), None);
        mailbox.rename(&part, name).await.unwrap();
        assert_eq!(mailbox.stat(&part).await.unwrap(), None);
        assert_eq!(std::fs::read(place.root.join(name)).unwrap(), bytes, "{name}");

        let seen = mailbox.stat(name).await.unwrap().unwrap();
        assert_eq!((seen.name.as_str(), seen.path.as_str(), seen.is_dir, seen.bytes), (name, name, false, sent.bytes));
        assert!(seen.modified_s > 1_600_000_000);
        let read_back = mailbox.digest(name).await.unwrap();
        assert_eq!((read_back.bytes, &read_back.sha256), (sent.bytes, &sent.sha256));
        let target = desk.target(&format!("back {name}"));
        assert_eq!(mailbox.get(name, &target).await.unwrap(), read_back);
        assert_eq!(std::fs::read(target).unwrap(), bytes);
    }
    assert_eq!(names(&mut mailbox, ".").await, ["chunk.bin", "empty.txt", "one.txt", "代发_20190501.txt"]);
    mailbox.remove("one.txt").await.unwrap();
    assert!(matches!(mailbox.remove("one.txt").await, Err(TransportError::NotFound { path }) if path == "one.txt"));
    assert!(!place.root.join("one.txt").exists());
}

async fn o5_nothing_is_overwritten(place: Place) {
    let desk = Desk::new();
    let (first, second) = (desk.file("first", b"first"), desk.file("second", b"second"));
    let mut mailbox = place.transport.open().await.unwrap();
    mailbox.put_new("a", &first).await.unwrap();
    mailbox.put_new("b", &second).await.unwrap();
    let clash = mailbox.rename("b", "a").await.unwrap_err();
    assert!(matches!(&clash, TransportError::AlreadyExists { path } if path == "a"), "{clash}");
    assert!(!clash.is_transient());
    let gone = mailbox.rename("c", "d").await.unwrap_err();
    assert!(matches!(&gone, TransportError::NotFound { path } if path == "c"), "{gone}");
    let nowhere = mailbox.rename("a", "no/where").await.unwrap_err();
    assert!(matches!(&nowhere, TransportError::NotFound { path } if path == "no/where"), "{nowhere}");
    let taken = mailbox.put_new("a", &second).await.unwrap_err();
    assert!(matches!(&taken, TransportError::AlreadyExists { path } if path == "a"), "{taken}");
    assert_eq!(
        (std::fs::read(place.root.join("a")).unwrap(), std::fs::read(place.root.join("b")).unwrap()),
        (b"first".to_vec(), b"second".to_vec())
    );
    // A failed upload ends its session.
    assert!(matches!(mailbox.stat("a").await, Err(TransportError::ConnectionLost { .. })));
}

async fn o9_a_failed_listing_is_not_an_empty_directory(place: Place) {
    let mut mailbox = place.transport.open().await.unwrap();
    let missing = mailbox.list("outbox").await.unwrap_err();
    assert!(matches!(&missing, TransportError::NotFound { path } if path == "outbox"), "{missing}");
    mailbox.ensure_dir("outbox").await.unwrap();
    assert_eq!(mailbox.list("outbox").await.unwrap(), []);
    let desk = Desk::new();
    mailbox.put_new("outbox/file", &desk.file("f", b"x")).await.unwrap();
    assert!(mailbox.list("outbox/file").await.is_err());
    assert_eq!(names(&mut mailbox, "outbox").await, ["file"]);
}

async fn names_of_every_kind_are_listed_and_fetched(place: Place) {
    let mut mailbox = place.transport.open().await.unwrap();
    mailbox.ensure_dir("回盘/昨日").await.unwrap();
    let outbox = place.root.join("回盘");
    // 代发.txt in GBK, as an old server names it; then a backslash, a line break, a hidden file.
    let raw: [&[u8]; 5] = [b"\xB4\xFA\xB7\xA2.txt", b"a\\b", b"a\nb", b".hidden", "结果 一.txt".as_bytes()];
    for name in raw {
        std::fs::write(outbox.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    std::os::unix::fs::symlink("nowhere", outbox.join("dangling")).unwrap();
    std::os::unix::fs::symlink("昨日", outbox.join("to-dir")).unwrap();
    let entries = mailbox.list("回盘").await.unwrap();
    let mut shown: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.is_dir)).collect();
    shown.sort_unstable();
    let expected = [
        (".hidden", false),
        ("\\xB4\\xFA\\xB7\\xA2.txt", false),
        ("a\\\\b", false),
        ("a\\x0Ab", false),
        ("dangling", false),
        ("to-dir", true),
        ("昨日", true),
        ("结果 一.txt", false),
    ];
    assert_eq!(shown, expected);
    let desk = Desk::new();
    for (number, entry) in entries.iter().filter(|entry| !entry.is_dir && entry.name != "dangling").enumerate() {
        assert_eq!(entry.path, format!("回盘/{}", entry.name));
        let target = desk.target(&number.to_string());
        let received = mailbox.get(&entry.path, &target).await.unwrap();
        assert_eq!(received.bytes, entry.bytes);
        assert!(raw.contains(&std::fs::read(target).unwrap().as_slice()), "{}", entry.name);
    }
    // More names than one answer of a server holds.
    for number in 0..700 {
        std::fs::write(outbox.join("昨日").join(format!("{number:0100}")), "").unwrap();
    }
    assert_eq!(mailbox.list("回盘/昨日").await.unwrap().len(), 700);
}

async fn directories_are_made_once(place: Place) {
    let mut mailbox = place.transport.open().await.unwrap();
    for _ in 0..2 {
        mailbox.ensure_dir("in/2019/05").await.unwrap();
    }
    assert!(place.root.join("in/2019/05").is_dir());
    let desk = Desk::new();
    mailbox.put_new("in/file", &desk.file("f", b"x")).await.unwrap();
    for path in ["in/file", "in/file/deeper"] {
        assert!(mailbox.ensure_dir(path).await.is_err(), "{path}");
    }
}

async fn o8_what_is_not_permitted_says_so(place: Place) {
    if place.is_ours && is_root() {
        return skip("root may do everything in a directory of its own");
    }
    let desk = Desk::new();
    let source = desk.file("f", b"x");
    let mut mailbox = place.transport.open().await.unwrap();
    mailbox.ensure_dir("closed").await.unwrap();
    mailbox.put_new("closed/old", &source).await.unwrap();
    mailbox.put_new("loose", &source).await.unwrap();
    let closed = place.root.join("closed");
    let allow = |mode| std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(mode)).unwrap();
    let is_denied = |error: &TransportError| matches!(error, TransportError::PermissionDenied { .. }) && !error.is_transient();

    allow(0o555);
    let table = [
        mailbox.rename("loose", "closed/new").await,
        mailbox.rename("closed/old", "new").await,
        mailbox.remove("closed/old").await,
        mailbox.ensure_dir("closed/dir").await,
        mailbox.put_new("closed/new", &source).await.map(drop),
    ];
    for (number, result) in table.into_iter().enumerate() {
        let error = result.unwrap_err();
        assert!(is_denied(&error), "{number}: {error}");
    }
    let mut mailbox = place.transport.open().await.unwrap();
    allow(0o000);
    for error in [mailbox.list("closed").await.map(drop).unwrap_err(), mailbox.stat("closed/old").await.map(drop).unwrap_err()] {
        assert!(is_denied(&error), "{error}");
    }
    let target = desk.target("t");
    assert!(is_denied(&mailbox.get("closed/old", &target).await.unwrap_err()));
    assert!(!target.exists(), "nothing half is left here");
    allow(0o755);
    assert_eq!(names(&mut mailbox, "closed").await, ["old"]);
}

async fn i1_a_file_whose_size_is_not_what_was_read_is_not_taken(place: Place) {
    // As one that grows after we have read it: the system says of these that they are empty, and gives bytes.
    std::os::unix::fs::symlink("/proc/version", place.root.join("growing")).unwrap();
    let desk = Desk::new();
    let mut mailbox = place.transport.open().await.unwrap();
    let target = desk.target("growing");
    let error = mailbox.get("growing", &target).await.unwrap_err();
    let there = std::fs::read("/proc/version").unwrap().len();
    assert!(
        matches!(error, TransportError::SizeMismatch { expected: 0, found, .. } if usize::try_from(found).unwrap() == there),
        "{error}"
    );
    assert!(error.is_transient());
    assert!(!target.exists(), "half a file was left here");
    assert!(mailbox.digest("growing").await.is_err());
    assert_eq!(names(&mut mailbox, "").await, ["growing"], "and the session goes on");
}

async fn a_missing_source_or_a_taken_target_is_our_own_fault(place: Place) {
    let desk = Desk::new();
    let mut mailbox = place.transport.open().await.unwrap();
    mailbox.put_new("a", &desk.file("a", b"theirs")).await.unwrap();
    let target = desk.file("target", b"ours");
    assert!(matches!(mailbox.get("a", &target).await, Err(TransportError::Local { .. })));
    assert_eq!(std::fs::read(&target).unwrap(), b"ours");
    assert!(matches!(mailbox.get("b", &desk.target("new")).await, Err(TransportError::NotFound { .. })));
    assert!(!desk.target("new").exists());
    assert!(matches!(mailbox.put_new("c", &desk.target("missing")).await, Err(TransportError::Local { .. })));
    assert!(!place.root.join("c").exists());
}

async fn paths_that_are_none_are_refused(place: Place) {
    let mut mailbox = place.transport.open().await.unwrap();
    for path in ["a\\q", "..\\x2Fescape", "a\0b"] {
        assert!(matches!(mailbox.stat(path).await, Err(TransportError::BadPath { .. })), "{path:?}");
    }
    if matches!(place.transport, Transport::Dir(_)) {
        for path in ["../escape", "a/../../b", "/etc/passwd"] {
            assert!(matches!(mailbox.stat(path).await, Err(TransportError::BadPath { .. })), "{path:?}");
        }
    }
}

#[tokio::test]
async fn a_share_that_is_not_mounted_is_no_empty_mailbox() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("share");
    let transport = Transport::Dir(DirEndpoint { root: root.clone() });
    assert!(matches!(transport.open().await, Err(TransportError::NotFound { .. })));
    std::fs::create_dir(&root).unwrap();
    let mut mailbox = transport.open().await.unwrap();
    std::fs::remove_dir(&root).unwrap();
    assert!(matches!(mailbox.stat("a").await, Err(TransportError::NotFound { .. })), "gone with its root is not \"no such file\"");
    assert!(mailbox.ensure_dir("a").await.is_err());
    assert!(!root.exists());
}

fn pins(lines: &[&str]) -> Vec<HostKeyPin> {
    lines.iter().map(|line| line.parse().unwrap()).collect()
}

async fn refused(endpoint: SftpEndpoint) -> TransportError {
    Transport::Sftp(endpoint).open().await.map(drop).unwrap_err()
}

#[tokio::test]
async fn o9_a_rotated_host_key_fails_closed_until_the_new_one_is_pinned() {
    let mut sshd = Sshd::start();
    let old = sshd.endpoint();
    let mut mailbox = Transport::Sftp(old.clone()).open().await.unwrap();
    let old_line = sshd.host_key_line.clone();
    sshd.restart_with_new_host_key();
    assert!(mailbox.list(".").await.unwrap_err().is_transient());

    let error = refused(old.clone()).await;
    let new: HostKeyPin = sshd.host_key_line.parse().unwrap();
    let TransportError::HostKeyChanged { offered, pinned, .. } = &error else { panic!("{error}") };
    assert_eq!((offered, pinned), (&new.to_string(), &old.host_keys[0].to_string()));
    assert!(!error.is_transient() && error.next_step().contains("telephone"));

    for second in [sshd.host_key_line.clone(), new.to_string()] {
        let both = SftpEndpoint { host_keys: pins(&[&old_line, &second]), ..old.clone() };
        let mut mailbox = Transport::Sftp(both).open().await.unwrap();
        assert_eq!(mailbox.list(".").await.unwrap(), []);
    }
}

#[tokio::test]
async fn o9_no_key_is_trusted_on_first_use() {
    let sshd = Sshd::start();
    let error = refused(SftpEndpoint { host_keys: vec![], ..sshd.endpoint() }).await;
    let key: HostKeyPin = sshd.host_key_line.parse().unwrap();
    assert!(matches!(&error, TransportError::HostKeyUnpinned { offered, .. } if *offered == key.to_string()), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn o9_a_pin_finds_its_key_among_several() {
    let dir = tempfile::tempdir().unwrap();
    let mut extra = String::new();
    for kind in ["rsa", "ecdsa"] {
        keygen(&dir.path().join(kind), kind, "");
        extra.push_str(&format!("HostKey {}\n", dir.path().join(kind).display()));
    }
    let sshd = Sshd::start_with(&extra);
    for kind in ["rsa", "ecdsa"] {
        let line = key_line(&dir.path().join(format!("{kind}.pub")));
        let print = line.parse::<HostKeyPin>().unwrap().to_string();
        for pin in [line, print] {
            Transport::Sftp(SftpEndpoint { host_keys: pins(&[&pin]), ..sshd.endpoint() })
                .open()
                .await
                .unwrap_or_else(|e| panic!("{pin}: {e}"));
        }
    }
    // A type that it does not have: its other keys are no substitute.
    let lone = Sshd::start();
    let line = key_line(&dir.path().join("rsa.pub"));
    let error = refused(SftpEndpoint { host_keys: pins(&[&line]), ..lone.endpoint() }).await;
    assert!(matches!(error, TransportError::HostKeyChanged { .. }), "{error}");
}

#[tokio::test]
async fn keys_of_each_kind_sign_in_and_strangers_do_not() {
    let sshd = Sshd::start();
    let with = |pem: String, passphrase: Option<&str>| SftpEndpoint {
        auth: Auth::Key { private_key_pem: pem.into(), passphrase: passphrase.map(|p| p.to_owned().into()) },
        ..sshd.endpoint()
    };
    for (kind, passphrase) in [("rsa", ""), ("rsa", "geheim"), ("ed25519", "geheim!")] {
        let pem = sshd.authorize(kind, passphrase);
        let given = Some(passphrase).filter(|p| !p.is_empty());
        Transport::Sftp(with(pem.clone(), given)).open().await.unwrap_or_else(|e| panic!("{kind} {passphrase}: {e}"));
        if given.is_some() {
            for wrong in [Some("falsch"), None] {
                let error = refused(with(pem.clone(), wrong)).await;
                assert!(matches!(error, TransportError::KeyUnusable { .. }), "{kind} {wrong:?}: {error}");
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    keygen(&dir.path().join("stranger"), "ed25519", "");
    let stranger = std::fs::read_to_string(dir.path().join("stranger")).unwrap();
    let error = refused(with(stranger, None)).await;
    assert!(matches!(error, TransportError::AuthRefused { .. }) && !error.is_transient(), "{error}");
    let error = refused(with("no key at all".to_owned(), None)).await;
    assert!(matches!(error, TransportError::KeyUnusable { .. }), "{error}");
    let secret = "unaussprechlich";
    let password = SftpEndpoint { auth: Auth::Password(secret.to_owned().into()), ..sshd.endpoint() };
    assert!(!format!("{password:?}").contains(secret));
    let error = refused(password).await;
    assert!(matches!(&error, TransportError::AuthRefused { offered, .. } if offered == "publickey"), "{error}");
}

#[tokio::test]
async fn o22_no_common_algorithm_names_both_sides() {
    let table = [
        ("KexAlgorithms diffie-hellman-group14-sha1\n", "key exchange", "curve25519-sha256", "diffie-hellman-group14-sha1"),
        ("MACs hmac-sha1\nCiphers aes256-ctr\n", "MAC to the server", "hmac-sha2-256", "hmac-sha1"),
    ];
    for (extra, what, our_one, their_one) in table {
        let sshd = Sshd::start_with(extra);
        let error = refused(sshd.endpoint()).await;
        let TransportError::NoCommonAlgorithm { kind, ours, theirs, .. } = &error else { panic!("{error}") };
        assert_eq!(*kind, what);
        assert!(ours.contains(our_one) && theirs.contains(their_one), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_silence_is_a_timeout() {
    let sshd = Sshd::start();
    let endpoint = sshd.endpoint();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut quick = endpoint.clone();
    quick.port = silent.local_addr().unwrap().port();
    quick.timeouts.handshake = Duration::from_secs(1);
    let stopwatch = Stopwatch::start();
    let error = refused(quick.clone()).await;
    assert!(matches!(error, TransportError::Timeout { .. }) && error.is_transient(), "{error}");
    assert!(stopwatch.elapsed() < Duration::from_secs(5), "{:?}", stopwatch.elapsed());
    drop(silent);
    let error = refused(quick).await;
    assert!(matches!(error, TransportError::Unreachable { .. }) && error.is_transient(), "{error}");
}

/// A file system of one mebibyte, for root to make.
struct Tiny(PathBuf);

impl Tiny {
    fn mount(at: &Path) -> Option<Self> {
        if !is_root() {
            return None;
        }
        std::fs::create_dir(at).unwrap();
        let mounted =
            std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m,mode=0777", "tmpfs"]).arg(at).output().unwrap();
        mounted.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        run(std::process::Command::new("umount").arg("-l").arg(&self.0));
    }
}

async fn o10_a_full_disk(place: Place) {
    let Some(tiny) = Tiny::mount(&place.root.join("tiny")) else {
        return skip("a tiny file system can only be mounted by root, where mounting is allowed");
    };
    let desk = Desk::new();
    let error = place.transport.open().await.unwrap().put_new("tiny/file", &desk.file("source", &noise(5_000_000))).await.unwrap_err();
    assert!(matches!(error, TransportError::NoSpace { .. }) && error.is_transient(), "{error}");
    let error = place.transport.open().await.unwrap().put_new("tiny/small", &desk.file("small", &noise(10_000))).await.unwrap_err();
    assert!(matches!(error, TransportError::NoSpace { .. }), "{error}");
    drop(tiny);
}

#[tokio::test]
async fn o10_a_full_disk_over_sftp() {
    o10_a_full_disk(sftp()).await;
}

#[tokio::test]
async fn o10_a_full_disk_in_a_directory() {
    o10_a_full_disk(dir()).await;
}

/// Until nothing is noticed for so long.
async fn quiet(watch: &mut Watch, millis: u64) {
    for _ in 0..40 {
        if tokio::time::timeout(Duration::from_millis(millis), watch.changed()).await.is_err() {
            return;
        }
    }
    panic!("it is never quiet: something else is watched too");
}

#[tokio::test]
async fn i22_a_change_is_noticed_and_a_replaced_directory_is_watched_again() {
    let dir = tempfile::tempdir().unwrap();
    let (there, later) = (dir.path().join("there"), dir.path().join("later"));
    std::fs::create_dir(&there).unwrap();
    let mut watch = watch(vec![there.clone(), later.clone()]);
    let quick = Duration::from_millis(1_500);
    let patient = Duration::from_secs(10);

    // Before anybody waits: not lost. A burst is one or two wakes, not hundreds.
    for number in 0..300 {
        std::fs::write(there.join(number.to_string()), "x").unwrap();
    }
    tokio::time::timeout(quick, watch.changed()).await.expect("a burst is noticed");
    quiet(&mut watch, 300).await;

    // Reading is no change.
    std::fs::read_dir(&there).unwrap().for_each(|entry| drop(std::fs::read(entry.unwrap().path())));
    assert!(tokio::time::timeout(quick, watch.changed()).await.is_err(), "our own listing woke us");

    std::fs::rename(there.join("1"), dir.path().join("moved")).unwrap();
    tokio::time::timeout(quick, watch.changed()).await.expect("a rename is noticed");
    quiet(&mut watch, 300).await;

    for replaced in [&later, &there] {
        if replaced.exists() {
            std::fs::rename(replaced, dir.path().join("old")).unwrap();
        }
        std::fs::create_dir(replaced).unwrap();
        tokio::time::timeout(patient, watch.changed()).await.expect("a directory that appears is noticed");
        quiet(&mut watch, 2_500).await;
        std::fs::write(replaced.join("new"), "x").unwrap();
        tokio::time::timeout(quick, watch.changed()).await.expect("what comes into it is noticed");
        quiet(&mut watch, 300).await;
    }
}

#[test]
fn postgres_of_our_own_is_durable_and_gives_fresh_databases() {
    let postgres = Postgres::shared();
    let (a, b) = (postgres.fresh_database("story"), postgres.fresh_database("story"));
    assert_ne!(a, b);
    assert_eq!(postgres.psql(&a, "create table t (x int); insert into t values (7); select x from t").lines().last(), Some("7"));
    assert_eq!(postgres.psql(&b, "select count(*) from pg_tables where tablename = 't'").trim(), "0");
    assert_eq!(postgres.psql(&postgres.url(), "show fsync").trim(), "on");
}
