//! What the banks' own ledgers say of our rows.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::super::books::day_of;
use super::super::port::Outside;
use super::{DAY, FREE, FileOut, Picture, Verdict, Violation};

/// How often each entitlement was credited at the banks and did not come off the card again: whoever brought it back had no
/// right to it, and is not paid again.
pub(super) fn credits(out: &Outside) -> BTreeMap<i64, usize> {
    let mut credits: BTreeMap<i64, usize> = BTreeMap::new();
    for bank in out.banks.values() {
        for taken in &bank.taken {
            for (order, line) in taken.slip.orders.iter().zip(&taken.lines) {
                *credits.entry(order.fen).or_default() += usize::from(line.credited || line.repaid);
            }
        }
    }
    credits
}

/// What the banks' own books say of our rows.
pub(super) fn against_the_banks(p: &Picture, out: &Outside, forgotten: &BTreeSet<(String, String)>) -> Verdict {
    nobody_is_credited_twice(out)?;
    takes_are_what_was_sealed(p, out, forgotten)?;
    recovered_money_is_back(p, out)?;
    freed_money_was_not_credited(p, out)
}

/// Recovered is what somebody brought back.
fn recovered_money_is_back(p: &Picture, out: &Outside) -> Verdict {
    for i in p.instructions.iter().filter(|i| i.state == "recovered") {
        require!(
            repaid(out).contains(&i.amount),
            "5: recovered money is back",
            "{} is recovered, and nobody brought {} back",
            i.id,
            i.amount
        );
    }
    Ok(())
}

/// What we have moved away at the banks: bank and hash, and whose place it takes by its name.
pub(super) fn put_away(out: &Outside, not: &BTreeSet<(String, String)>) -> BTreeMap<(String, String), i64> {
    let boxes = out.boxes.iter();
    let files = boxes.flat_map(|(code, folder)| folder.files.iter().map(move |(path, file)| (code, path, file)));
    // A flag says nothing by its bytes.
    let away = files.filter(|(_, path, file)| path.starts_with("done/") && !file.bytes.is_empty());
    let away = away.filter(|(code, path, _)| !not.contains(&((**code).to_owned(), (*path).clone())));
    let number = |path: &str| path.rsplit('.').next().and_then(|number| number.split('-').next()?.parse().ok());
    let id = |path: &str| number(path).unwrap_or_default();
    away.map(|(code, path, file)| (((*code).to_owned(), hex::encode(Sha256::digest(&file.bytes))), id(path))).collect()
}

pub(super) fn repaid(out: &Outside) -> BTreeSet<i64> {
    let taken = out.banks.values().flat_map(|bank| &bank.taken);
    let lines = taken.flat_map(|taken| taken.slip.orders.iter().zip(&taken.lines));
    lines.filter(|(_, line)| line.repaid).map(|(order, _)| order.fen).collect()
}

/// What each person was credited for each period, under whatever number a list had named him: by card and identity number, of which
/// some banks hear one.
fn people(out: &Outside) -> BTreeMap<(&str, &str, &str), Vec<i64>> {
    let mut people: BTreeMap<(&str, &str, &str), Vec<i64>> = BTreeMap::new();
    for taken in out.banks.values().flat_map(|bank| &bank.taken) {
        for (order, _) in taken.slip.orders.iter().zip(&taken.lines).filter(|(_, line)| line.credited || line.repaid) {
            let period = out.periods.get(&order.fen).map_or("", String::as_str);
            people.entry((&order.account, &order.id, period)).or_default().push(order.fen);
        }
    }
    people
}

/// Law 1: no entitlement stands credited twice, but for a bank that denied what it had credited.
fn nobody_is_credited_twice(out: &Outside) -> Verdict {
    for (fen, times) in credits(out) {
        let excused = out.banks.values().any(|b| b.denied.contains(&fen));
        require!(times < 2 || excused, "1: nobody is paid twice", "{fen} fen was credited {times} times");
    }
    for ((card, id, period), all) in people(out) {
        let excused = out.banks.values().any(|b| all.iter().any(|fen| b.denied.contains(fen)));
        require!(all.len() < 2 || excused, "1: nobody is paid twice", "{card}{id} was credited {all:?} for {period}");
    }
    Ok(())
}

