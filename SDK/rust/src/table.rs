// SPDX-License-Identifier: Apache-2.0
//! Size-prefixed tables of the other side: a shorter one is an older one's, and reads as zero where it ends.

/// Copies min(size) bytes of a table into a zeroed one.
///
/// # Safety
/// `source` is NULL or a table of the ABI, whose first member is its size. A `T` of zeroes is valid.
pub(crate) unsafe fn read<T: Copy>(source: *const T) -> Option<T> {
    if source.is_null() {
        return None;
    }
    let size = unsafe { source.cast::<u32>().read_unaligned() } as usize;
    let mut table = core::mem::MaybeUninit::<T>::zeroed();
    let count = size.min(core::mem::size_of::<T>());
    // Both are at least `count` bytes, and they do not overlap.
    unsafe {
        core::ptr::copy_nonoverlapping(source.cast::<u8>(), table.as_mut_ptr().cast::<u8>(), count);
        Some(table.assume_init())
    }
}

/// A text from the host; "" for NULL and for invalid UTF-8.
///
/// # Safety
/// `text` is NULL or NUL-terminated, and lives as long as 'a.
pub(crate) unsafe fn text<'a>(text: *const core::ffi::c_char) -> &'a str {
    if text.is_null() {
        return "";
    }
    unsafe { core::ffi::CStr::from_ptr(text) }.to_str().unwrap_or("")
}

/// # Safety
/// `data` is NULL, or `length` bytes that live as long as 'a.
pub(crate) unsafe fn bytes<'a>(data: *const u8, length: usize) -> &'a [u8] {
    if data.is_null() || length == 0 {
        return &[];
    }
    unsafe { core::slice::from_raw_parts(data, length) }
}
