//! Commands that decide come in here (操作接口): a Unix socket, on which the kernel says who calls.
//!
//! A caller does not name himself: his user id comes from the kernel (peer credential), his login from the machine's
//! user database, his role from the table `operator`. So the two-person rule is about two persons of the machine, not two
//! names in a form. The file's mode lets in the group; that alone decides nothing.
//!
//! One line of JSON asks, lines of JSON answer: progress while it lasts, then one `done` or `refused`. A list follows its
//! request as plain bytes, because the daemon cannot, and should not, read the caller's files.

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, mpsc};

use super::cases::{self, CaseRequest};
use super::refunds::{self, RefundRequest};
use super::stuck::{self, StuckRequest};
use crate::clock::Clock;
use crate::domain::ids::EndToEndId;
use crate::domain::language::{Language, Words};
use crate::domain::money::Fen;
use crate::format::list::ListFault;
use crate::passes::close::{close_month, close_year};
use crate::passes::operate::cancel::cancel_batch;
use crate::passes::operate::choose::propose_choice;
use crate::passes::operate::correct::CorrectionFacts;
use crate::passes::operate::enquire::{enquire_file, enquire_payment};
use crate::passes::operate::evidence::evidence_whole;
use crate::passes::operate::guard::propose_release;
use crate::passes::operate::import::{ImportFacts, import_batch};
use crate::passes::operate::matching::propose_match;
use crate::passes::operate::partly::propose_partly;
use crate::passes::operate::propose::{Act, approve, propose_resolve, withdraw};
use crate::passes::operate::switch::{import_paid, propose_openings, propose_returned};
use crate::passes::operate::{self, OperateError, approve_batch, release_batch, review_batch};
use crate::passes::publication;
use crate::passes::{Gateway, PassError};
use crate::store::closing::Which;
use crate::store::desk::Operator;

/// The longest request line; a list comes behind it.
const LINE_MAX: u64 = 64 * 1024;
/// The largest list: ten million rows.
const LIST_MAX: u64 = 4 << 30;
/// Whoever connects and says nothing is let go.
const PATIENCE: Duration = Duration::from_secs(60);
/// Callers served at once.
const CALLERS_MAX: usize = 16;
/// Members of the socket's group may call.
const MODE: u32 = 0o660;

