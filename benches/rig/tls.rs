//! TLS in front of the stand-in, with a chain as AWS's endpoints have it: a
//! root, an intermediate and a leaf, RSA 2048 each.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A chain's files.
pub(crate) struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// Makes the keys and certificates, with openssl.
    pub(crate) fn new(folder: &Path) -> Self {
        let script = r#"
            set -e
            key="-newkey rsa:2048 -nodes"
            ca="basicConstraints=critical,CA:TRUE"
            openssl req -x509 $key -days 2 -subj /CN=root -addext $ca -keyout root.key -out root.pem
            openssl req $key -subj /CN=intermediate -keyout middle.key -out middle.csr
            echo $ca >middle.ext
            openssl x509 -req -days 2 -in middle.csr -CA root.pem -CAkey root.key -CAcreateserial \
                -extfile middle.ext -out middle.pem
            openssl req $key -subj /CN=localhost -keyout leaf.key -out leaf.csr
            echo subjectAltName=DNS:localhost >leaf.ext
            openssl x509 -req -days 2 -in leaf.csr -CA middle.pem -CAkey middle.key -CAcreateserial \
                -extfile leaf.ext -out leaf.pem
            cat leaf.pem middle.pem >chain.pem
        "#;
        let made = Command::new("sh")
            .args(["-c", script])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut roots = std::fs::read("src/amazon-roots.pem").unwrap();
        roots.extend(std::fs::read(folder.join("root.pem")).unwrap());
        std::fs::write(folder.join("roots.pem"), roots).unwrap();
        Self {
            folder: folder.to_owned(),
        }
    }

    /// What a client is to trust: Amazon's roots, as in production, and its own.
    pub(crate) fn roots(&self) -> PathBuf {
        self.folder.join("roots.pem")
    }

    /// Listens, and hands everything on to `to`; the endpoint.
    pub(crate) async fn before(&self, to: &str) -> String {
        let chain = CertificateDer::pem_file_iter(self.folder.join("chain.pem")).unwrap();
        let chain = chain.map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(self.folder.join("leaf.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let to: SocketAddr = to.trim_start_matches("http://").parse().unwrap();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    client.set_nodelay(true).unwrap();
                    let server = TcpStream::connect(to).await.unwrap();
                    server.set_nodelay(true).unwrap();
                    // A client that goes away is no fault of this side.
                    if let (Ok(mut client), mut server) = (acceptor.accept(client).await, server) {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        format!("https://localhost:{port}")
    }
}
