//! Two sessions and the wire between them, for tests.
