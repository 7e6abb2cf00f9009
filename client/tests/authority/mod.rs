//! An authority of certificates for tests. In: names and dates. Out: PEM files in a directory that goes with the test.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: tempfile::TempDir,
    /// Its own certificate.
    pub(crate) ca: PathBuf,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, params.self_signed(&key).expect("a certificate").pem()).expect("is written");
        Self { issuer: Issuer::new(params, key), dir, ca }
    }

    /// A pair for this name or address, valid now.
    pub(crate) fn pair(&self, name: &str) -> Pair {
        self.pair_until(name, name, 2100)
    }

    /// A pair in files of this name, for a host, valid until the start of a year.
    pub(crate) fn pair_until(&self, file: &str, name: &str, year: i32) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(year, 1, 1));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let path = |end: &str| self.dir.path().join(format!("{file}.{end}"));
        let pair = Pair { cert: path("pem"), key: path("key") };
        std::fs::write(&pair.cert, certificate.pem()).expect("is written");
        std::fs::write(&pair.key, key.serialize_pem()).expect("is written");
        pair
    }
}
