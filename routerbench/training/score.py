"""How good a prediction is on validation, whatever its scale."""

from routerbench.calibration import Calibration
from routerbench.data.outcomes import OutcomeTable
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.base import Prediction


def validation_score(prediction: Prediction, table: OutcomeTable) -> float:
    """AIQ on the validation split; a ranking is calibrated on it first, as it will be for good after the fit.

    That flatters a ranking by the one parameter per model that a calibration has, for every candidate alike.

    Args:
        prediction: for all N prompts of ``table``.
        table: the validation split.

    Returns:
        A quality in [0, 1], higher is better.
    """
    if prediction.scale == "ranking":
        prediction = Calibration.fit("shared", prediction, table)(prediction)
    return validation_aiq(prediction, table)
