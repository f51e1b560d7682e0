//! The floors: the bare work on the same rows, with nothing checked, kept or booked.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bankgate::clock::Stopwatch;
use bankgate::transport::Transport;

use crate::bank;
use crate::city::BANK;
use crate::far;
use crate::harness::postgres::Postgres;
use crate::harness::run;
use crate::harness::sshd::Sshd;

/// How often each bare step is done.
const ROUNDS: usize = 3;

/// How long each bare step took.
#[derive(Debug)]
pub struct Floors {
    /// The payment columns of a file, out of a table.
    pub copy_to: Duration,
    /// The same into a logged table with a primary key.
    pub copy_from: Duration,
    /// The results into a logged table with a primary key.
    pub copy_results: Duration,
    /// The payment files, by OpenSSH's own client.
    pub sftp_put: Duration,
    /// The result files, likewise.
    pub sftp_get: Duration,
}

/// The bare exchange by a Python script.
#[derive(Debug)]
pub struct Python {
    /// Database to the bank's folder.
    pub out: Duration,
    /// From the bank's folder to the database.
    pub back: Duration,
}

/// Where the bank's server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this machine.
    Near,
    /// 50 ms there and back.
    Far,
}

/// One large file there and back, by us and by OpenSSH's client.
#[derive(Debug)]
pub struct Wire {
    /// Between us and whom.
    pub place: Place,
    /// How large the file was, in MiB.
    pub mib: usize,
    /// Ours, up and down.
    pub ours: [Duration; 2],
    /// Theirs, up and down.
    pub theirs: [Duration; 2],
}

fn timed(work: impl FnOnce()) -> Duration {
    let watch = Stopwatch::start();
    work();
    watch.elapsed()
}

/// The columns that a payment file needs, as a table that is filled by the same arithmetic as the city's list.
const SOURCE: &str = "create table source as select n as id, n as seq, 'P' || lpad(n::text, 15, '0') as reference, \
     (array['王珅','李小明','阿牛·木呷','欧阳億'])[n % 4 + 1] as payee_name, '51112319700101' || lpad((n % 10000)::text, 4, '0') as payee_id, \
     '62170012' || lpad(n::text, 11, '0') as account, '102665000015' as bank_code, '138' || lpad((n % 100000000)::text, 8, '0') as mobile, \
     (10000 + n % 977)::bigint as amount_fen, '耕地补贴' as remark from generate_series(1::bigint, $N) n";

const COLUMNS: &str = "id, seq, reference, payee_name, payee_id, account, bank_code, mobile, amount_fen, remark";

/// Does the bare work, step by step, each step three times: the medians.
pub fn measure(postgres: &Postgres, url: &str, sshd: &Sshd, root: &Path, payments: usize) -> Floors {
    postgres.psql(url, &SOURCE.replace("$N", &payments.to_string()));
    postgres.psql(url, "vacuum analyze source");
    let (rows, results) = (root.join("floor.rows"), root.join("floor.results"));
    let copy = |sql: &str, to: &str, path: &Path| {
        postgres.psql(url, &format!("\\copy {sql} {to} '{}'", path.display()));
    };
    let said = "(select 1, id, id, account, amount_fen, case when id % 50 = 0 then 'failed' else 'paid' end, \
                case when id % 50 = 0 then 'ACCT_NOT_FOUND' else '' end, '', case when id % 50 = 0 then 'CB1004' else '00000000' end, '' from source)";
    copy(said, "to", &results);
    let (put, get) = errands(sshd, root);
    let mut times: [Vec<Duration>; 5] = Default::default();
    for _ in 0..ROUNDS {
        postgres.psql(url, "drop table if exists target, result");
        postgres.psql(url, "create table target (like source, primary key (id))");
        postgres.psql(
            url,
            "create table result (file_in bigint, line bigint, instruction_id bigint, account text, amount_fen bigint, outcome text, \
             reason text, class text, raw_code text, raw_text text, primary key (file_in, line))",
        );
        times[0].push(timed(|| copy(&format!("(select {COLUMNS} from source order by id)"), "to", &rows)));
        times[1].push(timed(|| copy(&format!("target ({COLUMNS})"), "from", &rows)));
        times[2].push(timed(|| copy("result", "from", &results)));
        times[3].push(timed(|| sftp(sshd, root, &put)));
        times[4].push(timed(|| sftp(sshd, root, &get)));
    }
    let [copy_to, copy_from, copy_results, sftp_put, sftp_get] = times.map(median);
    Floors { copy_to, copy_from, copy_results, sftp_put, sftp_get }
}

