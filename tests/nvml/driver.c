/* Stands for libnvidia-ml.so.1. What it says is read on every call from the file that FAKE_NVML names, one GPU a line:
 *
 *     name|uuid|total MiB|used MiB|core %|bus %|°C|mW|limit mW|MIG 0 or 1|pid:MiB,pid:MiB|key=value;key=value
 *
 * The keys, each with a usual value where it is left out: sm, smmax, mem, memmax (MHz), gen, genmax, width, widthmax (PCIe),
 * rx, tx (KiB a second), rxbytes, txbytes (counters, without them not supported), minor (without it not supported).
 * A line "part|uuid|name|total MiB|used MiB|GPU instance|compute instance|pid:MiB,…" is a part of the GPU before it.
 * A line "driver|version|CUDA as a number" says what the driver is.
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
enum { NOT_FOUND = 6, LOST = 15 };
enum { NAME, UUID, TOTAL, USED, CORE, BUS, DEGREES, POWER, LIMIT, MIG, PROCESSES, MORE, FIELDS };
enum { GPUS = 16, PARTS = 8, TEXT = 2048 };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
typedef struct { unsigned core, memory; } Utilization;
typedef struct { unsigned pid; unsigned long long used; unsigned instance, compute; } Process;

typedef struct { unsigned id, scope; long long at, latency; unsigned type; int failure; unsigned long long value; } Field;

typedef struct { int lost, instance, compute; char text[FIELDS][TEXT]; } Device;
static Device devices[GPUS], parts[GPUS][PARTS];
static unsigned count, part_counts[GPUS];
static int initialized;
static char version[64];
static int cuda;

static void look_at_driver(char *rest) {
    snprintf(version, sizeof version, "%s", strsep(&rest, "|"));
    cuda = rest ? atoi(rest) : 0;
}

static void look_at_part(unsigned gpu, char *rest) {
    static const int fields[] = {UUID, NAME, TOTAL, USED, -1, -2, PROCESSES};
    Device *part = &parts[gpu][part_counts[gpu]++ % PARTS];
    memset(part, 0, sizeof *part);
    for (int field = 0; field < FIELDS; field++) strcpy(part->text[field], "-");
    part->text[PROCESSES][0] = 0;
    for (int place = 0; place < 7 && rest; place++) {
        const char *value = strsep(&rest, "|");
        if (fields[place] == -1) part->instance = atoi(value);
        else if (fields[place] == -2) part->compute = atoi(value);
        else snprintf(part->text[fields[place]], TEXT, "%s", value);
    }
}

/* Counts what cuda.c took to the first GPU. */
static void add_what_cuda_took(const char *path) {
    char beside[512], *used = devices[0].text[USED], *processes = devices[0].text[PROCESSES];
    unsigned pid;
    unsigned long long mib;
    snprintf(beside, sizeof beside, "%s.cuda", path);
    FILE *file = fopen(beside, "r");
    if (!file) return;
    if (fscanf(file, "%u %llu", &pid, &mib) == 2) {
        size_t length = strlen(processes);
        snprintf(used, TEXT, "%llu", strtoull(used, NULL, 10) + mib);
        if (processes[0] != '!') snprintf(processes + length, TEXT - length, "%s%u:%llu", length ? "," : "", pid, mib);
    }
    fclose(file);
}

static int look(void) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[8192];
    int failure = OK;
    strcpy(version, "580.95.05");
    cuda = 13000;
    memset(part_counts, 0, sizeof part_counts);
    if (!file) return NOT_LOADED;
    for (count = 0; count < GPUS && fgets(line, sizeof line, file); count++) {
        Device *device = &devices[count];
        char *rest = line, *part;
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "driver|", 7) || (!strncmp(line, "part|", 5) && count)) {
            strsep(&rest, "|");
            if (line[0] == 'd') look_at_driver(rest);
            else look_at_part(count - 1, rest);
            count--;
            continue;
        }
        memset(device, 0, sizeof *device);
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
    if (count) add_what_cuda_took(path);
    return failure;
}

