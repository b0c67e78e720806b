//! Models from a Hugging Face hub (feature `hf-hub`).
//!
//! A [`Hub`] downloads files into a cache folder of the Python library's layout, so that both share what is there; a file that
//! is in the cache is not asked for again. Nothing is taken from the environment: cache, endpoint and token are arguments.

use std::path::{Path, PathBuf};

use hf_hub::api::sync::{Api, ApiBuilder, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

use crate::LmError;

/// Where to download from and to.
///
/// ```no_run
/// use firetender_lm::{Checkpoint, Hub};
/// let hub = Hub::new("/home/me/.cache/huggingface/hub");
/// let folder = hub.download_model("HuggingFaceTB/SmolLM2-135M-Instruct", "main")?;
/// let checkpoint = Checkpoint::open(folder)?;
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Hub {
    cache: PathBuf,
    endpoint: Option<String>,
    token: Option<String>,
}

impl Hub {
    /// A hub whose files are kept in `cache`.
    #[must_use]
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            endpoint: None,
            token: None,
        }
    }

    /// Another server than the public one.
    #[must_use]
    pub fn endpoint(mut self, url: &str) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Access to private or gated repositories.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Downloads the named files of a model repository at a revision (a branch, tag or commit) and gives the folder that they
    /// lie in.
    ///
    /// # Errors
    /// [`LmError::Input`] for no files or names that leave the folder, [`LmError::Download`] for whatever the client reports.
    pub fn download(&self, repo: &str, revision: &str, files: &[&str]) -> Result<PathBuf, LmError> {
        check_names(repo, revision, files)?;
        let remote = self.remote(repo, revision)?;
        let mut folder = None;
        for file in files {
            let path = get(&remote, repo, file)?;
            // Files in sub-folders lie deeper.
            let depth = Path::new(file).components().count();
            folder = path.ancestors().nth(depth).map(Path::to_path_buf);
        }
        folder.ok_or_else(|| LmError::Download {
            repo: repo.into(),
            what: "the cache has no folder".into(),
        })
    }

    /// Downloads what [`crate::Checkpoint::open`] reads from a folder: configuration, tokenizer, and weights in one or many
    /// `.safetensors` files.
    ///
    /// # Errors
    /// As [`Hub::download`]; [`LmError::Download`] if the repository has no `config.json` or no safetensors weights.
    pub fn download_model(&self, repo: &str, revision: &str) -> Result<PathBuf, LmError> {
        check_names(repo, revision, &["config.json"])?;
        let fail = |what: String| LmError::Download {
            repo: repo.into(),
            what,
        };
        let info = self
            .remote(repo, revision)?
            .info()
            .map_err(|error| fail(error.to_string()))?;
        let there: Vec<&str> = info
            .siblings
            .iter()
            .map(|file| file.rfilename.as_str())
            .collect();
        let wanted = |name: &&str| {
            let root = !name.contains('/');
            root && (name.ends_with(".safetensors") || FILES.contains(name))
        };
        let mut files: Vec<&str> = there.iter().copied().filter(wanted).collect();
        // Where one file and shards stand side by side, the folder's reader takes the shards.
        if files.contains(&INDEX) {
            files.retain(|name| *name != SINGLE);
        }
        if !files.contains(&"config.json")
            || !files.iter().any(|name| name.ends_with(".safetensors"))
        {
            return Err(fail(
                "expected config.json and .safetensors weights in the repository".into(),
            ));
        }
        // The commit, so that all files are of one version.
        self.download(repo, &info.sha, &files)
    }

    fn remote(&self, repo: &str, revision: &str) -> Result<ApiRepo, LmError> {
        let mut builder = ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_progress(false)
            .with_retries(3);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        if let Some(token) = &self.token {
            builder = builder.with_token(Some(token.clone()));
        }
        let fail = |error: hf_hub::api::sync::ApiError| LmError::Download {
            repo: repo.into(),
            what: error.to_string(),
        };
        let api: Api = builder.build().map_err(fail)?;
        Ok(api.repo(Repo::with_revision(
            repo.into(),
            RepoType::Model,
            revision.into(),
        )))
    }
}

/// The index of sharded weights, and weights in one file.
const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";
/// Files besides the weights that say something about the model.
const FILES: [&str; 6] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    INDEX,
];

fn get(remote: &ApiRepo, repo: &str, file: &str) -> Result<PathBuf, LmError> {
    remote.get(file).map_err(|error| LmError::Download {
        repo: repo.into(),
        what: format!("{file}: {error}"),
    })
}

/// Names become paths and addresses, so they may hold nothing else.
fn check_names(repo: &str, revision: &str, files: &[&str]) -> Result<(), LmError> {
    let plain = |name: &str| {
        let parts_fine = name
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
        parts_fine
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c))
    };
    let input = |what: String| Err(LmError::Input { what });
    if !plain(repo) || repo.split('/').count() > 2 {
        return input(format!("the repository {repo:?}; expected `owner/name`"));
    }
    if !plain(revision) {
        return input(format!(
            "the revision {revision:?}; expected a branch, tag or commit"
        ));
    }
    match files.iter().find(|file| !plain(file)) {
        Some(file) => input(format!(
            "the file {file:?}; expected a plain path inside the repository"
        )),
        None if files.is_empty() => input("no files to download".into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_refused_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        // Nothing listens here; an attempt would be a download error instead.
        let hub = Hub::new(folder.path()).endpoint("http://127.0.0.1:9");
        for (repo, revision, files) in [
            ("a/b/c", "main", &["x"][..]),
            ("../b", "main", &["x"]),
            ("a/b", "", &["x"]),
            ("a/b", "main", &["../x"]),
            ("a/b", "main", &["/x"]),
            ("a/b", "main", &["a?b"]),
            ("a/b", "main", &[]),
        ] {
            assert!(
                matches!(
                    hub.download(repo, revision, files),
                    Err(LmError::Input { .. })
                ),
                "{repo} {revision} {files:?}"
            );
        }
    }

    #[test]
    fn no_connection_is_a_typed_error_that_names_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let hub = Hub::new(folder.path())
            .endpoint("http://127.0.0.1:9")
            .token("secret");
        let error = hub
            .download("owner/name", "main", &["config.json"])
            .unwrap_err();
        assert!(matches!(error, LmError::Download { .. }));
        let text = error.to_string();
        assert!(
            text.contains("owner/name") && text.contains("config.json") && !text.contains("secret"),
            "{text}"
        );
        assert!(matches!(
            hub.download_model("owner/name", "main"),
            Err(LmError::Download { .. })
        ));
    }

    #[test]
    fn what_is_in_the_cache_is_not_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let repo = folder.path().join("models--owner--name");
        let snapshot = repo.join("snapshots/abc");
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::create_dir_all(repo.join("refs")).unwrap();
        std::fs::write(repo.join("refs/main"), "abc").unwrap();
        std::fs::write(snapshot.join("config.json"), "{}").unwrap();
        let hub = Hub::new(folder.path()).endpoint("http://127.0.0.1:9");
        assert_eq!(
            hub.download("owner/name", "main", &["config.json"])
                .unwrap(),
            snapshot
        );
    }
}
