"""From https nothing leads to http: shown with a real certificate, on a real connection."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from public_hosts import Host, Stored, running, status

from experiments.fetch_http import Client, FetchError
from experiments.fetch_settings import FetchSettings


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """A certificate for this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(addresses, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "certificate.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "certificate.pem", folder / "key.pem"


@pytest.fixture
def secure(certificate, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with running(Host(), context) as host:
        yield host


@pytest.fixture
def client(tmp_path):
    client = Client(FetchSettings(tmp_path, attempts=1, backoff_seconds=0.0, timeout_seconds=5.0), Event())
    yield client
    client.close()


def body(client: Client, url: str) -> bytes:
    with client.opened(url, {}) as response:
        return response.content


def test_https_leads_to_https_but_never_to_http(secure, client, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    secure.files["/there"] = Stored(b"data")
    secure.faults["/file"] = [status(302, {"Location": f"{secure.url}/there"})]
    assert body(client, f"{secure.url}/file") == b"data"
    with running(Host()) as plain:
        plain.files["/there"] = Stored(b"forged")
        for code in (301, 302, 303, 307, 308):
            secure.faults["/file"] = [status(code, {"Location": f"{plain.url}/there?signature=secret"})]
            with pytest.raises(FetchError, match=r"leads from https to http://127\.0\.0\.1:\d+/there, which anyone"):
                body(client, f"{secure.url}/file")
        assert plain.asked == []


def test_http_that_was_configured_may_lead_to_https(secure, client, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    secure.files["/there"] = Stored(b"data")
    with running(Host()) as plain:
        plain.faults["/file"] = [status(302, {"Location": f"{secure.url}/there"})]
        assert body(client, f"{plain.url}/file") == b"data"


def test_an_unknown_certificate_is_refused(secure, client, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with pytest.raises(FetchError, match="cannot be reached"):
        body(client, f"{secure.url}/file")
    assert secure.asked == []
