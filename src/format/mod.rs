//! (room)

/// Payment lists that departments bring.
pub mod list;
/// Workbooks for departments: failures with room for the correction, completed lists.
pub mod workbook;
