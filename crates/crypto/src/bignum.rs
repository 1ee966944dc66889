//! Arithmetic modulo the 3072-bit prime of RFC 3526 (group 15, which RFC 5054 uses for SRP with generator 2).
//!
//! This is the only `unsafe` code of the workspace: a thin wrapper over the big numbers of aws-lc, which are more
//! than twice as fast as the ones written in Rust. Every value that leaves this module is a [`Residue`], so the
//! conditions of the C functions (operands not negative and below the modulus) hold by construction. All operations
//! take the same time whatever the operands, apart from the reduction of values that are not below the modulus:
//! those come from outside and are public.
//!
//! The C functions called here can fail only for want of memory, and then the process ends as it does when a `Vec`
//! cannot grow.

#![expect(unsafe_code, reason = "calls the big-number functions of aws-lc, which have no safe wrapper")]

use std::{
    alloc::{Layout, handle_alloc_error},
    cell::Cell,
    ffi::c_int,
    ptr::NonNull,
    sync::OnceLock,
};

use aws_lc_sys as c;
use zeroize::Zeroizing;

mod fixed_base;

/// Bytes of the modulus, and so of every padded residue.
pub const BYTES: usize = 384;

thread_local! {
    static POWERS: Cell<u64> = const { Cell::new(0) };
}

/// How many powers this thread has computed, whichever way: the work of a password or of a step of SRP. That it is the
/// same for users that do not exist is what tests compare it for.
#[must_use]
pub fn powers_computed() -> u64 {
    POWERS.get()
}

/// An integer `r` with `0 <= r < N`. Its memory is wiped when it is dropped.
pub struct Residue(Number);

impl Residue {
    /// Reads a big-endian integer of any length and reduces it modulo N. The time taken shows the length, and
    /// whether the integer was below N.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let group = group();
        let number = Number::from_bytes(bytes);
        // SAFETY: both pointers are valid numbers; the function only reads them.
        let is_below = unsafe { c::BN_ucmp(number.pointer(), group.modulus.pointer()) } < 0;
        if is_below {
            return Self(number);
        }
        let (result, scratch) = (Number::zero(), Scratch::new());
        // SAFETY: all pointers are valid and distinct; the modulus is positive.
        check(unsafe { c::BN_nnmod(result.pointer(), number.pointer(), group.modulus.pointer(), scratch.pointer()) });
        Self(result)
    }

    /// The big-endian bytes, padded with zeros on the left.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; BYTES]> {
        self.0.to_bytes()
    }

    /// Whether this is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        // SAFETY: the pointer is a valid number; the function only reads it.
        unsafe { c::BN_is_zero(self.0.pointer()) == 1 }
    }

    /// `self` to the power of a big-endian exponent of any length. The time taken shows only that length.
    #[must_use]
    pub fn power(&self, exponent: &[u8]) -> Self {
        POWERS.set(POWERS.get() + 1);
        let group = group();
        let (result, exponent, scratch) = (Number::zero(), Number::from_bytes(exponent), Scratch::new());
        // SAFETY: all pointers are valid, the result is distinct from the operands, the base is a residue and so
        // below the modulus, and the Montgomery context is the one of this modulus.
        check(unsafe {
            c::BN_mod_exp_mont_consttime(
                result.pointer(),
                self.0.pointer(),
                exponent.pointer(),
                group.modulus.pointer(),
                scratch.pointer(),
                group.montgomery.pointer(),
            )
        });
        Self(result)
    }

    /// The generator 2 to the power of a 256-bit big-endian exponent, from a table that is computed at the first
    /// call (a few milliseconds, 393 kB). Three to four times faster than [`power`](Self::power), which calls take that
    /// come while the table is being computed.
    #[must_use]
    pub fn generator_power(exponent: &[u8; 32]) -> Self {
        match fixed_base::power(group(), exponent) {
            Some(power) => {
                POWERS.set(POWERS.get() + 1);
                power
            }
            None => Self(Number::from_bytes(&[2])).power(exponent),
        }
    }

    /// `self * other mod N`.
    #[must_use]
    pub fn product(&self, other: &Self) -> Self {
        let (group, scratch) = (group(), Scratch::new());
        // One factor in Montgomery form makes the factor R of that form cancel out.
        let mut result = group.montgomery_form(&self.0, &scratch);
        group.multiply(&mut result, &other.0, &scratch);
        Self(result)
    }

    /// `self + other mod N`.
    #[must_use]
    pub fn sum(&self, other: &Self) -> Self {
        let result = Number::zero();
        // SAFETY: all pointers are valid, and both operands are below the modulus.
        check(unsafe {
            c::BN_mod_add_quick(result.pointer(), self.0.pointer(), other.0.pointer(), group().modulus.pointer())
        });
        Self(result)
    }

    /// `self - other mod N`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let result = Number::zero();
        // SAFETY: all pointers are valid, and both operands are below the modulus.
        check(unsafe {
            c::BN_mod_sub_quick(result.pointer(), self.0.pointer(), other.0.pointer(), group().modulus.pointer())
        });
        Self(result)
    }
}

impl std::fmt::Debug for Residue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Residue")
    }
}

/// The big-endian bytes of N.
#[must_use]
pub fn modulus() -> [u8; BYTES] {
    *group().modulus.to_bytes()
}

