//! Mail against a real relay: sent once, over an encrypted line, and every way it can fail told apart (incident T9).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bankgate::domain::time::Timestamp;
use bankgate::mail::{Attachment, Draft, Envelope, MailError, Mailer, Receipt, Security, SettingsError, SmtpMailer, SmtpSettings, compose};
use chrono_tz::Tz;
use secrecy::SecretString;

use crate::harness::smtp::{PASSWORD, Relay, USER, python, run, stranger};

fn draft(to: &[&str]) -> Draft {
    Draft {
        message_id: "<failures.511181.bank-a.20190320@bankgate.example>".to_owned(),
        date: Timestamp::from_millis(1_553_070_600_000),
        zone: Tz::Asia__Shanghai,
        from: "补贴发放系统 <bankgate@example.gov.cn>".to_owned(),
        to: to.iter().map(|name| format!("{name}@example.gov.cn")).collect(),
        reply_to: None,
        in_reply_to: None,
        subject: "【补贴发放失败】峨眉山市民政局 2019年3月20日 共2笔、金额1234.56元，请于2019年3月27日前办理".to_owned(),
        text: "各位同志：\n\n共 2 笔。\n.\n以点开头的一行不得结束邮件。\n".to_owned(),
        html: "<p>共 2 笔。</p>".to_owned(),
        attachments: vec![Attachment {
            name: "补贴发放失败明细_峨眉山市民政局_2019-03-20.xlsx".to_owned(),
            mime: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet".to_owned(),
            bytes: (0..=255).cycle().take(70_000).collect(),
        }],
    }
}

async fn send(settings: SmtpSettings, to: &[&str]) -> Result<Receipt, MailError> {
    let draft = draft(to);
    let mailer = Mailer::Smtp(SmtpMailer::new(settings).unwrap());
    mailer.send(&draft.envelope().unwrap(), &compose(draft.clone()).unwrap()).await
}

#[tokio::test]
async fn a_letter_goes_out_once_encrypted_and_logged_in() {
    let relay = Relay::start();
    let receipt = send(relay.settings(), &["mz", "nobody", "cw"]).await.unwrap();
    assert!(receipt.evidence.contains("queued as 1"), "{receipt:?}");
    // The bad address bounces by itself and does not keep the letter from the others.
    assert_eq!(receipt.refused.iter().map(|r| (r.address.as_str(), r.code)).collect::<Vec<_>>(), [("nobody@example.gov.cn", 550)]);

    let taken = relay.taken();
    assert_eq!(taken.len(), 1);
    let eml = compose(draft(&["mz", "nobody", "cw"])).unwrap();
    assert_eq!(taken[0].eml.trim_ascii_end(), eml.trim_ascii_end(), "the relay has every byte, dots and all");
    let facts = &taken[0].facts;
    assert_eq!(facts["to"], serde_json::json!(["mz@example.gov.cn", "cw@example.gov.cn"]));
    assert_eq!((facts["tls"].as_bool(), facts["login"].as_str()), (Some(true), Some(USER)));
    assert!(!format!("{:?}", relay.settings()).contains(PASSWORD));
}

#[tokio::test]
async fn no_password_and_no_letter_over_a_plain_line() {
    let relay = Relay::start_plain();
    let refused = SmtpMailer::new(SmtpSettings { security: Security::None, ..relay.settings() });
    assert!(matches!(refused, Err(SettingsError::PlainLogin)), "{refused:?}");

    let no_starttls = send(relay.settings(), &["mz"]).await.unwrap_err();
    assert!(matches!(no_starttls, MailError::Insecure(_)), "{no_starttls}");
    assert!(no_starttls.is_transient() && no_starttls.needs_operator());
    assert!(relay.taken().is_empty());

    // Without a login, a plain line to one's own machine is a choice that the settings must spell out.
    send(SmtpSettings { security: Security::None, user: None, password: None, ..relay.settings() }, &["mz"]).await.unwrap();
    assert_eq!(relay.taken().len(), 1);
}

