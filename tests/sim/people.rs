//! People of the county: who is paid, and who decides.

use bankgate::domain::masked::{Account, IdNumber, Mobile, Name};
use bankgate::domain::money::Fen;
use bankgate::store::admission::PaymentRow;
use bankgate::store::desk::Operator;

pub fn finance(login: &str) -> Operator {
    Operator { login: login.into(), name: format!("{login}某"), role: "finance".into(), department: String::new() }
}

pub const NAMES: [&str; 10] = ["王五", "李珅", "阿牛·木呷", "欧阳億", "赵六", "吉克·伍呷莫", "孙七", "周八", "吴九", "郑十"];

pub fn account(who: usize) -> String {
    format!("62170012345{who:08}")
}

/// Somebody's identity number, sound by its check character.
pub fn id_number(who: usize) -> String {
    let body = format!("51112319{:02}0101{:03}", 50 + who / 1000, who % 1000);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.chars().zip(weights).map(|(c, w)| c.to_digit(10).unwrap() * w).sum();
    let check = ["1", "0", "X", "9", "8", "7", "6", "5", "4", "3", "2"][usize::try_from(sum % 11).unwrap()];
    format!("{body}{check}")
}

pub fn person(who: usize, bank: &str, seq: i64, fen: i64, again: &str) -> PaymentRow {
    let (name, id) = (Name::new(NAMES[who % NAMES.len()]), IdNumber::new(id_number(who)));
    PaymentRow {
        id: 0,
        seq,
        township: "某镇".to_owned(),
        village: "某村".to_owned(),
        village_group: "1组".to_owned(),
        household_no: String::new(),
        entitled_name: name.clone(),
        entitled_id: id.clone(),
        payee_name: name,
        payee_id: id,
        payee_role: "self".to_owned(),
        mandate_no: String::new(),
        account: Account::new(account(who)),
        bank: bank.to_owned(),
        mobile: Mobile::new("13800138001"),
        amount: Fen::new(fen),
        remark: String::new(),
        reissue_of: again.to_owned(),
    }
}
