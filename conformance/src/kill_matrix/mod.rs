//! Which mutant of the real code is noticed where: the kill matrix.
//!
//! | File | What it holds |
//! |---|---|
//! | `matrix` | the table, what is wrong with it, and the document |
//! | `real_stack` | replay of the way on which lockstep met a mutant, and how those of the shell are looked for |
//! | `directed` | checks of the shell that no trace of the model leads to |
//! | `validation` | logs of free-running servers with a mutant |
//! | `loom` | in which race which weakness of what crosses threads is caught |

pub mod directed;
mod loom;
mod matrix;
mod real_stack;
mod validation;

pub use matrix::{Cell, Matrix, MutantRow, RUNGS, matrix};
pub use real_stack::{
    SearchError, Shown, lifecycle_mutants, of_the_lifecycle, of_the_shell, shell_mutants,
};
