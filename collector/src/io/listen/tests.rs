//! Strangers at the port: who speaks what, who is let in, who is too slow.

use std::net::SocketAddr;

use rustls::{ClientConfig, RootCertStore, pki_types::pem::PemObject as _};
use tokio::io::duplex;
use tokio_rustls::TlsConnector;

use self::authority::{Authority, Pair};
use super::*;
use crate::{
    access::{Scope, TlsConfig, TokenConfig, token_hash},
    io::service::{Config, open},
};

#[path = "../../../../client/tests/authority/mod.rs"]
mod authority;

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn tls(pair: &Pair, client_ca: Option<&Authority>) -> Config {
    let client_ca = client_ca.map(|a| a.ca.clone());
    let tls = TlsConfig { cert: pair.cert.clone(), key: pair.key.clone(), client_ca };
    Config { tls: Some(tls), ..Config::default() }
}

/// A collector at a port, until the runtime of the test ends.
async fn start(config: Config) -> (Collector, SocketAddr) {
    let collector = open(config).expect("opens");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let served = collector.clone();
    tokio::spawn(async move { served.serve(listener, std::future::pending()).await });
    (collector, address)
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    let mut answer = Vec::new();
    let _ = stream.write_all(request.as_bytes()).await;
    // Whoever turns us away may do so in the middle.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn plain(address: SocketAddr, request: &str) -> String {
    exchange(TcpStream::connect(address).await.expect("connects"), request).await
}

/// The answer over TLS, or the error of the handshake or of what came after it.
async fn secure(address: SocketAddr, authority: &Authority, pair: Option<&Pair>) -> Result<String, String> {
    let mut roots = RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(&authority.ca).expect("a certificate")).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
    let config = match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![rustls::pki_types::CertificateDer::from_pem_file(&pair.cert).expect("a certificate")];
            let key = rustls::pki_types::PrivateKeyDer::from_pem_file(&pair.key).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("a pair")
        }
    };
    let stream = TcpStream::connect(address).await.expect("connects");
    let name = address.ip().into();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|e| e.to_string())?;
    let _ = stream.write_all(HEALTH.as_bytes()).await;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer).await {
        Err(error) if answer.is_empty() => Err(error.to_string()),
        _ => Ok(answer),
    }
}

#[tokio::test]
async fn a_port_speaks_tls_or_plain_http_and_tells_which() {
    let ours = Authority::new("ours");
    let (_, address) = start(Config::default()).await;
    assert!(plain(address, HEALTH).await.starts_with("HTTP/1.1 200"));
    assert!(secure(address, &ours, None).await.is_err());

    let (_, address) = start(tls(&ours.pair("127.0.0.1"), None)).await;
    assert!(secure(address, &ours, None).await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")));
    let answer = plain(address, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 426") && answer.contains("use https://"), "{answer}");
    assert_eq!(plain(address, "\u{1}\u{2}").await.find("HTTP"), None);
}

#[tokio::test]
async fn only_clients_with_the_right_certificate_are_heard() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (collector, address) = start(tls(&ours.pair("127.0.0.1"), Some(&ours))).await;
    let good = ours.pair("web-1");
    assert!(secure(address, &ours, Some(&good)).await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")));
    for (pair, want) in [
        (None, "CertificateRequired"),
        (Some(theirs.pair("web-1")), "UnknownCA"),
        (Some(ours.pair_until("old", "web-1", 2020)), "CertificateExpired"),
    ] {
        let error = secure(address, &ours, pair.as_ref()).await.expect_err(want);
        assert!(error.contains(want), "{error}, not {want}");
    }
    assert!(collector.turned_away().contains("pitot_access_refused_total{reason=\"handshake\"} 3"));
}

#[tokio::test]
async fn certificates_and_tokens_change_while_it_runs_or_stay_as_they_are() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let config = tls(&ours.pair("127.0.0.1"), None);
    let (collector, address) = start(config.clone()).await;

    let token = TokenConfig { name: "a".into(), sha256: "x".into(), scopes: vec![Scope::Read] };
    let wrong = Config { tokens: vec![token.clone()], ..config.clone() };
    assert!(collector.reconfigure(wrong).await.is_err_and(|e| e.to_string().contains("64 hexadecimal digits")));
    let missing = tls(&Pair { cert: "/nowhere/cert".into(), key: "/nowhere/key".into() }, None);
    assert!(collector.reconfigure(missing).await.is_err_and(|e| e.to_string().contains("`/nowhere/")));
    assert!(secure(address, &ours, None).await.is_ok());

    let tokens = vec![TokenConfig { sha256: token_hash("t"), ..token }];
    collector.reconfigure(Config { tokens, ..tls(&theirs.pair("127.0.0.1"), None) }).await.expect("taken");
    assert!(secure(address, &ours, None).await.is_err());
    assert!(secure(address, &theirs, None).await.is_ok());
    assert!(collector.door().tokens.admit(None, Scope::Read).is_err());
}

#[test]
fn wrong_files_are_told_at_the_start() {
    let ours = Authority::new("ours");
    let (one, other) = (ours.pair("one"), ours.pair("other"));
    for (pair, want) in [
        (Pair { cert: one.key.clone(), key: one.key.clone() }, "there is no certificate in it"),
        (Pair { cert: one.cert.clone(), key: one.cert.clone() }, "there is no private key in it"),
        (Pair { cert: one.cert.clone(), key: other.key.clone() }, "it is not the key of the certificate in"),
        (Pair { cert: one.cert.clone(), key: "/nowhere/key".into() }, "`/nowhere/key`: cannot read it"),
    ] {
        let error = open(tls(&pair, None)).err().expect(want).to_string();
        assert!(error.contains(want), "{error}, not {want}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_given_up() {
    let collector = open(Config::default()).expect("opens");
    let slots = Arc::new(Semaphore::new(1));
    let slot = slots.clone().acquire_owned().await.expect("a slot");
    let (mut near, far) = duplex(1_000);
    let watcher = GracefulShutdown::new().watcher();
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let router = collector.router();
    let talking = tokio::spawn(Connection { collector, peer, watcher, slot }.talk(far, router));
    near.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").await.expect("there is room");
    let mut answer = Vec::new();
    // Nothing else happens, so that time runs to the limit at once.
    near.read_to_end(&mut answer).await.expect("it is closed");
    talking.await.expect("it ends");
    assert_eq!(slots.available_permits(), 1);
}

#[test]
fn the_store_keeps_its_files() {
    for (open_files, want) in [(0, 1), (256, 128), (1_024, 512), (4_096, 3_072), (1 << 20, CONNECTIONS)] {
        assert_eq!(connections(open_files), want, "{open_files}");
    }
    assert!(open_files() > 0);
}
