//! A bank is a world of its own: it takes what lies in its inbox, credits every line of every copy, and says what it likes of it,
//! when it likes. Its ledger is what the auditor believes.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng as _;
use sha2::{Digest as _, Sha256};

use super::books::{Move, credit, debit, paid_in, state};
use super::papers::{CLEARING, SPLIT, Slip, Word, gbk, read, result, ungbk, yuan};
use super::port::{Fault, File, Outside};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Why a line is not credited; what goes back to the treasury twice as often.
const FAILURES: [&str; 7] = ["账户已挂失", "户名不符", "持卡人已死亡", "系统忙", "账户已销户", "账号不存在", "持卡人已死亡"];

/// One bank.
#[derive(Clone, Debug, Default)]
pub struct Bank {
    /// Every file that it took, in order.
    pub taken: Vec<Taken>,
    /// What it will do, by when.
    pub agenda: BTreeMap<(i64, u64), Act>,
    /// Of what it credited, it said in a file that it had not. Entitlements, by their amounts.
    pub denied: BTreeSet<i64>,
    /// Of what it did not credit, it said that it had.
    pub boasted: BTreeSet<i64>,
    /// Files that it wrote it has not executed, and will not.
    pub barred: BTreeSet<String>,
    /// What moved on the payer's account.
    pub moves: Vec<Move>,
    /// The first midnight.
    pub start_ms: i64,
    order: u64,
}

/// A file that it took.
#[derive(Clone, Debug)]
pub struct Taken {
    pub slip: Slip,
    pub sha256: String,
    pub lines: Vec<Line>,
}

/// What became of a line.
#[derive(Clone, Debug)]
pub struct Line {
    /// When its fate is known, and what it is.
    settles_at: i64,
    fate: Word,
    pub is_settled: bool,
    /// Credited, and not sent back.
    pub credited: bool,
    /// Credited once, whatever came of it.
    pub was_credited: bool,
    /// Credited, and the payee brought it back.
    pub repaid: bool,
}

/// What a bank does some day.
#[derive(Clone, Debug)]
pub enum Act {
    /// A line's fate is known.
    Settle(usize, usize),
    /// It acknowledges.
    Ack(usize),
    /// It answers a file.
    Answer(usize, How),
    /// It puts these bytes out.
    Put(String, Vec<u8>),
    /// A credit comes back.
    GiveBack(usize, usize),
    /// A payee brings the money back.
    Repay(usize, usize),
    /// It gives the statement of a day.
    State(i64),
    /// It answers an enquiry.
    Enquired(String, Vec<u8>),
}

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Truly,
    Wrongly,
    Otherwise,
}

impl Bank {
    /// Its first day begins at this midnight.
    pub fn opened(start_ms: i64) -> Self {
        Self { start_ms, ..Self::default() }
    }

    pub fn plan(&mut self, at: i64, act: Act) {
        self.order += 1;
        self.agenda.insert((at, self.order), act);
    }
}

/// The bank takes what is ready in its inbox: without a flag of its own where it waits for none.
pub fn take(out: &mut Outside, code: &'static str) {
    let paths: Vec<String> = out.boxes[code].files.keys().filter(|p| p.starts_with("inbox/") && !p.ends_with("/.")).cloned().collect();
    for path in paths {
        let name = path.trim_start_matches("inbox/").to_owned();
        if name.ends_with(".part") || name.ends_with(".ok") {
            continue;
        }
        if name.contains(".q") {
            let Some(file) = out.boxes.get_mut(code).unwrap().files.remove(&path) else { continue };
            let at = out.now_ms + out.rng.random_range(1..30) * HOUR;
            out.banks.get_mut(code).unwrap().plan(at, Act::Enquired(name, file.bytes));
            continue;
        }
        let flag = format!("{path}.ok");
        if code == CLEARING && !out.boxes[code].files.contains_key(&flag) {
            continue;
        }
        let folder = out.boxes.get_mut(code).unwrap();
        let File { bytes, .. } = folder.files.remove(&path).unwrap();
        folder.files.remove(&flag);
        if out.banks[code].barred.contains(&name) {
            out.say(&format!("{code} throws {name} away, as it wrote"));
            continue;
        }
        accept(out, code, name, bytes);
    }
}

