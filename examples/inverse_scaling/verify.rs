//! `verify-data`: are the files in a folder the official ones?

use std::{fs, path::PathBuf};

use clap::Args;
use firetender_scaling::{OFFICIAL, Verified, read_task, verify, write_task};
use firetender_support::{Failure, fail};
use serde_json::json;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder with official files.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    if !folder.is_dir() {
        return fail(format!("{}: no such folder", folder.display()));
    }
    let (mut rows, mut wrong, mut found) = (vec![], vec![], 0);
    for official in OFFICIAL {
        let path = folder.join(official.file);
        let (status, detail, examples) = match fs::metadata(&path) {
            Err(_) => ("missing", String::new(), None),
            // No need to read what cannot be the file.
            Ok(data) if data.len() > 1 << 28 => (
                "differs",
                format!(
                    "{} bytes; the official file has {}",
                    data.len(),
                    official.bytes
                ),
                None,
            ),
            Ok(_) => {
                let bytes = fs::read(&path)
                    .or_else(|error| fail(format!("{}: {error}", path.display())))?;
                match verify(official.file, &bytes) {
                    Verified::Official => {
                        let text = String::from_utf8_lossy(&bytes);
                        let task = read_task(official.file, &text)?;
                        let same = write_task(&task.examples).as_bytes() == bytes;
                        let detail = if same {
                            ""
                        } else {
                            "written again, it has other bytes"
                        };
                        ("verified", detail.to_owned(), Some(task.examples.len()))
                    }
                    Verified::Differs { what } => ("differs", what, None),
                    Verified::Unknown => ("unknown", String::new(), None),
                }
            }
        };
        found += usize::from(status == "verified");
        if status == "differs" {
            wrong.push(format!("{}: {detail}", official.file));
        }
        rows.push(json!({
            "file": official.file, "task": official.task, "status": status, "detail": detail, "examples": examples,
            "bytes": official.bytes, "sha256": official.sha256,
        }));
    }
    if arguments.json {
        println!(
            "{}",
            json!({ "folder": folder.display().to_string(), "verified": found, "differs": wrong.len(), "files": rows })
        );
    } else {
        for row in &rows {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let examples = row["examples"]
                .as_u64()
                .map_or(String::new(), |n| format!("{n} examples"));
            println!(
                "{:<56} {:<9} {examples}{}",
                text("file"),
                text("status"),
                text("detail")
            );
        }
        println!("{found} of {} official files verified", OFFICIAL.len());
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        fail(wrong.join("; "))
    }
}
