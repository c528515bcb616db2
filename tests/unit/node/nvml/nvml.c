/* A libnvidia-ml.so.1 for tests: what NVML says is read, at each call, from the file $FAKE_NVML, lines of `key=value`.
 * Signatures and error codes are those of NVIDIA's nvml.h, so that the real binding runs through the true ABI.
 * A handle is the number of a device + 1, or that and 1000 * (number of the MIG instance + 1).
 * GPU instances that are created stand in the file $FAKE_NVML.mig, so that they outlive a process, as real ones do. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, SMALL = 7, TIMEOUT = 10, LOST = 15,
    IN_USE = 19, INSUFFICIENT = 23, UNKNOWN = 999
};
typedef void *handle;
typedef unsigned long long u64;

static char found[1024];

static const char *ask(const char *key) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[1024];
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

/* A GPU instance: gpu, id, profile, first memory slice, how many, has it a compute instance, number since the start. */
struct instance { int gpu, id, profile, start, size, compute, serial; };
static struct instance cut[256];
enum { FIRST_CUT = 8, MOST_MIG = 16 }; /* MIG devices below FIRST_CUT stand in the file, those above were created */

static const char *cut_file(void) {
    static char path[512];
    snprintf(path, sizeof path, "%s.mig", getenv("FAKE_NVML"));
    return path;
}

/* The instances of the file $FAKE_NVML (gpuN.migM.place=id,profile,start,size) and then those that were created; how many. */
static int load_cut(void);

static const char *of_cut(long gpu, long slot, const char *name);

