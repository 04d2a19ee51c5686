"""Download and upload routers and encoders with the Hugging Face hub.

Options have the names that ``huggingface_hub.ModelHubMixin`` uses. That class is not a base class, because it would
have to be imported with this package, and it would write its own config beside ``router.json``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from routerbench.errors import InputError

# The files of a transformers model except code and pickles; other formats are not downloaded.
TRANSFORMER = ("*.safetensors", "*.json", "*.txt", "*.model", "tokenizer*")
UNWANTED = ("consolidated*", "*.py", "*.bin")
_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def is_name(text: str) -> bool:
    """Whether a text can be a repository name, ``owner/name``.

    Example:
        >>> is_name("owner/name"), is_name("outputs/mlp/router"), is_name("/router"), is_name("../router")
        (True, False, False, False)
    """
    return bool(_NAME.fullmatch(text)) and not text.startswith(".")


def snapshot(
    what: str,
    name: str,
    revision: str | None,
    wanted: Sequence[str],
    unwanted: Sequence[str] = (),
    *,
    token: str | bool | None = None,
    option: str,
) -> Path:
    """Return the cache folder with the wanted files of a repository, downloading missing ones.

    Args:
        what: description of the download, for error messages.
        name: ``owner/name``.
        revision: branch, tag or commit; None for "main".
        wanted: patterns of the files to download.
        unwanted: patterns of files to exclude from these.
        token: token for a private repository; None uses ``HF_TOKEN`` or the login of ``hf auth login``.
        option: how the user can give a local folder instead, for error messages.

    Returns:
        The folder, named after the commit.

    Raises:
        InputError: the repository does not exist or cannot be reached.
    """
    from huggingface_hub import errors as hub
    from huggingface_hub import snapshot_download

    what = f"{what} {name} (revision {revision or 'main'})"
    try:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=list(wanted), ignore_patterns=list(unwanted), token=token
            )
        )
    except hub.GatedRepoError as error:
        raise InputError(f"{what}: its owner grants access one by one; ask on its page, then set HF_TOKEN") from error
    except (hub.RepositoryNotFoundError, hub.RevisionNotFoundError, hub.HFValidationError) as error:
        raise InputError(
            f"{what}: neither a folder here nor a model on the hub (a private one needs HF_TOKEN)"
        ) from error
    except Exception as error:  # of requests, httpx or the hub, depending on the version
        raise InputError(
            f"{what}: no folder here, the download failed and no complete copy is in the cache; check the network, "
            f"or download it elsewhere (hf download {name}) and give the folder {option}. The cause: {_line(error)}"
        ) from error


def upload(
    name: str,
    card: str,
    files: Mapping[str, Path],
    replaced: Sequence[str],
    *,
    commit_message: str,
    private: bool | None = None,
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool = False,
) -> str:
    """Commit files to a repository, which is created if missing.

    Args:
        name: ``owner/name``.
        card: text of README.md; the hub validates it before anything is created.
        files: maps paths in the repository to local files.
        replaced: patterns of existing files to delete if they are not among ``files``.
        commit_message: this and the following as in ``TrainedRouter.push_to_hub``.
        private: visibility of a new repository; an existing one must match it.
        token: token with write access.
        branch: branch to commit to.
        create_pr: open a pull request with the commit.

    Returns:
        URL of the commit or the pull request.

    Raises:
        InputError: the name is invalid, the card or access is refused, the visibility of the repository differs from
            ``private``, or the hub cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi(token=token)
    with _explained(name):
        _check_card(card)
        name = api.create_repo(name, private=private, exist_ok=True).repo_id
        if private is not None and (is_private := bool(api.model_info(name).private)) != private:
            kind, other = ("private", "public") if is_private else ("public", "private")
            raise InputError(
                f"{name} exists and is {kind}; private={private} holds for new repositories only: make it {other} in "
                f"its settings on the hub, or say private={is_private}"
            )
        there = api.list_repo_files(name, revision=None if create_pr else branch)
        stale = [file for file in there if file not in files and any(fnmatch(file, pattern) for pattern in replaced)]
        commit = api.create_commit(
            name,
            [
                CommitOperationAdd("README.md", card.encode()),
                *(CommitOperationAdd(path, file) for path, file in files.items()),
                *(CommitOperationDelete(path) for path in stale),
            ],
            commit_message=commit_message,
            revision=branch,
            create_pr=create_pr,
        )
    return str(commit.pr_url or commit.commit_url)


def _check_card(text: str) -> None:
    """Let the hub validate a model card.

    Raises:
        InputError: the card is invalid, for example because of an unknown licence.
    """
    from huggingface_hub import ModelCard

    try:
        ModelCard(text).validate()
    except ValueError as error:
        raise InputError(f"the hub refuses the card: {_line(error)}") from error


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Convert errors of a commit to an InputError."""
    from huggingface_hub import errors as hub

    try:
        yield
    except InputError:
        raise
    except hub.HFValidationError as error:
        raise InputError(f"{name!r} is no name of a repository; write owner/name") from error
    except hub.RevisionNotFoundError as error:
        raise InputError(f"{name}: has no such branch; make it on the hub first") from error
    except hub.HfHubHTTPError as error:
        if error.response is not None and error.response.status_code in (401, 403, 404):
            raise InputError(
                f"{name}: the hub refuses; HF_TOKEN, or token=, must be one that may write there. "
                f"It says: {_line(error)}"
            ) from error
        raise InputError(f"{name}: the hub did not take the commit: {_line(error)}") from error
    except Exception as error:  # of requests or httpx, depending on the version
        raise InputError(f"{name}: the upload failed; check the network. The cause: {_line(error)}") from error


def _line(error: Exception) -> str:
    """Return the message of an error as one line."""
    return " ".join(str(error).split())
