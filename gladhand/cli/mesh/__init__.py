"""One mesh on one machine: which processes it has, how they are started, watched, restarted and stopped."""
