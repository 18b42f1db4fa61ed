"""Checked rows -> {"prompt", "completion"}, the form that TRL trains on."""
