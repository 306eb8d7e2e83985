"""Taking tuned models out: adapters, merged weights, GGUF files and what Ollama needs, each checked. torch comes with the weights."""
