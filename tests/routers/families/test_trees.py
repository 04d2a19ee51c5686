import numpy as np
from sklearn.ensemble import RandomForestRegressor

from routerbench.routers.families.trees import Trees, filled
from tests.conftest import make_examples


def forest(num_trees=7):
    train = make_examples(300, seed=0)[0]
    return RandomForestRegressor(num_trees, max_features=0.5, random_state=0).fit(train.embeddings, train.table.quality)


def test_walks_to_the_same_leaves_as_scikit_learn():
    model, test = forest(), make_examples(200, seed=1)[0]
    ours = Trees.of(model.estimators_).sum(test.embeddings)
    np.testing.assert_allclose(ours, 7 * model.predict(test.embeddings), atol=1e-5)


def test_a_tree_of_one_leaf_is_a_number():
    stump = RandomForestRegressor(2, max_depth=1, min_samples_split=1.0, min_samples_leaf=300).fit(
        np.zeros((300, 2)), np.full((300, 2), 0.25)
    )
    assert Trees.of(stump.estimators_).sum(np.zeros((3, 2), np.float32)).tolist() == [[0.5, 0.5]] * 3


def test_the_first_trees_alone():
    model, test = forest(), make_examples(20, seed=1)[0]
    first = Trees.of(model.estimators_).first(3)
    expected = sum(tree.predict(test.embeddings) for tree in model.estimators_[:3])
    np.testing.assert_allclose(first.sum(test.embeddings), expected, atol=1e-5)
    assert len(first.value) == len(first.left) == sum(tree.tree_.node_count for tree in model.estimators_[:3])
    assert Trees.of(model.estimators_).first(0).sum(test.embeddings).tolist() == np.zeros((20, 3)).tolist()


def test_gaps_become_the_models_mean():
    cells = np.array([[1.0, np.nan], [np.nan, 0.25], [0.5, 0.75]])
    assert filled(cells).tolist() == [[1.0, 0.5], [0.75, 0.25], [0.5, 0.75]]
