"""The only part that imports the SDKs of OpenAI and Azure, and only when something is asked."""