static int find(void *handle, Device **found) {
    size_t place = (size_t)handle;
    int failed = initialized ? look() : UNINITIALIZED;
    unsigned part = place / 100, gpu = place % 100;
    if (failed) return failed;
    if (gpu < 1 || gpu > count || part > part_counts[gpu - 1]) return INVALID;
    *found = part ? &parts[gpu - 1][part - 1] : &devices[gpu - 1];
    return devices[gpu - 1].lost ? LOST : OK;
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

/* ------------------------------------------------------------------ besides */

/* The value of a key; `usual` where it is left out, and -1 for none: not supported. */
static int more(void *handle, const char *key, long long usual, unsigned long long *value) {
    Device *device;
    int failed = find(handle, &device);
    const char *at;
    char wanted[32];
    if (failed) return failed;
    if (device->text[NAME][0] == '-') return NOT_SUPPORTED;
    snprintf(wanted, sizeof wanted, ";%s=", key);
    char all[TEXT + 2];
    snprintf(all, sizeof all, ";%s", device->text[MORE]);
    at = strstr(all, wanted);
    if (!at) {
        if (usual < 0) return NOT_SUPPORTED;
        *value = usual;
        return OK;
    }
    at += strlen(wanted);
    if (*at == '-') return NOT_SUPPORTED;
    if (*at == '!') return failure_of(at);
    *value = strtoull(at, NULL, 10);
    return OK;
}

static int more_small(void *handle, const char *key, long long usual, unsigned *value) {
    unsigned long long found;
    int failed = more(handle, key, usual, &found);
    if (!failed) *value = found;
    return failed;
}

int nvmlSystemGetDriverVersion(char *buffer, unsigned length) {
    int failed = initialized ? look() : UNINITIALIZED;
    if (!failed) snprintf(buffer, length, "%s", version);
    return failed;
}

int nvmlSystemGetCudaDriverVersion_v2(int *found) {
    int failed = initialized ? look() : UNINITIALIZED;
    if (!failed) *found = cuda;
    return failed;
}

int nvmlDeviceGetClockInfo(void *handle, int kind, unsigned *clock) {
    return more_small(handle, kind == 2 ? "mem" : "sm", kind == 2 ? 2619 : 1755, clock);
}

int nvmlDeviceGetMaxClockInfo(void *handle, int kind, unsigned *clock) {
    return more_small(handle, kind == 2 ? "memmax" : "smmax", kind == 2 ? 2619 : 1980, clock);
}

int nvmlDeviceGetCurrPcieLinkGeneration(void *handle, unsigned *found) { return more_small(handle, "gen", 5, found); }
int nvmlDeviceGetMaxPcieLinkGeneration(void *handle, unsigned *found) { return more_small(handle, "genmax", 5, found); }
int nvmlDeviceGetCurrPcieLinkWidth(void *handle, unsigned *found) { return more_small(handle, "width", 16, found); }
int nvmlDeviceGetMaxPcieLinkWidth(void *handle, unsigned *found) { return more_small(handle, "widthmax", 16, found); }
int nvmlDeviceGetMinorNumber(void *handle, unsigned *found) { return more_small(handle, "minor", -1, found); }

int nvmlDeviceGetPcieThroughput(void *handle, int counter, unsigned *found) {
    return more_small(handle, counter ? "rx" : "tx", counter ? 1000 : 2000, found);
}

int nvmlDeviceGetFieldValues(void *handle, int length, Field *fields) {
    for (int place = 0; place < length; place++) {
        const char *key = fields[place].id == 198 ? "rxbytes" : fields[place].id == 197 ? "txbytes" : "none";
        fields[place].type = 3;
        fields[place].failure = more(handle, key, -1, &fields[place].value);
    }
    return OK;
}

int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *found) {
    Device *device;
    int failed = find(handle, &device);
    if (!failed) *found = part_counts[(size_t)handle - 1] ? 7 : 0;
    return failed;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **part) {
    Device *device;
    int failed = find(handle, &device);
    if (failed) return failed;
    if (index >= part_counts[(size_t)handle - 1]) return NOT_FOUND;
    *part = (void *)((size_t)handle + 100 * (size_t)(index + 1));
    return OK;
}

int nvmlDeviceGetGpuInstanceId(void *handle, unsigned *found) {
    Device *device;
    int failed = find(handle, &device);
    if (!failed) *found = device->instance;
    return failed;
}

int nvmlDeviceGetComputeInstanceId(void *handle, unsigned *found) {
    Device *device;
    int failed = find(handle, &device);
    if (!failed) *found = device->compute;
    return failed;
}
