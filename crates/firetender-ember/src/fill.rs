//! Templates: sentences with named gaps.

/// Values for the gaps of a template.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots(Vec<(&'static str, String)>);

impl Slots {
    /// Slots from pairs of a name and its value.
    pub(crate) fn new(pairs: &[(&'static str, &str)]) -> Self {
        let mut slots = Self::default();
        for (name, value) in pairs {
            slots.set(name, *value);
        }
        slots
    }

    /// Adds a value. The first value of a name counts.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, value.into()));
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The template with every `{name}` replaced; `{a name}` puts "a" or "an" before the value. A value that begins a sentence
    /// gets a capital letter. A gap without a value stays as it is, which the corpus tests look for.
    pub(crate) fn fill(&self, template: &str) -> String {
        let mut out = String::with_capacity(template.len() + 32);
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            out.push_str(&rest[..open]);
            rest = &rest[open..];
            let Some(close) = rest.find('}') else {
                break;
            };
            let gap = &rest[1..close];
            let (article, name) = match gap.strip_prefix("a ") {
                Some(name) => (true, name),
                None => (false, gap),
            };
            let value = match self.get(name) {
                Some(value) if article => with_article(value),
                Some(value) => value.to_owned(),
                None => rest[..=close].to_owned(),
            };
            let begins = out.is_empty() || [". ", "! ", "? "].iter().any(|end| out.ends_with(end));
            out.push_str(&if begins { capitalised(&value) } else { value });
            rest = &rest[close + 1..];
        }
        out.push_str(rest);
        out
    }
}

/// "a fox", "an owl".
pub(crate) fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

/// The text with a capital first letter.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_articles_and_capitals() {
        let slots = Slots::new(&[("kind", "owl"), ("he", "she")]);
        assert_eq!(slots.fill("Once {a kind} flew."), "Once an owl flew.");
        assert_eq!(
            slots.fill("{he} flew, and {he} sang."),
            "She flew, and she sang."
        );
        assert_eq!(
            slots.fill("It flew. {he} sang. {a kind}!"),
            "It flew. She sang. An owl!"
        );
        assert_eq!(slots.fill("a {gap}"), "a {gap}");
        assert_eq!(slots.fill("no end {he"), "no end {he");
    }
}
