//! Wire: outgoing mail. The only user of `lettre`.
//!
//! A letter goes out once: the outbox commits it with its Message-ID first, this wire hands it to a relay, and the outbox
//! records what became of it. So an error must tell three things apart: *nobody got it* (send again later), *nobody will
//! ever get it* (a bounce, for finance IT), and *we do not know*: the relay had the letter in hand when the line broke.
//!
//! What is absent: queueing, retrying, and the clock. Those are the outbox's.

mod compose;
mod directory;
mod smtp;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lettre::message::Mailbox;

pub use compose::{Attachment, ComposeError, Draft, compose};
pub use smtp::{Security, SettingsError, SmtpMailer, SmtpSettings};

/// Where letters go.
#[derive(Clone, Debug)]
pub enum Mailer {
    /// To a relay.
    Smtp(SmtpMailer),
    /// Into a directory, one `.eml` each: for a machine without a relay, whose operators carry the files, and for the demo.
    File(PathBuf),
    /// Into memory.
    Memory(Arc<Mutex<Vec<Sent>>>),
    /// To whatever the builder of the gateway brings along.
    Given(Arc<dyn Relay>),
}

/// A way for letters that is none of ours.
pub trait Relay: std::fmt::Debug + Send + Sync {
    /// Takes one letter.
    ///
    /// # Errors
    /// By the same meaning as the others': see [`MailError`].
    fn take(&self, envelope: &Envelope, message_id: &str, eml: &[u8]) -> Result<Receipt, MailError>;
}

/// Whom the relay is told: bare addresses, which need not be those in the letter's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Where bounces go.
    pub from: String,
    /// Who gets it.
    pub to: Vec<String>,
}

/// A letter that `Mailer::Memory` took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Whom it was for.
    pub envelope: Envelope,
    /// Its Message-ID, with the angle brackets.
    pub message_id: String,
    /// The whole letter.
    pub eml: Vec<u8>,
}

/// What the relay said when it took a letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The relay's words (often its queue number), or the path of the file.
    pub evidence: String,
    /// Recipients whom the relay refused for good while it took the letter for the others: bounces.
    pub refused: Vec<Refusal>,
    /// Whether the letter had been taken before, byte for byte (directories only: a relay does not tell).
    pub already: bool,
}

/// One recipient refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The address.
    pub address: String,
    /// The relay's code, 500 to 599.
    pub code: u16,
    /// The relay's words.
    pub text: String,
}

/// Where a conversation with a relay stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Connecting, and the relay's greeting.
    Connect,
    /// Turning encryption on.
    Encrypt,
    /// Logging in.
    Login,
    /// Naming the sender.
    Sender,
    /// Naming a recipient.
    Recipient,
    /// Asking leave to send the letter.
    Data,
    /// The letter itself, and the relay's word on it.
    Letter,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Encrypt => "turning encryption on",
            Self::Login => "logging in",
            Self::Sender => "naming the sender",
            Self::Recipient => "naming the recipients",
            Self::Data => "announcing the letter",
            Self::Letter => "handing over the letter",
        }
    }
}

/// Why a letter did not go out, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// 5xx for every recipient, or for the letter itself: it bounced.
    #[error("the relay refused the letter for good while {}: {code} {text}. Check the address, then send it to another", step.name())]
    Refused { step: Step, code: u16, text: String },
    /// 4xx: not now. Nobody got the letter, not even those recipients whom the relay would have taken.
    #[error("the relay put the letter off while {}: {code} {text}. It is sent again later", step.name())]
    Deferred { step: Step, code: u16, text: String },
    /// 5xx against ourselves: the login or the sender. No letter will pass until it is put right; this one is not to blame.
    #[error("the relay refuses us while {}: {code} {text}. Check [mail] user, password and sender", step.name())]
    RefusesUs { step: Step, code: u16, text: String },
    /// No encryption to be had, or with somebody whom we do not trust. Nothing was said to them but hello.
    #[error("no trusted encryption with the relay: {0}. Check its certificate and [mail] ca_file; the letter was not sent")]
    Insecure(String),
    /// Nobody answered, or the line broke before the letter.
    #[error("the relay cannot be reached ({}): {cause}. Nothing was sent; it is tried again later", step.name())]
    Unreachable { step: Step, cause: String },
    /// The line broke or time ran out after the letter began to pass: the relay may have taken it.
    #[error("the relay gave no word on the letter: {0}. It may have been taken: look into the relay's log for its Message-ID")]
    Ambiguous(String),
    /// The letter or an address cannot be sent as it stands. A fault of ours.
    #[error("the letter cannot be sent: {0}")]
    Malformed(String),
    /// Another letter lies under this Message-ID.
    #[error(
        "{path} holds other bytes under the same Message-ID; a letter is never rewritten. Compare the two, then give the new one an id of its own"
    )]
    IdTaken { path: PathBuf },
    /// The directory cannot be read or written.
    #[error("cannot write the letter to {path}: {source}. Make room or set the rights, it is tried again later")]
    Local { path: PathBuf, source: std::io::Error },
}

