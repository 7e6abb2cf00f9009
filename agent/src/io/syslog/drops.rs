//! What the kernel dropped of a UDP socket because it was not read from in time. Linux alone tells.
//!
//! In: a socket. Out: datagrams dropped since the last time.
//!
//! Source: `proc_pid_net(5)`, the table `udp`: `sl local rem st tx:rx tr:tm retrnsmt uid timeout inode ref pointer drops`.

use std::{
    fs::{self, File},
    net::UdpSocket,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
};

/// Which socket it is, and what it dropped so far.
pub(super) struct KernelDrops {
    inode: u64,
    table: &'static str,
    n_known: u64,
}

impl KernelDrops {
    pub(super) fn of(socket: &UdpSocket) -> Self {
        let file = socket.try_clone().map(|s| File::from(OwnedFd::from(s)));
        let inode = file.and_then(|f| f.metadata()).map_or(0, |m| m.ino());
        let is_v6 = socket.local_addr().is_ok_and(|a| a.is_ipv6());
        Self { inode, table: if is_v6 { "/proc/self/net/udp6" } else { "/proc/self/net/udp" }, n_known: 0 }
    }

    /// Datagrams that were dropped since the last time; 0 where nobody tells.
    pub(super) fn fresh(&mut self) -> u64 {
        let Some(n) = fs::read_to_string(self.table).ok().and_then(|table| of_inode(&table, self.inode)) else {
            return 0;
        };
        let fresh = n.saturating_sub(self.n_known);
        self.n_known = n;
        fresh
    }
}

fn of_inode(table: &str, inode: u64) -> Option<u64> {
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let is_it = fields.nth(9)?.parse() == Ok(inode);
        is_it.then(|| fields.nth(2)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_of_a_socket_are_found_by_its_inode() {
        let table = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  121: 0100007F:158A 00000000:0000 07 00000000:00033A00 00:00000000 00000000     0        0 31337 2 0000000000000000 4711
  122: 0100007F:158B 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 31338 2 0000000000000000 0
";
        for (inode, want) in [(31_337, Some(4_711)), (31_338, Some(0)), (1, None), (0, None)] {
            assert_eq!(of_inode(table, inode), want, "{inode}");
        }
        assert_eq!(of_inode("", 1), None);
    }

    #[test]
    fn a_socket_that_nobody_reads_from_drops() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut drops = KernelDrops::of(&socket);
        if !fs::exists(drops.table).unwrap() {
            return eprintln!("SKIPPED: only Linux tells what it drops");
        }
        assert_eq!(drops.fresh(), 0);
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut buffer = vec![0; 60_000];
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4_096).unwrap();
        for _ in 0..100 {
            sender.send_to(&buffer, socket.local_addr().unwrap()).unwrap();
        }
        socket.set_nonblocking(true).unwrap();
        let mut n_received = 0;
        while socket.recv(&mut buffer).is_ok() {
            n_received += 1;
        }
        assert_eq!(drops.fresh() + n_received, 100);
        assert_eq!(drops.fresh(), 0);
    }
}
