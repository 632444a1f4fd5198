//! Makes the ready-to-use tables from the committed merges, so that nothing is built when the gateway runs: a
//! double-array trie over the tokens' bytes, and a hash table without empty-slot searches over the merged pairs.

// A build that cannot make the tables must stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[path = "src/pair_hash.rs"]
mod pair_hash;

/// A unit no child can match: its label is none of the 257.
const FREE: u32 = 511;
/// Bit of a unit that stands for a token no other token continues; its payload is the token.
const LEAF: u32 = 1 << 9;
/// Bit of a unit that stands for a token and has children; the token is in the unit at its base.
const TOKEN: u32 = 1 << 10;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/pair_hash.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap());
    let mut source = String::new();
    for (name, slot_bits) in [("o200k_base", 18), ("cl100k_base", 17)] {
        let path = format!("tables/{name}.merges");
        println!("cargo::rerun-if-changed={path}");
        let merges = std::fs::read(&path).unwrap();
        let (bytes, rest) = merges.split_at(256);
        let rank = |three: &[u8]| u32::from_le_bytes([three[0], three[1], three[2], 0]);
        let pairs: Vec<(u32, u32)> =
            rest.chunks_exact(6).map(|pair| (rank(&pair[..3]), rank(&pair[3..]))).collect();
        let mut tokens: Vec<Vec<u8>> = bytes.iter().map(|byte| vec![*byte]).collect();
        for (left, right) in &pairs {
            tokens.push([tokens[*left as usize].as_slice(), tokens[*right as usize].as_slice()].concat());
        }
        let longest = tokens.iter().map(Vec::len).max().unwrap();
        write(&out, &format!("{name}.trie"), trie(&tokens).into_iter().flat_map(u32::to_le_bytes));
        let (displacements, slots) = pair_table(&pairs, slot_bits);
        write(&out, &format!("{name}.displacements"), displacements);
        write(
            &out,
            &format!("{name}.pairs"),
            slots.into_iter().flat_map(|slot| slot.to_le_bytes().into_iter().take(3)),
        );
        writeln!(
            source,
            "/// The tables of `{name}`.\n\
             pub(crate) static {}: Vocabulary = Vocabulary {{\n\
             \x20   trie: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.trie\")).as_chunks().0,\n\
             \x20   merges: include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/{path}\")).split_at(256).1.as_chunks().0,\n\
             \x20   displacements: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.displacements\")),\n\
             \x20   pairs: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.pairs\")).as_chunks().0,\n\
             \x20   pair_slot_bits: {slot_bits},\n\
             \x20   longest_token: {longest},\n\
             }};",
            name.to_uppercase()
        )
        .unwrap();
    }
    std::fs::write(out.join("vocabularies.rs"), source).unwrap();
}

fn write(out: &Path, name: &str, bytes: impl IntoIterator<Item = u8>) {
    std::fs::write(out.join(name), bytes.into_iter().collect::<Vec<u8>>()).unwrap();
}

/// One node of the trie before it is laid out.
#[derive(Default)]
struct Node {
    token: Option<u32>,
    /// Labels (byte + 1) and nodes, ascending.
    children: Vec<(u32, u32)>,
}

/// Which units and bases are taken.
#[derive(Default)]
struct Room {
    /// For a free unit itself, for a taken one some later unit before which all are taken.
    next_free: Vec<usize>,
    is_base: Vec<bool>,
}

impl Room {
    /// The first free unit from `at` on.
    fn free_from(&mut self, at: usize) -> usize {
        if self.next_free.len() < at + 1024 {
            self.next_free.extend(self.next_free.len()..at + 2048);
            self.is_base.resize(self.next_free.len(), false);
        }
        let mut free = at;
        while self.next_free[free] != free {
            free = self.next_free[free];
        }
        let mut walked = at;
        while walked != free {
            walked = std::mem::replace(&mut self.next_free[walked], free);
        }
        if free + 512 < self.next_free.len() { free } else { self.free_from(free) }
    }

    /// Takes `base` and the units of `codes` if all of them are free.
    fn takes(&mut self, base: usize, codes: &[usize]) -> bool {
        let fits = !self.is_base[base] && codes.iter().all(|code| self.next_free[base + code] == base + code);
        if fits {
            self.is_base[base] = true;
            for code in codes {
                self.next_free[base + code] = base + code + 1;
            }
        }
        fits
    }
}

