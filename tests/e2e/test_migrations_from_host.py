"""A PostgreSQL that this machine cannot reach is migrated through the connection to a host that can."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.testbed import images
from tests.testbed.fixtures import TestHost

from .fleet import Fleet

pytestmark = [pytest.mark.needs("hosts"), pytest.mark.timeout(300)]

PASSWORD = "canary-7d1e"
CONFIG = """\
project: {name: fleet}
databases:
  main: {connection_env: DATABASE_URL, via: VIA, migrations: {engine: raw, path: ./migrations}}
environments:
  prod:
    runtime: compose
    state: hosts
    env_file: .env.prod
    hosts: {app: [HOSTS]}
"""
COMPOSE = "services: {api: {image: app:1, environment: {DATABASE_URL: '${DATABASE_URL}'}}}\n"
COUNT = 6


@attrs.frozen
class Server:
    """A PostgreSQL in a container without a published port: its host reaches it, nobody else does."""

    host: TestHost
    address: str

    def ask(self, sql: str) -> list[str]:
        """Ask it, past SSH and past everything that is tested."""
        command = ("exec", "-u", "postgres", "from-host", "psql", "-X", "-At", "-U", "app", "-d", "app", "-c", sql)
        return self.host.docker(*command).split()


@pytest.fixture
def server(clean_hosts: tuple[TestHost, ...]) -> Iterator[Server]:
    host = clean_hosts[0]
    images.put(host, "postgres:16")
    variables = ("-e", f"POSTGRES_PASSWORD={PASSWORD}", "-e", "POSTGRES_USER=app", "-e", "POSTGRES_DB=app")
    host.docker("run", "-d", "--name", "from-host", *variables, "postgres:16")
    address = host.docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "from-host").strip()
    ends = time.monotonic() + 60
    while "1" not in host.sh(f"bash -c '(</dev/tcp/{address}/5432) 2>/dev/null && echo 1'", check=False):
        assert time.monotonic() < ends, host.docker("logs", "from-host")
        time.sleep(0.2)
    assert not answers(address), "this machine reaches it by itself"
    yield Server(host, address)


def answers(address: str) -> bool:
    """Tell whether a PostgreSQL answers to this machine; that something takes the connection means nothing behind a gateway."""
    try:
        with socket.create_connection((address, 5432), timeout=1) as direct:
            direct.sendall(struct.pack("!ii", 8, 80877103))  # asks for TLS; the answer is S or N
            return direct.recv(1) in (b"S", b"N")
    except OSError:
        return False


def project(folder: Path, server: Server, hosts: tuple[TestHost, ...], via: str = "app", **url: str) -> Fleet:
    """Write a project whose database is the server's."""
    made = Fleet(folder, hosts).make(CONFIG.replace("VIA", via), COMPOSE)
    query = f"?{url['query']}" if "query" in url else ""
    address = f"{url.get('address', server.address)}:{url.get('port', '5432')}"
    made.write(".env.prod", f"DATABASE_URL=postgresql://app:{PASSWORD}@{address}/app{query}\n")
    for n in range(1, COUNT + 1):
        made.write(f"migrations/{n:03}_t{n}.sql", f"CREATE TABLE t{n} (id int);\nINSERT INTO t{n} VALUES ({n});\n")
    return made


def test_it_is_planned_applied_and_looked_at_from_the_host(tmp_path: Path, server: Server) -> None:
    made = project(tmp_path, server, (server.host,))
    operations = json.loads(made.stagecraft("plan", "--json").stdout)["operations"]
    [migrate] = [o for o in operations if o["action"] == "migration.apply"]
    assert migrate["hosts"] == [server.host.name]
    assert migrate["inputs"]["from"] == server.host.name
    assert migrate["description"].endswith(f"from {server.host.name}")

    done = made.stagecraft("migrate", "run", "--verbose")
    assert f"applied {', '.join(f'{n:03}_t{n}.sql' for n in range(1, COUNT + 1))}" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert server.ask("SELECT count(*) FROM t6") == ["1"]
    assert "nothing was pending" in made.stagecraft("migrate", "run").stdout
    assert made.stagecraft("migrate", "plan").stdout.count("applied") >= COUNT
    made.write("migrations/001_t1.sql", "CREATE TABLE t1 (id bigint);\n")
    assert "001_t1.sql" in made.stagecraft("migrate", "run", code=1).stderr


