//! The door of a collector: its certificate, whom it hears, and how many it turned away. In: the configuration and the
//! files that it names. Out: settings of TLS, verdicts, lines for `/metrics`.
#![expect(clippy::disallowed_types, reason = "certificates and keys are files")]

use std::{
    fmt::Write as _,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pitot_model::Timestamp;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

use super::service::Config;
use crate::access::{Denied, TlsConfig, TokenError, Tokens};

/// Bytes of a file with certificates or a key.
const FILE_BYTES: u64 = 4 << 20;

/// Time between two lines in the log about who was turned away.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Why the door cannot be as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A file.
    #[error("cannot use `{path}`: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// TLS itself.
    #[error("cannot speak TLS: {0}")]
    Tls(rustls::Error),
}

/// Who is let in, as configured at one moment.
#[derive(Clone, Default)]
pub(crate) struct Door {
    /// Who may do what.
    pub(crate) tokens: Tokens,
    /// What is spoken; plain HTTP where there is none.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

impl Door {
    /// Reads the files.
    pub(crate) fn open(config: &Config) -> Result<Self, AccessError> {
        let tls = config.tls.as_ref().map(server).transpose()?;
        Ok(Self { tokens: Tokens::new(&config.tokens)?, tls: tls.map(Arc::new) })
    }
}

fn server(config: &TlsConfig) -> Result<ServerConfig, AccessError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(AccessError::Tls)?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(roots(path)?, provider)
                .build()
                .map_err(|e| wrong(path, format!("it cannot be used: {e}")))?,
        ),
    };
    let key = PrivateKeyDer::from_pem_slice(&read(&config.key)?)
        .map_err(|_| wrong(&config.key, "there is no private key in it; name a PEM file with one"))?;
    let unfit = |error| match error {
        rustls::Error::InconsistentKeys(_) => wrong(
            &config.key,
            format!("it is not the key of the certificate in `{}`; name its own", config.cert.display()),
        ),
        other => wrong(&config.cert, format!("it cannot be used: {other}")),
    };
    let mut server = builder.with_single_cert(certificates(&config.cert)?, key).map_err(unfit)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server)
}

fn roots(path: &Path) -> Result<Arc<RootCertStore>, AccessError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|e| wrong(path, format!("a certificate in it cannot be used: {e}")))?;
    }
    Ok(Arc::new(roots))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AccessError> {
    let pem = read(path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|e| wrong(path, format!("it is damaged: {e}; name a PEM file with certificates")))?;
    if found.is_empty() {
        return Err(wrong(path, "there is no certificate in it; name a PEM file with one"));
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, AccessError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|e| wrong(path, format!("cannot read it: {e}")))?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(wrong(path, "it is too large; name a PEM file with a key or certificates"));
    }
    Ok(bytes)
}

fn wrong(path: &Path, why: impl Into<String>) -> AccessError {
    AccessError::File { path: path.to_owned(), why: why.into() }
}

/// Why somebody was turned away.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turned {
    /// No secure connection came about.
    Handshake,
    /// By the token.
    Denied(Denied),
}

impl Turned {
    const REASONS: [&str; 4] = ["handshake", "no_token", "unknown_token", "wrong_scope"];

    fn index(self) -> usize {
        match self {
            Self::Handshake => 0,
            Self::Denied(Denied::NoToken) => 1,
            Self::Denied(Denied::UnknownToken) => 2,
            Self::Denied(Denied::WrongScope(_)) => 3,
        }
    }
}

/// How many were turned away, since the start.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway {
    counts: [AtomicU64; Turned::REASONS.len()],
    told: Mutex<Option<Timestamp>>,
}

impl TurnedAway {
    /// One more. Whether it is time for a line in the log again: strangers must not fill it.
    pub(crate) fn count(&self, why: Turned, now: Timestamp) -> bool {
        self.counts[why.index()].fetch_add(1, Ordering::Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = told.is_none_or(|at| now < at || now.since(at) >= TELL_EVERY);
        if is_time {
            *told = Some(now);
        }
        is_time
    }

    /// Lines for `/metrics`.
    pub(crate) fn render(&self) -> String {
        const NAME: &str = "pitot_access_refused_total";
        let mut page =
            format!("# HELP {NAME} Connections and requests turned away, by reason.\n# TYPE {NAME} counter\n");
        for (reason, count) in Turned::REASONS.iter().zip(&self.counts) {
            let _ = writeln!(page, "{NAME}{{reason=\"{reason}\"}} {}", count.load(Ordering::Relaxed));
        }
        page
    }
}
