"""The only part that imports Google's SDKs, each only when something is asked of it."""
