//! The blocked names and the answer for them: pure functions on DNS messages (RFC 1035 section 4), which the tests
//! below call without lima-netd. Messages come from guests: every index is checked.

use std::collections::HashSet;

/// Names in wire format (labels with length prefixes, lower case). A name blocks all names below it.
#[derive(Default)]
pub struct List {
    names: HashSet<Vec<u8>>,
}

impl List {
    /// Adds a name, as "ads.example". False if it is no domain name.
    pub fn add(&mut self, name: &str) -> bool {
        let Some(wire) = wire(name) else { return false };
        self.names.insert(wire);
        true
    }

    /// Adds the names of a file: one per line, alone or after an address as in a hosts file; `#` begins a comment.
    /// On failure returns the number of the first invalid line.
    pub fn add_lines(&mut self, text: &str) -> Result<(), usize> {
        for (number, line) in text.lines().enumerate() {
            let mut words = line.split('#').next().unwrap_or("").split_whitespace().peekable();
            if words.peek().is_some_and(|word| word.parse::<std::net::IpAddr>().is_ok()) {
                words.next();
            }
            if !words.all(|word| self.add(word)) {
                return Err(number + 1);
            }
        }
        Ok(())
    }

    /// The number of names.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Whether a message's question is of a blocked name, or of one below it. The host has checked that there is
    /// exactly one question.
    pub fn blocks(&self, message: &[u8]) -> bool {
        let Some(name) = question_name(message) else { return false };
        let lower = name.to_ascii_lowercase();
        // The whole name first, then without its first label, and so on.
        let mut rest = &lower[..];
        while rest.len() > 1 {
            if self.names.contains(rest) {
                return true;
            }
            rest = &rest[1 + rest[0] as usize..];
        }
        false
    }
}

/// The answer for a blocked name: NXDOMAIN, with the reason (RFC 8914: blocked).
pub fn refusal(message: &[u8]) -> Option<Vec<u8>> {
    const NXDOMAIN: u8 = 3;
    const BLOCKED: [u8; 2] = [0, 15];
    let end = 12 + question_name(message)?.len() + 4;
    let mut answer = message.get(..end)?.to_vec();
    answer[2] = 0x80 | message[2] & 1; // an answer; RD as asked
    answer[3] = 0x80 | NXDOMAIN; // recursion is to be had
    answer[6..12].fill(0); // no records of the question's
    answer[11] = 1; // but one: OPT (RFC 6891), with an extended error in it
    answer.extend([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 6, 0, 15, 0, 2]);
    answer.extend(BLOCKED);
    Some(answer)
}

/// The name in the question, with its final zero; `None` if it is compressed, too long or truncated.
fn question_name(message: &[u8]) -> Option<&[u8]> {
    let bytes = message.get(12..)?;
    let mut length = 0;
    while length < 255 {
        match *bytes.get(length)? {
            0 => return bytes.get(..length + 1),
            label @ 1..=63 => length += 1 + label as usize,
            _ => return None,
        }
    }
    None
}

fn wire(name: &str) -> Option<Vec<u8>> {
    let mut wire = Vec::new();
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        if !(1..=63).contains(&label.len()) {
            return None;
        }
        wire.push(label.len() as u8);
        wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    wire.push(0);
    (wire.len() <= 255).then_some(wire)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str) -> Vec<u8> {
        [&[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &wire(name).unwrap()[..], &[0, 1, 0, 1]].concat()
    }

    fn list() -> List {
        let mut list = List::default();
        list.add_lines("# a comment\n0.0.0.0 ads.example  www.ads.test # two\n\ntracker.test\n").unwrap();
        list
    }

    #[test]
    fn a_name_is_blocked_with_all_below_it_in_any_case() {
        for name in ["ads.example", "a.b.ADS.example", "tracker.TEST", "www.ads.test"] {
            assert!(list().blocks(&question(name)), "{name}");
        }
        for name in ["example", "myads.example", "ads.test", "ads.example.org"] {
            assert!(!list().blocks(&question(name)), "{name}");
        }
    }

    #[test]
    fn a_line_that_is_no_name_is_told_by_its_number() {
        assert_eq!(List::default().add_lines("good.example\nbad..example\n"), Err(2));
        assert_eq!(list().count(), 3);
    }

    #[test]
    fn the_answer_has_the_question_and_says_blocked() {
        let asked = question("ads.example");
        let answer = refusal(&asked).unwrap();
        assert_eq!(answer[..12], [0x12, 0x34, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(answer[12..asked.len()], asked[12..]);
        assert_eq!(answer[answer.len() - 6..], [0, 15, 0, 2, 0, 15]);
    }

    #[test]
    fn a_message_that_ends_anywhere_is_neither_blocked_nor_a_crash() {
        let whole = question("ads.example");
        for end in 0..whole.len() - 4 {
            assert!(!list().blocks(&whole[..end]));
            assert_eq!(refusal(&whole[..end]), None);
        }
    }
}
