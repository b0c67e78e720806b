//! The adapter that peft wrote.

use firetender_hooks::{Padding, Pass, Untouched};
use firetender_kit::{Golden, assert_close, golden_path, tiny, values};
use firetender_kts::Adapter;
use firetender_lm::CausalLm;

#[test]
fn an_adapter_of_peft_gives_its_logits_attached_and_merged() {
    let base = tiny("llama");
    let adapter = Adapter::load_peft(golden_path("lora/adapter")).unwrap();
    let golden = Golden::open("lora/step.safetensors");
    let expected = golden.f32s("moved.plain_logits_last");
    let forward = Golden::open("forward/llama.safetensors");
    let pass = Pass::whole(&forward.token_rows("tokens"), Padding::Left, 0).unwrap();
    let last: Vec<(usize, usize)> = (0..3).map(|row| (row, 9)).collect();
    for model in [
        adapter.attach(base.clone()).unwrap(),
        adapter.merge_into(base.clone()).unwrap(),
    ] {
        let logits = model.logits_at(&pass, &last, None, &mut Untouched).unwrap();
        assert_close("logits", &values(logits), &expected, 5e-5);
    }
}

/// Written and read again, the numbers and the names are peft's own.
#[test]
fn what_is_written_is_what_peft_wrote() {
    let adapter = Adapter::load_peft(golden_path("lora/adapter")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    adapter.save_peft(folder.path(), "llama").unwrap();
    let read =
        |folder: &std::path::Path| std::fs::read(folder.join("adapter_model.safetensors")).unwrap();
    let (ours, theirs) = (read(folder.path()), read(&golden_path("lora/adapter")));
    let tensors = |bytes: &[u8]| -> Vec<(String, Vec<usize>, Vec<u8>)> {
        let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
        let mut all: Vec<_> = file
            .tensors()
            .into_iter()
            .map(|(name, view)| (name, view.shape().to_vec(), view.data().to_vec()))
            .collect();
        all.sort();
        all
    };
    assert_eq!(tensors(&ours), tensors(&theirs));
}
