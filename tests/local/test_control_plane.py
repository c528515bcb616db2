"""The embedded control plane is a real one: unmodified, guarded, restartable, and gone when stopped."""

import base64
import json
import socket
import ssl
import stat
from pathlib import Path

import psutil
import pytest
import yaml

from farthing.kube.connection import Connection
from farthing.local.controlplane import COMPONENTS, ControlPlane, PortTakenError
from farthing.local.pins import KUBERNETES
from farthing.model.errors import FarthingError, PermanentError, TransientError
from tests.clusters import Cluster, running_cluster

pytestmark = pytest.mark.cluster

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def pids(plane: ControlPlane) -> dict[str, int]:
    return {name: found.pid for name in COMPONENTS if (found := plane.component(name).process()) is not None}


async def whoami(cluster: Cluster, tmp_path: Path, token: str) -> dict[str, object]:
    path = tmp_path / "kubeconfig"
    path.write_text(cluster.plane.kubeconfig_text(token))
    async with Connection.from_kubeconfig(path) as connection:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await connection.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    found: dict[str, object] = answer["status"]["userInfo"]
    return found


# What it is -------------------------------------------------------------------------------------------------------


async def test_it_is_the_pinned_kubernetes(admin: Connection):
    assert (await admin.get("/version"))["gitVersion"] == f"v{KUBERNETES}"


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("resource.k8s.io/v1", "ResourceClaim"),
        ("resource.k8s.io/v1", "ResourceSlice"),
        ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
    ],
)
async def test_it_serves_what_farthing_is_built_on(admin: Connection, group, kind):
    assert kind in {found["kind"] for found in (await admin.get(f"/apis/{group}"))["resources"]}


@pytest.mark.usefixtures("admin")
def test_all_its_components_run(own: Cluster):
    assert own.plane.running() == COMPONENTS


# Who may do what --------------------------------------------------------------------------------------------------


async def test_a_service_account_gets_a_token_that_works(admin: Connection, own: Cluster, tmp_path):
    wish = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await admin.create("/api/v1/namespaces/default/serviceaccounts/default/token", wish)
    who = await whoami(own, tmp_path, answer["status"]["token"])
    assert who["username"] == "system:serviceaccount:default:default"


@pytest.mark.parametrize(
    ("who", "name"), [("manager", "system:kube-controller-manager"), ("scheduler", "system:kube-scheduler")]
)
@pytest.mark.usefixtures("admin")
async def test_components_have_their_own_names_and_are_not_administrators(own: Cluster, tmp_path, who, name):
    token = json.loads((own.folder / "tokens.json").read_text())[who]
    found = await whoami(own, tmp_path, token)
    assert found["username"] == name
    assert "system:masters" not in str(found["groups"])


@pytest.mark.usefixtures("admin")
async def test_an_unknown_token_is_refused(own: Cluster, tmp_path):
    with pytest.raises(FarthingError, match="Unauthorized"):
        await whoami(own, tmp_path, "guess")


@pytest.mark.usefixtures("admin")
async def test_another_servers_certificate_is_refused(own: Cluster, tmp_path):
    content = yaml.safe_load(own.kubeconfig.read_text())
    cluster = content["clusters"][0]["cluster"]
    assert "insecure-skip-tls-verify" not in cluster
    stranger = (own.folder / "manager-certs" / "kube-controller-manager.crt").read_bytes()
    cluster["certificate-authority-data"] = base64.b64encode(stranger).decode()
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    async with Connection.from_kubeconfig(path) as connection:
        with pytest.raises(TransientError, match="certificate verify failed") as error:
            await connection.get("/version")
    assert isinstance(error.value.__cause__, ssl.SSLError | OSError)


@pytest.mark.usefixtures("admin")
def test_secrets_are_the_users_own(own: Cluster):
    secret = ["tokens.json", "tokens.csv", "service-accounts.key", "kubeconfig", "manager.kubeconfig"]
    assert {stat.S_IMODE((own.folder / name).stat().st_mode) for name in secret} == {0o600}
    assert stat.S_IMODE(own.folder.stat().st_mode) == 0o700


