//! Who may do what. A department acts for itself; finance for all; finance IT runs the machine and moves no money alone;
//! auditors read.

use super::OperateError;
use crate::domain::language::Words;
use crate::store::desk::Operator;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Enter a list (经办).
    Import,
    /// Approve it (审核).
    Approve,
    /// Review it at the finance bureau (财政复核).
    Review,
    /// Release it (发放).
    Release,
    /// Propose or approve an act that takes two persons.
    Decide,
    /// Take evidence out of the house, whole (完整证据导出).
    Evidence,
    /// Look after failures: assign, note, propose what becomes of them.
    Handle,
    /// Close a month or a year (清零).
    Close,
}

impl Duty {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Import => ("导入清单", "import a list"),
            Self::Approve => ("审核批次", "approve a batch"),
            Self::Review => ("财政复核", "review a batch at the finance bureau"),
            Self::Release => ("发放批次", "release a batch"),
            Self::Decide => ("提出或批准需两人办理的事项", "propose or approve what takes two persons"),
            Self::Evidence => ("导出完整证据", "take evidence out whole"),
            Self::Handle => ("办理失败台账", "look after failures"),
            Self::Close => ("办理清零", "close a period"),
        }
    }

    const fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Import | Self::Handle => &["department", "finance", "finance_it"],
            Self::Approve | Self::Release => &["department", "finance"],
            Self::Review | Self::Close => &["finance"],
            Self::Decide => &["finance", "finance_it"],
            Self::Evidence => &["auditor", "finance"],
        }
    }
}

/// Refuses who may not, by role, and staff of other departments.
pub(crate) fn require(by: &Operator, duty: Duty, department: &str) -> Result<(), OperateError> {
    let (zh, en) = duty.words();
    if !duty.roles().contains(&by.role.as_str()) {
        let roles = duty.roles().join(", ");
        return Err(OperateError::Refused(Words::new(
            format!("{}（{}）的角色是{}，不能{zh}；可由角色 {roles} 的人员办理", by.name, by.login, by.role),
            format!("{} is {} and may not {en}: somebody of {roles} may", by.login, by.role),
        )));
    }
    if by.role == "department" && by.department != department {
        return Err(OperateError::Refused(Words::new(
            format!("{}（{}）属于部门{}，不能为部门{department}{zh}", by.name, by.login, by.department),
            format!("{} belongs to department {} and may not {en} for {department}", by.login, by.department),
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_do_what() {
        let person = |role: &str| Operator { login: "a".into(), name: "甲".into(), role: role.into(), department: "D1".into() };
        let duties = [Duty::Import, Duty::Approve, Duty::Review, Duty::Release, Duty::Decide, Duty::Close];
        let may = |role, department| duties.map(|d| require(&person(role), d, department).is_ok());
        assert_eq!(may("department", "D1"), [true, true, false, true, false, false]);
        assert_eq!(may("department", "D2"), [false; 6]);
        assert_eq!(may("finance", "D2"), [true; 6]);
        assert_eq!(may("finance_it", "D2"), [true, false, false, false, true, false]);
        assert_eq!(may("auditor", "D1"), [false; 6]);
    }
}
