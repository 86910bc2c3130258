//! Facts about this machine: its name, the address to announce, memory and processors.

mod system;

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::path::Path;

/// Name of a broker on a machine without a host name.
const NAME_FALLBACK: &str = "DEFAULT_BROKER";

/// The host name, else `DEFAULT_BROKER` (default of `brokerName`).
pub fn local_host_name() -> String {
    host_name().unwrap_or_else(|| NAME_FALLBACK.to_owned())
}

fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}

/// The address to announce (`brokerIP1`, `clientIP`; contract broker.md 2, client.md 1): the first
/// IPv4 that is neither loopback nor 127.0.* nor 192.168.*, bridges left out; else the last IPv4;
/// else the first IPv6 in brackets; else what the host name resolves to.
pub fn local_address() -> String {
    let mut addresses: Vec<IpAddr> = system::interfaces()
        .into_iter()
        .filter(|interface| !is_bridge(&interface.name))
        .map(|interface| interface.address)
        .collect();
    // Java lists interfaces, and each one's addresses, last first.
    addresses.reverse();
    match choose(&addresses).or_else(resolved_host_address) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("[{address}]"),
        None => Ipv4Addr::LOCALHOST.to_string(),
    }
}

fn choose(addresses: &[IpAddr]) -> Option<IpAddr> {
    let usable = || addresses.iter().copied().filter(|address| !address.is_loopback());
    let is_private = |address: &Ipv4Addr| matches!(address.octets(), [127, 0, ..] | [192, 168, ..]);
    let v4 = || {
        usable().filter_map(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
    };
    v4().find(|address| !is_private(address))
        .or_else(|| v4().next_back())
        .map(IpAddr::V4)
        .or_else(|| usable().find(IpAddr::is_ipv6))
}

fn resolved_host_address() -> Option<IpAddr> {
    (host_name()?.as_str(), 0).to_socket_addrs().ok()?.next().map(|address| address.ip())
}

/// Linux shows a bridge by a directory; elsewhere no interface counts as one, as in Java.
fn is_bridge(interface: &str) -> bool {
    cfg!(target_os = "linux") && Path::new("/sys/class/net").join(interface).join("bridge").exists()
}

/// The process id.
pub fn process_id() -> u32 {
    std::process::id()
}

/// Processors this process may use, at least 1 (the `C` of thread count defaults).
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Physical memory in bytes; 0 when the system does not tell.
pub fn physical_memory_bytes() -> u64 {
    system::physical_memory_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(addresses: &[&str]) -> Option<String> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        choose(&addresses).map(|address| address.to_string())
    }

    #[test]
    fn address_choice_follows_java() {
        assert_eq!(
            chosen(&["::2", "192.168.1.1", "10.0.0.1", "10.0.0.2"]).as_deref(),
            Some("10.0.0.1")
        );
        assert_eq!(chosen(&["192.168.1.1", "192.168.1.2"]).as_deref(), Some("192.168.1.2"));
        assert_eq!(chosen(&["127.0.0.1", "fe80::1", "::2"]).as_deref(), Some("fe80::1"));
        assert_eq!(chosen(&["127.0.0.1", "::1"]), None);
    }

    #[test]
    fn this_machine_has_name_address_and_memory() {
        assert!(!local_host_name().is_empty());
        let address = local_address();
        assert!(address.trim_matches(['[', ']']).parse::<IpAddr>().is_ok(), "{address}");
        assert!(physical_memory_bytes() > 1 << 20);
        assert!(processors() >= 1);
    }
}
