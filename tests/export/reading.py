"""vLLM Semantic Router's prediction rules, written from the format alone: from a JSON file and features to a name.

None of this knows how `routerbench.export` writes its files.
"""

import json

import numpy as np

CATEGORIES = 14


def features(embeddings, rng):
    """Each embedding with a category drawn at random, which must not matter."""
    category = np.eye(CATEGORIES)[rng.integers(CATEGORIES, size=len(embeddings))]
    return np.hstack([np.asarray(embeddings, np.float64), category])


def read(file):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(file.read_text(), parse_constant=refuse)


def select(artefact, rows):
    """The name that is chosen for each row of features."""
    assert artefact["trained"] is True
    return {"knn": knn, "kmeans": kmeans, "svm": svm, "mlp": mlp}[artefact["algorithm"]](artefact, rows)


def knn(artefact, rows):
    assert artefact["format_version"] == 2
    samples, labels = np.array(artefact["embeddings"]), artefact["labels"]
    assert len(samples) == len(labels) == len(artefact["qualities"]) == len(artefact["latencies"])
    assert artefact["k"] > 0
    assert samples.shape[1] == rows.shape[1] == artefact["feature_dim"]
    unit = samples / np.linalg.norm(samples, axis=1, keepdims=True)
    chosen = []
    for x in rows:
        distance = ((unit - x / np.linalg.norm(x)) ** 2).sum(axis=1)
        votes = {}
        for i in distance.argsort(kind="stable")[: artefact["k"]]:
            speed = 1 / (1 + artefact["latencies"][i] / 10_000_000_000)
            votes[labels[i]] = votes.get(labels[i], 0) + 0.9 * artefact["qualities"][i] + 0.1 * speed
        chosen.append(min(votes, key=lambda name: (-votes[name], name)))
    return chosen


def kmeans(artefact, rows):
    centroids = np.array(artefact["centroids"])
    assert centroids.shape == (artefact["num_clusters"], rows.shape[1])
    assert len(artefact["cluster_models"]) == len(centroids)
    return [artefact["cluster_models"][((centroids - x) ** 2).sum(axis=1).argmin()] for x in rows]


def svm(artefact, rows):
    assert artefact["format_version"] == 2
    assert artefact["kernel_type"] == "Rbf"
    assert artefact["gamma"] > 0
    assert artefact["feature_dim"] == rows.shape[1]
    names, svc = artefact["model_names"], artefact["svc"]
    vectors, dual = np.array(svc["support_vectors"]), np.array(svc["dual_coef"])
    assert dual.shape == (len(names) - 1, len(vectors))
    assert len(svc["intercept"]) == len(names) * (len(names) - 1) // 2
    assert sum(svc["n_support"]) == len(vectors)
    starts, chosen = np.cumsum([0, *svc["n_support"]]), []
    for x in rows:
        kernel = np.exp(-artefact["gamma"] * ((vectors - x) ** 2).sum(axis=1))
        votes, pair = [0] * len(names), 0
        for i in range(len(names)):
            for j in range(i + 1, len(names)):
                of_i, of_j = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
                score = dual[j - 1, of_i] @ kernel[of_i] + dual[i, of_j] @ kernel[of_j] + svc["intercept"][pair]
                i_wins = score < 0 if len(names) == 2 else score > 0
                votes[i if i_wins else j] += 1
                pair += 1
        chosen.append(names[int(np.argmax(votes))])
    return chosen


def mlp(artefact, rows):
    assert artefact["n_classes"] == len(artefact["model_names"])
    x = rows.astype(np.float32)
    assert x.shape[1] == artefact["feature_dim"]
    for layer in artefact["layers"]:
        if layer["type"] == "relu":
            x = np.maximum(x, 0)
            continue
        assert layer["type"] == "linear"
        weight = np.array(layer["weight"], np.float32)
        assert weight.shape == (layer["out_features"], layer["in_features"]) == (layer["out_features"], x.shape[1])
        x = x @ weight.T + np.array(layer["bias"], np.float32)
    assert x.shape[1] == artefact["n_classes"]
    last_of_equals = x.shape[1] - 1 - x[:, ::-1].argmax(axis=1)
    return [artefact["model_names"][i] for i in last_of_equals]
