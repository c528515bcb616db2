"""Reading the public trace, and fetching it."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from farthing.cli import tracefile
from farthing.cli.tracefile import fetch, find_file
from farthing.files.pods import TracePod, read_pods
from farthing.model.errors import InvalidError, NotFoundError, PermanentError, TransientError

HEAD = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos\n"


def listed(tmp_path, text):
    path = tmp_path / "pods.csv"
    path.write_text(text)
    return list(read_pods(path))


def test_a_row_becomes_a_pod(tmp_path):
    rows = listed(tmp_path, HEAD + "p-1,12000,16384,1,460,V100M16|V100M32|V100M32,LS\np-2,8000,30517,0,0,,BE\n")
    assert rows == [
        TracePod("p-1", 12000, 16384, 1, 460, ("V100M16", "V100M32")),
        TracePod("p-2", 8000, 30517, 0, 0),
    ]
    assert [row.total_milli for row in rows] == [460, 0]


def test_lists_without_models_are_read_too(tmp_path):
    assert listed(tmp_path, "name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,2,8,1000\n")[0].models == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sn,cpu_milli\nx,1\n", "pods.csv:1: has no column name, memory_mib, num_gpu, gpu_milli"),
        (HEAD + "p,12,12,one,0,,\n", "pods.csv:2: num_gpu is 'one'"),
        (HEAD + "p,12,12,1,1001,,\n", "gpu_milli is '1001'; expected a whole number up to 1000"),
        (HEAD + "p,12,12,1,0,,\n", "gpu_milli is 0 with num_gpu 1"),
        (HEAD + "p,-1,12,1,1,,\n", "cpu_milli is '-1'"),
        (HEAD + "p,12\n", "pods.csv:2: has 2 fields; expected 7, as in line 1"),
        (HEAD + "p,1,1,1,1,,LS,more\n", "pods.csv:2: has 8 fields; expected 7"),
        (HEAD + ",1,1,1,1,,\n", "has no name"),
        (HEAD + f"p,{'9' * 6000},1,1,1,,\n", f"cpu_milli is '{'9' * 30}'...; expected a whole number"),
        (HEAD + "p,1,1,1,1,,\n\np,1,1,1,1,,\n", "pods.csv:4: the pod p is there already, in line 2"),
        (
            HEAD.replace("qos", "creation_time,deletion_time") + "p,1,1,1,1,,9,8\n",
            "deletion_time 8 is before creation_time 9",
        ),
        (HEAD + "p" * 200_000, "pods.csv: is not CSV: field larger"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, says):
    with pytest.raises(InvalidError) as error:
        listed(tmp_path, text)
    assert says in str(error.value)


@pytest.mark.parametrize("encode", [lambda t: b"\xef\xbb\xbf" + t, lambda t: t.replace(b"\n", b"\r\n")])
def test_what_spreadsheets_write_is_read(tmp_path, encode):
    path = tmp_path / "pods.csv"
    path.write_bytes(encode((HEAD + "p,1,2,8,1000,,\n").encode()))
    assert [pod.name for pod in read_pods(path)] == ["p"]


def test_a_missing_trace_says_where_it_was_looked_for_and_how_to_get_it(tmp_path):
    with pytest.raises(NotFoundError, match=r"farthing traces fetch.*FARTHING_TRACES"):
        find_file("openb_pod_list_default.csv", tmp_path)


def test_a_trace_is_found_in_the_folder_or_below_openb(tmp_path, monkeypatch):
    (tmp_path / "openb").mkdir()
    for path in (tmp_path / "a.csv", tmp_path / "openb" / "b.csv"):
        path.touch()
    monkeypatch.setenv("FARTHING_TRACES", str(tmp_path))
    assert find_file("a.csv", None) == tmp_path / "a.csv"
    assert find_file("b.csv", None) == tmp_path / "openb" / "b.csv"


async def served(content, status=200):
    async def answer(_):
        return web.Response(body=content, status=status)

    app = web.Application()
    app.router.add_get("/{name}", answer)
    server = TestServer(app)
    await server.start_server()
    return server


@pytest.mark.parametrize(("content", "status", "error"), [(b"else", 200, "not the file"), (b"", 404, "status 404")])
async def test_a_wrong_answer_leaves_nothing_behind(tmp_path, content, status, error):
    server = await served(content, status)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(PermanentError, match=error):
            await fetch(session, "openb_pod_list_default.csv", tmp_path / "t", str(server.make_url("")).rstrip("/"))
    await server.close()
    assert not list(tmp_path.iterdir())


async def test_a_right_answer_is_kept_whole_and_not_fetched_again(tmp_path, monkeypatch):
    monkeypatch.setitem(tracefile.FILES, "x.csv", "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881")
    server = await served(b"x")
    origin = str(server.make_url("")).rstrip("/")
    async with aiohttp.ClientSession() as session:
        assert await fetch(session, "x.csv", tmp_path, origin) == "fetched"
        await server.close()
        assert await fetch(session, "x.csv", tmp_path, origin) == "kept"
        (tmp_path / "x.csv").write_bytes(b"changed")
        with pytest.raises(TransientError, match="cannot be fetched"):
            await fetch(session, "x.csv", tmp_path, origin)
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
