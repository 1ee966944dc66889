//! Memory of the threads that answer requests. The operating system provides each page when it is first touched, which
//! takes some microseconds; without this, the first request of each thread would wait for some forty of them.

use std::{
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering},
};

/// How many threads are treated so. Those that answer requests are started first; a server with many cores is to stay
/// small while it is idle, and other threads are slower once, by a fraction of a millisecond.
const THREADS: usize = 8;
/// How much of its stack a thread uses for a sign-in, in bytes; 92 KiB have been seen.
const STACK: usize = 128 * 1_024;
/// How much memory it allocates for one, in bytes; 70 KiB have been seen. So much at once stays with the thread when it
/// is given back.
const HEAP: usize = 96 * 1_024;

static STARTED: AtomicUsize = AtomicUsize::new(0);

/// Uses memory as a request would. To be called by a thread when it starts.
pub fn touch_memory() {
    if STARTED.fetch_add(1, Ordering::Relaxed) < THREADS {
        black_box(vec![1_u8; HEAP]);
        touch_stack();
    }
}

/// In a function of its own, so that no caller's part of the stack holds this.
#[inline(never)]
fn touch_stack() {
    let pages = [1_u8; STACK];
    black_box(&pages);
}
