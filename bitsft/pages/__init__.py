"""What the HTML pages of bitsft have in common: the frame, its style sheet, blocks, charts, numbers."""
