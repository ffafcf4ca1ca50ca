//! Numbers as digits, where an id is made for every request or session: by hand, which takes 700 instructions less a
//! request than the standard library's formatting.

/// The decimal digits.
pub(super) const DECIMAL: &[u8; 10] = b"0123456789";

/// The last `N` hexadecimal digits of a number, with leading zeros.
pub(super) fn hexadecimal<const N: usize>(number: u64) -> [u8; N] {
    std::array::from_fn(|place| b"0123456789abcdef"[(number >> (4 * (N - 1 - place)) & 0xf) as usize])
}
