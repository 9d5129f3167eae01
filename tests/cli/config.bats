#!/usr/bin/env bats
# Configs: both forms, --set, and errors with file, line, what was found and the nearest name.
load helpers

# A small config whose fifth line is the first one given.
config_with() { printf '%s\n' '[net]' width=8 height=8 channels=3 "$@" >bad.cfg; }

# Refused with exactly one sentence that holds each of the texts.
refused() {
    run -2 --separate-stderr dlcli summary bad.cfg
    for text; do says "$text"; done
}

@test "every shipped config survives --convert to JSON and back" {
    for config in "$ROOT"/cfg/*.cfg "$ROOT"/cfg/*/*.cfg "${SMALL:?}"; do
        dlcli check --convert json "$config" >a.json
        jq -e '.net and (.layers | length > 0)' a.json >/dev/null
        dlcli check --convert ini a.json >b.cfg
        dlcli check --convert json b.cfg >c.json
        cmp a.json c.json
        dlcli check --convert ini b.cfg | cmp - b.cfg
        cmp <(dlcli summary --json "$config") <(dlcli summary --json a.json)
    done
}

@test "cfg/lenet.json is cfg/lenet.cfg" {
    [ -f "$ROOT/cfg/lenet.json" ]
    cmp <(dlcli check --convert json "$ROOT/cfg/lenet.cfg") <(dlcli check --convert json "$ROOT/cfg/lenet.json")
}

@test "JSON with the values as texts or as numbers means the same" {
    echo '{"net":{"width":8,"height":8,"channels":3},"layers":[{"type":"convolutional","filters":4,"size":3},{"type":"softmax"}]}' >a.json
    echo '{"net":{"width":"8","height":"8","channels":"3"},"layers":[{"type":"convolutional","filters":"4","size":"3"},{"type":"softmax"}]}' >b.json
    cmp <(dlcli summary --json a.json) <(dlcli summary --json b.json)
}

@test "an unknown key: file, line, section, and the nearest" {
    config_with '[convolutional]' 'filters=4' 'stide=2'
    refused 'bad.cfg:7:' '[convolutional]' 'stide' 'stride'
}

@test "an unknown section, with the nearest" {
    config_with '[convolutionl]' 'filters=4'
    refused 'bad.cfg:5:' 'convolutionl' 'convolutional'
}

@test "values that are not whole, out of range, or not one of the choices" {
    for value in 6x 0x10 1,,2 '' -1 99999999999999999999 1e999 nan; do
        config_with '[convolutional]' "filters=$value"
        refused 'bad.cfg:6:' 'filters'
    done
    config_with '[convolutional]' 'filters=4' 'activation=rely'
    refused 'bad.cfg:7:' 'rely' 'relu'
}

@test "a key twice: the same value warns, another is an error" {
    config_with '[convolutional]' 'filters=4' 'filters=4'
    run -0 --separate-stderr dlcli summary bad.cfg
    says 'warning'
    config_with '[convolutional]' 'filters=4' 'filters=5'
    refused 'bad.cfg:7:' 'filters'
}

@test "shapes that do not fit" {
    config_with '[convolutional]' 'filters=4' 'size=9'
    refused 'bad.cfg:' 'size'
    config_with '[convolutional]' 'filters=4' 'size=3' 'groups=2'
    refused 'bad.cfg:' 'groups'
    config_with '[convolutional]' 'filters=4' 'size=3' '[route]' 'layers=7'
    refused 'bad.cfg:'
}

@test "several errors at once" {
    config_with '[convolutional]' 'filters=x' 'stide=2' '[maxpool]' 'size=0'
    refused 'bad.cfg:6:' 'bad.cfg:7:' 'bad.cfg:9:'
}

@test "JSON errors name their line too" {
    printf '{"net":{"width":8,"height":8,"channels":3},\n"layers":[\n{"type":"convolutional","filters":"4x"}]}\n' >bad.cfg
    refused 'bad.cfg:3:' 'filters'
    printf '{"net":{"width":8,\n"height":8,,}' >bad.cfg
    refused 'bad.cfg:2:'
    printf '{"net":{"width":8,"height":8,"channels":3},"layers":[{"type":"softmax"}]} more' >bad.cfg
    refused 'bad.cfg:1:'
}

@test "darknet's dialect: aliases, comments, CRLF, ignored keys" {
    printf '; darknet\r\n[network]\r\nw = 8\r\nh=8 # inner\r\nc=3\r\n[conv]\r\nfilters = 4\r\nsize=3\r\npad=1\r\nactivation=logistic\r\n[soft]\r\n[cost]\r\ntype=sse\r\n' >d.cfg
    run -0 --separate-stderr dlcli summary --json d.cfg
    holds '.layers[0].output == [4, 8, 8]'
    config_with 'mosaic=1' '[softmax]'
    run -0 --separate-stderr dlcli summary bad.cfg
    says 'mosaic'
}

