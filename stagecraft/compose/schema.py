"""What a compose file may say, key by key: the Compose Specification as Docker Compose 2.26 checks it."""

from __future__ import annotations

from stagecraft.compose.checks import Check, choice, items, named, one_of, scalar, table, within

_text = scalar("string")
_flag = scalar("boolean", "string")
_number = scalar("number", "string")
_integer = scalar("integer", "string")
_texts = items(_text)
_names = items(_text, unique=True)
_text_or_texts = choice(string=None, list=_names)
_pairs = choice(
    mapping=named(scalar("string", "number", "boolean", "null"), any_name=True),
    list=_names,
)
_options = named(scalar("string", "number"), any_name=True)
_command = choice(null=None, string=None, list=_texts)
_hosts = choice(mapping=named(choice(string=None, list=_texts), any_name=True), list=_names)
_hook = table({"command": _command, "user": _text, "privileged": _flag, "working_dir": _text, "environment": _pairs})

_file_mounts = items(
    choice(
        string=None,
        mapping=table({"source": _text, "target": _text, "uid": _text, "gid": _text, "mode": _number}),
    )
)
_limit = choice(
    string=None,
    number=scalar("integer"),
    mapping=table({"hard": _integer, "soft": _integer}, required=("soft", "hard")),
)
_ulimits = named(_limit)

_build = choice(
    string=None,
    mapping=table(
        {
            "context": _text, "dockerfile": _text, "dockerfile_inline": _text, "entitlements": _texts, "args": _pairs,
            "ssh": _pairs, "labels": _pairs, "cache_from": _texts, "cache_to": _texts, "no_cache": _flag,
            "additional_contexts": _pairs, "network": _text, "pull": _flag, "target": _text, "shm_size": _integer,
            "extra_hosts": _hosts, "isolation": _text, "privileged": _flag, "secrets": _file_mounts, "tags": _texts,
            "ulimits": _ulimits, "platforms": _texts,
        }
    ),
)  # fmt: skip

_throttles = items(table({"path": _text, "rate": _integer}, extra=False))
_blkio = table(
    {
        "device_read_bps": _throttles, "device_read_iops": _throttles, "device_write_bps": _throttles,
        "device_write_iops": _throttles, "weight": _integer,
        "weight_device": items(table({"path": _text, "weight": _integer}, extra=False)),
    },
    extra=False,
)  # fmt: skip

_depends_on = choice(
    list=_names,
    mapping=named(
        table(
            {
                "restart": _flag,
                "required": scalar("boolean"),
                "condition": one_of("service_started", "service_healthy", "service_completed_successfully"),
            },
            required=("condition",),
        )
    ),
)

_device_keys = {
    "capabilities": _names, "count": _integer, "device_ids": _names, "driver": _text, "options": _pairs,
}  # fmt: skip
_gpus = choice(string=one_of("all"), list=items(table(_device_keys)))

_rollout = table(
    {
        "parallelism": _integer, "delay": _text, "failure_action": _text, "monitor": _text,
        "max_failure_ratio": _number, "order": one_of("start-first", "stop-first"),
    }
)  # fmt: skip
_generic = items(table({"discrete_resource_spec": table({"kind": _text, "value": _number})}))
_deploy = table(
    {
        "mode": _text, "endpoint_mode": _text, "replicas": _integer, "labels": _pairs,
        "update_config": _rollout, "rollback_config": _rollout,
        "resources": table(
            {
                "limits": table({"cpus": _number, "memory": _text, "pids": _integer}),
                "reservations": table(
                    {
                        "cpus": _number, "memory": _text, "generic_resources": _generic,
                        "devices": items(table(_device_keys, required=("capabilities",))),
                    }
                ),
            }
        ),
        "restart_policy": table({"condition": _text, "delay": _text, "max_attempts": _integer, "window": _text}),
        "placement": table(
            {
                "constraints": _texts, "preferences": items(table({"spread": _text})),
                "max_replicas_per_node": _integer,
            }
        ),
    },
    null=True,
)  # fmt: skip

_healthcheck = table(
    {
        "disable": _flag, "interval": _text, "retries": _number, "test": choice(string=None, list=_texts),
        "timeout": _text, "start_period": _text, "start_interval": _text,
    }
)  # fmt: skip

_watch = table(
    {
        "ignore": _texts, "path": _text, "target": _text, "exec": _hook,
        "action": one_of("rebuild", "sync", "restart", "sync+restart", "sync+exec"),
    },
    required=("path", "action"),
)  # fmt: skip

_service_network = table(
    {
        "aliases": _names, "ipv4_address": _text, "ipv6_address": _text, "link_local_ips": _names, "mac_address": _text,
        "driver_opts": _options, "priority": scalar("number"), "gw_priority": scalar("number"),
    },
    null=True,
)  # fmt: skip

_port = table(
    {
        "name": _text, "mode": _text, "host_ip": _text, "target": _integer, "published": _integer, "protocol": _text,
        "app_protocol": _text,
    },
    required=("target",),
)  # fmt: skip

_bind = table(
    {
        "propagation": _text, "create_host_path": _flag,
        "recursive": one_of("enabled", "disabled", "writable", "readonly"), "selinux": one_of("z", "Z"),
    }
)  # fmt: skip
_volume_mount = table(
    {
        "type": _text, "source": _text, "target": _text, "read_only": _flag, "consistency": _text, "bind": _bind,
        "volume": table({"nocopy": _flag, "subpath": _text}),
        "tmpfs": table({"size": choice(string=None, number=within(0, 2**63 - 1)), "mode": _number}),
    },
    required=("type", "target"),
)  # fmt: skip

