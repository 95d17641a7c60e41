//! The retransmission timer of an `SSL` object, and the only unsafe code of the engine: `openssl`
//! does not wrap these calls.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_uint};
use std::sync::OnceLock;
use std::time::Duration;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslRef};
use openssl::x509::X509VerifyResult;

/// `DTLS_CTRL_GET_TIMEOUT` and `DTLS_CTRL_HANDLE_TIMEOUT` of OpenSSL's ssl.h.
const DTLS_CTRL_GET_TIMEOUT: c_int = 73;
const DTLS_CTRL_HANDLE_TIMEOUT: c_int = 74;

/// No wait between two retransmissions is longer (mediasoup DtlsTransport.cpp: 4 s).
const RETRANSMISSION_MICROSECONDS_MAX: c_uint = 4_000_000;

/// First wait if the session carries none (RFC 9147 section 5.8.2, for DTLS-SRTP).
const FALLBACK_MICROSECONDS: c_uint = 400_000;

type TimerCallback = unsafe extern "C" fn(*mut openssl_sys::SSL, c_uint) -> c_uint;

unsafe extern "C" {
    // libssl, since 1.1.1; linked through openssl-sys.
    fn DTLS_set_timer_cb(ssl: *mut openssl_sys::SSL, callback: Option<TimerCallback>);
}

/// Makes `ssl` wait `initial` before the first retransmission, then twice as long each time, up to
/// 4 s.
//= DTL-14
pub(super) fn install(ssl: &mut Ssl, initial: Duration) -> Result<(), ErrorStack> {
    let microseconds = c_uint::try_from(initial.as_micros()).unwrap_or(c_uint::MAX);
    let microseconds = microseconds.clamp(1, RETRANSMISSION_MICROSECONDS_MAX);
    ssl.set_ex_data(initial_wait_index()?, microseconds);
    // SAFETY: `ssl` is a live SSL object that we borrow exclusively; the callback is a plain
    // function that lives as long as the program.
    unsafe { DTLS_set_timer_cb(ssl.as_ptr(), Some(next_wait)) };
    Ok(())
}

/// Time until the timer is due, `None` if it does not run. OpenSSL rounds anything below 15 ms to
/// zero.
pub(super) fn time_left(ssl: &SslRef) -> Option<Duration> {
    let mut left = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let target = (&raw mut left).cast();
    // SAFETY: this command only writes one timeval to the pointer, which outlives the call.
    let running = unsafe { openssl_sys::SSL_ctrl(ssl.as_ptr(), DTLS_CTRL_GET_TIMEOUT, 0, target) };
    let seconds = u64::try_from(left.tv_sec).unwrap_or(0);
    let microseconds = u64::try_from(left.tv_usec).unwrap_or(0);
    (running == 1).then(|| Duration::from_secs(seconds) + Duration::from_micros(microseconds))
}

/// Retransmits the last flight if the timer is due. `Err` means that OpenSSL gave the handshake up.
pub(super) fn retransmit_if_due(ssl: &SslRef) -> Result<(), ErrorStack> {
    let nothing = std::ptr::null_mut();
    // SAFETY: the command takes no argument. It changes the SSL object behind a shared reference,
    // as every OpenSSL call through `SslRef` does; the session that calls this holds the object
    // exclusively.
    let result =
        unsafe { openssl_sys::SSL_ctrl(ssl.as_ptr(), DTLS_CTRL_HANDLE_TIMEOUT, 0, nothing) };
    if result < 0 { Err(ErrorStack::get()) } else { Ok(()) }
}

/// `SSL_shutdown` and nothing else: the crate's own empties the error queue when it fails. Only a mutant wants that.
pub(super) fn shut_down(ssl: &SslRef) {
    // SAFETY: as in `retransmit_if_due`; in mid-handshake the call fails and changes nothing but the error queue.
    unsafe { openssl_sys::SSL_shutdown(ssl.as_ptr()) };
}

/// The verification result that OpenSSL answers with a fatal `bad_certificate` alert. It is here
/// because the crate has no safe constant for it.
pub(super) fn certificate_rejected() -> X509VerifyResult {
    // SAFETY: the code is one that OpenSSL defines.
    unsafe { X509VerifyResult::from_raw(openssl_sys::X509_V_ERR_CERT_REJECTED) }
}

/// Called by OpenSSL with the last wait, or zero when the timer starts anew.
unsafe extern "C" fn next_wait(ssl: *mut openssl_sys::SSL, last: c_uint) -> c_uint {
    if last > 0 {
        return last.saturating_mul(2).min(RETRANSMISSION_MICROSECONDS_MAX);
    }
    // SAFETY: OpenSSL passes the live object whose timer it starts.
    let ssl = unsafe { SslRef::from_ptr(ssl) };
    let Ok(index) = initial_wait_index() else { return FALLBACK_MICROSECONDS };
    ssl.ex_data(index).copied().unwrap_or(FALLBACK_MICROSECONDS)
}

fn initial_wait_index() -> Result<Index<Ssl, c_uint>, ErrorStack> {
    static INDEX: OnceLock<Index<Ssl, c_uint>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let index = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dtl_14_waits_double_up_to_four_seconds() {
        let nobody = std::ptr::null_mut();
        // SAFETY: with a last wait above zero the object is not looked at.
        let after = |last| unsafe { next_wait(nobody, last) };
        assert_eq!(after(400_000), 800_000);
        assert_eq!(after(3_000_000), 4_000_000);
        assert_eq!(after(c_uint::MAX), 4_000_000);
    }
}
