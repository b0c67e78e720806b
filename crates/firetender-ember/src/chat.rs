//! Markup: the special tokens, the chat format and its template.
//!
//! Plain text is `<|bos|>text<|eos|>`; a chat is `<|bos|><|user|>question<|end|><|assistant|>answer<|end|>`, further turns appended.
//! Generation may stop at `<|end|>` (an answer is over) and at `<|eos|>` (a text is over). The corpus's own
//! texts never contain markup; a program that takes text from outside has to see to that itself.

use crate::document::{Body, Role};

/// The special tokens, in the order of their ids.
pub const SPECIAL_TOKENS: [&str; 6] = [BOS, EOS, PAD, USER, ASSISTANT, END];
/// Begins every text (id 0).
pub const BOS: &str = "<|bos|>";
/// Ends a plain text (id 1).
pub const EOS: &str = "<|eos|>";
/// Fills up batches (id 2).
pub const PAD: &str = "<|pad|>";
/// Begins a message of the user (id 3).
pub const USER: &str = "<|user|>";
/// Begins a message of the model (id 4).
pub const ASSISTANT: &str = "<|assistant|>";
/// Ends a message (id 5).
pub const END: &str = "<|end|>";

/// The chat format as a Jinja template, for `tokenizer_config.json`.
pub const CHAT_TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}\
{% if message['role'] not in ['user', 'assistant'] %}{{ raise_exception('Ember knows the roles user and assistant only') }}{% endif %}\
{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/// The marker that begins a turn of `role`.
#[must_use]
pub const fn marker(role: Role) -> &'static str {
    match role {
        Role::User => USER,
        Role::Assistant => ASSISTANT,
    }
}

/// A prompt as text with markup, ready to be continued: a chat that ends with a user's message gets `<|assistant|>` appended, one
/// that ends with an answer stays open after it, and plain text only gets its beginning.
///
/// ```
/// use firetender_ember::{Body, Turn, chat};
///
/// let prompt = Body::Chat(vec![Turn::user("Hello!")]);
/// assert_eq!(chat::prompt_text(&prompt), "<|bos|><|user|>Hello!<|end|><|assistant|>");
/// assert_eq!(chat::prompt_text(&Body::Plain("Once".into())), "<|bos|>Once");
/// ```
#[must_use]
pub fn prompt_text(body: &Body) -> String {
    let mut text = BOS.to_owned();
    match body {
        Body::Plain(plain) => text.push_str(plain),
        Body::Chat(turns) => {
            for (index, turn) in turns.iter().enumerate() {
                text.push_str(marker(turn.role));
                text.push_str(&turn.text);
                let open = index + 1 == turns.len() && turn.role == Role::Assistant;
                if !open {
                    text.push_str(END);
                }
            }
            if turns.last().is_none_or(|turn| turn.role == Role::User) {
                text.push_str(ASSISTANT);
            }
        }
    }
    text
}

/// The contents of `tokenizer_config.json`.
#[must_use]
pub fn tokenizer_config(max_positions: usize) -> serde_json::Value {
    serde_json::json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": END,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": false,
        "model_max_length": max_positions,
        "chat_template": CHAT_TEMPLATE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Turn;

    #[test]
    fn an_answer_that_was_begun_stays_open() {
        let chat = Body::Chat(vec![Turn::user("Hi"), Turn::assistant("Sure.")]);
        assert_eq!(
            prompt_text(&chat),
            "<|bos|><|user|>Hi<|end|><|assistant|>Sure."
        );
    }

    #[test]
    fn several_turns_are_closed() {
        let chat = Body::Chat(vec![Turn::user("a"), Turn::assistant("b"), Turn::user("c")]);
        assert_eq!(
            prompt_text(&chat),
            "<|bos|><|user|>a<|end|><|assistant|>b<|end|><|user|>c<|end|><|assistant|>"
        );
    }

    #[test]
    fn markers_are_the_role_names_that_the_template_writes() {
        for role in [Role::User, Role::Assistant] {
            assert_eq!(marker(role), format!("<|{}|>", role.name()));
        }
    }
}