impl MailError {
    /// Whether the same letter, sent again later, may pass and can reach nobody twice. False for a bounce, and for
    /// an ambiguous end: ask `may_have_been_sent` first.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Deferred { .. } | Self::RefusesUs { .. } | Self::Insecure(_) | Self::Unreachable { .. } | Self::Local { .. } => true,
            Self::Refused { .. } | Self::Ambiguous(_) | Self::Malformed(_) | Self::IdTaken { .. } => false,
        }
    }

    /// Whether somebody may have got the letter. To send it again could show it twice; its Message-ID is the same, so
    /// that a mailbox which looks at it keeps one.
    #[must_use]
    pub const fn may_have_been_sent(&self) -> bool {
        matches!(self, Self::Ambiguous(_))
    }

    /// Whether waiting alone will not help: finance IT should be told at once, not after the last try.
    #[must_use]
    pub const fn needs_operator(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::RefusesUs { .. } | Self::Insecure(_) | Self::Ambiguous(_) => true,
            Self::Malformed(_) | Self::IdTaken { .. } | Self::Local { .. } => true,
            Self::Deferred { .. } | Self::Unreachable { .. } => false,
        }
    }
}

/// Why a text is not an address that we can send to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a mail address like `name@example.gov.cn` or `名称 <name@example.gov.cn>`: {cause}")]
pub struct AddressError {
    text: String,
    cause: String,
}

impl Envelope {
    /// From addresses with or without a name in front.
    ///
    /// # Errors
    /// Names the first that is not an address, or has characters beyond ASCII (which many relays do not take).
    pub fn new(from: &str, to: &[String]) -> Result<Self, AddressError> {
        let to = to.iter().map(|text| bare(text)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { from: bare(from)?, to })
    }
}

fn bare(text: &str) -> Result<String, AddressError> {
    mailbox(text).map(|m| m.email.to_string())
}

fn mailbox(text: &str) -> Result<Mailbox, AddressError> {
    let no = |cause: String| AddressError { text: text.to_owned(), cause };
    let mailbox: Mailbox = text.parse().map_err(|e: lettre::address::AddressError| no(e.to_string()))?;
    let address: &str = mailbox.email.as_ref();
    if address.is_ascii() { Ok(mailbox) } else { Err(no("it has characters beyond ASCII".to_owned())) }
}

impl Mailer {
    /// Hands over one letter.
    ///
    /// # Errors
    /// See [`MailError`]: it knows whether to send again, and whether the letter may have gone.
    pub async fn send(&self, envelope: &Envelope, eml: &[u8]) -> Result<Receipt, MailError> {
        if envelope.to.is_empty() {
            return Err(MailError::Malformed("it has no recipient".to_owned()));
        }
        if !eml.is_ascii() {
            return Err(MailError::Malformed("it has bytes beyond ASCII; compose() encodes them".to_owned()));
        }
        let message_id = compose::header(eml, "Message-ID").ok_or_else(|| MailError::Malformed("it has no Message-ID".to_owned()))?;
        match self {
            Self::Smtp(mailer) => mailer.send(envelope, eml).await,
            Self::File(dir) => directory::put(dir.clone(), message_id, eml.to_vec()).await,
            Self::Memory(sent) => {
                let letter = Sent { envelope: envelope.clone(), message_id, eml: eml.to_vec() };
                sent.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
                Ok(Receipt { evidence: "memory".to_owned(), ..Receipt::default() })
            }
            Self::Given(relay) => relay.take(envelope, &message_id, eml),
        }
    }
}
