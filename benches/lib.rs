//! Holds the benchmarks of requests; there is nothing to use.
