//! Chance that can be repeated, and two hosts at a time.

use std::collections::VecDeque;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

/// Full size was asked for.
pub fn long() -> bool {
    std::env::var("LANDFALL_LONG").is_ok_and(|value| value == "1")
}

/// `LANDFALL_POWER_SEED`, or the time.
pub fn seed() -> u64 {
    match std::env::var("LANDFALL_POWER_SEED") {
        Ok(text) => text.parse().expect("LANDFALL_POWER_SEED is a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs()),
    }
}

/// SplitMix64.
pub struct Chance(pub u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    #[allow(clippy::cast_precision_loss)]
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            let other = usize::try_from(self.next() % (end as u64 + 1)).expect("an index");
            items.swap(end, other);
        }
    }
}

/// Hosts that may run at the same time, over all tests of this binary.
const AT_ONCE: usize = 2;
static FREE: Mutex<usize> = Mutex::new(AT_ONCE);
static FREED: Condvar = Condvar::new();

struct Slot;

impl Slot {
    fn take() -> Self {
        let mut free = FREED.wait_while(FREE.lock().unwrap(), |free| *free == 0).unwrap();
        *free -= 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *FREE.lock().unwrap() += 1;
        FREED.notify_one();
    }
}

/// Does `work` on every item, two at a time. A panic is the item's result, as text.
pub fn each<T: Send, R: Send>(items: Vec<T>, work: impl Fn(&T) -> R + Sync) -> Vec<(T, Result<R, String>)> {
    let queue = Mutex::new(items.into_iter().enumerate().collect::<VecDeque<_>>());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| loop {
                let Some((at, item)) = queue.lock().unwrap().pop_front() else { return };
                let slot = Slot::take();
                let result = catch_unwind(AssertUnwindSafe(|| work(&item))).map_err(|panic| {
                    panic
                        .downcast_ref::<String>()
                        .cloned()
                        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                        .unwrap_or_default()
                });
                drop(slot);
                done.lock().unwrap().push((at, item, result));
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, ..)| *at);
    done.into_iter().map(|(_, item, result)| (item, result)).collect()
}