static const char *of(handle h, const char *name) {
    char key[128];
    long n = (long)h;
    if (n >= 1000 * (FIRST_CUT + 1)) return of_cut(n % 1000 - 1, n / 1000 - 1 - FIRST_CUT, name);
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
        for (long mig = 0; mig <= MOST_MIG; mig++) {
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

int nvmlDeviceGetMigMode(handle h, unsigned *now, unsigned *pending) { int e = number(h, "mig", now); if (number(h, "migpending", pending)) *pending = *now; return e; }
int nvmlDeviceGetMaxMigDeviceCount(handle h, unsigned *out) { *out = MOST_MIG; return broken(h); }
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

/* Processes: gpuN.process=pid,bytes,percent and as many more, with blanks between. */
struct process { unsigned pid; u64 memory; unsigned gi, ci; };
struct sample { unsigned pid; u64 time; unsigned sm, mem, enc, dec; };
static int processes(handle h, struct process *out, struct sample *used, unsigned *count) {
    const char *value = of(h, "process");
    unsigned room = *count;
    *count = 0;
    for (; value; value = strchr(value, ' ') ? strchr(value, ' ') + 1 : NULL) {
        unsigned pid, percent;
        u64 memory;
        if (sscanf(value, "%u,%llu,%u", &pid, &memory, &percent) != 3) return UNKNOWN;
        if (out && *count < room) out[*count] = (struct process){.pid = pid, .memory = memory};
        if (used && *count < room) used[*count] = (struct sample){.pid = pid, .time = 1, .sm = percent};
        ++*count;
    }
    return *count > room ? SMALL : SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(handle h, unsigned *count, struct process *out) { return processes(h, out, NULL, count); }
int nvmlDeviceGetProcessUtilization(handle h, struct sample *out, unsigned *count, u64 since) {
    if (!of(h, "process")) return NOT_FOUND;
    return processes(h, NULL, out, count);
}

/* Limits of cgroups (R615): gpuN.limits=0 can, any other number is the error; gpuN.forgets=1 takes them and does not
 * keep them. What is set stands in the file $FAKE_NVML.limits. */
struct set_limits { const char *group; u64 soft, hard; };
int nvmlDeviceSetMemoryLimits_v1(handle h, struct set_limits *limits) {
    const char *can = of(h, "limits"), *uuid;
    char path[512];
    FILE *file;
    if ((long)h >= 1000 || !can) return NOT_SUPPORTED;
    if (atoi(can)) return atoi(can);
    if (access(limits->group, F_OK)) return NOT_FOUND;
    snprintf(path, sizeof path, "%s.limits", getenv("FAKE_NVML"));
    uuid = of(h, "uuid");
    file = fopen(path, "a");
    fprintf(file, "%s %s %llu %llu\n", uuid, limits->group, limits->soft, limits->hard);
    fclose(file);
    return SUCCESS;
}
struct get_limits { const char *group; u64 soft, hard, used; };
int nvmlDeviceGetMemoryLimits_v1(handle h, struct get_limits *limits) {
    char path[512], uuid[128], group[512];
    u64 soft, hard;
    FILE *file;
    limits->soft = 0, limits->hard = ~0ull, limits->used = 0;
    if ((long)h >= 1000) return NOT_SUPPORTED;
    snprintf(path, sizeof path, "%s.limits", getenv("FAKE_NVML"));
    file = of(h, "forgets") ? NULL : fopen(path, "r");
    while (file && fscanf(file, "%127s %511s %llu %llu", uuid, group, &soft, &hard) == 4)
        if (!strcmp(uuid, of(h, "uuid")) && !strcmp(group, limits->group)) limits->soft = soft, limits->hard = hard;
    if (file) fclose(file);
    return SUCCESS;
}

/* MIG: gpuN.profileK=id,slices,most,sms,copy,dec,enc,jpeg,ofa,MiB,size,name,start start ... */
struct profile { int id, slices, most, sms, copy, dec, enc, jpeg, ofa, mib, size; char name[32], starts[64]; };

static int profile_at(long gpu, int kind, struct profile *p) {
    char key[32];
    const char *value;
    snprintf(key, sizeof key, "gpu%ld.profile%d", gpu, kind);
    return (value = ask(key)) && sscanf(value, "%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%31[^,],%63[^\n]", &p->id, &p->slices, &p->most,
        &p->sms, &p->copy, &p->dec, &p->enc, &p->jpeg, &p->ofa, &p->mib, &p->size, p->name, p->starts) == 13;
}

static int profile_of(long gpu, int id, struct profile *p) {
    for (int kind = 0; kind < 18; kind++)
        if (profile_at(gpu, kind, p) && p->id == id) return 1;
    return 0;
}

static int load_cut(void) {
    int count = 0;
    char line[512];
    FILE *file = fopen(getenv("FAKE_NVML"), "r");
    while (file && fgets(line, sizeof line, file)) {
        struct instance one = {.compute = 1, .serial = -1};
        int mig;
        if (sscanf(line, "gpu%d.mig%d.place=%d,%d,%d,%d", &one.gpu, &mig, &one.id, &one.profile, &one.start, &one.size) == 6)
            cut[count++] = one;
    }
    if (file) fclose(file);
    if ((file = fopen(cut_file(), "r"))) {
        struct instance one;
        while (fscanf(file, "%d %d %d %d %d %d %d", &one.gpu, &one.id, &one.profile, &one.start, &one.size, &one.compute, &one.serial) == 7)
            cut[count++] = one;
        fclose(file);
    }
    return count;
}

/* `die=3`: this process is killed right after the third change of the instances. */
static void store_cut(int count) {
    static int changes;
    const char *last = ask("die");
    int die = last ? atoi(last) : 0;
    FILE *file = fopen(cut_file(), "w");
    for (int i = 0; i < count; i++)
        if (cut[i].serial >= 0)
            fprintf(file, "%d %d %d %d %d %d %d\n", cut[i].gpu, cut[i].id, cut[i].profile, cut[i].start, cut[i].size, cut[i].compute, cut[i].serial);
    fclose(file);
    if (++changes == die) kill(getpid(), SIGKILL);
}

/* What is said of the created MIG device in a slot of a GPU: the slot is the id of its GPU instance. */
static const char *of_cut(long gpu, long slot, const char *name) {
    static char said[128];
    struct profile p;
    int count = load_cut();
    for (int i = 0; i < count; i++) {
        if (cut[i].serial < 0 || cut[i].gpu != gpu || cut[i].id != slot || !cut[i].compute) continue;
        struct instance one = cut[i];
        if (!strcmp(name, "error") || !profile_of(gpu, one.profile, &p)) return NULL;
        if (!strcmp(name, "uuid")) snprintf(said, sizeof said, "MIG-made-%d", one.serial);
        else if (!strcmp(name, "gi")) snprintf(said, sizeof said, "%d", one.id);
        else if (!strcmp(name, "ci")) strcpy(said, "0");
        else if (!strcmp(name, "memory")) snprintf(said, sizeof said, "%llu", (u64)p.mib << 20);
        else if (!strcmp(name, "name")) snprintf(said, sizeof said, "NVIDIA MIG %s", p.name);
        else return NULL;
        return said;
    }
    return NULL;
}

struct profile_info { unsigned version, id, p2p, slices, most, sms, copy, dec, enc, jpeg, ofa; u64 mib; char name[96]; };
int nvmlDeviceGetGpuInstanceProfileInfoV(handle h, unsigned kind, struct profile_info *out) {
    struct profile p;
    int wrong = broken(h);
    if (wrong) return wrong;
    if (out->version != 0x02000098) return INVALID;
    if (!profile_at((long)h - 1, (int)kind, &p)) return NOT_SUPPORTED;
    memset((char *)out + sizeof out->version, 0, sizeof *out - sizeof out->version);
    out->id = p.id, out->slices = p.slices, out->most = p.most, out->sms = p.sms, out->copy = p.copy, out->dec = p.dec;
    out->enc = p.enc, out->jpeg = p.jpeg, out->ofa = p.ofa, out->mib = p.mib;
    snprintf(out->name, sizeof out->name, "MIG %s", p.name);
    return SUCCESS;
}

struct placement { unsigned start, size; };
int nvmlDeviceGetGpuInstancePossiblePlacements_v2(handle h, unsigned id, struct placement *out, unsigned *count) {
    struct profile p;
    unsigned found = 0;
    if (!profile_of((long)h - 1, (int)id, &p)) return NOT_SUPPORTED;
    for (char *at = strtok(p.starts, " "); at; at = strtok(NULL, " "), found++)
        if (out && found < *count) out[found].start = (unsigned)atoi(at), out[found].size = (unsigned)p.size;
    if (out && *count < found) return SMALL;
    *count = found;
    return SUCCESS;
}

/* Handles of instances: of a GPU instance 100000 + 1000 * gpu + id, of its compute instance the double. */
static handle group_handle(int gpu, int id) { return (handle)(long)(100000 + 1000 * gpu + id); }
static struct instance *instance_of(handle h) {
    long n = (long)h >= 200000 ? (long)h / 2 : (long)h;
    int count = load_cut();
    for (int i = 0; i < count; i++)
        if (group_handle(cut[i].gpu, cut[i].id) == (handle)n) return &cut[i];
    return NULL;
}
static int mig_off(handle h) { const char *mode = of(h, "mig"); return !mode || atoi(mode) != 1; }

int nvmlDeviceGetGpuInstances(handle h, unsigned profile, handle *out, unsigned *count) {
    int all = load_cut(), wrong = broken(h);
    if (wrong) return wrong;
    if (mig_off(h)) return NOT_SUPPORTED;
    *count = 0;
    for (int i = 0; i < all; i++)
        if (cut[i].gpu == (long)h - 1 && cut[i].profile == (int)profile) out[(*count)++] = group_handle(cut[i].gpu, cut[i].id);
    return SUCCESS;
}
int nvmlDeviceGetGpuInstanceById(handle h, unsigned id, handle *out) {
    *out = group_handle((int)(long)h - 1, (int)id);
    if (mig_off(h)) return NOT_SUPPORTED;
    return instance_of(*out) ? SUCCESS : NOT_FOUND;
}
int nvmlDeviceCreateGpuInstanceWithPlacement(handle h, unsigned profile, const struct placement *place, handle *out) {
    struct profile p;
    int count = load_cut(), gpu = (int)(long)h - 1, id = 1, serial = 0;
    const char *refused = of(h, "create.error");
    if (refused) return atoi(refused);
    if (mig_off(h)) return NOT_SUPPORTED;
    if (!profile_of(gpu, (int)profile, &p) || place->size != (unsigned)p.size) return INVALID;
    for (int i = 0; i < count; i++) {
        if (cut[i].serial >= serial) serial = cut[i].serial + 1;
        if (cut[i].gpu != gpu) continue;
        if (cut[i].id >= id) id = cut[i].id + 1;
        if ((int)place->start < cut[i].start + cut[i].size && cut[i].start < (int)(place->start + place->size)) return INSUFFICIENT;
    }
    for (int free = 1; free < id; free++) { /* the smallest id that is free */
        int used = 0;
        for (int i = 0; i < count; i++) used |= cut[i].gpu == gpu && cut[i].id == free;
        if (!used) { id = free; break; }
    }
    cut[count] = (struct instance){gpu, id, (int)profile, (int)place->start, p.size, 0, serial};
    store_cut(count + 1);
    *out = group_handle(gpu, id);
    return SUCCESS;
}
struct group_info { handle device; unsigned id, profile; struct placement place; };
int nvmlGpuInstanceGetInfo(handle h, struct group_info *out) {
    struct instance *one = instance_of(h);
    if (!one) return NOT_FOUND;
    *out = (struct group_info){(handle)(long)(one->gpu + 1), (unsigned)one->id, (unsigned)one->profile, {(unsigned)one->start, (unsigned)one->size}};
    return SUCCESS;
}
int nvmlGpuInstanceDestroy(handle h) {
    struct instance *one = instance_of(h);
    int count = load_cut();
    if (!one) return NOT_FOUND;
    if (one->compute) return IN_USE;
    cut[one - cut] = cut[count - 1];
    store_cut(count - 1);
    return SUCCESS;
}

/* Compute instances: each profile of a GPU instance has the one that takes all of it, and 1_SLICE besides. */
struct compute_profile { unsigned version, id, slices, most, sms, copy, dec, enc, jpeg, ofa; char name[96]; };
int nvmlGpuInstanceGetComputeInstanceProfileInfoV(handle h, unsigned kind, unsigned engine, struct compute_profile *out) {
    static const int slices[] = {1, 2, 3, 4, 7};
    struct instance *one = instance_of(h);
    struct profile p;
    if (!one || out->version != 0x02000088) return INVALID;
    if (kind > 4 || !profile_of(one->gpu, one->profile, &p) || slices[kind] > p.slices) return NOT_SUPPORTED;
    memset((char *)out + sizeof out->version, 0, sizeof *out - sizeof out->version);
    out->id = kind;
    out->slices = (unsigned)slices[kind];
    out->most = (unsigned)(p.slices / slices[kind]);
    return SUCCESS;
}
int nvmlGpuInstanceGetComputeInstances(handle h, unsigned profile, handle *out, unsigned *count) {
    static const int slices[] = {1, 2, 3, 4, 7};
    struct instance *one = instance_of(h);
    struct profile p;
    *count = 0;
    if (one && one->compute && profile_of(one->gpu, one->profile, &p) && slices[profile] == p.slices) out[(*count)++] = (handle)(2 * (long)h);
    return one ? SUCCESS : NOT_FOUND;
}
int nvmlGpuInstanceCreateComputeInstance(handle h, unsigned profile, handle *out) {
    struct instance *one = instance_of(h);
    int count = load_cut();
    if (!one) return NOT_FOUND;
    if (one->compute) return INSUFFICIENT;
    one->compute = 1;
    store_cut(count);
    *out = (handle)(2 * (long)h);
    return SUCCESS;
}
struct compute_info { handle device, group; unsigned id, profile; struct placement place; };
int nvmlComputeInstanceGetInfo_v2(handle h, struct compute_info *out) {
    struct instance *one = instance_of(h);
    if (!one || !one->compute) return NOT_FOUND;
    memset(out, 0, sizeof *out);
    out->device = (handle)(long)(one->gpu + 1 + 1000 * (FIRST_CUT + one->id + 1));
    out->group = group_handle(one->gpu, one->id);
    return SUCCESS;
}
int nvmlComputeInstanceDestroy(handle h) {
    struct instance *one = instance_of(h);
    int count = load_cut();
    if (!one || !one->compute) return NOT_FOUND;
    if (of((handle)(long)(one->gpu + 1), "busy")) return IN_USE;
    one = &cut[one - cut];
    one->compute = 0;
    store_cut(count);
    return SUCCESS;
}

/* NVLink: gpuN.linkK=the other end's bus id, or `switch`. */
static const char *link_of(handle h, unsigned link) {
    char key[16];
    snprintf(key, sizeof key, "link%u", link);
    return of(h, key);
}
int nvmlDeviceGetNvLinkState(handle h, unsigned link, unsigned *active) {
    if (!of(h, "link0")) return NOT_SUPPORTED;
    *active = link_of(h, link) != NULL;
    return SUCCESS;
}
int nvmlDeviceGetNvLinkRemoteDeviceType(handle h, unsigned link, unsigned *type) {
    const char *end = link_of(h, link);
    *type = end && !strcmp(end, "switch") ? 2 : 0;
    return end ? SUCCESS : NOT_SUPPORTED;
}
int nvmlDeviceGetNvLinkRemotePciInfo_v2(handle h, unsigned link, struct pci *out) {
    const char *end = link_of(h, link);
    memset(out, 0, sizeof *out);
    if (end) snprintf(out->busId, sizeof out->busId, "%s", end);
    return end ? SUCCESS : NOT_SUPPORTED;
}
