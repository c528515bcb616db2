"""From other ways to ask for GPUs to Farthing's: one pod template at a time. No files here; see `migrate`.

Known are the device plugin (whole GPUs, time-slicing, MIG), AMD's, HAMi, KAI and Volcano. What has no equivalent is
said rather than guessed: then the template stays as it is.
"""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from farthing.model.ask import GPU, GPU_MODEL, ISOLATION, parse_ask
from farthing.model.errors import InvalidError

Yaml = MutableMapping[str, Any]

_MIG: Final = "nvidia.com/mig-"
_HAMI: Final = ("nvidia.com/gpumem", "nvidia.com/gpumem-percentage", "nvidia.com/gpucores")
_VOLCANO: Final = ("volcano.sh/vgpu-number", "volcano.sh/vgpu-memory", "volcano.sh/vgpu-cores")
_WHOLE: Final = ("nvidia.com/gpu", "amd.com/gpu")
_SHARED: Final = "nvidia.com/gpu.shared"
_KAI: Final = ("gpu-fraction", "gpu-memory", "gpu-fraction-num-devices", "gpu-fraction-container-name")
_HAMI_NOTES: Final = ("nvidia.com/use-gputype", "nvidia.com/vgpu-mode")
_SCHEDULERS: Final = ("kai-scheduler", "volcano", "hami-scheduler")


@dataclass
class Finding:
    """What became of one pod template. `gpu` is empty where there is no equivalent; `notes` say what to look at."""

    where: str
    was: str
    gpu: str = ""
    isolation: str = ""
    models: str = ""
    notes: list[str] = field(default_factory=list)


def pod_templates(manifest: Any, path: str = "") -> Iterator[tuple[str, Yaml]]:
    """Everything in a manifest that has a `spec` with containers, whatever its kind, with the path to it."""
    if isinstance(manifest, list):
        for number, entry in enumerate(manifest):
            yield from pod_templates(entry, f"{path}[{number}]")
    if not isinstance(manifest, MutableMapping):
        return
    spec = manifest.get("spec")
    if isinstance(spec, MutableMapping) and isinstance(spec.get("containers"), list):
        yield path, manifest
        return
    for key, entry in manifest.items():
        yield from pod_templates(entry, f"{path}.{key}" if path else str(key))


def migrate_template(template: Yaml, where: str) -> Finding | None:
    """Turn one template's asks into ours, in place. None where it asks for no GPU, or asks Farthing already."""
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    asking = [c for c in template["spec"]["containers"] if _limits(c)]
    if GPU in annotations or not (asking or any(name in annotations for name in _KAI[:2])):
        return None
    try:
        finding = _read(annotations, asking, where)
    except ValueError as error:
        return Finding(where, "amounts that are no whole numbers", notes=[str(error)])
    if finding.gpu and _is_ask(finding):
        _write(template, asking, finding)
    return finding


def _read(annotations: Yaml, asking: list[Yaml], where: str) -> Finding:
    if any(name in annotations for name in _KAI[:2]):
        return _kai(annotations, where)
    if len(asking) > 1:
        names = ", ".join(str(container["name"]) for container in asking)
        return Finding(
            where, "several containers", notes=[f"{names} ask each; Farthing's annotation is the pod's: sum up"]
        )
    limits = _limits(asking[0])
    if any(name in limits for name in _VOLCANO):
        return _parts(where, "Volcano", limits, _VOLCANO[0], memory=_VOLCANO[1], cores=_VOLCANO[2])
    if any(name in limits for name in _HAMI):
        found = _parts(where, "HAMi", limits, _WHOLE[0], memory=_HAMI[0], cores=_HAMI[2], percent=_HAMI[1])
        found.models = "|".join(str(annotations.get(_HAMI_NOTES[0], "")).replace(" ", "").split(",")).strip("|")
        return found
    return _plugin(limits, where)


