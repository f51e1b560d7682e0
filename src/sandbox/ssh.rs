//! The door of the pretend bank: an SSH server of its own per bank, with its own host key, that offers SFTP and nothing else.
//!
//! Keys and passwords come from the bank's seed, so that a restarted sandbox is recognised. They guard made-up money on the
//! loopback interface and are worth nothing elsewhere. A public key is admitted by `authorized_keys` in the bank's folder.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{HashAlg, PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Disconnect};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::jail::Jail;
use super::rules::seeded_bytes;
use super::sftp::Counter;

/// The name under which a gateway logs in.
pub(super) const USER: &str = "bankgate";

/// Who may enter a bank, and where they then are.
pub(super) struct Access {
    pub(super) password: String,
    pub(super) keys_file: PathBuf,
    pub(super) jail: Arc<Jail>,
}

/// What a client needs to recognise the server.
pub(super) struct HostKey {
    private: PrivateKey,
    pub(super) line: String,
    pub(super) fingerprint: String,
}

impl HostKey {
    pub(super) fn seeded(seed: u64, code: &str) -> Result<Self, russh::keys::ssh_key::Error> {
        let private = PrivateKey::from(Ed25519Keypair::from_seed(&seeded_bytes(seed, &["host key", code])));
        let line = private.public_key().to_openssh()?;
        let fingerprint = private.public_key().fingerprint(HashAlg::Sha256).to_string();
        Ok(Self { private, line: line.trim().to_owned(), fingerprint })
    }
}

/// The bank's password for the gateway.
pub(super) fn password(seed: u64, code: &str) -> String {
    seeded_bytes(seed, &["password", code]).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn server_config(key: &HostKey) -> Arc<Config> {
    Arc::new(Config {
        keys: vec![key.private.clone()],
        auth_rejection_time: Duration::from_millis(100),
        auth_rejection_time_initial: Some(Duration::ZERO),
        inactivity_timeout: Some(Duration::from_hours(1)),
        ..Config::default()
    })
}

/// Lets visitors in until it is stopped.
pub(super) async fn serve(listener: TcpListener, config: Arc<Config>, access: Access, stop: CancellationToken) {
    let access = Arc::new(access);
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => {
                let visit = Visit { access: Arc::clone(&access), channels: HashMap::new() };
                tokio::spawn(receive(socket, Arc::clone(&config), visit, stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a visitor could not be let in");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn receive(socket: TcpStream, config: Arc<Config>, visit: Visit, stop: CancellationToken) {
    let ended = async {
        socket.set_nodelay(true)?;
        let session = russh::server::run_stream(config, socket, visit).await?;
        let handle = session.handle();
        tokio::select! {
            ended = session => ended,
            () = stop.cancelled() => handle.disconnect(Disconnect::ByApplication, "the sandbox closes".to_owned(), String::new()).await,
        }
    };
    if let Err(error) = ended.await {
        tracing::debug!(%error, "a visitor's session ended badly");
    }
}

/// One connection.
pub(super) struct Visit {
    access: Arc<Access>,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl russh::server::Handler for Visit {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(if user == USER && password == self.access.password { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let listed = tokio::fs::read_to_string(&self.access.keys_file).await.unwrap_or_default();
        let known = listed
            .lines()
            .filter_map(|line| PublicKey::from_openssh(line.trim()).ok())
            .any(|admitted| admitted.key_data() == key.public_key.key_data());
        Ok(if user == USER && known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(&mut self, channel: Channel<Msg>, reply: ChannelOpenHandle, _: &mut Session) -> Result<(), Self::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(&mut self, id: ChannelId, name: &str, session: &mut Session) -> Result<(), Self::Error> {
        match self.channels.remove(&id) {
            Some(channel) if name == "sftp" => {
                session.channel_success(id)?;
                russh_sftp::server::run(channel.into_stream(), Counter::new(Arc::clone(&self.access.jail))).await;
                Ok(())
            }
            Some(_) | None => session.channel_failure(id),
        }
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn exec_request(&mut self, id: ChannelId, _command: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.channels.remove(&id);
        Ok(())
    }
}
