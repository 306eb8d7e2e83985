"""A job's folder on storage that several machines share, and how two copies of it keep up with each other."""
