"""Bags, networks and the folds that they are trained in (about 10 s)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.bags import (
    MADE,
    Needles,
    cross_fitted,
    mil_of,
    needles,
    write_features,
    write_lost,
)
from histohet.common.provenance import Provenance
from histohet.common.tables import write_tsv
from histohet.fusion.blocks import Block, Filters
from histohet.fusion.cross_validation import cross_validate
from histohet.fusion.errors import FusionError
from histohet.fusion.folds import deal_everybody, deal_splits
from histohet.fusion.mil import bags as bags_module
from histohet.fusion.mil.bags import RUN, Bags, Source, list_bags
from histohet.fusion.mil.block import mil_block
from histohet.fusion.mil.networks import read_networks, whole_network, write_networks
from histohet.fusion.mil.predictions import predict_all, predict_split
from histohet.fusion.mil.training import cox_loss, pupils_of, train
from histohet.fusion.model_file import read_network
from histohet.fusion.models import Fusion
from histohet.fusion.saved_model import fit_to_all, write_model
from histohet.fusion.settings import FusionSettings, MilSettings
from histohet.fusion.splits import Split, read_folds, table_of
from histohet.survival.partial_likelihood import RiskSets, log_likelihood

SHORT = MilSettings(tiles=16, epochs=2)
COHORT = needles(24, 3, tiles=20, width=4)
PATIENTS = list(COHORT.outcome.index)
TIME, STATE = (COHORT.outcome[name].to_numpy() for name in ("time_months", "state"))
SPLITS = deal_splits(STATE, 2, 1, 1)


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Bags:
    return COHORT.bags(tmp_path_factory.mktemp("bags"))


def networks_of(bags: Bags, split: Split, state: np.ndarray = STATE, seed: int = 1) -> bytes:
    pupils = pupils_of(PATIENTS, TIME, state == 1, split.part, bags)
    tensors = train(bags, pupils, SHORT, [seed, split.repeat, split.fold])
    return b"".join(tensors[name].tobytes() for name in sorted(tensors))


# --- bags -----------------------------------------------------------------------------------------


def test_all_tiles_of_a_patient_are_read_slide_by_slide(tmp_path: Path) -> None:
    bags = COHORT.bags(tmp_path, slides=2)
    for patient in PATIENTS[:3]:
        np.testing.assert_array_equal(
            np.concatenate([*bags.chunks(patient)]), COHORT.tiles[patient]
        )
        everything = bags.some(patient, 99, np.random.default_rng(1))
        np.testing.assert_array_equal(everything, COHORT.tiles[patient])


def test_draws_are_distinct_tiles_of_all_slides_alike(tmp_path: Path) -> None:
    """Of 1,000 tiles in two slides 100 are drawn 400 times: each about 40 times, twice never."""
    tiles = np.column_stack([np.arange(1000.0), np.zeros(1000)])
    sources = [
        Source(write_features(tmp_path / f"a_{number}.h5", part))
        for number, part in enumerate([tiles[:320], tiles[320:]])
    ]
    table = list_bags(sources, {"a_0": "a", "a_1": "a"}, "uni")
    bags, rng = Bags(table, sources), np.random.default_rng(2)
    counts = np.zeros(1000)
    for _ in range(400):
        drawn = bags.some("a", 100, rng)[:, 0].astype(int)
        assert len(drawn) == 100
        assert len(set(drawn)) == 100
        counts[drawn] += 1
    # Runs are drawn: the number of draws of one has a standard deviation below that of a tile's.
    of_runs = counts[: len(counts) // RUN * RUN].reshape(-1, RUN).mean(axis=1)
    assert np.abs(of_runs - 40).max() < 5 * np.sqrt(40)


def test_slides_without_tiles_stay_in_the_list(tmp_path: Path) -> None:
    good = write_features(tmp_path / "a_0.h5", np.ones((3, 2)))
    other = write_features(tmp_path / "c_0.h5", np.ones((3, 2)))
    lost = write_lost(tmp_path / "b_0.h5", "no tissue found")
    sources = [Source(one) for one in (good, lost, other)]
    table = list_bags(sources, {"a_0": "a", "b_0": "b"}, "uni_d4")
    assert table["n_tiles"].tolist() == [3, 0]
    assert table["reason"].tolist() == ["", "no tissue found"]
    assert table.iloc[0][["encoder", "weights", "tile_um", "tile_px", "width"]].tolist() == [
        *("uni_d4", "a" * 64, "112", "224", "2")
    ]
    bags = Bags(table, sources)
    assert ["a" in bags, "b" in bags] == [True, False]


@pytest.mark.parametrize(
    ("made", "tile_um", "width", "message"),
    [
        (MADE | {"weights": {"sha256": "b" * 64}}, 112, 2, "differ in weights, 'aaaa"),
        ({}, 112, 2, "'a_0' and 'b_0' differ in encoder, 'uni_d4' and 'uni'"),
        (MADE, 128, 2, "differ in tile_um, '112' and '128': one network takes one kind"),
        (MADE, 112, 3, "differ in width"),
    ],
)
def test_slides_of_another_make_are_refused(
    tmp_path: Path, made: dict[str, object], tile_um: float, width: int, message: str
) -> None:
    write_features(tmp_path / "a_0.h5", np.ones((3, 2)))
    write_features(tmp_path / "b_0.h5", np.ones((3, width)), made, tile_um)
    sources = [Source(tmp_path / f"{name}_0.h5") for name in "ab"]
    with pytest.raises(FusionError, match=message):
        list_bags(sources, {"a_0": "a", "b_0": "b"}, "uni_d4")


def test_embeddings_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    source = Source(write_features(tmp_path / "a_0.h5", np.full((3, 2), np.nan)))
    bags = Bags(list_bags([source], {"a_0": "a"}, "uni"), [source])
    with pytest.raises(FusionError, match="of patient 'a' are not finite: encode the slides anew"):
        bags.some("a", 2, np.random.default_rng(1))
    with pytest.raises(FusionError, match="not finite"):
        list(bags.chunks("a"))


# --- training -------------------------------------------------------------------------------------


def test_the_loss_is_breslows_partial_likelihood() -> None:
    rng = np.random.default_rng(1)
    time, event, eta = rng.integers(1, 9, 30), rng.random(30) < 0.6, rng.normal(size=30)
    found = cox_loss(*(torch.as_tensor(one) for one in (eta, time, event)))
    expected = log_likelihood(eta, RiskSets(time, event, ties="breslow"))
    assert float(found) == pytest.approx(-float(expected) / event.sum(), abs=1e-12)


def test_no_slide_of_a_patient_who_is_left_out_is_opened(
    bags: Bags, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, really = set(), bags_module.open_tiles

    def recorded(*source: object) -> object:
        opened.add(Path(str(source[0])).stem.partition("_")[0])
        return really(*source)

    monkeypatch.setattr(bags_module, "open_tiles", recorded)
    for split in SPLITS:
        opened.clear()
        networks_of(bags, split)
        training = {who for who, one in zip(PATIENTS, split.training, strict=True) if one}
        assert opened == training


def test_the_same_seed_gives_the_same_networks_whatever_became_of_the_others(bags: Bags) -> None:
    split = SPLITS[0]
    found = networks_of(bags, split)
    assert networks_of(bags, split) == found
    assert networks_of(bags, split, seed=2) != found
    other = np.where(split.training, STATE, 1 - STATE.clip(0, 1))
    assert networks_of(bags, split, other) == found
    changed = STATE.copy()
    changed[np.flatnonzero(split.training)[0]] ^= 1
    assert networks_of(bags, split, changed) != found


def test_tiles_of_a_patient_who_is_left_out_change_that_patient_alone(
    bags: Bags, tmp_path: Path
) -> None:
    who = PATIENTS[int(np.flatnonzero(~SPLITS[0].training)[0])]
    other = Needles(COHORT.tiles | {who: 3 + COHORT.tiles[who]}, COHORT.outcome, COHORT.needles)
    before = cross_fitted(COHORT, bags, SPLITS[:1], SHORT)
    after = cross_fitted(other, other.bags(tmp_path), SPLITS[:1], SHORT)
    changed = before["patient"][before["mil"] != after["mil"]]
    assert changed.tolist() == [who]


def test_predictions_of_training_patients_are_of_networks_without_their_inner_fold(
    bags: Bags,
) -> None:
    split = SPLITS[1]
    pupils = pupils_of(PATIENTS, TIME, STATE == 1, split.part, bags)
    tensors = train(bags, pupils, SHORT, [1])
    assert len(tensors["output.bias"]) == 1 + split.part.max()
    part = pd.Series(split.part, PATIENTS)
    said = predict_split({2: tensors}, {2: part}, bags, 1).set_index("patient")
    by_everybody = predict_all(whole_network(tensors), bags).set_index("patient")["mil"]
    assert said["left_out"].equals(part.eq(0).rename("left_out").rename_axis("patient"))
    same = said["mil"] == by_everybody.reindex(said.index)
    assert same.equals(said["left_out"].rename("mil"))
    # All tiles of a patient are drawn where there are 16: what is centred in training is so here.
    assert pupils.taught.sum(axis=1).tolist() == [
        int((split.part > 0).sum()),
        *(int(((split.part > 0) & (split.part != k)).sum()) for k in (1, 2)),
    ]


def test_what_networks_say_of_those_who_trained_them_has_the_mean_0(bags: Bags) -> None:
    split = deal_everybody(COHORT.outcome, FUSION, 1)
    pupils = pupils_of(PATIENTS, TIME, STATE == 1, split.part, bags)
    tensors = train(bags, pupils, MilSettings(tiles=20, epochs=2), [1])
    said = predict_all(whole_network(tensors), bags)
    assert said["mil"].mean() == pytest.approx(0, abs=1e-5)
    assert said["mil"].std() > 1e-4


def test_slides_of_a_patient_are_one_bag(bags: Bags, tmp_path: Path) -> None:
    tensors = train(bags, pupils_of(PATIENTS, TIME, STATE == 1, SPLITS[0].part, bags), SHORT, [1])
    network = whole_network(tensors)
    one, two = (predict_all(network, some) for some in (bags, COHORT.bags(tmp_path, slides=2)))
    np.testing.assert_allclose(one["mil"], two["mil"], atol=1e-12)
    path = tmp_path / "networks.safetensors"
    write_networks(path, tensors, Provenance())
    again = predict_all(whole_network(read_networks(path)), bags)
    np.testing.assert_allclose(again["mil"], one["mil"], atol=1e-5)


def test_too_few_events_are_refused(bags: Bags) -> None:
    event = np.zeros(24, bool)
    event[np.flatnonzero(SPLITS[0].part == 1)[:3]] = True
    with pytest.raises(FusionError, match="0 events among the patients with slides that a network"):
        pupils_of(PATIENTS, TIME, event, SPLITS[0].part, bags)
    with pytest.raises(FusionError, match="0 events among"):
        pupils_of(["nobody"] * 24, TIME, event, SPLITS[0].part, bags)


# --- as a block -----------------------------------------------------------------------------------

FUSION = FusionSettings(endpoint="LM", blocks=("clinical", "mil"), folds=2, horizons=(12,))


def test_a_block_is_what_networks_say_in_each_split(bags: Bags) -> None:
    said = cross_fitted(COHORT, bags, SPLITS, SHORT)
    block = mil_of(COHORT, said)
    for split in SPLITS:
        here = said[said["fold"] == split.fold].set_index("patient")["mil"]
        np.testing.assert_array_equal(block.in_split(split).numbers[:, 0], here.loc[PATIENTS])
    found = cross_validate(
        {"mil": block},
        TIME,
        STATE,
        {"mil": Fusion(("mil",))},
        SPLITS,
        horizons=(12,),
        filters=Filters(),
    )
    assert np.isfinite(found.incidence).all()
    with pytest.raises(FusionError, match="block 'mil' was learnt in other folds than those of"):
        block.in_split(replace(SPLITS[0], part=SPLITS[1].part))


def test_whoever_lacks_slides_lacks_the_block(bags: Bags, tmp_path: Path) -> None:
    sources, patients = COHORT.write(tmp_path / "slides")
    write_tsv(tmp_path / "bags.tsv", list_bags(sources[:20], patients, "uni"), Provenance())
    before = mil_block(tmp_path / "bags.tsv", [], pd.Index(PATIENTS), {"masking": "whole"})
    assert before.known.tolist() == [True] * 20 + [False] * 4
    assert before.identity["weights"] == "a" * 64
    assert before.identity["masking"] == "whole"
    with pytest.raises(FusionError, match="no patient of the clinical tables has a slide"):
        mil_block(tmp_path / "bags.tsv", [], pd.Index(["X"]), {})


def test_splits_are_the_same_on_disk(tmp_path: Path) -> None:
    everybody = deal_everybody(COHORT.outcome, FUSION, 1)
    outcome = COHORT.outcome.assign(event=STATE == 1)
    write_tsv(tmp_path / "f.tsv", table_of([*SPLITS, everybody], outcome), Provenance())
    again = read_folds(tmp_path / "f.tsv", 1)
    assert list(again) == [1, 2]
    for split in SPLITS:
        assert again[split.fold].index.tolist() == PATIENTS
        np.testing.assert_array_equal(again[split.fold]["part"], split.part)
        np.testing.assert_array_equal(again[split.fold]["time_months"], TIME)
    assert set(read_folds(tmp_path / "f.tsv", 0)) == {0}
    assert (everybody.part > 0).all()


def test_a_saved_model_holds_its_network(bags: Bags, tmp_path: Path) -> None:
    split = deal_everybody(COHORT.outcome, FUSION, 1)
    pupils = pupils_of(PATIENTS, TIME, STATE == 1, split.part, bags)
    network = whole_network(train(bags, pupils, SHORT, [1, 0, 0]))
    said = cross_fitted(COHORT, bags, [split], SHORT)
    made = {"encoder": "uni", "weights": "a" * 64}
    age = pd.DataFrame({"age": np.arange(24.0) % 7}, index=COHORT.outcome.index)
    blocks = {
        "clinical": Block("clinical", age, "few"),
        "mil": replace(mil_of(COHORT, said), identity=made),
    }
    saved = replace(fit_to_all(blocks, COHORT.outcome, FUSION, 1), network=network)
    path = tmp_path / "model.json"
    write_model(path, saved, Provenance())
    found = predict_all(read_network(path, made), bags)
    np.testing.assert_array_equal(found["mil"], predict_all(network, bags)["mil"])
    with pytest.raises(FusionError, match="come from encoder resnet50, weights bbbb; the model"):
        read_network(path, {"encoder": "resnet50", "weights": "bbbb"})
    write_model(path, replace(saved, network=None), Provenance())
    with pytest.raises(FusionError, match="the model has no block 'mil'"):
        read_network(path, made)
