# The rows of scripts/course: a line each. Sourced there, never run.
#   row|quick|full TOPIC EXPECTED COMMAND...      quick: not with --full; full: with --full alone
# shellcheck shell=sh disable=SC2154   # scripts/course sets work, mode and threads

course_rows() {
    rows_perceptrons
    rows_approximation
    rows_linear
    rows_convolution
    rows_architectures
    rows_sequences
    rows_autoencoders
    rows_methods
}

# ---- perceptrons ----

gate() { outputs "$(trained "perceptron-$1" "perceptron-$1")" "cfg/course/data/$1.csv"; }
wrong_answers() { tested loss "$(trained "perceptron-$1" "perceptron-$1")" --split train; }
table_learnt() { outputs "$(trained "$1" "$1")" "cfg/course/data/$1.csv" | awk '{ for (i = 1; i <= NF; i++) printf "%s%.1f", (i > 1 ? " " : ""), $i + 0.0001 }'; }

rows_perceptrons() {
    row 'AND, H(-1.5 + x1 + x2) as given' '= 0 0 0 1' outputs and-given cfg/course/data/and.csv
    row 'AND by the perceptron rule' '= 0 0 0 1' gate and
    row 'OR by the perceptron rule' '= 0 1 1 1' gate or
    row 'NAND by the perceptron rule' '= 1 1 1 0' gate nand
    row 'NOR by the perceptron rule' '= 1 0 0 0' gate nor
    row 'NOT by the perceptron rule' '= 1 0' gate not
    row 'XOR by one perceptron: share of wrong answers' '> 0.24' wrong_answers xor
    row 'XOR by a multilayer perceptron' '= 0.0 1.0 1.0 0.0' table_learnt xor
    row '300-100-10 on 28x28: parameters' '= 266610' parameters mlp
    full '300-100-10 on MNIST, 8 epochs: top-1' '> 0.975' mnist_top1 mlp mlp
    quick '300-100-10 on MNIST, 300 steps: top-1' '> 0.90' mnist_top1 mlp mlp --max-batches 300
}

mnist_top1() { need mnist && tested top1 "$(trained "$@")"; }
cifar_top1() { need cifar-10-batches-bin && tested top1 "$(trained "$@")"; }

# ---- functions of one variable, least squares ----

fits() { tested r2 "$(trained "approximate-$1" "approximate-$1")" --split train; }
# picture NAME PREDICT-ARGUMENTS...: draws NAME.png and prints its size.
picture() {
    name=$work/$1.png
    shift
    "$DLCLI" predict "$@" -q -o "$name" && wc -c <"$name"
}
picture_of_fit() { picture "fit-$1" "cfg/course/data/$1.csv" -m "$(trained "approximate-$1" "approximate-$1")"; }

rows_approximation() {
    row 'x^2 by one tanh layer, 50 samples: r2' '> 0.999' fits square
    row 'sin x by one tanh layer: r2' '> 0.999' fits sin
    row '|x| by one tanh layer: r2' '> 0.99' fits abs
    row 'H(x) by one tanh layer: r2' '> 0.97' fits heaviside
    row 'H(x): picture of the points and the curve, bytes' '> 5000' picture_of_fit heaviside
    row '(x-3)^2 + 3 sin(x-2) on [0,6] by 1-3-1: parameters' '= 10' parameters approximate-wave
    row '(x-3)^2 + 3 sin(x-2) on [0,6] by 1-3-1: r2' '> 0.99' fits wave
    row 'least squares: largest distance from the normal equations' '< 0.0001' distance_to_normal_equations
}

