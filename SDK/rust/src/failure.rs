// SPDX-License-Identifier: Apache-2.0
use crate::sys::*;
use alloc::ffi::CString;
use alloc::string::String;

/// The reason of a failure. Users read the text, after the name of the option that causes it, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `LND_ERR_*`
    pub status: lnd_status,
    /// JSON pointer of the option that causes it, as "/gateway".
    pub option: Option<CString>,
    /// One line for users.
    pub text: String,
}

impl Failure {
    /// A failure with an `LND_ERR_*` status.
    pub fn new(status: lnd_status, text: impl Into<String>) -> Self {
        Failure { status, option: None, text: text.into() }
    }

    /// An invalid option. `option` is its name.
    pub fn option(option: &str, text: impl Into<String>) -> Self {
        let mut pointer = String::from("/");
        pointer.push_str(option);
        Failure { status: LND_ERR_INVALID_CONFIG, option: CString::new(pointer).ok(), text: text.into() }
    }

    /// A system call failed.
    pub fn system(text: impl Into<String>) -> Self {
        Failure::new(LND_ERR_SYSTEM, text)
    }
}
