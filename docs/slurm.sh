#!/bin/bash
# Training on two machines of four GPUs each: sbatch docs/slurm.sh
#SBATCH --job-name=afanet
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gres=gpu:4
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00

# Every task must see all GPUs of its machine (--gres, not --gpus-per-task) and the same run folder. With --resume the
# job can be submitted again as it is after whatever ended it; a first time there is nothing to resume, and it begins.
srun --kill-on-bad-exit=1 python -m afanet train nyuv2 --data PATH --out runs/nyuv2 --checkpoint-every 100 --resume
