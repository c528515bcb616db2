/* A libnvidia-ml.so.1 for tests: what NVML says is read, at each call, from the file $FAKE_NVML, lines of `key=value`.
 * Signatures and error codes are those of NVIDIA's nvml.h, so that the real binding runs through the true ABI.
 * A handle is the number of a device + 1, or that and 1000 * (number of the MIG instance + 1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, SMALL = 7, TIMEOUT = 10, LOST = 15, UNKNOWN = 999 };
typedef void *handle;
typedef unsigned long long u64;

static char found[256];

static const char *ask(const char *key) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512];
    const char *answer = NULL;
    size_t length = strlen(key);
    if (!file) return NULL;
    while (!answer && fgets(line, sizeof line, file))
        if (!strncmp(line, key, length) && line[length] == '=') {
            snprintf(found, sizeof found, "%s", line + length + 1);
            found[strcspn(found, "\n")] = 0;
            answer = found;
        }
    fclose(file);
    return answer;
}

static const char *of(handle h, const char *name) {
    char key[128];
    long n = (long)h;
    if (n >= 1000) snprintf(key, sizeof key, "gpu%ld.mig%ld.%s", n % 1000 - 1, n / 1000 - 1, name);
    else snprintf(key, sizeof key, "gpu%ld.%s", n - 1, name);
    return ask(key);
}

/* An error that the file demands for this device: gpuN.error=15 */
static int broken(handle h) {
    const char *code = of(h, "error");
    return code ? atoi(code) : SUCCESS;
}

static int text(handle h, const char *name, char *out, unsigned size) {
    int wrong = broken(h);
    const char *value;
    if (wrong) return wrong;
    if (!(value = of(h, name))) return NOT_SUPPORTED;
    if (strlen(value) + 1 > size) return SMALL;
    strcpy(out, value);
    return SUCCESS;
}

static int number(handle h, const char *name, unsigned *out) {
    int wrong = broken(h);
    const char *value;
    if (wrong) return wrong;
    if (!(value = of(h, name))) return NOT_SUPPORTED;
    *out = (unsigned)strtoul(value, NULL, 10);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) { const char *e = ask("init.error"); return e ? atoi(e) : SUCCESS; }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { return code == LOST ? "GPU is lost" : code == NOT_SUPPORTED ? "Not Supported" : "Error"; }

int nvmlSystemGetDriverVersion(char *out, unsigned size) {
    const char *value = ask("driver");
    if (!value) return UNKNOWN;
    snprintf(out, size, "%s", value);
    return SUCCESS;
}
int nvmlDeviceGetCount_v2(unsigned *count) {
    const char *value = ask("count");
    if (!value) return UNKNOWN;
    *count = (unsigned)atoi(value);
    return SUCCESS;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, handle *out) {
    const char *value = ask("count");
    if (!value || index >= (unsigned)atoi(value)) return INVALID;
    *out = (handle)(long)(index + 1);
    return broken(*out);
}
int nvmlDeviceGetHandleByUUID(const char *uuid, handle *out) {
    for (long gpu = 1; gpu < 33; gpu++)
        for (long mig = 0; mig < 8; mig++) {
            handle h = (handle)(gpu + 1000 * mig);
            const char *value = of(h, "uuid");
            if (value && !strcmp(value, uuid)) { *out = h; return broken(h); }
        }
    return NOT_FOUND;
}
int nvmlDeviceGetUUID(handle h, char *out, unsigned size) { return text(h, "uuid", out, size); }
int nvmlDeviceGetName(handle h, char *out, unsigned size) { return text(h, "name", out, size); }
int nvmlDeviceGetMinorNumber(handle h, unsigned *out) { return number(h, "minor", out); }
int nvmlDeviceGetCudaComputeCapability(handle h, int *major, int *minor) {
    const char *value = of(h, "capability");
    return value && sscanf(value, "%d.%d", major, minor) == 2 ? SUCCESS : NOT_SUPPORTED;
}
struct memory { u64 total, free, used; };
int nvmlDeviceGetMemoryInfo(handle h, struct memory *out) {
    int wrong = broken(h);
    const char *value;
    if (wrong) return wrong;
    if (!(value = of(h, "memory"))) return NOT_SUPPORTED;
    out->total = out->free = strtoull(value, NULL, 10);
    out->used = 0;
    return SUCCESS;
}
struct pci { char legacy[16]; unsigned domain, bus, device, id, subsystem; char busId[32]; };
int nvmlDeviceGetPciInfo_v3(handle h, struct pci *out) { memset(out, 0, sizeof *out); return text(h, "bus", out->busId, 32); }

