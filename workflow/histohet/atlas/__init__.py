"""The atlas: the cohort and every slide of it in the browser, from plain files."""
