//! Guest memory in large pages. libkrun maps it like any other memory: without advice, and before Linux 6.7 at any
//! address. A large page of the host is one of the guest only when both addresses have the same remainder, and guest
//! memory starts at address 0 (or 4 GiB): so it has to begin at a multiple of a large page.

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

/// The size of a page-middle-directory entry, which is what transparent huge pages are made of: 2 MiB with base pages of
/// 4 KiB, on x86-64 and arm64. With larger base pages it is larger, and the kernel then uses smaller pages.
const LARGE_PAGE: usize = 2 << 20;

/// How guest memory is mapped, and nothing else in this process is (vm-memory, `MmapRegion::new`).
const GUEST_MEMORY: c_int = libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_PRIVATE;

extern "C" {
    fn __real_mmap(
        address: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        file: c_int,
        offset: libc::off_t,
    ) -> *mut c_void;
}

/// mmap(2), but guest memory begins at a multiple of a large page and is advised to be made of such.
///
/// # Safety
/// As of mmap(2).
#[no_mangle]
pub unsafe extern "C" fn __wrap_mmap(
    address: *mut c_void,
    length: usize,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: libc::off_t,
) -> *mut c_void {
    let is_guest_memory = address.is_null() && flags == GUEST_MEMORY && length >= LARGE_PAGE;
    let Some(room) = length.checked_add(LARGE_PAGE).filter(|_| is_guest_memory) else {
        return __real_mmap(address, length, protection, flags, file, offset);
    };
    let start = __real_mmap(null_mut(), room, protection, flags, file, offset);
    if start == libc::MAP_FAILED {
        return start;
    }
    let before = start.align_offset(LARGE_PAGE);
    let memory = start.add(before);
    // Only what is used stays, so that unmapping `length` bytes unmaps all of it.
    if before > 0 {
        libc::munmap(start, before);
    }
    let end = memory.add(length);
    let behind = LARGE_PAGE - before;
    let partial = end.align_offset(page_size());
    if behind > partial {
        libc::munmap(end.add(partial), behind - partial);
    }
    // A host without large pages says no; nothing depends on it.
    libc::madvise(memory, length, libc::MADV_HUGEPAGE);
    memory
}

fn page_size() -> usize {
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}