/// It reads a file and credits what it will credit.
fn accept(out: &mut Outside, code: &'static str, path: String, bytes: Vec<u8>) {
    let sha256 = hex::encode(Sha256::digest(&bytes));
    out.say(&format!("{code} takes {path} {}", &sha256[..8]));
    let orders = read(code, &bytes);
    let now = out.now_ms;
    let (mut lines, mut settled) = (Vec::new(), now);
    for _ in &orders {
        let fate = match out.rng.random_range(0..100) {
            0..82 => Word::Paid,
            _ => Word::Failed(FAILURES[out.rng.random_range(0..FAILURES.len())]),
        };
        let waits = out.strikes_in(Fault::Processing, 8);
        let settles_at = if waits { now + out.rng.random_range(1..6) * DAY } else { now };
        settled = settled.max(settles_at);
        let credited = !waits && fate == Word::Paid;
        lines.push(Line { settles_at, fate, is_settled: !waits, credited, was_credited: credited, repaid: false });
    }
    let bank = out.banks.get_mut(code).unwrap();
    let id = bank.taken.len();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.settles_at > now) {
        bank.plan(line.settles_at, Act::Settle(id, at));
    }
    bank.taken.push(Taken { slip: Slip { bank: code, path, bytes, orders }, sha256, lines });
    debit(out, code, id, None);
    if code == CLEARING && !out.strikes_in(Fault::Late, 6) {
        let at = now + out.rng.random_range(1..100) * MINUTE;
        out.banks.get_mut(code).unwrap().plan(at, Act::Ack(id));
    }
    plan_answers(out, code, id, settled);
}

/// When and how it will answer a file.
fn plan_answers(out: &mut Outside, code: &'static str, id: usize, settled: i64) {
    let now = out.now_ms;
    let first = match () {
        () if out.strikes_in(Fault::Late, 25) => return,
        () if out.strikes_in(Fault::Late, 5) => now + out.rng.random_range(2..12) * DAY,
        () => now + out.rng.random_range(2..1_600) * MINUTE,
    };
    let how = if out.strikes_in(Fault::Wrong, 6) { How::Wrongly } else { How::Truly };
    let tells = out.rng.random_range(0..4) != 0;
    let (contradicts, later) = (out.strikes_in(Fault::Contradicts, 8), out.rng.random_range(1..5) * DAY);
    let after = out.rng.random_range(2..40) * HOUR;
    let bank = out.banks.get_mut(code).unwrap();
    bank.plan(first, Act::Answer(id, how));
    if how == How::Wrongly && tells {
        bank.plan(first + after, Act::Answer(id, How::Truly));
    }
    if settled > first && tells {
        bank.plan(settled + after, Act::Answer(id, How::Truly));
    }
    if contradicts {
        bank.plan(first + later, Act::Answer(id, How::Otherwise));
    }
}

/// Does what is due by now. Says whether it did anything.
pub fn due(out: &mut Outside, code: &'static str) -> bool {
    let mut did = false;
    while let Some(entry) = out.banks.get_mut(code).unwrap().agenda.first_entry() {
        if entry.key().0 > out.now_ms {
            break;
        }
        let act = entry.remove();
        did = true;
        perform(out, code, act);
    }
    did
}

