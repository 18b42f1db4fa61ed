"""The page on which people rate, in a browser on this machine."""
