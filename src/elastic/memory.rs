//! What the policy `learned` remembers from run to run.

use std::path::Path;

use super::policy::Record;

/// Records of earlier runs; none where there is no such file. An error is a notice: the file is of no use, as a cache may be.
pub fn load_records(path: &Path) -> Result<Vec<Record>, String> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    let records: Vec<Record> = serde_json::from_slice(&text).map_err(|error| {
        let path = path.display();
        format!("{path} is ignored, and made anew: it is damaged ({error})")
    })?;
    let sound = |record: &Record| record.seconds.is_finite() && record.seconds > 0.0;
    Ok(records.into_iter().filter(sound).collect())
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
