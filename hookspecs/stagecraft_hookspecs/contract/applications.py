"""What a backend and a frontend have in common: the suite behind ``BackendContract`` and ``FrontendContract``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import pytest

from stagecraft_hookspecs.contract import samples
from stagecraft_hookspecs.contract.base import ProviderContract
from stagecraft_hookspecs.contract.calls import Call
from stagecraft_hookspecs.contract.doubles import MemoryFolder
from stagecraft_hookspecs.contract.plain import build
from stagecraft_hookspecs.errors import StagecraftError
from stagecraft_hookspecs.values import Build, Detected, Process, Project


class ApplicationContract(ProviderContract):
    """Prove what is developed with a command and built as an image. All of its methods are pure."""

    def folder(self) -> MemoryFolder:
        """Return the project's files."""
        return MemoryFolder(samples.FILES)

    def project(self) -> Project:
        """Return the project; its services are those of a compose file with `api`, `postgres` and `web`."""
        return samples.project(self.folder())

    def recognised(self) -> Iterable[MemoryFolder]:
        """Return folders that `detect` must recognise; override it, so that the suite can look at what it says."""
        return ()

    def pure(self) -> tuple[Call, ...]:
        """Return calls of all four methods."""
        project = self.project()
        folders = (project.folder, MemoryFolder(), *self.recognised())
        detections = tuple(Call("detect", (folder,)) for folder in folders)
        return (*detections, Call("service", (project,)), Call("dev", (project,)), Call("build", (project,)))

    def test_recognises_nothing_in_an_empty_folder(self, provider: Any) -> None:
        """`stagecraft init` must not guess without a sign."""
        assert type(provider).detect(MemoryFolder()) is None

    def test_detect_survives_any_content(self, provider: Any) -> None:
        """`stagecraft init` looks at strangers' folders: empty, binary and half-written files are no reason to fail."""
        names = sorted({*self.folder().files, *(f for folder in self.recognised() for f in folder.files)})
        for content in (b"", b"\xff\xfe\x00\x01{[", b"[]", b"null", b'"text"', b"{"):
            found = type(provider).detect(MemoryFolder(dict.fromkeys(names, content)))
            assert found is None or isinstance(found, Detected)

    def test_what_it_detects_is_a_configuration(self, provider: Any) -> None:
        """The block that `stagecraft init` writes must load, and say what it was that was seen."""
        folders = tuple(self.recognised())
        if not folders:
            pytest.skip("override `recognised` with folders that `detect` recognises")
        for folder in folders:
            found = type(provider).detect(folder)
            assert isinstance(found, Detected), f"not recognised: {', '.join(sorted(folder.files))}"
            assert found.reason
            assert 0 < found.weight <= 100
            type(provider)(build(dict(found.config), type(provider).Config))

    def test_service_is_one_of_the_compose_files(self, provider: Any) -> None:
        """The service is one that there is, or nothing."""
        project = self.project()
        assert provider.service(project) in {"", *project.services}

    def test_works_without_services(self, provider: Any) -> None:
        """A compose file without services is no reason for anything but an error for the user."""
        project = samples.project(self.folder(), {})
        for method in (provider.service, provider.dev, provider.build):
            try:
                method(project)
            except StagecraftError as error:
                assert error.message

    def test_dev_returns_processes(self, provider: Any) -> None:
        """The supervisor can run them: names are unique, commands are words, folders lie in the project."""
        processes = provider.dev(self.project())
        assert isinstance(processes, tuple)
        names = [process.name for process in processes]
        assert len(names) == len(set(names))
        for process in processes:
            assert isinstance(process, Process)
            assert process.name
            assert process.command.argv
            assert all(isinstance(word, str) for word in process.command.argv)
            assert _inside(process.command.cwd), f"{process.command.cwd} leaves the project"
            assert process.ready.timeout > 0
            assert set(process.depends_on) <= set(names)

    def test_build_is_of_its_service(self, provider: Any) -> None:
        """What is built belongs to the provider's service and lies in the project."""
        project = self.project()
        built = provider.build(project)
        assert built is None or isinstance(built, Build)
        if built is not None:
            assert built.service == provider.service(project)
            assert _inside(built.context), f"{built.context} leaves the project"


def _inside(path: str) -> bool:
    depth = 0
    for part in PurePosixPath(path).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return not path.startswith("/")
