"""A router with its encoder, as a service uses it: prompts in, decisions out."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.artefact.card import digest, recipe
from routerbench.artefact.decisions import Decision, check_names, decide
from routerbench.artefact.specs import spec_of
from routerbench.artefact.writing import write
from routerbench.data.split import prompt_keys
from routerbench.encoders.base import Encoder
from routerbench.errors import InputError
from routerbench.evaluation.operating import OperatingPoints
from routerbench.routers.base import Prediction, Router
from routerbench.routers.families.onboarding import Onboarding


@dataclass(frozen=True)
class TrainedRouter:
    """A router with its encoder: prompts in, decisions out.

    Attributes:
        router: predicts from embeddings.
        encoder: makes them from prompts.
        models: the M names that the columns of a prediction stand for.
        card: what ``router.json`` says.
        fingerprint: what the encoder must answer to, or None for an encoder given at load.
        seen: keys of the prompts it learned from, which no evaluation may score.
        operating: what it came to on validation, or None where that is not known.
        folder: where it was loaded from; None if it was changed since.
    """

    router: Router
    encoder: Encoder
    models: tuple[str, ...]
    card: Mapping[str, Any]
    fingerprint: str | None
    seen: NDArray[np.uint64]
    operating: OperatingPoints | None = None
    folder: Path | None = None

    @property
    def digest(self) -> str:
        """Hexadecimal fingerprint of all that decides: weights, router, models, encoder, calibration and guard."""
        return digest(self.card)

    @property
    def recipe(self) -> dict[str, Any]:
        """What the router is but for its seed: routers of one recipe are one router, trained several times."""
        return recipe(self.card)

    def predict(self, prompts: Sequence[str] | NDArray[np.floating]) -> Prediction:
        """Predict quality and cost of every model.

        Args:
            prompts: N texts, or their ``(N, D)`` embeddings by the router's encoder.

        Returns:
            ``(N, M)`` predictions, columns in the order of ``models``.

        Raises:
            InputError: the embeddings have another size than those of training, or the router was trained on
                precomputed embeddings and got texts.
        """
        return self.router.predict(self.embed(prompts))

    def embed(self, prompts: Sequence[str] | NDArray[np.floating]) -> NDArray[np.float32]:
        """``(N, D)`` embeddings of texts, or as they were given."""
        if isinstance(prompts, str):
            raise InputError("prompts must be a list of texts, got one text; write [prompt]")
        if isinstance(prompts, np.ndarray) and prompts.dtype.kind == "f":
            embeddings = np.asarray(prompts, np.float32)
        else:
            for i, prompt in enumerate(prompts):
                if not isinstance(prompt, str) or not prompt.strip():
                    raise InputError(f"prompt {i} is empty or no text: {prompt!r}")
            self.check_encoder()
            embeddings = self.encoder.encode(list(prompts))
        if embeddings.ndim != 2 or embeddings.shape[1] != self.router.embedding_dim:
            expected = f"(N, {self.router.embedding_dim})"
            raise InputError(f"the router takes embeddings of shape {expected}, got {embeddings.shape}")
        return embeddings

    def add_model(
        self,
        name: str,
        prompts: Sequence[str] | NDArray[np.floating],
        quality: Sequence[float] | NDArray[np.float64],
        cost: Sequence[float] | NDArray[np.float64],
    ) -> TrainedRouter:
        """A router that knows one more model, from a few scored prompts and without training; this one stays as it is.

        Args:
            name: of the model.
            prompts: k texts, or their ``(k, D)`` embeddings.
            quality: ``(k,)`` measured quality in [0, 1].
            cost: ``(k,)`` measured cost in USD per prompt; all NaN for a router that was trained without costs.

        Raises:
            InputError: this kind of router has to be trained anew, the name is known, or an outcome is wrong.
        """
        if not isinstance(self.router, Onboarding):
            raise InputError(
                f"router={self.card['name']} cannot take in a model, or its calibration or guard cannot; train it "
                "again with the model in the table, or train router=knn, uniroute, avengers or model_sat without them"
            )
        if name in self.models:
            raise InputError(f"the router has a model {name!r} already; it routes {', '.join(self.models)}")
        embeddings, quality, cost = self.embed(prompts), np.asarray(quality, float), np.asarray(cost, float)
        grown = copy.deepcopy(self.router)
        try:
            grown.add_model(embeddings, quality, cost)
        except ValueError as error:
            raise InputError(f"model {name!r}: {error}") from error
        mean_cost = None if np.isnan(cost).any() else float(cost.mean())
        card = {
            **self.card,
            "router": spec_of(grown),
            "models": [*self.models, name],
            "mean_cost_usd_per_prompt": {**self.card["mean_cost_usd_per_prompt"], name: mean_cost},
        }
        is_text = not isinstance(prompts, np.ndarray)
        seen = np.concatenate([self.seen, prompt_keys(np.array(prompts, object))]) if is_text else self.seen
        return replace(
            self, router=grown, models=(*self.models, name), card=card, seen=seen, operating=None, folder=None
        )

    def save(self, folder: Path | str) -> None:
        """Write the artefact, as after ``add_model``."""
        write(Path(folder), self.router, self.card, self.encoder, self.seen, self.operating)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        evaluation: Path | str | None = None,
        license: str | None = None,
        commit_message: str = "A router",
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool = False,
    ) -> str:
        """Put the artefact on the Hugging Face hub, with a model card; ``routerbench.load(repo_id)`` brings it back.

        Args:
            repo_id: ``owner/name``; made if there is none.
            evaluation: folder that ``evaluate.py`` wrote, of which the card takes verdict and picture.
            license: of the router and the data it learned from, as the hub writes it: "apache-2.0", "cc-by-4.0", ...
            commit_message: one line.
            private: whether a new repository is, and an old one must be; None leaves it to the owner's default.
            token: with the right to write; None takes ``HF_TOKEN`` or what ``hf auth login`` kept.
            branch: to commit to; None for "main".
            create_pr: propose the commit instead of making it.

        Returns:
            The address of the commit, or of the pull request.

        Raises:
            InputError: the evaluation is none of this router, the folder changed since it was loaded, the card
                or access is refused, the repository is not as private as wanted, or the hub cannot be reached.
        """
        from routerbench.artefact.publish import check_unchanged, publish

        options = {"commit_message": commit_message, "private": private, "token": token}
        options |= {"branch": branch, "create_pr": create_pr}
        if self.folder is not None:
            check_unchanged(self.folder, self.card)
            return publish(self.folder, repo_id, evaluation, license, **options)
        with tempfile.TemporaryDirectory() as scratch:
            self.save(Path(scratch))
            return publish(Path(scratch), repo_id, evaluation, license, **options)

    def check_encoder(self) -> None:
        """Refuse an encoder whose weights or files changed since training; its vectors would mean something else.

        Raises:
            InputError: the fingerprints differ.
        """
        if self.fingerprint not in (None, self.encoder.fingerprint):
            raise InputError(
                f"the encoder is another than in training: {self.encoder.identity} is not "
                f"{self.card['encoder']['identity']}; train again, or give the right one to load(..., encoder=...)"
            )

    def route(
        self,
        prompts: Sequence[str] | NDArray[np.floating],
        willingness_to_pay: float | None = None,
        *,
        budget_usd_per_1k: float | None = None,
        keep: float | None = None,
        models: Sequence[str] | None = None,
        price_factors: Mapping[str, float] | None = None,
    ) -> list[Decision]:
        """Send every prompt to the model with the best ``willingness_to_pay * quality - cost``.

        One of ``willingness_to_pay``, ``budget_usd_per_1k`` and ``keep`` says how much to spend.

        Args:
            prompts: N texts, or their ``(N, D)`` embeddings.
            willingness_to_pay: lambda, USD that one unit of quality is worth; 0 picks the cheapest model, ``inf``
                the best.
            budget_usd_per_1k: as ``lambda_for`` takes it.
            keep: as ``lambda_for`` takes it.
            models: as ``decide`` takes it.
            price_factors: as ``decide`` takes it.

        Returns:
            N decisions.

        Raises:
            InputError: an option or a prompt is wrong.
        """
        lambda_ = self.lambda_for(willingness_to_pay, budget_usd_per_1k, keep)
        return self.decide(self.predict(prompts), lambda_, models, price_factors)

    def lambda_for(
        self,
        willingness_to_pay: float | None = None,
        budget_usd_per_1k: float | None = None,
        keep: float | None = None,
    ) -> float:
        """The lambda that one wish about spending comes to.

        Args:
            willingness_to_pay: lambda itself, in USD per unit of quality, at least 0, ``inf`` allowed.
            budget_usd_per_1k: USD that 1,000 prompts may cost on average, going by the prompts of validation.
            keep: share, above 0 and at most 1, of the best single model's quality that is wanted, going by the same.

        Raises:
            InputError: not just one of them is given, it is out of range or out of reach, or what validation came to
                is not known.
        """
        given = {"willingness_to_pay": willingness_to_pay, "budget_usd_per_1k": budget_usd_per_1k, "keep": keep}
        named = [name for name, value in given.items() if value is not None]
        if len(named) != 1:
            raise InputError(f"say one of willingness_to_pay, budget_usd_per_1k and keep, got {named or 'none'}")
        if willingness_to_pay is not None:
            if not willingness_to_pay >= 0:
                raise InputError(f"willingness_to_pay is USD per unit of quality, at least 0, got {willingness_to_pay}")
            return float(willingness_to_pay)
        if self.operating is None:
            raise InputError(
                f"{named[0]} needs what the router came to on validation, which this one does not know (no costs, "
                "a model added since, or saved by an older version); give willingness_to_pay, or train it again"
            )
        if budget_usd_per_1k is not None:
            if not budget_usd_per_1k > 0:
                raise InputError(f"budget_usd_per_1k must be above 0, got {budget_usd_per_1k}")
            return self.operating.within_budget(budget_usd_per_1k / 1000)
        assert keep is not None
        return self.operating.keeping(keep)

    def decide(
        self,
        prediction: Prediction,
        willingness_to_pay: float,
        models: Sequence[str] | None = None,
        price_factors: Mapping[str, float] | None = None,
    ) -> list[Decision]:
        """Choose among the models that may be called, at today's prices.

        Args:
            prediction: for N prompts, as ``predict`` makes it.
            willingness_to_pay: lambda in USD per unit of quality, at least 0, ``inf`` allowed.
            models: names of those that may be called; None for all. A router that chooses by itself (it sees lambda)
                was not asked about fewer: then its predictions choose.
            price_factors: what a model costs now, as a multiple of what it cost in training; 1 where it is not named.

        Returns:
            N decisions.

        Raises:
            InputError: a model is unknown or none is left, a factor is negative or no number, or costs are not known.
        """
        return decide(prediction, willingness_to_pay, self.models, models, price_factors)

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse names of models that this router does not have.

        Raises:
            InputError: names the first such.
        """
        check_names(names, self.models)
