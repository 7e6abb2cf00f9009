//! Live capture: what the kernel sees pass on network interfaces, through libpcap.
//!
//! In: names of interfaces, ports, a filter. Out: [`Frame`]s with the kernel's timestamps, into [`Packets`], and how many
//! the kernel dropped.
//! All interfaces are read by one owner on one thread, and their packets put in the order of time, so that one which
//! passes two of them is seen as the retransmission that it looks like, and is counted once.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    os::fd::AsFd as _,
    time::{Duration, Instant, SystemTime},
};

use pcap::{Active, Capture, Device};
use pitot_model::{Reason, Timestamp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{info, warn};

use super::{
    error::{CaptureError, text, why},
    merge::Merge,
};
use crate::{
    decode::{Frame, LinkType},
    packets::{Packets, Visit},
};

/// Bytes of the kernel's buffer per interface: with all else, a busy agent stays below 96 MiB. At a million packets per
/// second it holds some 30 ms, which is how long this process may be kept from running.
pub const BUFFER_BYTES: u32 = 32 << 20;

/// Bytes kept of a packet: all of it, also where the card joins segments (64 KiB and a header). Bodies are not looked at, but
/// behind them in the same segment the next head, chunk or HTTP/2 frame begins.
pub const SNAPLEN: u32 = 256 << 10;

/// The least: with fewer, headers of tunnels and options leave nothing of a request.
pub const SNAPLEN_MIN: u32 = 256;

/// How long the kernel gathers packets before it wakes us.
const GATHER_MS: i32 = 100;
/// The same where freshness counts more than the processor.
const IMMEDIATE_MS: i32 = 1;
/// What the kernel needs beyond the time that it gathers packets to hand them over.
const HAND_OVER: Duration = Duration::from_millis(20);
/// Packets of one interface before the others have their turn.
const TURN: usize = 4096;
/// How long to wait for packets; at least as long as the kernel gathers them.
const PATIENCE: Duration = Duration::from_millis(100);
/// Time between two looks at what was dropped.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long it takes at most to read what the kernel holds in the end.
const FINISH_WITHIN: Duration = Duration::from_secs(1);
/// Time between two looks for an interface that went away.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// The pseudo interface of Linux that stands for all.
const ANY: &str = "any";
/// LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;

/// What to capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSpec {
    /// Name of the interface, or `any`.
    pub interface: String,
    /// TCP ports of the servers; empty for all.
    pub ports: Vec<u16>,
    /// Filter in libpcap's language, besides the ports; empty for none.
    pub filter: String,
    /// Servers whose connections are left out: the collector's, else an agent would report its reports.
    pub except: Vec<SocketAddr>,
    /// Bytes kept of each packet.
    pub snaplen: u32,
    /// Bytes of the kernel's buffer.
    pub buffer_bytes: u32,
    /// Whether packets are read as they come, and not in tenths of a second.
    pub is_immediate: bool,
}

impl LiveSpec {
    /// All that passes an interface.
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            ports: Vec::new(),
            filter: String::new(),
            except: Vec::new(),
            snaplen: SNAPLEN,
            buffer_bytes: BUFFER_BYTES,
            is_immediate: false,
        }
    }

    /// The filter for the kernel. Fragments behind the first of a datagram have no ports: all that can hold TCP pass. On
    /// Ethernet, what has a VLAN tag passes, too.
    fn program(&self, link: LinkType) -> String {
        let mut text = String::new();
        if !self.ports.is_empty() {
            for (i, port) in self.ports.iter().enumerate() {
                let _ = write!(text, "{}tcp port {port}", if i > 0 { " or " } else { "" });
            }
            text.push_str(" or (ip proto 6 and ip[6:2] & 0x1fff != 0) or (ip6 and ip6[6] == 44)");
        }
        if !self.filter.trim().is_empty() {
            text = if text.is_empty() { self.filter.clone() } else { format!("({}) and ({text})", self.filter) };
        }
        // `vlan` moves all that is behind it in the program.
        if link.0 == ETHERNET && !self.ports.is_empty() {
            text = format!("({text}) or (vlan and ({text}))");
        }
        for server in &self.except {
            let side = |side| format!("({side} host {} and tcp {side} port {})", server.ip(), server.port());
            let rest = if text.is_empty() { String::new() } else { format!(" and ({text})") };
            text = format!("not ({} or {}){rest}", side("src"), side("dst"));
        }
        text
    }
}

