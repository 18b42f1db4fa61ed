"""What several stages share: forms in which texts are compared, hashes, lines of JSON, files put aside."""
