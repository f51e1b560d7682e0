//! What a bank's server has taken and does later, when nobody waits for it any more.

use super::port::{File, Folder};

/// A write that was put off.
#[derive(Clone, Debug)]
pub enum Late {
    Put(String, Vec<u8>),
    Rename(String, String),
    Remove(String),
}

impl Late {
    /// Without the bytes.
    pub fn words(&self) -> String {
        match self {
            Self::Put(path, bytes) => format!("put {path} {}", bytes.len()),
            Self::Rename(from, to) => format!("rename {from} -> {to}"),
            Self::Remove(path) => format!("remove {path}"),
        }
    }

    /// Now it does it, by what the folder holds by now.
    pub fn happens(self, folder: &mut Folder, modified_s: i64) {
        match self {
            Self::Put(path, _) if folder.files.contains_key(&path) && !folder.ignores_exclusive => {}
            Self::Put(path, bytes) => drop(folder.files.insert(path, File { bytes, modified_s })),
            Self::Rename(_, to) if folder.files.contains_key(&to) && !folder.replaces => {}
            Self::Rename(from, to) => {
                if let Some(file) = folder.files.remove(&from) {
                    folder.files.insert(to, file);
                }
            }
            Self::Remove(path) => drop(folder.files.remove(&path)),
        }
    }
}
