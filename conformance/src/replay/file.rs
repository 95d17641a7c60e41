//! Traces in files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use webrtc_server_model::itf::{self, ItfError};
use webrtc_server_model::{Config, Trace};

use super::report::ReplayError;
use super::support;
use super::support::Target;

/// How the name of a file ends that holds a trace.
const SUFFIX: &str = ".itf.json";

/// Why a file is not performed. Each names the file.
#[derive(Debug, Error)]
pub enum FileError {
    /// It is not there, or may not be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file or the directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A directory without traces.
    #[error("{}: no *{SUFFIX} is in it", path.display())]
    NoTraces {
        /// The directory.
        path: PathBuf,
    },
    /// It holds no trace of the model.
    #[error("{}: {error}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The place in it, and what is wrong there.
        error: Box<ItfError>,
    },
    /// It holds a trace in which nothing happens.
    #[error("{}: nothing happens in it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It holds a trace that cannot be performed.
    #[error("{}: {error}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: ReplayError,
    },
}

/// A file with a trace that can be performed.
#[derive(Clone, Debug)]
pub struct TraceFile {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub trace: Trace,
    /// The bounds of the trace.
    pub config: Config,
}

/// The traces of these files, and of all `*.itf.json` in these directories, to be performed on this target.
///
/// # Errors
///
/// [`FileError`]: the first file that cannot be performed.
pub fn read_traces(target: Target, paths: &[PathBuf]) -> Result<Vec<TraceFile>, FileError> {
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => files.extend(in_directory(path)?),
            false => files.push(path.clone()),
        }
    }
    files.into_iter().map(|path| read(target, path)).collect()
}

/// In the order of their names.
fn in_directory(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    let unreadable = |error| FileError::Unreadable { path: path.to_owned(), error };
    let entries: Result<Vec<_>, _> = fs::read_dir(path).map_err(unreadable)?.collect();
    let files = entries.map_err(unreadable)?.into_iter().map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|file| file.to_string_lossy().ends_with(SUFFIX)).collect();
    files.sort();
    match files.is_empty() {
        true => Err(FileError::NoTraces { path: path.to_owned() }),
        false => Ok(files),
    }
}

fn read(target: Target, path: PathBuf) -> Result<TraceFile, FileError> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Err(FileError::Unreadable { path, error }),
    };
    let known = itf::read(&text)
        .and_then(|trace| Ok((trace.config().map_err(ItfError::NoSuchConfig)?, trace)));
    let (config, trace) = match known {
        Ok(known) => known,
        Err(error) => return Err(FileError::Refused { path, error: Box::new(error) }),
    };
    if trace.actions.is_empty() {
        return Err(FileError::Empty { path });
    }
    match support::check_on(target, &config) {
        Ok(()) => Ok(TraceFile { path, trace, config }),
        Err(error) => Err(FileError::Unsupported { path, error }),
    }
}
