//! Hash slots: where Redis Cluster keeps a key.
//!
//! Owns the checksum that slots and partitions are both computed with. Which node serves a slot is the
//! cluster's to tell.

use std::sync::LazyLock;

use crc::{CRC_16_XMODEM, Crc, Table};

static CRC16: LazyLock<Crc<u16, Table<1>>> = LazyLock::new(|| Crc::<u16, Table<1>>::new(&CRC_16_XMODEM));

/// How many slots Redis Cluster has.
pub const SLOTS: u16 = 16_384;

/// CRC16/XMODEM, Redis Cluster's own.
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    CRC16.checksum(bytes)
}

/// The slot of a key: of what stands between its first braces where there is something, else of all of it.
///
/// ```
/// use candlewire_common::slot::slot_of;
///
/// assert_eq!(slot_of("cw:{3}:candles"), slot_of("cw:{3}:signals"));
/// assert_eq!(slot_of("123456789"), 12_739);
/// ```
pub fn slot_of(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    crc16(tag.filter(|tag| !tag.is_empty()).unwrap_or(key).as_bytes()) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_cluster_keyslot() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        // CLUSTER KEYSLOT, as Redis 7.0 answers it.
        for (key, slot) in [("foo{bar}baz", 5_061), ("foo{}bar", 14_292), ("foo{{bar}}zap", 4_015), ("cw:meta", 1_232)]
        {
            assert_eq!(slot_of(key), slot, "{key}");
        }
    }
}
