//! What `--model` names: the built-in models, a repository on a hub, or files.

use std::path::PathBuf;

use firetender_lm::Checkpoint;

use crate::Failure;

/// A model by its name on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// `ember`, the model that is built in.
    Ember,
    /// `ember-11k` or `ember-11k-s1`: a member of the built-in family, with its training seed.
    Family {
        /// The size's name.
        size: String,
        /// The training seed, 0 if none is named.
        seed: u64,
    },
    /// `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`: a Hugging Face repository with safetensors weights.
    Hub {
        /// `OWNER/NAME`.
        repo: String,
        /// A branch, tag or commit; `main` if none is named.
        revision: String,
    },
    /// Anything else: a GGUF or llama2.c file, or a Hugging Face folder.
    Files(PathBuf),
}

impl Named {
    /// Reads a name.
    ///
    /// # Errors
    /// After `hf:`, anything but an owner and a name with an optional revision.
    pub fn parse(name: &str) -> Result<Self, Failure> {
        if name == "ember" {
            return Ok(Self::Ember);
        }
        if let Some(member) = family(name) {
            return Ok(member);
        }
        let Some(rest) = name.strip_prefix("hf:") else {
            return Ok(Self::Files(name.into()));
        };
        let (repo, revision) = rest.split_once('@').unwrap_or((rest, "main"));
        let parts: Vec<&str> = repo.split('/').collect();
        let [owner, short] = parts[..] else {
            return wrong(name);
        };
        if owner.is_empty() || short.is_empty() || revision.is_empty() {
            return wrong(name);
        }
        Ok(Self::Hub {
            repo: repo.into(),
            revision: revision.into(),
        })
    }

    /// Opens its files; those of a hub are downloaded first, unless they are in the cache of the Python library (`HF_HOME`, or
    /// `.cache/huggingface` in the home folder).
    ///
    /// # Errors
    /// Whatever is wrong with the files or the download; a hub in a program that was built without the feature `hf-hub`.
    pub fn checkpoint(&self) -> Result<Checkpoint, Failure> {
        match self {
            Self::Ember => Ok(firetender_ember::checkpoint()?),
            Self::Family { size, seed } => Ok(firetender_ember::family::checkpoint(size, *seed)?),
            Self::Files(path) => Ok(Checkpoint::open(path)?),
            Self::Hub { repo, revision } => {
                let folder = download(repo, revision)?;
                Ok(Checkpoint::open(folder)?)
            }
        }
    }
}

/// `ember-SIZE` or `ember-SIZE-sSEED` of a known size.
fn family(name: &str) -> Option<Named> {
    let rest = name.strip_prefix("ember-")?;
    let (size, seed) = match rest.split_once("-s") {
        Some((size, seed)) => (size, seed.parse().ok()?),
        None => (rest, 0),
    };
    let members = firetender_ember::family::MEMBERS;
    members
        .iter()
        .any(|member| member.name == size)
        .then(|| Named::Family {
            size: size.into(),
            seed,
        })
}

fn wrong<T>(name: &str) -> Result<T, Failure> {
    crate::fail(format!(
        "model `{name}`: expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION (a file of that name: ./{name})"
    ))
}

#[cfg(feature = "hf-hub")]
#[expect(clippy::print_stderr, reason = "a download takes a while")]
fn download(repo: &str, revision: &str) -> Result<PathBuf, Failure> {
    let home = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let Some(base) = home("HF_HOME").or_else(|| Some(home("HOME")?.join(".cache/huggingface")))
    else {
        return crate::fail("no place for downloads: neither HF_HOME nor HOME is set");
    };
    eprintln!("{repo}: downloading what is not in {}", base.display());
    Ok(firetender_lm::Hub::new(base.join("hub")).download_model(repo, revision)?)
}

#[cfg(not(feature = "hf-hub"))]
fn download(repo: &str, _revision: &str) -> Result<PathBuf, Failure> {
    crate::fail(format!(
        "model `hf:{repo}`: this program was built without downloads; build it with `--features hf-hub`, or name a file or folder"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(Named::parse("ember").unwrap(), Named::Ember);
        let member = |size: &str, seed| Named::Family {
            size: size.into(),
            seed,
        };
        assert_eq!(Named::parse("ember-11k").unwrap(), member("11k", 0));
        assert_eq!(Named::parse("ember-853k-s2").unwrap(), member("853k", 2));
        assert_eq!(
            Named::parse("ember-9k").unwrap(),
            Named::Files("ember-9k".into())
        );
        for path in ["./ember", "models/a.gguf", "./hf:a/b", "hf", "/hf:a/b"] {
            assert_eq!(Named::parse(path).unwrap(), Named::Files(path.into()));
        }
        let hub = |repo: &str, revision: &str| Named::Hub {
            repo: repo.into(),
            revision: revision.into(),
        };
        assert_eq!(Named::parse("hf:a/b").unwrap(), hub("a/b", "main"));
        assert_eq!(Named::parse("hf:a/b@v1.0").unwrap(), hub("a/b", "v1.0"));
    }

    #[test]
    fn half_a_name_is_an_error_that_says_what_is_expected() {
        for name in [
            "hf:", "hf:a", "hf:a/", "hf:/b", "hf:a/b/c", "hf:a/b@", "hf:@main",
        ] {
            let error = format!("{:?}", Named::parse(name).unwrap_err());
            assert!(
                error.contains(name) && error.contains("hf:OWNER/NAME"),
                "{error}"
            );
        }
    }

    #[test]
    #[cfg(not(feature = "hf-hub"))]
    fn without_the_feature_the_error_names_it() {
        let named = Named::parse("hf:a/b").unwrap();
        let error = format!("{:?}", named.checkpoint().unwrap_err());
        assert!(error.contains("--features hf-hub"), "{error}");
    }
}
