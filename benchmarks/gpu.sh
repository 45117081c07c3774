#!/usr/bin/env bash
# Everything that only a GPU can show, in under ten minutes and without a network: parity, ms a step, k-means, the
# augmentation, and whole recipes on MNIST by the paper's protocol.
#
#   benchmarks/gpu.sh DATA_ROOT          DATA_ROOT holds mnist/ as published
#   DEVICE=cpu QUICK=1 benchmarks/gpu.sh   every line of it that a CPU can run, on tiny sizes
set -uo pipefail
cd "$(dirname "$0")/.."
data=${1:-}
device=${DEVICE:-cuda}
quick=${QUICK:+--quick}
recipes=fcdec-da,convdec-da
python=${PYTHON:-python3}
failed=0

# Each part has a limit, so that one that hangs does not cost the others their turn.
part() {
    local limit=$1
    shift
    echo "+ $*"
    timeout "$limit" "$@" || { echo "FAILED ($?): $*"; failed=1; }
}

part 60 "$python" benchmarks/parity.py --device "$device" $quick
part 80 "$python" benchmarks/step.py --device "$device" --threads 1 --seconds 1 $quick
part 25 "$python" benchmarks/augment.py --device "$device" $quick
part 35 "$python" benchmarks/kmeans.py --device "$device" $quick
if [ -n "$data" ]; then
    export DECDA_DATA=$data
    part 130 "$python" benchmarks/end_to_end.py --recipes $recipes --dataset mnist --device "$device"
    part 90 "$python" benchmarks/end_to_end.py --recipes $recipes --dataset mnist --device "$device" --set train.precision=tf32
    # A tenth of the protocol: what counts is the ratio of five seeds to one.
    tenth=(--set train.pretrain_epochs=50 --set train.max_iter=2000 --set train.tol=0)
    part 80 "$python" benchmarks/seeds.py --recipe fcdec-da --dataset mnist --device "$device" --turns 1 "${tenth[@]}"
    part 90 "$python" benchmarks/seeds.py --recipe convdec-da --dataset mnist --device "$device" --turns 1 "${tenth[@]}"
else
    part 60 "$python" benchmarks/end_to_end.py --recipes $recipes --dataset digits --device "$device" $quick
    part 120 "$python" benchmarks/seeds.py --device "$device" $quick
fi
exit $failed
