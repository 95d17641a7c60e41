//! Every weakness of the table is caught by the race that the table names.

#![cfg(loom)]

use webrtc_server_loom_tests::explore::catch;
use webrtc_server_loom_tests::races::named;
use webrtc_server_loom_tests::table::{Shown, rows};

#[test]
fn every_weakness_of_the_table_is_caught() {
    for row in rows() {
        match row.shown {
            Shown::Caught(weakness, race, says) => catch(weakness, &named(race), says),
            Shown::NothingWeaker(_) => {}
        }
    }
}
