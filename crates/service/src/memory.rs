//! The memory pages of a process.

use rustix::thread::disable_transparent_huge_pages;
use tracing::warn;

/// Has the kernel give this process small pages from now on.
///
/// An allocator touches a little of many regions. Where the kernel makes each a huge page, by itself or because the
/// allocator asks for it as mimalloc does, a gateway at rest takes 175 MB instead of 21.
pub fn use_small_pages() {
    if let Err(error) = disable_transparent_huge_pages(true) {
        warn!(%error, "the kernel keeps using huge pages");
    }
}
