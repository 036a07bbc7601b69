"""Prove the suite: run it on pipelines with one known defect each, and on healthy controls."""

from mnistlab.faults.campaign import SAMPLE, CampaignLog, run_trials, select_entries
from mnistlab.faults.catalogue import CATALOGUE, CONTROLS, FAULTS, NOT_APPLICABLE, Entry
from mnistlab.faults.page import DOCS_FILES, REPORT_FILES, write_report, write_symptoms
from mnistlab.faults.summary import BARE_ACCURACY, Summary
from mnistlab.faults.trial import TrialRunner

__all__ = [
    "BARE_ACCURACY",
    "CATALOGUE",
    "CONTROLS",
    "DOCS_FILES",
    "FAULTS",
    "NOT_APPLICABLE",
    "REPORT_FILES",
    "SAMPLE",
    "CampaignLog",
    "Entry",
    "Summary",
    "TrialRunner",
    "run_trials",
    "select_entries",
    "write_report",
    "write_symptoms",
]
