// What llama.cpp itself would allocate, without allocating it: loads models with `no_alloc` and prints the bytes of
// weights, KV cache and compute buffers by device. Links the libllama of node-llama-cpp; built by bench/fit/record.ts.
//
// GPUs are stand-ins: devices with the memory rules of ggml's CUDA backend (alignment 128, room for f16 copies of a
// quantised cache under flash attention, large batches computed on the GPU also where the weights are on the CPU,
// events and async so that several devices are pipelined). They compute
// nothing; llama.cpp's graph allocator sizes their buffers as it would a real device's.
//
// stdin, one request a line:  MODEL DEVICES GPU_LAYERS N_CTX N_BATCH N_UBATCH N_SEQ FLASH(0|1) KV_TYPE OUTPUTS(0 = all)
// stdout, one answer a line:  {"devices":[[weights,kv,compute],...],"host":[weights,kv,compute]} or {"error":"..."}
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "ggml-backend-impl.h"
#include "ggml-backend.h"
#include "ggml.h"
#include "llama.h"
#include "../src/llama-ext.h"

namespace {

constexpr int MAX_DEVICES = 4;
// CUDA pads rows of quantised tensors to 512 values; asked for by MEASURE_ROW_PADDING, as it is CUDA's alone.
constexpr int64_t ROW_PADDING = 512;
bool pads_rows = false;
constexpr size_t ALIGNMENT = 128;
constexpr int64_t OFFLOAD_BATCH = 32;

struct stand_in {
    int index;
    std::string name;
    ggml_backend_device device;
    ggml_backend_buffer_type type;
};

stand_in GPUS[MAX_DEVICES];
int visible = 0;

stand_in * of(ggml_backend_dev_t dev) { return static_cast<stand_in *>(dev->context); }

// ---- buffers: only their sizes matter
const char * type_name(ggml_backend_buffer_type_t type) { return static_cast<stand_in *>(type->context)->name.c_str(); }
size_t alignment(ggml_backend_buffer_type_t) { return ALIGNMENT; }

size_t alloc_size(ggml_backend_buffer_type_t, const ggml_tensor * t) {
    size_t size = ggml_nbytes(t);
    if (t->op == GGML_OP_FLASH_ATTN_EXT) {
        for (const int i : {1, 2}) {
            const ggml_tensor * cache = t->src[i];
            if (cache->type != GGML_TYPE_F16) size = GGML_PAD(size, ALIGNMENT) + ggml_nelements(cache) * 2;
        }
    }
    if (pads_rows && ggml_is_quantized(t->type) && t->ne[0] % ROW_PADDING != 0)
        size += ggml_row_size(t->type, ROW_PADDING - t->ne[0] % ROW_PADDING);
    return size;
}

void * base(ggml_backend_buffer_t) { return reinterpret_cast<void *>(ALIGNMENT); }
void ignore_memset(ggml_backend_buffer_t, ggml_tensor *, uint8_t, size_t, size_t) {}
void ignore_set(ggml_backend_buffer_t, ggml_tensor *, const void *, size_t, size_t) {}
void ignore_get(ggml_backend_buffer_t, const ggml_tensor *, void *, size_t, size_t) {}
void ignore_clear(ggml_backend_buffer_t, uint8_t) {}

ggml_backend_buffer_t alloc_buffer(ggml_backend_buffer_type_t type, size_t size) {
    ggml_backend_buffer_i iface = {};
    iface.get_base = base;
    iface.memset_tensor = ignore_memset;
    iface.set_tensor = ignore_set;
    iface.get_tensor = ignore_get;
    iface.clear = ignore_clear;
    return ggml_backend_buffer_init(type, iface, nullptr, size);
}

// ---- the stream
const char * stream_name(ggml_backend_t backend) { return of(backend->device)->name.c_str(); }
void free_stream(ggml_backend_t backend) { delete backend; }
void synchronize(ggml_backend_t) {}
ggml_status compute(ggml_backend_t, ggml_cgraph *) { return GGML_STATUS_FAILED; }
void event_record(ggml_backend_t, ggml_backend_event_t) {}

ggml_backend_t init_backend(ggml_backend_dev_t dev, const char *) {
    static ggml_guid guid = {0x67, 0x70, 0x2d, 0x73, 0x74, 0x61, 0x6e, 0x64, 0x2d, 0x69, 0x6e, 0, 0, 0, 0, 1};
    auto * backend = new ggml_backend();
    backend->guid = &guid;
    backend->iface.get_name = stream_name;
    backend->iface.free = free_stream;
    backend->iface.synchronize = synchronize;
    backend->iface.graph_compute = compute;
    backend->iface.event_record = event_record;
    backend->iface.event_wait = event_record;
    backend->device = dev;
    return backend;
}

// ---- the device
const char * device_name(ggml_backend_dev_t dev) { return of(dev)->name.c_str(); }
void memory(ggml_backend_dev_t, size_t * free, size_t * total) { *free = *total = size_t(1) << 40; }
enum ggml_backend_dev_type device_type(ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_GPU; }

void props(ggml_backend_dev_t dev, ggml_backend_dev_props * out) {
    *out = {};
    out->name = out->description = of(dev)->name.c_str();
    out->type = GGML_BACKEND_DEVICE_TYPE_GPU;
    out->caps.async = out->caps.events = true;
    memory(dev, &out->memory_free, &out->memory_total);
}

ggml_backend_buffer_type_t buffer_type(ggml_backend_dev_t dev) { return &of(dev)->type; }
bool supports_op(ggml_backend_dev_t, const ggml_tensor *) { return true; }
bool supports_type(ggml_backend_dev_t dev, ggml_backend_buffer_type_t type) { return type == &of(dev)->type; }

bool offload_op(ggml_backend_dev_t, const ggml_tensor * op) {
    switch (op->op) {
        case GGML_OP_GET_ROWS: return false;
        case GGML_OP_MUL_MAT: return op->ne[1] >= OFFLOAD_BATCH;
        case GGML_OP_MUL_MAT_ID:
        case GGML_OP_ROPE:
        case GGML_OP_ROPE_BACK: return op->ne[2] >= OFFLOAD_BATCH;
        default: return ggml_nrows(op) >= OFFLOAD_BATCH;
    }
}

ggml_backend_event_t event_new(ggml_backend_dev_t dev) { return new ggml_backend_event{dev, nullptr}; }
void event_free(ggml_backend_dev_t, ggml_backend_event_t event) { delete event; }
void event_synchronize(ggml_backend_dev_t, ggml_backend_event_t) {}

const char * registry_name(ggml_backend_reg_t) { return "STAND-IN"; }
size_t device_count(ggml_backend_reg_t) { return MAX_DEVICES; }
ggml_backend_dev_t device_at(ggml_backend_reg_t, size_t index) { return &GPUS[index].device; }

void register_stand_ins() {
    static ggml_backend_reg reg = {GGML_BACKEND_API_VERSION, {registry_name, device_count, device_at, nullptr}, nullptr};
    ggml_backend_device_i dev = {};
    dev.get_name = device_name;
    dev.get_description = device_name;
    dev.get_memory = memory;
    dev.get_type = device_type;
    dev.get_props = props;
    dev.init_backend = init_backend;
    dev.get_buffer_type = buffer_type;
    dev.supports_op = supports_op;
    dev.supports_buft = supports_type;
    dev.offload_op = offload_op;
    dev.event_new = event_new;
    dev.event_free = event_free;
    dev.event_synchronize = event_synchronize;
    ggml_backend_buffer_type_i type = {type_name, alloc_buffer, alignment, nullptr, alloc_size, nullptr};
    for (int i = 0; i < MAX_DEVICES; i++) {
        GPUS[i] = {i, "GPU" + std::to_string(i), {dev, &reg, &GPUS[i]}, {type, &GPUS[i].device, &GPUS[i]}};
    }
    ggml_backend_register(&reg);
}

// ---- measuring
struct request {
    std::string model, kv_type;
    int devices, layers, ctx, batch, ubatch, sequences, flash, outputs;
};

ggml_type kv_type_of(const std::string & name) {
    if (name == "q8_0") return GGML_TYPE_Q8_0;
    if (name == "q4_0") return GGML_TYPE_Q4_0;
    return GGML_TYPE_F16;
}

llama_model * load(const request & r) {
    std::vector<ggml_backend_dev_t> devices;
    for (int i = 0; i < r.devices; i++) devices.push_back(&GPUS[i].device);
    devices.push_back(nullptr);
    llama_model_params params = llama_model_default_params();
    params.devices = devices.data();
    params.n_gpu_layers = r.devices == 0 ? 0 : r.layers;
    params.no_alloc = true;
    params.load_mode = LLAMA_LOAD_MODE_NONE;
    return llama_model_load_from_file(r.model.c_str(), params);
}

std::string measure(const request & r, llama_model * model) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx = r.ctx;
    params.n_batch = r.batch;
    params.n_ubatch = r.ubatch;
    params.n_seq_max = r.sequences;
    params.n_outputs_max = r.outputs;
    params.flash_attn_type = r.flash ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.type_k = params.type_v = kv_type_of(r.kv_type);
    params.kv_unified = false;
    params.swa_full = false;
    params.n_threads = params.n_threads_batch = 1;
    llama_context * context = llama_init_from_model(model, params);
    if (context == nullptr) return "{\"error\":\"no context\"}";
    std::vector<llama_memory_breakdown_data> devices(r.devices);
    llama_memory_breakdown_data host;
    for (const auto & [type, part] : llama_get_memory_breakdown(context)) {
        llama_memory_breakdown_data * sum = &host;
        for (int i = 0; i < r.devices; i++)
            if (type == &GPUS[i].type) sum = &devices[i];
        sum->model += part.model;
        sum->context += part.context;
        sum->compute += part.compute;
    }
    llama_free(context);
    std::ostringstream out;
    const auto print = [&out](const llama_memory_breakdown_data & d) {
        out << "[" << d.model << "," << d.context << "," << d.compute << "]";
    };
    out << "{\"devices\":[";
    for (int i = 0; i < r.devices; i++) {
        if (i > 0) out << ",";
        print(devices[i]);
    }
    out << "],\"host\":";
    print(host);
    out << "}";
    return out.str();
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 2) {
        std::cerr << "usage: measure FOLDER_OF_THE_LIBRARIES\n";
        return 2;
    }
    pads_rows = getenv("MEASURE_ROW_PADDING") != nullptr;
    const bool loud = getenv("MEASURE_LOG") != nullptr;
    llama_log_set([](ggml_log_level level, const char * text, void * user) {
        if (user != nullptr || level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
    }, loud ? &visible : nullptr);
    ggml_backend_load_all_from_path(argv[1]);
    register_stand_ins();
    llama_backend_init();
    llama_model * model = nullptr;
    std::string loaded;
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream in(line);
        request r;
        if (!(in >> r.model >> r.devices >> r.layers >> r.ctx >> r.batch >> r.ubatch >> r.sequences >> r.flash >> r.kv_type >> r.outputs) ||
            r.devices > MAX_DEVICES) {
            std::cout << "{\"error\":\"bad request\"}" << std::endl;
            continue;
        }
        const std::string key = r.model + " " + std::to_string(r.devices) + " " + std::to_string(r.layers);
        if (key != loaded) {
            if (model != nullptr) llama_model_free(model);
            model = load(r);
            loaded = model == nullptr ? "" : key;
        }
        std::cout << (model == nullptr ? "{\"error\":\"not loaded\"}" : measure(r, model)) << std::endl;
    }
    return 0;
}
