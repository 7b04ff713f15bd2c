//! What the policy `learned` remembers from run to run.

use std::path::Path;

use super::policy::Record;

/// Records of earlier runs; none where there is no such file, or none that can be read: it is a cache.
pub fn load_records(path: &Path) -> Vec<Record> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let records: Vec<Record> = serde_json::from_str(&text).unwrap_or_default();
    let sound = |record: &Record| record.seconds.is_finite() && record.seconds > 0.0;
    records.into_iter().filter(sound).collect()
}

/// Keeps records, in a folder that is made where it is missing; whole or not at all.
pub fn save_records(path: &Path, records: &[Record]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut file, records)?;
    file.persist(path)?;
    Ok(())
}
