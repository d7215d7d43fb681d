"""Makes the certificates of a local mesh: an authority that can vouch for this machine's mesh only, and leaves.

ECDSA on P-256 throughout: gRPC refuses Ed25519 certificates.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gladhand.security.names import TRUST_DOMAIN, host_name, identity_in, spiffe_uri

__all__ = [
    "AUTHORITY_LIFE",
    "LEAF_LIFE",
    "KeyPair",
    "authority_name",
    "due",
    "identity_of",
    "issue",
    "make_authority",
]

AUTHORITY_LIFE: Final = timedelta(days=365)
LEAF_LIFE: Final = timedelta(days=7)
_EARLIER: Final = timedelta(minutes=5)
"""Certificates begin a little before now, so that a neighbour whose clock is behind takes them."""

_LOOPBACK: Final = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and the private key that goes with it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @classmethod
    def parse(cls, certificate: bytes, key: bytes) -> Self:
        """Read both from PEM. Raises ValueError where they are no such thing, or do not belong together."""
        found = x509.load_pem_x509_certificate(certificate)
        private = serialization.load_pem_private_key(key, password=None)
        if private.public_key() != found.public_key():
            raise ValueError("the key is not the certificate's")
        if isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            return cls(found, private)
        raise ValueError("the key is neither ECDSA nor RSA; gRPC takes no other")

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as PEM (PKCS #8, not encrypted): to be kept under file mode 0600."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def make_authority(now: datetime, trust_domain: str = TRUST_DOMAIN, life: timedelta = AUTHORITY_LIFE) -> KeyPair:
    """Make an authority. Where somebody trusts it beyond the mesh it still cannot vouch for other hosts' names.

    Only DNS names are constrained. BoringSSL, and with it gRPC, refuses a chain that constrains addresses, and others
    one that constrains URIs.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = authority_name(trust_domain)
    constraints = x509.NameConstraints(
        permitted_subtrees=[x509.DNSName("localhost"), x509.DNSName(trust_domain)],
        excluded_subtrees=None,
    )
    builder = (
        _begun(name, name, key, now, life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(constraints, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return KeyPair(builder.sign(key, hashes.SHA256()), key)


def authority_name(trust_domain: str) -> x509.Name:
    """What the authority of a trust domain is called."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Gladhand local authority of {trust_domain}")])


def issue(
    authority: KeyPair,
    identity: str,
    now: datetime,
    trust_domain: str = TRUST_DOMAIN,
    life: timedelta = LEAF_LIFE,
) -> KeyPair:
    """Make a certificate of `identity` with a new key, to serve and to call with. It never outlives the authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity)])
    names = x509.SubjectAlternativeName(
        [
            x509.UniformResourceIdentifier(spiffe_uri(identity, trust_domain)),
            x509.DNSName(host_name(identity, trust_domain)),
            x509.DNSName("localhost"),
            *(x509.IPAddress(address) for address in _LOOPBACK),
        ]
    )
    left = authority.certificate.not_valid_after_utc - now
    builder = (
        _begun(subject, authority.certificate.subject, key, now, min(life, left))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(names, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    return KeyPair(builder.sign(authority.key, hashes.SHA256()), key)


def due(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether a certificate should be replaced: half of its life is over, or it has not begun yet."""
    begun, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now < begun or now - begun >= (ends - begun) / 2


def identity_of(certificate: x509.Certificate, trust_domain: str = TRUST_DOMAIN) -> str | None:
    """The identity that the certificate proves, None where it proves none of this trust domain."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    return identity_in(names.get_values_for_type(x509.UniformResourceIdentifier), trust_domain)


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + life)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
