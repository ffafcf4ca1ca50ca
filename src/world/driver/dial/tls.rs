//! Whom a client trusts: the authorities of the system, and those that its user names.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};

use super::DialError;

/// The variable of the environment that names a file of further authorities.
const EXTRA: &str = "CONVOKE_EXTRA_CERTS";

/// Which authorities may sign a server's certificate: those of the system, and more.
///
/// The system's are read as other programs read them: from the files that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, if they
/// are set, and else from where the system keeps them.
#[derive(Clone, Default, Debug)]
pub struct Trust {
    /// Files of PEM certificates that are trusted besides.
    pub extra: Vec<PathBuf>,
}

impl Trust {
    pub(super) fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self { extra: variable(EXTRA).map(PathBuf::from).into_iter().collect() }
    }

    /// What speaks TLS with this trust. It shows no certificate of its own.
    pub(super) fn client_config(&self) -> Result<Arc<ClientConfig>, DialError> {
        let mut store = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        // Systems keep certificates that nobody can use any more; one that can't be read is no reason to stop.
        store.add_parsable_certificates(system.certs);
        for path in &self.extra {
            for certificate in read(path)? {
                store
                    .add(certificate)
                    .map_err(|error| DialError::Trust { path: path.clone(), reason: error.to_string() })?;
            }
        }
        if store.is_empty() {
            let reason = system.errors.first().map_or_else(|| "it has no certificates".to_owned(), ToString::to_string);
            return Err(DialError::NoTrust { reason });
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the ring provider knows TLS 1.2 and 1.3")
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, DialError> {
    let failed = |reason: String| DialError::Trust { path: path.to_owned(), reason };
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("it holds no certificate".to_owned()));
    }
    Ok(certificates)
}

/// What a failed TLS handshake means to whoever gave the URL.
pub(super) fn explain(error: &io::Error) -> String {
    let Some(cause) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                "it hung up in the handshake: does it want ws:// rather than wss://?".to_owned()
            }
            _ => error.to_string(),
        };
    };
    match cause {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::UnknownIssuer => {
                format!(
                    "its certificate is signed by an authority that this machine does not trust; if you trust it, name a \
                     file with the authority's certificate in {EXTRA}"
                )
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired, or this machine's clock is wrong".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet, or this machine's clock is wrong".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("its certificate is for another name ({cause}); connect by the name that it holds")
            }
            _ => format!("its certificate can't be accepted: {cause}"),
        },
        rustls::Error::InvalidMessage(_) => {
            "it does not answer in TLS: does it want ws:// rather than wss://?".to_owned()
        }
        cause => cause.to_string(),
    }
}