# The weights are read off the outputs at 0 0, 1 0 and 0 1; the normal equations are solved by elimination.
distance_to_normal_equations() {
    printf '0,0\n1,0\n0,1\n' >"$work/corners.csv"
    outputs "$(trained linear-regression linear-regression)" "$work/corners.csv" >"$work/learnt" || return 1
    awk -F, -v learnt="$(cat "$work/learnt")" '
        NR > 1 { x[1] = 1; x[2] = $1; x[3] = $2
                 for (i = 1; i <= 3; i++) { a[i, 4] += x[i] * $3; for (j = 1; j <= 3; j++) a[i, j] += x[i] * x[j] } }
        END {
            for (k = 1; k <= 3; k++) for (i = 1; i <= 3; i++) if (i != k) { f = a[i, k] / a[k, k]; for (j = 1; j <= 4; j++) a[i, j] -= f * a[k, j] }
            split(learnt, y, " "); w[1] = y[1]; w[2] = y[2] - y[1]; w[3] = y[3] - y[1]
            for (i = 1; i <= 3; i++) { d = w[i] - a[i, 4] / a[i, i]; if (d < 0) d = -d; if (d > most) most = d }
            printf "%.1e", most }' cfg/course/data/linear.csv
}

# ---- linear classifiers, features made by hand ----

# Ten templates of 32x32 in a picture.
templates() {
    need cifar-10-batches-bin
    "$DLCLI" draw "$(trained "$1" "$1" --epochs 2)" --weights connected1 -q -o "$work/$1.svg" && grep -c '<g ' "$work/$1.svg"
}

rows_linear() {
    row 'linear classifier 3072 -> 10: parameters' '= 30730' parameters linear-softmax
    full 'linear classifier, softmax loss, CIFAR-10: top-1' '> 0.37' cifar_top1 linear-softmax linear-softmax
    full 'linear classifier, hinge loss, CIFAR-10: top-1' '> 0.35' cifar_top1 linear-svm linear-svm
    quick 'linear classifier, softmax loss, 2 epochs: top-1' '> 0.33' cifar_top1 linear-softmax linear-softmax --epochs 2
    quick 'linear classifier, hinge loss, 2 epochs: top-1' '> 0.31' cifar_top1 linear-svm linear-svm --epochs 2
    row 'linear classifier: class templates in the picture' '= 10' templates linear-softmax
    full 'gradient histograms + linear classifier, CIFAR-10: top-1' '> 0.48' cifar_top1 hog-linear hog-linear
    quick 'gradient histograms + linear classifier, 2 epochs: top-1' '> 0.42' cifar_top1 hog-linear hog-linear --epochs 2
    full 'a convolutional network beside it (LeNet-5, 8 epochs): top-1' '> 0.60' cifar_top1 lenet lenet --epochs 8
    quick 'a convolutional network beside it (LeNet-5, 1 epoch): top-1' '> 0.40' cifar_top1 lenet lenet --epochs 1
    row 'CIFAR-10 as 40,000 / 10,000 / 10,000' '= 40000 10000 10000' cifar_split
}

cifar_split() {
    need cifar-10-batches-bin
    run=$(dirname "$(trained split linear-softmax --max-batches 1)")
    sed -n 's/.*"train_images":\([0-9]*\),"valid_images":\([0-9]*\).*/\1 \2/p' "$run/metrics.jsonl" | tr '\n' ' '
    "$DLCLI" test "$run/last.safetensors" -q --json ${threads:+--threads "$threads"} | sed 's/.*"test","images":\([0-9]*\).*/\1/'
}

# ---- convolution, pooling, softmax: the worked numbers ----

first_row() { outputs "$@" | cut -d' ' -f1-4; }
scores() { "$DLCLI" predict cfg/course/data/scores.csv -m cfg/course/softmax.cfg -q --layer softmax1 | sed 's/.*\]: *//'; }
filters_of() { "$DLCLI" summary "$(config filters-5x5)" --set "net.channels=$1" --json | value parameters; }