fn median(mut of: Vec<Duration>) -> Duration {
    of.sort_unstable();
    of[of.len() / 2]
}

/// What `sftp` is to put and to get: the files that the product sent, and those that the bank answered.
fn errands(sshd: &Sshd, root: &Path) -> (String, String) {
    let mailbox = sshd.root.join(BANK);
    let sent = bank::requests(&mailbox);
    let mine = root.join("floor.sftp");
    std::fs::create_dir_all(&mine).unwrap();
    std::fs::create_dir_all(sshd.root.join("floor")).unwrap();
    open_to_all(&sshd.root.join("floor"));
    let (mut put, mut get) = (String::new(), String::new());
    for (at, name) in sent.iter().enumerate() {
        std::fs::copy(mailbox.join("inbox").join(name), mine.join(at.to_string())).unwrap();
        put.push_str(&format!("put {}/{at} floor/{at}\n", mine.display()));
        get.push_str(&format!("get {BANK}/outbox/{} {}/back-{at}\n", name.display(), mine.display()));
    }
    (put, get)
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
}

/// OpenSSH's own client on a batch of commands.
fn sftp(sshd: &Sshd, root: &Path, batch: &str) {
    sftp_at(sshd, sshd.port, root, batch);
}

fn sftp_at(sshd: &Sshd, port: u16, root: &Path, batch: &str) {
    let (list, known) = (root.join("sftp.batch"), root.join("known_hosts"));
    std::fs::write(&list, batch).unwrap();
    std::fs::write(&known, format!("[127.0.0.1]:{port} {}\n", sshd.host_key_line)).unwrap();
    let mut command = Command::new("sftp");
    command.args(["-q", "-P", &port.to_string(), "-o", "BatchMode=yes", "-o"]);
    command.arg(format!("UserKnownHostsFile={}", known.display())).arg("-i").arg(root.join("key")).arg("-b").arg(&list);
    run(command.arg(format!("{}@127.0.0.1", sshd.user)));
}

/// The bare exchange as a good script does it.
pub fn python(postgres: &Postgres, url: &str, sshd: &Sshd, root: &Path) -> Python {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let venv = house.join("target/venv-bench");
    let python = venv.join("bin/python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    }
    let requirements = house.join("benches/requirements.txt");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(requirements));
    postgres.psql(url, "create table answered (reference text primary key, code text, fen bigint)");
    let script = house.join("benches/bare_exchange.py");
    let said = run(Command::new(&python)
        .arg(script)
        .args(["--url", url, "--port", &sshd.port.to_string(), "--user", &sshd.user, "--key"])
        .arg(root.join("key"))
        .arg("--scratch")
        .arg(root));
    let millis: Vec<u64> = said.split_whitespace().map(|word| word.parse().unwrap_or_else(|_| panic!("{said}"))).collect();
    let [out, back] = millis[..] else { panic!("{said}") };
    Python { out: Duration::from_millis(out), back: Duration::from_millis(back) }
}

/// One file of 200 MiB there and back, medians of three, each time by both, session and all. Both put it on the disk: what we send
/// and what we keep is flushed, and so theirs is asked to flush (`-f`).
pub fn wire(sshd: &Sshd, root: &Path, runtime: &tokio::runtime::Runtime, place: Place) -> Wire {
    let (source, mib) = (root.join("wire"), 200);
    std::fs::write(&source, vec![b'7'; mib << 20]).unwrap();
    let mut endpoint = sshd.endpoint();
    if place == Place::Far {
        endpoint.port = far::door(sshd.port);
    }
    let port = endpoint.port;
    let transport = Transport::Sftp(endpoint);
    let mut times: [Vec<Duration>; 4] = Default::default();
    for round in 0..ROUNDS {
        let (up, down) = (format!("floor/{place:?}-{round}"), root.join(format!("{place:?}-{round}")));
        times[0].push(timed(|| {
            runtime.block_on(async { transport.open().await.unwrap().put_new(&up, &source).await.unwrap() });
        }));
        times[1].push(timed(|| {
            runtime.block_on(async { transport.open().await.unwrap().get(&up, &down).await.unwrap() });
        }));
        times[2].push(timed(|| sftp_at(sshd, port, root, &format!("put -f {} {up}-theirs\n", source.display()))));
        times[3].push(timed(|| sftp_at(sshd, port, root, &format!("get -f {up}-theirs {}-theirs\n", down.display()))));
    }
    let [a, b, c, d] = times.map(median);
    Wire { place, mib, ours: [a, b], theirs: [c, d] }
}
