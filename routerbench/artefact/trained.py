"""A trained router with its encoder."""

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
    """A router with its encoder, which chooses models for prompts.

    Attributes:
        router: predicts from embeddings.
        encoder: embeds prompts.
        models: names of the M models, in the order of the prediction's columns.
        card: contents of ``router.json``.
        fingerprint: required fingerprint of the encoder; None for an encoder passed to ``load``.
        seen: hashes of the prompts it learned from, validation included, which must not be scored.
        operating: operating points on validation, or None if unknown.
        folder: folder it was loaded from; None after ``add_model``.
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
        """Hexadecimal hash of weights, router, models, encoder, calibration and guard, which determine decisions."""
        return digest(self.card)

    @property
    def recipe(self) -> dict[str, Any]:
        """Everything that defines the router except its seed; evaluations pool routers of one recipe."""
        return recipe(self.card)

    def predict(self, prompts: Sequence[str] | NDArray[np.floating]) -> Prediction:
        """Predict quality and cost of every model.

        Args:
            prompts: N texts, or their ``(N, D)`` embeddings from the router's encoder.

        Returns:
            ``(N, M)`` predictions, columns in the order of ``models``.

        Raises:
            InputError: the embedding size differs from training, or the router was trained on precomputed embeddings
                and got texts.
        """
        return self.router.predict(self.embed(prompts))

    def embed(self, prompts: Sequence[str] | NDArray[np.floating]) -> NDArray[np.float32]:
        """``(N, D)`` embeddings of texts; given embeddings are only checked."""
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
        """Return a router with one more model, learned from a few scored prompts; this router is unchanged.

        Args:
            name: name of the model.
            prompts: k texts, or their ``(k, D)`` embeddings.
            quality: ``(k,)`` measured quality in [0, 1].
            cost: ``(k,)`` measured cost in USD per prompt; all NaN for a router that was trained without costs.

        Raises:
            InputError: this kind of router has to be retrained, it has a model of this name, or an outcome is invalid.
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
            "validation": {},  # of fewer models
            "weights_sha256": None,
            "mean_cost_usd_per_prompt": {**self.card["mean_cost_usd_per_prompt"], name: mean_cost},
        }
        is_text = not isinstance(prompts, np.ndarray)
        seen = np.concatenate([self.seen, prompt_keys(np.array(prompts, object))]) if is_text else self.seen
        return replace(
            self, router=grown, models=(*self.models, name), card=card, seen=seen, operating=None, folder=None
        )

    def save(self, folder: Path | str) -> None:
        """Write the artefact, for example after ``add_model``."""
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
        """Upload the artefact with a model card to the Hugging Face hub; ``routerbench.load(repo_id)`` loads it.

        Args:
            repo_id: ``owner/name``; created if missing.
            evaluation: folder written by ``evaluate.py``; its verdict and picture are shown in the model card.
            license: the hub's identifier of the licence of router and data, such as "apache-2.0" or "cc-by-4.0".
            commit_message: one line.
            private: visibility of a new repository; an existing one must match it. None uses the owner's default.
            token: token with write access; None uses ``HF_TOKEN`` or the login of ``hf auth login``.
            branch: branch to commit to; None for "main".
            create_pr: open a pull request with the commit.

        Returns:
            URL of the commit or the pull request.

        Raises:
            InputError: the evaluation does not contain this router, the folder changed after loading, the card or
                access is refused, the repository's visibility is not ``private``, or the hub cannot be reached.
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
        """Refuse an encoder that differs from the one in training, because its embeddings would not match.

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

        Exactly one of ``willingness_to_pay``, ``budget_usd_per_1k`` and ``keep`` must be given.

        Args:
            prompts: N texts, or their ``(N, D)`` embeddings.
            willingness_to_pay: lambda in USD per unit of quality; 0 chooses the cheapest model, ``inf`` the best.
            budget_usd_per_1k: as in ``lambda_for``.
            keep: as in ``lambda_for``.
            models: as in ``decide``.
            price_factors: as in ``decide``.

        Returns:
            N decisions.

        Raises:
            InputError: an option or a prompt is invalid.
        """
        lambda_ = self.lambda_for(willingness_to_pay, budget_usd_per_1k, keep)
        return self.decide(self.predict(prompts), lambda_, models, price_factors)

    def lambda_for(
        self,
        willingness_to_pay: float | None = None,
        budget_usd_per_1k: float | None = None,
        keep: float | None = None,
    ) -> float:
        """Determine lambda from exactly one of three options, the last two on validation.

        Args:
            willingness_to_pay: lambda itself, in USD per unit of quality, at least 0; ``inf`` ignores cost.
            budget_usd_per_1k: maximum mean cost, in USD per 1,000 prompts.
            keep: minimum share of the best single model's quality, above 0 and at most 1.

        Raises:
            InputError: not exactly one is given, it is out of range or reach, or no operating points are known.
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
        """Choose among the allowed models, at current prices.

        If some models are excluded or prices differ, a router that sees lambda uses its predictions, not its choices.

        Args:
            prediction: prediction of ``predict`` for N prompts.
            willingness_to_pay: lambda in USD per unit of quality, at least 0; ``inf`` ignores cost.
            models: names of the models to choose from; None for all.
            price_factors: ratio of a model's current cost to its cost in training, by name; default 1.

        Returns:
            N decisions.

        Raises:
            InputError: a model is unknown, none is allowed, a factor is invalid, or a finite lambda needs costs.
        """
        return decide(prediction, willingness_to_pay, self.models, models, price_factors)

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse names of unknown models.

        Raises:
            InputError: a name is not one of ``models``.
        """
        check_names(names, self.models)
