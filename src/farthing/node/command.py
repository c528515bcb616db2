"""What is typed to be the DRA driver of one node, in the foreground, until told to stop."""

import asyncio
import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from farthing.logs import LogFormat, configure_logging
from farthing.model.errors import InvalidError
from farthing.node.amd import Amd
from farthing.node.devices import Vendor
from farthing.node.memory_limits import MemoryLimits
from farthing.node.mps import MpsDaemons
from farthing.node.nvidia import Nvidia
from farthing.node.nvidia_memory import limit_memory
from farthing.node.nvidia_mig import Partitions
from farthing.node.run import Settings, run, stamp
from farthing.node.simulated import Simulated
from farthing.node.time_slice import TimeSlice, TimeSlices


class VendorName(StrEnum):
    """Whose devices."""

    nvidia = "nvidia"
    amd = "amd"
    simulated = "simulated"


def node(
    name: Annotated[str, typer.Option("--node-name", envvar="NODE_NAME", help="This node's name in the cluster.")] = "",
    vendor: Annotated[VendorName, typer.Option("--devices", help="Whose devices to drive.")] = VendorName.nvidia,
    simulated: Annotated[
        Path | None, typer.Option("--simulated", help="Devices to simulate (YAML); means --devices simulated.")
    ] = None,
    kubelet: Annotated[Path, typer.Option("--kubelet-dir", help="Kubelet's folder.")] = Path("/var/lib/kubelet"),
    cdi: Annotated[
        Path, typer.Option("--cdi-dir", help="Folder in which the container runtime looks for CDI files.")
    ] = Path("/var/run/cdi"),
    instance: Annotated[
        str,
        typer.Option(
            "--instance", envvar="POD_UID", help="Tells the old and the new driver of a rolling update apart."
        ),
    ] = "",
    mps_control: Annotated[
        str, typer.Option("--mps-control", help="NVIDIA's program; where it is not there, neither are soft and hard.")
    ] = "nvidia-cuda-mps-control",
    mps_dir: Annotated[Path, typer.Option("--mps-dir", help="Folder of the MPS daemons' pipes.")] = Path(
        "/run/farthing/mps"
    ),
    mps_host: Annotated[
        Path | None,
        typer.Option(
            "--mps-host",
            help="Socket of the MPS host, whose daemons outlive this driver; default: it starts them itself.",
        ),
    ] = None,
    mig_dir: Annotated[
        Path, typer.Option("--mig-dir", help="Folder for notes of the MIG instances that it cut; gone after a boot.")
    ] = Path("/run/farthing/mig"),
    time_slice: Annotated[
        TimeSlice | None,
        typer.Option(
            "--time-slice",
            help="Time slice of NVIDIA GPUs while shares take turns on them; without it, theirs stays.",
        ),
    ] = None,
    nvidia_smi: Annotated[
        str, typer.Option("--nvidia-smi", help="NVIDIA's program that sets time slices.")
    ] = "nvidia-smi",
    cgroups: Annotated[
        Path | None,
        typer.Option(
            "--cgroup-dir",
            help="The host's cgroups: limit the GPU memory of hard shares there, too, where NVIDIA's driver can.",
        ),
    ] = None,
    look_seconds: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the devices.")] = 15.0,
    sweep_seconds: Annotated[float, typer.Option(min=1, help="Seconds between two searches for leftovers.")] = 300.0,
    kubeconfig: Annotated[
        Path | None,
        typer.Option("--kubeconfig", help="Kubeconfig file; default: $KUBECONFIG, ~/.kube/config, the pod's."),
    ] = None,
    context: Annotated[
        str, typer.Option("--context", help="Context in the kubeconfig; default: the current one.")
    ] = "",
    metrics_address: Annotated[
        str, typer.Option("--metrics-address", help="Address the metrics are served on.")
    ] = "127.0.0.1",
    metrics_port: Annotated[
        int, typer.Option("--metrics-port", min=0, max=65535, help="Port of the metrics; 0: none are served.")
    ] = 0,
    dcgm_names: Annotated[
        bool,
        typer.Option("--dcgm-names", help="Show use under dcgm-exporter's names, too; not where it runs as well."),
    ] = False,
    log: Annotated[LogFormat, typer.Option("--log", help="Lines for people, or JSON.")] = LogFormat.text,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log details, too.")] = False,
) -> None:
    """Be the DRA driver of one node: publish its GPUs, prepare shares for kubelet; until SIGTERM or Ctrl-C.

    It runs as a DaemonSet. Ending it undoes nothing; the next one goes on where it was. Logs go to standard error.

    \b
    farthing node --node-name gpu-7
    farthing node --node-name gpu-7 --simulated devices.yaml
    """
    configure_logging(log, verbose=verbose)
    if not name:
        raise InvalidError("--node-name", "is missing; expected this node's name in the cluster, or set NODE_NAME")
    settings = Settings(
        node=name,
        kubelet=kubelet.absolute(),
        cdi=cdi.absolute(),
        instance=instance,
        kubeconfig=kubeconfig,
        context=context,
        look_seconds=look_seconds,
        sweep_seconds=sweep_seconds,
        metrics_host=metrics_address,
        metrics_port=metrics_port,
        dcgm_names=dcgm_names,
    )
    chosen = VendorName.simulated if simulated else vendor
    if chosen is VendorName.nvidia:
        control = shutil.which(mps_control)
        mps = MpsDaemons(mps_dir.absolute(), control, host=mps_host) if control else None
        slices = TimeSlices(nvidia_smi, time_slice) if time_slice else None
        hardware: Vendor = Nvidia(mps, Partitions(mig_dir.absolute()), stamp, slices=slices)
        limits = MemoryLimits(cgroups.absolute(), limit_memory) if cgroups else None
    else:
        hardware, limits = _vendor(chosen, simulated, name), None
    asyncio.run(run(settings, hardware, limits))


def _vendor(chosen: VendorName, simulated: Path | None, node_name: str) -> Vendor:
    """The hardware behind the seam, where it takes no settings."""
    if chosen is VendorName.amd:
        return Amd(stamp)
    if simulated is None:
        raise InvalidError("--simulated", "is missing; expected a YAML file of the devices to simulate")
    return Simulated(simulated, node_name, stamp)