fn perform(out: &mut Outside, code: &'static str, act: Act) {
    match act {
        Act::Settle(id, at) => {
            let line = &mut out.banks.get_mut(code).unwrap().taken[id].lines[at];
            line.is_settled = true;
            line.credited = line.fate == Word::Paid;
            line.was_credited = line.credited;
            debit(out, code, id, Some(at));
            out.say(&format!("{code} settles {id}/{at}"));
        }
        Act::Ack(id) => {
            let slip = out.banks[code].taken[id].slip.clone();
            let total: i64 = slip.orders.iter().map(|o| o.fen).sum();
            let text = format!("{:<8}|{}|{total}|受理成功\n", "00000000", slip.orders.len());
            out.put(code, &slip.path.replace(".dat", ".ack"), gbk(&text));
        }
        Act::Answer(id, how) => answer(out, code, id, how),
        Act::Put(path, bytes) => out.put(code, &path, bytes),
        Act::GiveBack(id, at) => give_back(out, code, id, at),
        Act::Repay(id, at) => repay(out, code, id, at),
        Act::State(day) => state(out, code, day),
        Act::Enquired(name, bytes) => enquired(out, code, &name, &bytes),
    }
}

/// What it knows of a line by now.
const fn known(line: &Line) -> Word {
    if line.is_settled { line.fate } else { Word::Processing }
}

fn answer(out: &mut Outside, code: &'static str, id: usize, how: How) {
    let now = out.now_ms;
    let slip = out.banks[code].taken[id].slip.clone();
    let mut words: Vec<Word> = out.banks[code].taken[id].lines.iter().map(known).collect();
    if how == How::Otherwise {
        let at = out.rng.random_range(0..words.len());
        words[at] = if words[at] == Word::Paid { Word::Failed(FAILURES[1]) } else { Word::Paid };
    }
    for (at, word) in words.iter_mut().enumerate() {
        if *word == Word::Paid && out.strikes_in(Fault::Lies, 30) {
            *word = Word::Failed(FAILURES[at % FAILURES.len()]);
        }
    }
    let mut files = result(&slip, &words);
    if how == How::Wrongly {
        spoil(out, code, &slip, &words, &mut files);
    }
    let bank = out.banks.get_mut(code).unwrap();
    for (order, (word, line)) in slip.orders.iter().zip(words.iter().zip(&bank.taken[id].lines)) {
        match word {
            Word::Failed(_) if line.was_credited || !line.is_settled => drop(bank.denied.insert(order.fen)),
            Word::Paid if !line.was_credited => drop(bank.boasted.insert(order.fen)),
            Word::Paid | Word::Failed(_) | Word::Processing => {}
        }
    }
    let grows = out.strikes_in(Fault::Growing, 6);
    let repeats = out.strikes_in(Fault::Repeat, 5);
    let later = now + out.rng.random_range(1..60) * HOUR;
    for (path, bytes) in files {
        let half = bytes.len() / 2;
        if grows && !path.ends_with(".ok") {
            out.put(code, &path, bytes[..half].to_vec());
            out.banks.get_mut(code).unwrap().plan(now + 3 * MINUTE, Act::Put(path.clone(), bytes.clone()));
        } else if grows {
            // The flag comes behind its file.
            out.banks.get_mut(code).unwrap().plan(now + 4 * MINUTE, Act::Put(path.clone(), bytes.clone()));
        } else {
            out.put(code, &path, bytes.clone());
        }
        if repeats {
            out.banks.get_mut(code).unwrap().plan(later, Act::Put(path, bytes));
        }
    }
    if code == SPLIT && how == How::Truly {
        for (at, word) in words.iter().enumerate() {
            if *word == Word::Paid && out.strikes_in(Fault::Returns, 10) {
                let days = out.rng.random_range(1..35);
                out.banks.get_mut(code).unwrap().plan(now + days * DAY, Act::GiveBack(id, at));
            }
        }
    }
}