rows_convolution() {
    row '6x6, rows 10 10 10 0 0 0, kernel rows 1 0 -1: first row' '= 0 30 30 0' first_row edges-vertical cfg/course/data/6x6.csv --set net.width=6 --set net.height=6
    row 'true convolution (flip_kernel): first row' '= 0 -30 -30 0' first_row convolution-true cfg/course/data/6x6.csv
    row '7x7, kernel 3 4 4 / 1 0 2 / -1 0 3, stride 2' '= 91 100 88 69 91 117 44 72 74' outputs convolution-stride cfg/course/data/7x7.csv
    row 'the same by Sobel: first row' '= 0 40 40 0' first_row edges-sobel cfg/course/data/6x6.csv --set net.width=6 --set net.height=6
    row 'the same by Scharr: first row' '= 0 160 160 0' first_row edges-scharr cfg/course/data/6x6.csv --set net.width=6 --set net.height=6
    row 'three rows of 10, three of 0, horizontal edges' '= 0 0 0 0 30 30 30 30 30 30 30 30 0 0 0 0' \
        outputs edges-horizontal cfg/course/data/6x6-rows.csv --set net.width=6 --set net.height=6
    row 'edges of a photograph: picture of the result, bytes' '> 5000' picture edges data/pictures/ship.png -m cfg/course/edges-sobel.cfg --layer 0
    row '2x2 max pooling' '= 100 184 12 45' outputs max-pooling cfg/course/data/pooling.csv
    row '2x2 average pooling' '= 36 80 12 15' outputs average-pooling cfg/course/data/pooling.csv
    row 'pooling: parameters' '= 0' parameters max-pooling
    row 'ten 3x3x3 filters: parameters' '= 280' parameters filters-3x3x3
    row 'six 5x5 filters on one channel: parameters' '= 156' filters_of 1
    row 'six 5x5 filters on three channels: parameters' '= 456' filters_of 3
    row 'connected, 3,072 to 4,704: weights' '= 14450688' parameters filters-connected
    row 'softmax of 3.2, 5.1, -1.7' '~ 0.13 0.87 0.00' scores
}

# ---- networks ----

# learns NAME CONFIG STEPS RATE [OPTION...]: real CIFAR-10 where it is there, else its sample; a constant rate.
learns() {
    name=$1 cfg=$2 steps=$3 rate=$4
    shift 4
    has cifar-10-batches-bin || set -- --set data.path=data/cifar10-sample "$@"
    falls "$name" "$cfg" --max-batches "$steps" --set "net.learning_rate=$rate" --set net.policy=constant --set net.log_steps=1 --set net.batch=32 --set data.valid=100 "$@"
}
# Real pictures, so many of each of CIFAR-10's classes: a list of their files and of their classes' numbers.
some_pictures() {
    list=$work/pictures-$1.txt
    find "$(where cifar-10-images)/train" -mindepth 1 -maxdepth 1 -type d | sort | awk '{ print $0 "\t" NR - 1 }' | while read -r class number; do
        find "$(cd "$class" && pwd)" -type f | sort | head -n "$1" | sed "s/\$/\t$number/"
    done >"$list"
    echo "$list"
}
# by_heart NAME CONFIG STEPS RATE EACH [OPTION...]: learnt by heart, so many pictures of each of ten classes, scaled to the network's size.
by_heart() {
    name=heart-$1 cfg=$2 steps=$3 rate=$4 each=$5
    shift 5
    need cifar-10-images
    falls "$name" "$cfg" --max-batches "$steps" --set "net.learning_rate=$rate" --set net.policy=constant --set net.warmup=0 --set net.log_steps=1 \
        --set net.checkpoint_epochs=1000 --set data.source=list --set "data.path=$(some_pictures "$each")" --set data.flip=0 --set net.clip=1 "$@"
}
count_row() { row "$1: parameters" "= $3" parameters "$2"; }
# Chance is a loss of 2.303 of ten classes, 6.908 of a thousand; who only learns which ten there are comes to 2.303 too.
learn_rows() { full "$1, CIFAR-10, $3 steps: loss" 'falls below 2.1' learns "$2" "$2" "$3" "$4"; }
large_rows() { full "$1, 224x224, $((10 * $5)) pictures by heart, $3 steps: loss" 'falls below 2.0' by_heart "$2" "imagenet/$2" "$3" "$4" "$5" --set net.batch=5; }

