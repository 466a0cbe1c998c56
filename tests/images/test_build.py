from __future__ import annotations

from pathlib import Path

import pytest
from stagecraft_hookspecs.errors import ProviderError, ToolMissing, UserError
from stagecraft_hookspecs.values import Build, Image

from stagecraft.images import build_image, pin_image, push_image
from stagecraft.images.build import locate
from stagecraft.images.classic import build_classic

from .conftest import Context, Registry

docker = pytest.mark.needs("docker")


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        (root / name).write_text(text)


def run(ctx: Context, image: Image, *argv: str) -> str:
    client = ctx.machine().docker()
    return bytes(client.containers.run(image.digest, list(argv), remove=True, network_mode="none")).decode()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (Build("api", context="../other"), "lies outside the project"),
        (Build("api", context="missing"), "is not a folder"),
        (Build("api", dockerfile="../Dockerfile"), "lies outside the project"),
        (Build("api", dockerfile="Nope"), "api has no Dockerfile at Nope"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_runs(tmp_path: Path, build: Build, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        locate(build, tmp_path)
    assert caught.value.hint


def test_a_context_that_a_link_puts_outside_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "api").symlink_to(tmp_path)

    with pytest.raises(UserError, match="lies outside the project"):
        locate(Build("api", context="api"), tmp_path / "project")


def test_a_remote_context_is_left_as_it_is(tmp_path: Path) -> None:
    assert locate(Build("api", context="https://example.com/a.git#main"), tmp_path) == (
        "https://example.com/a.git#main",
        "",
    )


def test_a_secret_as_build_argument_is_refused(ctx: Context) -> None:
    write(ctx.root, Dockerfile="FROM busybox\n")

    with pytest.raises(UserError, match="would stay in the image's history"):
        build_image(ctx, Build("api", args={"TOKEN": "<secret:TOKEN>"}), "x/api", root=ctx.root)


@docker
def test_the_same_files_give_the_same_digest_and_a_change_gives_another(ctx: Context, tag: str) -> None:
    write(ctx.root, Dockerfile="FROM busybox\nCOPY page /page\n", page="one")
    build = Build("api")
    first = build_image(ctx, build, tag, root=ctx.root)
    again = build_image(ctx, build, tag, root=ctx.root)
    (ctx.root / "page").write_text("two")
    other = build_image(ctx, build, tag, root=ctx.root)

    assert first == again != other
    assert run(ctx, first, "cat", "/page") == "one"
    assert run(ctx, other, "cat", "/page") == "two"


@docker
def test_dockerignore_target_arguments_and_labels_are_honoured(ctx: Context, tag: str) -> None:
    text = "FROM busybox AS a\nARG V\nCOPY . /src\nRUN echo $V >/v\nFROM a AS b\nRUN false\n"
    write(ctx.root, Dockerfile=text, secret="x", page="y")
    (ctx.root / ".dockerignore").write_text("secret\n")
    build = Build("api", target="a", args={"V": "seven"}, labels={"who": "me"})
    image = build_image(ctx, build, tag, root=ctx.root)

    assert run(ctx, image, "sh", "-c", "cat /v; ls /src") == "seven\nDockerfile\npage\n"
    assert ctx.machine().docker().api.inspect_image(tag)["Config"]["Labels"]["who"] == "me"


@docker
def test_an_inline_dockerfile_reads_a_secret_that_stays_out_of_the_image(ctx: Context, tag: str) -> None:
    ctx.secrets["TOKEN"] = "hush-hush-hush"
    text = "FROM busybox\nRUN --mount=type=secret,id=t wc -c < /run/secrets/t > /length\n"
    image = build_image(ctx, Build("api", dockerfile_inline=text, secrets={"t": "TOKEN"}), tag, root=ctx.root)

    assert run(ctx, image, "cat", "/length").strip() == "14"
    history = ctx.machine().docker().api.history(image.digest)
    assert "hush" not in str(history)


@docker
def test_a_failing_build_names_step_line_and_output(ctx: Context, tag: str) -> None:
    write(ctx.root, Dockerfile="FROM busybox\n\nRUN echo before && exit 3\n")
    lines: list[str] = []

    with pytest.raises(ProviderError) as caught:
        build_image(ctx, Build("api"), tag, root=ctx.root, on_line=lines.append)
    assert str(caught.value.where) == "Dockerfile:3:1"
    assert "`RUN echo before && exit 3`" in caught.value.message
    assert caught.value.detail == "before"
    assert any("exit code: 3" in line for line in lines)


@docker
def test_the_classic_builder_builds_the_same_page(ctx: Context, tag: str) -> None:
    write(ctx.root, Dockerfile="FROM busybox\nCOPY page /page\n", page="one")
    image = build_classic(ctx, Build("api"), tag, str(ctx.root), str(ctx.root / "Dockerfile"))

    assert run(ctx, image, "cat", "/page") == "one"
    with pytest.raises(ToolMissing, match="only BuildKit can"):
        build_classic(ctx, Build("api", secrets={"a": "A"}), tag, str(ctx.root), "")


@docker
def test_an_image_that_is_here_is_pinned_without_asking_a_registry(ctx: Context) -> None:
    pinned = pin_image(ctx, Image("busybox"))

    assert pinned.name == "busybox"
    assert pinned.digest.startswith("sha256:")
    assert pin_image(ctx, pinned) == pinned
    assert ctx.said == []


@docker
def test_an_image_that_is_nowhere_gives_one_clear_error(ctx: Context) -> None:
    with pytest.raises(ProviderError, match=r"cannot pull 127\.0\.0\.1:1/nope") as caught:
        pin_image(ctx, Image("127.0.0.1:1/nope"))
    assert caught.value.hint == "nothing answers at 127.0.0.1:1: is it running?"


@docker
def test_what_is_pushed_can_be_pulled_by_its_digest(ctx: Context, tag: str, registry: type[Registry]) -> None:
    write(ctx.root, Dockerfile="FROM busybox\nCOPY page /page\n", page="one")
    name = f"{registry.address}/{tag}"  # type: ignore[attr-defined]
    built = build_image(ctx, Build("api"), name, root=ctx.root)
    pushed = push_image(ctx, built)

    assert pushed.name == name
    assert f"/v2/{tag}/manifests/{pushed.digest}" in registry.store
    assert f"/v2/{tag}/manifests/{built.digest[7:19]}" in registry.store
    api = ctx.machine().docker().api
    api.remove_image(built.digest, force=True)
    api.pull(name, tag=pushed.digest)
    assert api.inspect_image(f"{name}@{pushed.digest}")["Id"] == built.digest
    assert pin_image(ctx, Image(name, pushed.digest)) == pushed


@docker
def test_a_registry_that_wants_a_login_is_named(ctx: Context, tag: str, registry: type[Registry]) -> None:
    registry.password = "Basic never"
    write(ctx.root, Dockerfile="FROM busybox\n")
    address = registry.address  # type: ignore[attr-defined]
    built = build_image(ctx, Build("api"), f"{address}/{tag}", root=ctx.root)

    with pytest.raises(ProviderError, match="no basic auth credentials") as caught:
        push_image(ctx, built)
    assert caught.value.hint == f"log in to the registry: docker login {address}"
