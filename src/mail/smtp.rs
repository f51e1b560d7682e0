//! One conversation with a relay per letter (RFC 5321), step by step by hand: only so do we know whether a line broke
//! before the letter passed, when sending again is harmless, or after, when the relay may have it.
//!
//! Bounds: each step has a time limit; no login and no letter go over a line that is not encrypted, unless the settings
//! say `security = "none"`, and then there is no login.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Envelope, MailError, Receipt, Refusal, Step};

/// How the line to the relay is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Plain at first, then encrypted, else no letter (port 587).
    #[default]
    StartTls,
    /// Encrypted from the first byte (port 465).
    Tls,
    /// Not at all: for a relay on the same machine.
    None,
}

/// How to reach the relay.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Its name, as its certificate has it.
    pub host: String,
    /// 587, 465 or 25.
    pub port: u16,
    /// How the line is protected.
    pub security: Security,
    /// The login, if the relay asks one.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
    /// The limit of each step before the letter.
    pub timeout: Duration,
    /// The limit of the letter itself and the relay's word on it. RFC 5321 asks ten minutes: a relay that scans the
    /// attachment is slow, and giving up early makes an ambiguous end.
    pub timeout_letter: Duration,
    /// Roots to trust beside the machine's own, for an internal authority.
    pub ca_pem: Option<String>,
    /// How we introduce ourselves; the machine's name if `None`.
    pub hello: Option<String>,
}

/// Why settings are refused before anything is sent.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A login over a plain line.
    #[error("[mail] has a user but security = \"none\": a password never goes over a plain line. Use \"start_tls\" or \"tls\"")]
    PlainLogin,
    /// Half a login.
    #[error("[mail] has a user without a password, or a password without a user; give both or neither")]
    HalfLogin,
    /// The extra root is none.
    #[error("[mail] ca_file holds no certificate in PEM form: {0}")]
    Root(String),
    /// The TLS library refuses the settings.
    #[error("[mail] cannot set up encryption for {host}: {cause}")]
    Tls { host: String, cause: String },
}

