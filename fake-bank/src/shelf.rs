//! Where the books outlive the bank: every change of a payment is a line, and the last line of a payment counts.
//!
//! A process that is killed in the middle of a line loses that line and nothing else: the notification or the answer
//! that would have told of it was not sent either. Against a machine that loses its power there is no promise.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
};

use parking_lot::MutexGuard;
use serde::{Deserialize, Serialize};

use crate::books::{Books, Payment};

/// The file in the folder that the bank was given.
const FILE: &str = "books.jsonl";

/// A payment with what its public form leaves out.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    payment: Payment,
    told: Vec<String>,
    unheard: Vec<String>,
}

impl Line {
    fn of(payment: &Payment) -> Self {
        Self { payment: payment.clone(), told: payment.told.clone(), unheard: payment.unheard.clone() }
    }

    fn payment(self) -> Payment {
        Payment { told: self.told, unheard: self.unheard, ..self.payment }
    }
}

/// The file that changes are written to.
pub(crate) struct Shelf {
    file: File,
}

impl Shelf {
    /// Reads what was written before, and begins the file anew with one line of each payment.
    pub fn open(folder: &Path) -> io::Result<(Self, Books)> {
        fs::create_dir_all(folder)?;
        let path = folder.join(FILE);
        let books = read(&path)?;
        let new = rewrite(&path, &books)?;
        fs::rename(new, &path)?;
        let file = OpenOptions::new().append(true).open(&path)?;
        Ok((Self { file }, books))
    }

    fn put(&mut self, payments: &[&Payment]) -> io::Result<()> {
        let mut lines = Vec::new();
        for payment in payments {
            serde_json::to_writer(&mut lines, &Line::of(payment))?;
            lines.push(b'\n');
        }
        // One write for all of it: whoever kills the process finds whole lines but for the last.
        self.file.write_all(&lines)
    }
}

fn read(path: &Path) -> io::Result<Books> {
    let mut books = Books::default();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(books),
        Err(error) => return Err(error),
    };
    let mut lines = BufReader::new(file).lines().peekable();
    while let Some(line) = lines.next() {
        match serde_json::from_str::<Line>(&line?) {
            Ok(line) => books.restore(line.payment()),
            // The process was killed while it wrote this one.
            Err(_) if lines.peek().is_none() => {}
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
    Ok(books)
}

fn rewrite(path: &Path, books: &Books) -> io::Result<PathBuf> {
    let new = path.with_extension("new");
    let mut shelf = Shelf { file: File::create(&new)? };
    for payment in books.iter() {
        shelf.put(&[payment])?;
    }
    shelf.file.sync_all()?;
    Ok(new)
}

/// The books while somebody works on them; what changed is on the shelf before anybody else sees it.
pub(crate) struct OpenBooks<'a> {
    pub books: MutexGuard<'a, Books>,
    pub shelf: Option<MutexGuard<'a, Shelf>>,
}

impl Deref for OpenBooks<'_> {
    type Target = Books;

    fn deref(&self) -> &Books {
        &self.books
    }
}

impl DerefMut for OpenBooks<'_> {
    fn deref_mut(&mut self) -> &mut Books {
        &mut self.books
    }
}

impl Drop for OpenBooks<'_> {
    fn drop(&mut self) {
        let changed = self.books.changed();
        let Some(shelf) = self.shelf.as_mut().filter(|_| !changed.is_empty()) else { return };
        if let Err(error) = shelf.put(&changed) {
            tracing::error!(%error, "the fake bank cannot write its books; after a restart it will have forgotten");
        }
    }
}
