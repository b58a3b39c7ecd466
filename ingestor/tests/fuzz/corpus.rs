//! The seeds of the fuzz targets: documented messages of each venue, and what has broken a target before.

use std::path::Path;
use std::{fs, io};

/// One input of a corpus.
pub(crate) struct Seed {
    /// The name of its file.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) input: Vec<u8>,
}

/// Reads a target's corpus, in the order of the names.
pub(crate) fn seeds(target: &str) -> io::Result<Vec<Seed>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let seed = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok(Seed { name: entry.file_name().to_string_lossy().into_owned(), input: fs::read(entry.path())? })
    };
    let mut seeds = fs::read_dir(folder)?.map(seed).collect::<io::Result<Vec<Seed>>>()?;
    seeds.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(seeds)
}