_service = table(
    {
        "develop": table({"watch": items(_watch)}, null=True), "deploy": _deploy, "annotations": _pairs,
        "attach": _flag, "build": _build, "blkio_config": _blkio, "cap_add": _names, "cap_drop": _names,
        "cgroup": one_of("host", "private"), "cgroup_parent": _text, "command": _command, "configs": _file_mounts,
        "container_name": _text, "cpu_count": choice(string=None, number=within(0, 2**63 - 1)),
        "cpu_percent": choice(string=None, number=within(0, 100)), "cpu_shares": _number, "cpu_quota": _number,
        "cpu_period": _number, "cpu_rt_period": _number, "cpu_rt_runtime": _number, "cpus": _number, "cpuset": _text,
        "credential_spec": table({"config": _text, "file": _text, "registry": _text}), "depends_on": _depends_on,
        "device_cgroup_rules": _names,
        "devices": items(
            choice(
                string=None,
                mapping=table({"source": _text, "target": _text, "permissions": _text}, required=("source", "target")),
            )
        ),
        "dns": _text_or_texts, "dns_opt": _names, "dns_search": _text_or_texts, "domainname": _text,
        "entrypoint": _command,
        "env_file": choice(
            string=None,
            list=items(
                choice(
                    string=None,
                    mapping=table({"path": _text, "format": _text, "required": _flag}, required=("path",), extra=False),
                )
            ),
        ),
        "label_file": choice(string=None, list=_texts), "environment": _pairs,
        "expose": items(scalar("string", "number"), unique=True),
        "extends": choice(
            string=None, mapping=table({"service": _text, "file": _text}, required=("service",), extra=False)
        ),
        "external_links": _names, "extra_hosts": _hosts, "gpus": _gpus,
        "group_add": items(scalar("string", "number"), unique=True), "healthcheck": _healthcheck, "hostname": _text,
        "image": _text, "init": _flag, "ipc": _text, "isolation": _text, "labels": _pairs, "links": _names,
        "logging": table(
            {"driver": _text, "options": named(scalar("string", "number", "null"), any_name=True)}
        ),
        "mac_address": _text, "mem_limit": _number, "mem_reservation": _integer, "mem_swappiness": _integer,
        "memswap_limit": _number, "network_mode": _text,
        "networks": choice(list=_names, mapping=named(_service_network)), "oom_kill_disable": _flag,
        "oom_score_adj": choice(string=None, number=within(-1000, 1000)), "pid": scalar("string", "null"),
        "pids_limit": _number, "platform": _text,
        "ports": items(choice(number=None, string=None, mapping=_port), unique=True), "post_start": items(_hook),
        "pre_stop": items(_hook), "privileged": _flag, "profiles": _names,
        "pull_policy": one_of("always", "never", "if_not_present", "build", "missing"), "read_only": _flag,
        "restart": _text, "runtime": _text, "scale": _integer, "security_opt": _names, "shm_size": _number,
        "secrets": _file_mounts, "sysctls": _pairs, "stdin_open": _flag, "stop_grace_period": _text,
        "stop_signal": _text, "storage_opt": choice(mapping=None), "tmpfs": _text_or_texts, "tty": _flag,
        "ulimits": _ulimits, "user": _text, "uts": _text, "userns_mode": _text,
        "volumes": items(choice(string=None, mapping=_volume_mount), unique=True), "volumes_from": _names,
        "working_dir": _text,
    }
)  # fmt: skip

_external = choice(boolean=None, string=None, mapping=table({"name": _text}))
_pool = table(
    {
        "subnet": _text, "ip_range": _text, "gateway": _text,
        "aux_addresses": named(_text, any_name=True),
    }
)  # fmt: skip
_network = table(
    {
        "name": _text, "driver": _text, "driver_opts": _options,
        "ipam": table({"driver": _text, "config": items(_pool), "options": named(_text, any_name=True)}),
        "external": _external, "internal": _flag, "enable_ipv4": _flag, "enable_ipv6": _flag, "attachable": _flag,
        "labels": _pairs,
    },
    null=True,
)  # fmt: skip
_volume = table(
    {"name": _text, "driver": _text, "driver_opts": _options, "external": _external, "labels": _pairs}, null=True
)
_loose_external = choice(boolean=None, string=None, mapping=None)
_secret = table(
    {
        "name": _text, "environment": _text, "file": _text, "external": _loose_external, "labels": _pairs,
        "driver": _text, "driver_opts": _options, "template_driver": _text,
    }
)  # fmt: skip
_config = table(
    {
        "name": _text, "content": _text, "environment": _text, "file": _text, "external": _loose_external,
        "labels": _pairs, "template_driver": _text,
    }
)  # fmt: skip

include_entries: Check = items(
    choice(
        string=None,
        mapping=table({"path": _text_or_texts, "env_file": _text_or_texts, "project_directory": _text}, extra=False),
    )
)

compose_file: Check = table(
    {
        "version": _text,
        "name": _text,
        "include": include_entries,
        "services": named(_service),
        "networks": named(_network, skip_odd=True),
        "volumes": named(_volume),
        "secrets": named(_secret),
        "configs": named(_config),
    }
)
