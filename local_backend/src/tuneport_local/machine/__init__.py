"""What this machine has: devices, memory, disk, and how fast it trains."""
