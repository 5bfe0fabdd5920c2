// SPDX-License-Identifier: Apache-2.0
use crate::sys::*;
use alloc::ffi::CString;
use alloc::string::String;

/// Why something cannot be done; the user reads the text, behind the option's name if one is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `LND_ERR_*`
    pub status: lnd_status,
    /// JSON pointer of the option at fault, as "/gateway".
    pub option: Option<CString>,
    /// One line for users.
    pub text: String,
}

impl Failure {
    /// Of the `LND_ERR_*` kind.
    pub fn new(status: lnd_status, text: impl Into<String>) -> Self {
        Failure { status, option: None, text: text.into() }
    }

    /// An option that cannot work. `option` is its name.
    pub fn option(option: &str, text: impl Into<String>) -> Self {
        let mut pointer = String::from("/");
        pointer.push_str(option);
        Failure { status: LND_ERR_INVALID_CONFIG, option: CString::new(pointer).ok(), text: text.into() }
    }

    /// The kernel said no.
    pub fn system(text: impl Into<String>) -> Self {
        Failure::new(LND_ERR_SYSTEM, text)
    }
}