/// Makes an answer wrong: a line is missing, an amount is another, or it stands under another file's name.
fn spoil(out: &mut Outside, code: &'static str, slip: &Slip, words: &[Word], files: &mut Vec<(String, Vec<u8>)>) {
    match out.rng.random_range(0..3) {
        0 if slip.orders.len() > 1 => {
            let mut shorter = slip.clone();
            shorter.orders.pop();
            if code != CLEARING {
                *files = result(&shorter, &words[..words.len() - 1]);
            }
        }
        1 => {
            let mut other = slip.clone();
            other.orders[0].fen += 100;
            *files = result(&other, words);
        }
        _ => {
            let others: Vec<Slip> = out.banks[code].taken.iter().map(|t| t.slip.clone()).filter(|s| s.path != slip.path).collect();
            if !others.is_empty() {
                let other = &others[out.rng.random_range(0..others.len())];
                let named = Slip { path: other.path.clone(), ..slip.clone() };
                *files = result(&named, words);
            }
        }
    }
}

/// A credit comes back (退票): the money is off the card again.
fn give_back(out: &mut Outside, code: &'static str, id: usize, at: usize) {
    let line = &mut out.banks.get_mut(code).unwrap().taken[id].lines[at];
    if !line.credited {
        return;
    }
    line.credited = false;
    let slip = out.banks[code].taken[id].slip.clone();
    let o = &slip.orders[at];
    let stem = slip.path.strip_prefix("YHDF__").unwrap().strip_suffix(".TXT").unwrap();
    let mut name = gbk(&o.name);
    name.resize(name.len().max(20), b' ');
    name.extend(gbk(";退票:账户已销户"));
    let mut file = gbk(&format!("{}|", o.id));
    file.extend(name);
    file.extend(gbk(&format!("|{}|{}|{}\n", o.id, yuan(o.fen), o.reference)));
    let (fen, reference) = (o.fen, o.reference.clone());
    out.put(code, &format!("YHDFTP{stem}_T.TXT"), file);
    credit(out, code, fen, &reference);
}

/// A payee who had no right to it pays it into the payer's account: over the counter, or with the payment's own reference.
fn repay(out: &mut Outside, code: &'static str, id: usize, at: usize) {
    let names_it = out.rng.random_range(0..3) == 0;
    let taken = &mut out.banks.get_mut(code).unwrap().taken[id];
    if !taken.lines[at].credited {
        return;
    }
    (taken.lines[at].credited, taken.lines[at].repaid) = (false, true);
    let order = taken.slip.orders[at].clone();
    out.say(&format!("{code} {} is brought back", order.fen));
    paid_in(out, code, &order, names_it);
}

/// It looks up what it was asked about.
fn enquired(out: &mut Outside, code: &'static str, name: &str, asked: &[u8]) {
    let (stem, day) = name.split_once(".q").unwrap();
    let Some(taken) = out.banks[code].taken.iter().find(|t| t.slip.path == format!("{stem}.dat")).cloned() else { return };
    let asked = ungbk(asked);
    let lines: Vec<usize> = asked.lines().skip(1).map(|l| l.split('|').next().unwrap().parse().unwrap()).collect();
    let total: i64 = lines.iter().map(|line| taken.slip.orders[line - 1].fen).sum();
    let mut text = format!("R|LS0001|{}|{}|{total}\n", &stem[9..], lines.len());
    for line in &lines {
        let order = &taken.slip.orders[line - 1];
        let (status, words) = match known(&taken.lines[line - 1]) {
            Word::Paid => ("00000000", "入账成功"),
            Word::Failed(why) => ("TPM999", why),
            Word::Processing => ("", "处理中"),
        };
        text.push_str(&format!("{line}|{}|{}|{status}|{words}\n", order.reference, order.fen));
    }
    text.push_str(&format!("T|{}\n", lines.len()));
    out.put(code, &format!("{stem}.r{day}"), gbk(&text));
}

impl Taken {
    /// What its books show of an entitlement: nothing to be said before it is settled.
    pub fn fate_of(&self, fen: i64) -> Option<bool> {
        let at = self.slip.orders.iter().position(|o| o.fen == fen)?;
        let line = &self.lines[at];
        line.is_settled.then_some(line.credited)
    }
}
