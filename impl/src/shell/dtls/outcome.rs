//! How a call into OpenSSL ended, and the error queue that this is read from.

use openssl::error::ErrorStack;
use openssl::ssl::{self, ErrorCode};

/// OpenSSL reports a received fatal alert as this plus its number (`SSL_AD_REASON_OFFSET`).
const ALERT_REASON_OFFSET: i32 = 1000;

/// Empties the error queue that OpenSSL keeps per thread; the verdict about a call is read from it.
//= CLS-36
pub(super) fn discard_stale_errors() {
    drop(ErrorStack::get());
}

/// What a call into OpenSSL came back with, other than success.
pub(super) enum Outcome {
    /// Everything received is processed.
    NeedsInput,
    /// The peer's close_notify.
    CloseNotify,
    /// The peer's fatal alert.
    FatalAlert(u8),
    /// A record was skipped without a verdict, as OpenSSL does after our own close_notify.
    Skipped,
    /// OpenSSL gave up, and sent a fatal alert if it could.
    Broken(String),
}

impl Outcome {
    /// Reads the verdict about a call that did not succeed.
    pub(super) fn of(error: &ssl::Error) -> Self {
        match error.code() {
            ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => Outcome::NeedsInput,
            ErrorCode::ZERO_RETURN => Outcome::CloseNotify,
            ErrorCode::SYSCALL if error.ssl_error().is_none() => Outcome::Skipped,
            _ => match error.ssl_error().and_then(received_alert) {
                Some(alert) => Outcome::FatalAlert(alert),
                None => Outcome::Broken(error.to_string()),
            },
        }
    }
}

fn received_alert(errors: &ErrorStack) -> Option<u8> {
    let number = |reason: i32| u8::try_from(reason.checked_sub(ALERT_REASON_OFFSET)?).ok();
    errors.errors().iter().find_map(|error| number(error.reason_code()))
}
