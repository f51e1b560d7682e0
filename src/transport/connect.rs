//! The way in: reach the server, agree on algorithms, check its key against the pins, and only then say who we are.
//!
//! A server mostly has several keys of several types and shows the one that both sides list first. So the pinned keys' types are
//! asked for one after another, until a pinned key is shown; a type is no proof, only the key is. Nothing secret leaves before
//! that. Algorithms built on SHA-1 or MD5, and ciphers long broken, are not offered.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use ssh2::{ErrorCode, MethodType, Session};

use super::mailbox::Life;
use super::pin::fingerprint;
use super::sftp::{SftpSession, millis, session_fault};
use super::{Auth, HostKeyPin, SftpEndpoint, TransportError, probe};

/// What both sides must agree on, in the order of the protocol's proposal.
pub const AGREEMENTS: [(MethodType, &str); 6] = [
    (MethodType::Kex, "key exchange"),
    (MethodType::HostKey, "host key type"),
    (MethodType::CryptCs, "cipher to the server"),
    (MethodType::CryptSc, "cipher from the server"),
    (MethodType::MacCs, "MAC to the server"),
    (MethodType::MacSc, "MAC from the server"),
];

/// Numbers of libssh2, as its header has them.
mod code {
    pub const KEX_FAILURE: i32 = -5;
    pub const KEY_EXCHANGE_FAILURE: i32 = -8;
    pub const FILE: i32 = -16;
    pub const METHOD_NONE: i32 = -17;
    pub const AUTHENTICATION_FAILED: i32 = -18;
    pub const PUBLICKEY_UNVERIFIED: i32 = -19;
    pub const KEYFILE_AUTH_FAILED: i32 = -48;
}

/// What came of asking a server for some types of host key.
enum Shown {
    /// A key that is pinned.
    Pinned(Session),
    /// Another key, by its fingerprint.
    Other(String),
    /// The server has no such key, or there is no agreement on something else.
    NoAgreement(ssh2::Error),
}

/// Opens a session, with all the checks.
pub fn open(at: &SftpEndpoint, life: &Arc<Life>) -> Result<SftpSession, TransportError> {
    let (mut other, mut disagreement) = (None, None);
    for types in key_types_to_ask(&at.host_keys) {
        match ask(at, life, types.as_deref())? {
            Shown::Pinned(session) => {
                authenticate(at, life, &session)?;
                return SftpSession::start(session, at.timeouts, Arc::clone(life));
            }
            Shown::Other(print) => other = Some(print),
            Shown::NoAgreement(error) => disagreement = Some(error),
        }
    }
    Err(match (other, disagreement) {
        (Some(offered), _) if at.host_keys.is_empty() => TransportError::HostKeyUnpinned { host: at.host.clone(), offered },
        (Some(offered), _) => {
            let pinned: Vec<_> = at.host_keys.iter().map(ToString::to_string).collect();
            TransportError::HostKeyChanged { host: at.host.clone(), offered, pinned: pinned.join(", ") }
        }
        (None, disagreement) => explain_disagreement(at, life, disagreement.as_ref().map_or("", |e| e.message())),
    })
}

/// Rounds of host key types to ask for, `None` for all: first each pinned key's own. A fingerprint does not tell
/// its type, so with one all are asked for, one by one. The last round, for whatever the server has, is for the error's sake.
fn key_types_to_ask(pins: &[HostKeyPin]) -> Vec<Option<Vec<String>>> {
    let owned = |types: Vec<&str>| types.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>();
    let mut rounds: Vec<Option<Vec<String>>> = Vec::new();
    let mut add = |round| {
        if !rounds.contains(&round) {
            rounds.push(round);
        }
    };
    for pin in pins {
        if let Some(types) = pin.signature_algorithms() {
            add(Some(owned(types)));
        }
    }
    if pins.iter().any(|pin| matches!(pin, HostKeyPin::Fingerprint(_))) {
        for types in [
            vec!["ssh-ed25519"],
            vec!["rsa-sha2-512", "rsa-sha2-256"],
            vec!["ecdsa-sha2-nistp256"],
            vec!["ecdsa-sha2-nistp384"],
            vec!["ecdsa-sha2-nistp521"],
        ] {
            add(Some(owned(types)));
        }
    }
    add(None);
    rounds
}

