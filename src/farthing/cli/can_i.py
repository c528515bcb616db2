"""`farthing can-i use team/vision --as alice`: whether somebody may use or divide a team, and by which rule."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from farthing.cli.options import Context, Format, Kubeconfig, Output, connect
from farthing.cli.render import console, several, show_json
from farthing.kube.connection import Connection
from farthing.kube.resources import TEAMS
from farthing.kube.reviews import Person, may, myself, somebody
from farthing.kube.watch import read_list
from farthing.model.errors import InvalidError, NotFoundError
from farthing.model.team import Team
from farthing.state.teams import faults_of


class Verb(StrEnum):
    """What one may do with a team."""

    use = "use"
    divide = "divide"


_MEANS: Final = {Verb.use: "run pods of", Verb.divide: "write the teams below"}


@dataclass(frozen=True)
class Answer:
    """Whether `who` may, by which `rule`, and what it takes where not. `namespaces` are those it can be used from."""

    who: str
    verb: str
    team: str
    allowed: bool
    rule: str
    lacking: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()


def can_i(
    verb: Annotated[Verb, typer.Argument(help="use: run pods of the team; divide: write the teams below it.")],
    team: Annotated[str, typer.Argument(metavar="team/NAME", help="The team: team/NAME or just NAME.")],
    who: Annotated[str, typer.Option("--as", help="Ask for this user; default: yourself.")] = "",
    group: Annotated[list[str] | None, typer.Option("--as-group", help="A group of that user; repeatable.")] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    output: Output = Format.table,
) -> None:
    """Whether somebody may use or divide a team, and by which rule. Exit status 1 where not.

    \b
    farthing can-i use team/vision
    farthing can-i use team/vision --as alice --as-group researchers
    farthing can-i divide team/research --as system:serviceaccount:ops:bob
    """
    if group and not who:
        raise InvalidError("--as-group", "names a group of somebody else; expected --as, too")
    person = somebody(who, tuple(group or ())) if who else None
    answer = asyncio.run(_ask(kubeconfig, context, person, verb, _name(team)))
    if output is Format.json:
        show_json(answer)
    else:
        _show(answer)
    if not answer.allowed:
        raise typer.Exit(1)


def _name(text: str) -> str:
    kind, slash, name = text.rpartition("/")
    if slash and kind not in ("team", "teams"):
        raise InvalidError(text, "is no team; expected team/NAME")
    return name


async def _ask(kubeconfig: Path | None, context: str, person: Person | None, verb: Verb, name: str) -> Answer:
    async with connect(kubeconfig, context) as connection:
        items = read_list(await connection.request("GET", TEAMS.path)).items
        teams = {team.name: team for item in items if isinstance(team := TEAMS.thing(item), Team)}
        return await answer_to(connection, teams, person, verb, name)


async def answer_to(
    connection: Connection, teams: Mapping[str, Team], person: Person | None, verb: Verb, name: str
) -> Answer:
    """The answer for a person, or for oneself."""
    if name not in teams:
        raise NotFoundError(f"there is no team {name}; there {'is ' + several(sorted(teams)) if teams else 'are none'}")
    who = person or await myself(connection)
    path = path_of(teams, name)
    wrong = next((fault for fault in faults_of(teams.values()) if fault.team == name), None)
    if wrong is not None:
        return Answer(who.name, verb, name, allowed=False, rule=f"the team is left out: it {wrong.sentence}")
    rule = (_membership(who, path) if verb is Verb.use else "") or await _right(connection, person, verb, path)
    lacking = () if rule else _what_it_takes(who, verb, name)
    if verb is Verb.divide and rule and not await may(connection, person, "update"):
        lacking = (f"RBAC's right to write teams: the ClusterRole farthing-team-divider, bound to {who.name}",)
    return Answer(
        who=who.name,
        verb=verb,
        team=name,
        allowed=bool(rule) and not lacking,
        rule=rule,
        lacking=lacking,
        namespaces=tuple(sorted(namespace for team in path for namespace in team.namespaces)),
    )


def path_of(teams: Mapping[str, Team], name: str) -> list[Team]:
    """A team, its parent, and so on up; where that goes in a circle, once round."""
    found: list[Team] = []
    while name in teams and teams[name] not in found:
        found.append(teams[name])
        name = teams[name].parent
    return found


def _membership(who: Person, path: Iterable[Team]) -> str:
    for team in path:
        for member in team.members:
            kind, _, name = member.partition(":")
            if kind == "group" and name in who.groups:
                return f"group {name} is a member of {team.name}"
            if kind != "group" and member == who.name:
                return f"{who.name} is a member of {team.name}"
    return ""


async def _right(connection: Connection, person: Person | None, verb: Verb, path: Iterable[Team]) -> str:
    if await may(connection, person, verb):
        return f"the verb {verb} on all teams"
    for team in path:
        if await may(connection, person, verb, team.name):
            return f"the verb {verb} on teams/{team.name}"
    return ""


def _what_it_takes(who: Person, verb: Verb, name: str) -> tuple[str, ...]:
    role = f"{verb}-{name}"
    commands = (
        f"kubectl create clusterrole {role} --verb={verb} --resource=teams.farthing.dev --resource-name={name}",
        f"kubectl create clusterrolebinding {role} --clusterrole={role} --user={who.name}",
    )
    if verb is Verb.use:
        return (f"{who.name} among spec.members of the team or of one above it, or:", *commands)
    return (
        *commands,
        f"kubectl create clusterrolebinding {role}-write --clusterrole=farthing-team-divider --user={who.name}",
    )


def _show(answer: Answer) -> None:
    out = console()
    said = ("yes", "green") if answer.allowed else ("no", "red")
    does = _MEANS[Verb(answer.verb)]
    if answer.allowed:
        out.print(Text.assemble(said, f": {answer.who} may {does} team {answer.team}; rule: {answer.rule}"))
    else:
        out.print(Text.assemble(said, f": {answer.who} may not {does} team {answer.team}"), end="")
        out.print(f"; {answer.rule}" if answer.rule else "", markup=False)
    if answer.lacking:
        out.print("What it takes:")
        for line in answer.lacking:
            out.print(f"  {line}", markup=False, soft_wrap=True)
    if answer.allowed and answer.verb == Verb.use:
        where = several(answer.namespaces, 10) or "none; no team on the way up has namespaces by its spec"
        out.print(f"From namespaces: {where}", markup=False)