/// The modulus and what is precomputed for it.
struct Group {
    modulus: Number,
    montgomery: Montgomery,
}

impl Group {
    fn new() -> Self {
        let modulus = Number::zero();
        // SAFETY: the pointer is a valid number, which the function overwrites.
        check(c_int::from(!unsafe { c::BN_get_rfc3526_prime_3072(modulus.pointer()) }.is_null()));
        let scratch = Scratch::new();
        // SAFETY: both pointers are valid and the modulus is odd; the context copies what it needs.
        let montgomery = unsafe { c::BN_MONT_CTX_new_consttime(modulus.pointer(), scratch.pointer()) };
        Self { montgomery: Montgomery(not_null(montgomery)), modulus }
    }

    /// A residue in Montgomery form.
    fn montgomery_form(&self, number: &Number, scratch: &Scratch) -> Number {
        let result = Number::zero();
        // SAFETY: all pointers are valid and the operand is below the modulus.
        check(unsafe {
            c::BN_to_montgomery(result.pointer(), number.pointer(), self.montgomery.pointer(), scratch.pointer())
        });
        result
    }

    /// A residue out of its Montgomery form.
    fn out_of_montgomery(&self, number: &Number, scratch: &Scratch) -> Number {
        let result = Number::zero();
        // SAFETY: all pointers are valid and the operand is below the modulus.
        check(unsafe {
            c::BN_from_montgomery(result.pointer(), number.pointer(), self.montgomery.pointer(), scratch.pointer())
        });
        result
    }

    /// Multiplies `number` by `factor`; in Montgomery form if both are.
    fn multiply(&self, number: &mut Number, factor: &Number, scratch: &Scratch) {
        // SAFETY: all pointers are valid, both operands are below the modulus, and the function allows the result
        // to be one of the operands.
        check(unsafe {
            c::BN_mod_mul_montgomery(
                number.pointer(),
                number.pointer(),
                factor.pointer(),
                self.montgomery.pointer(),
                scratch.pointer(),
            )
        });
    }
}

fn group() -> &'static Group {
    static GROUP: OnceLock<Group> = OnceLock::new();
    GROUP.get_or_init(Group::new)
}

/// An owned big number, wiped when dropped. Those made here are never negative.
struct Number(NonNull<c::BIGNUM>);

// SAFETY: the number is owned by this value alone, and nothing in it belongs to a thread.
unsafe impl Send for Number {}
// SAFETY: what can be reached through a shared reference only reads the number, except in this module, where a
// number is written only while the function that has just made it, or borrows it mutably, holds it.
unsafe impl Sync for Number {}

impl Number {
    fn zero() -> Self {
        // SAFETY: takes no arguments; the result is ours to free.
        Self(not_null(unsafe { c::BN_new() }))
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut number = Self::zero();
        number.set_bytes(bytes);
        number
    }

    fn set_bytes(&mut self, bytes: &[u8]) {
        // SAFETY: the pointer and length are those of a slice, and the number is valid.
        check(c_int::from(!unsafe { c::BN_bin2bn(bytes.as_ptr(), bytes.len(), self.pointer()) }.is_null()));
    }

    fn to_bytes(&self) -> Zeroizing<[u8; BYTES]> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        // SAFETY: the buffer has the length that is given, and the number is valid. Every number that is read out
        // is the modulus or below it, so it fits.
        check(unsafe { c::BN_bn2bin_padded(bytes.as_mut_ptr(), BYTES, self.pointer()) });
        bytes
    }

    const fn pointer(&self) -> *mut c::BIGNUM {
        self.0.as_ptr()
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        // SAFETY: the number is ours and is not used again.
        unsafe { c::BN_clear_free(self.pointer()) }
    }
}

/// Temporary numbers for the C functions.
struct Scratch(NonNull<c::BN_CTX>);

impl Scratch {
    fn new() -> Self {
        // SAFETY: takes no arguments; the result is ours to free.
        Self(not_null(unsafe { c::BN_CTX_new() }))
    }

    const fn pointer(&self) -> *mut c::BN_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: the context is ours and is not used again.
        unsafe { c::BN_CTX_free(self.pointer()) }
    }
}

/// What is precomputed for Montgomery multiplication.
struct Montgomery(NonNull<c::BN_MONT_CTX>);

// SAFETY: owned by this value alone, and nothing in it belongs to a thread.
unsafe impl Send for Montgomery {}
// SAFETY: written once by its constructor; every later use takes a pointer to const.
unsafe impl Sync for Montgomery {}

impl Montgomery {
    const fn pointer(&self) -> *const c::BN_MONT_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Montgomery {
    fn drop(&mut self) {
        // SAFETY: the context is ours and is not used again.
        unsafe { c::BN_MONT_CTX_free(self.0.as_ptr()) }
    }
}

/// Ends the process when a C function did not report success.
fn check(status: c_int) {
    if status != 1 {
        out_of_memory()
    }
}

fn not_null<T>(pointer: *mut T) -> NonNull<T> {
    NonNull::new(pointer).unwrap_or_else(|| out_of_memory())
}

fn out_of_memory() -> ! {
    handle_alloc_error(Layout::new::<[u8; BYTES]>())
}

#[cfg(test)]
mod tests;
