//! Which mistake of the real code is noticed where: the kill matrix, mutant by rung.
//!
//! | File | What it holds |
//! |---|---|
//! | `matrix` | the table, what is wrong with it, and the document |
//! | `real_stack` | replay of the way on which lockstep met a mistake, and how those of the shell are looked for |
//! | `directed` | checks of the shell that no trace of the model leads to |
//! | `validation` | logs of free-running servers with a mistake |
//! | `loom` | which test of what crosses threads catches which weakness |

pub mod directed;
mod loom;
mod matrix;
mod real_stack;
mod validation;

pub use matrix::{Cell, Line, Matrix, RUNGS, matrix};
pub use real_stack::{Shown, of_the_lifecycle, of_the_shell, shell_mutants};
