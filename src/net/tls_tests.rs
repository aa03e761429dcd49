//! What a stream through TLS keeps of what it is to send.

use std::future::poll_fn;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Two ends of a connection that have shaken hands.
async fn ends() -> (Tls, Tls) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["a.test".to_owned()]).expect("names");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("PEM");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a pair");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("an authority");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (ours, (theirs, _)) = (ours.expect("connected"), theirs.expect("accepted"));
    let name = ServerName::try_from("a.test").expect("a name");
    let client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let server = ServerConnection::new(Arc::new(server)).expect("a server");
    let (client, server) =
        (Tls::new(Socket::Tcp(ours), client), Tls::new(Socket::Tcp(theirs), server));
    let (one, other) = tokio::join!(
        poll_fn(|cx| client.poll_handshake(cx)),
        poll_fn(|cx| server.poll_handshake(cx))
    );
    one.and(other).expect("they agree");
    (client, server)
}

/// All that comes until the end.
async fn read_all(tls: &Tls) -> usize {
    let (mut n, mut buffer) = (0, vec![0; 64 * 1024]);
    loop {
        match tls.try_read(&mut buffer) {
            Ok(0) => return n,
            Ok(more) => n += more,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
                poll_fn(|cx| tls.poll_readable(cx)).await.expect("it is open");
            }
        }
    }
}

#[tokio::test]
async fn no_more_than_two_records_are_sealed_before_they_leave() {
    // A client: a server's first write takes its tickets along.
    let (writer, reader) = ends().await;
    // One write at the bound, and one that is over it.
    for n in [SEALED_BYTES_MAX, SEALED_BYTES_MAX + 1] {
        assert_eq!(writer.try_write(&vec![0; n]).expect("an empty socket"), SEALED_BYTES_MAX);
    }
    let mut n_taken = 2 * SEALED_BYTES_MAX;
    // Nobody reads: in the end the socket is full, and what is sealed stays what it is.
    let more = vec![0; 4 * SEALED_BYTES_MAX];
    let mut n_refused = 0;
    while n_refused < 100 {
        match writer.try_write(&more) {
            Ok(n) => {
                assert_eq!(n_refused, 0, "the socket was full");
                n_taken += n;
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
                assert!(writer.session.borrow().owed <= SEALED_BYTES_MAX);
                n_refused += 1;
            }
        }
    }
    let owed = writer.session.borrow().owed;
    let finish = async {
        while let Err(error) = writer.try_write(&more) {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
            poll_fn(|cx| writer.poll_writable(cx)).await.expect("it is open");
        }
        writer.shutdown_write().expect("it is open");
    };
    let (n_read, ()) = tokio::join!(read_all(&reader), finish);
    assert_eq!(n_read, n_taken + owed);
}
