"""Where else a job's readings go: TensorBoard files beside it always, other tools when a recipe asks for them (`options.local.track`).

The job folder stays what is believed: each of these is told what `metrics.jsonl` says, and none of them may stop a training or hold it up.
"""
