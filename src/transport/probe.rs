//! What a server offers. Both sides send their algorithms in the clear before anything is secret (RFC 4253, 4.2 and 7.1);
//! libssh2 does not tell them when there is no agreement, so they are read here, for the error message alone.

use std::io::{self, Read, Write as _};

use super::connect::reach;
use super::mailbox::Life;
use super::{SftpEndpoint, TransportError};

const MESSAGE_KEXINIT: u8 = 20;
/// No greeting and no proposal is longer, and the server is a stranger.
const LENGTH_MAX: usize = 64 << 10;

/// The server's key exchanges, host key types, ciphers there and back, MACs there and back.
pub fn proposal(at: &SftpEndpoint, life: &Life) -> Result<[Vec<String>; 6], TransportError> {
    let during = "ask for the server's algorithms";
    let socket = reach(at, life)?;
    life.adopt(&socket, during)?;
    let read = (|| {
        socket.set_read_timeout(Some(at.timeouts.handshake))?;
        socket.set_write_timeout(Some(at.timeouts.handshake))?;
        (&socket).write_all(b"SSH-2.0-bankgate\r\n")?;
        read_proposal(&mut io::BufReader::new(&socket))
    })();
    life.end();
    read.map_err(|error| TransportError::Protocol { during, reason: error.to_string() })
}

fn read_proposal(from: &mut impl io::BufRead) -> io::Result<[Vec<String>; 6]> {
    let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    // Other lines may come before the greeting.
    let mut from = from.take(u64::try_from(LENGTH_MAX).unwrap_or(u64::MAX));
    loop {
        let mut line = Vec::new();
        io::BufRead::read_until(&mut from, b'\n', &mut line)?;
        if line.starts_with(b"SSH-") {
            break;
        }
        if line.is_empty() {
            return Err(bad("no greeting"));
        }
    }
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [a, b, c, d, padding] = head;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let payload = length.checked_sub(usize::from(padding) + 1).filter(|n| *n < LENGTH_MAX).ok_or_else(|| bad("no packet"))?;
    let mut body = vec![0; payload];
    from.read_exact(&mut body)?;
    // The kind of message, sixteen random bytes, then lists, each with its length before it.
    let mut rest = body.strip_prefix(&[MESSAGE_KEXINIT]).and_then(|rest| rest.get(16..)).ok_or_else(|| bad("not a proposal"))?;
    let mut lists = <[Vec<String>; 6]>::default();
    for list in &mut lists {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(|| bad("a list is missing"))?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let names = after.get(..length).and_then(|names| std::str::from_utf8(names).ok()).ok_or_else(|| bad("a list is cut"))?;
        *list = names.split(',').map(ToOwned::to_owned).collect();
        rest = after.get(length..).unwrap_or_default();
    }
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(lists: &[&str]) -> Vec<u8> {
        let mut body = vec![MESSAGE_KEXINIT];
        body.extend([7; 16]);
        for list in lists {
            body.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            body.extend(list.as_bytes());
        }
        let mut bytes = u32::try_from(body.len() + 1 + 4).unwrap().to_be_bytes().to_vec();
        bytes.push(4);
        bytes.extend(body);
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn a_proposal_is_read() {
        let mut bytes = b"welcome\r\nSSH-2.0-Old_1.0\r\n".to_vec();
        bytes.extend(packet(&["group14-sha1,group1-sha1", "ssh-rsa", "aes128-cbc", "aes256-cbc", "hmac-sha1", "", "none"]));
        let [kex, key, there, back, mac, last] = read_proposal(&mut bytes.as_slice()).unwrap();
        assert_eq!(kex, ["group14-sha1", "group1-sha1"]);
        assert_eq!(
            (key, there, back, mac),
            (vec!["ssh-rsa".to_owned()], vec!["aes128-cbc".to_owned()], vec!["aes256-cbc".to_owned()], vec!["hmac-sha1".to_owned()])
        );
        assert_eq!(last, [""]);
    }

    #[test]
    fn what_is_no_proposal_is_an_error() {
        let greeting = b"SSH-2.0-x\r\n".to_vec();
        let with = |rest: &[u8]| [greeting.clone(), rest.to_vec()].concat();
        let table = [
            vec![],
            b"HTTP/1.1 400\r\n".to_vec(),
            with(&[]),
            with(&[0xFF; 5]),
            with(&[0, 0, 0, 0, 9]),
            with(&packet(&["a", "b"])),
            with(&[0, 0, 0, 3, 1, 99, 0]),
        ];
        for bytes in table {
            assert!(read_proposal(&mut bytes.as_slice()).is_err(), "{bytes:?}");
        }
    }
}
