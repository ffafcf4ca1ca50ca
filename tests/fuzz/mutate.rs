//! Mutations of a corpus, all from one stream of luck: the same seed tries the same inputs.

use convoke::seed::Stream;

/// No input grows longer, in bytes.
const BYTES_MAX: usize = 1 << 15;

/// What readers of JSON and YAML stumble over.
const WORDS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"1e999",
    b"-0.0",
    b"9007199254740993",
    b"18446744073709551616",
    b"0.1e-400",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"[[[[[[[[",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"\\",
    b"\n",
    b"\r\n",
    b"\t",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\xf0\x9f\x98\x80",
    b": ",
    b", ",
    b"- ",
    b"  ",
    b"#",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!x ",
    b"|\n",
    b"? ",
    b"---\n",
    b"...\n",
    b"%YAML 1.1\n",
    b"[1..99999999999]",
    b"[0]",
    b".phone",
    b"99999999999999999999s",
    b"1ns",
    b"-1s",
    b"resume_window + 1s",
    b"ids_max * 2",
    b"\"type\": \"request\"",
    b"\"args\": {}",
    b"after: {seen: onInvitationAdded, by: alice.web}",
    b"crowd: {count: 3, devices: [phone, web]}",
    b"at: 1s",
    b"within: 1s",
    b"covers: [SEC-3]",
    b"by: [DEV-4]",
];

/// Makes inputs out of others.
pub(crate) struct Mutator {
    luck: Stream,
    corpus: Vec<Vec<u8>>,
}

impl Mutator {
    pub(crate) fn new(luck: Stream, corpus: Vec<Vec<u8>>) -> Self {
        assert!(!corpus.is_empty(), "something to begin with");
        Self { luck, corpus }
    }

    /// The next input.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut input = self.some_entry();
        for _ in 0..=self.below(6) {
            self.mutate(&mut input);
        }
        input.truncate(BYTES_MAX);
        // Now and then one is gone on with, so that mutations add up.
        if self.below(50) == 0 {
            let index = self.below(self.corpus.len());
            if self.corpus.len() < 2_000 {
                self.corpus.push(input.clone());
            } else {
                self.corpus[index].clone_from(&input);
            }
        }
        input
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.luck.below(bound.max(1) as u64)).expect("below a usize")
    }

    fn some_entry(&mut self) -> Vec<u8> {
        let index = self.below(self.corpus.len());
        self.corpus[index].clone()
    }

    /// A piece of an input: mostly short.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.below(length + 1);
        let longest = if self.below(4) == 0 { length } else { 16 };
        let size = self.below(longest.min(length - from) + 1);
        from..from + size
    }

    /// A line of an input, its end included.
    fn line(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let at = self.below(input.len() + 1);
        let from = input[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let to = input[at..].iter().position(|byte| *byte == b'\n').map_or(input.len(), |end| at + end + 1);
        from..to
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        match self.below(9) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.luck.below(8);
                }
            }
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = u8::try_from(self.luck.below(256)).expect("a byte");
                }
            }
            2 => {
                let word = WORDS[self.below(WORDS.len())];
                input.splice(at..at, word.iter().copied());
            }
            3 => {
                let (range, word) = (self.range(input.len()), WORDS[self.below(WORDS.len())]);
                input.splice(range, word.iter().copied());
            }
            4 => {
                let range = self.range(input.len());
                input.drain(range);
            }
            5 => {
                let range = self.range(input.len());
                let copy = input[range].to_vec();
                input.splice(at..at, copy);
            }
            6 => {
                let line = self.line(input);
                let copy = input[line.clone()].to_vec();
                let to = self.line(input).start;
                if self.below(2) == 0 {
                    input.splice(to..to, copy);
                } else {
                    input.drain(line);
                }
            }
            7 => {
                let other = self.some_entry();
                let line = self.line(&other);
                let to = self.line(input).start;
                input.splice(to..to, other[line].iter().copied());
            }
            _ => {
                let other = self.some_entry();
                let range = self.range(other.len());
                input.splice(at..at, other[range].iter().copied());
            }
        }
    }
}