def test_two_machines_apply_each_file_once(tmp_path: Path, server: Server) -> None:
    """Neither knows of the other but through the host's lease and the database's own lock."""
    made = [project(tmp_path / name, server, (server.host,)) for name in ("one", "two", "three")]
    running = [m.start("migrate", "run", "--wait") for m in made]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert sum("nothing was pending" in text for text in said) == 2, said
    assert server.ask("SELECT count(*) FROM stagecraft_migrations") == [str(COUNT)]
    assert server.ask(" UNION ALL ".join(f"SELECT count(*) FROM t{n}" for n in range(1, COUNT + 1))) == ["1"] * COUNT


def test_what_the_host_does_not_reach_is_an_error_that_says_so(tmp_path: Path, server: Server) -> None:
    wrong = project(tmp_path / "port", server, (server.host,), port="5433")
    failed = wrong.stagecraft("migrate", "run", code=2)
    assert f"{server.host.name} does not reach {server.address}:5433" in failed.stderr
    nobody = project(tmp_path / "via", server, (server.host,), via="web")
    refused = nobody.stagecraft("migrate", "run", code=1)
    assert "databases.main.via: prod has no host or role 'web'" in refused.stderr
    assert f"known: app, {server.host.name}" in refused.stderr
    server.host.docker("stop", "-t", "1", "from-host")
    gone = project(tmp_path / "gone", server, (server.host,))
    assert f"{server.host.name} does not reach" in gone.stagecraft("migrate", "run", code=2).stderr


def test_a_host_that_forwards_nothing_is_named(tmp_path: Path, server: Server) -> None:
    keys = "/home/deploy/.ssh/authorized_keys"
    server.host.sh(f"cp -a {keys} {keys}.whole && sed -i 's/^/no-port-forwarding /' {keys}")
    try:
        made = project(tmp_path, server, (server.host,))
        failed = made.stagecraft("migrate", "run", code=2)
        assert f"the SSH server of {server.host.name} forwards no connections" in failed.stderr
        assert "AllowTcpForwarding" in failed.stderr
    finally:
        server.host.sh(f"mv {keys}.whole {keys}")


def test_a_killed_run_leaves_nothing_behind_in_the_database(tmp_path: Path, server: Server) -> None:
    """Its session ends with its connection, what was not committed is gone, and the next run applies everything once."""
    made = project(tmp_path, server, (server.host,))
    slow = "CREATE TABLE slow (id int);\nSELECT pg_sleep(600);\n"
    made.write("migrations/003_t3.sql", slow)
    process = made.start("migrate", "run")
    ends = time.monotonic() + 60
    while server.ask(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND state = 'active'"
    ) < ["2"]:
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < ends
        time.sleep(0.2)
    process.kill()
    process.wait()
    ends = time.monotonic() + 30
    while server.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'stagecraft%'") != ["0"]:
        assert time.monotonic() < ends, "its session outlives it"
        time.sleep(0.2)
    assert server.ask("SELECT count(*) FROM pg_tables WHERE tablename = 'slow'") == ["0"]
    made.write("migrations/003_t3.sql", slow.replace("600", "0"))
    done = made.stagecraft("migrate", "run", "--wait")
    assert "applied 003_t3.sql, 004_t4.sql" in done.stdout
    assert server.ask("SELECT count(*) FROM stagecraft_migrations") == [str(COUNT)]


