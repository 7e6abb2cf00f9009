//! Addresses of syslog receivers, and their sockets.
//!
//! In: what an operator writes. Out: an address, then a bound socket that does not block.
//!
//! | address | receives |
//! |---|---|
//! | `udp://127.0.0.1:5514` | datagrams: nginx, HAProxy, rsyslog's `@` |
//! | `tcp://[::1]:5514` | streams: rsyslog's `@@`, Docker, syslog-ng |
//! | `unix:///run/pitot/log` | datagrams on a Unix socket: nginx, HAProxy, libc |
//! | `unix-stream:///run/pitot/log` | streams on a Unix socket |

use std::{
    fmt, fs, io,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixDatagram, UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{SyslogError, SyslogSpec, drops::KernelDrops};

/// Where to receive syslog messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Datagrams.
    Udp(SocketAddr),
    /// Streams.
    Tcp(SocketAddr),
    /// Datagrams on a Unix socket.
    Unix(PathBuf),
    /// Streams on a Unix socket.
    UnixStream(PathBuf),
}

/// A text that is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// Not one of the four kinds.
    #[error(
        "it begins with none of `udp://`, `tcp://`, `unix://` and `unix-stream://`; use one, as in udp://127.0.0.1:5514"
    )]
    Scheme,
    /// No address with a port.
    #[error("`{0}` is no address with a port; use one such as 127.0.0.1:5514 or [::1]:5514")]
    Address(String),
    /// A path that depends on where the agent was started.
    #[error("`{0}` is no absolute path; use one such as unix:///run/pitot/log")]
    Path(String),
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let (scheme, rest) = text.split_once("://").ok_or(ListenError::Scheme)?;
        let address = || rest.parse().map_err(|_| ListenError::Address(rest.to_owned()));
        let path = || Some(PathBuf::from(rest)).filter(|p| p.is_absolute()).ok_or(ListenError::Path(rest.to_owned()));
        match scheme {
            "udp" => address().map(Self::Udp),
            "tcp" => address().map(Self::Tcp),
            "unix" => path().map(Self::Unix),
            "unix-stream" => path().map(Self::UnixStream),
            _ => Err(ListenError::Scheme),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::UnixStream(path) => write!(f, "unix-stream://{}", path.display()),
        }
    }
}

/// A bound socket, not blocking. Those in the file system take their file along when they go.
pub(super) enum Socket {
    Udp(UdpSocket, KernelDrops),
    Tcp(TcpListener),
    Unix(UnixDatagram, SocketFile),
    UnixStream(UnixListener, SocketFile),
}

impl Socket {
    /// The address that it is bound to: that of its specification, with the port that it got.
    pub(super) fn listening(&self, spec: &SyslogSpec) -> Listen {
        let bound = match self {
            Self::Udp(socket, _) => socket.local_addr().map(Listen::Udp),
            Self::Tcp(socket) => socket.local_addr().map(Listen::Tcp),
            Self::Unix(..) | Self::UnixStream(..) => return spec.listen.clone(),
        };
        bound.unwrap_or_else(|_| spec.listen.clone())
    }
}

/// Bytes that the kernel is asked to keep of a datagram socket that is not read from at the moment. It gives what
/// `net.core.rmem_max` allows where the agent is not privileged.
const KERNEL_BYTES: usize = 8 << 20;

/// Binds the socket of an address.
pub(super) fn bind(spec: &SyslogSpec) -> Result<Socket, SyslogError> {
    let failed = |error| SyslogError::Bind { listen: spec.listen.clone(), error };
    match &spec.listen {
        Listen::Udp(address) => udp(*address).map_err(failed),
        Listen::Tcp(address) => tcp(*address).map_err(failed),
        Listen::Unix(path) => {
            let (socket, file) = in_files(path, spec, |path| UnixDatagram::bind(path))?;
            socket.set_nonblocking(true).map_err(failed)?;
            Ok(Socket::Unix(socket, file))
        }
        Listen::UnixStream(path) => {
            let (socket, file) = in_files(path, spec, |path| UnixListener::bind(path))?;
            socket.set_nonblocking(true).map_err(failed)?;
            Ok(Socket::UnixStream(socket, file))
        }
    }
}

