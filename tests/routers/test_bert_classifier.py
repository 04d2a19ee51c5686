import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from routerbench.errors import InputError
from routerbench.routers.bert_classifier import BertClassifierRouter, pair_log_shares
from routerbench.routers.mlp import MLPRouter
from routerbench.training.batches import Batch
from routerbench.training.losses import three_class_loss
from routerbench.training.objectives import ThreeClasses

NAN = float("nan")


def test_any_three_probabilities_of_a_pair_can_be_had():
    shares = torch.tensor([0.2, 0.7, 0.1])
    log = shares.log()
    strength, tie = torch.stack([log[0], log[2]])[None], (log[1] - (log[0] + log[2]) / 2)[None, None]
    torch.testing.assert_close(pair_log_shares(strength, tie)[0, 0, 1].exp(), shares)
    torch.testing.assert_close(pair_log_shares(strength, tie)[0, 1, 0].exp(), shares.flip(0))


def test_two_models_score_by_their_win_rates():
    """RouteLLM's strong win rate: one minus the probabilities of a tie and of the weak model."""
    router = BertClassifierRouter(4, 2)
    torch.nn.init.normal_(router.linear.weight)
    heads = router.heads(torch.randn(6, 4))
    shares = pair_log_shares(heads.representation[:, :2], heads.representation[:, 2:])[:, 0, 1].exp()
    torch.testing.assert_close(heads.quality_logit[:, 0], 1 - shares[:, 1] - shares[:, 2])
    torch.testing.assert_close(heads.quality_logit[:, 1], shares[:, 2])


def test_score_is_the_mean_probability_to_win():
    router = BertClassifierRouter(3, 4)
    torch.nn.init.normal_(router.linear.weight)
    heads = router.heads(torch.randn(5, 3))
    for prompt in range(5):
        strength, tie = heads.representation[prompt, :4], heads.representation[prompt, 4]
        for i in range(4):
            wins = []
            for j in set(range(4)) - {i}:
                three = torch.stack([strength[i], (strength[i] + strength[j]) / 2 + tie, strength[j]])
                wins.append(three.softmax(0)[0])
            torch.testing.assert_close(heads.quality_logit[prompt, i], torch.stack(wins).mean())


def test_loss_is_the_cross_entropy_of_each_observed_pair():
    rng = np.random.default_rng(0)
    quality = rng.choice([0.0, 0.5, 1.0, NAN], size=(20, 4))
    strength, tie = torch.randn(20, 4), torch.randn(20, 1)
    for margin in (0.0, 0.5):
        losses = []
        for n in range(20):
            for i in range(4):
                for j in range(i + 1, 4):
                    gain = quality[n, i] - quality[n, j]
                    if np.isnan(gain):
                        continue
                    three = torch.stack(
                        [strength[n, i], (strength[n, i] + strength[n, j]) / 2 + tie[n, 0], strength[n, j]]
                    )
                    label = 0 if gain > margin else 2 if gain < -margin else 1
                    losses.append(cross_entropy(three[None], torch.tensor([label])))
        expected = torch.stack(losses).mean()
        torch.testing.assert_close(three_class_loss(strength, tie, torch.tensor(quality).float(), margin), expected)


def test_nothing_observed_is_no_loss():
    quality = torch.full((2, 3), NAN)
    strength = torch.zeros(2, 3, requires_grad=True)
    loss = three_class_loss(strength, torch.zeros(2, 1), quality, 0.0)
    loss.backward()
    assert loss.item() == 0
    assert strength.grad.isfinite().all()


def test_refuses_other_networks_and_a_negative_margin():
    batch = Batch(torch.zeros(2, 4), torch.ones(2, 3), torch.ones(2, 3))
    with pytest.raises(InputError, match="for router=bert_classifier"):
        ThreeClasses(0.0)(MLPRouter(4, 3, [8], 0.0)(batch.embeddings), batch)
    with pytest.raises(InputError, match="margin"):
        ThreeClasses(-1.0)
