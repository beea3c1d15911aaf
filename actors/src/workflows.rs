//! Durable workflows: the engine, and what runs on it.

pub mod planning;
