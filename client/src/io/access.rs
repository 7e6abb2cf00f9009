//! Reads the files of an [`Access`]. In: paths and a token. Out: what TLS needs, and the `Authorization` header; or which
//! file is wrong, and how.
#![expect(clippy::disallowed_types, reason = "certificates, keys and tokens are files")]

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

use http::HeaderValue;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::{Access, Error};

/// Bytes of a file with certificates, a key or a token.
const FILE_BYTES: u64 = 4 << 20;

/// The settings of TLS that these files stand for.
pub(crate) fn tls(access: &Access) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Access { what: "TLS".into(), why: e.to_string() })?
        .with_root_certificates(roots(access)?);
    match (&access.cert, &access.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let chain = certificates(cert)?;
            let private = PrivateKeyDer::from_pem_slice(&read(key)?)
                .map_err(|_| wrong(key, "there is no private key in it; name a PEM file with one"))?;
            builder.with_client_auth_cert(chain, private).map_err(|e| wrong(key, why_unfit(&e, cert)))
        }
        (Some(cert), None) => Err(wrong(cert, "a certificate is of no use without its key; name the key as well")),
        (None, Some(key)) => {
            Err(wrong(key, "a key is of no use without its certificate; name the certificate as well"))
        }
    }
}

/// The header that carries the token, where there is one. It is marked as sensitive, so nothing prints it.
pub(crate) fn authorization(access: &Access) -> Result<Option<HeaderValue>, Error> {
    let (token, origin) = match (&access.token_file, &access.token) {
        (Some(path), _) => {
            let text =
                String::from_utf8(read(path)?).map_err(|_| wrong(path, "it is not text; name a file with a token"))?;
            (text, path.display().to_string())
        }
        (None, Some(token)) => (token.clone(), "the token".to_owned()),
        (None, None) => return Ok(None),
    };
    let token = token.trim();
    let refused = |why: &str| Error::Access { what: origin.clone(), why: why.to_owned() };
    if token.is_empty() {
        return Err(refused("it is empty; `pitot token` makes one"));
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(refused("it is no token: it holds spaces or signs beyond ASCII; `pitot token` makes one"));
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| refused("it is no token; `pitot token` makes one"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn roots(access: &Access) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let Some(ca) = &access.ca else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let why = "this machine has none; name a PEM file with the collector's authority by `ca`";
            return Err(Error::Access { what: "the certificates of authorities".into(), why: why.into() });
        }
        return Ok(roots);
    };
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|e| wrong(ca, format!("a certificate in it cannot be used: {e}")))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = read(path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|e| wrong(path, format!("it is damaged: {e}; name a PEM file with certificates")))?;
    if found.is_empty() {
        return Err(wrong(path, "there is no certificate in it; name a PEM file with one"));
    }
    Ok(found)
}

/// Why a certificate and a key do not make a pair.
fn why_unfit(error: &rustls::Error, cert: &Path) -> String {
    let cert = cert.display();
    match error {
        rustls::Error::InconsistentKeys(_) => format!("it is not the key of the certificate in `{cert}`; name its own"),
        other => format!("it cannot be used with the certificate in `{cert}`: {other}"),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|e| wrong(path, format!("cannot read it: {e}")))?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(wrong(path, "it is too large; name a file with a token, a key or certificates"));
    }
    Ok(bytes)
}

fn wrong(path: &Path, why: impl Into<String>) -> Error {
    Error::Access { what: format!("`{}`", path.display()), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_from_a_file_or_a_value_and_are_never_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("token");
        std::fs::write(&path, "from-file\n").expect("is written");
        let file = Some(path);
        for (token, token_file, want) in [
            (None, None, Ok(None)),
            (Some("a"), None, Ok(Some("Bearer a"))),
            (Some("a"), file.clone(), Ok(Some("Bearer from-file"))),
            (Some(" \n"), None, Err("empty")),
            (Some("s3cr3t with"), None, Err("spaces")),
            (Some("s3cr3t\u{e9}"), None, Err("ASCII")),
            (None, Some(dir.path().join("missing")), Err("cannot read")),
            (None, Some(dir.path().to_owned()), Err("cannot read")),
        ] {
            let access = Access { token: token.map(str::to_owned), token_file, ..Access::default() };
            match (authorization(&access), want) {
                (Ok(got), Ok(want)) => {
                    assert_eq!(got.as_ref().map(HeaderValue::as_bytes), want.map(str::as_bytes));
                    assert!(!format!("{got:?} {access:?}").contains("Bearer"));
                }
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{error}");
                    assert!(!format!("{error} {error:?} {access:?}").contains("s3cr3t"), "{error}");
                }
                (got, want) => unreachable!("{got:?}, not {want:?}"),
            }
        }
    }
}