fn ask(at: &SftpEndpoint, life: &Life, key_types: Option<&[String]>) -> Result<Shown, TransportError> {
    let during = "agree on keys";
    let socket = reach(at, life)?;
    life.adopt(&socket, during)?;
    let failed = |error: &ssh2::Error| session_fault(life, at.timeouts.handshake, during, error);
    let mut session = Session::new().map_err(|e| failed(&e))?;
    session.set_timeout(millis(at.timeouts.handshake));
    for (method, _) in AGREEMENTS {
        let ours = match (key_types, method) {
            (Some(types), MethodType::HostKey) => types.to_vec(),
            _ => offered(&session, method).map_err(|e| failed(&e))?,
        };
        session.method_pref(method, &ours.join(",")).map_err(|e| failed(&e))?;
    }
    session.method_pref(MethodType::SignAlgo, "rsa-sha2-512,rsa-sha2-256").map_err(|e| failed(&e))?;
    session.set_tcp_stream(socket);
    match session.handshake() {
        Ok(()) => {}
        Err(error) => {
            return match error.code() {
                ErrorCode::Session(code::KEX_FAILURE | code::KEY_EXCHANGE_FAILURE | code::METHOD_NONE) => Ok(Shown::NoAgreement(error)),
                ErrorCode::Session(_) | ErrorCode::SFTP(_) => Err(failed(&error)),
            };
        }
    }
    let Some(shown) = session.host_key().map(|(blob, _)| blob.to_vec()) else {
        life.end();
        return Err(TransportError::Protocol { during, reason: "the server showed no host key".to_owned() });
    };
    Ok(if at.host_keys.iter().any(|pin| pin.is_for(&shown)) { Shown::Pinned(session) } else { Shown::Other(fingerprint(&shown)) })
}

