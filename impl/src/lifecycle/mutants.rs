//! Wrong variants of the real lifecycle, for tests that must notice them. Compiled under the feature `testing` only.

use super::close_order::WorkerCloseStep;

/// One defect of the real code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// mediasoup 3.14.4 (#1388): carriers are released before the transports are closed.
    CarriersFirst,
}

impl Mutant {
    /// Every mutant.
    pub const ALL: [Mutant; 1] = [Mutant::CarriersFirst];

    pub(super) fn worker_close_order(self) -> &'static [WorkerCloseStep] {
        match self {
            Mutant::CarriersFirst => &[
                WorkerCloseStep::RefuseNewcomers,
                WorkerCloseStep::ReleaseCarriers,
                WorkerCloseStep::CloseTransports,
                WorkerCloseStep::AwaitFarewells,
                WorkerCloseStep::Acknowledge,
            ],
        }
    }
}
