"""What the testbed's hosts are, seen from where a deployer and its tests stand."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.testbed import handles, images, keys, processes, switch
from tests.testbed import hosts as hosts_module
from tests.testbed.fixtures import *  # noqa: F403  fixtures
from tests.testbed.fixtures import MakeHost
from tests.testbed.handles import TestHost
from tests.testbed.layout import Layout
from tests.testbed.processes import wait_until
from tests.testbed.registry import Registry

pytestmark = [pytest.mark.needs("hosts"), pytest.mark.timeout(180)]
Hosts = tuple[TestHost, ...]


def test_a_user_without_roots_rights_uses_the_hosts_own_engine(hosts: Hosts) -> None:
    done = hosts[0].ssh("id -un; id -u; docker info --format '{{.Name}} {{.Driver}}'; hostname")
    assert done.stdout.split() == ["deploy", "1000", "h1", "overlay2", "h1"], done.stderr


def test_root_may_log_in_too_and_no_python_is_there(hosts: Hosts) -> None:
    done = hosts[0].ssh("id -u; command -v python3 perl git; command -v flock awk sed tar iptables ip", user="root")
    assert done.stdout.split()[0] == "0"
    assert [Path(line).name for line in done.stdout.split()[1:]] == ["flock", "awk", "sed", "tar", "iptables", "ip"]


def test_hosts_are_apart_from_the_machine_and_from_each_other(clean_hosts: Hosts) -> None:
    first, second, _ = clean_hosts
    first.sh("echo mine >/srv/file; sleep 987654 >/dev/null 2>&1 &")
    assert second.sh("ls /srv; pgrep -f '[9]87654' || true") == ""
    assert not Path("/srv/file").exists()
    assert first.sh("ls /dev | grep -e vd -e sd -e loop -e nvme || true") == ""  # none of the machine's disks
    assert "987654" in first.sh("pgrep -af '[9]87654'")
    first.sh("pkill -f '[9]87654'")


def test_hosts_reach_each_other_and_the_machine(hosts: Hosts) -> None:
    first, second, _ = hosts
    greeting = first.ssh("bash", "-c", f"'read -t 5 line </dev/tcp/{second.address}/22; echo $line'")
    assert greeting.stdout.startswith("SSH-2.0-"), greeting.stderr
    at = switch.current(first.layout)
    assert at is not None
    assert first.ssh("getent hosts machine").stdout.split()[0] == at.machine


def test_the_outside_verdict_needs_no_ssh(clean_hosts: Hosts) -> None:
    first, second, _ = clean_hosts
    images.put(first, "busybox:latest")
    first.docker("run", "-d", "--name", "kept", "busybox:latest", "sleep", "1000")
    assert first.docker("ps", "--format", "{{.Names}}") == "kept\n"
    assert first.ssh("docker", "ps", "--format", "{{.Names}}").stdout == "kept\n"
    assert second.docker("ps", "--format", "{{.Names}}") == ""


def test_afterwards_nothing_is_left_on_the_host(hosts: Hosts) -> None:
    host = hosts[2]
    images.put(host, "busybox:latest")
    host.docker("network", "create", "n1")
    host.docker("run", "-d", "-v", "v1:/v", "--network", "n1", "--name", "c1", "busybox:latest", "sleep", "1000")
    host.ssh("mkdir -p ~/.stagecraft/releases")
    handles.clean(host)
    assert host.docker("ps", "-aq") == host.docker("volume", "ls", "-q") == ""
    assert host.docker("network", "ls", "--format", "{{.Name}}").split() == ["bridge", "host", "none"]
    assert host.ssh("ls", "-A").stdout.split() == [".ssh"]
    assert "busybox" in host.docker("image", "ls", "--format", "{{.Repository}}")


@pytest.mark.needs("docker")
def test_an_image_of_the_machine_gets_to_a_host_as_it_is(clean_hosts: Hosts) -> None:
    images.ensure("busybox:latest")
    subprocess.run(["docker", "tag", "busybox:latest", "put-test:7"], check=True)
    images.put(clean_hosts[0], "put-test:7")
    inspect = ("image", "inspect", "--format", "{{.Id}}", "put-test:7")
    here = subprocess.run(["docker", *inspect], capture_output=True, text=True, check=True).stdout
    assert clean_hosts[0].docker(*inspect) == here
    clean_hosts[0].docker("image", "rm", "put-test:7")
    subprocess.run(["docker", "image", "rm", "put-test:7"], check=True, capture_output=True)


def test_an_unknown_client_is_not_let_in(hosts: Hosts, tmp_path: Path) -> None:
    key = tmp_path / "key"
    keys.make(hosts[0].layout, key, "a stranger")
    command = ["ssh", "-F", str(hosts[0].ssh_config), "-i", str(key), f"{hosts[0].user}@{hosts[0].address}", "true"]
    # -F would add the right key for the name; the address is known by it too, so ask for this key alone
    command[1:3] = ["-F", "/dev/null", "-oIdentitiesOnly=yes", "-oIdentityAgent=none", "-oBatchMode=yes"]
    command[6:6] = [f"-oUserKnownHostsFile={hosts[0].known_hosts}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_bringing_up_what_is_up_changes_nothing(hosts: Hosts) -> None:
    before = [host.pid for host in hosts]
    handles.bring_up(hosts[0].layout, *(host.spec for host in hosts))
    assert [host.pid for host in hosts] == before


def test_a_host_with_ssh_alone_comes_and_goes(make_host: MakeHost, hosts: Hosts) -> None:
    bare = make_host(engine="")
    assert bare.ssh("cat /run/docker.pid").returncode == 1
    assert bare.ssh("true").returncode == 0
    folder = hosts_module.folder(bare.layout, bare.name)
    link = Path("/sys/class/net") / _switch(bare.layout).link(bare.spec.number)
    assert link.exists()
    handles.take_down(bare)
    assert not folder.exists()
    assert not link.exists()
    assert bare.name not in bare.ssh_config.read_text()
    assert hosts[0].ssh("true").returncode == 0


@pytest.mark.needs("registry", "docker")
def test_what_the_machine_pushes_a_host_pulls(clean_hosts: Hosts, registries: tuple[Registry, Registry]) -> None:
    images.ensure("busybox:latest")
    name = f"{registries[0].address}/pushed:1"
    subprocess.run(["docker", "tag", "busybox:latest", name], check=True)
    subprocess.run(["docker", "push", name], check=True, capture_output=True)
    assert clean_hosts[0].ssh("docker", "pull", "-q", name).stdout.strip() == name
    registries[0].stop()
    assert "connection refused" in clean_hosts[0].ssh("docker", "pull", "-q", name).stderr
    registries[0].start()
    assert clean_hosts[0].ssh("docker", "pull", "-q", name).stdout.strip() == name  # what was pushed is kept


@pytest.mark.needs("registry")
def test_the_closed_registry_takes_its_password_until_that_expires(
    clean_hosts: Hosts, registries: tuple[Registry, Registry]
) -> None:
    host, closed = clean_hosts[0], registries[1]
    images.put(host, "busybox:latest")
    name = f"{closed.address}/secret:1"
    host.docker("tag", "busybox:latest", name)
    assert "no basic auth credentials" in host.ssh("docker", "push", name).stderr
    login = f"docker login -u {closed.user} --password-stdin {closed.address}"
    assert "Login Succeeded" in host.ssh(f"echo {closed.password} | {login}").stdout
    assert host.ssh("docker", "push", "-q", name).returncode == 0
    closed.expire()
    assert closed.status() == 401
    assert "unauthorized" in host.ssh("docker", "push", name).stderr.lower()
    closed.renew()
    assert host.ssh("docker", "push", "-q", name).returncode == 0


def test_taking_down_leaves_nothing_also_after_a_starter_was_killed(hosts: Hosts) -> None:
    with tempfile.TemporaryDirectory(prefix="sct", dir="/var/tmp") as root:
        layout = Layout(Path(root))
        layout.roots.symlink_to(hosts[0].layout.roots)
        environment = {**os.environ, "STAGECRAFT_TESTBED_DIR": root}
        command = [sys.executable, "-m", "tests.testbed"]
        with subprocess.Popen([*command, "up", "hosts"], env=environment, stderr=subprocess.DEVNULL) as starter:
            assert wait_until(lambda: bool(processes.started_with(f"{root}/hosts/h1")), 30)
            starter.kill()
        subprocess.run([*command, "down"], env=environment, check=True)
        assert _left_of(layout) == []
        subprocess.run([*command, "up", "hosts"], env=environment, check=True)  # beside the testbed of this run
        (first, *_) = handles.open_all(layout)
        assert first.address != hosts[0].address
        assert first.ssh("hostname").stdout == hosts[0].ssh("hostname").stdout == "h1\n"
        subprocess.run([*command, "down"], env=environment, check=True)
        assert _left_of(layout) == []


def _left_of(layout: Layout) -> list[str]:
    """Return what of a testbed is still on the machine: processes, mounts, interfaces, control groups."""
    root, bridge = str(layout.root), switch.bridge_name(layout)
    found = [str(path) for path in Path("/sys/class/net").glob(f"{bridge}*")]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{bridge}")]
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            command = (process / "cmdline").read_text()
            if f"{root}/hosts" in command or f"{root}/hosts" in (process / "mountinfo").read_text():
                found.append(command)
    return found


def _switch(layout: Layout) -> switch.Switch:
    at = switch.current(layout)
    assert at is not None
    return at
