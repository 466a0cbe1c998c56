"""The state's own folder: private to the user, and unknown to git."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stagecraft_local import files
from stagecraft_local.places import FOLDER

if TYPE_CHECKING:
    from stagecraft_local.places import Places

#: Hook scripts are the project's own and are committed with it; all else in the folder is this machine's.
GITIGNORE = b"# written by Stagecraft: the state of this machine; hooks/ is the project's\n*\n!/hooks/\n!/hooks/**\n"


def prepare(at: Places) -> None:
    """Make the state's folder, mode 0700, with a ``.gitignore``; leave a folder that is not Stagecraft's own as it is.

    ``STAGECRAFT_STATE_FILE`` may point into any folder, where neither our mode nor our ``.gitignore`` has any business.
    """
    fresh = not at.folder.is_dir()
    files.make_folder(at.folder, link=True)
    if not fresh and at.folder.name != FOLDER:
        return
    status = at.folder.stat()
    if status.st_mode & 0o077 and status.st_uid == os.geteuid():
        at.folder.chmod(0o700)
    ignore = at.folder / ".gitignore"
    if not ignore.exists():
        with files.exclusive(at.guard):
            if not ignore.exists():
                files.replace({ignore: GITIGNORE})
