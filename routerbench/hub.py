"""Routers and encoders on the Hugging Face hub: files come down into its cache, and go up as one commit.

Options are named as in ``huggingface_hub.ModelHubMixin``. Nothing is derived from it: its class would have to be
imported with this package, and it would write a config of its own beside ``router.json``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from routerbench.errors import InputError

# Everything a transformers model needs except code and pickles; the other formats of a repository stay on the hub.
TRANSFORMER = ("*.safetensors", "*.json", "*.txt", "*.model", "tokenizer*")
UNWANTED = ("consolidated*", "*.py", "*.bin")
_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def is_name(text: str) -> bool:
    """Whether a text can be the name of a repository, ``owner/name``.

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
    """The folder of the hub's cache that holds the wanted files of a repository, downloaded if they are not there yet.

    Args:
        what: what is looked for, as errors call it.
        name: ``owner/name``.
        revision: branch, tag or commit; None for "main".
        wanted: patterns of the files to take.
        unwanted: patterns of those to leave even so.
        token: of a private repository; None takes ``HF_TOKEN`` or what ``hf auth login`` kept.
        option: where the user can give a folder instead, as errors call it.

    Returns:
        The folder; its name is the commit.

    Raises:
        InputError: there is no such repository, or it cannot be reached.
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
    except Exception as error:  # requests, httpx or the hub's own, by version: all mean that the files did not come
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
    """Commit files to a repository, made if there is none.

    Args:
        name: ``owner/name``.
        card: README.md, which the hub checks before anything is made.
        files: path in the repository -> a file here.
        replaced: patterns of files that go if they are not among ``files``.
        commit_message: this and what follows are as ``TrainedRouter.push_to_hub`` takes them.
        private: of a new repository; of one that exists it must be so.
        token: with the right to write.
        branch: to commit to.
        create_pr: propose the commit.

    Returns:
        The address of the commit, or of the pull request.

    Raises:
        InputError: the name is none, the card or access is refused, the repository is public where ``private`` says
            otherwise or the reverse, or the hub cannot be reached.
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
    """Ask the hub whether it takes a model card.

    Raises:
        InputError: it does not, as when the licence is none that it knows.
    """
    from huggingface_hub import ModelCard

    try:
        ModelCard(text).validate()
    except ValueError as error:
        raise InputError(f"the hub refuses the card: {_line(error)}") from error


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Say in one line why a commit failed."""
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
    except Exception as error:  # requests or httpx, by version
        raise InputError(f"{name}: the upload failed; check the network. The cause: {_line(error)}") from error


def _line(error: Exception) -> str:
    """What an error says, as one line."""
    return " ".join(str(error).split())
