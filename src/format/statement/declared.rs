//! A statement in a layout that a profile declares, in the same shape as the world's own forms.

use std::io::{self, Read};

use super::{Balance, Booked, Detail, Form, Movement, Statement, prove};
use crate::domain::exchange::InboundKind;
use crate::domain::money::Fen;
use crate::format::profile::Profile;
use crate::format::summary::Parsed;

/// Reads one by its profile. `None` where the profile declares none.
///
/// # Errors
/// When reading fails.
pub fn read_declared(profile: &Profile, source: &mut dyn Read) -> io::Result<Option<Vec<Statement>>> {
    let Some(role) = profile.roles(InboundKind::Statement).iter().find(|r| !r.is_flag) else { return Ok(None) };
    let mut statement = Statement::new(Form::Declared, 1);
    let mut faults = Vec::new();
    let summary = profile.parse(InboundKind::Statement, &role.role, source, &mut |parsed| match parsed {
        Parsed::Entry(entry) => {
            let movement = Movement {
                line: entry.line,
                booked_on: entry.date,
                value_on: None,
                side: entry.side,
                minor: i128::from(entry.amount.get()),
                is_reversal: false,
                booked: Booked::Yes,
                batch_count: None,
                whole: Detail {
                    minor: None,
                    reference: entry.reference,
                    bank_ref: entry.bank_ref,
                    counter_account: entry.counter_account,
                    counter_name: entry.counter_name,
                    text: entry.text,
                },
                details: Vec::new(),
            };
            statement.see(&movement);
            statement.movements.push(movement);
        }
        Parsed::Fault(fault) => {
            let column = fault.column.map(|c| format!(", {c}")).unwrap_or_default();
            faults.push(format!("line {}{column}: {}", fault.line, fault.what));
        }
        Parsed::Answer(_) => {}
    })?;
    let balance = |fen: Option<Fen>| fen.map(|fen| Balance { minor: i128::from(fen.get()), on: None, is_interim: false });
    statement.account = summary.head.account;
    "CNY".clone_into(&mut statement.currency);
    (statement.from, statement.to) = (summary.head.from, summary.head.to);
    (statement.opening, statement.closing) = (balance(summary.head.opening), balance(summary.head.closing));
    for what in faults.into_iter().chain(summary.problems) {
        statement.problem(what);
    }
    let mut out = vec![statement];
    prove::prove(&mut out);
    Ok(Some(out))
}
