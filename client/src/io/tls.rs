//! What went wrong with TLS, in words. In: the error that broke a connection. Out: why, and what to do, or nothing where it
//! was not TLS.

use rustls::{AlertDescription as Alert, CertificateError, Error as Tls, InvalidMessage};

/// Why no secure connection came about; `None` where something else is the cause.
///
/// Everything here ends before a collector reads the first byte of a request. A client certificate is refused after our
/// side took the connection for made (RFC 8446, 4.4.2), so that alerts can also come in place of an answer.
pub(crate) fn explain(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let why = match find(error)? {
        Tls::InvalidCertificate(error) => certificate(error),
        Tls::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what comes back is not TLS; use http:// if it speaks plain HTTP".to_owned()
        }
        Tls::AlertReceived(alert) => refused(*alert)?,
        Tls::PeerIncompatible(error) => format!("it speaks no TLS that we do ({error:?}); it needs TLS 1.2 or 1.3"),
        _ => return None,
    };
    Some(why)
}

/// Our verdict on its certificate.
fn certificate(error: &CertificateError) -> String {
    use CertificateError as C;
    match error {
        C::UnknownIssuer | C::BadSignature => {
            "its certificate is from no authority that is trusted here; name that authority's PEM file by `ca`".into()
        }
        C::Expired | C::ExpiredContext { .. } => {
            "its certificate has expired; renew it, or set this machine's clock".into()
        }
        C::NotValidYet | C::NotValidYetContext { .. } => {
            "its certificate is not valid yet; set this machine's clock, or wait".into()
        }
        C::NotValidForName | C::NotValidForNameContext { .. } => {
            format!("its certificate is for another name ({error}); use a name that the certificate has")
        }
        C::Revoked => "its certificate was revoked; renew it".into(),
        other => format!("its certificate cannot be used: {other}; renew it"),
    }
}

/// Its verdict on us.
fn refused(alert: Alert) -> Option<String> {
    let why = match alert {
        Alert::CertificateRequired => "it wants a client certificate; name one by `cert` and `key`",
        Alert::CertificateExpired => "our certificate has expired; renew it, or set the collector's clock",
        Alert::UnknownCA => "our certificate is from no authority that it trusts; use one from its `client_ca`",
        Alert::CertificateRevoked => "our certificate was revoked; renew it",
        Alert::BadCertificate | Alert::CertificateUnknown | Alert::UnsupportedCertificate | Alert::AccessDenied => {
            "it does not take our certificate; use one for clients from its `client_ca`"
        }
        Alert::ProtocolVersion | Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            "it speaks no TLS that we do; it needs TLS 1.2 or 1.3"
        }
        Alert::UnrecognisedName => "it does not know the name in the URL; use a name that its certificate has",
        Alert::NoApplicationProtocol => "it does not speak HTTP/1.1 there; use the collector's own port",
        _ => return None,
    };
    Some(why.to_owned())
}

/// The error of TLS in a chain of causes; errors of I/O hide theirs.
fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Tls> {
    let mut cause = Some(error);
    while let Some(e) = cause {
        if let Some(tls) = e.downcast_ref::<Tls>() {
            return Some(tls);
        }
        cause = match e.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => e.source(),
        };
    }
    None
}
