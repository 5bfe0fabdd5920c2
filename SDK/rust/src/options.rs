// SPDX-License-Identifier: Apache-2.0
//! The options of an instance: one JSON object, which the host has checked against the schema.
use crate::Failure;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Typed access to the members of a JSON object.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a>(&'a str);

/// Maximum nesting of values.
const DEPTH: usize = 32;

impl<'a> Options<'a> {
    /// `json` is the text of an object.
    pub fn new(json: &'a str) -> Self {
        Options(json)
    }

    /// The text itself, for a JSON library.
    pub fn json(&self) -> &'a str {
        self.0
    }

    /// A string; `None` if absent or null.
    pub fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        self.value(name, "a text", string)
    }

    /// An integer.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.value(name, "a whole number", |value| value.parse().ok())
    }

    /// A boolean.
    pub fn bool(&self, name: &str) -> Result<Option<bool>, Failure> {
        self.value(name, "true or false", |value| value.parse().ok())
    }

    /// A list of strings.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Failure> {
        self.value(name, "a list of texts", |value| {
            let mut rest = value.strip_prefix('[')?.trim_start();
            let mut texts = Vec::new();
            while !rest.starts_with(']') {
                let (item, after) = split(rest, DEPTH)?;
                texts.push(string(item)?);
                rest = after.trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            }
            Some(texts)
        })
    }

    /// A nested object.
    pub fn object(&self, name: &str) -> Result<Option<Options<'a>>, Failure> {
        self.value(name, "an object", |value| value.starts_with('{').then_some(Options(value)))
    }

    fn value<T>(&self, name: &str, what: &str, read: impl FnOnce(&'a str) -> Option<T>) -> Result<Option<T>, Failure> {
        match self.find(name) {
            None | Some("null") => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(Failure::option(name, format!("not {what}"))),
            },
        }
    }

    fn find(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.0.trim_start().strip_prefix('{')?.trim_start();
        while rest.starts_with('"') {
            let (key, after) = split(rest, DEPTH)?;
            let (value, after) = split(after.trim_start().strip_prefix(':')?, DEPTH)?;
            if string(key)? == name {
                return Some(value);
            }
            rest = after.trim_start().strip_prefix(',')?.trim_start();
        }
        None
    }
}

/// The JSON value at the start of `text`, and the rest.
fn split(text: &str, depth: usize) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = match text.as_bytes().first()? {
        b'"' => string_end(text)?,
        open @ (b'{' | b'[') => {
            let close = if *open == b'{' { '}' } else { ']' };
            let mut rest = text[1..].trim_start();
            let depth = depth.checked_sub(1)?;
            while !rest.starts_with(close) {
                let (_, after) = split(rest, depth)?;
                rest = after.trim_start();
                rest = rest.strip_prefix([',', ':']).unwrap_or(rest).trim_start();
            }
            text.len() - rest.len() + 1
        }
        _ => text.find([',', ':', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(text.len()),
    };
    (end > 0).then(|| text.split_at(end))
}

fn string_end(text: &str) -> Option<usize> {
    let mut escaped = true; // the first quote
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The contents of a JSON string.
fn string(json: &str) -> Option<String> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::new();
    let mut units = Vec::new();
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match rest.next()? {
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'u' => {
                units.push(u16::from_str_radix(rest.as_str().get(..4)?, 16).ok()?);
                rest = rest.as_str()[4..].chars();
                // The second half of a surrogate pair follows.
                if units.len() == 1 && (0xd800..0xdc00).contains(&units[0]) {
                    continue;
                }
                text.push_str(&String::from_utf16(&units).ok()?);
                units.clear();
            }
            other => text.push(other),
        }
    }
    units.is_empty().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const JSON: &str = r#" { "a": "x\u00e9\ud83d\ude00\n\"", "n": -12, "b": true, "z": null,
        "list": ["u", "v,]"], "o": {"p": {"q": [1, 2]}, "r": "s"}, "last": "l" }"#;

    #[test]
    fn each_kind_of_value_is_found_behind_all_others() {
        let options = Options::new(JSON);
        assert_eq!(options.text("a").unwrap().unwrap(), "xé😀\n\"");
        assert_eq!(options.integer("n"), Ok(Some(-12)));
        assert_eq!(options.bool("b"), Ok(Some(true)));
        assert_eq!(options.text("z"), Ok(None));
        assert_eq!(options.text("nowhere"), Ok(None));
        assert_eq!(options.texts("list").unwrap().unwrap(), vec!["u", "v,]"]);
        assert_eq!(options.object("o").unwrap().unwrap().text("r").unwrap().unwrap(), "s");
        assert_eq!(options.text("last").unwrap().unwrap(), "l");
    }

    #[test]
    fn a_value_of_another_type_names_its_option() {
        let failure = Options::new(JSON).text("n").unwrap_err();
        assert_eq!(failure.option.as_deref(), Some(c"/n"));
    }

    #[test]
    fn text_that_ends_anywhere_neither_panics_nor_loops() {
        for end in 0..JSON.len() {
            if let Some(part) = JSON.get(..end) {
                let options = Options::new(part);
                let _ = (options.text("last"), options.texts("list"), options.object("o"));
            }
        }
        let deep = "[".repeat(100_000);
        let _ = Options::new(&format!("{{\"a\":{deep}")).text("b");
    }
}