@pytest.mark.usefixtures("admin")
def test_everything_listens_on_this_machine_only(own: Cluster):
    for name in COMPONENTS:
        process = own.plane.component(name).process()
        assert process is not None
        listening = [one.laddr.ip for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
        assert set(listening) == {"127.0.0.1"}, name


# Starting, stopping, crashing -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("admin")
def test_starting_what_runs_changes_nothing(own: Cluster):
    before = pids(own.plane)
    own.plane.start()
    assert pids(own.plane) == before


@pytest.mark.parametrize("name", COMPONENTS)
async def test_a_component_that_crashed_comes_back_where_it_was(admin: Connection, own: Cluster, name):
    await admin.create(CONFIG_MAPS, {"metadata": {"name": f"before-{name}"}})
    before, ports = pids(own.plane), own.plane.ports()
    own.plane.component(name).kill()
    assert name not in own.plane.running()
    own.plane.start()
    after = pids(own.plane)
    assert {one for one in COMPONENTS if after[one] != before[one]} == {name}
    assert own.plane.ports() == ports
    assert (await admin.get(f"{CONFIG_MAPS}/before-{name}"))["metadata"]["name"] == f"before-{name}"


async def test_after_a_reboot_all_is_as_before(admin: Connection, own: Cluster):
    await admin.create(CONFIG_MAPS, {"metadata": {"name": "before-reboot"}})
    for name in COMPONENTS:
        own.plane.component(name).kill()
    assert own.plane.running() == ()
    own.plane.start()
    assert own.plane.running() == COMPONENTS
    assert (await admin.get(f"{CONFIG_MAPS}/before-reboot"))["metadata"]["name"] == "before-reboot"


@pytest.mark.usefixtures("admin")
@pytest.mark.parametrize("name", ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"])
def test_a_port_that_somebody_took_is_replaced(own: Cluster, name):
    port = own.plane.ports()[{"kube-apiserver": "api"}.get(name, name.rpartition("-")[2])]
    own.plane.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        own.plane.start()
    assert port not in own.plane.ports().values()
    assert own.plane.running() == COMPONENTS


def broken(programs: Path, folder: Path, name: str) -> Path:
    """The programs, with one that says what hurts and ends."""
    folder.mkdir()
    for program in programs.iterdir():
        (folder / program.name).symlink_to(program)
    (folder / name).unlink()
    (folder / name).write_text("#!/bin/sh\necho 'my head hurts'; exit 3\n")
    (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_that_cannot_run_is_named_with_its_last_words_and_nothing_runs_on(own: Cluster, tmp_path, name):
    plane = ControlPlane(tmp_path / "cluster", broken(own.programs, tmp_path / "bin", name))
    with pytest.raises(PermanentError, match=rf"{name} ended as soon as it was started. It said:\nmy head hurts"):
        plane.start()
    assert plane.running() == ()


def test_a_port_that_stays_taken_is_said(own: Cluster, tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr("farthing.local.controlplane._free_ports", lambda count: [taken.getsockname()[1]] * count)
        plane = ControlPlane(tmp_path / "cluster", own.programs)
        with pytest.raises(PortTakenError, match=r"etcd found its port taken, 3 times; try again"):
            plane.start()
    assert plane.running() == ()


def test_a_place_that_is_no_folder_is_named(own: Cluster, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PermanentError, match=r"cannot keep a cluster in .*FARTHING_HOME"):
        ControlPlane(tmp_path / "file" / "cluster", own.programs).start()


def test_nothing_stays_of_a_cluster_that_was_removed():
    with running_cluster() as cluster:
        running = [psutil.Process(pid) for pid in pids(cluster.plane).values()]
        assert len(running) == len(COMPONENTS)
        cluster.remove()
        assert not cluster.folder.exists()
        assert not any(process.is_running() for process in running)
