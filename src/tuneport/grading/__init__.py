"""What graders give for answers, worked out on this machine."""
