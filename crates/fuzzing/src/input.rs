//! From bytes to what a target needs.

/// The first byte, which picks one of several ways, and the rest. Seeds begin with a digit there.
#[must_use]
pub fn choice(data: &[u8], ways: usize) -> Option<(usize, &[u8])> {
    let (first, rest) = data.split_first()?;
    // The digit 0 is the first way.
    Some((usize::from(first.wrapping_sub(b'0')) % ways, rest))
}

/// The first line, without its end, and what follows it.
#[must_use]
pub fn line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

/// What becomes of something valid when it is tampered with: `patch` is a list of places, two bytes each, with a byte
/// that is laid over what stands there (exclusive or). Nothing where that changes nothing.
#[must_use]
pub fn patched(valid: &[u8], patch: &[u8]) -> Option<Vec<u8>> {
    let mut changed = valid.to_vec();
    for entry in patch.chunks_exact(3) {
        let [high, low, mask] = entry else { break };
        let place = usize::from(u16::from_be_bytes([*high, *low])) % changed.len().max(1);
        if let Some(byte) = changed.get_mut(place) {
            *byte ^= mask;
        }
    }
    (changed != valid).then_some(changed)
}