/// What somebody asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Who the daemon takes the caller for.
    WhoAmI,
    /// A list, whose bytes follow.
    BatchImport {
        /// What the caller says of it.
        facts: ImportFacts,
        /// How many bytes follow.
        bytes: u64,
    },
    /// Approve a batch.
    BatchApprove {
        /// Its number.
        number: String,
    },
    /// Review it at the finance bureau.
    BatchReview {
        /// Its number.
        number: String,
    },
    /// Release it.
    BatchRelease {
        /// Its number.
        number: String,
    },
    /// Take a batch back that did not pass the gate.
    BatchCancel {
        /// Its number.
        number: String,
        /// Why.
        reason: String,
    },
    /// Propose to settle a payment.
    PaymentResolve {
        /// Its reference.
        reference: String,
        /// As paid, or as failed.
        paid: bool,
        /// As paid for this part only, in fen.
        #[serde(default)]
        part_fen: Option<i64>,
        /// What proves it.
        evidence: String,
    },
    /// A public list is up in the villages.
    PublicationPosted {
        /// The batch.
        batch: String,
    },
    /// Payments of the channel before, whose table follows.
    SwitchPayments {
        /// What the channel is called.
        source: String,
        /// Only say what would be done.
        dry_run: bool,
        /// How many bytes follow.
        bytes: u64,
    },
    /// What lay in the accounts on the day of the switch-over; the table follows.
    SwitchBalances {
        /// What the channel is called.
        source: String,
        /// How many bytes follow.
        bytes: u64,
    },
    /// Take a batch's evidence out of the house, whole: it is recorded who did.
    EvidenceWhole {
        /// The batch.
        batch: String,
    },
    /// Look after a case.
    Case {
        /// Its number.
        id: i64,
        /// What to do.
        what: CaseRequest,
    },
    /// A workbook with corrections, whose bytes follow.
    CorrectionImport {
        /// What the caller says of it.
        facts: CorrectionFacts,
        /// How many bytes follow.
        bytes: u64,
    },
    /// Close a month or a year.
    Close {
        /// A year; else a month.
        is_year: bool,
        /// `2019-03` or `2019`.
        period: String,
        /// One department's; empty: every one's.
        department: String,
        /// One project's; empty: every one's.
        project: String,
    },
    /// Ask the bank what became of a file.
    FileEnquire {
        /// Its number.
        id: i64,
    },
    /// Ask the bank what became of a payment.
    PaymentEnquire {
        /// Its reference.
        reference: String,
    },
    /// Propose what a statement's line is.
    StatementMatch {
        /// The statement.
        statement: i64,
        /// Its line.
        line: i64,
        /// A reference, a file, `funding N`, `case N`, `other`.
        to: String,
        /// What proves it.
        reason: String,
    },
    /// Propose that an opening balance is back at the treasury.
    SwitchReturned {
        /// Its number.
        opening: i64,
        /// The treasury's receipt.
        receipt: String,
    },
    /// Propose which of several statements counts.
    StatementChoose {
        /// The one that counts.
        statement: i64,
        /// The bank's word.
        evidence: String,
    },
    /// Propose that publishing goes on.
    PublishingRelease {
        /// Who compared what with the banks.
        evidence: String,
        /// Batches that went out and will not be entered again.
        #[serde(default)]
        without: Vec<String>,
    },
    /// Approve a proposal.
    Approve {
        /// Its number.
        id: i64,
    },
    /// Withdraw a proposal.
    Withdraw {
        /// Its number.
        id: i64,
    },
    /// Something about refund orders.
    Refund {
        /// What to do.
        what: RefundRequest,
    },
    /// Something about a row that is stuck.
    Stuck {
        /// What to do.
        what: StuckRequest,
        /// Why.
        reason: String,
        /// Only say what would be done.
        dry_run: bool,
    },
}

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Reply {
    /// It goes on.
    Progress {
        /// So much is done
        done: u64,
        /// of so much.
        of: u64,
    },
    /// It is done.
    Done {
        /// In words.
        say: String,
        /// For programs.
        value: serde_json::Value,
    },
    /// It is not done, and nothing was changed.
    Refused {
        /// Why, and what to do.
        say: String,
        /// The list's faults, if it is a list's.
        faults: Vec<FaultLine>,
        /// How many faults there are beyond these.
        beyond: u64,
        /// Whether to try again later.
        is_transient: bool,
    },
}

/// A fault of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultLine {
    /// The row.
    pub line: u64,
    /// The column.
    pub column: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub next: String,
}

impl From<ListFault> for FaultLine {
    fn from(fault: ListFault) -> Self {
        Self { line: fault.line, column: fault.column, what: fault.what, next: fault.next }
    }
}

