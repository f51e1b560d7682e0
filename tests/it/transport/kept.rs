//! The session that waits for its next use: one login for many looks, and none that is trusted blindly.

use std::time::Duration;

use bankgate::transport::{SftpEndpoint, Transport, TransportError};

use super::{Desk, noise};
use crate::harness::sshd::Sshd;
use crate::harness::until;

fn keeping(sshd: &Sshd, seconds: u64) -> Transport {
    let mut endpoint: SftpEndpoint = sshd.endpoint();
    endpoint.timeouts.keep = Duration::from_secs(seconds);
    Transport::Sftp(endpoint)
}

#[tokio::test]
async fn a_session_serves_one_use_after_another_until_something_goes_wrong_with_it() {
    let (sshd, desk) = (Sshd::start(), Desk::new());
    let transport = keeping(&sshd, 120);
    let source = desk.file("source", &noise(70_000));
    for number in 0..5 {
        let mut mailbox = transport.open().await.unwrap();
        mailbox.put_new(&format!("file.{number}"), &source).await.unwrap();
        assert_eq!(mailbox.list("").await.unwrap().len(), number + 1);
        // What is not there, or may not be, is an answer like any other.
        assert!(matches!(mailbox.remove("nothing").await, Err(TransportError::NotFound { .. })));
    }
    assert_eq!(sshd.logins(), 1);
    // Two at a time are two sessions; one of them waits.
    let (one, two) = (transport.open().await.unwrap(), transport.open().await.unwrap());
    assert_eq!(sshd.logins(), 2);
    drop((one, two));
    // Whatever goes wrong in a write ends its session.
    assert!(transport.open().await.unwrap().put_new("file.0", &source).await.is_err());
    assert_eq!(sshd.logins(), 2);
    transport.open().await.unwrap().list("").await.unwrap();
    assert_eq!(sshd.logins(), 3);
}

#[tokio::test]
async fn a_session_that_the_server_ended_meanwhile_is_not_used() {
    let sshd = Sshd::start();
    let transport = keeping(&sshd, 120);
    transport.open().await.unwrap().list("").await.unwrap();
    sshd.kill_sessions();
    transport.open().await.unwrap().list("").await.unwrap();
    assert_eq!(sshd.logins(), 2);
}

#[tokio::test]
async fn a_server_that_came_back_with_another_key_is_refused_whatever_was_kept() {
    let mut sshd = Sshd::start();
    let transport = keeping(&sshd, 120);
    transport.open().await.unwrap().list("").await.unwrap();
    sshd.restart_with_new_host_key();
    assert!(matches!(transport.open().await, Err(TransportError::HostKeyChanged { .. })));
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends() {
    let sshd = Sshd::start();
    let transport = keeping(&sshd, 1);
    transport.open().await.unwrap().list("").await.unwrap();
    until("the session to end", || (sshd.sessions() == 0).then_some(()));
    transport.open().await.unwrap().list("").await.unwrap();
    assert_eq!(sshd.logins(), 2);
}

#[tokio::test]
async fn where_none_is_to_be_kept_each_use_logs_in() {
    let sshd = Sshd::start();
    let transport = keeping(&sshd, 0);
    for _ in 0..3 {
        transport.open().await.unwrap().list("").await.unwrap();
    }
    assert_eq!(sshd.logins(), 3);
}