rows_architectures() {
    count_row 'LeNet-5, CIFAR-10' lenet 62006
    count_row 'LeNet-5, MNIST' mnist/lenet 61706
    full 'LeNet-5 on MNIST, 3 epochs: top-1' '> 0.98' mnist_top1 mnist-lenet mnist/lenet --epochs 3
    quick 'LeNet-5 on MNIST, 200 steps: top-1' '> 0.90' mnist_top1 mnist-lenet mnist/lenet --max-batches 200
    quick 'LeNet-5 on CIFAR-10, 60 steps: loss' falls learns lenet-60 lenet 60 0.02
    row 'AlexNet: maps behind conv1 and each pooling' '= 55 27 13 6' maps alexnet-lecture '^conv1|^maxpool'
    count_row 'AlexNet as the lecture draws it' alexnet-lecture 62378344
    count_row 'AlexNet (two groups, as published)' imagenet/alexnet 60965224
    count_row 'ZFNet' imagenet/zfnet 62357608
    count_row 'VGG-16' imagenet/vgg16 138357544
    count_row 'VGG-19' imagenet/vgg19 143667240
    count_row 'GoogLeNet with auxiliary classifiers' imagenet/googlenet 13004888
    count_row 'ResNet-18' imagenet/resnet18 11689512
    count_row 'ResNet-34' imagenet/resnet34 21797672
    count_row 'ResNet-50' imagenet/resnet50 25557032
    count_row 'SqueezeNet v1.0' imagenet/squeezenet 1248424
    count_row 'ResNet-20, CIFAR-10' resnet20 269722
    count_row 'ResNet-32, CIFAR-10' resnet32 464154
    count_row 'ResNet-44, CIFAR-10' resnet44 658586
    count_row 'ResNet-56, CIFAR-10' resnet56 853018
    count_row 'ResNet-110, CIFAR-10' resnet110 1727962
    learn_rows AlexNet alexnet 150 0.01
    learn_rows ZFNet zfnet 150 0.01
    learn_rows VGG-16 vgg16 200 0.004
    learn_rows VGG-19 vgg19 200 0.004
    # 0.3 of two auxiliary losses are in GoogLeNet's: chance is 1.6 times the others'.
    full 'GoogLeNet, CIFAR-10, 100 steps: loss, auxiliary ones in it' 'falls below 3.4' learns googlenet googlenet 100 0.02
    learn_rows ResNet-20 resnet20 200 0.1
    learn_rows ResNet-32 resnet32 200 0.05
    learn_rows ResNet-44 resnet44 200 0.05
    learn_rows ResNet-56 resnet56 200 0.05
    learn_rows ResNet-110 resnet110 200 0.02
    learn_rows SqueezeNet squeezenet 150 0.01
    quick 'ResNet-20, CIFAR-10, 30 steps: loss' falls learns resnet20 resnet20 30 0.1 --set net.batch=16
    large_rows AlexNet alexnet 150 0.01 2
    large_rows ZFNet zfnet 150 0.01 2
    large_rows VGG-16 vgg16 100 0.01 1
    large_rows VGG-19 vgg19 100 0.01 1
    full 'GoogLeNet, 224x224, 20 pictures by heart, 300 steps: loss' 'falls below 3.2' by_heart googlenet imagenet/googlenet 300 0.01 2 --set net.batch=5
    large_rows ResNet-18 resnet18 100 0.01 2
    large_rows ResNet-34 resnet34 100 0.01 2
    large_rows ResNet-50 resnet50 150 0.05 2
    large_rows SqueezeNet squeezenet 200 0.003 2
    row 'SqueezeNet with its ImageNet weights: top 3 of a photograph' '= dogsled malamute muzzle' squeezenet_says
    row 'ensemble of three LeNets: top-1 above their mean by' '> 0' ensemble_gain
}

