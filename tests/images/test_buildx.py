from __future__ import annotations

from stagecraft_hookspecs.values import Build, Secret

from stagecraft.images.buildx import buildx_command


def argv(build: Build, *, no_cache: bool = False, **secrets: str) -> tuple[str, ...]:
    held = {name: Secret(name, value) for name, value in secrets.items()}
    return buildx_command(
        build, "shop/api", "/p/api", "/p/api/Dockerfile", "/t/id", no_cache=no_cache, secrets=held
    ).argv


def test_a_plain_build() -> None:
    assert argv(Build("api")) == (
        *("docker", "buildx", "build", "--load", "--progress", "plain", "--iidfile", "/t/id", "--tag", "shop/api"),
        *("--file", "/p/api/Dockerfile", "--", "/p/api"),
    )


def test_every_field_becomes_a_flag() -> None:
    build = Build(
        "api",
        target="prod",
        args={"B": "2", "A": "x y"},
        labels={"org": "me"},
        platforms=("linux/amd64", "linux/arm64"),
        cache_from=("shop/api:cache",),
        options={
            "network": "host",
            "pull": True,
            "extra_hosts": {"db": ["10.0.0.1", "10.0.0.2"]},
            "additional_contexts": {"lib": "/p/lib"},
            "ssh": {"default": ""},
            "ulimits": {"nofile": {"soft": 1, "hard": 2}, "nproc": 3},
            "shm_size": "1000",
            "tags": ["shop/api:extra"],
        },
    )

    assert argv(build, no_cache=True)[12:-2] == (
        *("--target", "prod", "--build-arg", "A=x y", "--build-arg", "B=2", "--label", "org=me"),
        *("--platform", "linux/amd64,linux/arm64", "--cache-from", "shop/api:cache", "--no-cache", "--pull"),
        *("--network", "host", "--shm-size", "1000", "--add-host", "db:10.0.0.1", "--add-host", "db:10.0.0.2"),
        *("--build-context", "lib=/p/lib", "--ssh", "default", "--tag", "shop/api:extra"),
        *("--ulimit", "nofile=1:2", "--ulimit", "nproc=3"),
    )


def test_an_inline_dockerfile_goes_by_standard_input() -> None:
    build = Build("api", dockerfile_inline="FROM scratch\n")
    command = buildx_command(build, "shop/api", "/p", "", "/t/id", no_cache=False, secrets={})

    assert command.argv[-4:] == ("--file", "-", "--", "/p")
    assert command.stdin == b"FROM scratch\n"


def test_a_secret_travels_in_the_environment_and_never_in_the_arguments() -> None:
    command = buildx_command(
        Build("api"), "t", "/p", "/p/Dockerfile", "/t/id", no_cache=False, secrets={"npm": Secret("NPM", "hush")}
    )

    assert "id=npm,env=STAGECRAFT_BUILD_SECRET_0" in command.argv
    assert "hush" not in repr(command)
    assert isinstance(command.env["STAGECRAFT_BUILD_SECRET_0"], Secret)


def test_an_argument_that_looks_like_a_flag_stays_a_value() -> None:
    assert argv(Build("api", args={"--help": "--version"}))[12:14] == ("--build-arg", "--help=--version")
