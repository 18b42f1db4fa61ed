"""GGUF files: for llama.cpp, Ollama, LM Studio (writer.py) and for bitnet.cpp (i2_s.py)."""
