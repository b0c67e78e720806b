//! Where a visitor of a module is.

/// The names of the modules that are being visited, outermost first.
#[derive(Debug, Default)]
pub(crate) struct Path(Vec<String>);

impl Path {
    pub(crate) fn enter(&mut self, name: &str) {
        self.0.push(name.into());
    }

    pub(crate) fn exit(&mut self) {
        self.0.pop();
    }

    pub(crate) fn text(&self) -> String {
        self.0.join(".")
    }

    /// The path of the adapted weight, and `a` or `b`, where a factor is being visited.
    pub(crate) fn factor(&self) -> Option<(String, char)> {
        let (last, before) = self.0.split_last()?;
        let (lora, place) = before.split_last()?;
        let which = match last.as_str() {
            "a" => 'a',
            "b" => 'b',
            _ => return None,
        };
        (lora == "lora").then(|| (place.join("."), which))
    }
}

/// The block and the name of the layer in the path of a weight: `blocks.3.attn.q_proj.weight` gives 3 and `q_proj`.
pub(crate) fn block_and_target(path: &str) -> Option<(usize, &str)> {
    let mut parts = path.rsplit('.');
    if parts.next()? != "weight" {
        return None;
    }
    let target = parts.next()?;
    let block = path.split('.').find_map(|part| part.parse().ok())?;
    Some((block, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        assert_eq!(
            block_and_target("blocks.3.attn.q_proj.weight"),
            Some((3, "q_proj"))
        );
        assert_eq!(block_and_target("embed.weight"), None, "stands in no block");
        assert_eq!(block_and_target("blocks.3.attn.q_proj.bias"), None);
        let mut path = Path::default();
        ["w", "lora", "a"].iter().for_each(|name| path.enter(name));
        assert_eq!(path.factor(), Some(("w".into(), 'a')));
        path.exit();
        assert_eq!(path.factor(), None);
    }
}
