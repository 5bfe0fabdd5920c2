// SPDX-License-Identifier: Apache-2.0
use crate::{sys::*, table};
use core::marker::PhantomData;

/// A received frame, borrowed for the call: from the destination address to the end of the payload.
#[repr(transparent)]
pub struct Frame(pub(crate) lnd_frame);

impl Frame {
    /// At least 14 bytes.
    pub fn bytes(&self) -> &[u8] {
        // The host passes one contiguous piece, valid during the call that passed this reference.
        unsafe { table::bytes(self.0.data, self.0.length as usize) }
    }

    /// The C struct, with partial checksums and GSO fields as defined by the header.
    pub fn raw(&self) -> &lnd_frame {
        &self.0
    }
}

/// A frame to send.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct SendFrame<'a>(lnd_frame, PhantomData<&'a [u8]>);

impl<'a> SendFrame<'a> {
    /// A frame with complete checksums.
    pub fn new(bytes: &'a [u8]) -> Self {
        let raw = lnd_frame {
            data: bytes.as_ptr(),
            length: bytes.len() as u32,
            slices: 0,
            flags: 0,
            gso_type: 0,
            gso_size: 0,
            csum_start: 0,
            csum_offset: 0,
            hdr_len: 0,
            reserved: 0,
            source: 0,
            mark: 0,
            hash: 0,
            lease: 0,
            reserved1: 0,
        };
        SendFrame(raw, PhantomData)
    }

    /// A frame with offloads or slices.
    ///
    /// # Safety
    /// The targets of `raw`'s pointers live as long as 'a.
    pub unsafe fn from_raw(raw: lnd_frame) -> Self {
        SendFrame(raw, PhantomData)
    }
}
