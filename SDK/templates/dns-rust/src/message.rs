//! This plugin's answers: a pure function from a DNS message to a DNS message (RFC 1035 section 4).

use std::net::Ipv4Addr;

const TTL_SECONDS: u32 = 60;
const TYPE_A_CLASS_IN: [u8; 4] = [0, 1, 0, 1];
const REFUSED: u8 = 5;

/// A name and its address.
pub struct Record {
    /// In wire format: labels with length prefixes, lower case.
    name: Vec<u8>,
    address: Ipv4Addr,
}

impl Record {
    /// `None` if it is no domain name.
    pub fn new(name: &str, address: Ipv4Addr) -> Option<Self> {
        let mut wire = Vec::new();
        for label in name.strip_suffix('.').unwrap_or(name).split('.') {
            if !(1..=63).contains(&label.len()) {
                return None;
            }
            wire.push(label.len() as u8);
            wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        wire.push(0);
        (wire.len() <= 255).then_some(Record { name: wire, address })
    }

    /// The address; NODATA for other types of the name; REFUSED for other names. `None` if the message is
    /// malformed.
    pub fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let flags = *query.get(2)?;
        let question = query.get(12..)?;
        let name = question.get(..name_length(question)?)?;
        let kind = question.get(name.len()..name.len() + 4)?;
        let mut answer = query[..12 + name.len() + 4].to_vec();
        answer[2] = 0x84 | flags & 1; // an answer, authoritative; RD as asked
        answer[3] = 0;
        answer[6..12].fill(0); // no other records
        if !name.eq_ignore_ascii_case(&self.name) {
            answer[2] &= !4;
            answer[3] = REFUSED;
        } else if kind == TYPE_A_CLASS_IN {
            answer[7] = 1;
            answer.extend([0xc0, 12]); // the name: that of the question
            answer.extend(TYPE_A_CLASS_IN);
            answer.extend(TTL_SECONDS.to_be_bytes());
            answer.extend([0, 4]);
            answer.extend(self.address.octets());
        }
        Some(answer)
    }
}

/// Length in bytes of the name at the start; `None` if it is compressed, too long or truncated.
fn name_length(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    while length < 255 {
        match *bytes.get(length)? {
            0 => return Some(length + 1),
            label @ 1..=63 => length += 1 + label as usize,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record::new("Printer.lab", Ipv4Addr::new(192, 0, 2, 7)).unwrap()
    }

    fn query(name: &[u8], kind: u8) -> Vec<u8> {
        [&[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], name, &[0, kind, 0, 1]].concat()
    }

    #[test]
    fn the_name_has_its_address_in_any_case() {
        let answer = record().answer(&query(b"\x07pRINTER\x03lab\0", 1)).unwrap();
        assert_eq!(answer[..8], [0x12, 0x34, 0x85, 0, 0, 1, 0, 1]);
        assert_eq!(answer[answer.len() - 4..], [192, 0, 2, 7]);
    }

    #[test]
    fn its_other_types_have_no_data_and_other_names_are_refused() {
        let none = record().answer(&query(b"\x07printer\x03lab\0", 28)).unwrap();
        assert_eq!((none[3] & 15, none[7]), (0, 0));
        let other = record().answer(&query(b"\x05other\x03lab\0", 1)).unwrap();
        assert_eq!(other[3] & 15, REFUSED);
    }

    #[test]
    fn a_message_that_ends_anywhere_is_not_answered() {
        let whole = query(b"\x07printer\x03lab\0", 1);
        for end in 0..whole.len() {
            assert_eq!(record().answer(&whole[..end]), None, "{end}");
        }
        assert_eq!(record().answer(&query(&[0xc0, 12], 1)), None);
    }

    #[test]
    fn what_is_no_name_is_told() {
        assert!(Record::new("a..b", Ipv4Addr::LOCALHOST).is_none());
        assert!(Record::new("", Ipv4Addr::LOCALHOST).is_none());
        assert!(Record::new(&"a.".repeat(200), Ipv4Addr::LOCALHOST).is_none());
    }
}
