/* Stands for libcuda.so.1, as far as memory is taken and given back on one GPU. What is taken stands in a file beside that
 * of FAKE_NVML, "pid MiB", from which driver.c counts it to its first GPU. A FAKE_CUDA_LEAK set: nothing is given back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID = 1, OUT_OF_MEMORY = 2, MOST = 64 };
static unsigned long long sizes[MOST + 1], taken;
static unsigned used;

static void tell(void) {
    char path[512];
    snprintf(path, sizeof path, "%s.cuda", getenv("FAKE_NVML"));
    FILE *file = fopen(path, "w");
    fprintf(file, "%d %llu\n", (int)getpid(), taken >> 20);
    fclose(file);
}

int cuInit(unsigned flags) { return flags ? INVALID : OK; }
int cuDeviceGetCount(int *count) { *count = 1; return OK; }
int cuDeviceGet(int *device, int number) { *device = number; return number ? INVALID : OK; }
int cuDeviceGetUuid(unsigned char *uuid, int device) { memset(uuid, device, 16); return OK; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = &taken; return device ? INVALID : OK; }
int cuCtxSetCurrent(void *context) { return context == &taken ? OK : INVALID; }

int cuMemAlloc_v2(unsigned long long *address, size_t size) {
    if (used == MOST) return OUT_OF_MEMORY;
    sizes[*address = ++used] = size;
    taken += size;
    tell();
    return OK;
}

int cuMemFree_v2(unsigned long long address) {
    if (address < 1 || address > used) return INVALID;
    if (!getenv("FAKE_CUDA_LEAK")) taken -= sizes[address];
    tell();
    return OK;
}
