"""Cloud Storage's JSON API: buckets, objects, and uploads that can be resumed."""
