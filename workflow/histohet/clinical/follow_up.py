"""Forms of follow-up: what those of a patient say together."""

from __future__ import annotations

import pandas as pd

from histohet.clinical.endpoints import event_column, months_column


def latest(forms: pd.DataFrame, endpoint: str) -> tuple[pd.DataFrame, pd.Series[str]]:
    """Return an endpoint by what all forms of a patient say: an event, else the latest contact.

    Parameters
    ----------
    forms
        One row per form: ``patient``, and the endpoint as `read_endpoint` gives it.
    endpoint
        Its name.

    Returns
    -------
    outcome
        Its months and event, indexed by patient. An event is the latest that any form reports.
    contradictions
        What contradicts the outcome in each form, "" if nothing does.
    """
    patient, months, event = forms["patient"], months_column(endpoint), event_column(endpoint)
    status = forms.groupby("patient", sort=False)[event].max()
    of_patient = patient.map(status).astype("Int8")
    counts = (forms[event] == of_patient).fillna(False).astype(bool)
    times = forms[months].where(counts).groupby(patient, sort=False).max()
    died = of_patient.eq(1).fillna(False).astype(bool)
    apart = forms[months] != patient.map(times)
    later = ~counts & (forms[months] > patient.map(times))
    words = pd.Series("", index=forms.index)
    words = words.mask(died & later, "in contact after the event that another form reports")
    words = words.mask(
        died & counts & apart & forms[months].notna(), "another form reports a later event"
    )
    outcome = pd.DataFrame({months: times, event: status})
    return outcome, words