int nvmlDeviceGetMigMode(handle h, unsigned *now, unsigned *pending) { int e = number(h, "mig", now); *pending = *now; return e; }
int nvmlDeviceGetMaxMigDeviceCount(handle h, unsigned *out) { *out = 7; return broken(h); }
int nvmlDeviceGetMigDeviceHandleByIndex(handle h, unsigned index, handle *out) {
    handle mig = (handle)((long)h + 1000 * (long)(index + 1));
    if (!of(mig, "uuid")) return NOT_FOUND;
    *out = mig;
    return SUCCESS;
}
int nvmlDeviceGetGpuInstanceId(handle h, unsigned *out) { return number(h, "gi", out); }
int nvmlDeviceGetComputeInstanceId(handle h, unsigned *out) { return number(h, "ci", out); }

int nvmlDeviceGetTotalEccErrors(handle h, unsigned type, unsigned counter, u64 *out) {
    unsigned value = 0;
    int e = number(h, "ecc", &value);
    *out = value;
    return e;
}
int nvmlDeviceGetRemappedRows(handle h, unsigned *correctable, unsigned *uncorrectable, unsigned *pending, unsigned *failed) {
    const char *value = of(h, "remapped");
    return value && sscanf(value, "%u,%u,%u,%u", correctable, uncorrectable, pending, failed) == 4 ? SUCCESS : NOT_SUPPORTED;
}
int nvmlDeviceGetTemperature(handle h, unsigned sensor, unsigned *out) { return number(h, "temperature", out); }
int nvmlDeviceGetTemperatureThreshold(handle h, unsigned which, unsigned *out) { return number(h, "slowdown", out); }

/* Events: gpuN.xid=79 is told once for each registration. */
static handle listening[64];
static int told[64], listeners;
int nvmlEventSetCreate(handle *set) { listeners = 0; *set = (handle)1; return SUCCESS; }
int nvmlEventSetFree(handle set) { return SUCCESS; }
int nvmlDeviceRegisterEvents(handle h, u64 types, handle set) {
    if (of(h, "noevents")) return NOT_SUPPORTED;
    listening[listeners] = h;
    told[listeners++] = 0;
    return SUCCESS;
}
struct event { handle device; u64 type, data; unsigned gi, ci; };
int nvmlEventSetWait_v2(handle set, struct event *out, unsigned milliseconds) {
    for (int i = 0; i < listeners; i++) {
        const char *xid = of(listening[i], "xid");
        int number = xid ? atoi(xid) : 0;
        if (number && number != told[i]) {
            memset(out, 0, sizeof *out);
            out->device = listening[i];
            out->type = 8;
            out->data = (u64)(told[i] = number);
            return SUCCESS;
        }
    }
    return TIMEOUT;
}

/* Processes: gpuN.process=pid,bytes,percent (one of them is enough here). */
struct process { unsigned pid; u64 memory; unsigned gi, ci; };
int nvmlDeviceGetComputeRunningProcesses_v3(handle h, unsigned *count, struct process *out) {
    const char *value = of(h, "process");
    unsigned room = *count;
    struct process one = {0};
    *count = value ? 1 : 0;
    if (!value) return SUCCESS;
    if (!out || room < 1) return SMALL;
    if (sscanf(value, "%u,%llu", &one.pid, &one.memory) != 2) return UNKNOWN;
    out[0] = one;
    return SUCCESS;
}
struct sample { unsigned pid; u64 time; unsigned sm, mem, enc, dec; };
int nvmlDeviceGetProcessUtilization(handle h, struct sample *out, unsigned *count, u64 since) {
    const char *value = of(h, "process");
    unsigned room = *count;
    struct sample one = {0};
    u64 memory;
    *count = value ? 1 : 0;
    if (!value) return NOT_FOUND;
    if (!out || room < 1) return SMALL;
    if (sscanf(value, "%u,%llu,%u", &one.pid, &memory, &one.sm) != 3) return UNKNOWN;
    one.time = 1;
    out[0] = one;
    return SUCCESS;
}
