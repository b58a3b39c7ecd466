//! Certificates of a private authority, for servers and clients in tests.
//!
//! Owns an authority that is made for one test, and the files of what it issues. Nobody trusts it unless told to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// An authority, and the directory that has its certificate and all it issued.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

/// The files of a certificate that was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority whose files are in `directory`, which must be there.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the files can't be written, or no certificate can be made.
    pub fn new(directory: &Path) -> io::Result<Self> {
        let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        // Were it called as what it issues is by default, that would seem to be issued by itself.
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?;
        let authority = Self { issuer, directory: directory.to_owned() };
        fs::write(authority.certificate(), authority.issuer.pem())?;
        Ok(authority)
    }

    /// The file with the authority's own certificate, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("authority.pem")
    }

    /// Issues a certificate for these names and addresses; its files are named after `file`.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn issue(&self, file: &str, names: &[&str]) -> io::Result<Issued> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).map_err(io::Error::other)?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        let issued = Issued {
            certificate: self.directory.join(format!("{file}.pem")),
            key: self.directory.join(format!("{file}.key")),
        };
        fs::write(&issued.certificate, certificate.pem())?;
        fs::write(&issued.key, key.serialize_pem())?;
        Ok(issued)
    }
}
