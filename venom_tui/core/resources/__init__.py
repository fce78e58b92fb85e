"""What the machine holds: GPUs by NVML, the host by psutil, sampled by threads of their own."""
