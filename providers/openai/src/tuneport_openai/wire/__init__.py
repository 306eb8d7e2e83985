"""OpenAI's fine-tuning API as values: what goes out and what comes back, as pure functions over JSON. No SDK, no network, no clock.

Azure OpenAI and compatible endpoints speak the same with small differences, which a `Dialect` holds.
"""
