"""Write canonical services and resources as `docker compose config --format json` prints them."""

from __future__ import annotations

from typing import Any

from stagecraft.compose.faults import Faults, Path
from stagecraft.compose.fields import (
    Field,
    command,
    device_count,
    duration,
    each,
    every,
    flag,
    health_test,
    hosts,
    integer,
    labels,
    limit,
    long_duration,
    maybe_flag,
    maybe_integer,
    maybe_unsigned,
    one_or_more,
    ratio,
    size,
    ssh,
    string_map,
    stringlike,
    struct,
    text,
    texts,
    unsigned,
    variables,
)  # fmt: skip

_file_mounts = each(
    struct({"source": text, "target": text, "uid": text, "gid": text, "mode": maybe_unsigned}),
)
_hook = struct(
    {"command": command, "user": text, "privileged": flag, "working_dir": text, "environment": variables},
    always={"command": None},
)
_build = struct(
    {
        "context": text, "dockerfile": text, "dockerfile_inline": text, "entitlements": texts, "args": variables,
        "ssh": ssh, "labels": labels, "cache_from": one_or_more, "cache_to": one_or_more, "no_cache": flag,
        "additional_contexts": labels, "pull": flag, "extra_hosts": hosts, "isolation": text, "network": text,
        "target": text, "secrets": _file_mounts, "shm_size": size, "tags": one_or_more, "ulimits": every(limit),
        "platforms": one_or_more, "privileged": flag,
    }
)  # fmt: skip


def _capitalized(first: str, second: str, read: Field, missing: Any) -> Field:
    """Write `{path, rate}` with the capital letters that compose prints here, and both keys always."""
    inner = struct({first: text, second: read})

    def field(value: Any, path: Path, faults: Faults) -> Any:
        written = inner(value, path, faults)
        return {first.title(): written.get(first, ""), second.title(): written.get(second, missing)}

    return field


_throttles = each(_capitalized("path", "rate", size, "0"))
_blkio = struct(
    {
        "weight": unsigned, "weight_device": each(_capitalized("path", "weight", unsigned, 0)),
        "device_read_bps": _throttles, "device_read_iops": _throttles, "device_write_bps": _throttles,
        "device_write_iops": _throttles,
    }
)  # fmt: skip
_devices = each(
    struct(
        {
            "capabilities": texts, "driver": text, "count": device_count, "device_ids": texts, "options": labels,
        }
    )
)  # fmt: skip
_rollout = struct(
    {
        "parallelism": maybe_unsigned, "delay": long_duration, "failure_action": text, "monitor": long_duration,
        "max_failure_ratio": ratio, "order": text,
    }
)  # fmt: skip
_resource = struct(
    {
        "cpus": ratio, "memory": size, "pids": integer, "devices": _devices,
        "generic_resources": each(
            struct(
                {
                    "discrete_resource_spec": struct(
                        {"kind": text, "value": integer}, always={"kind": "", "value": 0}
                    )
                }
            )
        ),
    }
)  # fmt: skip
_deploy = struct(
    {
        "mode": text, "replicas": maybe_integer, "labels": labels,
        "update_config": _rollout, "rollback_config": _rollout,
        "resources": struct({"limits": _resource, "reservations": _resource}),
        "restart_policy": struct(
            {"condition": text, "delay": duration, "max_attempts": maybe_unsigned, "window": duration}
        ),
        "placement": struct(
            {"constraints": texts, "preferences": each(struct({"spread": text})), "max_replicas_per_node": unsigned}
        ),
        "endpoint_mode": text,
    },
    always={"resources": {}, "placement": {}},
)  # fmt: skip
_watch = struct(
    {"path": text, "action": text, "target": text, "exec": _hook, "ignore": texts},
    always={"exec": {"command": None}},
)
_volume = struct(
    {
        "type": text, "source": text, "target": text, "read_only": flag, "consistency": text,
        "bind": struct({"selinux": text, "propagation": text, "create_host_path": flag, "recursive": text}),
        "volume": struct({"nocopy": flag, "subpath": text}),
        "tmpfs": struct({"size": size, "mode": unsigned}),
    }
)  # fmt: skip
_port = struct(
    {
        "name": text, "mode": text, "host_ip": text, "target": unsigned, "published": text, "protocol": text,
        "app_protocol": text,
    }
)  # fmt: skip
_service_network = struct(
    {
        "priority": integer, "gw_priority": integer, "aliases": texts, "ipv4_address": text, "ipv6_address": text,
        "link_local_ips": texts, "mac_address": text, "driver_opts": labels,
    }
)  # fmt: skip

