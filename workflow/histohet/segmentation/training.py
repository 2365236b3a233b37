"""The training of one fold by nnU-Net's recipe: its network, augmentation, losses and schedule.

nnU-Net's trainer writes logs, pictures and pickles beside the model, and draws its batches in
processes that nobody seeds. Here a batch depends on its number and the seed alone, whoever draws
it. So a training that is killed goes on from the last epoch, and ends with the weights that it
would have had.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch.utils.data import DataLoader, Dataset

from histohet.common.files import atomic_path
from histohet.common.logs import logger
from histohet.common.provenance import Provenance
from histohet.features.partial import read_part, write_part
from histohet.segmentation.settings import N_FOLDS
from histohet.segmentation.training_cases import KeptCases
from histohet.segmentation.training_plan import quiet_nnunet

CHECKPOINT = "checkpoint.pt"
WEIGHTS, TRAINED, VALIDATED = 0, 1, 2
"""What random numbers are drawn for."""

PER_VALIDATION = 5
"""Batches to learn from for each one to validate (nnU-Net: 250 and 50)."""

HISTORY = {
    "lrs": "learning_rate",
    "train_losses": "train_loss",
    "val_losses": "validation_loss",
    "mean_fg_dice": "pseudo_dice",
}
"""What nnU-Net notes of every epoch, and its columns of ours. The pseudo Dice is of all voxels of
the validation patches together."""


class Lesson(NamedTuple):
    """What a fold is trained on.

    Attributes
    ----------
    plans, about
        What `plans.json` and `dataset.json` say.
    configuration
        Which of the planned networks is trained.
    cases
        Folder of the prepared cases.
    train, val
        Names of those to learn from and to be validated by.
    fold
        Its number, or ``all``.
    seed
        Of the run.
    """

    plans: Mapping[str, Any]
    about: Mapping[str, Any]
    configuration: str
    cases: Path
    train: list[str]
    val: list[str]
    fold: str
    seed: int


class _Recipe(nnUNetTrainer):  # type: ignore[misc]
    """nnU-Net's trainer without files of its own, processes and compilation."""

    lesson: Lesson

    def print_to_log_file(self, *_: object, **__: object) -> None:
        """Say nothing: epochs are logged where they are trained."""

    def _do_i_compile(self) -> bool:
        return False

    def _build_loss(self) -> Any:
        # nnU-Net gives the coarsest output no weight. Of a network of two stages it is the only
        # one, and its weight 0 / 0.
        with np.errstate(invalid="ignore"):
            loss = super()._build_loss()
        if isinstance(loss, DeepSupervisionWrapper) and len(loss.weight_factors) == 1:
            loss.weight_factors = (1.0,)
        return loss

    def get_tr_and_val_datasets(self) -> tuple[KeptCases, KeptCases]:
        lesson, labels = self.lesson, self.lesson.about["labels"].values()
        train, val = (KeptCases(lesson.cases, part, labels) for part in (lesson.train, lesson.val))
        return train, val


class _Batches(Dataset[Any]):
    """Batches by their numbers: a number and the seed say all that is random in one."""

    def __init__(self, loader: Any, seed: tuple[int, ...]) -> None:
        self._loader, self._seed = loader, seed

    def __getitem__(self, number: int) -> Any:
        seed_everything((*self._seed, number))
        return self._loader.generate_train_batch()


def seed_everything(seed: tuple[int, ...]) -> None:
    """Seed the three generators that nnU-Net draws from."""
    words = np.random.SeedSequence(seed).generate_state(3)
    one, two, three = map(int, words)
    random.seed(one)
    np.random.seed(two)  # noqa: NPY002
    torch.manual_seed(three)


