//! The file side of the pretend bank: SFTP version 3 over real files below the bank's folder.
//!
//! It behaves as OpenSSH's server does where clients notice: a rename onto an existing name fails, an exclusive create
//! fails when the name is taken, `fsync@openssh.com` is offered. File work runs on blocking threads.

use std::collections::HashMap;
use std::fs::{self, File as OpenFile, FileTimes, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use russh_sftp::extensions;
use russh_sftp::protocol::{Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode, Version};
use russh_sftp::server::StatusReply;

use super::jail::Jail;

/// The longest answer to one read.
const READ_MAX: u32 = 256 * 1024;
/// Names in one answer to a listing: some hundred bytes each, well below a packet.
const NAMES_IN_ANSWER: usize = 64;
/// Open handles of one visitor.
const HANDLES_MAX: usize = 256;

/// One visitor's session.
pub(super) struct Counter {
    jail: Arc<Jail>,
    next_handle: u64,
    open: HashMap<String, Opened>,
}

enum Opened {
    File(Arc<OpenFile>),
    Folder(Vec<File>),
}

type Reply<T> = Result<T, StatusReply>;

impl Counter {
    pub(super) fn new(jail: Arc<Jail>) -> Self {
        Self { jail, next_handle: 0, open: HashMap::new() }
    }

    fn keep(&mut self, id: u32, opened: Opened) -> Reply<Handle> {
        if self.open.len() >= HANDLES_MAX {
            return Err(StatusCode::Failure.with_message("too many open handles"));
        }
        self.next_handle += 1;
        let handle = self.next_handle.to_string();
        self.open.insert(handle.clone(), opened);
        Ok(Handle { id, handle })
    }

    fn file(&self, handle: &str) -> Reply<Arc<OpenFile>> {
        match self.open.get(handle) {
            Some(Opened::File(file)) => Ok(Arc::clone(file)),
            Some(Opened::Folder(_)) | None => Err(StatusCode::Failure.with_message("no such open file")),
        }
    }

    async fn at<T, F>(&self, path: String, work: F) -> Reply<T>
    where
        T: Send + 'static,
        F: FnOnce(&Path) -> Reply<T> + Send + 'static,
    {
        let jail = Arc::clone(&self.jail);
        blocking(move || work(&jail.resolve(&path)?)).await
    }
}

async fn blocking<T, F>(work: F) -> Reply<T>
where
    T: Send + 'static,
    F: FnOnce() -> Reply<T> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(StatusCode::Failure.with_message("the server stopped while it worked on this")),
    }
}

fn status(error: io::Error) -> StatusReply {
    let code = if error.kind() == io::ErrorKind::NotFound {
        StatusCode::NoSuchFile
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        StatusCode::PermissionDenied
    } else {
        StatusCode::Failure
    };
    // The kind alone: the system's text could carry a path outside the jail.
    code.with_message(error.kind().to_string())
}

fn done(id: u32) -> Status {
    Status { id, status_code: StatusCode::Ok, error_message: "Ok".to_owned(), language_tag: "en-US".to_owned() }
}

impl russh_sftp::server::Handler for Counter {
    type Error = StatusReply;

    fn unimplemented(&self) -> Self::Error {
        StatusCode::OpUnsupported.into()
    }

    async fn init(&mut self, _version: u32, _extensions: HashMap<String, String>) -> Reply<Version> {
        let mut version = Version::new();
        version.extensions.insert(extensions::FSYNC.to_owned(), "1".to_owned());
        Ok(version)
    }

    async fn open(&mut self, id: u32, filename: String, pflags: OpenFlags, attrs: FileAttributes) -> Reply<Handle> {
        let file = self
            .at(filename, move |path| {
                let mut options = OpenOptions::from(pflags);
                options.custom_flags(libc::O_NOFOLLOW).mode(attrs.permissions.unwrap_or(0o644) & 0o777);
                let file = options.open(path).map_err(status)?;
                if file.metadata().map_err(status)?.is_dir() {
                    return Err(StatusCode::Failure.with_message("this is a folder"));
                }
                Ok(file)
            })
            .await?;
        self.keep(id, Opened::File(Arc::new(file)))
    }

    async fn close(&mut self, id: u32, handle: String) -> Reply<Status> {
        self.open.remove(&handle).map(|_| done(id)).ok_or_else(|| StatusCode::Failure.with_message("no such open handle"))
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, len: u32) -> Reply<Data> {
        let file = self.file(&handle)?;
        let data = blocking(move || {
            let mut data = vec![0; usize::try_from(len.min(READ_MAX)).unwrap_or(0)];
            let n = file.read_at(&mut data, offset).map_err(status)?;
            data.truncate(n);
            Ok(data)
        })
        .await?;
        if data.is_empty() && len > 0 { Err(StatusCode::Eof.into()) } else { Ok(Data { id, data }) }
    }

