// Where a pair of tokens stands in the pair table. Shared by `build.rs`, which fills the table, and the crate.

/// A pair's key, spread over 64 bits. The upper 16 choose the bucket, the next 6 are the fingerprint, the whole, mixed
/// with the bucket's displacement, gives the slot.
#[inline]
pub(crate) fn spread(left: u32, right: u32) -> u64 {
    let key = (u64::from(left) << 18) | u64::from(right);
    let mixed = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// The bucket of a spread key among `1 << bits` (at most 16 bits).
#[inline]
pub(crate) fn bucket(spread: u64, bits: u32) -> usize {
    (spread >> (64 - bits)) as usize
}

/// Six bits that let most absent pairs be told apart without looking at the merge itself.
#[inline]
pub(crate) fn fingerprint(spread: u64) -> u32 {
    ((spread >> 42) & 0x3F) as u32
}

/// The slot of a spread key among `1 << bits`, given its bucket's displacement.
#[inline]
pub(crate) fn slot(spread: u64, displacement: u8, bits: u32) -> usize {
    let moved = spread ^ u64::from(displacement).wrapping_mul(0xA24B_AED4_963E_E407);
    (moved.wrapping_mul(0x9FB2_1C65_1E98_DF25) >> (64 - bits)) as usize
}
