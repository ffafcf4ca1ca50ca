//! Histories from traces.
