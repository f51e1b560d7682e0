//! A letter's bytes (RFC 5322, MIME). The same draft gives the same bytes, so that a letter can be composed again from its
//! facts and be the very letter that went out: boundaries come from the Message-ID, the date from the draft.

use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use lettre::message::header::{
    ContentDisposition, ContentType, From, HeaderName, HeaderValue, Headers, InReplyTo, References, Subject, To,
};
use lettre::message::{Mailboxes, MultiPart, SinglePart, header::ReplyTo};
use sha2::{Digest, Sha256};

use super::{AddressError, Envelope, mailbox};
use crate::domain::time::Timestamp;

/// A letter before it is bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// `<left@right>`, one for ever: a repeat carries the same.
    pub message_id: String,
    /// The date in its head.
    pub date: Timestamp,
    /// The zone in which that date is written.
    pub zone: Tz,
    /// The sender, with or without a name.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// Where an answer goes, if not to the sender.
    pub reply_to: Option<String>,
    /// The Message-ID that this one follows: a reminder stands below its report.
    pub in_reply_to: Option<String>,
    /// The subject line.
    pub subject: String,
    /// The body for readers without HTML.
    pub text: String,
    /// The body.
    pub html: String,
    /// What hangs on it.
    pub attachments: Vec<Attachment>,
}

/// A file that hangs on a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, Chinese or not.
    pub name: String,
    /// Its type, such as `application/pdf`.
    pub mime: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Why a draft is not a letter.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// An address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Nobody to send it to.
    #[error("the letter has no recipient; add one to the department's or bank's contacts")]
    NoRecipient,
    /// Not `<left@right>`.
    #[error("{0:?} is not a Message-ID like `<left@right>` in ASCII")]
    MessageId(String),
    /// A line break or another control character where one line belongs: it would start a header of its own.
    #[error("the {0} has a control character; a header is one line")]
    ControlCharacter(&'static str),
    /// Not a MIME type.
    #[error("{mime:?}, the type of attachment {name}, is not a MIME type")]
    MimeType { name: String, mime: String },
    /// A date beyond the calendar.
    #[error("{0} milliseconds is no date")]
    Date(i64),
}

impl Draft {
    /// The envelope that goes with it.
    ///
    /// # Errors
    /// Names the first address that is none.
    pub fn envelope(&self) -> Result<Envelope, AddressError> {
        Envelope::new(&self.from, &self.to)
    }
}

/// Writes the letter: `multipart/mixed` around `multipart/alternative` (text, HTML) and the attachments. ASCII only.
///
/// # Errors
/// Says what in the draft cannot stand in a letter.
pub fn compose(mut draft: Draft) -> Result<Vec<u8>, ComposeError> {
    let mark = hex::encode(Sha256::digest(draft.message_id.as_bytes()));
    let mark = mark.get(..32).unwrap_or_default();
    let bodies = MultiPart::alternative()
        .boundary(format!("bankgate-alt-{mark}"))
        .singlepart(SinglePart::plain(std::mem::take(&mut draft.text)))
        .singlepart(SinglePart::html(std::mem::take(&mut draft.html)));
    let mut letter = MultiPart::mixed().boundary(format!("bankgate-mix-{mark}")).multipart(bodies);
    for attachment in draft.attachments.drain(..) {
        letter = letter.singlepart(attached(attachment)?);
    }
    head(&draft, letter.headers_mut())?;
    Ok(letter.formatted())
}

fn attached(attachment: Attachment) -> Result<SinglePart, ComposeError> {
    let Attachment { name, mime, bytes } = attachment;
    one_line("attachment's name", &name)?;
    let Ok(content_type) = ContentType::parse(&mime) else { return Err(ComposeError::MimeType { name, mime }) };
    // lettre writes the name by RFC 2231, which is what carries Chinese names.
    let part = SinglePart::builder().header(ContentDisposition::attachment(&name)).header(content_type);
    Ok(part.body(bytes))
}

