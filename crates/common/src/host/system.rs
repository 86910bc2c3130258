//! The calls to the system that need `unsafe`.

use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

/// One address of one network interface.
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) address: IpAddr,
}

/// All IP addresses of all interfaces in the system's order; none if it does not tell.
pub(super) fn interfaces() -> Vec<Interface> {
    let mut head: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: `head` is a valid place for the list's head.
    if unsafe { libc::getifaddrs(&raw mut head) } != 0 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut next = head;
    while !next.is_null() {
        // SAFETY: `next` is an entry of the list, which lives until `freeifaddrs` below.
        let entry = unsafe { &*next };
        next = entry.ifa_next;
        // SAFETY: the address of an entry is null or a socket address of its family.
        let Some(address) = (unsafe { ip_address(entry.ifa_addr) }) else { continue };
        // SAFETY: the name of an entry is a C string of the list.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
        found.push(Interface { name, address });
    }
    // SAFETY: `head` came from `getifaddrs`; nothing of the list is borrowed any more.
    unsafe { libc::freeifaddrs(head) };
    found
}

/// The IP address in a socket address.
///
/// # Safety
/// `address` is null or points to a socket address of the size its family needs.
unsafe fn ip_address(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: not null, so it has at least a family.
    match i32::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: of this family it is a `sockaddr_in`; read without relying on alignment.
            let v4 = unsafe { ptr::read_unaligned(address.cast::<libc::sockaddr_in>()) };
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr))))
        }
        libc::AF_INET6 => {
            // SAFETY: of this family it is a `sockaddr_in6`; read without relying on alignment.
            let v6 = unsafe { ptr::read_unaligned(address.cast::<libc::sockaddr_in6>()) };
            Some(IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)))
        }
        _ => None,
    }
}

/// Physical memory in bytes; 0 when the system does not tell.
#[cfg(not(target_os = "macos"))]
pub(super) fn physical_memory_bytes() -> u64 {
    // SAFETY: `sysconf` takes a plain number and touches no memory of ours.
    let (pages, size) =
        unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    u64::try_from(pages).unwrap_or(0).saturating_mul(u64::try_from(size).unwrap_or(0))
}

/// Physical memory in bytes; 0 when the system does not tell.
#[cfg(target_os = "macos")]
pub(super) fn physical_memory_bytes() -> u64 {
    let mut bytes: u64 = 0;
    let mut length = size_of::<u64>();
    // SAFETY: the name is a C string, and `bytes` is a place of `length` bytes for the answer.
    let result = unsafe {
        libc::sysctlbyname(
            c"hw.memsize".as_ptr(),
            (&raw mut bytes).cast(),
            &raw mut length,
            ptr::null_mut(),
            0,
        )
    };
    if result == 0 { bytes } else { 0 }
}