#[tokio::test]
async fn a_certificate_by_a_stranger_or_for_another_name_is_refused() {
    let relay = Relay::start();
    for settings in [
        SmtpSettings { ca_pem: Some(stranger()), ..relay.settings() },
        SmtpSettings { ca_pem: None, ..relay.settings() },
        SmtpSettings { host: "127.0.0.2".to_owned(), ..relay.settings() },
    ] {
        let error = send(settings, &["mz"]).await.unwrap_err();
        let is_refusal = matches!(error, MailError::Insecure(_)) || matches!(error, MailError::Unreachable { .. });
        assert!(is_refusal && error.is_transient() && !error.may_have_been_sent(), "{error:?}");
    }
    let wrong = send(SmtpSettings { ca_pem: Some(stranger()), ..relay.settings() }, &["mz"]).await.unwrap_err();
    assert!(matches!(wrong, MailError::Insecure(_)), "{wrong:?}");
    assert!(relay.taken().is_empty());
    send(SmtpSettings { host: "127.0.0.1".to_owned(), ..relay.settings() }, &["mz"]).await.unwrap();
}

type Case = (&'static [&'static str], fn(&MailError) -> bool, bool, bool, usize);

#[tokio::test]
async fn t9_each_way_to_fail_says_whether_to_try_again_and_whether_somebody_has_the_letter() {
    let relay = Relay::start();
    // (recipients, what it is, transient, may have been sent, letters that the relay took)
    let cases: [Case; 6] = [
        (&["busy"], |e| matches!(e, MailError::Deferred { code: 450, .. }), true, false, 0),
        (&["mz", "busy"], |e| matches!(e, MailError::Deferred { code: 450, .. }), true, false, 0),
        (&["later"], |e| matches!(e, MailError::Deferred { code: 451, .. }), true, false, 0),
        (&["nobody"], |e| matches!(e, MailError::Refused { code: 550, .. }), false, false, 0),
        (&["spam"], |e| matches!(e, MailError::Refused { code: 554, .. }), false, false, 0),
        (&["drop"], |e| matches!(e, MailError::Ambiguous(_)), false, true, 1),
    ];
    for (to, is_it, transient, may_have_been_sent, taken) in cases {
        let error = send(relay.settings(), to).await.unwrap_err();
        assert!(is_it(&error), "{to:?}: {error:?}");
        assert_eq!((error.is_transient(), error.may_have_been_sent()), (transient, may_have_been_sent), "{to:?}: {error}");
        assert_eq!(relay.taken().len(), taken, "{to:?}");
    }
    let late = SmtpSettings { timeout_letter: Duration::from_millis(300), ..relay.settings() };
    let error = send(late, &["silent"]).await.unwrap_err();
    assert!(matches!(error, MailError::Ambiguous(_)) && relay.taken().len() == 2, "{error:?}");
}

#[tokio::test]
async fn t9_a_wrong_password_is_no_bounce_and_a_relay_that_is_down_is_tried_again() {
    let relay = Relay::start();
    let settings = SmtpSettings { password: Some(SecretString::from("wrong".to_owned())), ..relay.settings() };
    let error = send(settings, &["mz"]).await.unwrap_err();
    assert!(matches!(error, MailError::RefusesUs { code: 535, .. }) && error.is_transient() && error.needs_operator(), "{error:?}");
    assert!(!error.to_string().contains("wrong"), "{error}");

    let settings = relay.settings();
    drop(relay);
    let error = send(settings, &["mz"]).await.unwrap_err();
    assert!(matches!(error, MailError::Unreachable { .. }) && error.is_transient() && !error.needs_operator(), "{error:?}");
}

