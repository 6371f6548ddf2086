//! What the one HTTP client uses of its TLS library: all that the library's default has, but for what no host needs and every binary
//! would carry.
//!
//! Left out is ChaCha20-Poly1305, which a server can have only beside AES-GCM (RFC 8446, section 9.1: every TLS 1.3 server must have
//! AES-128-GCM), and keys of a client, since landfall never shows a certificate of its own. Together they were 2 % of the binary.

use std::sync::Arc;

use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::crypto::ring::{cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{Error, SignatureScheme};
use webpki::ring as signed_with;

/// The cipher suites, key exchanges and signatures of the client.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        signature_verification_algorithms: SIGNATURES,
        secure_random: &Client,
        key_provider: &Client,
    })
}

/// Signatures of certificates, and which of them a server may use in a handshake. In TLS 1.2 a scheme does not fix the curve.
static SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        signed_with::ECDSA_P256_SHA256,
        signed_with::ECDSA_P256_SHA384,
        signed_with::ECDSA_P384_SHA256,
        signed_with::ECDSA_P384_SHA384,
        signed_with::ED25519,
        signed_with::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        signed_with::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        signed_with::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        signed_with::RSA_PKCS1_2048_8192_SHA256,
        signed_with::RSA_PKCS1_2048_8192_SHA384,
        signed_with::RSA_PKCS1_2048_8192_SHA512,
        signed_with::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        signed_with::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        signed_with::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[signed_with::ECDSA_P384_SHA384, signed_with::ECDSA_P256_SHA384]),
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[signed_with::ECDSA_P256_SHA256, signed_with::ECDSA_P384_SHA256]),
        (SignatureScheme::ED25519, &[signed_with::ED25519]),
        (SignatureScheme::RSA_PSS_SHA512, &[signed_with::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[signed_with::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA256, &[signed_with::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[signed_with::RSA_PKCS1_2048_8192_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[signed_with::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[signed_with::RSA_PKCS1_2048_8192_SHA256]),
    ],
};

/// A client without a key.
#[derive(Debug)]
struct Client;

impl SecureRandom for Client {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        SystemRandom::new().fill(bytes).map_err(|_| GetRandomFailed)
    }
}

impl KeyProvider for Client {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("landfall has no certificate of its own".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A suite, group or signature that a new version of the library brings is not missed.
    #[test]
    fn nothing_else_of_the_library_is_left_out() {
        let (ours, default) = (provider(), rustls::crypto::ring::default_provider());
        let left = default.cipher_suites.iter().filter(|suite| !format!("{:?}", suite.suite()).contains("CHACHA20"));
        assert_eq!(ours.cipher_suites.iter().collect::<Vec<_>>(), left.collect::<Vec<_>>());
        let groups = |provider: &CryptoProvider| provider.kx_groups.iter().map(|group| group.name()).collect::<Vec<_>>();
        assert_eq!(groups(&ours), groups(&default));
        let signatures = |provider: &CryptoProvider| format!("{:?}", provider.signature_verification_algorithms);
        assert_eq!(signatures(&ours), signatures(&default));
        let exact = |provider: &CryptoProvider| {
            let all = provider.signature_verification_algorithms.all;
            all.iter().map(|one| (one.public_key_alg_id(), one.signature_alg_id())).collect::<Vec<_>>()
        };
        assert_eq!(exact(&ours), exact(&default));
    }
}
