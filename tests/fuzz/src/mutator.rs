//! Changes inputs at random, in the ways that break decoders: for a run on any toolchain. It knows nothing of
//! coverage; libFuzzer does.

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

/// The longest input that is made.
const BYTES_MAX: usize = 4_096;
/// How many changes one input gets at most.
const CHANGES_MAX: u32 = 6;
/// Numbers at the edges of their types.
const EDGES: [u64; 14] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x00ff_ffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];
/// Bytes that separate something in one of the formats.
const MARKS: &[u8] = b"\0\x01\x02\n\r :;,{}[]\"'*$+-#!=pcsdtbo0123456789%\x08\x0a\x12\x1a\x80\xff";

/// One of `corpus`, changed.
pub fn mutated(random: &mut StdRng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus.choose(random).cloned().unwrap_or_default();
    for _ in 0..random.random_range(1..=CHANGES_MAX) {
        change(random, &mut input, corpus);
    }
    input.truncate(BYTES_MAX);
    input
}

fn change(random: &mut StdRng, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = random.random_range(0..=input.len());
    let end = random.random_range(at..=input.len().min(at + 64));
    match random.random_range(0..8) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.random_range(0..8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = random.random();
            }
        }
        2 => {
            let mark = MARKS.choose(random).copied().unwrap_or_default();
            input.insert(at, mark);
        }
        3 => drop(input.drain(at..end)),
        4 => {
            let part = input.get(at..end).unwrap_or_default().to_vec();
            input.splice(at..at, part);
        }
        5 => {
            let other = corpus.choose(random).cloned().unwrap_or_default();
            let from = random.random_range(0..=other.len());
            input.splice(at..end, other.get(from..).unwrap_or_default().iter().copied());
        }
        6 => edge(random, input, at),
        _ => input.truncate(at),
    }
}

/// Overwrites bytes with a number at the edge of its type, big-endian, little-endian or in digits.
fn edge(random: &mut StdRng, input: &mut Vec<u8>, at: usize) {
    let number = EDGES.choose(random).copied().unwrap_or_default();
    let width = [1, 2, 4, 8].choose(random).copied().unwrap_or(4);
    let bytes = match random.random_range(0..3) {
        0 => number.to_be_bytes().get(8 - width..).unwrap_or_default().to_vec(),
        1 => number.to_le_bytes().get(..width).unwrap_or_default().to_vec(),
        _ => number.to_string().into_bytes(),
    };
    let end = input.len().min(at + bytes.len());
    input.splice(at..end, bytes);
}
