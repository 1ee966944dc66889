//! Powers of 2 with a 256-bit secret exponent, from a table: 64 multiplications instead of 256 squarings and more.
//!
//! The exponent is read in windows of four bits. For each window the table holds the sixteen powers that it can
//! stand for, in Montgomery form. An entry is picked by reading all sixteen and masking, so that neither time nor
//! the cache shows which one it was.

use std::{
    array,
    hint::black_box,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use zeroize::{Zeroize, Zeroizing};

use super::{BYTES, Group, Number, Residue, Scratch};

/// Windows of four bits in a 256-bit exponent.
const WINDOWS: usize = 64;
/// Values of one window.
const ENTRIES: usize = 16;
/// 64-bit words of an entry.
const WORDS: usize = BYTES / 8;

/// An entry in words, for fast masking: the big-endian bytes in groups of eight, each as the machine stores them.
type Entry = [u64; WORDS];

/// `2^exponent mod N`, unless another thread is at computing the table.
pub(super) fn power(group: &'static Group, exponent: &[u8; 32]) -> Option<Residue> {
    let table = table(group)?;
    let scratch = Scratch::new();
    let mut factor = Number::zero();
    let mut result: Option<Number> = None;
    for (entries, window) in table.iter().zip(windows(exponent)) {
        let bytes = select(entries, window);
        match &mut result {
            None => result = Some(Number::from_bytes(bytes.as_ref())),
            Some(result) => {
                factor.set_bytes(bytes.as_ref());
                group.multiply(result, &factor, &scratch);
            }
        }
    }
    Some(Residue(group.out_of_montgomery(&result.unwrap_or_else(Number::zero), &scratch)))
}

/// The windows of a big-endian exponent, the lowest first.
fn windows(exponent: &[u8; 32]) -> impl Iterator<Item = u8> {
    exponent.iter().rev().flat_map(|byte| [byte & 0x0f, byte >> 4])
}

/// The entry with this number, in a time and with memory accesses that do not depend on the number.
fn select(entries: &[Entry; ENTRIES], number: u8) -> Zeroizing<[u8; BYTES]> {
    let mut selected: Entry = [0; WORDS];
    for (candidate, entry) in (0_u64..).zip(entries) {
        // All ones when they are equal, otherwise zero. Hidden from the optimiser, lest it make a branch of it.
        let difference = candidate ^ u64::from(number);
        let mask = black_box(0_u64.wrapping_sub(difference.wrapping_sub(1) >> 63));
        for (into, word) in selected.iter_mut().zip(entry) {
            *into |= word & mask;
        }
    }
    let mut bytes = Zeroizing::new([0; BYTES]);
    for (into, word) in bytes.chunks_exact_mut(8).zip(&selected) {
        into.copy_from_slice(&word.to_ne_bytes());
    }
    selected.zeroize();
    bytes
}

/// The table, computed by whoever asks first. To wait for it would cost the others more than to do without it once.
fn table(group: &Group) -> Option<&'static [[Entry; ENTRIES]]> {
    static TABLE: OnceLock<Vec<[Entry; ENTRIES]>> = OnceLock::new();
    static ASKED: AtomicBool = AtomicBool::new(false);
    if ASKED.swap(true, Ordering::Relaxed) {
        return TABLE.get().map(Vec::as_slice);
    }
    Some(TABLE.get_or_init(|| build(group)))
}

/// For window `w` and value `j`: `2^(j * 16^w)` in Montgomery form.
fn build(group: &Group) -> Vec<[Entry; ENTRIES]> {
    let scratch = Scratch::new();
    let one = group.montgomery_form(&Number::from_bytes(&[1]), &scratch);
    let mut base = group.montgomery_form(&Number::from_bytes(&[2]), &scratch);
    (0..WINDOWS)
        .map(|_| {
            let mut power = Number::from_bytes(one.to_bytes().as_ref());
            let entries = array::from_fn(|_| {
                let entry = to_words(&power);
                group.multiply(&mut power, &base, &scratch);
                entry
            });
            // After sixteen multiplications the power is the base of the next window.
            base = power;
            entries
        })
        .collect()
}

fn to_words(number: &Number) -> Entry {
    let bytes = number.to_bytes();
    let mut words = bytes.chunks_exact(8).map(|chunk| u64::from_ne_bytes(chunk.try_into().unwrap_or_default()));
    array::from_fn(|_| words.next().unwrap_or_default())
}
