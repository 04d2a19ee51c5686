"""RouterBench's SVM router: one support vector regressor per model (arXiv 2403.12031)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Prediction, Score
from routerbench.routers.families.cost import RidgeCost
from routerbench.routers.families.ridge import Standardisation

KERNELS = ("linear", "rbf")
ITERATIONS = 200


class SVMRouter(ClosedFormRouter):
    """Support vector regression of every model's quality, with a linear or Gaussian kernel.

    The loss is the squared epsilon-insensitive one, which liblinear minimises exactly within seconds. The kernel
    ``exp(-|x - y|^2 / (2 D))`` of standardised embeddings is approximated by random Fourier features (Rahimi and Recht
    2007, Random Features for Large-Scale Kernel Machines), because each model would have thousands of prompts as
    support vectors. Cost is predicted by ridge regression.

    Args:
        embedding_dim: D, the size of an embedding.
        num_models: M, the number of models.
        kernel: "linear" or "rbf".
        penalty: one or more candidates for C, above 0, the weight of the errors; selected on validation.
        epsilon: errors below this are ignored, at least 0.
        num_features: number of random features of the Gaussian kernel.
        seed: random seed of the features.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_models: int,
        kernel: str,
        penalty: Sequence[float] | float,
        epsilon: float,
        num_features: int,
        seed: int,
    ) -> None:
        super().__init__(embedding_dim, num_models)
        self.kernel = kernel
        self.penalty = [penalty] if isinstance(penalty, int | float) else list(penalty)
        self.epsilon = epsilon
        self.num_features = num_features
        self.seed = seed
        if kernel not in KERNELS:
            raise InputError(f"router.kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
        if not self.penalty or not min(self.penalty) > 0 or not epsilon >= 0 or num_features < 1:
            raise InputError(
                "router.penalty must be above 0, router.epsilon at least 0 and router.num_features at least 1, got "
                f"{self.penalty}, {epsilon}, {num_features}"
            )

    @property
    def draws(self) -> bool:
        """Whether the fit is random; only the random features are."""
        return self.kernel == "rbf"

    def fit(self, train: Examples, val: Examples, score: Score) -> None:
        """Fit one regressor per model for each C, and keep the C that is best on ``val``."""
        rng = np.random.default_rng(self.seed)
        width = self.num_features if self.kernel == "rbf" else 0
        self.mean, self.std = Standardisation.of(train.embeddings)
        self.frequency = rng.normal(size=(self.embedding_dim, width)) / np.sqrt(self.embedding_dim)
        self.phase = rng.uniform(0, 2 * np.pi, size=width)
        self.cost = RidgeCost.fit(train)
        features, candidates = self._features(train.embeddings), []
        for penalty in self.penalty:
            self.weights, self.bias = self._regress(features, train.table.quality, penalty)
            candidates.append((score(self.predict(val.embeddings), val.table), self.weights, self.bias))
        _, self.weights, self.bias = max(candidates, key=lambda candidate: candidate[0])

    def _regress(
        self, features: NDArray[np.float64], quality: NDArray[np.float64], penalty: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        from sklearn.svm import LinearSVR

        weights, bias = np.zeros((features.shape[1], self.num_models)), np.zeros(self.num_models)
        for model in range(self.num_models):
            known = np.isfinite(quality[:, model])
            machine = LinearSVR(
                C=penalty,
                epsilon=self.epsilon,
                loss="squared_epsilon_insensitive",
                dual=False,
                intercept_scaling=10.0,  # otherwise liblinear's penalty of the intercept shrinks means towards 0
                max_iter=ITERATIONS,
            ).fit(features[known], quality[known, model])
            weights[:, model], bias[model] = machine.coef_, machine.intercept_.item()
        return weights, bias

    def _features(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        standardised = (embeddings - self.mean) / self.std
        if self.kernel == "linear":
            return standardised
        return np.sqrt(2 / self.num_features) * np.cos(standardised @ self.frequency + self.phase)

    def predict(self, embeddings: NDArray[np.float32]) -> Prediction:
        """Predict quality and cost of ``(N, D)`` embeddings."""
        quality = self._features(embeddings) @ self.weights + self.bias
        return Prediction(quality.clip(0, 1), self.cost.predict(embeddings))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """``(F, M)`` weights, ``(M,)`` bias, the standardisation, the random features, and the arrays of the cost."""
        return {name: getattr(self, name) for name in _ARRAYS} | self.cost.arrays()

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore what ``arrays`` returned."""
        self.weights, self.bias, self.mean, self.std, self.frequency, self.phase = (arrays[name] for name in _ARRAYS)
        self.cost = RidgeCost.from_arrays(arrays)


_ARRAYS = ("weights", "bias", "mean", "std", "frequency", "phase")
