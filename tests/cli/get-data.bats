#!/usr/bin/env bats
# scripts/get-data against archives made here and a mirror on disk: nothing is downloaded.

setup() {
    root=$BATS_TEST_DIRNAME/../..
    cd "$BATS_TEST_TMPDIR" || return
    mkdir -p cifar-10-batches-bin mirror
    for name in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
        head -c 30730 /dev/urandom >"cifar-10-batches-bin/$name.bin"
    done
    printf 'airplane\ncat\n' >cifar-10-batches-bin/batches.meta.txt
    tar -czf mirror/cifar-10-binary.tar.gz cifar-10-batches-bin
    # the script with our archive's checksum in place of the published one, and no address but ours
    sum=$(md5sum <mirror/cifar-10-binary.tar.gz | cut -d' ' -f1)
    sed -e "s/c32a1d4ab5d03f1284b67883e8d87530/$sum/" -e "s|https://[^ ']*|file:///nowhere|g" "$root/scripts/get-data" >ours
    sed -e "s|https://[^ ']*|file:///nowhere|g" "$root/scripts/get-data" >published
    chmod +x ours published
}

same() {
    for file in cifar-10-batches-bin/*; do
        cmp "$file" "$1/$file" || return 1
    done
}

@test "takes an archive that it is given, and says that it is not the published one" {
    run "$root/scripts/get-data" -d out cifar10 mirror/cifar-10-binary.tar.gz
    [ "$status" -eq 0 ]
    [[ $output == *"not the published file"* ]]
    same out
    [ "$(ls -A out)" = cifar-10-batches-bin ]
}

@test "what is there already is left alone" {
    "$root/scripts/get-data" -d out cifar10 mirror/cifar-10-binary.tar.gz
    run "$root/scripts/get-data" -d out cifar10 missing.tar.gz
    [ "$status" -eq 0 ]
    [[ $output == *"there already"* ]]
}

@test "downloads, goes on where it stopped, verifies, cleans up" {
    mkdir -p out/.downloads
    head -c 50000 mirror/cifar-10-binary.tar.gz >out/.downloads/cifar-10-binary.tar.gz
    DLCLI_MIRROR=file://$PWD/mirror run ./ours -d out cifar10
    [ "$status" -eq 0 ]
    same out
    [ "$(ls -A out)" = cifar-10-batches-bin ]
}

@test "a download of another checksum is refused and not kept" {
    DLCLI_MIRROR=file://$PWD/mirror run ./published -d out cifar10
    [ "$status" -eq 1 ]
    [[ $output == *"not the published file"* ]]
    [ ! -e out/cifar-10-batches-bin ]
    [ ! -e out/.downloads/cifar-10-binary.tar.gz ]
}

@test "an archive of something else, one that is broken, one that is missing" {
    run "$root/scripts/get-data" -d out cifar100 mirror/cifar-10-binary.tar.gz
    [ "$status" -eq 1 ]
    [[ $output == *"holds no train.bin"* ]]
    head -c 1000 mirror/cifar-10-binary.tar.gz >broken.tar.gz
    run "$root/scripts/get-data" -d out cifar10 broken.tar.gz
    [ "$status" -eq 1 ]
    [[ $output == *"can't be unpacked"* ]]
    run "$root/scripts/get-data" -d out cifar10 missing.tar.gz
    [ "$status" -eq 1 ]
    [ -z "$(ls -A out)" ]
}

@test "mnist from a folder of gzipped files" {
    mkdir given
    for name in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
        echo "$name" | gzip >"given/$name-ubyte.gz"
    done
    run "$root/scripts/get-data" -d out mnist given
    [ "$status" -eq 0 ]
    cmp given/t10k-labels-idx1-ubyte.gz out/mnist/t10k-labels-idx1-ubyte.gz
}

@test "usage" {
    run "$root/scripts/get-data"
    [ "$status" -eq 2 ]
    run "$root/scripts/get-data" imagenet
    [ "$status" -eq 1 ]
    [[ $output == *'no data set "imagenet"'* ]]
    run "$root/scripts/get-data" -h
    [ "$status" -eq 0 ]
}
