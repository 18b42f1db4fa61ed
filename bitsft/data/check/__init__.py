"""Raw rows -> rows in the one shape of their task, or a reject with the field, the value and the reason."""
