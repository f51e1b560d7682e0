//! What a line between us and the bank can do: cut, hold, slow. Whatever it does, nothing half done looks done.

use std::collections::BTreeSet;
use std::time::Duration;

use bankgate::clock::Stopwatch;
use bankgate::transport::{SftpEndpoint, Transport, TransportError};

use super::{Desk, noise, sha256};
use crate::harness::proxy::{Fault, Proxy, Way};
use crate::harness::sshd::Sshd;
use crate::harness::until;

/// A mailbox behind the proxy.
fn through(sshd: &Sshd, proxy: &Proxy) -> Transport {
    Transport::Sftp(SftpEndpoint { port: proxy.port, ..sshd.endpoint() })
}

/// The same, with two seconds for a step.
fn hasty(sshd: &Sshd, proxy: &Proxy) -> Transport {
    let mut endpoint = SftpEndpoint { port: proxy.port, ..sshd.endpoint() };
    endpoint.timeouts.io = Duration::from_secs(2);
    Transport::Sftp(endpoint)
}

#[tokio::test]
async fn o3_o11_a_connection_cut_anywhere_never_looks_like_success() {
    let (sshd, desk) = (Sshd::start(), Desk::new());
    let proxy = Proxy::start(sshd.port);
    let transport = through(&sshd, &proxy);
    let bytes = noise(700_000);
    let source = desk.file("source", &bytes);
    // How much a whole upload needs, each way; the session's goodbye comes after.
    proxy.set(Fault::None);
    let mut mailbox = transport.open().await.unwrap();
    let opened = (proxy.passed(Way::There), proxy.passed(Way::Back));
    mailbox.put_new("whole", &source).await.unwrap();
    let whole = (proxy.passed(Way::There), proxy.passed(Way::Back));
    drop(mailbox);

    // Tightly around the beginning, in the midst, and tightly around the end, where flush, close and the look at the size are.
    let (first, last) = (
        [(Way::There, opened.0, whole.0, 6), (Way::Back, opened.1, whole.1, 4)]
            .map(|(way, from, to, parts)| (0..parts).map(move |n| Fault::Cut(way, from + (to - from) * n / parts))),
        [(Way::There, whole.0), (Way::Back, whole.1)].map(|(way, end)| (0..24).map(move |n| Fault::Cut(way, end - 12 * n))),
    );
    let create = (0..8).map(|n| Fault::Cut(Way::There, opened.0 + 30 * n));
    let mut felt_during = BTreeSet::new();
    for (number, fault) in create.chain(first.into_iter().flatten()).chain(last.into_iter().flatten()).enumerate() {
        proxy.set(fault);
        let part = format!("file.1.{number}.part");
        let result = match transport.open().await {
            Ok(mut mailbox) => mailbox.put_new(&part, &source).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(sent) => {
                assert_eq!(sent.sha256, sha256(&bytes));
                assert_eq!(std::fs::read(sshd.root.join(&part)).unwrap(), bytes, "{fault:?}: success, but not all there");
            }
            Err(error) => {
                let TransportError::ConnectionLost { during, .. } = error else { panic!("{fault:?}: {error}") };
                felt_during.insert(during);
                assert!(error.is_transient() && error.is_uncertain());
            }
        }
    }
    let steps = ["look at the file", "create the file", "write the file", "flush the file", "close the file"];
    assert!(steps.iter().all(|step| felt_during.contains(step)), "cuts were felt only in {felt_during:?}");
}

#[tokio::test]
async fn o9_a_listing_cut_anywhere_is_an_error_and_never_a_shorter_one() {
    let sshd = Sshd::start();
    let proxy = Proxy::start(sshd.port);
    let transport = through(&sshd, &proxy);
    let outbox = sshd.root.join("outbox");
    std::fs::create_dir(&outbox).unwrap();
    for number in 0..500 {
        std::fs::write(outbox.join(format!("{number:050}")), "").unwrap();
    }
    proxy.set(Fault::None);
    let mut mailbox = transport.open().await.unwrap();
    let opened = proxy.passed(Way::Back);
    mailbox.list("outbox").await.unwrap();
    let whole = proxy.passed(Way::Back);
    drop(mailbox);
    for part in 0..16 {
        proxy.set(Fault::Cut(Way::Back, opened + (whole - opened) * part / 16));
        let Ok(mut mailbox) = transport.open().await else { continue };
        let error = mailbox.list("outbox").await.map(|entries| entries.len()).unwrap_err();
        assert!(matches!(error, TransportError::ConnectionLost { .. }), "{part}: {error}");
    }
}