@test "ignored keys: one warning, with its line; twice with two values is an error" {
    config_with '[conv]' 'truth=1' '[conv]' 'truth=1'
    run -0 --separate-stderr dlcli summary bad.cfg
    says 'bad.cfg:6: [convolutional] truth: has no use here and is ignored'
    [ "$(dlcli summary bad.cfg 2>&1 | grep -c truth)" = 1 ]
    config_with '[softmax]' 'truth=1' 'truth=2'
    refused 'bad.cfg:7: [softmax] truth: given twice'
}

@test "darknet's keys that are not offered: 0 passes, others are refused" {
    for key in contrastive unsupervised adversarial_lr gaussian_noise; do
        config_with "$key=0" '[softmax]'
        dlcli summary bad.cfg
        config_with "$key=1" '[softmax]'
        refused "bad.cfg:5: [net] $key: want 0"
    done
    for key in antialiasing grad_centr coordconv; do
        config_with '[conv]' "$key=0" '[softmax]'
        dlcli summary bad.cfg
        config_with '[conv]' "$key=1" '[softmax]'
        refused "bad.cfg:6: [convolutional] $key: want 0"
    done
    config_with '[conv]' '[conv]' 'share_index=0' '[softmax]'
    refused 'bad.cfg:7: [convolutional] share_index: weights shared'
}

@test "recurrent cells have PyTorch's form" {
    for layer in rnn lstm gru; do
        printf '%s\n' '[net]' inputs=3 time_steps=4 "[$layer]" output=2 form=pytorch '[softmax]' >bad.cfg
        dlcli summary bad.cfg
        sed -i s/pytorch/darknet/ bad.cfg
        refused "bad.cfg:6: [$layer] form: want pytorch"
    done
}

@test "avgpool without a size is of the whole map: it takes no stride and no padding" {
    for key in stride=2 stride_x=2 stride_h=2 padding=same pad_each=1; do
        config_with '[avgpool]' "$key"
        refused "bad.cfg:6: [avgpool] ${key%=*}: is of no use here: want size="
        config_with '[avgpool]' "$key" size=2
        dlcli summary bad.cfg
    done
}

@test "class names that are not as many as the outputs: the line, and the key" {
    config_with '[data]' source=synthetic 'classes=cat,dog' '[connected]' output=10 '[softmax]'
    refused 'bad.cfg:7: [data] classes: 2 classes, but the network has 10 outputs'
}

@test "--set: sections, layers by name and index; nearest names; the last one wins" {
    run -0 --separate-stderr dlcli summary --json "$SMALL" --set 0.filters=3 --set conv1.filters=5 --set net.width=16
    holds '.layers[0].output == [5, 12, 16]'
    run -2 --separate-stderr dlcli summary "$SMALL" --set conv2.filters=5
    says 'conv1'
    run -2 --separate-stderr dlcli summary "$SMALL" --set conv1.filtres=5
    says '--set conv1.filtres: unknown key; did you mean "filters"?'
    run -2 --separate-stderr dlcli summary "$SMALL" --set 0.filters=none
    says '--set 0.filters: want'
    run -2 --separate-stderr dlcli summary "$SMALL" --set network.batch=none
    says '--set network.batch: want'
    run -2 --separate-stderr dlcli summary "$SMALL" --set nonsense
    says 'nonsense'
    run -2 --separate-stderr dlcli summary "$SMALL" --set 99.filters=5
    says '99'
}

@test "help: commands, layers, topics, and the nearest" {
    run -0 --separate-stderr dlcli help
    for command in train test predict summary check help bench import; do
        prints "$command"
        run -0 --separate-stderr dlcli help "$command"
        cmp <(dlcli help "$command") <(dlcli "$command" --help)
        run -0 --separate-stderr dlcli help
    done
    for topic in net data convolutional maxpool connected sources activations status environment; do
        run -0 --separate-stderr dlcli help "$topic"
        [ "${#output}" -gt 100 ]
    done
    run -2 --separate-stderr dlcli help convolutionl
    says 'convolutional'
}

@test "docs/reference.md is what help says" {
    cmp <(dlcli help reference) "$ROOT/docs/reference.md"
}

@test "check --gradients proves the shipped small networks" {
    cut=(--set net.width=63 --set net.height=63)   # the whole takes minutes
    for config in lenet alexnet vgg16 mnist/lenet imagenet/squeezenet; do
        options=()
        [ "$config" != imagenet/squeezenet ] || options=("${cut[@]}")
        run -0 --separate-stderr dlcli check --gradients --json "$ROOT/cfg/$config.cfg" "${options[@]}"
        output=$(jq -s . <<<"$output")
        holds 'all(.ok) and any(.error != null)'
    done
}

# What is published of each.
@test "parameters of the shipped networks" {
    while read -r config parameters; do
        run -0 --separate-stderr dlcli summary --json "$ROOT/cfg/$config.cfg"
        holds ".parameters == $parameters"
    done <<EOF
lenet 62006
mnist/lenet 61706
imagenet/alexnet 60965224
imagenet/vgg16 138357544
imagenet/vgg19 143667240
imagenet/squeezenet 1248424
EOF
}