def test_the_servers_name_is_verified(tmp_path: Path, server: Server) -> None:
    """With sslmode=verify-full the certificate must be for the name in the URL, though the connection goes to a local port."""
    authority = certificates(tmp_path, "db.internal")
    data = server.host.docker("exec", "from-host", "sh", "-c", "echo $PGDATA").strip()
    for name in ("server.crt", "server.key"):
        server.host.docker(
            "exec", "-i", "from-host", "sh", "-c", f"cat > {data}/{name}", stdin=(tmp_path / name).read_text()
        )
    fix = f"chown postgres {data}/server.*; chmod 600 {data}/server.key; echo ssl=on >> {data}/postgresql.conf"
    server.host.docker("exec", "from-host", "sh", "-c", fix)
    server.host.docker("restart", "-t", "5", "from-host")
    server.host.sh(f"echo '{server.address} db.internal other.internal' >> /etc/hosts")
    query = f"sslmode=verify-full&sslrootcert={authority}"
    ends = time.monotonic() + 60
    while "1" not in server.host.sh(f"bash -c '(</dev/tcp/{server.address}/5432) 2>/dev/null && echo 1'", check=False):
        assert time.monotonic() < ends
        time.sleep(0.2)
    try:
        right = project(tmp_path / "right", server, (server.host,), address="db.internal", query=query)
        assert "applied 001_t1.sql" in right.stagecraft("migrate", "run").stdout
        other = project(tmp_path / "other", server, (server.host,), address="other.internal", query=query)
        failed = other.stagecraft("migrate", "run", code=2)
        assert "other.internal" in failed.stderr
    finally:
        server.host.sh("grep -v db.internal /etc/hosts > /tmp/hosts && cat /tmp/hosts > /etc/hosts && rm /tmp/hosts")


def certificates(folder: Path, name: str) -> Path:
    """Make an authority and a server's certificate for a name; return the authority's."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-new", "-newkey", "rsa:2048", "-nodes")
    openssl(*new, "-x509", "-subj", "/CN=authority", "-days", "2", "-keyout", "ca.key", "-out", "ca.crt")
    openssl(*new, "-subj", f"/CN={name}", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
    sign = ("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    openssl(*sign, "-extfile", "names", "-out", "server.crt")
    return folder / "ca.crt"


SERVICE_CONFIG = """\
project: {name: fleet}
services: {postgres: {role: db}}
databases:
  main: {connection_env: DATABASE_URL, service: postgres, migrations: {engine: raw, path: ./migrations}}
environments:
  prod:
    runtime: compose
    state: hosts
    env_file: .env.prod
    hosts: {app: [APP], db: [DB]}
"""
SERVICE_COMPOSE = """\
services:
  api:
    image: app:1
    environment: {DATABASE_URL: "${DATABASE_URL}"}
  postgres:
    image: postgres:16
    environment: {POSTGRES_USER: app, POSTGRES_DB: app, POSTGRES_PASSWORD: "${PASSWORD}"}
    volumes: ["data:/var/lib/postgresql/data"]
    healthcheck: {test: [CMD, pg_isready, -U, app, -h, 127.0.0.1], interval: 500ms, timeout: 3s, retries: 20}
volumes: {data: {}}
"""


@pytest.mark.needs("docker")
def test_a_deploy_starts_and_migrates_a_database_on_its_own_host(
    tmp_path: Path, clean_hosts: tuple[TestHost, ...]
) -> None:
    app, db = clean_hosts[:2]
    images.ensure("app:1", "postgres:16")
    made = Fleet(tmp_path, (app, db))
    named = [f"{{name: {h.name}, address: {h.address}, user: {h.user}}}" for h in (app, db)]
    made.write("stagecraft.yml", SERVICE_CONFIG.replace("APP", named[0]).replace("DB", named[1]))
    made.write("docker-compose.yml", SERVICE_COMPOSE)
    made.write(".env.prod", f"PASSWORD={PASSWORD}\nDATABASE_URL=postgresql://app:{PASSWORD}@postgres:5432/app\n")
    made.write("migrations/001_t1.sql", "CREATE TABLE t1 (id int);\nINSERT INTO t1 VALUES (1);\n")
    done = made.stagecraft("deploy", "-v", "1", "--verbose")
    assert PASSWORD not in done.stdout + done.stderr
    [name] = db.docker("ps", "--filter", "label=com.docker.compose.service=postgres", "--format", "{{.Names}}").split()
    count = db.docker("exec", "-u", "postgres", name, "psql", "-XAt", "-U", "app", "-d", "app", "-c", "TABLE t1")
    assert count.split() == ["1"]
    made.write("migrations/002_t2.sql", "INSERT INTO t1 VALUES (2);\n")
    assert "applied 002_t2.sql" in made.stagecraft("migrate", "run").stdout
    assert made.stagecraft("releases", "list").stdout.count("serving") == 1
    for host in (app, db):
        assert host.sh("ls /home/deploy/.stagecraft/fleet/prod/state/releases | wc -l").strip() == "1"