class Training:
    """The training of a fold, from an epoch to the next.

    Parameters
    ----------
    lesson
        What is learnt from.
    epochs, iterations
        How long it is trained: epochs, and batches of each.
    folder
        Keeps the checkpoint, see `histohet.features.partial.partial_folder`.
    readers
        Processes that draw batches while a GPU computes; with 0 the job does. No number depends
        on it.
    """

    def __init__(
        self, lesson: Lesson, epochs: int, iterations: int, folder: Path, readers: int = 0
    ) -> None:
        self._lesson, self._readers = lesson, readers
        self._epochs, self._iterations = epochs, iterations
        self._checkpoint = folder / CHECKPOINT
        self._fold = N_FOLDS if lesson.fold == "all" else int(lesson.fold)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # It measures at its beginning which way to convolve is the fastest.
        torch.backends.cudnn.benchmark = True
        seed_everything((lesson.seed, self._fold, WEIGHTS))
        with TemporaryDirectory() as scratch, quiet_nnunet(results=scratch, n_proc_DA=0):
            self._recipe = self._make_recipe()
            self._recipe.initialize()
            loaders = self._recipe.get_dataloaders()
        self._recipe.set_deep_supervision_enabled(True)
        self._train, self._val = (
            _Batches(augmenter.data_loader, (lesson.seed, self._fold, kind))
            for augmenter, kind in zip(loaders, (TRAINED, VALIDATED), strict=True)
        )
        self._load()

    def _make_recipe(self) -> _Recipe:
        lesson = self._lesson
        recipe = _Recipe(
            # It takes this key out again.
            {**lesson.plans, "continue_training": False},
            lesson.configuration,
            lesson.fold if lesson.fold == "all" else self._fold,
            dict(lesson.about),
            self._device,
        )
        recipe.lesson = lesson
        recipe.preprocessed_dataset_folder = str(lesson.cases)
        recipe.num_epochs = self._epochs
        return recipe

    @property
    def done(self) -> int:
        """Epochs that are done."""
        return int(self._recipe.current_epoch)

    @property
    def history(self) -> pd.DataFrame:
        """Learning rate, losses and pseudo Dice of every epoch that is done."""
        noted = self._noted
        columns = {column: noted[name] for name, column in HISTORY.items()}
        return pd.DataFrame({"epoch": range(1, self.done + 1), **columns})

    def run(self) -> None:
        """Train until all epochs are done."""
        while self.done < self._epochs:
            self.go_on()

    def go_on(self) -> None:
        """Train for an epoch, and keep what to go on from."""
        begun, recipe, n = time.monotonic(), self._recipe, self._iterations
        with quiet_nnunet():
            recipe.on_train_epoch_start()
            losses = [recipe.train_step(one) for one in self._batches(self._train, n)]
            recipe.on_train_epoch_end(losses)
            with torch.no_grad():
                recipe.on_validation_epoch_start()
                held_out = self._batches(self._val, max(n // PER_VALIDATION, 1))
                recipe.on_validation_epoch_end([recipe.validation_step(one) for one in held_out])
        recipe.current_epoch += 1
        last = self.history.iloc[-1]
        logger.info(
            "epoch %d of %d: loss %.4f, validation loss %.4f, pseudo Dice %.4f, %.1f s",
            self.done,
            self._epochs,
            last["train_loss"],
            last["validation_loss"],
            last["pseudo_dice"],
            time.monotonic() - begun,
        )
        self._save()

    def _batches(self, drawn: _Batches, n: int) -> Iterator[Any]:
        """Yield the next n batches, in order."""
        first = self.done * n
        loader = DataLoader(
            drawn,
            batch_size=None,
            sampler=range(first, first + n),
            num_workers=min(self._readers, n),
            collate_fn=_as_it_is,
            pin_memory=self._device.type == "cuda",
        )
        return iter(loader)

    @property
    def _noted(self) -> dict[str, Any]:
        """What nnU-Net has noted of the epochs, in plain numbers."""
        noted = self._recipe.logger.get_checkpoint()
        return {name: np.asarray(values, float).tolist() for name, values in noted.items()}

    def _save(self) -> None:
        recipe, content = self._recipe, BytesIO()
        scaler = recipe.grad_scaler
        state = {
            "network": recipe.network.state_dict(),
            "optimiser": recipe.optimizer.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "noted": self._noted,
            "epochs": self.done,
        }
        torch.save(state, content)
        write_part(self._checkpoint, content.getbuffer())

    def _load(self) -> None:
        content = read_part(self._checkpoint)
        if content is None:
            return
        recipe = self._recipe
        state: dict[str, Any] = torch.load(
            BytesIO(content), map_location=self._device, weights_only=True
        )
        recipe.network.load_state_dict(state["network"])
        recipe.optimizer.load_state_dict(state["optimiser"])
        # Of a training that a GPU began and a processor goes on with, or the reverse.
        if recipe.grad_scaler is not None and state["scaler"] is not None:
            recipe.grad_scaler.load_state_dict(state["scaler"])
        recipe.logger.load_checkpoint(state["noted"])
        recipe.current_epoch = state["epochs"]
        logger.info("going on after %d epochs", self.done)

    def validate(self) -> pd.DataFrame:
        """Return the Dice of every case that is held out, and label; nothing of fold ``all``.

        Voxels are those of the prepared case, which are as large as the plans say. Patches overlap
        by half and are not mirrored, which nnU-Net's own validation does at eight times the cost.
        """
        recipe, lesson = self._recipe, self._lesson
        labels = {name: number for name, number in lesson.about["labels"].items() if number}
        rows = []
        recipe.set_deep_supervision_enabled(False)
        with quiet_nnunet():
            predictor = nnUNetPredictor(
                use_mirroring=False,
                perform_everything_on_device=self._device.type == "cuda",
                device=self._device,
                allow_tqdm=False,
            )
        predictor.manual_initialization(
            recipe.network,
            recipe.plans_manager,
            recipe.configuration_manager,
            None,
            dict(lesson.about),
            nnUNetTrainer.__name__,
            recipe.inference_allowed_mirroring_axes,
        )
        held_out = [] if lesson.fold == "all" else lesson.val
        kept = KeptCases(lesson.cases, held_out, labels.values())
        for case in kept.identifiers:
            image, truth, _, _ = kept.load_case(case)
            with quiet_nnunet():
                logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(image[:]))
            found, wanted = logits.argmax(0).cpu().numpy(), truth[:][0]
            for name, number in labels.items():
                score = dice(found == number, wanted == number)
                rows.append((case, name, score, int((wanted == number).sum())))
                logger.info("held-out case %s, %s: Dice %.4f", case, name, score)
        recipe.set_deep_supervision_enabled(True)
        return pd.DataFrame(rows, columns=["case", "label", "dice", "n_voxels"])

    def write(self, path: Path, provenance: Provenance) -> None:
        """Write the model as nnU-Net and we read it, as tensors and plain values alone.

        nnU-Net finds its own trainer in it, since its network is the one that the plans name.
        """
        recipe = self._recipe
        weights = recipe.network.state_dict()
        content = {
            "network_weights": {name: one.cpu() for name, one in weights.items()},
            "init_args": {"configuration": self._lesson.configuration},
            "trainer_name": nnUNetTrainer.__name__,
            "inference_allowed_mirroring_axes": list(recipe.inference_allowed_mirroring_axes),
            "current_epoch": self.done,
            "provenance": provenance.as_json(),
        }
        # Given a path, it writes the name of the file into it.
        with atomic_path(path) as partial, partial.open("wb") as file:
            torch.save(content, file)


def _as_it_is(batch: Any) -> Any:
    return batch


def dice(one: Any, other: Any) -> float:
    """Return the Dice of two regions, bool of the same shape; NaN if both are empty."""
    both = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero(one & other) / both if both else float("nan")
