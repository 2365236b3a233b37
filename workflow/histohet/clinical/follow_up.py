"""Forms of follow-up: what those of a patient say together."""

from __future__ import annotations

import pandas as pd

from histohet.clinical.endpoints import competing_column, event_column, months_column

_COMPETING, _EVENT = 1, 2
"""What a form says, by what counts more; 0 for neither."""


def latest(forms: pd.DataFrame, endpoint: str) -> tuple[pd.DataFrame, pd.Series[str]]:
    """Return an endpoint by what all forms of a patient say together.

    An event in any form counts, else a competing one, else the latest contact.

    Parameters
    ----------
    forms
        One row per form: ``patient``, and the endpoint as `read_endpoint` gives it.
    endpoint
        Its name.

    Returns
    -------
    outcome
        Its months, event and, where forms have them, competing events, indexed by patient. An event
        is the latest that any form reports.
    contradictions
        What contradicts the outcome in each form, "" if nothing does.
    """
    patient, months = forms["patient"], months_column(endpoint)
    said = _said(forms, endpoint)
    status = said.groupby(patient, sort=False).max()
    of_patient = patient.map(status).astype("Int8")
    counts = _holds(said == of_patient)
    times = forms[months].where(counts).groupby(patient, sort=False).max()
    words = _contradictions(forms[months], said, of_patient, counts, patient.map(times))
    outcome = pd.DataFrame(
        {
            months: times,
            event_column(endpoint): (status == _EVENT).astype("Int8").where(status.notna()),
        }
    )
    if competing_column(endpoint) in forms:
        competing = (status == _COMPETING).astype("Int8").where(status.notna())
        outcome[competing_column(endpoint)] = competing
    return outcome, words


def _said(forms: pd.DataFrame, endpoint: str) -> pd.Series[int]:
    """Return what each form says, Int8, missing where it does not."""
    event = forms[event_column(endpoint)]
    said = event * _EVENT
    if competing_column(endpoint) in forms:
        # A table without competing events among others that have them knows of none.
        said = said + forms[competing_column(endpoint)].fillna(0) * _COMPETING
    return said.astype("Int8")


def _contradictions(
    months: pd.Series[float],
    said: pd.Series[int],
    of_patient: pd.Series[int],
    counts: pd.Series[bool],
    times: pd.Series[float],
) -> pd.Series[str]:
    """Return what each form says against the outcome of its patient, "" if nothing."""
    words = pd.Series("", index=months.index)
    in_contact = ~counts & ~_holds(said == _COMPETING)
    for state, name in ((_EVENT, "event"), (_COMPETING, "competing event")):
        has = _holds(of_patient == state)
        contact = has & in_contact & (months > times)
        words = words.mask(contact, f"in contact after the {name} that another form reports")
        apart = has & counts & (months != times) & months.notna()
        words = words.mask(apart, f"another form reports a later {name}")
    earlier = _holds(of_patient == _EVENT) & _holds(said == _COMPETING) & (months < times)
    return words.mask(earlier, "competing event before the event that another form reports")


def _holds(condition: pd.Series[bool]) -> pd.Series[bool]:
    """Return where a condition is known to hold."""
    return condition.fillna(False).astype(bool)
