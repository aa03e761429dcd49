//! Certificates for tests, made on the spot, and clients that speak TLS with a library other than the system's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SignatureAlgorithm,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{DEADLINE, Message, Parsed, parse_response};

pub use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};

/// An authority with a folder, into which it writes what it issues.
pub struct Pki {
    folder: tempfile::TempDir,
    authority: Issuer<'static, KeyPair>,
    pem: String,
}

impl Pki {
    /// A new authority; its own certificate is in `ca.pem`.
    pub fn new() -> Pki {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("good");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test authority");
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        std::fs::write(folder.path().join("ca.pem"), &pem).expect("a file");
        Pki { folder, authority: Issuer::new(params, key), pem }
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `NAME.crt` (with the authority behind it) and `NAME.key` for these hosts.
    pub fn issue(&self, name: &str, hosts: &[&str]) {
        self.issue_as(name, hosts, &PKCS_ECDSA_P256_SHA256, |_| {});
    }

    /// As [`Pki::issue`], with a key of this kind, and the certificate changed before it is signed.
    pub fn issue_as(
        &self,
        name: &str,
        hosts: &[&str],
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) {
        let (certificate, key) = self.made(name, hosts, algorithm, change);
        std::fs::write(self.path(&format!("{name}.crt")), certificate).expect("a file");
        std::fs::write(self.path(&format!("{name}.key")), key).expect("a file");
    }

    /// The two texts that [`Pki::issue_as`] would write.
    pub fn made(
        &self,
        name: &str,
        hosts: &[&str],
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).expect("good names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let certificate = params.signed_by(&key, &self.authority).expect("a certificate");
        (format!("{}{}", certificate.pem(), self.pem), key.serialize_pem())
    }

    /// `{ cert = …, key = … }` of what was issued as `name`.
    pub fn toml(&self, name: &str) -> String {
        let path = |end: &str| self.path(&format!("{name}.{end}")).display().to_string();
        format!("{{ cert = \"{}\", key = \"{}\" }}", path("crt"), path("key"))
    }

    /// Trusts this authority, and shows what was issued as `client`, if any.
    pub fn client(&self, client: Option<&str>) -> ClientConfig {
        self.client_of(client, rustls::ALL_VERSIONS)
    }

    /// As [`Pki::client`], speaking these versions.
    pub fn client_of(
        &self,
        client: Option<&str>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("PEM");
        roots.add(authority).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        match client {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let chain = CertificateDer::pem_file_iter(self.path(&format!("{name}.crt")));
                let chain = chain.expect("a file").collect::<Result<_, _>>().expect("PEM");
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key")));
                builder.with_client_auth_cert(chain, key.expect("a key")).expect("a pair")
            }
        }
    }
}

/// A client's end of a connection through TLS.
#[derive(Debug)]
pub struct TlsWire {
    pub stream: StreamOwned<ClientConnection, TcpStream>,
    received: Vec<u8>,
}

impl TlsWire {
    /// Shakes hands with `address`, which is asked for as `name`: a host, or an address for no SNI.
    pub fn connect(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> std::io::Result<TlsWire> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_write_timeout(Some(DEADLINE))?;
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let connection = ClientConnection::new(Arc::clone(config), name).expect("a client");
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(TlsWire { stream, received: Vec::new() })
    }

    /// Sends all of `bytes`.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the peer takes it");
        self.stream.flush().expect("the peer takes it");
    }

    /// Sends `GET path` for `host` and waits for the response.
    #[track_caller]
    pub fn get(&mut self, host: &str, path: &str) -> Message {
        self.try_get(host, path).expect("a response")
    }

    /// As [`TlsWire::get`]; what went wrong with the connection is an error.
    pub fn try_get(&mut self, host: &str, path: &str) -> std::io::Result<Message> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.stream.write_all(request.as_bytes())?;
        self.try_response()
    }

    /// The next response.
    #[track_caller]
    pub fn response(&mut self) -> Message {
        self.try_response().expect("a response")
    }

    fn try_response(&mut self) -> std::io::Result<Message> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match parse_response(&self.received, "GET", false) {
                Parsed::Complete(message, n) => {
                    self.received.drain(..n);
                    return Ok(*message);
                }
                Parsed::Partial => {}
                other => panic!("{other:?}"),
            }
            match self.stream.read(&mut buffer)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                n => self.received.extend_from_slice(&buffer[..n]),
            }
        }
    }

    /// How the handshake went.
    pub fn kind(&self) -> rustls::HandshakeKind {
        self.stream.conn.handshake_kind().expect("it is over")
    }

    /// The first certificate that the server showed.
    pub fn shown(&self) -> Vec<u8> {
        self.stream.conn.peer_certificates().expect("one was shown")[0].to_vec()
    }
}
