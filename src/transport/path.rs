//! Names as text and back. Servers hold names as bytes; we hold them as text that says every byte.
//!
//! UTF-8 stays as it is. A byte that is not UTF-8, a control character and a slash inside a name become `\xHH`, a backslash
//! becomes `\\`. Reading it back gives the same bytes, except that an escaped slash or NUL is refused: no name has one, so whoever
//! sends it means another directory.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::TransportError;

/// A name from a listing, as text.
pub fn escape(name: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(name.len());
    let hex = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            // Writing to a string does not fail.
            write!(text, "\\x{byte:02X}").unwrap_or_default();
        }
    };
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                c if c == '/' || c.is_control() => hex(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => text.push(c),
            }
        }
        hex(&mut text, chunk.invalid());
    }
    text
}

/// A path as the other side wants it.
pub fn unescape(path: &str) -> Result<PathBuf, TransportError> {
    let bad = |why| TransportError::BadPath { path: path.to_owned(), why };
    if path.is_empty() {
        return Err(bad("it is empty"));
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        if let Some(after) = after.strip_prefix('\\') {
            bytes.push(b'\\');
            rest = after;
        } else {
            let hex = after.strip_prefix('x').and_then(|hex| hex.get(..2));
            let byte = hex
                .and_then(|hex| u8::from_str_radix(hex, 16).ok())
                .ok_or_else(|| bad("a backslash is followed by neither itself nor xHH"))?;
            if byte == b'/' {
                return Err(bad("a name has a slash in it"));
            }
            bytes.push(byte);
            rest = after.get(3..).unwrap_or_default();
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    if bytes.contains(&0) {
        return Err(bad("it has a NUL in it"));
    }
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

/// The path of a name in a directory; the empty directory and `.` are the mailbox's own.
pub fn join(dir: &str, name: &str) -> String {
    match dir {
        "" | "." => name.to_owned(),
        dir if dir.ends_with('/') => format!("{dir}{name}"),
        dir => format!("{dir}/{name}"),
    }
}

/// The directory that a path stands in, if the path has one.
pub fn parent(path: &str) -> Option<&str> {
    let path = path.trim_end_matches('/');
    match path.rsplit_once('/') {
        Some(("", _)) | None => None,
        Some((dir, _)) => Some(dir),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_as_a_person_sees_them() {
        assert_eq!(escape("代发_20190501.txt".as_bytes()), "代发_20190501.txt");
        assert_eq!(escape(b"\xB4\xFA\xB7\xA2.txt"), "\\xB4\\xFA\\xB7\\xA2.txt");
        assert_eq!(escape(b"a\\b\n"), "a\\\\b\\x0A");
        assert_eq!(escape(b"../x"), "..\\x2Fx");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in ["", "a\\", "a\\q", "a\\x", "a\\x4", "a\\xG0", "..\\x2Fx", "a\\x00", "a\0", "\\x代"] {
            assert!(matches!(unescape(path), Err(TransportError::BadPath { .. })), "{path:?}");
        }
    }

    #[test]
    fn parents() {
        let table = [("a/b/c", Some("a/b")), ("a/b/", Some("a")), ("a", None), ("/a", None), ("/a/b", Some("/a"))];
        for (path, expected) in table {
            assert_eq!(parent(path), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in proptest::collection::vec(1_u8..=255, 1..40)) {
            prop_assume!(!name.contains(&b'/'));
            let text = escape(&name);
            prop_assert!(!text.chars().any(char::is_control));
            let back = unescape(&text).unwrap();
            prop_assert_eq!(back.as_os_str().as_bytes(), &name[..]);
        }
    }
}
