//! The orders of closing that only a [`Mutant`] keeps to.

use super::close_order::{
    TRANSPORT_CLOSE_ORDER, TransportCloseStep, WORKER_CLOSE_ORDER, WorkerCloseStep,
};
use crate::mutants::{Mutant, Planted};

impl Planted {
    pub(super) fn worker_close_order(self) -> &'static [WorkerCloseStep] {
        if self.is(Mutant::CarriersFirst) { &CARRIERS_FIRST } else { &WORKER_CLOSE_ORDER }
    }

    pub(super) fn transport_close_order(self) -> &'static [TransportCloseStep] {
        if self.is(Mutant::CloseBeforeUnmap) {
            &CLOSE_BEFORE_UNMAP
        } else if self.is(Mutant::AlertAfterUnmap) {
            &ALERT_AFTER_UNMAP
        } else {
            &TRANSPORT_CLOSE_ORDER
        }
    }
}

const CARRIERS_FIRST: [WorkerCloseStep; 5] = [
    WorkerCloseStep::RefuseNewcomers,
    WorkerCloseStep::ReleaseCarriers,
    WorkerCloseStep::CloseTransports,
    WorkerCloseStep::AwaitFarewells,
    WorkerCloseStep::Acknowledge,
];

const CLOSE_BEFORE_UNMAP: [TransportCloseStep; 5] = [
    TransportCloseStep::StopData,
    TransportCloseStep::SayFarewell,
    TransportCloseStep::CloseConnections,
    TransportCloseStep::Unmap,
    TransportCloseStep::Report,
];

const ALERT_AFTER_UNMAP: [TransportCloseStep; 5] = [
    TransportCloseStep::StopData,
    TransportCloseStep::Unmap,
    TransportCloseStep::SayFarewell,
    TransportCloseStep::CloseConnections,
    TransportCloseStep::Report,
];
