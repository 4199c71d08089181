//! The files of the project, as the rules look at them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders that are not ours to judge.
const PASSED_OVER: &[&str] = &[".git", ".dev", "target", "__pycache__"];

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace holds this crate")
}

/// Lines with their numbers.
type Lines<'a> = Vec<(usize, &'a str)>;

/// One file of the project.
pub struct File {
    /// From the root, with `/`.
    pub path: String,
    /// All of it.
    pub text: String,
}

impl File {
    /// Whether it is compiled into tests only.
    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || name.ends_with("_tests.rs")
            || ["tests.rs", "testing.rs", "samples.rs"].contains(&name)
    }

    /// What runs outside tests, with the numbers of its lines; comments are left out.
    pub fn code(&self) -> Lines<'_> {
        if self.is_test() {
            return Vec::new();
        }
        let (code, _) = self.split();
        code
    }

    /// What runs in tests only, with the numbers of its lines.
    pub fn test_code(&self) -> Lines<'_> {
        if self.is_test() {
            return numbered(&self.text).collect();
        }
        let (_, tests) = self.split();
        tests
    }

    /// Tests stand at the end of a file, by the style.
    fn split(&self) -> (Lines<'_>, Lines<'_>) {
        let lines: Vec<_> = numbered(&self.text).collect();
        let starts = |at: &usize| {
            lines[*at].1 == "#[cfg(test)]" && lines.get(at + 1).is_some_and(|(_, next)| next.ends_with('{'))
        };
        let end = (0..lines.len()).find(starts).unwrap_or(lines.len());
        let code = lines[..end].iter().filter(|(_, line)| !line.trim_start().starts_with("//"));
        (code.copied().collect(), lines[end..].to_vec())
    }

    /// Its text in one line, as statements are written over several.
    pub fn one_line(&self) -> String {
        let code: Vec<&str> = self.code().into_iter().flat_map(|(_, line)| line.split_whitespace()).collect();
        code.join(" ")
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

/// Every text file of the project.
pub fn files() -> Vec<File> {
    let mut found = Vec::new();
    collect(root(), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every Rust file of the project.
pub fn rust_files() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

fn collect(folder: &Path, found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path: PathBuf = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if PASSED_OVER.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
            found.push(File { path, text });
        }
    }
}

/// Fails with every place where the rule is broken.
#[track_caller]
pub fn check(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}