fn udp(address: SocketAddr) -> io::Result<Socket> {
    use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    // It works with less.
    let _ = set_socket_recv_buffer_size_force(&socket, KERNEL_BYTES)
        .or_else(|_| set_socket_recv_buffer_size(&socket, KERNEL_BYTES));
    let drops = KernelDrops::of(&socket);
    Ok(Socket::Udp(socket, drops))
}

fn tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(Socket::Tcp(socket))
}

fn in_files<T>(
    path: &Path,
    spec: &SyslogSpec,
    bind: impl Fn(&Path) -> io::Result<T>,
) -> Result<(T, SocketFile), SyslogError> {
    let failed = |error| SyslogError::Path { listen: spec.listen.clone(), error };
    remove_stale(path, &spec.listen)?;
    let socket = bind(path).map_err(failed)?;
    let identity = identity(path).map_err(failed)?;
    let file = SocketFile { path: path.to_owned(), identity };
    fs::set_permissions(path, fs::Permissions::from_mode(spec.mode)).map_err(failed)?;
    Ok((socket, file))
}

/// Removes the file of a socket that nobody listens on any more; after a crash there is one.
fn remove_stale(path: &Path, listen: &Listen) -> Result<(), SyslogError> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(SyslogError::NotASocket(path.to_owned()));
    }
    // One of the other kind answers as well, with another error.
    let answer = UnixDatagram::unbound().and_then(|s| s.connect(path)).or_else(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Err(error),
        _ => UnixStream::connect(path).map(drop),
    });
    match answer {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| SyslogError::Path { listen: listen.clone(), error })
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(SyslogError::Path { listen: listen.clone(), error })
        }
        _ => Err(SyslogError::InUse(path.to_owned())),
    }
}

/// The file of a socket, which goes with it, unless it is another's by then.
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|m| (m.dev(), m.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in
            ["udp://127.0.0.1:5514", "tcp://[::1]:5514", "unix:///run/pitot/log", "unix-stream:///run/pitot/log"]
        {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for (text, want) in [
            ("127.0.0.1:5514", ListenError::Scheme),
            ("http://127.0.0.1:5514", ListenError::Scheme),
            ("", ListenError::Scheme),
            ("udp://127.0.0.1", ListenError::Address("127.0.0.1".into())),
            ("tcp://localhost:514", ListenError::Address("localhost:514".into())),
            ("unix://log", ListenError::Path("log".into())),
            ("unix://", ListenError::Path(String::new())),
        ] {
            assert_eq!(text.parse::<Listen>(), Err(want), "{text}");
        }
    }

    fn unix(path: &Path) -> SyslogSpec {
        SyslogSpec { mode: 0o640, ..SyslogSpec::of(Listen::Unix(path.to_owned())) }
    }

    #[test]
    fn a_socket_file_is_taken_over_from_the_dead_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let stream = SyslogSpec::of(Listen::UnixStream(path.clone()));
        drop(UnixDatagram::bind(&path).unwrap());
        let socket = bind(&unix(&path)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        for spec in [&unix(&path), &stream] {
            assert!(matches!(bind(spec), Err(SyslogError::InUse(_))));
        }
        drop(socket);
        assert!(!path.exists(), "the file goes with the socket");
        let _listener = bind(&stream).unwrap();
        for spec in [&unix(&path), &stream] {
            assert!(matches!(bind(spec), Err(SyslogError::InUse(_))));
        }
    }

    #[test]
    fn what_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&unix(&path)), Err(SyslogError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert!(matches!(bind(&unix(&dir.path().join("no/log"))), Err(SyslogError::Path { .. })));
    }

    #[test]
    fn a_file_that_is_anothers_by_then_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let socket = bind(&unix(&path)).unwrap();
        fs::rename(&path, dir.path().join("old")).unwrap();
        let _other = UnixDatagram::bind(&path).unwrap();
        drop(socket);
        assert!(path.exists());
    }
}