#[tokio::test]
async fn o3_a_stalled_connection_times_out_within_its_bound() {
    let (sshd, desk) = (Sshd::start(), Desk::new());
    let proxy = Proxy::start(sshd.port);
    let transport = hasty(&sshd, &proxy);
    let source = desk.file("source", &noise(3_000_000));
    for (number, fault) in [Fault::Hold(Way::There, 1_000_000), Fault::Hold(Way::Back, 6_000)].into_iter().enumerate() {
        proxy.set(fault);
        let mut mailbox = transport.open().await.unwrap();
        let stopwatch = Stopwatch::start();
        let error = mailbox.put_new(&format!("stalled {number}"), &source).await.unwrap_err();
        assert!(matches!(error, TransportError::Timeout { .. }), "{fault:?}: {error}");
        assert!(stopwatch.elapsed() < Duration::from_secs(5), "{fault:?}: {:?}", stopwatch.elapsed());
        assert!(mailbox.stat("stalled").await.is_err(), "a session that timed out is not used again");
        proxy.release();
    }
}

#[tokio::test]
async fn a_slow_line_is_not_a_stalled_one() {
    let (sshd, desk) = (Sshd::start(), Desk::new());
    let proxy = Proxy::start(sshd.port);
    let bytes = noise(3_000_000);
    let source = desk.file("source", &bytes);
    // Longer in all than the time-out for one step.
    proxy.set(Fault::Slow(Way::There, 10_000, Duration::from_millis(100)));
    let mut mailbox = hasty(&sshd, &proxy).open().await.unwrap();
    let stopwatch = Stopwatch::start();
    mailbox.put_new("slow", &source).await.unwrap();
    assert!(stopwatch.elapsed() > Duration::from_secs(2), "{:?}", stopwatch.elapsed());
    assert_eq!(std::fs::read(sshd.root.join("slow")).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn o10_a_file_that_others_cut_short_is_not_sent() {
    let (sshd, desk) = (Sshd::start(), Desk::new());
    let proxy = Proxy::start(sshd.port);
    let transport = through(&sshd, &proxy);
    let source = desk.file("source", &noise(100_000));
    proxy.set(Fault::None);
    let mut mailbox = transport.open().await.unwrap();
    mailbox.put_new("whole.1.part", &source).await.unwrap();
    let whole = proxy.passed(Way::There);
    drop(mailbox);
    // The last request, the look at the size, waits while the server's disk loses half.
    proxy.set(Fault::Hold(Way::There, whole - 8));
    let mut mailbox = transport.open().await.unwrap();
    let upload = tokio::spawn(async move { mailbox.put_new("whole.2.part", &source).await });
    tokio::task::block_in_place(|| {
        proxy.wait_held();
        std::fs::OpenOptions::new().write(true).open(sshd.root.join("whole.2.part")).unwrap().set_len(50_000).unwrap();
        proxy.release();
    });
    let error = upload.await.unwrap().unwrap_err();
    assert!(matches!(error, TransportError::SizeMismatch { expected: 100_000, found: 50_000, .. }), "{error}");
    assert!(error.is_transient());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_ends_its_session_at_once() {
    let (sshd, desk) = (Sshd::start(), Desk::new());
    let proxy = Proxy::start(sshd.port);
    let mut endpoint = SftpEndpoint { port: proxy.port, ..sshd.endpoint() };
    // Long: what ends the session here is the drop, nothing else.
    endpoint.timeouts.io = Duration::from_secs(60);
    let source = desk.file("source", &noise(3_000_000));
    proxy.set(Fault::Hold(Way::There, 1_000_000));
    let mut mailbox = Transport::Sftp(endpoint).open().await.unwrap();
    {
        let upload = mailbox.put_new("dropped", &source);
        tokio::pin!(upload);
        tokio::select! {
            result = &mut upload => panic!("{result:?}"),
            () = async { tokio::task::yield_now().await; tokio::task::block_in_place(|| proxy.wait_held()) } => {}
        }
    }
    let after = tokio::time::timeout(Duration::from_secs(5), mailbox.stat("dropped")).await.expect("the session is not busy any more");
    assert!(matches!(after, Err(TransportError::ConnectionLost { .. })));
    // Were the thread still writing, the rest would follow now.
    proxy.release();
    until("the server to see the end of it", || (sshd.sessions() == 0).then_some(()));
    assert!(std::fs::metadata(sshd.root.join("dropped")).unwrap().len() < 3_000_000);
}

#[tokio::test]
async fn a_killed_session_is_a_lost_connection_and_the_next_one_works() {
    let sshd = Sshd::start();
    let mut mailbox = sshd.transport().open().await.unwrap();
    assert!(sshd.sessions() > 0);
    sshd.kill_sessions();
    let error = mailbox.list(".").await.unwrap_err();
    assert!(matches!(error, TransportError::ConnectionLost { .. }), "{error}");
    let mut mailbox = sshd.transport().open().await.unwrap();
    assert_eq!(mailbox.list(".").await.unwrap(), []);
    drop(mailbox);
    until("the session to end with its mailbox", || (sshd.sessions() == 0).then_some(()));
}
