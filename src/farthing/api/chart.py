"""All of Farthing in a cluster as a Helm chart: the printed manifests, and what runs the programs.

The chart says nothing of its own: its templates are the manifests, with the few values of `values.yaml` filled in. The
namespace is left to Helm, which has to have it before it installs anything, and the types go where Helm wants them.
"""

from typing import Final

from farthing.api.manifests import mps_host, node_driver, printed, spoke
from farthing.api.names import NAMESPACE

FOLDER: Final = "deploy/helm/farthing"
IMAGE: Final = '{{ required "image: name an image of Farthing; there is no published one" .Values.image | quote }}'
REPLICAS: Final = "{{ .Values.spoke.replicas }}"
VERSION: Final = "0.1.0"
_ARGS: Final = "args: [--log, json, "
_TIME_SLICE: Final = "{{- with .Values.node.timeSlice }} --time-slice, {{ quote . }},{{ end }}"

_CHART: Final = f"""apiVersion: v2
name: farthing
description: One shared, fractional, governed pool out of the GPUs of a Kubernetes cluster
type: application
version: {VERSION}
appVersion: {VERSION}
kubeVersion: ">=1.36.0-0"
"""
_VALUES: Final = """# The image of spoke and node driver; how to make one is on the page "Run the node driver".
image: ""
spoke:
  # Whether the chart runs the spoke, and how many; one leads.
  enabled: true
  replicas: 2
node:
  # Whether the chart runs the driver on nodes labelled farthing.dev/gpus=nvidia.
  enabled: true
  # default, short, medium or long: the time slice of GPUs while shares take turns on them. Empty: left as it is.
  timeSlice: ""
mps:
  # Whether it runs the MPS host there, too. Without it `hard` and `soft` shares are not prepared.
  enabled: true
"""
_NOTES: Final = f"""Farthing is in the namespace {NAMESPACE}. Label the nodes whose GPUs it shall drive:

  kubectl label node NODE farthing.dev/gpus=nvidia
"""


def chart() -> dict[str, str]:
    """The files of the chart: path within the repository, and text."""
    files = {"Chart.yaml": _CHART, "values.yaml": _VALUES, "templates/NOTES.txt": _NOTES}
    for name, text in printed().items():
        where = "crds" if name == "00-crds.yaml" else "templates"
        files[f"{where}/{name}"] = _without_namespace(text)
    files["templates/30-spoke.yaml"] = _where("spoke", spoke(IMAGE).replace("replicas: 2", f"replicas: {REPLICAS}"))
    files["templates/31-node-driver.yaml"] = _where("node", _with_time_slice(node_driver(IMAGE)))
    files["templates/32-mps-host.yaml"] = _where("mps", mps_host(IMAGE))
    return {f"{FOLDER}/{name}": text for name, text in files.items()}


def _where(part: str, text: str) -> str:
    return f"{{{{- if .Values.{part}.enabled }}}}\n{text}{{{{- end }}}}\n"


def _with_time_slice(text: str) -> str:
    """The driver's arguments with one more, where the value is set; on a line of its own."""
    return text.replace(_ARGS, f"{_ARGS.rstrip()}\n{_TIME_SLICE}\n          ")


def _without_namespace(text: str) -> str:
    return "---\n".join(part for part in text.split("---\n") if "kind: Namespace\n" not in part)