squeezenet_says() {
    need squeezenet1_0.safetensors && need images
    "$DLCLI" predict "$(where images)/dog.jpg" -m cfg/imagenet/squeezenet.cfg -w "$(where squeezenet1_0.safetensors)" --top 3 -q | awk 'NR > 1 { printf "%s%s", sep, $2; sep = " " }'
}

# Three LeNets of other seeds: real data and two epochs with --full, else the sample.
ensemble_gain() {
    sum=0
    set --
    for seed in 1 2 3; do
        if [ "$mode" = full ]; then model=$(trained "ensemble-$seed" lenet --epochs 2 --seed "$seed") || return 1
        else model=$(trained "ensemble-$seed" lenet --epochs 12 --seed "$seed" --set data.path=data/cifar10-sample --set data.valid=100 --set net.batch=16 --set net.learning_rate=0.02) || return 1
        fi
        set -- "$@" "$model"
        sum="$sum + $(tested top1 "$model")"
    done
    awk "BEGIN { printf \"%.4f\", $(tested top1 "$@") - ($sum) / 3 }"
}

# ---- sequences ----

hello() { "$DLCLI" generate "$(trained "$1-hello" "$1-hello")" --prompt h --length 4 --seed 3 -q; }
hello_loss() { tested loss "$(trained "$1-hello" "$1-hello")" --data text:data/course/hello.txt; }
tested_texts() { tested top1 "$(trained "$1" "$1")"; }

rows_sequences() {
    for kind in rnn deep-rnn lstm gru; do
        row "\"hello\" over h, e, l, o by $kind: from h" '= hello' hello $kind
    done
    for kind in bidirectional deep-bidirectional; do
        row "\"hello\" by a $kind rnn: loss in nats" '< 0.05' hello_loss $kind
    done
    row 'classification of lines by language, bidirectional LSTM: top-1' '> 0.88' tested_texts classify-lines
    row 'tagging of tokens, bidirectional GRU: top-1' '> 0.96' tested_texts tag-tokens
    full 'Shakespeare, 2-layer LSTM of 128, 2 epochs: bits a character' '< 2.8' shakespeare --epochs 2
    quick 'Shakespeare, 2-layer LSTM, 30 steps: bits a character' '< 5' shakespeare --max-batches 30
}

shakespeare() {
    need tinyshakespeare.txt && tested bits_per_symbol "$(trained shakespeare shakespeare-lstm "$@")" --split valid
}

# ---- autoencoders ----

rmse_of() { need mnist && tested rmse "$(trained "autoencoder-$1" "autoencoder-$1")"; }
gives_back() {
    falls "autoencoder-$1" "autoencoder-$1" --max-batches 100 --set data.source=cifar10 --set data.path=data/cifar10-sample --set data.valid=100 --set net.batch=20 --set net.log_steps=1
}
picture_of_pairs() {
    [ -f "$work/autoencoder-$1/done" ] || gives_back "$1" >"$work/outputs" || return 1
    picture "pairs-$1" data/course/digits -m "$work/autoencoder-$1/best.safetensors"
}

rows_autoencoders() {
    full 'autoencoder 784-32-784, MNIST: rmse' '< 0.12' rmse_of undercomplete
    full 'autoencoder 784-1024-784: rmse' '< 0.08' rmse_of overcomplete
    full 'sparse autoencoder, 1024 units: rmse' '< 0.10' rmse_of sparse
    full 'denoising autoencoder, 256 units: rmse on clean digits' '< 0.10' rmse_of denoising
    full 'deep convolutional, transposed convolution: rmse' '< 0.15' rmse_of deep
    full 'deep convolutional, upsampling: rmse' '< 0.14' rmse_of upsample
    row 'picture of reconstructions below their inputs, bytes' '> 5000' picture_of_pairs undercomplete
    for kind in undercomplete overcomplete sparse denoising deep upsample; do
        quick "$kind autoencoder, grey pictures, 100 steps: loss" falls gives_back $kind
    done
}

