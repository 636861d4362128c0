//! The certificate that the Kubernetes API serves with, where the API can be reached from here. Members renew it by a
//! timer 30 days before it expires: one with fewer days left shows that the timer does not run.
use super::machines::days;
use super::{Applied, CERTIFICATE_DAYS, Gathered};
use incline_model::drift::State;
use incline_model::site::Aws;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// How long connecting, and each answer, may take: a private cluster is often out of reach.
const PATIENCE: Duration = Duration::from_secs(3);

/// The day on which the certificate of a TLS server ends, as `YYYY-MM-DD`; nothing where the server is out of reach.
pub async fn last_day(host: String, port: u16) -> Option<String> {
    tokio::task::spawn_blocking(move || shown(&host, port).and_then(|certificate| not_after(&certificate)))
        .await
        .ok()
        .flatten()
}

/// Reports the certificate of the site's API if it has expired or is about to.
pub(super) fn tell(site: &Aws, applied: &Applied, last: Option<&str>, today: &str, gathered: &mut Gathered) {
    let stack = format!("{}-api", site.typed().name);
    let Some(left) = last.and_then(days).zip(days(today)).map(|(last, today)| last as i64 - today as i64) else {
        return;
    };
    let Some(state) = verdict(left) else { return };
    let balancers = applied.of("AWS::ElasticLoadBalancing::LoadBalancer");
    for balancer in balancers.into_iter().filter(|balancer| balancer.stack == stack) {
        gathered.finding(balancer, state.clone());
    }
}

/// What a certificate with so many days left amounts to.
fn verdict(left: i64) -> Option<State> {
    if left < 0 {
        Some(State::Drifted {
            property: "ServingCertificate".to_owned(),
            expected: "valid".to_owned(),
            actual: format!("the API's serving certificate expired {} days ago", -left),
        })
    } else if left < CERTIFICATE_DAYS as i64 {
        let what = format!(
            "the API's serving certificate expires in {left} days; members renew it 30 days before: see the journal of \
             incline-certificates.service on them"
        );
        Some(State::Warning { what })
    } else {
        None
    }
}

/// The certificate that a server shows. Nothing is sent to it, so it need not be trusted.
fn shown(host: &str, port: u16) -> Option<Vec<u8>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Shown(provider)))
        .with_no_client_auth();
    let address = (host, port).to_socket_addrs().ok()?.next()?;
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    socket.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut tls = ClientConnection::new(Arc::new(config), ServerName::try_from(host.to_owned()).ok()?).ok()?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).ok()?;
    }
    tls.peer_certificates()?.first().map(|certificate| certificate.to_vec())
}

/// Takes any certificate that its server has the key of: what it says is all that is asked for.
#[derive(Debug)]
struct Shown(Arc<CryptoProvider>);

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The first element of a DER encoding: its tag and content, and what follows (X.690, 8.1).
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (length.iter().try_fold(0_usize, |sum, byte| Some(sum.checked_mul(256)? + usize::from(*byte)))?, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The last day of a certificate (RFC 5280, 4.1.2.5).
fn not_after(certificate: &[u8]) -> Option<String> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    // An optional version, the serial number, the signature's algorithm, the issuer; then the validity.
    if element(rest)?.0 == 0xa0 {
        rest = element(rest)?.2;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, last) = element(validity)?;
    let (tag, time, _) = element(last)?;
    let time = std::str::from_utf8(time).ok()?;
    let (century, time) = match tag {
        // Two digits of the year: up to 2049.
        0x17 => (if time < "5" { "20" } else { "19" }, time),
        _ => time.split_at_checked(2)?,
    };
    Some(format!("{century}{}-{}-{}", time.get(0..2)?, time.get(2..4)?, time.get(4..6)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate with nothing in it but its validity.
    fn certificate(tag: u8, time: &str) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| [&[tag, 0x81, u8::try_from(content.len()).unwrap()], content].concat();
        let validity = [wrap(0x17, b"250101000000Z"), wrap(tag, time.as_bytes())].concat();
        let parts =
            [wrap(0xa0, b"v3"), wrap(2, b"1"), wrap(0x30, b""), wrap(0x30, b""), wrap(0x30, &validity)].concat();
        wrap(0x30, &wrap(0x30, &parts))
    }

    #[test]
    fn a_certificate_is_reported_from_thirty_days_on() {
        assert_eq!((verdict(400), verdict(30)), (None, None));
        for left in [29, 0] {
            let Some(State::Warning { what }) = verdict(left) else { panic!("{left} days: no warning") };
            assert!(what.contains(&format!("expires in {left} days")), "{what}");
        }
        assert!(matches!(verdict(-3), Some(State::Drifted { actual, .. }) if actual.ends_with("expired 3 days ago")));
    }

    #[test]
    fn the_last_day_is_read() {
        assert_eq!(not_after(&certificate(0x17, "261231235959Z")).as_deref(), Some("2026-12-31"));
        assert_eq!(not_after(&certificate(0x18, "20510203000000Z")).as_deref(), Some("2051-02-03"));
        let whole = certificate(0x17, "261231235959Z");
        for length in 0..whole.len() {
            assert_eq!(not_after(&whole[..length]), None, "a certificate that is cut off at {length}");
        }
    }
}