service: Field = struct(
    {
        "profiles": texts, "annotations": labels, "attach": maybe_flag, "build": _build,
        "develop": struct({"watch": each(_watch)}), "blkio_config": _blkio, "cap_add": texts, "cap_drop": texts,
        "cgroup_parent": text, "cgroup": text, "cpu_count": integer, "cpu_percent": ratio, "cpu_period": integer,
        "cpu_quota": integer, "cpu_rt_period": integer, "cpu_rt_runtime": integer, "cpus": ratio, "cpuset": text,
        "cpu_shares": integer, "command": command, "configs": _file_mounts, "container_name": text,
        "credential_spec": struct({"config": text, "file": text, "registry": text}),
        "depends_on": every(struct({"condition": text, "restart": flag, "required": maybe_flag})),
        "deploy": _deploy, "device_cgroup_rules": texts,
        "devices": each(struct({"source": text, "target": text, "permissions": text})), "dns": one_or_more,
        "dns_opt": texts, "dns_search": one_or_more, "domainname": text, "entrypoint": command,
        "environment": variables, "expose": stringlike, "external_links": texts, "extra_hosts": hosts,
        "group_add": texts, "gpus": _devices, "hostname": text,
        "healthcheck": struct(
            {
                "test": health_test, "timeout": duration, "interval": duration, "retries": maybe_unsigned,
                "start_period": duration, "start_interval": duration, "disable": flag,
            }
        ),
        "image": text, "init": maybe_flag, "ipc": text, "isolation": text, "labels": labels, "links": texts,
        "logging": struct({"driver": text, "options": labels}), "mem_limit": size, "mem_reservation": size,
        "memswap_limit": size, "mem_swappiness": size, "mac_address": text, "network_mode": text,
        "networks": every(_service_network), "oom_kill_disable": flag, "oom_score_adj": integer, "pid": text,
        "pids_limit": integer, "platform": text, "ports": each(_port), "privileged": flag, "pull_policy": text,
        "read_only": flag, "restart": text, "runtime": text, "scale": maybe_integer, "secrets": _file_mounts,
        "security_opt": texts, "shm_size": size, "stdin_open": flag, "stop_grace_period": duration, "stop_signal": text,
        "storage_opt": string_map, "sysctls": labels, "tmpfs": one_or_more, "tty": flag, "ulimits": every(limit),
        "user": text, "userns_mode": text, "uts": text, "volumes": each(_volume), "volumes_from": texts,
        "working_dir": text, "post_start": each(_hook), "pre_stop": each(_hook),
    },
    always={"command": None, "entrypoint": None},
)  # fmt: skip

_file_object = {
    "name": text, "file": text, "environment": text, "external": flag, "labels": labels, "driver": text,
    "driver_opts": string_map, "template_driver": text,
}  # fmt: skip

network: Field = struct(
    {
        "name": text, "driver": text, "driver_opts": labels, "external": flag, "internal": flag, "attachable": flag,
        "labels": labels, "enable_ipv4": maybe_flag, "enable_ipv6": maybe_flag,
        "ipam": struct(
            {
                "driver": text,
                "config": each(struct({"subnet": text, "gateway": text, "ip_range": text, "aux_addresses": labels})),
            }
        ),
    },
    always={"ipam": {}},
)  # fmt: skip
volume: Field = struct({"name": text, "driver": text, "driver_opts": labels, "external": flag, "labels": labels})
secret: Field = struct(_file_object)
config: Field = struct({**_file_object, "content": text})
