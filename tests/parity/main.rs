//! Parity: the same user-data through landfall and through Debian 13's cloud-init, in two copies of one root; the end states are
//! compared. `README.md` beside this file says what a case is, what is compared, and how the peer's results are renewed.
//!
//! | Variable | Effect |
//! |---|---|
//! | `LANDFALL_PARITY_CASES=a,b` | only cases whose names contain one of these |
//! | `LANDFALL_PARITY_RENEW=a,b` | the cases that go through cloud-init anew; also `all`, `none`; default: two, by the date |
//! | `LANDFALL_PARITY_RECORD=1` | writes the peer's results instead of comparing them |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "../lab/mod.rs"]
mod lab;

mod accounts;
mod authorities;
mod case;
mod compare;
mod content;
mod exclusions;
mod packages;
mod program;
mod provision;
mod running;
mod state;
mod stored;
mod suite;
mod tree;
