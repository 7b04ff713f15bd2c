use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// What the names of files begin with that are not whole yet.
const PREFIX: &str = ".gpu-mlp-";

/// A file that is there whole, or as it was: written under a temporary name beside its place, synced and renamed.
///
/// A link is followed, so that the file behind it is replaced. A device or a pipe cannot be renamed over and is written to
/// as it is.
#[derive(Debug)]
pub struct WholeFile(Kind);

#[derive(Debug)]
enum Kind {
    Regular {
        file: BufWriter<NamedTempFile>,
        place: PathBuf,
    },
    Special(BufWriter<File>),
}

impl WholeFile {
    /// Begins to write `path`.
    pub fn create(path: &Path) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            let file = OpenOptions::new().write(true).open(path)?;
            return Ok(WholeFile(Kind::Special(BufWriter::new(file))));
        }
        // A link without a file behind it is replaced itself.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        // Temporary files are their owner's alone; this one becomes a file as any other, as the umask says.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder(&place))?;
        // Without it a file that is written may be taken for one that was left.
        let _ = file.as_file().try_lock();
        let file = BufWriter::new(file);
        Ok(WholeFile(Kind::Regular { file, place }))
    }

    /// Whether a path is that of a file which was begun and not finished.
    pub fn is_temporary(path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(PREFIX))
    }

    /// Whether it is one that nobody writes to any more.
    pub fn is_left(path: &Path) -> bool {
        let free = |file: File| file.try_lock().is_ok();
        WholeFile::is_temporary(path) && File::open(path).is_ok_and(free)
    }

    /// Writes over what was written first; only in a regular file.
    pub fn rewrite_start(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Kind::Regular { file, .. } => {
                file.rewind()?;
                file.write_all(bytes)
            }
            Kind::Special(_) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }

    /// Puts the file in its place.
    pub fn finish(self) -> io::Result<()> {
        match self.0 {
            Kind::Special(mut file) => file.flush(),
            Kind::Regular { file, place } => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.as_file().sync_all()?;
                file.persist(&place).map_err(|error| error.error)?;
                // The rename itself is safe once the folder is; not every system lets a folder be opened for that.
                if let Ok(folder) = File::open(folder(&place)) {
                    let _ = folder.sync_all();
                }
                Ok(())
            }
        }
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Regular { file, .. } => file.write(bytes),
            Kind::Special(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Kind::Regular { file, .. } => file.flush(),
            Kind::Special(file) => file.flush(),
        }
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_there_before_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("answers");
        let mut file = WholeFile::create(&path).expect("it is begun");
        file.write_all(b"0000rest").expect("written");
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        let mut file = WholeFile::create(&path).expect("it is begun");
        file.write_all(b"0000rest").expect("written");
        file.rewrite_start(b"head").expect("written");
        file.finish().expect("put in its place");
        assert_eq!(fs::read(&path).expect("it is there"), b"headrest");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_others_may_read() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        File::create(&path).expect("a file");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let usual = fs::metadata(&path).expect("it is there").permissions();
        let mut file = WholeFile::create(&link).expect("it is begun");
        file.write_all(b"new").expect("written");
        file.finish().expect("put in its place");
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        assert_eq!(fs::read(&path).expect("it is there"), b"new");
        let found = fs::metadata(&path).expect("it is there").permissions();
        assert_eq!(found.mode() & 0o777, usual.mode() & 0o777);
    }
}
