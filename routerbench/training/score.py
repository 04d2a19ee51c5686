"""The validation score by which training selects."""

from routerbench.calibration import Calibration
from routerbench.data.outcomes import OutcomeTable
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.base import Prediction


def validation_score(prediction: Prediction, table: OutcomeTable) -> float:
    """Compute the AIQ on the validation split. A ranking is first calibrated on that split, as it is after the fit.

    Calibration on the scored split, with one parameter per model, favours rankings, but all candidates equally.

    Args:
        prediction: prediction for the N prompts of ``table``.
        table: the validation split.

    Returns:
        A quality in [0, 1], higher is better.
    """
    if prediction.scale == "ranking":
        prediction = Calibration.fit("shared", prediction, table)(prediction)
    return validation_aiq(prediction, table)
