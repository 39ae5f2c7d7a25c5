#!/bin/bash
# A model that cannot fit into memory is refused before any of its weights is read: a folder of 1.6 TB, none of which lies on the disk, takes a moment.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

L=48 C=32768 F=131072 V=1024
# tensor NAME DIM…: its entry in the header, bf16, behind the one before.
at=0 header='{"__metadata__":{}'
tensor() {
    local name=$1 bytes=2 shape='' d
    shift
    for d; do bytes=$((bytes * d)) shape=$shape${shape:+,}$d; done
    header+=",\"$name\":{\"dtype\":\"BF16\",\"shape\":[$shape],\"data_offsets\":[$at,$((at + bytes))]}"
    at=$((at + bytes))
}
tensor model.embed_tokens.weight $V $C
for ((l = 0; l < L; l++)); do
    for name in q k v o; do tensor model.layers.$l.self_attn.${name}_proj.weight $C $C; done
    for name in gate up; do tensor model.layers.$l.mlp.${name}_proj.weight $F $C; done
    tensor model.layers.$l.mlp.down_proj.weight $C $F
    for name in input post_attention; do tensor model.layers.$l.${name}_layernorm.weight $C; done
done
tensor model.norm.weight $C
tensor lm_head.weight $V $C
tensor score.weight 3 $C
header+='}'
while [ $((${#header} % 8)) != 0 ]; do header+=' '; done
mkdir lm rm
n=${#header}
for ((i = 0; i < 8; i++)); do printf "\\x$(printf %02x $((n >> 8 * i & 255)))"; done >lm/model.safetensors
printf %s "$header" >>lm/model.safetensors
if ! truncate -s $((8 + n + at)) lm/model.safetensors 2>log.txt; then
    skip "models that do not fit" "the file system has no files of that size"
    done_testing
    exit 0
fi
ln lm/model.safetensors rm/model.safetensors
config() { # config ARCHITECTURE
    echo "{\"architectures\":[\"$1\"],\"model_type\":\"llama\",\"hidden_size\":$C,\"num_hidden_layers\":$L,\"num_attention_heads\":256,\"num_key_value_heads\":256,
        \"intermediate_size\":$F,\"vocab_size\":$V,\"max_position_embeddings\":2048,\"rms_norm_eps\":1e-5,\"num_labels\":3,\"pad_token_id\":null,\"tie_word_embeddings\":false}"
}
config LlamaForCausalLM >lm/config.json
config LlamaForSequenceClassification >rm/config.json
spec=layers=1,hidden=32,heads=2,kv-heads=1,ffn=64,max-positions=512
{
    "$WR" synth --users 8 --conversations 40 --seed 3 --train-prompts 4 --heldout-prompts 4 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 &&
        "$WR" train lm --data data --out small --new $spec --global-batch 8 --steps 1
} >setup.log 2>&1 || { sed 's/^/# /' setup.log; fail "synth, prepare, train"; done_testing; exit; }
cp data/tokenizer.json lm
cp data/tokenizer.json rm

# refused RANKS WORD… -- ARGUMENTS…: in time, by one line with the words.
refused() {
    local n=$1 words=() rc
    shift
    while [ "$1" != -- ]; do words+=("$1") && shift; done
    shift
    OMP_NUM_THREADS=1 ranks "$n" timeout 60 "$WR" "$@" >out.txt 2>log.txt </dev/null
    rc=$?
    [ $rc = 1 ] && [ "$(grep -c '^wildreward: error: ' log.txt)" = 1 ] && says log.txt 'GiB of memory' 'GiB are available' "${words[@]}" && [ ! -s out.txt ] && return
    echo "# exit $rc: $(head -c 400 log.txt)"
    return 1
}
ok "score" refused 1 rm: '--precision bf16 needs 0.1 GiB' -- score --model rm
ok "sample in bf16, which packs them" refused 1 lm: 'in bf16' -- sample --model lm --precision bf16
ok "logprobs" refused 1 '--precision bf16 needs' -- logprobs --model lm
ok "an annotator" refused 1 '--annotator-precision bf16 needs' -- prepare world/chats.jsonl.zst --out other --tokenizer data --annotator model --annotator-model lm
ok "evaluate, on 2 ranks" refused 2 'the 2 ranks of this host' '--precision bf16 needs' -- evaluate --model rm --data data --out eval.json
ok "evaluate a policy" refused 1 'lm and rm' -- evaluate --model lm --reward rm --prompts world/prompts-train.jsonl --out eval.json
ok "evaluate a policy that fits by a reward model that does not" refused 1 'small/model and rm' '--precision bf16 needs 0.1 GiB' -- evaluate --model small/model --reward rm --prompts world/prompts-train.jsonl --out eval.json
ok "train lm" refused 1 lm: -- train lm --data data --model lm --out run --steps 1
ok "train reward, on 2 ranks" refused 2 rm: 'fewer ranks a host' -- train reward --data data --model rm --out run --steps 1
ok "adapters" refused 1 lm: -- train lm --data data --model lm --out run --steps 1 --lora-rank 2
ok "dpo online" refused 1 'small/model and rm' '--precision bf16 needs' -- dpo online --model small/model --reward rm --prompts world/prompts-train.jsonl --out run --steps 1
ok "nothing is left" [ ! -e run ] && [ ! -e other ] && [ ! -e eval.json ]
done_testing
