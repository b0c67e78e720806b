#!/bin/sh
# Makes every golden again, from the repository root: tests/golden/make/all.sh [python]
# SmolLM2's, which need its GGUF, are made by smollm2_folder.py and smollm2.py (see README.md).
set -eu
export PYTHONDONTWRITEBYTECODE=1
for script in models tokenizer forward gguf_blocks control_vector svec gguf_models steered_logits kl generation directions lora_step; do
  echo "== $script"
  "${1:-python3}" -W ignore "tests/golden/make/$script.py"
done
