//! The client over TLS against a small server on a loopback port: who is trusted, who is refused, and in which words.

mod authority;

use std::sync::Arc;

use authority::{Authority, Pair};
use pitot_client::{Access, Client, Error, Verdict};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"agents\":[]}";

#[tokio::test]
async fn only_those_are_spoken_with_who_can_be_trusted() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for (name, server, want) in [
        ("good", ours.pair("127.0.0.1"), None),
        ("of a stranger", theirs.pair("127.0.0.1"), Some("from no authority that is trusted here")),
        ("expired", ours.pair_until("old", "127.0.0.1", 2020), Some("has expired")),
        ("for another name", ours.pair("pitot.example"), Some("for another name")),
    ] {
        let url = serve(&server, None).await;
        let got = ask(&url, &Access { ca: Some(ours.ca.clone()), ..Access::default() }).await;
        assert_told(name, got, want);
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_one_or_tells() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = ours.pair("127.0.0.1");
    for (name, client, want) in [
        ("good", Some(ours.pair("web-1")), None),
        ("none", None, Some("wants a client certificate")),
        ("of a stranger", Some(theirs.pair("web-1")), Some("from no authority that it trusts")),
        ("expired", Some(ours.pair_until("old", "web-1", 2020)), Some("our certificate has expired")),
    ] {
        let url = serve(&server, Some(&ours)).await;
        let (cert, key) = client.map(|p| (p.cert, p.key)).unzip();
        let got = ask(&url, &Access { ca: Some(ours.ca.clone()), cert, key, ..Access::default() }).await;
        assert_told(name, got, want);
    }
}

#[tokio::test]
async fn tls_to_a_plain_port_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let ours = Authority::new("ours");
    let got = ask(&url, &Access { ca: Some(ours.ca.clone()), ..Access::default() }).await;
    assert_told("plain", got, Some("use http://"));
}

#[tokio::test]
async fn certificates_are_read_anew_after_a_refusal() {
    let ours = Authority::new("ours");
    let server = ours.pair("127.0.0.1");
    let old = ours.pair_until("web-1", "web-1", 2020);
    let url = serve(&server, Some(&ours)).await;
    let old_key = old.key.clone();
    let access = Access { ca: Some(ours.ca.clone()), cert: Some(old.cert), key: Some(old.key), ..Access::default() };
    let client = Client::connect_with(&url, &access).expect("files are right");
    assert!(matches!(client.agents().await, Err(Error::Tls { .. })));
    // Files that went away are told, once they matter.
    let away = old_key.with_extension("away");
    std::fs::rename(&old_key, &away).expect("is renamed");
    let error = client.agents().await.expect_err("refused again").to_string();
    assert!(error.contains("cannot read it"), "{error}");
    std::fs::rename(&away, &old_key).expect("is renamed");
    // The same files.
    ours.pair_until("web-1", "web-1", 2100);
    assert_eq!(client.agents().await.map(|a| a.agents.len()), Ok(0));
}

#[test]
fn wrong_files_are_told_before_anything_is_sent() {
    let ours = Authority::new("ours");
    let (one, other) = (ours.pair("one"), ours.pair("other"));
    let missing = std::path::PathBuf::from("/nowhere/ca.pem");
    let damaged = one.cert.with_extension("damaged");
    std::fs::write(&damaged, "-----BEGIN CERTIFICATE-----\nAAAA").expect("is written");
    let some = |path: &std::path::PathBuf| Some(path.clone());
    for (access, want) in [
        (Access { ca: some(&missing), ..Access::default() }, "`/nowhere/ca.pem`: cannot read it"),
        (Access { ca: some(&one.key), ..Access::default() }, "there is no certificate in it"),
        (Access { ca: some(&damaged), ..Access::default() }, "it is damaged"),
        (Access { cert: some(&one.cert), ..Access::default() }, "without its key"),
        (Access { key: some(&one.key), ..Access::default() }, "without its certificate"),
        (
            Access { cert: some(&one.cert), key: some(&other.key), ..Access::default() },
            "not the key of the certificate",
        ),
        (Access { cert: some(&one.cert), key: some(&one.cert), ..Access::default() }, "there is no private key in it"),
    ] {
        let access = Access { ca: access.ca.or_else(|| some(&ours.ca)), ..access };
        let error = Client::connect_with("https://127.0.0.1:1", &access).expect_err(want);
        assert!(matches!(error, Error::Access { .. }) && error.to_string().contains(want), "{error}, not {want}");
    }
    let plain = Client::connect_with("http://127.0.0.1:1", &Access { ca: some(&ours.ca), ..Access::default() });
    assert!(matches!(plain, Err(Error::Url { why, .. }) if why.contains("https://")));
}

async fn ask(url: &str, access: &Access) -> Result<(), Error> {
    Client::connect_with(url, access).expect("files are right").agents().await.map(drop)
}

fn assert_told(name: &str, got: Result<(), Error>, want: Option<&str>) {
    match (got, want) {
        (Ok(()), None) => {}
        (Err(error), Some(part)) => {
            assert!(error.to_string().contains(part), "{name}: {error}");
            assert_eq!((error.verdict(), error.may_have_arrived()), (Verdict::Wait, false), "{name}: {error}");
        }
        (got, want) => unreachable!("{name}: {got:?}, not {want:?}"),
    }
}

/// A server that answers one request per connection; its URL.
async fn serve(pair: &Pair, client_ca: Option<&Authority>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let acceptor = TlsAcceptor::from(Arc::new(config(pair, client_ca)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match acceptor.accept(stream).into_fallible().await {
                Ok(mut stream) => {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(ANSWER).await;
                    let _ = stream.shutdown().await;
                }
                // What is not read would reset the connection, and take the alert with it.
                Err((_, mut stream)) => {
                    let _ = stream.shutdown().await;
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
            }
        }
    });
    url
}

fn config(pair: &Pair, client_ca: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(&authority.ca).expect("a certificate")).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let chain = vec![CertificateDer::from_pem_file(&pair.cert).expect("a certificate")];
    builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(&pair.key).expect("a key")).expect("a pair")
}
