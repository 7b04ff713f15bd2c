//! Pipelines as the driver compiled them, kept in a folder for the next start, where the driver can.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::device::Device;

/// Begins every file; its last byte is the version of the format.
const MAGIC: &[u8] = b"gpu-mlp\x01";

/// The driver's cache, and the file that it came from.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) cache: wgpu::PipelineCache,
    file: PathBuf,
    adapter: String,
}

impl Kept {
    /// With what the folder has of the device; `None` if its driver hands out no pipelines.
    pub(super) fn open(device: &Device, folder: &Path) -> Option<Kept> {
        let features = device.handle.features();
        if !features.contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let name = format!(
            "pipelines-{:08x}.bin",
            crc32fast::hash(device.name.as_bytes())
        );
        let file = folder.join(name);
        let whole = std::fs::read(&file).unwrap_or_default();
        let data = unwrap(&whole, &device.name);
        if data.is_none() && !whole.is_empty() {
            log::warn!(
                "{} is ignored, and made anew: it is damaged, or of another driver",
                file.display()
            );
        }
        // SAFETY: `data` has to be what `PipelineCache::get_data` returned. `save` alone writes the file, whole or not at all, and
        // writes nothing else into it; `unwrap` lets nothing through that does not begin as `save` has it, is not of this adapter
        // and driver, or does not have the checksum that `save` gave it. What else is of another version wgpu and the
        // driver find in their own headers, and with `fallback` they begin with nothing then.
        let cache = unsafe {
            device
                .handle
                .create_pipeline_cache(&wgpu::PipelineCacheDescriptor {
                    label: Some("pipelines"),
                    data,
                    fallback: true,
                })
        };
        Some(Kept {
            cache,
            file,
            adapter: device.name.clone(),
        })
    }

    /// Writes what the driver has; what cannot be written is compiled again next time.
    pub(super) fn save(&self) {
        let Some(data) = self.cache.get_data() else {
            return;
        };
        if let Err(error) = write(&self.file, &wrap(&data, &self.adapter)) {
            log::debug!("{} cannot be written: {error}", self.file.display());
        }
    }
}

/// The file is whole at any time: it is written beside, then renamed.
pub(super) fn write(file: &Path, contents: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(contents)?;
    beside.persist(file)?;
    Ok(())
}

/// A file: what it is, a checksum of the rest, the adapter's name with its length before it, and the driver's data.
fn wrap(data: &[u8], adapter: &str) -> Vec<u8> {
    let mut rest = (adapter.len() as u32).to_le_bytes().to_vec();
    rest.extend(adapter.as_bytes());
    rest.extend(data);
    let sum = crc32fast::hash(&rest).to_le_bytes();
    [MAGIC, &sum, &rest].concat()
}

/// The driver's data of a file that is whole and of this adapter.
fn unwrap<'a>(whole: &'a [u8], adapter: &str) -> Option<&'a [u8]> {
    let (sum, rest) = whole.strip_prefix(MAGIC)?.split_at_checked(4)?;
    if crc32fast::hash(rest).to_le_bytes() != sum {
        return None;
    }
    let (len, rest) = rest.split_at_checked(4)?;
    let rest = (len == (adapter.len() as u32).to_le_bytes()).then_some(rest)?;
    rest.strip_prefix(adapter.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_sees_no_bytes_but_its_own() {
        let whole = wrap(b"compiled", "an adapter");
        assert_eq!(unwrap(&whole, "an adapter"), Some(&b"compiled"[..]));
        assert_eq!(unwrap(&whole, "another one"), None);
        assert_eq!(unwrap(&whole, "an"), None);
        for len in 0..whole.len() {
            assert_eq!(unwrap(&whole[..len], "an adapter"), None, "{len}");
        }
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 4;
            assert_eq!(unwrap(&flipped, "an adapter"), None, "{place}");
        }
    }
}
