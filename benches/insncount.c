/* A plugin for qemu-user that counts the guest's instructions between marks.
 *
 *   cc -shared -fPIC -O2 -o libinsncount.so benches/insncount.c
 *   qemu-aarch64 -plugin ./libinsncount.so -d plugin -D counts PROGRAM
 *
 * A mark is the system call getppid, which examples/instructions makes before and after the counted work. At each mark a
 * line "mark N" with all instructions of all threads so far is written. A translated block counts when it begins, so that the
 * same program gives the same number each time.
 *
 * QEMU's plugin API, version 1 (qemu 4.2 to 8.x; Debian 12 has 7.2, whose qemu-user is linked dynamically, as plugins need).
 * Its functions are declared here: its header is in no package of Debian 12. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define VISIBLE __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct block;

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct block *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct block *, void (*)(unsigned, void *), int flags, void *);
extern void qemu_plugin_register_vcpu_syscall_cb(
    plugin_id, void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                        uint64_t, uint64_t));
extern size_t qemu_plugin_tb_n_insns(const struct block *);
extern void qemu_plugin_outs(const char *);

VISIBLE int qemu_plugin_version = 1;

enum { GETPPID_AARCH64 = 173, NO_REGISTERS = 0 };

static uint64_t executed;

static void begins(unsigned cpu, void *instructions) {
    (void)cpu;
    __atomic_fetch_add(&executed, (uint64_t)(uintptr_t)instructions, __ATOMIC_RELAXED);
}

static void translated(plugin_id id, struct block *block) {
    (void)id;
    void *instructions = (void *)(uintptr_t)qemu_plugin_tb_n_insns(block);
    qemu_plugin_register_vcpu_tb_exec_cb(block, begins, NO_REGISTERS, instructions);
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number == GETPPID_AARCH64) {
        char line[64];
        snprintf(line, sizeof line, "mark %" PRIu64 "\n", __atomic_load_n(&executed, __ATOMIC_RELAXED));
        qemu_plugin_outs(line);
    }
}

VISIBLE int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
