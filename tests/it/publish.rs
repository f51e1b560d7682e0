//! Publishing exactly once: the real passes, over a real store, against a real OpenSSH server behind a line that fails, and
//! in a directory. Names begin with the incident that they keep from coming back.

use bankgate::transport::{SftpEndpoint, Transport};

use self::world::{Bank, FLAGGED, PLAIN, World, finals, parts, profile, sha256};
use crate::harness::proxy::{Fault, Proxy, Way};
use crate::harness::sshd::Sshd;
use crate::harness::until;

/// Lines that are cut, runs that are dropped, banks that take a file at once.
mod crash;
/// A server that answers with errors.
mod errors;
/// Leases, fences, stale nodes.
mod nodes;
/// What a mailbox, a disk or a profile may do to us.
mod trouble;
/// The world in which they run.
pub mod world;

/// A world with one bank behind a proxy and a real server.
async fn over_sftp(profile: bankgate::format::Profile) -> (World, Sshd, Proxy) {
    let sshd = Sshd::start();
    let proxy = Proxy::start(sshd.port);
    let transport = Transport::Sftp(SftpEndpoint { port: proxy.port, ..sshd.endpoint() });
    let bank = Bank::new("B01", transport, &sshd.root, profile);
    (World::new(vec![bank]).await, sshd, proxy)
}

/// The one file of this row stands under its final name with the sealed bytes, and its flag beside it.
async fn assert_out(world: &World, row: &world::Row) {
    let found = finals(&world.inbox());
    let bytes = found.get(&row.path()).unwrap_or_else(|| panic!("{row:?} is not out: {:?}", found.keys()));
    assert_eq!(sha256(bytes), row.sha256, "{row:?}");
    assert_eq!(row.state, "sent", "{row:?}");
    assert_eq!(row.copies, 1, "{row:?}");
    assert!(row.flag.is_empty() || found.contains_key(&row.flag_path()), "{row:?}: no flag");
}

#[tokio::test]
async fn a_file_goes_out_once_over_sftp_and_in_a_directory() {
    for id in [PLAIN, FLAGGED] {
        let (mut world, _sshd, _proxy) = over_sftp(profile(id)).await;
        world.batch("B01", 3).await;
        let node = world.node("a");
        world.run(&node).await.unwrap();
        assert_eq!(world.run(&node).await.unwrap().changed, 0);
        let row = world.last().await;
        assert_out(&world, &row).await;
        assert_eq!((row.evidence.as_str(), row.attempt), ("renamed", 1));
        assert_eq!(parts(&world.inbox()), Vec::<String>::new());

        let (mut world, _root) = World::in_a_directory(profile(id)).await;
        world.batch("B01", 3).await;
        world.run(&world.node("a")).await.unwrap();
        assert_out(&world, &world.last().await).await;
    }
}
