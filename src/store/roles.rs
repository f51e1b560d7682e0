//! Who may do what in a PostgreSQL schema of ours: one role each for platform, daemon and auditor. The text is printed
//! for the owner of the tables to run; the daemon, who is not the owner, could not.

use super::StoreError;

/// The statements that make the roles and set their rights in a schema. Safe to run again.
///
/// # Errors
/// The schema's name has other characters than lower-case letters, digits and `_`.
pub fn roles_sql(schema: &str) -> Result<String, StoreError> {
    super::check_schema_name(schema)?;
    Ok(include_str!("roles.sql").replace("{schema}", schema))
}
