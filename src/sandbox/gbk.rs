//! GBK by the pretend bank's own table look-up, strict both ways: what does not come back as it went is not GBK.

use encoding_rs::GBK;

/// The text, or `None` where a byte sequence is not two-byte GBK (four-byte sequences belong to GB18030).
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    let text = GBK.decode_without_bom_handling_and_without_replacement(bytes)?;
    if !text.is_ascii() && encode(&text)? != bytes {
        return None;
    }
    Some(text.into_owned())
}

/// The bytes, or `None` where a character has no place in GBK.
pub(super) fn encode(text: &str) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return Some(text.as_bytes().to_vec());
    }
    let mut encoder = GBK.new_encoder();
    let mut bytes = Vec::with_capacity(encoder.max_buffer_length_from_utf8_without_replacement(text.len())?);
    match encoder.encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true).0 {
        encoding_rs::EncoderResult::InputEmpty => Some(bytes),
        encoding_rs::EncoderResult::OutputFull | encoding_rs::EncoderResult::Unmappable(_) => None,
    }
}

/// The text in GBK, filled up with spaces on the right to this many bytes; longer text is not cut.
pub(super) fn padded(text: &str, width: usize) -> Option<Vec<u8>> {
    let mut bytes = encode(text)?;
    if bytes.len() < width {
        bytes.resize(width, b' ');
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_both_ways() {
        assert_eq!(decode(&[0xAB, 0x7C]).unwrap(), "珅");
        assert_eq!(encode("阿依·木").unwrap(), [0xB0, 0xA2, 0xD2, 0xC0, 0xA1, 0xA4, 0xC4, 0xBE]);
        assert!(decode(&[0x81, 0x30, 0x84, 0x36]).is_none(), "a four-byte sequence");
        assert!(decode(&[0xD5]).is_none(), "half a character");
        assert!(encode("𠮷").is_none());
        assert_eq!(padded("张三", 6).unwrap(), [0xD5, 0xC5, 0xC8, 0xFD, b' ', b' ']);
    }
}
