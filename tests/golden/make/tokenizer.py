"""A byte-pair tokenizer of exactly 97 tokens for the tiny models, with a ChatML template, and what it makes of some texts."""

import json

from jinja2 import Environment
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from common import MODELS, VOCABULARY, write_json

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEXT = """The little boat went down the river to the town. The old man in the boat said that the tide
would turn at ten, and that the lamp on the tower was the light to steer by. What did the girl say? She said: Yes,
I can see the tower and the lamp, and there is a fire on the hill. They went on and on, past the mill, the bridge
and the inn. Was it late? It was not yet nine. Count the stars: 0 1 2 3 4 5 6 7 8 9! Just quiet, lovely water;
Knock, jump, vex, zip - a box of wax. user assistant system"""
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
TEXTS = [
    "The lamp on the tower",
    " the  old\n\nman",
    "What? Yes, it's 1234!",
    "<|im_start|>user\nthe boat<|im_end|>\n",
    "",
]


def build():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIALS, initial_alphabet=[], show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    assert tokenizer.get_vocab_size() == VOCABULARY
    return tokenizer


def main():
    tokenizer = build()
    folder = MODELS / "llama"
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SPECIALS[1],
        eos_token=SPECIALS[2],
        pad_token=SPECIALS[0],
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(folder)
    (folder / "special_tokens_map.json").unlink()
    messages = [{"role": "user", "content": "What did the girl say?"}]
    prompt = fast.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert prompt == Environment().from_string(TEMPLATE).render(messages=messages, add_generation_prompt=True)
    cases = [{"text": text, "ids": fast.encode(text, add_special_tokens=False)} for text in TEXTS]
    for case in cases:
        case["decoded"] = fast.decode(case["ids"], skip_special_tokens=False)
        if "'" not in case["text"]:
            assert case["decoded"] == case["text"], case
    chat = {"messages": messages, "prompt": prompt, "ids": fast.encode(prompt, add_special_tokens=False)}
    write_json("tokenizer.json", {"encode": cases, "chat": chat})
    print(json.dumps(cases))


if __name__ == "__main__":
    main()
