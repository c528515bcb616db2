"""Which kubeconfig a command takes."""

from pathlib import Path

import pytest

from farthing.cli.options import find_kubeconfig
from farthing.model.errors import InvalidError


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FARTHING_HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


def up(home, name):
    (home / name).mkdir()
    (home / name / "kubeconfig").touch()
    return home / name / "kubeconfig"


def test_what_is_named_wins(home, monkeypatch):
    up(home, "local")
    monkeypatch.setenv("KUBECONFIG", "/variable")
    assert find_kubeconfig(Path("/named")) == Path("/named")


def test_the_variable_comes_before_the_embedded_cluster(home, monkeypatch):
    up(home, "local")
    monkeypatch.setenv("KUBECONFIG", "/variable")
    assert find_kubeconfig(None) is None


def test_the_only_embedded_cluster_is_found(home):
    assert find_kubeconfig(None) is None
    path = up(home, "local")
    assert find_kubeconfig(None) == path


def test_several_embedded_clusters_must_be_chosen_from(home):
    up(home, "one")
    up(home, "two")
    with pytest.raises(InvalidError, match=r"several local clusters.*one/kubeconfig.*two/kubeconfig"):
        find_kubeconfig(None)
