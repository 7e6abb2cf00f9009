//! A way to a collector that stays when the collector is killed, and that can be cut or lose answers.
//!
//! In: connections to a port of its own. Out: the same bytes at wherever the collector listens at the moment.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use super::random::Random;

/// Where a collector listens; `None` while it does not.
pub(super) type Target = Arc<Mutex<Option<SocketAddr>>>;

/// Time between two looks at what happens.
const POLL: Duration = Duration::from_millis(2);

pub(super) struct Forwarder {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    target: Target,
    faults: Mutex<Faults>,
    open: Mutex<Vec<TcpStream>>,
    lost: AtomicU64,
    carried: AtomicU64,
}

struct Faults {
    refuses: bool,
    is_cut: bool,
    /// Percent of the answers that the way loses, after their requests arrived.
    loses: u64,
    random: Random,
}

impl Forwarder {
    pub(super) fn start(target: Target, random: Random) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let faults = Mutex::new(Faults { refuses: false, is_cut: false, loses: 0, random });
        let state = Arc::new(State {
            target,
            faults,
            open: Mutex::default(),
            lost: AtomicU64::new(0),
            carried: AtomicU64::new(0),
        });
        let taking = state.clone();
        thread::spawn(move || taking.take(listener, address));
        Self { address, state }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts all connections and takes no others, or takes them again.
    pub(super) fn cut(&self, is_cut: bool) {
        self.state.faults.lock().unwrap().is_cut = is_cut;
        if is_cut {
            for stream in self.state.open.lock().unwrap().drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    /// Lets nobody connect, as where nothing listens, or lets them again. Returns once that is so.
    pub(super) fn refuse(&self, refuses: bool) {
        self.state.faults.lock().unwrap().refuses = refuses;
        while TcpStream::connect(self.address).is_err() != refuses {
            thread::sleep(POLL);
        }
    }

    /// Loses so many percent of the answers from now on.
    pub(super) fn lose_answers(&self, percent: u64) {
        self.state.faults.lock().unwrap().loses = percent;
    }

    /// Connections that were tried so far.
    pub(super) fn carried(&self) -> u64 {
        self.state.carried.load(Ordering::Relaxed)
    }

    /// Answers that were lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::Relaxed)
    }
}

impl State {
    fn take(self: Arc<Self>, first: TcpListener, address: SocketAddr) {
        let mut listener = Some(first);
        loop {
            let refuses = self.faults.lock().unwrap().refuses;
            match &listener {
                _ if refuses => listener = None,
                None => listener = TcpListener::bind(address).ok(),
                Some(listener) => {
                    listener.set_nonblocking(true).unwrap();
                    if let Ok((client, _)) = listener.accept() {
                        client.set_nonblocking(false).unwrap();
                        let state = self.clone();
                        thread::spawn(move || state.carry(&client));
                        continue;
                    }
                }
            }
            thread::sleep(POLL);
        }
    }

    fn carry(&self, client: &TcpStream) {
        self.carried.fetch_add(1, Ordering::Relaxed);
        let target = *self.target.lock().unwrap();
        let is_cut = self.faults.lock().unwrap().is_cut;
        if let Some(target) = target.filter(|_| !is_cut)
            && let Ok(server) = TcpStream::connect(target)
        {
            let clones = [client, &server].map(|s| s.try_clone().unwrap());
            self.open.lock().unwrap().extend(clones);
            let (mut asking, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let requests = thread::spawn(move || {
                let _ = std::io::copy(&mut asking, &mut asked);
                let _ = asked.shutdown(Shutdown::Both);
            });
            self.answers(&server, client);
            let _ = server.shutdown(Shutdown::Both);
            let _ = client.shutdown(Shutdown::Both);
            let _ = requests.join();
            let gone = [client, &server].map(|s| (s.local_addr().ok(), s.peer_addr().ok()));
            self.open.lock().unwrap().retain(|s| !gone.contains(&(s.local_addr().ok(), s.peer_addr().ok())));
        }
        let _ = client.shutdown(Shutdown::Both);
    }

    /// Until one side ends, or an answer is to be lost.
    fn answers(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n) = from.read(&mut buffer)
            && n > 0
        {
            let is_lost = {
                let faults = &mut *self.faults.lock().unwrap();
                faults.is_cut || faults.random.chance(faults.loses)
            };
            if is_lost {
                self.lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if to.write_all(&buffer[..n]).is_err() {
                return;
            }
        }
    }
}
