"""What HAProxy says of its servers is read as it is meant, and only what must be said is said."""

from __future__ import annotations

from stagecraft_haproxy import servers
from stagecraft_haproxy.servers import Server, Worker
from stagecraft_hookspecs.proxy import Endpoint, Route

HEAD = "# pxname,svname," + ",".join(f"c{i}" for i in range(2, 30)) + ",type,scur,\n"


def row(backend: str, name: str, kind: str, sessions: str = "") -> str:
    return f"{backend},{name}{',' * 29}{kind},{sessions},\n"


def state(backend: str, name: str, running: int, flags: int) -> str:
    return f"4 {backend} 1 {name} 10.0.0.1 {running} {flags} 1 1 15 1 0 2 7 0 0 0 - 8000 - 0 0 - - 0\n"


def worker(*known: Server, current: bool = True) -> Worker:
    return Worker("7", current, {"r.web": known})


A, B = "10.0.0.1:8000", "10.0.0.2:8000"


def test_a_worker_is_read() -> None:
    stat = HEAD + row("f.80", "FRONTEND", "0") + row("r.web", "BACKEND", "1") + row("none", "BACKEND", "1")
    stat += row("r.web", A, "2", "3") + row("r.web", B, "2", "0") + row("r.web", "10.0.0.3:1", "2", "0")
    told = (
        "1\n# be_id be_name srv_id\n"
        + state("r.web", A, 2, 0)
        + state("r.web", B, 0, 8)
        + state("r.web", "10.0.0.3:1", 0, 0)
    )
    read = servers.read_worker("current:7", stat, told)
    third = Server("10.0.0.3:1", True, False, 0)
    assert read.backends == {"none": (), "r.web": (Server(A, True, True, 3), Server(B, False, False, 0), third)}
    assert (read.pid, read.current, read.ports) == ("7", True, frozenset({80}))
    assert servers.serving(read) == {"web": (A,)}
    assert servers.endpoints(read, "web") == (Endpoint("10.0.0.1", 8000), Endpoint("10.0.0.3", 1))


def test_nonsense_is_no_worker_with_servers() -> None:
    assert servers.read_worker("old:1", "\x00{]<<< not\n-1", "1 2 3\nx").backends == {}


def test_a_new_server_is_added_and_let_in() -> None:
    said = list(servers.enter(worker(Server(A, True)), {"r.web": (A, B)}))
    assert [line.split(" check ")[0] for line in said] == [
        f"@!7 add server r.web/{B} {B}",
        f"@!7 enable health r.web/{B}",
        f"@!7 set server r.web/{B} state ready",
        f"@!7 set server r.web/{B} health up",
    ]


def test_an_old_worker_is_told_in_the_words_that_it_understands() -> None:
    old = worker(Server(A, True), current=False)
    assert list(servers.enter(old, {"r.web": (B,)})) == [
        f"@!7 add server r.web/{B} {B}",
        f"@!7 stagecraft enter r.web/{B}",
    ]
    assert list(servers.leave(old, {"r.web": (B,)})) == [f"@!7 stagecraft leave r.web/{A}"]
    assert list(servers.leave(worker(Server(A, False), current=False), {"r.web": ()})) == []


def test_a_server_leaves_by_draining_and_is_forgotten_when_idle() -> None:
    assert list(servers.leave(worker(Server(A, True)), {"r.web": ()})) == [f"@!7 set server r.web/{A} state drain"]
    assert list(servers.leave(worker(Server(A, False, sessions=1)), {"r.web": ()})) == []
    forgotten = [f"@!7 set server r.web/{A} state maint", f"@!7 del server r.web/{A}"]
    assert list(servers.leave(worker(Server(A, False)), {"r.web": ()})) == forgotten


def test_what_is_not_as_wanted_is_named() -> None:
    now = worker(Server(A, True, False), Server(B, True))
    assert servers.missing(now, {"r.web": (A, B)}) == ()
    assert servers.missing(now, {"r.web": (A,)}) == (f"r.web: {B} is still in",)
    assert servers.missing(worker(Server(A, False)), {"r.web": (A,), "r.x": ()}) == (
        f"r.web: {A} is not in",
        "r.x: is not there",
    )
    assert servers.missing(worker(Server(A, True), current=False), {"r.web": (A,), "r.x": (A,)}) == ()


def test_a_renamed_routes_former_backend_gets_the_new_ones_servers() -> None:
    old, new = Route("web", "web", 80), Route("site", "site", 80, targets=(Endpoint("10.0.0.2", 8000),))
    assert servers.renamed((new,), (old,)) == {"r.web": (B,)}
    assert servers.renamed((Route("site", "site", 81),), (old,)) == {}