    async fn write(&mut self, id: u32, handle: String, offset: u64, data: Vec<u8>) -> Reply<Status> {
        let file = self.file(&handle)?;
        blocking(move || file.write_all_at(&data, offset).map_err(status)).await?;
        Ok(done(id))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Reply<Attrs> {
        self.stat(id, path).await
    }

    async fn stat(&mut self, id: u32, path: String) -> Reply<Attrs> {
        let attrs = self.at(path, |path| fs::symlink_metadata(path).map(|met| FileAttributes::from(&met)).map_err(status)).await?;
        Ok(Attrs { id, attrs })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Reply<Attrs> {
        let file = self.file(&handle)?;
        let attrs = blocking(move || file.metadata().map(|met| FileAttributes::from(&met)).map_err(status)).await?;
        Ok(Attrs { id, attrs })
    }

    async fn setstat(&mut self, id: u32, path: String, attrs: FileAttributes) -> Reply<Status> {
        self.at(path, move |path| {
            let folder = fs::symlink_metadata(path).map_err(status)?.is_dir();
            let file = OpenOptions::new().read(true).write(!folder).custom_flags(libc::O_NOFOLLOW).open(path).map_err(status)?;
            set_attributes(&file, &attrs).map_err(status)
        })
        .await?;
        Ok(done(id))
    }

    async fn fsetstat(&mut self, id: u32, handle: String, attrs: FileAttributes) -> Reply<Status> {
        let file = self.file(&handle)?;
        blocking(move || set_attributes(&file, &attrs).map_err(status)).await?;
        Ok(done(id))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Reply<Handle> {
        let jail = Arc::clone(&self.jail);
        let names = self.at(path, move |folder| listing(&jail, folder).map_err(status)).await?;
        self.keep(id, Opened::Folder(names))
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Reply<Name> {
        match self.open.get_mut(&handle) {
            Some(Opened::Folder(names)) if names.is_empty() => Err(StatusCode::Eof.into()),
            Some(Opened::Folder(names)) => {
                let from = names.len().saturating_sub(NAMES_IN_ANSWER);
                Ok(Name { id, files: names.split_off(from) })
            }
            Some(Opened::File(_)) | None => Err(StatusCode::Failure.with_message("no such open folder")),
        }
    }

    async fn remove(&mut self, id: u32, filename: String) -> Reply<Status> {
        self.at(filename, |path| fs::remove_file(path).map_err(status)).await?;
        Ok(done(id))
    }

    async fn mkdir(&mut self, id: u32, path: String, _attrs: FileAttributes) -> Reply<Status> {
        self.at(path, |path| fs::create_dir(path).map_err(status)).await?;
        Ok(done(id))
    }

    async fn rmdir(&mut self, id: u32, path: String) -> Reply<Status> {
        self.at(path, |path| fs::remove_dir(path).map_err(status)).await?;
        Ok(done(id))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Reply<Name> {
        Ok(Name { id, files: vec![File::dummy(Jail::shown(&path))] })
    }

    async fn rename(&mut self, id: u32, oldpath: String, newpath: String) -> Reply<Status> {
        let jail = Arc::clone(&self.jail);
        blocking(move || rename_onto_nothing(&jail.resolve(&oldpath)?, &jail.resolve(&newpath)?).map_err(status)).await?;
        Ok(done(id))
    }

    async fn extended(&mut self, id: u32, request: String, data: Vec<u8>) -> Reply<Packet> {
        if request != extensions::FSYNC {
            return Err(StatusCode::OpUnsupported.into());
        }
        let handle = data.get(4..).and_then(|text| std::str::from_utf8(text).ok()).ok_or(StatusCode::BadMessage)?;
        let file = self.file(handle)?;
        blocking(move || file.sync_all().map_err(status)).await?;
        Ok(Packet::Status(done(id)))
    }
}

/// Linking cannot replace an existing name, where renaming would do so silently; a folder cannot be linked.
fn rename_onto_nothing(from: &Path, to: &Path) -> io::Result<()> {
    if fs::symlink_metadata(from)?.is_dir() {
        return match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        };
    }
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

fn set_attributes(file: &OpenFile, attrs: &FileAttributes) -> io::Result<()> {
    if let Some(size) = attrs.size {
        file.set_len(size)?;
    }
    if let Some(mode) = attrs.permissions {
        file.set_permissions(Permissions::from_mode(mode & 0o777))?;
    }
    let mut times = FileTimes::new();
    if let Some(at) = attrs.atime {
        times = times.set_accessed(UNIX_EPOCH + Duration::from_secs(at.into()));
    }
    if let Some(at) = attrs.mtime {
        times = times.set_modified(UNIX_EPOCH + Duration::from_secs(at.into()));
    }
    file.set_times(times)
}

/// The folder's names, last first: they are handed out from the end.
fn listing(jail: &Jail, folder: &Path) -> io::Result<Vec<File>> {
    let here = fs::metadata(folder)?;
    let mut names: Vec<(String, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, entry.path()));
        }
    }
    names.retain(|(name, _)| jail.lists(folder, name));
    names.sort_by(|a, b| b.cmp(a));
    let mut files = Vec::with_capacity(names.len() + 2);
    for (name, path) in names {
        // A file may go away between the listing and the look; then it is not there.
        if let Ok(met) = fs::symlink_metadata(&path) {
            files.push(File::new(name, FileAttributes::from(&met)));
        }
    }
    files.push(File::new("..", FileAttributes::from(&here)));
    files.push(File::new(".", FileAttributes::from(&here)));
    Ok(files)
}
