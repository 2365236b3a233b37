"""nnU-Net's own prediction in this process: one scan, one model, nothing unpickled or written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from histohet.common.arrays import Float32
from histohet.common.torchvision import import_with_torchvision
from histohet.segmentation.chatter import chatter_in_log
from histohet.segmentation.checkpoint import Checkpoint, read_checkpoint
from histohet.segmentation.model import Model
from histohet.segmentation.plans import ModelError

# First of all, because nnU-Net would import it the plain way.
import_with_torchvision("torchvision")

from nnunetv2.inference.export_prediction import (  # noqa: E402
    convert_predicted_logits_to_segmentation_with_correct_shape as labels_of_logits,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: E402
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans  # noqa: E402
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager  # noqa: E402

UNFIT = (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError)
"""What nnU-Net says of plans that describe no network, or another one than the weights are of."""


class Predictor:
    """A model, ready to segment scans.

    Parameters
    ----------
    model
        Its files.
    step
        Distance of patches, in shares of their side.
    mirroring
        Whether it averages over the mirror images that it was trained with.

    Attributes
    ----------
    model
        Its files.
    configuration, trainer
        What was trained, and by what.

    Raises
    ------
    ModelError
        If its files do not go together.
    """

    def __init__(self, model: Model, step: float = 0.5, mirroring: bool = False) -> None:
        folds = [read_checkpoint(path) for path in model.checkpoints.values()]
        self.configuration, self.trainer = _common(model, folds), folds[0].trainer
        self.model = model
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with chatter_in_log():
            try:
                self._predictor = nnUNetPredictor(
                    tile_step_size=step,
                    use_mirroring=mirroring,
                    device=device,
                    perform_everything_on_device=device.type == "cuda",
                    allow_tqdm=False,
                )
                _initialise(self._predictor, model, folds)
            except UNFIT as error:
                raise ModelError(
                    f"{model.folder}: plans, labels and weights (trained by {self.trainer}) do not "
                    f"go together: {_first_line(error)}"
                ) from error

    def segment(self, voxels: npt.NDArray[Any], spacing: Sequence[float]) -> npt.NDArray[Any]:
        """Return the labels of a scan.

        Parameters
        ----------
        voxels
            (Z, Y, X) HU, all finite, in the orientation that the model was trained in.
        spacing
            mm (x, y, z).

        Returns
        -------
        ndarray
            (Z, Y, X) uint8, or uint16 of a model with 255 labels and more.
        """
        one = self._predictor
        plans, configuration = one.plans_manager, one.configuration_manager
        with chatter_in_log():
            preprocessor = configuration.preprocessor_class(verbose=False)
            image, _, properties = preprocessor.run_case_npy(
                voxels[None].astype(np.float32, copy=False),
                None,
                {"spacing": [abs(float(side)) for side in spacing[::-1]]},
                plans,
                configuration,
                one.dataset_json,
            )
            logits = self._logits(image)
            del image
            found: npt.NDArray[Any] = labels_of_logits(
                logits,
                plans,
                configuration,
                one.label_manager,
                properties,
                num_threads_torch=torch.get_num_threads(),
            )
        return found

    def _logits(self, image: Float32) -> torch.Tensor:
        """Return (labels, Z, Y, X) of the preprocessed image (1, Z, Y, X), half precision."""
        found: torch.Tensor = self._predictor.predict_logits_from_preprocessed_data(
            torch.from_numpy(np.ascontiguousarray(image, np.float32))
        )
        return found.cpu()


def _common(model: Model, folds: Sequence[Checkpoint]) -> str:
    """Return the configuration that all folds were trained in."""
    configurations = {fold.configuration for fold in folds}
    if len(configurations) > 1:
        raise ModelError(
            f"{model.folder}: folds are of different configurations: "
            f"{', '.join(sorted(configurations))}"
        )
    return configurations.pop()


def _initialise(predictor: Any, model: Model, folds: Sequence[Checkpoint]) -> None:
    """Give nnU-Net's predictor the network of the plans and the weights of all folds."""
    plans = PlansManager(model.plans)
    configuration = plans.get_configuration(folds[0].configuration)
    if configuration.previous_stage_name is not None:
        raise ValueError(
            f"configuration {folds[0].configuration} refines the masks of another one (a cascade)"
        )
    network = get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        1,
        plans.get_label_manager(model.dataset).num_segmentation_heads,
        allow_init=False,
        deep_supervision=False,
    )
    for fold in folds:
        network.load_state_dict(fold.weights)
    predictor.manual_initialization(
        network,
        plans,
        configuration,
        [fold.weights for fold in folds],
        model.dataset,
        folds[0].trainer,
        folds[0].mirrored,
    )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or repr(error)