#[tokio::test]
async fn a_directory_keeps_a_letter_once_and_never_rewrites_it() {
    let dir = tempfile::tempdir().unwrap();
    let mailer = Mailer::File(dir.path().join("outbox"));
    let letter = draft(&["mz"]);
    let (envelope, eml) = (letter.envelope().unwrap(), compose(letter.clone()).unwrap());
    let first = mailer.send(&envelope, &eml).await.unwrap();
    let again = mailer.send(&envelope, &eml).await.unwrap();
    assert!(!first.already && again.already && first.evidence == again.evidence);

    // The same id with other bytes is loud, even under another date, and the first letter stands.
    let changed = Draft { date: letter.date.plus_minutes(5), ..letter.clone() };
    let error = mailer.send(&envelope, &compose(changed.clone()).unwrap()).await.unwrap_err();
    assert!(matches!(error, MailError::IdTaken { .. }) && !error.is_transient(), "{error:?}");

    // An id that ends like another is another.
    let other = Draft { message_id: letter.message_id.replace("<failures.", "<x-failures."), ..letter.clone() };
    assert!(!mailer.send(&envelope, &compose(other.clone()).unwrap()).await.unwrap().already);
    let other = Draft { message_id: "<20190320@bankgate.example>".to_owned(), ..letter };
    assert!(!mailer.send(&envelope, &compose(other.clone()).unwrap()).await.unwrap().already);

    let mut names: Vec<_> =
        std::fs::read_dir(dir.path().join("outbox")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.contains(&"20190320T163000-failures.511181.bank-a.20190320@bankgate.example.eml".to_owned()), "{names:?}");
    assert_eq!(std::fs::read(first.evidence).unwrap(), eml);
}

#[tokio::test]
async fn memory_keeps_what_it_was_given() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let mailer = Mailer::Memory(Arc::clone(&sent));
    let letter = draft(&["mz"]);
    mailer.send(&letter.envelope().unwrap(), &compose(letter.clone()).unwrap()).await.unwrap();
    assert_eq!(sent.lock().unwrap()[0].message_id, letter.message_id);
    let nobody = Envelope { from: "a@example.gov.cn".to_owned(), to: Vec::new() };
    assert!(mailer.send(&nobody, &compose(letter.clone()).unwrap()).await.is_err());
}

/// What Python's own mail reader makes of a letter.
fn read_by_python(eml: &[u8]) -> serde_json::Value {
    const SCRIPT: &str = r"
import email, email.policy, hashlib, json, sys
m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
parts = [p for p in m.walk() if not p.is_multipart()]
print(json.dumps({
    'subject': m['subject'], 'from': m['from'], 'to': m['to'], 'date': m['date'], 'id': m['message-id'], 'auto': m['auto-submitted'],
    'shape': [p.get_content_type() for p in m.walk()], 'defects': [str(d) for p in m.walk() for d in p.defects],
    'text': m.get_body(('plain',)).get_content(), 'html': m.get_body(('html',)).get_content(),
    'files': [[p.get_filename(), len(p.get_content()), hashlib.sha256(p.get_content()).hexdigest()] for p in m.iter_attachments()],
}))";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), eml).unwrap();
    serde_json::from_slice(&run(std::process::Command::new(python()).args(["-c", SCRIPT]).arg(file.path())).stdout).unwrap()
}

#[test]
fn another_programs_reader_finds_subject_bodies_and_the_names_of_the_files() {
    let letter = Draft { in_reply_to: Some("<earlier@bankgate.example>".to_owned()), ..draft(&["mz", "cw"]) };
    let read = read_by_python(&compose(letter.clone()).unwrap());
    assert_eq!(read["subject"], letter.subject.as_str());
    assert_eq!(read["from"], "补贴发放系统 <bankgate@example.gov.cn>");
    assert_eq!(read["to"], "mz@example.gov.cn, cw@example.gov.cn");
    assert_eq!(read["date"], "Wed, 20 Mar 2019 16:30:00 +0800");
    assert_eq!((&read["id"], &read["auto"]), (&letter.message_id.as_str().into(), &"auto-generated".into()));
    assert_eq!(read["defects"], serde_json::json!([]));
    let sheet = letter.attachments[0].mime.as_str();
    assert_eq!(read["shape"], serde_json::json!(["multipart/mixed", "multipart/alternative", "text/plain", "text/html", sheet]));
    assert_eq!(read["text"].as_str().unwrap().replace("\r\n", "\n").trim_end(), letter.text.trim_end());
    assert_eq!(read["html"].as_str().unwrap().trim_end(), letter.html);
    assert_eq!(read["files"][0][0], letter.attachments[0].name.as_str());
    assert_eq!(read["files"][0][1], 70_000);
}