/// A TCP connection to the first of the host's addresses that answers.
pub fn reach(at: &SftpEndpoint, life: &Life) -> Result<TcpStream, TransportError> {
    let unreachable = |source| TransportError::Unreachable { host: at.host.clone(), port: at.port, source };
    let during = "reach the server";
    life.step(during)?;
    let addresses = (at.host.as_str(), at.port).to_socket_addrs().map_err(unreachable)?;
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        life.step(during)?;
        match TcpStream::connect_timeout(&address, at.timeouts.connect) {
            Ok(socket) => {
                // Requests are small and wait for each other; held back, each would cost forty milliseconds.
                socket.set_nodelay(true).map_err(unreachable)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    if last.kind() == std::io::ErrorKind::TimedOut {
        return Err(TransportError::Timeout { during, after: at.timeouts.connect });
    }
    Err(unreachable(last))
}

/// What we are willing to use of what libssh2 can.
fn offered(session: &Session, method: MethodType) -> Result<Vec<String>, ssh2::Error> {
    Ok(session.supported_algs(method)?.into_iter().filter(|name| is_sound(name)).map(ToOwned::to_owned).collect())
}

fn is_sound(name: &str) -> bool {
    let broken_ciphers = ["arcfour", "3des", "blowfish", "cast128", "rijndael"];
    // A certificate would need an authority to check it against; we pin keys.
    let is_unchecked = name.contains("-cert-");
    // These two sign with SHA-1 without saying so in their names.
    let is_sha1 = name.contains("sha1") || name == "ssh-rsa" || name == "ssh-dss";
    !(is_unchecked || is_sha1 || name.contains("md5") || name.contains("ripemd") || broken_ciphers.iter().any(|c| name.starts_with(c)))
}

/// libssh2 says only that there is no agreement; the server's own proposal, read in the clear, says on what.
fn explain_disagreement(at: &SftpEndpoint, life: &Life, reason: &str) -> TransportError {
    let explained = (|| {
        let theirs = probe::proposal(at, life)?;
        let session = Session::new().map_err(|error| session_fault(life, at.timeouts.handshake, "agree on keys", &error))?;
        for ((method, kind), theirs) in AGREEMENTS.into_iter().zip(theirs) {
            let ours = offered(&session, method).map_err(|error| session_fault(life, at.timeouts.handshake, "agree on keys", &error))?;
            if !theirs.iter().any(|name| ours.contains(name)) {
                return Ok(Some(TransportError::NoCommonAlgorithm {
                    host: at.host.clone(),
                    kind,
                    ours: ours.join(","),
                    theirs: theirs.join(","),
                }));
            }
        }
        Ok::<_, TransportError>(None)
    })();
    match explained {
        Ok(Some(error)) => error,
        Ok(None) => TransportError::Protocol { during: "agree on keys", reason: reason.to_owned() },
        Err(error) => {
            tracing::debug!(%error, "the server's proposal could not be read");
            TransportError::Protocol { during: "agree on keys", reason: reason.to_owned() }
        }
    }
}

/// Says who we are, to a server whose key is pinned.
fn authenticate(at: &SftpEndpoint, life: &Life, session: &Session) -> Result<(), TransportError> {
    let during = "sign in";
    life.step(during)?;
    session.set_timeout(millis(at.timeouts.auth));
    let (method, offered, result) = match &at.auth {
        Auth::Key { private_key_pem, passphrase } => {
            let passphrase = passphrase.as_ref().map(|secret| secret.expose_secret());
            ("public key", String::new(), session.userauth_pubkey_memory(&at.user, None, private_key_pem.expose_secret(), passphrase))
        }
        Auth::Password(password) => {
            let offered = match session.auth_methods(&at.user) {
                Ok(methods) => methods.to_owned(),
                // The question is itself an attempt, and a few servers let anybody in.
                Err(_) if session.authenticated() => return Ok(()),
                Err(error) => return Err(session_fault(life, at.timeouts.auth, during, &error)),
            };
            let takes = |method: &str| offered.split(',').any(|one| one == method);
            if takes("password") || !takes("keyboard-interactive") {
                let result = session.userauth_password(&at.user, password.expose_secret());
                ("password", offered, result)
            } else {
                let mut answers = PasswordOnly(password.expose_secret());
                let result = session.userauth_keyboard_interactive(&at.user, &mut answers);
                ("keyboard-interactive", offered, result)
            }
        }
    };
    let Err(error) = result else { return Ok(()) };
    match error.code() {
        ErrorCode::Session(code::FILE | code::KEYFILE_AUTH_FAILED) => {
            life.end();
            Err(TransportError::KeyUnusable { user: at.user.clone(), reason: error.message().to_owned() })
        }
        ErrorCode::Session(code::AUTHENTICATION_FAILED | code::PUBLICKEY_UNVERIFIED) => {
            life.end();
            let offered = if offered.is_empty() { "not told".to_owned() } else { offered };
            Err(TransportError::AuthRefused { host: at.host.clone(), user: at.user.clone(), method, offered })
        }
        ErrorCode::Session(_) | ErrorCode::SFTP(_) => Err(session_fault(life, at.timeouts.auth, during, &error)),
    }
}

/// Answers the questions whose answers are not shown with the password, all others with nothing.
struct PasswordOnly<'a>(&'a str);

impl ssh2::KeyboardInteractivePrompt for PasswordOnly<'_> {
    fn prompt<'b>(&mut self, _user: &str, _instructions: &str, prompts: &[ssh2::Prompt<'b>]) -> Vec<String> {
        prompts.iter().map(|prompt| if prompt.echo { String::new() } else { self.0.to_owned() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_offer_is_sound_and_enough() {
        let session = Session::new().unwrap();
        for (method, kind) in AGREEMENTS {
            let ours = offered(&session, method).unwrap();
            assert!(!ours.is_empty(), "{kind}");
            assert!(ours.iter().all(|name| !name.contains("sha1") && !name.contains("md5")), "{kind}: {ours:?}");
        }
        let kex = offered(&session, MethodType::Kex).unwrap();
        assert!(kex.iter().any(|name| name.starts_with("curve25519")), "{kex:?}");
        for name in ["ssh-rsa", "ssh-dss", "diffie-hellman-group14-sha1", "hmac-md5-96", "3des-cbc", "ssh-ed25519-cert-v01@openssh.com"] {
            assert!(!is_sound(name), "{name}");
        }
    }

    #[test]
    fn a_pinned_keys_type_is_asked_for_first() {
        let ed: HostKeyPin = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINj96pIIPxWpBVKgsO/sVvQKiUe+KxH302/u/HLT3bnz".parse().unwrap();
        let print: HostKeyPin = ed.to_string().parse().unwrap();
        let ed_type = Some(vec!["ssh-ed25519".to_owned()]);
        assert_eq!(key_types_to_ask(&[]), [None]);
        assert_eq!(key_types_to_ask(std::slice::from_ref(&ed)), [ed_type.clone(), None]);
        let rounds = key_types_to_ask(&[ed, print]);
        assert_eq!((rounds.len(), &rounds[0], &rounds[5]), (6, &ed_type, &None));
    }
}