# ---- methods ----

# gap NAME CONFIG [OPTION...]: accuracies of the last epoch, training minus validation.
gap() {
    run=$(dirname "$(trained "$@")")
    "$DLCLI" plot "$run" -q -o "$work/$1.png" || return 1
    grep '"event":"epoch"' "$run/metrics.jsonl" | tail -n 1 >"$work/json"
    echo "$(value train_top1 <"$work/json") $(value valid_top1 <"$work/json")" | awk '{ printf "%.3f", $1 - $2 }'
}
last_validation_loss() {
    run=$(dirname "$(trained "$@")")
    grep '"event":"epoch"' "$run/metrics.jsonl" | tail -n 1 | value valid_loss | round 3
}
# The validation loss after all epochs, without the options and with them; one that learns nothing has 2.303.
helps() { echo "$(last_validation_loss overfitting overfitting) to $(last_validation_loss "$@")"; }
# After all epochs, not the best.
overfitted() { best=$(trained overfitting overfitting) && echo "${best%best.safetensors}last.safetensors"; }
calibrated() {
    model=$work/calibrated.safetensors
    cp "$(overfitted)" "$model" && "$DLCLI" test "$model" --calibrate -q --json >"$work/json" || return 1
    echo "$(value ece_before <"$work/json" | round 3) to $(value ece <"$work/json" | round 3)"
}
other_views() {
    model=$(overfitted)
    echo "$(tested loss "$model") to $(tested loss "$model" --tta "$1")"
}
rate_found() {
    "$DLCLI" train cfg/lenet.cfg --find-rate -o "$work/find-rate" -q --json ${threads:+--threads "$threads"} --set data.path=data/cifar10-sample --set data.valid=100 |
        value suggested_rate
}
epochs_run() { grep -c '"event":"epoch"' "$(dirname "$(trained "$@")")/metrics.jsonl"; }
proved() { "$DLCLI" check "$(config "$1")" --gradients -q >&2 && echo proved; }
compared() { "$DLCLI" summary cfg/imagenet/*.cfg --plot "$work/compared.png" -q | grep -c '^cfg/'; }
drawn() { "$DLCLI" draw "$(config "$1")" -q -o - | grep -c 'height="44"'; }
trainable() { "$DLCLI" summary "$(config "$1")" --set "$2" --json | value trainable; }

# count_of THINGS COMMAND...: for how many of them the command, with the thing behind it, succeeds.
count_of() {
    things=$1 good=0
    shift
    for thing in $things; do
        if "$@" "$thing" >&2; then good=$((good + 1)); else echo "$thing" >&2; fi
    done
    echo "$good of $(echo "$things" | wc -w)"
}
activation_proved() { "$DLCLI" check cfg/course/approximate-sin.cfg --gradients -q --set "0.activation=$1"; }
# Values: mse, l1, bce; classes: hinge, cross-entropy.
loss_proved() {
    case $1 in
    hinge | cross-entropy) "$DLCLI" check cfg/course/linear-svm.cfg --gradients -q --set data.path=data/cifar10-sample --set data.valid=100 --set "1.type=$1" ;;
    *) "$DLCLI" check cfg/course/approximate-sin.cfg --gradients -q --set "2.type=$1" ;;
    esac
}
init_trains() { falls "init-$1" approximate-abs --max-batches 300 --set net.log_steps=1 --set "0.init=$1" | awk '{ exit !($3 < $1) }'; }
# A rule, with its rate and keys behind commas.
optimizer_fits() {
    # shellcheck disable=SC2046   # words are what is wanted
    set -- "$1" $(echo "$1" | tr ',' '\n' | sed '1s/^/net.optimizer=/; 2s/^/net.learning_rate=/; 3s/^/net./; s/^/--set /')
    name=by-$1
    shift
    [ "$(tested r2 "$(trained "$name" approximate-square --epochs 1000 "$@")" --split train | awk '{ print ($1 > 0.97) }')" = 1 ]
}

rows_methods() {
    row 'backpropagation by finite differences: an LSTM' '= proved' proved lstm-hello
    row 'backpropagation by finite differences: LeNet-5' '= proved' proved lenet
    row 'activations, each by finite differences' '= 14 of 14' count_of \
        'linear relu leaky elu logistic tanh hardtanh softplus abs mish gelu silu heaviside sign' activation_proved
    row 'losses, each by finite differences' '= 5 of 5' count_of 'mse l1 bce hinge cross-entropy' loss_proved
    row 'initializations, each trains' '= 8 of 8' count_of 'uniform normal glorot glorot_normal he he_uniform dirac orthogonal' init_trains
    row 'optimizers, x^2 in 1,000 steps: r2 above 0.97' '= 9 of 9' count_of \
        'sgd,0.5,momentum=0 sgd,0.1,momentum=0.9 sgd,0.1,nesterov=1 adagrad,0.1 rmsprop,0.01 adam,0.02 adamax,0.1 nadam,0.02 adamw,0.02' optimizer_fits
    row 'overfitting: training minus validation accuracy' '> 0.4' gap overfitting overfitting
    row 'underfitting: training minus validation accuracy' '-0.1 .. 0.1' gap underfitting underfitting
    row 'L2: validation loss without and with it' falls helps l2 overfitting --set net.decay=0.02
    full 'L1: validation loss without and with it' falls helps l1 overfitting --set net.l1=0.0005
    full 'L1 and L2 (elastic net): validation loss without and with it' falls helps elastic overfitting --set net.l1=0.0003 --set net.decay=0.01
    full 'max-norm: validation loss without and with it' falls helps max-norm overfitting --set net.max_norm=1
    full 'dropout: validation loss without and with it' falls helps dropout overfitting-dropout
    full 'data augmentation: validation loss without and with it' falls helps augmented overfitting --set data.flip=1 --set data.crop_padding=4
    full 'mixup: validation loss without and with it' falls helps mixup overfitting --set data.mixup=1
    full 'cutmix: validation loss without and with it' falls helps cutmix overfitting --set data.cutmix=1
    full 'RandAugment: validation loss without and with it' falls helps randaugment overfitting --set data.randaugment=2
    full 'averaged weights: validation loss without and with them' falls helps ema overfitting --set net.ema=0.98
    row 'fractional max pooling by the cube root of 2: maps' '= 23 18 14 11' maps fractional-pooling '^fractional'
    full 'fractional max pooling, 12 epochs: loss' falls falls fractional fractional-pooling --set net.log_steps=1
    full 'stochastic depth, 15 epochs: loss' falls falls depth stochastic-depth --set net.log_steps=1
    quick 'stochastic depth, 5 epochs: loss' falls falls depth stochastic-depth --set net.log_steps=1 --epochs 5
    row 'learning-rate range test, LeNet-5: suggested rate' '0.001 .. 0.1' rate_found
    row 'temperature scaling: calibration error before and after' falls calibrated
    row 'test-time augmentation (mirror): loss without and with it' falls other_views mirror
    full 'batch normalization: training accuracy of the last epoch, above validation by' '> 0.1' gap batchnorm overfitting --set 0.batch_normalize=1
    full 'early stopping (patience=4): epochs of 30' '< 30' epochs_run early overfitting --set net.patience=4
    row 'a frozen first layer: trainable parameters of XOR' '= 5' trainable xor 0.freeze=1
    row 'comparison of networks, as a table and a picture: rows' '= 9' compared
    row 'picture of GoogLeNet: boxes' '> 60' drawn imagenet/googlenet
    full 'bfloat16 training, LeNet-5, 1 epoch: top-1' '> 0.4' cifar_top1 bf16 lenet --epochs 1 --precision bf16
    quick 'bfloat16 training, LeNet-5, 60 steps: loss' falls learns bf16 lenet 60 0.02 --precision bf16
}