/// Why the daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("the daemon does not answer on {path} ({source}): is it running (systemctl status bankgate), and are you in its group?", path = .path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The line broke: the act may have been done.
    #[error("the daemon broke off ({0}); look whether it was done (bankgate batch list, bankgate doctor) before you ask again")]
    BrokeOff(String),
    /// The list cannot be read.
    #[error("{path} cannot be read: {source}", path = .path.display())]
    List {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The daemon's ear.
#[derive(Debug)]
pub struct Desk {
    listener: UnixListener,
    path: PathBuf,
}

impl Desk {
    /// Binds the socket. One left by a daemon that died is taken over; one that is answered is not.
    ///
    /// # Errors
    /// Another daemon listens there, or the folder does not allow it.
    pub async fn bind(path: &Path) -> io::Result<Self> {
        match UnixStream::connect(path).await {
            Ok(_) => {
                let busy = format!("another daemon listens on {}: stop it, or give this one another node.socket", path.display());
                return Err(io::Error::new(io::ErrorKind::AddrInUse, busy));
            }
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves callers until it is dropped. Whatever is decided wakes the loop.
    pub async fn serve(self, gateway: Arc<Gateway>, clock: Clock, wake: Arc<Notify>) {
        let seats = Arc::new(Semaphore::new(CALLERS_MAX));
        loop {
            let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a caller could not be taken");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let (gateway, clock, wake) = (Arc::clone(&gateway), clock.clone(), Arc::clone(&wake));
            tokio::spawn(async move {
                if let Err(error) = attend(stream, &gateway, &clock, &wake).await {
                    tracing::debug!(%error, "a caller left");
                }
                drop(seat);
            });
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.path);
    }
}

/// The login of a process's user, by the machine's user database.
fn login_of(uid: u32) -> Result<String, Words> {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => Ok(user.name),
        Ok(None) => Err(Words::new(
            format!("本机没有编号为{uid}的用户；请用自己的账号登录后再操作"),
            format!("this machine knows no user of number {uid}: sign in with your own account"),
        )),
        Err(error) => Err(Words::new(
            format!("无法查询本机用户（{error}），请稍后再试"),
            format!("the user database does not answer ({error}): try again"),
        )),
    }
}

async fn attend(stream: UnixStream, gateway: &Gateway, clock: &Clock, wake: &Notify) -> io::Result<()> {
    let caller = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = String::new();
    let asked = tokio::time::timeout(PATIENCE, (&mut read).take(LINE_MAX).read_line(&mut line)).await;
    if asked.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? == 0 {
        return Ok(());
    }
    let language = gateway.config.language;
    let reply = match (login_of(caller), serde_json::from_str::<Request>(&line)) {
        (Err(words), _) => refused(&OperateError::Refused(words), language),
        (_, Err(error)) => {
            let words = Words::new(
                format!("请求无法理解（{error}）；客户端与守护进程版本是否一致？"),
                format!("the request is not understood ({error}): are client and daemon of one version?"),
            );
            refused(&OperateError::Refused(words), language)
        }
        (Ok(login), Ok(request)) => {
            let done = decide(gateway, clock, &login, request, &mut read, &mut write).await;
            match &done {
                Ok(_) => wake.notify_one(),
                Err(error) => tracing::info!(login, %error, "refused"),
            }
            done.unwrap_or_else(|error| refused(&error, language))
        }
    };
    send(&mut write, &reply).await?;
    write.shutdown().await
}

async fn send(write: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    write.write_all(&line).await
}

fn refused(error: &OperateError, language: Language) -> Reply {
    let (faults, beyond) = match error {
        OperateError::Faults { faults, beyond } => (faults.iter().cloned().map(FaultLine::from).collect(), *beyond),
        OperateError::Refused(_) | OperateError::List(_) | OperateError::Pass(_) | OperateError::Config(_) => (Vec::new(), 0),
    };
    Reply::Refused { say: error.say(language), faults, beyond, is_transient: error.is_transient() }
}

async fn decide(
    gateway: &Gateway,
    clock: &Clock,
    login: &str,
    request: Request,
    read: &mut BufReader<tokio::net::unix::OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
) -> Result<Reply, OperateError> {
    let by = operate::operator(gateway, login).await?;
    let done = |zh: String, en: String, value: serde_json::Value| Ok(Reply::Done { say: gateway.say(Words::new(zh, en)), value });
    match request {
        Request::WhoAmI => {
            let (zh, en) = (format!("{}（{}），角色{}", by.name, by.login, by.role), format!("{} ({}), {}", by.name, by.login, by.role));
            done(zh, en, serde_json::json!({ "login": by.login, "role": by.role, "department": by.department }))
        }
        Request::BatchImport { facts, bytes } => {
            let list = take_list(gateway, read, bytes).await?;
            let imported = import(gateway, clock, &by, &facts, list.path(), write).await?;
            done(
                format!("已导入批次{}：{}笔，{}元，待审核", imported.number, imported.count, imported.total),
                format!("imported batch {}: {} rows, {}, to be approved", imported.number, imported.count, imported.total),
                serde_json::json!({ "batch": imported.number, "count": imported.count, "fen": imported.total }),
            )
        }
        Request::BatchApprove { number } => {
            let digest = approve_batch(gateway, &by, &number, clock.now()).await?;
            let value = serde_json::json!({ "batch": number, "digest": digest });
            done(format!("批次{number}已审核，摘要{digest}"), format!("batch {number} is approved, digest {digest}"), value)
        }
        Request::BatchReview { number } => {
            review_batch(gateway, &by, &number, clock.now()).await?;
            done(format!("批次{number}已复核"), format!("batch {number} is reviewed"), serde_json::json!({ "batch": number }))
        }
        Request::BatchRelease { number } => {
            release_batch(gateway, &by, &number, clock.now()).await?;
            done(format!("批次{number}已发放"), format!("batch {number} is released"), serde_json::json!({ "batch": number }))
        }
        Request::BatchCancel { number, reason } => {
            let (proposal, effect) = cancel_batch(gateway, &by, &number, &reason, clock.now()).await?;
            let value = serde_json::json!({ "batch": number, "proposal": proposal, "effect": effect });
            match proposal {
                None => done(format!("批次{number}已撤销"), format!("batch {number} is taken back"), value),
                Some(id) => done(
                    format!("已提出事项{id}，须由另一人批准：bankgate approve {id}（{effect}）"),
                    format!("proposal {id}; another person approves it: bankgate approve {id} ({effect})"),
                    value,
                ),
            }
        }
        Request::PublicationPosted { batch } => {
            let say = publication::posted(gateway, &by, &batch, clock.now()).await?;
            Ok(Reply::Done { say, value: serde_json::json!({ "batch": batch }) })
        }
        Request::PaymentResolve { reference, paid, part_fen, evidence } => {
            let Some(EndToEndId(id)) = EndToEndId::parse(&reference) else {
                return OperateError::refused(
                    format!("“{reference}”不是支付编号（BG加16位数字，末位校验）"),
                    format!("{reference:?} is no reference of ours (BG and 16 digits, the last a check digit)"),
                );
            };
            let act = if paid { Act::ResolvePaid } else { Act::ResolveFailed };
            let (id, effect) = match part_fen {
                Some(part) => propose_partly(gateway, &by, id, Fen::new(part), &evidence, clock.now()).await?,
                None => propose_resolve(gateway, &by, id, act, &evidence, clock.now()).await?,
            };
            let value = serde_json::json!({ "proposal": id, "effect": effect });
            done(
                format!("已提出事项{id}：{effect}\n请另一人执行 `bankgate approve {id}`"),
                format!("proposal {id}: {effect}\nanother person runs `bankgate approve {id}`"),
                value,
            )
        }
        Request::SwitchPayments { source, dry_run, bytes } => {
            let list = take_list(gateway, read, bytes).await?;
            let it = import_paid(gateway, &by, (&source, dry_run), list.path(), clock.now()).await?;
            let (zh, en) = if dry_run { ("校验通过，未写入", "would import") } else { ("已导入", "imported") };
            let live = it.live;
            done(
                format!(
                    "{zh}原渠道{source}已发放明细{}笔，{}元；其中{live}笔在本系统也在发放；{}笔所属项目允许同期多次发放，不作重复校验",
                    it.count, it.total, it.several
                ),
                format!(
                    "{en} {} payments of {source}, {}; {live} are in payment here too; {} are of projects that pay several times",
                    it.count, it.total, it.several
                ),
                serde_json::json!({ "source": source, "dry_run": dry_run, "count": it.count, "fen": it.total, "live": live, "several": it.several }),
            )
        }
        Request::SwitchBalances { source, bytes } => {
            let list = take_list(gateway, read, bytes).await?;
            let (id, effect) = propose_openings(gateway, &by, &source, list.path(), clock.now()).await?;
            let value = serde_json::json!({ "proposal": id, "effect": effect });
            done(
                format!("已提出事项{id}：{effect}\n请另一人执行 `bankgate approve {id}`"),
                format!("proposal {id}: {effect}\nanother person runs `bankgate approve {id}`"),
                value,
            )
        }
        Request::PublishingRelease { evidence, without } => {
            let (id, effect) = propose_release(gateway, &by, &evidence, &without, clock.now()).await?;
            let value = serde_json::json!({ "proposal": id, "effect": effect });
            done(
                format!("已提出事项{id}：{effect}\n请另一人执行 `bankgate approve {id}`"),
                format!("proposal {id}: {effect}\nanother person runs `bankgate approve {id}`"),
                value,
            )
        }
        Request::EvidenceWhole { batch } => {
            let head = evidence_whole(gateway, &by, &batch, clock.now()).await?;
            let value = serde_json::json!({ "batch": batch, "head": head });
            done(
                format!("已记录：{}导出批次{batch}的完整证据，审计链{head}", by.name),
                format!("recorded: {} takes the whole evidence of batch {batch}; head {head}", by.login),
                value,
            )
        }
        Request::Case { id, what } => cases::case(gateway, &by, id, what, clock.now()).await,
        Request::CorrectionImport { facts, bytes } => {
            let list = take_list(gateway, read, bytes.min(cases::WORKBOOK_MAX + 1)).await?;
            cases::correction(gateway, &by, &facts, list.path(), clock.now()).await
        }
        Request::Close { is_year, period, department, project } => {
            let which = Which { period: period.clone(), department, project };
            let standings = if is_year {
                close_year(gateway, &by, &which, false, clock.now()).await?
            } else {
                close_month(gateway, &by, &which, false, clock.now()).await?
            };
            let (all, sealed) = (standings.len(), standings.iter().filter(|s| s.state == "sealed").count());
            let value = serde_json::json!(standings);
            done(format!("{period}：{all}户，已封存{sealed}户"), format!("{period}: {sealed} of {all} are sealed"), value)
        }
        Request::FileEnquire { id } => asked(gateway, enquire_file(gateway, &by, id, clock.now()).await?),
        Request::PaymentEnquire { reference } => {
            let Some(EndToEndId(id)) = EndToEndId::parse(&reference) else {
                return OperateError::refused(
                    format!("“{reference}”不是支付编号（BG加16位数字，末位校验）"),
                    format!("{reference:?} is no reference of ours (BG and 16 digits, the last a check digit)"),
                );
            };
            asked(gateway, enquire_payment(gateway, &by, id, clock.now()).await?)
        }
        Request::StatementMatch { statement, line, to, reason } => {
            let (id, effect) = propose_match(gateway, &by, (statement, line), &to, &reason, clock.now()).await?;
            let value = serde_json::json!({ "proposal": id, "effect": effect });
            done(
                format!("已提出事项{id}：{effect}\n请另一人执行 `bankgate approve {id}`"),
                format!("proposal {id}: {effect}\nanother person runs `bankgate approve {id}`"),
                value,
            )
        }
        Request::SwitchReturned { opening, receipt } => {
            let (id, effect) = propose_returned(gateway, &by, opening, &receipt, clock.now()).await?;
            let value = serde_json::json!({ "proposal": id, "effect": effect });
            done(
                format!("已提出事项{id}：{effect}\n请另一人执行 `bankgate approve {id}`"),
                format!("proposal {id}: {effect}\nanother person runs `bankgate approve {id}`"),
                value,
            )
        }
        Request::StatementChoose { statement, evidence } => {
            let (id, effect) = propose_choice(gateway, &by, statement, &evidence, clock.now()).await?;
            let value = serde_json::json!({ "proposal": id, "effect": effect });
            done(
                format!("已提出事项{id}：{effect}\n请另一人执行 `bankgate approve {id}`"),
                format!("proposal {id}: {effect}\nanother person runs `bankgate approve {id}`"),
                value,
            )
        }
        Request::Approve { id } => {
            let effect = approve(gateway, &by, id, clock.now()).await?;
            done(
                format!("事项{id}已办理：{effect}"),
                format!("proposal {id} is done: {effect}"),
                serde_json::json!({ "proposal": id, "effect": effect }),
            )
        }
        Request::Withdraw { id } => {
            withdraw(gateway, &by, id, clock.now()).await?;
            done(format!("事项{id}已撤回"), format!("proposal {id} is withdrawn"), serde_json::json!({ "proposal": id }))
        }
        Request::Refund { what } => refunds::refund(gateway, &by, what, clock.now()).await,
        Request::Stuck { what, reason, dry_run } => stuck::stuck(gateway, &by, what, (&reason, dry_run), clock.now()).await,
    }
}

fn asked(gateway: &Gateway, (name, rows): (String, u64)) -> Result<Reply, OperateError> {
    let say = gateway.say(Words::new(
        format!("将以文件{name}向银行查询{rows}笔；答复到达后自动入账"),
        format!("the bank is asked about {rows} payments by file {name}; its answer is applied by itself"),
    ));
    Ok(Reply::Done { say, value: serde_json::json!({ "enquiry": name, "rows": rows }) })
}

/// Imports while the caller hears how far it is.
async fn import(
    gateway: &Gateway,
    clock: &Clock,
    by: &Operator,
    facts: &ImportFacts,
    list: &Path,
    write: &mut OwnedWriteHalf,
) -> Result<operate::import::Imported, OperateError> {
    let (sender, mut heard) = mpsc::channel(8);
    let work = async {
        // A caller too slow to hear misses some; a caller who left does not stop what was begun.
        let tell = move |done, of| _ = sender.try_send(Reply::Progress { done, of });
        import_batch(gateway, by, facts, list, &tell, clock.now()).await
    };
    let talk = async {
        while let Some(progress) = heard.recv().await {
            if send(write, &progress).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(work, talk).0
}

/// Puts the list's bytes into a file of the daemon's own, which goes when it is dropped.
async fn take_list(gateway: &Gateway, read: &mut (impl AsyncRead + Unpin), bytes: u64) -> Result<tempfile::NamedTempFile, OperateError> {
    if bytes > LIST_MAX {
        return OperateError::refused("清单文件过大，请分批导入", "the list is too large: split it");
    }
    let dir = &gateway.config.node.state_dir;
    let file = tempfile::Builder::new().prefix("list-").tempfile_in(dir).map_err(PassError::local("keep the list in", dir))?;
    let mut out = tokio::fs::File::from_std(file.reopen().map_err(PassError::local("keep the list in", dir))?);
    let copied = tokio::io::copy(&mut read.take(bytes), &mut out).await.map_err(PassError::local("keep the list in", dir))?;
    out.flush().await.map_err(PassError::local("keep the list in", dir))?;
    if copied != bytes {
        return OperateError::refused("清单传输中断，未导入任何数据", "the list broke off on its way; nothing of it was taken");
    }
    Ok(file)
}

/// Asks the daemon, and hears it out.
///
/// # Errors
/// Nobody listens; the list cannot be read; the line broke.
pub async fn ask(socket: &Path, request: &Request, list: Option<&Path>, progress: &mut dyn FnMut(u64, u64)) -> Result<Reply, AskError> {
    let stream = UnixStream::connect(socket).await.map_err(|source| AskError::Unreachable { path: socket.to_owned(), source })?;
    let broke = |e: &dyn fmt::Display| AskError::BrokeOff(e.to_string());
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(request).map_err(|e| broke(&e))?;
    line.push(b'\n');
    write.write_all(&line).await.map_err(|e| broke(&e))?;
    if let Some(path) = list {
        let unreadable = |source| AskError::List { path: path.to_owned(), source };
        let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
        // A daemon that refused at once has closed its ear; what it said is still to be heard.
        if let Err(error) = tokio::io::copy(&mut file, &mut write).await {
            tracing::debug!(%error, "the daemon stopped listening");
        }
    }
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await.map_err(|e| broke(&e))? {
        match serde_json::from_str(&line).map_err(|e| broke(&e))? {
            Reply::Progress { done, of } => progress(done, of),
            last @ (Reply::Done { .. } | Reply::Refused { .. }) => return Ok(last),
        }
    }
    Err(broke(&"no answer"))
}
