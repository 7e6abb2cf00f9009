//! Why an interface cannot be captured, and what to do.
//!
//! In: what libpcap says. Out: errors for people.

use pcap::Device;

/// A capture that cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// Not allowed.
    #[error(
        "cannot capture on `{interface}`: permission denied; grant CAP_NET_RAW: `sudo setcap cap_net_raw=ep {program}`, \
         or run as root"
    )]
    Permission {
        /// Interface as given.
        interface: String,
        /// Path of this program.
        program: String,
    },
    /// Not there.
    #[error("cannot capture on `{interface}`: there is no such interface; there are {known}")]
    Unknown {
        /// Interface as given.
        interface: String,
        /// Names of all that are there.
        known: String,
    },
    /// The filter is wrong.
    #[error("cannot capture on `{interface}`: filter `{filter}`: {error}; see `man pcap-filter`")]
    Filter {
        /// Interface as given.
        interface: String,
        /// Filter as given.
        filter: String,
        /// What libpcap says.
        error: String,
    },
    /// Named with another that sees the same packets.
    #[error(
        "cannot capture on `{interface}` twice: packets would be counted twice; name it once, with all ports, and `any` \
         alone"
    )]
    Twice {
        /// Interface as given.
        interface: String,
    },
    /// Anything else.
    #[error("cannot capture on `{interface}`: {error}")]
    Other {
        /// Interface as given.
        interface: String,
        /// What libpcap says.
        error: String,
    },
}

/// The error of an interface, from what libpcap says.
pub(super) fn why(interface: &str, error: &pcap::Error) -> CaptureError {
    let (interface, error) = (interface.to_owned(), text(error));
    let says = |words: &[&str]| words.iter().any(|w| error.to_ascii_lowercase().contains(w));
    if says(&["permission", "not permitted"]) {
        let program = std::env::current_exe().map_or("/usr/bin/pitot".into(), |p| p.display().to_string());
        return CaptureError::Permission { interface, program };
    }
    if says(&["no such device", "does not exist", "not found"]) {
        let devices = Device::list().unwrap_or_default();
        let is_ours = |d: &&Device| !d.name.starts_with("dbus") && !d.name.starts_with("nf");
        let known: Vec<_> = devices.iter().filter(is_ours).map(|d| format!("`{}`", d.name)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return CaptureError::Unknown { interface, known };
    }
    CaptureError::Other { interface, error }
}

/// What libpcap says, without the crate's prefix.
pub(super) fn text(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let of = |text: &str| why("lo0x", &pcap::Error::PcapError(text.to_owned())).to_string();
        let denied = of("You don't have permission to perform this capture (socket: Operation not permitted)");
        assert!(denied.contains("sudo setcap cap_net_raw=ep /") && denied.contains("run as root"), "{denied}");
        assert!(of("lo0x: No such device exists").contains("there are "), "the interfaces are listed");
        assert_eq!(of("cosmic rays"), "cannot capture on `lo0x`: cosmic rays");
    }
}