/// Lays the trie over `tokens` out as units of 32 bits: label (9 bits; the byte that leads here plus one, 0 for a
/// token's own unit), [`LEAF`], [`TOKEN`], and 21 bits of base or token. A child stands at base plus label; no two
/// nodes share a base, so the label alone says whose child a unit is. The root's base is 0.
fn trie(tokens: &[Vec<u8>]) -> Vec<u32> {
    let mut sorted: Vec<(&[u8], u32)> =
        tokens.iter().zip(0..).map(|(token, id)| (token.as_slice(), id)).collect();
    sorted.sort_unstable();
    let mut nodes = vec![Node::default()];
    let mut path = vec![0_usize];
    let mut previous: &[u8] = &[];
    for (token, id) in sorted {
        let shared = previous.iter().zip(token).take_while(|(a, b)| a == b).count();
        path.truncate(shared + 1);
        for byte in &token[shared..] {
            let node = nodes.len();
            nodes.push(Node::default());
            nodes[*path.last().unwrap()].children.push((u32::from(*byte) + 1, node as u32));
            path.push(node);
        }
        nodes[*path.last().unwrap()].token = Some(id);
        previous = token;
    }

    // Wide nodes first, while there is room; the many nodes with one child then fill the holes. The sort is stable:
    // among equals the order of the bytes is kept, so neighbours stay near each other.
    let mut order: Vec<usize> = (0..nodes.len()).filter(|node| !nodes[*node].children.is_empty()).collect();
    order.sort_by_key(|node| {
        std::cmp::Reverse(if *node == 0 { usize::MAX } else { nodes[*node].children.len() })
    });
    let mut room = Room::default();
    let mut bases = vec![0_usize; nodes.len()];
    let mut search_from = 0;
    let mut width = usize::MAX;
    for node in order {
        let mut codes: Vec<usize> = Vec::new();
        if nodes[node].token.is_some() {
            codes.push(0);
        }
        codes.extend(nodes[node].children.iter().map(|(label, _)| *label as usize));
        if codes.len() < width {
            (width, search_from) = (codes.len(), 0);
        }
        let mut at = room.free_from(search_from.max(codes[0]));
        let mut tried = 0;
        while !room.takes(at - codes[0], &codes) {
            at = room.free_from(at + 1);
            tried += 1;
            // Where so much was tried in vain, the next node of this width need not look again.
            if tried == 100 {
                search_from = at;
            }
        }
        bases[node] = at - codes[0];
        assert!(node != 0 || bases[node] == 0, "the root comes first");
    }
    let used = room.next_free.len();
    let used = (0..used).rev().find(|at| room.next_free[*at] != *at).unwrap() + 1;
    let mut units = vec![FREE; used];
    for (node, base) in nodes.iter().zip(&bases).filter(|(node, _)| !node.children.is_empty()) {
        if let Some(id) = node.token {
            units[*base] = id << 11;
        }
        for (label, child) in &node.children {
            let (payload, flags) = match &nodes[*child as usize] {
                Node { token: Some(id), children } if children.is_empty() => (*id, LEAF),
                Node { token, .. } => {
                    (bases[*child as usize] as u32, if token.is_some() { TOKEN } else { 0 })
                }
            };
            assert!(payload < 1 << 21);
            units[*base + *label as usize] = (payload << 11) | flags | label;
        }
    }
    units
}

/// Hash and displace: for each bucket of pairs a displacement under which all of them land in slots of their own.
/// A slot holds the merged token (18 bits) and the pair's fingerprint (6 bits).
fn pair_table(pairs: &[(u32, u32)], slot_bits: u32) -> (Vec<u8>, Vec<u32>) {
    let bucket_bits = slot_bits - 2;
    let mut buckets: Vec<Vec<(u64, u32)>> = vec![Vec::new(); 1 << bucket_bits];
    for ((left, right), merged) in pairs.iter().zip(256_u32..) {
        let spread = pair_hash::spread(*left, *right);
        buckets[pair_hash::bucket(spread, bucket_bits)].push((spread, merged));
    }
    let mut order: Vec<usize> = (0..buckets.len()).collect();
    order.sort_by_key(|bucket| std::cmp::Reverse(buckets[*bucket].len()));
    let mut displacements = vec![0_u8; buckets.len()];
    let mut slots = vec![0xFF_FFFF_u32; 1 << slot_bits];
    for bucket in order {
        let (displacement, wanted) = (0..=255_u8)
            .find_map(|displacement| {
                let mut wanted: Vec<usize> = buckets[bucket]
                    .iter()
                    .map(|(spread, _)| pair_hash::slot(*spread, displacement, slot_bits))
                    .collect();
                let free = wanted.iter().all(|slot| slots[*slot] == 0xFF_FFFF);
                let placed = wanted.clone();
                wanted.sort_unstable();
                wanted.dedup();
                (free && wanted.len() == placed.len()).then_some((displacement, placed))
            })
            .expect("no displacement fits: change the constants of src/pair_hash.rs");
        displacements[bucket] = displacement;
        for ((spread, merged), slot) in buckets[bucket].iter().zip(wanted) {
            assert!(*merged < 0x3_FFFF);
            slots[slot] = (merged << 6) | pair_hash::fingerprint(*spread);
        }
    }
    (displacements, slots)
}