fn head(draft: &Draft, headers: &mut Headers) -> Result<(), ComposeError> {
    if draft.to.is_empty() {
        return Err(ComposeError::NoRecipient);
    }
    one_line("subject", &draft.subject)?;
    let to = draft.to.iter().map(|text| mailbox(text)).collect::<Result<Vec<_>, _>>()?;
    // Written in the office's zone; lettre's own Date header knows UTC only.
    let date = DateTime::from_timestamp_millis(draft.date.millis()).ok_or(ComposeError::Date(draft.date.millis()))?;
    let date = draft.zone.from_utc_datetime(&date.naive_utc()).to_rfc2822();

    headers.insert_raw(plain(HeaderName::new_from_ascii_str("Date"), date));
    headers.insert_raw(plain(HeaderName::new_from_ascii_str("Message-ID"), message_id(&draft.message_id)?));
    headers.set(From::from(Mailboxes::new().with(mailbox(&draft.from)?)));
    if let Some(reply_to) = &draft.reply_to {
        headers.set(ReplyTo::from(Mailboxes::new().with(mailbox(reply_to)?)));
    }
    headers.set(To::from(to.into_iter().fold(Mailboxes::new(), Mailboxes::with)));
    headers.set(Subject::from(draft.subject.clone()));
    if let Some(earlier) = &draft.in_reply_to {
        let earlier = message_id(earlier)?;
        headers.set(InReplyTo::from(earlier.clone()));
        headers.set(References::from(earlier));
    }
    // RFC 3834, and Outlook's word for it: no holiday note shall answer a machine.
    headers.insert_raw(plain(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
    headers.insert_raw(plain(HeaderName::new_from_ascii_str("X-Auto-Response-Suppress"), "OOF, AutoReply".to_owned()));
    headers.insert_raw(plain(HeaderName::new_from_ascii_str("MIME-Version"), "1.0".to_owned()));
    Ok(())
}

fn plain(name: HeaderName, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value)
}

fn message_id(text: &str) -> Result<String, ComposeError> {
    let inner = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).and_then(|t| t.split_once('@'));
    let is_word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b));
    match inner {
        Some((left, right)) if is_word(left) && is_word(right) && text.len() <= 250 => Ok(text.to_owned()),
        Some(_) | None => Err(ComposeError::MessageId(text.to_owned())),
    }
}

fn one_line(what: &'static str, text: &str) -> Result<(), ComposeError> {
    if text.chars().any(char::is_control) { Err(ComposeError::ControlCharacter(what)) } else { Ok(()) }
}

/// The value of an unfolded ASCII header in a letter's head.
pub(super) fn header(eml: &[u8], name: &str) -> Option<String> {
    eml.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end).take_while(|line| !line.is_empty()).find_map(|line| {
        let (key, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            message_id: "<report-17@bankgate.example>".to_owned(),
            date: Timestamp::from_millis(1_553_070_600_000),
            zone: Tz::Asia__Shanghai,
            from: "补贴发放系统 <bankgate@example.gov.cn>".to_owned(),
            to: vec!["民政局 <mz@example.gov.cn>".to_owned(), "second@example.gov.cn".to_owned()],
            reply_to: None,
            in_reply_to: None,
            subject: "【补贴发放失败】民政局".to_owned(),
            text: "各位同志：\n共 2 笔。\n".to_owned(),
            html: "<p>共 2 笔。</p>".to_owned(),
            attachments: vec![Attachment { name: "失败明细.csv".to_owned(), mime: "text/csv".to_owned(), bytes: b"a,b\r\n".to_vec() }],
        }
    }

    #[test]
    fn the_same_draft_gives_the_same_bytes_in_ascii() {
        let eml = compose(draft()).unwrap();
        assert_eq!(eml, compose(draft()).unwrap());
        assert!(eml.is_ascii());
        assert_eq!(header(&eml, "date").as_deref(), Some("Wed, 20 Mar 2019 16:30:00 +0800"));
        assert_eq!(header(&eml, "message-id").as_deref(), Some("<report-17@bankgate.example>"));
        assert_eq!(draft().envelope().unwrap().to, ["mz@example.gov.cn", "second@example.gov.cn"]);
    }

    #[test]
    fn nothing_in_a_draft_can_start_a_header_of_its_own() {
        let poisoned: [fn(&mut Draft); 6] = [
            |d| d.subject.push_str("\r\nBcc: thief@example.com"),
            |d| d.message_id = "<a@b>\r\nBcc: thief@example.com".to_owned(),
            |d| d.in_reply_to = Some("<a@b\r\n>".to_owned()),
            |d| d.to = vec!["a@example.com\r\nBcc: thief@example.com".to_owned()],
            |d| d.attachments.iter_mut().for_each(|a| a.name.push('\n')),
            |d| d.to.clear(),
        ];
        for poison in poisoned {
            let mut letter = draft();
            poison(&mut letter);
            assert!(compose(letter.clone()).is_err(), "{letter:?}");
        }
    }
}
