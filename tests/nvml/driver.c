/* Stands for libnvidia-ml.so.1. What it says is read on every call from the file that FAKE_NVML names, one GPU a line:
 *
 *     name|uuid|total MiB|used MiB|core %|bus %|°C|mW|limit mW|MIG 0 or 1|pid:MiB,pid:MiB
 *
 * "-" for a number: not supported; "!": no permission; "!N": the failure of that number. A line "lost": the GPU at this
 * place fell off the bus. A first line "fails N": the driver as a whole does. A first line "waits PATH": it opens that
 * FIFO, and so hangs until somebody opens it to write. Without the file no driver is loaded.
 *
 * Compiled with -DOLD it is a driver that knows neither MIG nor the second kind of memory figures. The structures are
 * those of nvml.h, as far as they are needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, SMALL = 7, NOT_LOADED = 9 };
enum { LOST = 15 };
enum { NAME, UUID, TOTAL, USED, CORE, BUS, DEGREES, POWER, LIMIT, MIG, PROCESSES, FIELDS };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
typedef struct { unsigned core, memory; } Utilization;
typedef struct { unsigned pid; unsigned long long used; unsigned instance, compute; } Process;

typedef struct { int lost; char text[FIELDS][256]; } Device;
static Device devices[16];
static unsigned count;
static int initialized;

static int look(void) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[2048];
    int failure = OK;
    if (!file) return NOT_LOADED;
    for (count = 0; count < 16 && fgets(line, sizeof line, file); count++) {
        Device *device = &devices[count];
        char *rest = line, *part;
        memset(device, 0, sizeof *device);
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "fails ", 6)) failure = atoi(line + 6);
        if (!strncmp(line, "waits ", 6)) {
            FILE *fifo = fopen(line + 6, "r");
            if (fifo) fclose(fifo);
        }
        device->lost = !strcmp(line, "lost");
        for (int field = 0; field < FIELDS && (part = strsep(&rest, "|")); field++)
            snprintf(device->text[field], sizeof device->text[field], "%s", part);
    }
    fclose(file);
    return failure;
}

static int find(void *handle, Device **found) {
    size_t place = (size_t)handle;
    int failed = initialized ? look() : UNINITIALIZED;
    if (failed) return failed;
    if (place < 1 || place > count) return INVALID;
    *found = &devices[place - 1];
    return (*found)->lost ? LOST : OK;
}

static int failure_of(const char *text) {
    int code = atoi(text + 1);
    return code ? code : NO_PERMISSION;
}

static int number(void *handle, int field, unsigned long long *value) {
    Device *device;
    int failed = find(handle, &device);
    if (failed) return failed;
    if (device->text[field][0] == '-') return NOT_SUPPORTED;
    if (device->text[field][0] == '!') return failure_of(device->text[field]);
    *value = strtoull(device->text[field], NULL, 10);
    return OK;
}

static int text(void *handle, int field, char *buffer, unsigned length) {
    Device *device;
    int failed = find(handle, &device);
    if (failed) return failed;
    if (strlen(device->text[field]) >= length) return SMALL;
    strcpy(buffer, device->text[field]);
    return OK;
}

int nvmlInit_v2(void) { int failed = look(); initialized = !failed; return failed; }
int nvmlInitWithFlags(unsigned flags) { (void)flags; return nvmlInit_v2(); }
int nvmlShutdown(void) { int failed = initialized ? OK : UNINITIALIZED; initialized = 0; return failed; }

const char *nvmlErrorString(int code) {
    static char said[32];
    snprintf(said, sizeof said, "error %d", code);
    return said;
}

int nvmlDeviceGetCount_v2(unsigned *found) {
    int failed = initialized ? look() : UNINITIALIZED;
    if (!failed) *found = count;
    return failed;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    Device *device;
    *handle = (void *)(size_t)(index + 1);
    return find(*handle, &device);
}

int nvmlDeviceGetName(void *handle, char *buffer, unsigned length) { return text(handle, NAME, buffer, length); }
int nvmlDeviceGetUUID(void *handle, char *buffer, unsigned length) { return text(handle, UUID, buffer, length); }

static int memory_of(void *handle, Memory2 *memory) {
    unsigned long long total, used;
    int failed = number(handle, TOTAL, &total);
    if (!failed) failed = number(handle, USED, &used);
    if (failed) return failed;
    memory->total = total << 20;
    memory->used = used << 20;
    memory->reserved = 300ULL << 20;
    memory->free = memory->total - memory->used - memory->reserved;
    return OK;
}

int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    Memory2 whole;
    int failed = memory_of(handle, &whole);
    if (failed) return failed;
    *memory = (Memory){whole.total, whole.free, whole.used};
    return OK;
}

#ifndef OLD
int nvmlDeviceGetMemoryInfo_v2(void *handle, Memory2 *memory) { return memory_of(handle, memory); }
#endif

int nvmlDeviceGetUtilizationRates(void *handle, Utilization *rates) {
    unsigned long long core, memory;
    int failed = number(handle, CORE, &core);
    if (!failed) failed = number(handle, BUS, &memory);
    if (!failed) *rates = (Utilization){core, memory};
    return failed;
}

static int small(void *handle, int field, unsigned *value) {
    unsigned long long found;
    int failed = number(handle, field, &found);
    if (!failed) *value = found;
    return failed;
}

int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *degrees) {
    (void)sensor;
    return small(handle, DEGREES, degrees);
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned *power) { return small(handle, POWER, power); }
int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *limit) { return small(handle, LIMIT, limit); }

#ifndef OLD
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    int failed = small(handle, MIG, current);
    if (!failed) *pending = *current;
    return failed;
}
#endif

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *length, Process *found) {
    Device *device;
    int failed = find(handle, &device);
    unsigned place = 0;
    char *rest, *part;
    if (failed) return failed;
    rest = device->text[PROCESSES];
    if (rest[0] == '-') return NOT_SUPPORTED;
    if (rest[0] == '!') return failure_of(rest);
    while (rest && rest[0] && (part = strsep(&rest, ","))) {
        unsigned pid;
        unsigned long long used;
        if (sscanf(part, "%u:%llu", &pid, &used) != 2) continue;
        if (found && place < *length) found[place] = (Process){pid, used << 20, -1, -1};
        place++;
    }
    failed = place > *length ? SMALL : OK;
    *length = place;
    return failed;
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *length, Process *found) {
    Device *device;
    (void)found;
    *length = 0;
    return find(handle, &device);
}
