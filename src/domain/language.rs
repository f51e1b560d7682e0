//! The language of what people read: mails, reports, the console. Chinese unless the configuration says otherwise.

use serde::{Deserialize, Serialize};

/// A language of the outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Chinese.
    #[default]
    Zh,
    /// English.
    En,
}
