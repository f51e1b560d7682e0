//! Where a secret is kept: never in the configuration, only its place.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::error::ConfigError;

/// Where a secret (password, private key, passphrase) is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "toml::Value")]
pub enum Secret {
    /// A file that only its owner may read.
    File(PathBuf),
    /// A systemd credential (`LoadCredential=` in the unit), by name.
    Credential(String),
}

/// The largest secret that is read: a private key is a few kilobytes.
const BYTES_MAX: u64 = 64 * 1024;

impl Secret {
    /// Reads the secret; one newline at its end is taken off.
    ///
    /// # Errors
    /// When it is not there, when others than its owner may read the file, or when it is empty or no text.
    pub fn read(&self) -> Result<SecretString, ConfigError> {
        self.read_with(std::env::var_os("CREDENTIALS_DIRECTORY"))
    }

    /// The same, with the folder of systemd's credentials given.
    fn read_with(&self, credentials: Option<OsString>) -> Result<SecretString, ConfigError> {
        match self {
            Self::File(path) => read_file(path, Mode::OwnerOnly),
            // systemd keeps these readable for the service alone, by means (ACL) that the mode does not show.
            Self::Credential(name) => match credentials {
                Some(folder) => read_file(&Path::new(&folder).join(name), Mode::Any),
                None => Err(ConfigError::NoCredentials { name: name.clone() }),
            },
        }
    }

    /// The path of a secret kept in a file.
    pub(super) fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Credential(_) => None,
        }
    }
}

impl TryFrom<toml::Value> for Secret {
    type Error = &'static str;

    /// Whatever else stands here may be the secret itself: no error repeats it.
    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        const ALLOWED: &str = "expected { file = \"PATH\" } or { credential = \"NAME\" }, one of them, as text";
        let toml::Value::Table(table) = value else {
            return Err("a secret never stands in the configuration: put it in a file that only its owner may read and write \
                        { file = \"PATH\" }, or in a systemd credential and write { credential = \"NAME\" }");
        };
        let mut entries = table.into_iter();
        match (entries.next(), entries.next()) {
            (Some((key, toml::Value::String(text))), None) if !text.is_empty() => match key.as_str() {
                "file" => Ok(Self::File(text.into())),
                "credential" if text.contains('/') || text == "." || text == ".." => {
                    Err("a credential is a plain name, as behind LoadCredential= in the unit, not a path")
                }
                "credential" => Ok(Self::Credential(text)),
                _ => Err(ALLOWED),
            },
            _ => Err(ALLOWED),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    OwnerOnly,
    Any,
}

fn read_file(path: &Path, mode: Mode) -> Result<SecretString, ConfigError> {
    let unusable = |problem: String| ConfigError::Secret { path: path.to_owned(), problem };
    let file = std::fs::File::open(path).map_err(|error| unusable(format!("cannot be opened ({error})")))?;
    // Of the open file, not of the path: it cannot be exchanged between the look and the read.
    let facts = file.metadata().map_err(|error| unusable(format!("cannot be looked at ({error})")))?;
    if !facts.is_file() {
        return Err(unusable("is not a file".into()));
    }
    let bits = facts.permissions().mode() & 0o777;
    if mode == Mode::OwnerOnly && bits & 0o077 != 0 {
        return Err(unusable(format!(
            "may be read by others than its owner (mode {bits:04o}); chmod 600 it, and think about changing the secret"
        )));
    }
    let mut text = String::new();
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| unusable(format!("cannot be read as text ({error})")))?;
    let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    match u64::try_from(secret.len()).unwrap_or(u64::MAX) {
        0 => Err(unusable("is empty".into())),
        n if n > BYTES_MAX => Err(unusable("is larger than any secret is".into())),
        _ => Ok(SecretString::from(secret)),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn write(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_file_is_read_only_while_it_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let key = write(folder.path(), "key", "-----BEGIN-----\nabc\n-----END-----\n", 0o600);
        let secret = Secret::File(key.clone()).read().unwrap();
        assert_eq!(secret.expose_secret(), "-----BEGIN-----\nabc\n-----END-----");
        assert!(!format!("{secret:?}").contains("abc"));
        for mode in [0o640, 0o604, 0o660, 0o777] {
            let open = write(folder.path(), "open", "hunter2\n", mode);
            let error = Secret::File(open).read().unwrap_err().to_string();
            assert!(error.contains(&format!("{mode:04o}")) && error.contains("chmod 600") && !error.contains("hunter2"), "{error}");
        }
        for (name, text) in [("none", ""), ("newline", "\n")] {
            assert!(Secret::File(write(folder.path(), name, text, 0o600)).read().is_err(), "{name}");
        }
        assert!(Secret::File(folder.path().join("absent")).read().unwrap_err().to_string().contains("absent"));
        assert!(Secret::File(folder.path().to_owned()).read().is_err());
    }

    #[test]
    fn a_credential_comes_from_systemd_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "b01-key", "abc\n", 0o440);
        let secret = Secret::Credential("b01-key".into());
        assert_eq!(secret.read_with(Some(folder.path().into())).unwrap().expose_secret(), "abc");
        let error = secret.read_with(None).unwrap_err().to_string();
        assert!(error.contains("LoadCredential=b01-key"), "{error}");
        assert!(Secret::Credential("other".into()).read_with(Some(folder.path().into())).is_err());
    }
}
