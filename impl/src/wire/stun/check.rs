//! What an ICE-lite server does about a well-formed message, as a pure decision.

use super::{Class, ErrorCode, Message, Method};

/// What to do about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// A connectivity check that proved the password. To be answered with success; it may add and
    /// select a tuple and refreshes consent.
    Check {
        /// Whether it nominates the pair.
        use_candidate: bool,
        /// The value of NOMINATION, if there is one.
        nomination: Option<u32>,
    },
    /// To be answered with this error. Changes no state, refreshes no consent.
    Refuse {
        /// The error to answer with.
        code: ErrorCode,
        /// Whether the request proved the password, so that the response must carry
        /// MESSAGE-INTEGRITY.
        authenticated: bool,
        /// What UNKNOWN-ATTRIBUTES of the response lists: empty except for a 420.
        unknown: Vec<u16>,
    },
    /// Not to be answered. Changes no state.
    Ignore(IgnoreReason),
}

/// Why a well-formed message gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IgnoreReason {
    /// A response, success or error: a lite agent never sent the request for it.
    Response,
    /// An indication, which by its nature is not answered.
    Indication,
    /// A method other than Binding.
    NotBinding,
    /// An error response would be much longer.
    TooShort,
}

/// Bytes of the shortest request that gets an error response although it proves nothing. Who forges
/// a source makes at most half as much again of what they send.
const REFUSED_BYTES_MIN: usize = 32;

/// Judges a message that claims to know `password`, in the order of RFC 8489 section 9.1.3 and RFC
/// 8445 section 7.3.
///
/// The caller has looked `password` up by [`Message::local_ufrag`]. A ufrag that nobody has never
/// gets here: that is silence. Without USERNAME a request on a known tuple may be judged with any
/// password, as it is refused before the password matters.
///
/// One HMAC at most is computed, and none for a message that needs no answer. The missing
/// FINGERPRINT and PRIORITY are looked at after the password, so that only who knows it learns more
/// than that it was wrong; mediasoup looks at them first (`RTC/ICE/IceServer.cpp`).
#[must_use]
pub fn judge(message: &Message<'_>, password: &[u8]) -> Judgement {
    if let Some(reason) = ignore_reason(message) {
        return Judgement::Ignore(reason);
    }
    //= STN-06
    //= RES-08
    if message.username.is_none() || message.message_integrity.is_none() {
        if message.length < REFUSED_BYTES_MIN {
            return Judgement::Ignore(IgnoreReason::TooShort);
        }
        return refuse_stranger(ErrorCode::BadRequest);
    }
    //= STN-08
    if !message.verify_integrity(password) {
        return refuse_stranger(ErrorCode::Unauthenticated);
    }
    judge_authenticated(message)
}

//= STN-17
fn ignore_reason(message: &Message<'_>) -> Option<IgnoreReason> {
    match message.class {
        Class::SuccessResponse | Class::ErrorResponse => return Some(IgnoreReason::Response),
        Class::Indication => return Some(IgnoreReason::Indication),
        Class::Request => {}
    }
    //= STN-16
    match message.method {
        Method::Binding => None,
        Method::Other(_) => Some(IgnoreReason::NotBinding),
    }
}

/// The part for a sender that proved the password: from here on every answer is authenticated.
//= STN-11
fn judge_authenticated(message: &Message<'_>) -> Judgement {
    let refuse = |code, unknown| Judgement::Refuse { code, authenticated: true, unknown };
    //= STN-12
    if !message.unknown_required.is_empty() {
        let unknown = message.unknown_required.as_slice().to_vec();
        return refuse(ErrorCode::UnknownAttribute, unknown);
    }
    //= STN-15
    if !message.fingerprint || message.priority.is_none() {
        return refuse(ErrorCode::BadRequest, Vec::new());
    }
    // The presence counts, not the tie-breaker: a lite agent stays controlled whoever has the
    // larger number.
    //= STN-19
    if message.ice_controlled.is_some() {
        return refuse(ErrorCode::RoleConflict, Vec::new());
    }
    let Message { use_candidate, nomination, .. } = *message;
    Judgement::Check { use_candidate, nomination }
}

fn refuse_stranger(code: ErrorCode) -> Judgement {
    Judgement::Refuse { code, authenticated: false, unknown: Vec::new() }
}
