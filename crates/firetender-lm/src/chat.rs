//! Conversations to prompts, by the template that comes with a model.
//!
//! Templates are Jinja programs written for the Python library, so the environment here is that library's: blocks trimmed,
//! loop controls, `raise_exception`, `tojson` without HTML escapes, Python's string methods. A template is hostile until
//! rendered: its work, its output and its recursion are bounded, and it reaches nothing but its arguments. In particular there
//! is no clock: `strftime_now` exists only after [`ChatTemplate::with_time`], and templates that ask for it and find none fall
//! back to a fixed date, or fail.

mod date;
mod json;

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, context};

use crate::{LmError, Tokenizer};

/// Work that one rendering may do, in instructions or 64-byte pieces of data; enough for conversations of some 100 MB.
const FUEL: u64 = 5_000_000;
/// Nesting that one rendering may use.
const DEPTH: usize = 100;
/// Bound on a template, in bytes; published ones have up to some 20 kB.
const MAX_TEMPLATE: usize = 1 << 20;
const NAME: &str = "chat";

/// One turn of a conversation.
///
/// ```
/// use firetender_lm::Message;
/// assert_eq!(Message::user("Hello"), Message { role: "user".into(), content: "Hello".into() });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant` for most templates.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn of any role.
    #[must_use]
    pub fn new(role: &str, content: &str) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }

    /// Instructions that stand before the conversation.
    #[must_use]
    pub fn system(content: &str) -> Self {
        Self::new("system", content)
    }

    /// A turn of the person.
    #[must_use]
    pub fn user(content: &str) -> Self {
        Self::new("user", content)
    }

    /// A turn of the model.
    #[must_use]
    pub fn assistant(content: &str) -> Self {
        Self::new("assistant", content)
    }
}

/// A compiled chat template.
///
/// ```
/// use firetender_lm::{ChatTemplate, Message};
/// let template = ChatTemplate::new(
///     "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}{{ eos_token }}{% endfor %}\
///      {% if add_generation_prompt %}<|assistant|>{% endif %}",
/// )?;
/// let prompt = template.render(&[Message::user(" Hi ")], true, "<s>", "</s>")?;
/// assert_eq!(prompt, "<|user|>Hi</s><|assistant|>");
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: String,
    environment: Environment<'static>,
}

fn fail(error: &Error) -> LmError {
    let detail = error
        .detail()
        .map(String::from)
        .unwrap_or_else(|| error.kind().to_string());
    let line = error
        .line()
        .map_or_else(String::new, |line| format!(" (line {line})"));
    LmError::ChatTemplate {
        what: format!("{detail}{line}"),
    }
}

impl ChatTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// [`LmError::ChatTemplate`] if it is no valid Jinja, or beyond a mebibyte.
    pub fn new(source: &str) -> Result<Self, LmError> {
        if source.len() > MAX_TEMPLATE {
            let what = format!(
                "a template of {} bytes; expected at most {MAX_TEMPLATE}",
                source.len()
            );
            return Err(LmError::ChatTemplate { what });
        }
        let mut environment = Environment::new();
        let syntax = minijinja::syntax::SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(|error| fail(&error))?);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(DEPTH);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<String, Error> {
                Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!("the template refuses: {message}"),
                ))
            },
        );
        environment.add_filter("tojson", json::tojson);
        environment
            .add_template_owned(NAME, source.to_string())
            .map_err(|error| fail(&error))?;
        Ok(Self {
            source: source.into(),
            environment,
        })
    }

    /// Lets the template read a date, in seconds since 1970-01-01 00:00 of the wanted time zone. Without it templates that print
    /// today's date use the fixed one that they hold.
    #[must_use]
    pub fn with_time(mut self, seconds: u64) -> Self {
        self.environment
            .add_function("strftime_now", move |format: String| {
                date::format(seconds, &format)
            });
        self
    }

    /// The template's text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The prompt of a conversation; `add_generation_prompt` opens the model's turn.
    ///
    /// # Errors
    /// [`LmError::ChatTemplate`] if the template refuses the conversation (many demand that roles alternate), fails, or does
    /// more than its bounded work.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        bos_token: &str,
        eos_token: &str,
    ) -> Result<String, LmError> {
        let turn = |m: &Message| {
            Value::from_pairs([("role", m.role.as_str()), ("content", m.content.as_str())])
        };
        let messages: Vec<Value> = messages.iter().map(turn).collect();
        let template = self
            .environment
            .get_template(NAME)
            .map_err(|error| fail(&error))?;
        template
            .render(context! {
                messages, add_generation_prompt, bos_token, eos_token,
                tools => Value::from(()), documents => Value::from(()),
            })
            .map_err(|error| fail(&error))
    }

    /// The tokens of a conversation, in which names of control tokens that stand in the *messages* are ordinary text: what a
    /// stranger writes cannot end a turn or open another.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`] and [`Tokenizer::encode`].
    pub fn encode(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<Vec<u32>, LmError> {
        let name = |id: Option<u32>| id.and_then(|id| tokenizer.token(id)).unwrap_or_default();
        let (bos, eos) = (
            name(tokenizer.bos()),
            name(tokenizer.eos().first().copied()),
        );
        let guard = guard(messages);
        let guarded: Vec<Message> = messages
            .iter()
            .map(|m| {
                Message::new(
                    &defuse(tokenizer, &m.role, guard),
                    &defuse(tokenizer, &m.content, guard),
                )
            })
            .collect();
        let prompt = self.render(&guarded, add_generation_prompt, &bos, &eos)?;
        let names = tokenizer.special_names(&prompt);
        if guarded == messages {
            // The whole at once, as the Python library does it, unless normalising the text made names that it does not hold.
            let ids = tokenizer.encode(&prompt, false)?;
            let specials = tokenizer.specials();
            if ids
                .iter()
                .filter(|id| specials.contains(id))
                .eq(names.iter().map(|(id, _)| id))
            {
                return Ok(ids);
            }
        }
        // Control tokens of the template are whole; those of the messages are broken by the guard, which now goes away.
        let mut ids = Vec::new();
        let mut done = 0;
        let text = |range: std::ops::Range<usize>| {
            tokenizer.encode_plain(&prompt[range].replace(guard, ""))
        };
        for (id, range) in names {
            if done < range.start {
                ids.extend(text(done..range.start)?);
            }
            ids.push(id);
            done = range.end;
        }
        if done < prompt.len() {
            ids.extend(text(done..prompt.len())?);
        }
        Ok(ids)
    }
}

/// A character for private use that no message holds.
fn guard(messages: &[Message]) -> char {
    let free = |c: &char| {
        messages
            .iter()
            .all(|m| !m.content.contains(*c) && !m.role.contains(*c))
    };
    // 6,400 of them; a conversation with all of them has no meaning anyway.
    ('\u{E000}'..='\u{F8FF}').find(free).unwrap_or('\u{F8FF}')
}

/// Puts the guard behind the first character of every name of a control token, until none is left.
fn defuse(tokenizer: &Tokenizer, text: &str, guard: char) -> String {
    let mut text = text.to_string();
    loop {
        let found = tokenizer.special_names(&text);
        if found.is_empty() {
            return text;
        }
        for (_, range) in found.iter().rev() {
            let first = text[range.clone()].chars().next().map_or(0, char::len_utf8);
            if first == range.len() {
                // A name of one character cannot be broken; it is left out.
                text.replace_range(range.clone(), "");
            } else {
                text.insert(range.start + first, guard);
            }
        }
    }
}

#[cfg(test)]
mod tests;
