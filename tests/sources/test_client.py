"""GET: what is tried again, what is refused, and what nobody gets to see."""

from __future__ import annotations

import gzip
import ssl
import subprocess
import time
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

import pytest
from services import Reply, Service, serving

from millstream.errors import SourceError
from millstream.sources.client import Client

SECRET = {"Authorization": "Bearer hush"}
FINE = Reply(b"fine")


def patient(waited: list[float] | None = None, **limits: float) -> Client:
    """A client that notes its waits instead of waiting."""
    return Client(sleep=(waited if waited is not None else []).append, **limits)  # type: ignore[arg-type]


def refused(service: Service, client: Client | None = None, *, path: str = "/rows?key=private") -> SourceError:
    """The error that asking gives; it never tells the query or a secret."""
    with pytest.raises(SourceError) as caught:
        (client or patient()).get(service.url + path, secret=SECRET)
    assert "private" not in str(caught.value)
    assert "hush" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_trouble_of_the_service_is_tried_again(status: int) -> None:
    """Each wait is twice the one before."""
    waited: list[float] = []

    with serving([Reply(status=status), Reply(status=status), FINE]) as service:
        assert patient(waited).get(service.url).body == b"fine"

    assert waited == [0.5, 1.0]


def test_trouble_that_stays_is_told() -> None:
    """With the status, the address without its query, and how often it was tried."""
    with serving([Reply(status=503)]) as service:
        error = refused(service)

        assert error.message == f"{service.url}/rows answers 503 Service Unavailable, 5 times"
        assert len(service.asked) == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusal_is_not_tried_again(status: int) -> None:
    """It would be the same."""
    with serving([Reply({"token": "hush"}, status=status)]) as service:
        error = refused(service)

        assert f"answers {status}" in error.message
        assert len(service.asked) == 1


def test_wish_to_wait_is_honoured() -> None:
    """In seconds or as a moment; what is neither is passed over."""
    waited: list[float] = []
    wishes = [Reply(status=429, headers={"Retry-After": wish}) for wish in ("7", formatdate(time.time() + 250, usegmt=True), "soon")]

    with serving([*wishes, FINE]) as service:
        patient(waited).get(service.url)

    assert (waited[0], waited[2]) == (7, 2.0)
    assert 100 < waited[1] <= 250


def test_wish_to_wait_for_ever_is_told() -> None:
    """A run does not sleep for an hour."""
    with serving([Reply(status=429, headers={"Retry-After": "3600"})]) as service:
        error = refused(service)

    assert "asks to wait 3,600 s" in error.message


def test_answer_that_breaks_off_is_tried_again() -> None:
    """Half a file is not taken for a whole one, packed or not."""
    packed = gzip.compress(b"fine" * 1_000)

    with serving([Reply(b"fine", broken=2), FINE]) as service:
        assert patient().get(service.url).body == b"fine"
    with serving([Reply(packed, headers={"Content-Encoding": "gzip"}, broken=20), FINE]) as service:
        assert patient().get(service.url).body == b"fine"


def test_packed_answer_is_unpacked() -> None:
    """In one member or several."""
    packed = gzip.compress(b"fi") + gzip.compress(b"ne")

    with serving([Reply(packed, headers={"Content-Encoding": "gzip"})]) as service:
        assert patient().get(service.url).body == b"fine"


@pytest.mark.parametrize("packing", [{}, {"Content-Encoding": "gzip"}])
def test_answer_has_a_limit(packing: dict[str, str]) -> None:
    """Of what it is when it is unpacked."""
    body = b"0" * 200_000

    with serving([Reply(gzip.compress(body) if packing else body, headers=packing)]) as service:
        error = refused(service, patient(limit=150_000))

    assert "answers more than 0 MiB" in error.message


def test_silence_has_a_limit() -> None:
    """A service that says nothing does not hold up a run."""
    with serving(lambda _: time.sleep(0.5) or FINE) as service:  # type: ignore[func-returns-value]
        error = refused(service, patient(timeout=0.05, attempts=2))

    assert "does not answer in time, 2 times" in error.message


def test_nobody_there() -> None:
    """What the system says of it."""
    with serving([FINE]) as service:
        pass

    assert "cannot be reached (Connection refused), 5 times" in refused(service).message


def test_redirects_are_followed() -> None:
    """On the same host with the secret, elsewhere without."""
    with serving([FINE]) as other, serving([Reply(status=302, headers={"Location": "/there"}), Reply(status=307)]) as service:
        service.answer = lambda asked: Reply(status=302, headers={"Location": "/there" if asked.path == "/rows" else f"{other.url}/far"})

        assert patient().get(f"{service.url}/rows", secret=SECRET).url == f"{other.url}/far"

    assert [each.headers.get("authorization") for each in service.asked] == ["Bearer hush"] * 2
    assert [each.headers.get("authorization") for each in other.asked] == [None]


def test_redirects_in_a_circle_end() -> None:
    """With a question."""
    with serving([Reply(status=301, headers={"Location": "/rows"})]) as service:
        assert "redirects 6 times and more" in refused(service).message


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of this machine, which nobody has signed."""
    folder = tmp_path_factory.mktemp("certificate")
    command: Sequence[str] = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1")
    names = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem"))
    subprocess.run([*command, *names], check=True, capture_output=True)
    return folder


def test_certificates_are_checked(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cannot show one that is trusted gets nothing, at the first attempt; a user may trust one of their own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")

    with serving([FINE], secure=context) as service:
        assert "is not who it says: self-signed certificate" in refused(service).message
        assert service.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
        assert patient().get(service.url).body == b"fine"


def test_secure_service_does_not_lead_into_the_open(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect from https to http is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))

    with serving([FINE]) as plain, serving([Reply(status=302, headers={"Location": f"{plain.url}/rows"})], secure=context) as service:
        assert "which is not secure" in refused(service).message

    assert plain.asked == []
