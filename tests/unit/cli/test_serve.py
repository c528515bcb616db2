"""The cost server refuses to show tokens or costs to whoever listens."""

import pytest

from farthing.model.errors import InvalidError
from farthing.server.serve import CostSettings, check_settings, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_this_machine_nothing_is_needed(host):
    check_settings(CostSettings("sqlite:///x", host=host, check=False))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "127.0.0.1.example.org"])  # noqa: S104 -- refused
def test_for_others_it_takes_tls_and_tokens(host):
    assert not is_loopback(host)
    with pytest.raises(InvalidError, match="unencrypted"):
        check_settings(CostSettings("sqlite:///x", host=host))
    check_settings(CostSettings("sqlite:///x", host=host, plain=True))
    with pytest.raises(InvalidError, match="--no-auth"):
        check_settings(CostSettings("sqlite:///x", host=host, plain=True, check=False))


def test_a_certificate_needs_its_key_and_both_must_be_readable(tmp_path):
    with pytest.raises(InvalidError, match="go together"):
        check_settings(CostSettings("sqlite:///x", tls_cert=tmp_path / "crt"))
    with pytest.raises(InvalidError, match="--tls-cert"):
        check_settings(CostSettings("sqlite:///x", tls_cert=tmp_path / "crt", tls_key=tmp_path / "key"))