def _plugin(limits: dict[str, Any], where: str) -> Finding:
    """The device plugins: whole devices, MIG partitions, replicas of time-slicing."""
    if len(limits) > 1:
        return Finding(where, "device plugin", notes=[f"{' and '.join(limits)} together have no equivalent"])
    ((name, amount),) = limits.items()
    if name in _WHOLE:
        return Finding(where, f"{name}: {amount}", str(amount))
    if name == _SHARED:
        return Finding(
            where, f"{name}: {amount}", notes=["a replica of time-slicing has no size; write the share you mean"]
        )
    if str(amount) != "1":
        return Finding(where, f"{name}: {amount}", notes=["several partitions in one pod have no equivalent"])
    return Finding(where, f"{name}: {amount}", name.removeprefix(_MIG).replace(".me", "+me"), "partition")


def _parts(
    where: str, who: str, limits: dict[str, Any], count: str, *, memory: str, cores: str, percent: str = ""
) -> Finding:
    """HAMi and Volcano: a number of devices, of each so much memory (MiB, or percent), and so many percent of cores."""
    found = Finding(
        where, f"{who}: " + ", ".join(f"{name}: {value}" for name, value in limits.items()), isolation="hard"
    )
    number = int(limits.get(count, 1))
    part = limits.get(percent) or (limits.get(cores) if memory not in limits else None)
    if part is not None:
        share = f"{int(part) / 100:.2f}".rstrip("0").rstrip(".")
        found.gpu = str(number) if share == "1" else share if number == 1 else f"{number}x{share}"
    elif number > 1:
        found.notes.append("memory on several devices has no equivalent; write fractions, such as 2x0.5")
    else:
        found.gpu = f"{int(limits[memory])}Mi"
    if memory in limits and cores in limits:
        found.notes.append(f"{cores}: {limits[cores]} is not kept: compute comes in proportion to memory")
    found.notes.append("limits are per process under MPS, and were per container")
    return found


def _kai(annotations: Yaml, where: str) -> Finding:
    kept = {name: str(annotations[name]) for name in _KAI if name in annotations}
    found = Finding(where, "KAI: " + ", ".join(f"{name}: {value}" for name, value in kept.items()), isolation="shared")
    count = kept.get("gpu-fraction-num-devices", "1")
    if "gpu-fraction" in kept:
        share = kept["gpu-fraction"].rstrip("0") if "." in kept["gpu-fraction"] else kept["gpu-fraction"]
        found.gpu = share if count == "1" else f"{count}x{share}"
    elif count == "1":
        found.gpu = f"{kept['gpu-memory']}Mi"
    else:
        found.notes.append("memory on several devices has no equivalent; write fractions, such as 2x0.5")
    found.notes.append("the label kai.scheduler/queue is left: say the team with farthing.dev/team")
    return found


def _is_ask(finding: Finding) -> bool:
    """Whether what came out is an ask; where it is not, the finding says why."""
    try:
        parse_ask(finding.gpu, finding.models or None, finding.isolation or None)
    except InvalidError as error:
        finding.notes.append(str(error))
        finding.gpu = ""
        return False
    return True


def _write(template: Yaml, asking: list[Yaml], finding: Finding) -> None:
    metadata = template.setdefault("metadata", {})
    annotations = metadata.setdefault("annotations", {})
    for name in (*_KAI, *_HAMI_NOTES):
        annotations.pop(name, None)
    annotations[GPU] = finding.gpu
    if finding.models:
        annotations[GPU_MODEL] = finding.models
    if finding.isolation not in ("", "shared", "partition"):
        annotations[ISOLATION] = finding.isolation
    for container in asking:
        for part in ("limits", "requests"):
            amounts = container["resources"].get(part) or {}
            for name in _asks(amounts):
                del amounts[name]
            if not amounts:
                container["resources"].pop(part, None)
        if not container["resources"]:
            del container["resources"]
    if template["spec"].get("schedulerName") in _SCHEDULERS:
        finding.notes.append(f"schedulerName {template['spec'].pop('schedulerName')} is taken out")


def _limits(container: Yaml) -> dict[str, Any]:
    resources = container.get("resources") or {}
    return {**_asks(resources.get("requests") or {}), **_asks(resources.get("limits") or {})}


def _asks(amounts: Yaml) -> dict[str, Any]:
    known = {*_WHOLE, _SHARED, *_HAMI, *_VOLCANO}
    return {name: value for name, value in amounts.items() if name in known or name.startswith(_MIG)}
