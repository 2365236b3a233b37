"""Radiomics and fusion: right, honest, fast.

    .venv/bin/python tests/bench/radiopathomics.py [SECTION …] [--data FOLDER] [--out JSON]

Sections, of which each has a process of its own, one thread, and CPU seconds without imports:

- ``ibsi``: values of IBSI's digital phantom that the default engine gets right; needs
  ``data/ct/ibsi1_digital``.
- ``noise``: mean AUC of every model on four blocks of noise, 60 patients, under every filter;
  features chosen inside the folds, and by everybody first. With ``--features`` and ``--clinical``
  also of real features (`results/radiomics/features.tsv` and the table of ``data/ct/sts``).
- ``gain``: 400 planted patients, 20 % without CT: what all blocks gain over each; calibration.
- ``extraction``: features of ellipsoids of 30,000 voxels at 2 mm and 800,000 at 1 mm.
- ``prepare``: a compressed CT of 512 × 512 × 100 voxels and its mask.
- ``fusion``: everything that `fuse` does for 200 patients, 15 models and 25 fits.
- ``mil``: networks of 25 outer folds, with five inner ones each, on 80 slides of 512 tiles.

A run of some sections leaves the figures of the others in the file as they are.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from bench.running import Json, circumstances, one_thread, peak_rss_gb, run_all, say
from histohet.common.files import read_json, write_json

HORIZON = 36.0


@contextmanager
def cpu_seconds(into: Json, key: str) -> Iterator[None]:
    """Note how many CPU seconds the body took."""
    start = time.process_time()
    yield
    into[key] = round(time.process_time() - start, 3)


def ibsi(args: argparse.Namespace) -> Json:
    """Count the consensus values that are met."""
    from helpers.radiomics import agrees, of_phantom, reference

    if not args.data:
        return {"ibsi_values_right": None, "ibsi": "needs --data or HISTOHET_DATA"}
    folder = args.data / "ct" / "ibsi1_digital"
    expected, found = reference(folder), of_phantom(folder)
    right = [agrees(found.get(tag.lower(), np.nan), *of) for tag, of in expected.items()]
    return {"ibsi_values_right": sum(right), "ibsi_values": len(right)}


def noise(args: argparse.Namespace) -> Json:
    """Return mean AUCs of models that have nothing to learn: of all, the extremes, of each."""
    from bench.leakage import draw_choices, of_real_features
    from helpers.competing import four_of_noise
    from helpers.competing import noise as one_of_noise
    from helpers.honesty import FILTERS, inside_and_first, of_all_models

    found = {}
    for name, filters in FILTERS.items():
        tables = [
            of_all_models(*four_of_noise(60, 1000, seed), filters, seed)
            for seed in range(args.seeds)
        ]
        found[name] = pd.DataFrame(tables).mean()
    drawn = {
        "1,000 columns of noise, 60 patients": np.array(
            [
                inside_and_first(blocks["ct"], outcome, seed)
                for seed, (blocks, outcome) in enumerate(
                    one_of_noise(60, 1000, seed) for seed in range(args.seeds)
                )
            ]
        )
    }
    if args.features and args.clinical:
        name, pairs = of_real_features(args.features, args.clinical, args.seeds)
        drawn[name] = pairs
    draw_choices(drawn, args.out.with_name("fusion_leakage.png"))
    of_pairs = {
        name: {
            "inside": [round(float(one), 3) for one in (pairs[:, 0].mean(), pairs[:, 0].std())],
            "first": [round(float(one), 3) for one in (pairs[:, 1].mean(), pairs[:, 1].std())],
        }
        for name, pairs in drawn.items()
    }
    by_model = pd.DataFrame(found).round(3)
    return {
        "noise_auc": round(float(by_model.to_numpy().mean()), 3),
        "noise_auc_min_max": [float(by_model.min(axis=None)), float(by_model.max(axis=None))],
        "noise_auc_by_filter_and_model": by_model.to_dict(),
        "chosen_auc_mean_sd": of_pairs,
    }


def gain(args: argparse.Namespace) -> Json:
    """Return what all blocks gain over the best of them, with its interval, and calibration."""
    from helpers.competing import blocks_of, planted
    from helpers.honesty import measured
    from histohet.fusion.comparison import named

    tables, outcome = planted(400, args.seed, missing=0.2)
    full, names = named(list(tables)), list(tables)
    rest = [named([other for other in names if other != name]) for name in names]
    pairs = [(full, other) for other in (*names, *rest)]
    _, table = measured(blocks_of(tables), outcome, pairs, args.seed, HORIZON)
    of = table.set_index("measure")
    ranked = of.loc["c_index"].set_index("model")["estimate"]
    gains = of.loc["c_index_gain"].set_index("against")[["estimate", "lower", "upper"]]
    best = str(ranked[names].idxmax())
    of_full = of[of["model"] == full]["estimate"]
    return {
        "delta_c_fusion": gains.loc[best].rename({"estimate": "value"}).round(3).to_dict()
        | {"against": best},
        "delta_c_by_block": {
            name: gains.loc[other].round(3).tolist()
            for name, other in zip(names, rest, strict=True)
        },
        "c_index": ranked.round(3).to_dict(),
        "calibration_slope": round(float(of_full["calibration_slope"]), 3),
        "observed_over_predicted": round(float(of_full["observed_over_predicted"]), 3),
    }


def extraction(args: argparse.Namespace) -> Json:
    """Return seconds and memory for ellipsoids of three sizes; the largest comes last."""
    from histohet.ct.settings import CtSettings
    from histohet.radiomics.engine import RegionImage, make_engine
    from histohet.radiomics.settings import RadiomicsSettings

    found: Json = {"extraction_peak_rss_mb": {}}
    for voxels, side in ((3_000, 2.0), (30_000, 2.0), (800_000, 1.0)):
        radius = (voxels * 0.75 / np.pi) ** (1 / 3)
        n = 2 * int(np.ceil(1.2 * radius)) + 3
        z, y, x = (axis - n // 2 for axis in np.ogrid[:n, :n, :n])
        inside = (x / 1.2) ** 2 + y**2 + (1.2 * z) ** 2 <= radius**2
        rng = np.random.default_rng(args.seed)
        hu = 50 + 150 * gaussian_filter(rng.normal(size=inside.shape), 1.5)
        image = np.where(inside, hu, -100).astype(np.int16)
        engine = make_engine(RadiomicsSettings(), CtSettings(spacing_mm=side))
        with cpu_seconds(found, f"extraction_s_{voxels}_voxels"):
            features = engine.extract(RegionImage(image, inside, (side, side, side)))
        found["extraction_peak_rss_mb"][str(voxels)] = round(1000 * peak_rss_gb())
        found["extraction_features"] = len(features)
    return found


def write_scan(task: tuple[str, int]) -> tuple[str, str]:
    """Write a CT of a body with a tumour of 39 mm radius, and its mask; return their paths."""
    import SimpleITK as sitk

    folder, seed = task
    size, spacing = np.array([100, 512, 512]), np.array([2.5, 0.8, 0.8])
    z, y, x = ((np.arange(n) - n / 2) * side for n, side in zip(size, spacing, strict=True))
    tumour = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= 39**2
    body = (y[:, None] / 130) ** 2 + (x / 180) ** 2 <= 1
    hu = np.where(body, 20.0, -1000.0) + np.where(tumour, 50.0, 0.0)
    hu += np.random.default_rng(seed).normal(0, 12, size)
    paths = f"{folder}/ct.nii.gz", f"{folder}/mask.nii.gz"
    for path, voxels in zip(paths, (hu.astype(np.int16), tumour.astype(np.uint8)), strict=True):
        image = sitk.GetImageFromArray(voxels)
        image.SetSpacing(spacing[::-1].tolist())
        sitk.WriteImage(image, path, useCompression=True)
    return paths


def prepare(args: argparse.Namespace) -> Json:
    """Return seconds for a whole CT with a tumour of some 30,000 voxels at 2 mm."""
    from histohet.ct.prepare import prepare as prepare_scan
    from histohet.ct.settings import CtSettings
    from histohet.ct.sheet import MaskRow

    found: Json = {}
    with TemporaryDirectory() as folder:
        # Elsewhere, for the sake of this process's memory.
        ((ct, mask),) = run_all(write_scan, [(folder, args.seed)], [1], 1)
        with cpu_seconds(found, "prepare_s"):
            prepared = prepare_scan(ct, [MaskRow(mask)], CtSettings(), {})
    prepared.outcome.raise_if_lost()
    return found | {"prepare_voxels": int(prepared.regions[0].voxels.sum())}


def fusion(args: argparse.Namespace) -> Json:
    """Return seconds for the comparison of all models, as `fuse` does it."""
    from helpers.competing import blocks_of, planted
    from histohet.fusion.blocks import Block
    from histohet.fusion.comparison import compare
    from histohet.fusion.settings import FusionSettings

    tables, outcome = planted(args.patients, args.seed)
    settings = FusionSettings(
        endpoint="LM", blocks=tuple(tables), tables={"ct": "ct.tsv"}, volume="ct:f_0"
    )
    blocks = blocks_of(tables) | {"volume": Block("volume", tables["ct"][["f_0"]], "few")}
    found: Json = {}
    with cpu_seconds(found, "fusion_cpu_s"):
        result = compare(blocks, outcome, settings, args.seed)
    fits = result.fits[["repeat", "fold"]].drop_duplicates()
    models = result.estimates["model"].nunique()
    return found | {
        "fusion_patients": len(outcome),
        "fusion_models": models,
        "fusion_fits": len(fits),
    }


def mil(args: argparse.Namespace) -> Json:
    """Return seconds to train and apply the networks of some outer folds."""
    from bench.mil import time_mil

    found = time_mil(splits=args.splits)
    return {"mil_cpu_s": round(found["mil_cpu_s"], 1), "mil_splits": found["mil_splits"]}


SECTIONS: dict[str, Callable[[argparse.Namespace], Json]] = {
    one.__name__: one for one in (ibsi, noise, gain, extraction, prepare, fusion, mil)
}


def run(task: tuple[str, argparse.Namespace]) -> Json:
    """Run a section in a process of its own."""
    name, args = task
    found: Json = {}
    with cpu_seconds(found, "cpu_s"):
        figures = SECTIONS[name](args)
    return {"figures": figures, **found, "peak_rss_mb": round(1000 * peak_rss_gb())}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; all if none")
    data = os.environ.get("HISTOHET_DATA")
    parser.add_argument("--data", type=Path, default=Path(data) if data else None)
    parser.add_argument("--features", type=Path, help="table of real features, for `noise`")
    parser.add_argument("--clinical", type=Path, help="outcomes of the same patients")
    parser.add_argument("--seeds", type=int, default=20, help="cohorts of noise")
    parser.add_argument("--patients", type=int, default=200, help="of `fusion`")
    parser.add_argument("--splits", type=int, default=25, help="outer folds of `mil`")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/bench/radiopathomics.json"))
    args = parser.parse_args()
    unknown = set(args.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    one_thread()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    found = read_json(args.out) if args.out.exists() else {"peak_rss_mb": {}, "circumstances": {}}
    for name in args.sections or SECTIONS:
        (result,) = run_all(run, [(name, args)], [1], 1)
        found |= result["figures"]
        found["peak_rss_mb"][name] = result["peak_rss_mb"]
        found["circumstances"][name] = circumstances(args, cpu_s=result["cpu_s"])
        say(f"{name}: {result}")
        write_json(args.out, found)


if __name__ == "__main__":
    main()
