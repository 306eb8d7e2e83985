"""Jobs on this machine: their folders, their workers, what they leave."""