/// Open captures on some interfaces.
pub struct Live {
    taps: Vec<Tap>,
    /// Where there are several.
    merge: Merge,
    /// When to look at the clock and at what was dropped.
    due: Instant,
}

/// One interface.
struct Tap {
    spec: LiveSpec,
    /// `None` while the interface is away.
    capture: Option<Capture<Active>>,
    link: LinkType,
    /// Packets that the kernel and the interface had dropped when last asked; they start anew at zero when it is opened.
    dropped: (u32, u32),
    /// When to look for an interface that is away.
    retry: Instant,
    trouble: String,
    /// Why it will never be captured again.
    failure: Option<CaptureError>,
}

impl Live {
    /// Opens all of them, or none.
    ///
    /// # Errors
    /// The first that cannot be opened.
    pub fn open(specs: &[LiveSpec]) -> Result<Self, CaptureError> {
        refuse_twice(specs)?;
        let taps: Vec<_> = specs.iter().map(Tap::open).collect::<Result<_, _>>()?;
        Ok(Self { merge: Merge::new(taps.len()), taps, due: Instant::now() })
    }

    /// Addresses of the interfaces: what is sent to them is inbound.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let names: Vec<&str> = self.taps.iter().map(|t| t.spec.interface.as_str()).collect();
        let devices = Device::list().unwrap_or_default();
        let ours = devices.iter().filter(|d| names.contains(&ANY) || names.contains(&d.name.as_str()));
        ours.flat_map(|d| d.addresses.iter().map(|a| a.addr)).collect()
    }

    /// Names of the interfaces, for people.
    pub fn describe(&self) -> String {
        let names: Vec<_> = self.taps.iter().map(|t| t.spec.interface.as_str()).collect();
        names.join(", ")
    }

    /// Hands on what was captured, or waits for it a tenth of a second. Once a second it says what was dropped; without
    /// packets, time passes by the clock. How many packets there were.
    pub fn pump<V: Visit>(&mut self, packets: &mut Packets<V>) -> usize {
        let n = self.read(packets);
        if n == 0 {
            self.wait(if self.merge.is_empty() { PATIENCE } else { HAND_OVER });
        }
        if Instant::now() >= self.due {
            self.due = Instant::now() + LOOK_EVERY;
            packets.count(Reason::PacketDropped, self.take_dropped());
            packets.count(Reason::InterfaceAway, self.taps.iter().filter(|tap| tap.capture.is_none()).count() as u64);
            if n == 0 && self.merge.is_empty() {
                packets.tick(now());
            }
        }
        n
    }

    /// Why an interface cannot be captured again, if so: it came back when the privilege to open it was given up.
    pub fn failure(&self) -> Option<&CaptureError> {
        self.taps.iter().find_map(|tap| tap.failure.as_ref())
    }

    /// Whether nothing will be captured any more.
    pub fn is_over(&self) -> bool {
        self.taps.iter().all(|tap| tap.failure.is_some())
    }

    /// Hands on what the kernel still holds, in a second at most, and ends what is open.
    pub fn finish<V: Visit>(&mut self, packets: &mut Packets<V>) {
        let (deadline, mut n_quiet) = (Instant::now() + FINISH_WITHIN, 0);
        while n_quiet < 2 && Instant::now() < deadline {
            match self.read(packets) {
                0 => {
                    n_quiet += 1;
                    self.wait(PATIENCE);
                }
                _ => n_quiet = 0,
            }
        }
        self.merge.finish(|frame| packets.push(frame));
        packets.count(Reason::PacketDropped, self.take_dropped());
        packets.finish();
    }

    fn read<V: Visit>(&mut self, packets: &mut Packets<V>) -> usize {
        if let [tap] = self.taps.as_mut_slice() {
            return tap.read(|frame| packets.push(frame));
        }
        let merge = &mut self.merge;
        for (i, tap) in self.taps.iter_mut().enumerate() {
            let began = now();
            if merge.has_room(i) && tap.read(|frame| merge.push(i, frame)) == 0 {
                merge.read_to(i, began - tap.delay());
            }
        }
        merge.release(now(), |frame| packets.push(frame))
    }

    /// Packets that kernel and interfaces dropped since the last call.
    fn take_dropped(&mut self) -> u64 {
        self.taps.iter_mut().map(Tap::take_dropped).sum()
    }

    /// Until there is something to read. Interfaces that are away are not waited for.
    fn wait(&self, patience: Duration) {
        let open = || self.taps.iter().filter_map(|t| t.capture.as_ref());
        let mut fds: Vec<PollFd<'_>> =
            open().map(|capture| PollFd::from_borrowed_fd(capture.as_fd(), PollFlags::IN)).collect();
        let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: i64::from(patience.subsec_nanos()) };
        // An interrupted wait is as good as one that is over.
        let _ = poll(&mut fds, Some(&timeout));
    }
}