/// A relay, and how to talk to it.
#[derive(Clone)]
pub struct SmtpMailer {
    settings: SmtpSettings,
    tls: Option<TlsParameters>,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl SmtpMailer {
    /// Checks the settings. Nothing is sent.
    ///
    /// # Errors
    /// A login without encryption or half a login; certificates that are none.
    pub fn new(settings: SmtpSettings) -> Result<Self, SettingsError> {
        if settings.user.is_some() != settings.password.is_some() {
            return Err(SettingsError::HalfLogin);
        }
        let tls = match settings.security {
            Security::None if settings.user.is_some() => return Err(SettingsError::PlainLogin),
            Security::None => None,
            Security::StartTls | Security::Tls => Some(tls_parameters(&settings)?),
        };
        Ok(Self { settings, tls })
    }

    /// Connects, encrypts, logs in, and leaves: what `doctor` asks.
    ///
    /// # Errors
    /// As for sending.
    pub async fn probe(&self) -> Result<(), MailError> {
        let connection = self.open().await?;
        self.leave(connection).await;
        Ok(())
    }

    pub(super) async fn send(&self, envelope: &Envelope, eml: &[u8]) -> Result<Receipt, MailError> {
        let from = address(&envelope.from)?;
        let to = envelope.to.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
        let mut connection = self.open().await?;
        let result = self.converse(&mut connection, from, to, eml).await;
        match &result {
            // Where the line is dead or late there is nobody to say goodbye to.
            Err(MailError::Unreachable { .. } | MailError::Ambiguous(_)) => drop(connection),
            Ok(_) | Err(_) => self.leave(connection).await,
        }
        result
    }

    async fn open(&self) -> Result<AsyncSmtpConnection, MailError> {
        let settings = &self.settings;
        let hello = settings.hello.clone().map_or_else(ClientId::default, ClientId::Domain);
        let (at_once, later) = match settings.security {
            Security::Tls => (self.tls.clone(), None),
            Security::StartTls => (None, self.tls.clone()),
            Security::None => (None, None),
        };
        let server = (settings.host.as_str(), settings.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(server, Some(settings.timeout), &hello, at_once, None);
        let mut connection = self.step(Step::Connect, connecting).await?;
        if let Some(tls) = later {
            if !connection.can_starttls() {
                return Err(MailError::Insecure(format!("{}:{} does not offer STARTTLS", settings.host, settings.port)));
            }
            self.step(Step::Encrypt, connection.starttls(tls, &hello)).await?;
        }
        if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            self.step(Step::Login, connection.auth(DEFAULT_MECHANISMS, &credentials)).await?;
        }
        Ok(connection)
    }

    async fn converse(&self, line: &mut AsyncSmtpConnection, from: Address, to: Vec<Address>, eml: &[u8]) -> Result<Receipt, MailError> {
        self.step(Step::Sender, line.command(Mail::new(Some(from), Vec::new()))).await?;
        let (mut accepted, mut refused) = (0_usize, Vec::new());
        for recipient in to {
            let address = recipient.to_string();
            match self.step(Step::Recipient, line.command(Rcpt::new(recipient, Vec::new()))).await {
                Ok(_) => accepted += 1,
                // One bad address must not keep the letter from the others.
                Err(MailError::Refused { code, text, .. }) => refused.push(Refusal { address, code, text }),
                // Put off for one is put off for all: nobody gets it now, so nobody gets it twice later.
                Err(other) => return Err(other),
            }
        }
        if accepted == 0 {
            let first = refused.into_iter().next();
            let (code, text) = first.map_or((550, String::new()), |r| (r.code, format!("<{}>: {}", r.address, r.text)));
            return Err(MailError::Refused { step: Step::Recipient, code, text });
        }
        self.step(Step::Data, line.command(Data)).await?;
        let response = self.step(Step::Letter, line.message(eml)).await?;
        let evidence = response.message().collect::<Vec<_>>().join(" ");
        Ok(Receipt { evidence, refused, already: false })
    }

    /// Says goodbye. The letter's fate is settled; a relay that does not answer now changes nothing.
    async fn leave(&self, mut connection: AsyncSmtpConnection) {
        let limit = self.settings.timeout.min(Duration::from_secs(5));
        let _ = tokio::time::timeout(limit, connection.abort()).await;
    }

    async fn step<T>(&self, step: Step, work: impl Future<Output = Result<T, Error>>) -> Result<T, MailError> {
        let limit = match step {
            Step::Letter => self.settings.timeout_letter,
            Step::Connect | Step::Encrypt | Step::Login | Step::Sender | Step::Recipient | Step::Data => self.settings.timeout,
        };
        match tokio::time::timeout(limit, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(self.judge(step, &error)),
            Err(_) => Err(silent(step, format!("no answer within {} seconds", limit.as_secs()))),
        }
    }

    fn judge(&self, step: Step, error: &Error) -> MailError {
        let text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        match error.status().map(u16::from) {
            Some(code) if error.is_transient() => MailError::Deferred { step, code, text },
            Some(code) => match step {
                Step::Connect | Step::Login | Step::Sender => MailError::RefusesUs { step, code, text },
                Step::Encrypt => MailError::Insecure(format!("the relay answers STARTTLS with {code} {text}")),
                Step::Recipient | Step::Data | Step::Letter => MailError::Refused { step, code, text },
            },
            None if matches!(step, Step::Connect | Step::Encrypt) && (error.is_tls() || is_certificate_fault(error)) => {
                MailError::Insecure(format!("{}:{}: {text}", self.settings.host, self.settings.port))
            }
            None if step == Step::Login && error.is_client() => MailError::Insecure(format!("no way to log in: {text}")),
            None => silent(step, text),
        }
    }
}

/// No word: harmless before the letter, ambiguous from its first byte on.
fn silent(step: Step, cause: String) -> MailError {
    match step {
        Step::Letter => MailError::Ambiguous(cause),
        Step::Connect | Step::Encrypt | Step::Login | Step::Sender | Step::Recipient | Step::Data => MailError::Unreachable { step, cause },
    }
}

/// rustls reports a certificate that it does not trust as an I/O error of kind `InvalidData`.
fn is_certificate_fault(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidData) {
            return true;
        }
        source = inner.source();
    }
    false
}

fn address(text: &str) -> Result<Address, MailError> {
    text.parse().map_err(|e| MailError::Malformed(format!("{text:?} is not an address: {e}")))
}

fn tls_parameters(settings: &SmtpSettings) -> Result<TlsParameters, SettingsError> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &settings.ca_pem {
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(SettingsError::Root("no BEGIN CERTIFICATE line".to_owned()));
        }
        builder = builder.add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(|e| SettingsError::Root(e.to_string()))?);
    }
    builder.build().map_err(|e| SettingsError::Tls { host: settings.host.clone(), cause: e.to_string() })
}