/// What a bank took is, byte for byte, what was committed for that path, and it took it once.
fn takes_are_what_was_sealed(p: &Picture, out: &Outside, forgotten: &BTreeSet<(String, String)>) -> Verdict {
    for (code, bank) in &out.banks {
        let mut seen = BTreeSet::new();
        for taken in &bank.taken {
            let path = &taken.slip.path;
            let rows: Vec<&FileOut> = p.files.iter().filter(|f| f.is_at(code, path) && f.sha256 == taken.sha256).collect();
            let is_forgotten = forgotten.contains(&((*code).to_owned(), taken.sha256.clone()));
            if rows.is_empty() && is_forgotten {
                seen.insert(path);
                continue;
            }
            require!(!rows.is_empty(), "3: durable before visible", "{code} took {path}, and no row has these bytes");
            let states: Vec<&str> = rows.iter().map(|f| f.state.as_str()).collect();
            // An older database may have it on the way out, where the bank has had it since: once is what counts.
            require!(
                is_forgotten || rows.iter().any(|f| f.may_be_out()),
                "3: durable before visible",
                "{code} took {path}, which is {states:?}"
            );
            require!(seen.insert(path), "1: a file is published once", "{code} took {path} twice");
        }
    }
    Ok(())
}

/// Where every day of an account is reconciled, what left it by the bank's own book is what is paid by ours; else somebody is told.
pub(super) fn statements_agree(p: &Picture, out: &mut Outside, verdicts: &[(String, String, String)], told: &BTreeSet<String>) -> Verdict {
    let graced = day_of(out.now_ms - 3 * DAY);
    for code in out.banks.keys().copied().collect::<Vec<_>>() {
        // Of an account on which nothing of ours moved yet nobody expects a statement.
        let Some(first) = out.banks[code].first_day() else { continue };
        // What moved on the last days may still be answered: nobody has to be told before its grace is over.
        let is_open = |verdict: &str, day: &str| verdict != "RECONCILED" && (verdict != "PENDING" || day < graced.as_str());
        let waits = verdicts.iter().any(|(bank, verdict, day)| bank == code && verdict == "PENDING" && *day >= graced);
        let days: Vec<_> = verdicts.iter().filter(|(bank, _, day)| bank == code && *day >= first).collect();
        let open: Vec<&str> = days.iter().filter(|(_, verdict, day)| is_open(verdict, day)).map(|(.., day)| day.as_str()).collect();
        if days.is_empty() || !open.is_empty() {
            require!(told.contains(code), "8: nothing waits in silence", "the account at {code}: {open:?}, and nobody was told");
            continue;
        }
        if waits {
            continue;
        }
        // What was booked behind the last statement is on the next one.
        let stated = days.iter().map(|(.., day)| day.as_str()).max().unwrap_or_default();
        let spent = out.banks[code].spent_by(stated);
        let paid: i64 = p.instructions.iter().filter(|i| i.bank == code && i.state == "paid").map(|i| i.standing).sum();
        require!(spent == paid || told.contains(code), "R6: reconciled is equal", "{code}: {spent} fen left the account, {paid} are paid");
        out.say(&format!("{code} is reconciled: {spent} fen"));
    }
    Ok(())
}

/// A claim is free, or its money on the way back to the treasury, only where the bank did not credit: else what follows pays twice.
fn freed_money_was_not_credited(p: &Picture, out: &Outside) -> Verdict {
    for i in p.instructions.iter().filter(|i| i.state == "refunding" || (!i.live && FREE.contains(&i.state.as_str()))) {
        let Some(file) = i.file.map(|f| &p.files[f]) else { continue };
        let Some(bank) = out.banks.get(file.bank.as_str()) else { continue };
        // What was taken from this path may be the file that came after this one was given up.
        if !file.may_be_out() && p.files.iter().any(|f| f.may_be_out() && f.is_at(&file.bank, &file.path())) {
            continue;
        }
        let line = usize::try_from(i.id - file.first_id).unwrap();
        for taken in bank.taken.iter().filter(|t| t.slip.path == file.path()) {
            let credited = taken.lines.get(line).is_some_and(|l| l.credited);
            let excused = bank.denied.contains(&i.amount);
            require!(!credited || excused, "1: only what failed is freed", "{} is {}, and the bank has credited it", i.id, i.state);
        }
    }
    Ok(())
}
