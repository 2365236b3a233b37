"""What several tests share: made slides, tables and features, a cohort to run, servers."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