impl Tap {
    fn open(spec: &LiveSpec) -> Result<Self, CaptureError> {
        let (capture, link) = activate(spec)?;
        let mut tap = Self {
            spec: spec.clone(),
            capture: Some(capture),
            link,
            dropped: (0, 0),
            retry: Instant::now(),
            trouble: String::new(),
            failure: None,
        };
        tap.set_filter()?;
        Ok(tap)
    }

    fn set_filter(&mut self) -> Result<(), CaptureError> {
        let program = self.spec.program(self.link);
        let Some(capture) = self.capture.as_mut().filter(|_| !program.is_empty()) else { return Ok(()) };
        capture.filter(&program, true).map_err(|error| CaptureError::Filter {
            interface: self.spec.interface.clone(),
            filter: if self.spec.filter.is_empty() { program } else { self.spec.filter.clone() },
            error: text(&error),
        })
    }

    /// How long packets may be with the kernel.
    fn delay(&self) -> Duration {
        let gather = if self.spec.is_immediate { IMMEDIATE_MS } else { GATHER_MS };
        Duration::from_millis(gather.unsigned_abs().into()) + HAND_OVER
    }

    fn read(&mut self, mut each: impl FnMut(&Frame<'_>)) -> usize {
        let link = self.link;
        let Some(capture) = &mut self.capture else {
            self.look_again();
            return 0;
        };
        let read = capture.dispatch(Some(TURN), |packet| {
            let ts = packet.header.ts;
            each(&Frame {
                at: Timestamp::from_secs(ts.tv_sec) + Duration::from_micros(ts.tv_usec as u64),
                link,
                bytes: packet.data,
                wire_len: packet.header.len,
            });
        });
        match read {
            Ok(n) => n,
            Err(pcap::Error::TimeoutExpired) => 0,
            Err(error) => {
                self.lose(&text(&error));
                0
            }
        }
    }

    /// The interface went away. It may come again, as files do.
    fn lose(&mut self, error: &str) {
        warn!(interface = self.spec.interface, error, "capture broke off; waiting for the interface");
        self.capture = None;
        self.trouble.clear();
        self.retry = Instant::now() + RETRY_EVERY;
    }

    fn look_again(&mut self) {
        if Instant::now() < self.retry || self.failure.is_some() {
            return;
        }
        self.retry = Instant::now() + RETRY_EVERY;
        // Without privileges, all that could be learned by opening is that it is not allowed.
        if !self.is_there() {
            return;
        }
        match Self::open(&self.spec) {
            Ok(tap) => {
                info!(interface = self.spec.interface, "capturing again");
                *self = tap;
            }
            Err(error @ CaptureError::Permission { .. }) => {
                let interface = &self.spec.interface;
                warn!(interface, "interface came back, but the privilege to capture on it was given up; start again");
                self.failure = Some(error);
            }
            Err(error) => {
                let error = error.to_string();
                if error != self.trouble {
                    warn!(error, "cannot capture; trying on");
                    self.trouble = error;
                }
            }
        }
    }

    fn is_there(&self) -> bool {
        let name = &self.spec.interface;
        name == ANY || Device::list().is_ok_and(|devices| devices.iter().any(|d| d.name == *name))
    }

    fn take_dropped(&mut self) -> u64 {
        let Some(stat) = self.capture.as_mut().and_then(|c| c.stats().ok()) else { return 0 };
        let (kernel, interface) = self.dropped;
        self.dropped = (stat.dropped, stat.if_dropped);
        // Both wrap.
        u64::from(stat.dropped.wrapping_sub(kernel)) + u64::from(stat.if_dropped.wrapping_sub(interface))
    }
}

/// Refuses interfaces that see the same packets.
fn refuse_twice(specs: &[LiveSpec]) -> Result<(), CaptureError> {
    let is_again = |(i, spec): &(usize, &LiveSpec)| {
        specs[..*i].iter().any(|s| s.interface == spec.interface || s.interface == ANY || spec.interface == ANY)
    };
    match specs.iter().enumerate().find(is_again) {
        Some((_, spec)) => Err(CaptureError::Twice { interface: spec.interface.clone() }),
        None => Ok(()),
    }
}

fn activate(spec: &LiveSpec) -> Result<(Capture<Active>, LinkType), CaptureError> {
    let failed = |error: pcap::Error| why(&spec.interface, &error);
    let bounded = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let capture = Capture::from_device(spec.interface.as_str())
        .map_err(failed)?
        .snaplen(bounded(spec.snaplen))
        .buffer_size(bounded(spec.buffer_bytes))
        // Not libpcap's immediate mode: its buffers have room for a whole `snaplen` per packet, so few fit.
        .timeout(if spec.is_immediate { IMMEDIATE_MS } else { GATHER_MS })
        .open()
        .map_err(failed)?
        .setnonblock()
        .map_err(failed)?;
    let link = LinkType(u16::try_from(capture.get_datalink().0).unwrap_or(u16::MAX));
    Ok((capture, link))
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use pcap::Linktype;

    use super::*;

    #[test]
    fn filters_keep_tags_and_fragments() {
        let ports = LiveSpec { ports: vec![80, 8080], ..LiveSpec::new("eth0") };
        let text = ports.program(LinkType(113));
        assert_eq!(
            text,
            "tcp port 80 or tcp port 8080 or (ip proto 6 and ip[6:2] & 0x1fff != 0) or (ip6 and ip6[6] == 44)"
        );
        assert_eq!(ports.program(LinkType(ETHERNET)), format!("({text}) or (vlan and ({text}))"));
        let both = LiveSpec { filter: "host 10.0.0.1".into(), ..ports };
        assert_eq!(both.program(LinkType(113)), format!("(host 10.0.0.1) and ({text})"));
        assert_eq!(LiveSpec { ports: Vec::new(), ..both }.program(LinkType(ETHERNET)), "host 10.0.0.1");
        assert_eq!(LiveSpec::new("lo").program(LinkType(ETHERNET)), "");
        let except = LiveSpec { except: vec!["10.0.0.1:7077".parse().unwrap()], ..LiveSpec::new("lo") };
        let not = "not ((src host 10.0.0.1 and tcp src port 7077) or (dst host 10.0.0.1 and tcp dst port 7077))";
        assert_eq!(except.program(LinkType(113)), not);
        let ports = LiveSpec { ports: vec![80], ..except };
        assert!(ports.program(LinkType(ETHERNET)).starts_with(&format!("{not} and ((tcp port 80 or ")));
    }

    #[test]
    fn libpcap_understands_the_filters() {
        // libpcap has a number of its own for bare IP: 12.
        for link in [ETHERNET, 113, 12] {
            let except = ["10.0.0.1:7077", "[::1]:7077"].map(|a| a.parse().unwrap()).to_vec();
            let filter = "not host 10.0.0.1".into();
            let spec = LiveSpec { ports: vec![80], filter, except, ..LiveSpec::new("x") };
            let dead = Capture::dead(Linktype(link.into())).unwrap();
            assert!(dead.compile(&spec.program(LinkType(link)), true).is_ok(), "{link}");
        }
    }

    #[test]
    fn interfaces_that_see_the_same_are_refused() {
        for (names, want) in [
            (vec!["lo"], true),
            (vec!["lo", "eth0"], true),
            (vec!["lo", "lo"], false),
            (vec!["any", "lo"], false),
            (vec!["lo", "eth0", "any"], false),
        ] {
            let specs: Vec<_> = names.iter().map(|&name| LiveSpec::new(name)).collect();
            assert_eq!(refuse_twice(&specs).is_ok(), want, "{names:?}");
        }
    }
}
